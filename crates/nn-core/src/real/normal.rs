//! The quantile function of the standard normal distribution, and normal numbers from random words.

use super::elementary::{ln_normal, polynomial};

/// Φ⁻¹(u), the quantile function of the standard normal distribution, for u in (0, 1).
///
/// Three rational functions with a relative error of about 10⁻¹⁶; scalar. For random numbers in bulk see
/// [`Real::standard_normal`](crate::Real::standard_normal). 0 gives −∞, 1 gives ∞, all else outside (0, 1) NaN.
///
/// ```
/// use nn_core::real::normal_quantile;
///
/// assert!((normal_quantile(0.975) - 1.959963984540054).abs() < 1e-15);
/// assert_eq!(normal_quantile(0.5), 0.0);
/// ```
///
/// Source: Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution", routine PPND16.
pub fn normal_quantile(u: f64) -> f64 {
    let q = u - 0.5;
    if q.abs() <= BODY {
        return body(q);
    }
    let p = u.min(1.0 - u);
    if !(0.0..=1.0).contains(&u) || p == 0.0 {
        return if p == 0.0 { f64::INFINITY.copysign(q) } else { f64::NAN };
    }
    let r = (-crate::Real::ln(p)).sqrt();
    let tail = if r <= 5.0 { near_tail(r) } else { polynomial(r - 5.0, E) / polynomial(r - 5.0, F) };
    tail.copysign(q)
}

/// Φ⁻¹((w + ½)/2³²) by the same functions. Both that are needed are computed for every word, so that loops vectorise.
#[inline(always)]
pub(super) fn of_word_double(word: u32) -> f64 {
    let u = (f64::from(word) + 0.5) * TWO_M32;
    let q = u - 0.5;
    let r = (-ln_normal(if q < 0.0 { u } else { 1.0 - u })).sqrt();
    let tail = near_tail(r);
    let tail = if q < 0.0 { -tail } else { tail };
    if q.abs() <= BODY { body(q) } else { tail }
}

/// Φ⁻¹((w + ½)/2³²): with u = ½ + q, q times a rational function of −ln(4u(1 − u)), which has its square-root growth
/// and so serves the whole range.
#[inline(always)]
pub(super) fn of_word_single(word: u32) -> f32 {
    // |q| and the smaller of u and 1 − u lose no digits when each is made of a whole number of its own.
    let small = word.min(!word);
    let p = (small.cast_signed() as f32 + 0.5) * TWO_M32 as f32;
    let q = ((i32::MAX - small.cast_signed()) as f32 + 0.5) * TWO_M32 as f32;
    let w = -ln_normal(4.0 * p * (1.0 - p));
    let z = q * polynomial(w, ABOVE) / polynomial(w, BELOW);
    if word == small { -z } else { z }
}

/// 2⁻³².
const TWO_M32: f64 = 1.0 / 4_294_967_296.0;

/// The largest |u − ½| of the middle function.
const BODY: f64 = 0.425;

#[inline(always)]
fn body(q: f64) -> f64 {
    let s = BODY * BODY - q * q;
    q * (polynomial(s, A) / polynomial(s, B))
}

/// From r = √(−ln min(u, 1 − u)) up to 5.
#[inline(always)]
fn near_tail(r: f64) -> f64 {
    polynomial(r - 1.6, C) / polynomial(r - 1.6, D)
}

/// Φ⁻¹(½ + q)/q, numerator and denominator, in −ln(1 − 4q²): a fit of our own, `tests/data/make_coefficients.py`.
const ABOVE: [f32; 6] = [2.5066285, 0.90487134, 0.17968601, 0.023754451, 0.0019993305, 5.856365e-05];
const BELOW: [f32; 6] = [1.0, 0.09919483, 0.03267236, 0.0022807694, 0.00016978191, 1.0080228e-06];

/// Coefficients of Wichura, numerator and denominator: the middle.
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
/// The tail up to r = 5.
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
/// The tail beyond.
const E: [f64; 8] = [
    6.657904643501103,
    5.463784911164114,
    1.7848265399172913,
    0.29656057182850487,
    0.026532189526576124,
    0.0012426609473880784,
    2.7115555687434876e-05,
    2.0103343992922881e-07,
];
const F: [f64; 8] = [
    1.0,
    0.599832206555888,
    0.1369298809227358,
    0.014875361290850615,
    0.0007868691311456133,
    1.8463183175100548e-05,
    1.421511758316446e-07,
    2.0442631033899397e-15,
];

#[cfg(test)]
mod tests {
    use super::normal_quantile;
    use crate::Real;

    #[test]
    fn known_quantiles() {
        // Python 3.11, statistics.NormalDist().inv_cdf; one in each branch and at their borders.
        let known = [
            (0.5, 0.0),
            (0.3, -0.5244005127080407),
            (0.075, -1.4395314709384557),
            (0.925, 1.439531470938456),
            (0.975, 1.9599639845400536),
            (0.001, -3.090232306167813),
            (1e-10, -6.361340902404056),
            (1e-16, -8.222082216130435),
        ];
        for (u, z) in known {
            let error: f64 = (normal_quantile(u) - z).abs();
            assert!(error <= 1e-14 * f64::max(1.0, z.abs()), "{u}: {} for {z}", normal_quantile(u));
        }
        assert_eq!([0.0, 1.0].map(normal_quantile), [-f64::INFINITY, f64::INFINITY]);
        assert!([-0.1, 1.1, f64::NAN, f64::INFINITY].iter().all(|&u| normal_quantile(u).is_nan()));
    }

    /// Words all over the range, and the first, middle and last thousands.
    fn words() -> impl Iterator<Item = u32> {
        let spread = (0..400_000u32).map(|i| i.wrapping_mul(0x9e37_79b9));
        let dense = (0..1000).flat_map(|i| [i, !i, 0x8000_0000 + i, 0x7fff_ffff - i]);
        let powers = (0..32).flat_map(|k| [1 << k, !(1 << k), (1 << k) - 1]);
        spread.chain(dense).chain(powers)
    }

    #[test]
    fn normal_numbers_are_quantiles_of_their_words() {
        let (mut worst_single, mut worst_double) = (0.0, 0.0);
        for word in words() {
            let exact = normal_quantile((f64::from(word) + 0.5) / 4_294_967_296.0);
            let (single, double) = (f32::standard_normal(word), f64::standard_normal(word));
            worst_single = f64::max(worst_single, (f64::from(single) / exact - 1.0).abs());
            worst_double = f64::max(worst_double, (double / exact - 1.0).abs());
        }
        println!("relative errors {worst_single:e} and {worst_double:e}");
        assert!(worst_single < 5e-7 && worst_double < 1e-15, "{worst_single:e}, {worst_double:e}");
    }

    #[test]
    fn the_ends_of_the_range_are_opposite_and_finite() {
        let (low, high) = (f64::standard_normal(0), f64::standard_normal(u32::MAX));
        assert!(low == -high && (6.33..6.34).contains(&high), "{low}, {high}");
        let (low, high) = (f32::standard_normal(0), f32::standard_normal(u32::MAX));
        assert!(low == -high && (6.33..6.34).contains(&high), "{low}, {high}");
        for word in words() {
            assert_eq!(f32::standard_normal(word), -f32::standard_normal(!word), "{word}");
        }
    }
}
