//! The Sobol sequence, plain and scrambled.

use nn_core::Streams;
use rand::{Rng, RngExt};

/// The bits of a coordinate.
const BITS: usize = 32;

/// The most dimensions that there are direction numbers for.
pub(super) const DIMENSIONS: usize = POLYNOMIALS.len() + 1;

/// One dimension of the Sobol sequence: of the first 2^n points, one lies in each part of length 2^−n.
///
/// # Source
/// Sobol 1967, "On the distribution of points in a cube"; its direction numbers: Joe and Kuo 2008, "Constructing Sobol
/// sequences with better two-dimensional projections", table new-joe-kuo-6. In the order of the Gray code: Antonov and
/// Saleev 1979, "An economic method of computing LPτ-sequences".
pub(super) struct Dimension {
    /// The k-th holds 2^(31−k) times an odd number below 2^(k+1).
    directions: [u32; BITS],
}

impl Dimension {
    /// The dimension of this number, from 0 to [`DIMENSIONS`] − 1.
    pub(super) fn new(number: usize) -> Self {
        let mut odd = [1_u32; BITS];
        if let Some((polynomial, first)) = number.checked_sub(1).map(|i| POLYNOMIALS[i]) {
            let degree = first.len();
            odd[..degree].copy_from_slice(first);
            for k in degree..BITS {
                odd[k] = odd[k - degree];
                for i in 1..=degree {
                    let coefficient = (polynomial >> (degree - i)) & 1;
                    odd[k] ^= coefficient * (odd[k - i] << i);
                }
            }
        }
        for (k, direction) in odd.iter_mut().enumerate() {
            *direction <<= BITS - 1 - k;
        }
        Dimension { directions: odd }
    }

    /// 2^32 times the coordinate of a point.
    pub(super) fn coordinate(&self, point: u32) -> u32 {
        let gray = point ^ (point >> 1);
        let parts = self.directions.iter().enumerate().filter(|(k, _)| (gray >> k) & 1 == 1);
        parts.fold(0, |sum, (_, direction)| sum ^ direction)
    }
}

/// A random matrix and a random shift of the bits of a coordinate, which keep how evenly the points lie.
///
/// # Source
/// Matoušek 1998, "On the L2-discrepancy for anchored boxes": random linear scrambling and a digital shift.
pub(super) struct Scramble {
    /// The bits, from the highest on, whose sum is each bit: those above it at random, and itself.
    rows: [u32; BITS],
    shift: u32,
}

impl Scramble {
    pub(super) fn new(streams: Streams, name: &str) -> Self {
        let mut rng = streams.rng(name, 0);
        let mut rows = [0; BITS];
        for (i, row) in rows.iter_mut().enumerate() {
            let own = 1 << (BITS - 1 - i);
            *row = (rng.next_u32() & !(own | (own - 1))) | own;
        }
        Scramble { rows, shift: rng.random() }
    }

    pub(super) fn apply(&self, coordinate: u32) -> u32 {
        let bit = |row: &u32| (row & coordinate).count_ones() & 1;
        self.rows.iter().fold(0, |bits, row| (bits << 1) | bit(row)) ^ self.shift
    }
}

/// Of each dimension after the first, the primitive polynomial (its bits are the coefficients) and the first odd numbers.
const POLYNOMIALS: [(u32, &[u32]); 63] = [
    (3, &[1]),
    (7, &[1, 3]),
    (11, &[1, 3, 1]),
    (13, &[1, 1, 1]),
    (19, &[1, 1, 3, 3]),
    (25, &[1, 3, 5, 13]),
    (37, &[1, 1, 5, 5, 17]),
    (41, &[1, 1, 5, 5, 5]),
    (47, &[1, 1, 7, 11, 19]),
    (55, &[1, 1, 5, 1, 1]),
    (59, &[1, 1, 1, 3, 11]),
    (61, &[1, 3, 5, 5, 31]),
    (67, &[1, 3, 3, 9, 7, 49]),
    (91, &[1, 1, 1, 15, 21, 21]),
    (97, &[1, 3, 1, 13, 27, 49]),
    (103, &[1, 1, 1, 15, 7, 5]),
    (109, &[1, 3, 1, 15, 13, 25]),
    (115, &[1, 1, 5, 5, 19, 61]),
    (131, &[1, 3, 7, 11, 23, 15, 103]),
    (137, &[1, 3, 7, 13, 13, 15, 69]),
    (143, &[1, 1, 3, 13, 7, 35, 63]),
    (145, &[1, 3, 5, 9, 1, 25, 53]),
    (157, &[1, 3, 1, 13, 9, 35, 107]),
    (167, &[1, 3, 1, 5, 27, 61, 31]),
    (171, &[1, 1, 5, 11, 19, 41, 61]),
    (185, &[1, 3, 5, 3, 3, 13, 69]),
    (191, &[1, 1, 7, 13, 1, 19, 1]),
    (193, &[1, 3, 7, 5, 13, 19, 59]),
    (203, &[1, 1, 3, 9, 25, 29, 41]),
    (211, &[1, 3, 5, 13, 23, 1, 55]),
    (213, &[1, 3, 7, 3, 13, 59, 17]),
    (229, &[1, 3, 1, 3, 5, 53, 69]),
    (239, &[1, 1, 5, 5, 23, 33, 13]),
    (241, &[1, 1, 7, 7, 1, 61, 123]),
    (247, &[1, 1, 7, 9, 13, 61, 49]),
    (253, &[1, 3, 3, 5, 3, 55, 33]),
    (285, &[1, 3, 1, 15, 31, 13, 49, 245]),
    (299, &[1, 3, 5, 15, 31, 59, 63, 97]),
    (301, &[1, 3, 1, 11, 11, 11, 77, 249]),
    (333, &[1, 3, 1, 11, 27, 43, 71, 9]),
    (351, &[1, 1, 7, 15, 21, 11, 81, 45]),
    (355, &[1, 3, 7, 3, 25, 31, 65, 79]),
    (357, &[1, 3, 1, 1, 19, 11, 3, 205]),
    (361, &[1, 1, 5, 9, 19, 21, 29, 157]),
    (369, &[1, 3, 7, 11, 1, 33, 89, 185]),
    (391, &[1, 3, 3, 3, 15, 9, 79, 71]),
    (397, &[1, 3, 7, 11, 15, 39, 119, 27]),
    (425, &[1, 1, 3, 1, 11, 31, 97, 225]),
    (451, &[1, 1, 1, 3, 23, 43, 57, 177]),
    (463, &[1, 3, 7, 7, 17, 17, 37, 71]),
    (487, &[1, 3, 1, 5, 27, 63, 123, 213]),
    (501, &[1, 1, 3, 5, 11, 43, 53, 133]),
    (529, &[1, 3, 5, 5, 29, 17, 47, 173, 479]),
    (539, &[1, 3, 3, 11, 3, 1, 109, 9, 69]),
    (545, &[1, 1, 1, 5, 17, 39, 23, 5, 343]),
    (557, &[1, 3, 1, 5, 25, 15, 31, 103, 499]),
    (563, &[1, 1, 1, 11, 11, 17, 63, 105, 183]),
    (601, &[1, 1, 5, 11, 9, 29, 97, 231, 363]),
    (607, &[1, 1, 5, 15, 19, 45, 41, 7, 383]),
    (617, &[1, 3, 7, 7, 31, 19, 83, 137, 221]),
    (623, &[1, 1, 1, 3, 23, 15, 111, 223, 83]),
    (631, &[1, 1, 5, 13, 31, 15, 55, 25, 161]),
    (637, &[1, 1, 3, 13, 25, 47, 39, 87, 257]),
];

#[cfg(test)]
mod tests {
    use super::{DIMENSIONS, Dimension, Scramble};
    use nn_core::Streams;

    /// SciPy 1.17: `qmc.Sobol(64, scramble=False).random(1024)`, the dimensions 0, 1, 2, 5, 9, 20, 40 and 63.
    #[test]
    fn coordinates_are_those_of_scipy() {
        let dimensions = [0, 1, 2, 5, 9, 20, 40, 63].map(Dimension::new);
        #[rustfmt::skip]
        let points = [
            (0, [0.0; 8]),
            (1, [0.5; 8]),
            (2, [0.75, 0.25, 0.25, 0.75, 0.75, 0.25, 0.25, 0.75]),
            (5, [0.875, 0.875, 0.125, 0.625, 0.125, 0.625, 0.375, 0.625]),
            (100, [0.4140625, 0.2578125, 0.7734375, 0.7421875, 0.6953125, 0.7578125, 0.7109375, 0.6484375]),
            (777, [
                0.6923828125, 0.9365234375, 0.1630859375, 0.3564453125, 0.3232421875, 0.2373046875, 0.7216796875,
                0.4267578125,
            ]),
            (1023, [
                0.0009765625, 0.7529296875, 0.6123046875, 0.4384765625, 0.8505859375, 0.8662109375, 0.6318359375,
                0.0400390625,
            ]),
        ];
        for (point, expected) in points {
            let got = dimensions.each_ref().map(|d| f64::from(d.coordinate(point)) / 2.0_f64.powi(32));
            assert_eq!(got, expected, "point {point}");
        }
    }

    #[test]
    fn of_the_first_points_one_lies_in_each_part_also_scrambled() {
        for number in 0..DIMENSIONS {
            let dimension = Dimension::new(number);
            let scramble = Scramble::new(Streams::new(7), &number.to_string());
            for scramble in [None, Some(scramble)] {
                let mut parts: Vec<u32> = (0..256)
                    .map(|point| dimension.coordinate(point))
                    .map(|x| scramble.as_ref().map_or(x, |scramble| scramble.apply(x)) >> 24)
                    .collect();
                parts.sort_unstable();
                assert!(parts.iter().copied().eq(0..256), "dimension {number}: {parts:?}");
            }
        }
    }
}
