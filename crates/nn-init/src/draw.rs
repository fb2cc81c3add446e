//! Single draws: uniform numbers, and normal ones by the quantile function.

use nn_core::{Real, StreamRng};
use rand::Rng;

/// A number from (0, 1), symmetric about ½, from one 64-bit word of the stream.
pub(crate) fn unit(rng: &mut StreamRng) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// A whole number from 0 to n − 1, from one 64-bit word of the stream; no probability is off by more than 2⁻⁶⁴.
pub(crate) fn below(n: usize, rng: &mut StreamRng) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A standard normal number, from one 64-bit word of the stream.
pub(crate) fn standard_normal(rng: &mut StreamRng) -> f64 {
    quantile(unit(rng))
}

/// The quantile function of the standard normal distribution, for u in (0, 1).
///
/// Three rational functions with a relative error of about 10⁻¹⁶: Wichura 1988, "Algorithm AS 241: the percentage
/// points of the normal distribution", routine PPND16.
pub(crate) fn quantile(u: f64) -> f64 {
    let q = u - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&A, &B, 0.180625 - q * q);
    }
    let r = (-Real::ln(u.min(1.0 - u))).sqrt();
    let tail = if r <= 5.0 { ratio(&C, &D, r - 1.6) } else { ratio(&E, &F, r - 5.0) };
    tail.copysign(q)
}

fn ratio(numerator: &[f64; 8], denominator: &[f64; 8], x: f64) -> f64 {
    let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * x + c);
    horner(numerator) / horner(denominator)
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
/// √(−ln min(u, 1 − u)) above 5.
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
    use super::{quantile, standard_normal, unit};
    use nn_core::Streams;

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
            let error: f64 = (quantile(u) - z).abs();
            assert!(error <= 1e-14 * f64::max(1.0, z.abs()), "{u}: {} for {z}", quantile(u));
        }
    }

    #[test]
    fn a_normal_number_is_the_quantile_of_a_uniform_one() {
        let (mut normal, mut uniform) = (Streams::new(1).rng("w", 0), Streams::new(1).rng("w", 0));
        for _ in 0..1000 {
            assert_eq!(standard_normal(&mut normal), quantile(unit(&mut uniform)));
        }
    }

    #[test]
    fn one_draw_takes_one_word() {
        let mut rng = Streams::new(1).rng("w", 0);
        let draws: Vec<f64> = (0..100).map(|_| unit(&mut rng)).collect();
        for i in [0, 1, 63, 99] {
            let mut rng = Streams::new(1).rng("w", 0);
            rng.set_word_pos(2 * i as u128);
            assert_eq!(unit(&mut rng), draws[i]);
        }
    }
}
