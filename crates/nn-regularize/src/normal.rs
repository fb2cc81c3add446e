//! Standard normal numbers in bulk: one 32-bit draw each, by the quantile function.

use nn_core::{Real, StreamRng};

use crate::words::{WORDS, Words};

/// The normal numbers of one operation at one step. Element i takes draw i, whoever draws it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Normals {
    words: Words,
}

impl Normals {
    /// Draws from the beginning of this stream.
    pub(crate) fn new(rng: &StreamRng) -> Self {
        Normals { words: Words::new(rng) }
    }

    /// `y = f(x, z)`; `first`, the number of the first element, is a multiple of [`WORDS`]. To be inlined into a kernel
    /// that is compiled for an instruction set.
    #[inline(always)]
    pub(crate) fn map<F: Real>(self, first: usize, x: &[F], y: &mut [F], f: impl Fn(F, F) -> F) {
        let mut words = [0; WORDS];
        for (group, (x, y)) in x.chunks(WORDS).zip(y.chunks_mut(WORDS)).enumerate() {
            self.words.group(first / WORDS + group, &mut words);
            for ((y, &x), &word) in y.iter_mut().zip(x).zip(&words) {
                *y = f(x, F::from_f64(quantile(unit(word))));
            }
        }
    }
}

/// A number from (0, 1), symmetric about ½.
#[inline(always)]
pub(crate) fn unit(word: u32) -> f64 {
    (f64::from(word) + 0.5) / 4_294_967_296.0
}

/// The quantile function of the standard normal distribution for u in [2⁻³³, 1 − 2⁻³³].
///
/// Two rational functions with a relative error of about 10⁻¹⁶, both computed for every u so that loops vectorise:
/// Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution", routine PPND16. Its third, for
/// min(u, 1 − u) below e⁻²⁵, is never needed here.
#[inline(always)]
pub(crate) fn quantile(u: f64) -> f64 {
    let q = u - 0.5;
    let center = q * ratio(&A, &B, 0.180625 - q * q);
    let r = (-Real::ln(u.min(1.0 - u))).sqrt();
    let tail = ratio(&C, &D, r - 1.6);
    let tail = if q < 0.0 { -tail } else { tail };
    if q.abs() <= 0.425 { center } else { tail }
}

#[inline(always)]
fn ratio(numerator: &[f64; 8], denominator: &[f64; 8], x: f64) -> f64 {
    let (mut above, mut below) = (numerator[7], denominator[7]);
    for i in (0..7).rev() {
        above = above * x + numerator[i];
        below = below * x + denominator[i];
    }
    above / below
}

/// Coefficients of the numerator, then of the denominator, from the constant on: |u − ½| up to 0.425.
const A: [f64; 8] = [
    3.3871328727963665,
    133.14166789178438,
    1971.5909503065513,
    13731.69376550946,
    45921.95393154987,
    67265.7709270087,
    33430.57558358813,
    2509.0809287301227,
];
const B: [f64; 8] = [
    1.0,
    42.31333070160091,
    687.1870074920579,
    5394.196021424751,
    21213.794301586597,
    39307.89580009271,
    28729.085735721943,
    5226.495278852854,
];
/// √(−ln min(u, 1 − u)) up to 5.
const C: [f64; 8] = [
    1.4234371107496835,
    4.630337846156546,
    5.769497221460691,
    3.6478483247632045,
    1.2704582524523684,
    0.2417807251774506,
    0.022723844989269184,
    0.0007745450142783414,
];
const D: [f64; 8] = [
    1.0,
    2.053191626637759,
    1.6763848301838038,
    0.6897673349851,
    0.14810397642748008,
    0.015198666563616457,
    0.0005475938084995345,
    1.0507500716444169e-09,
];

#[cfg(test)]
mod tests {
    use super::{quantile, unit};

    #[test]
    fn known_quantiles() {
        // Python 3.11, statistics.NormalDist().inv_cdf; one in each branch and at their border.
        let known = [
            (0.5, 0.0),
            (0.3, -0.5244005127080407),
            (0.075, -1.4395314709384557),
            (0.925, 1.439531470938456),
            (0.975, 1.9599639845400536),
            (0.001, -3.090232306167813),
        ];
        for (u, z) in known {
            let error: f64 = (quantile(u) - z).abs();
            assert!(error <= 1e-14 * f64::max(1.0, z.abs()), "{u}: {} for {z}", quantile(u));
        }
    }

    #[test]
    fn the_ends_of_the_range_are_opposite_and_finite() {
        let (low, high) = (quantile(unit(0)), quantile(unit(u32::MAX)));
        assert!(low == -high && (6.33..6.34).contains(&high), "{low}, {high}");
    }
}
