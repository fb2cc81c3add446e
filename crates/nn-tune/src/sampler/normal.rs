//! The normal distribution: probabilities and draws.

use std::f64::consts::{PI, TAU};

use rand::{Rng, RngExt};

/// Φ(b) − Φ(a), the probability that a standard normal number is from `a` to `b`; `a` ≤ `b`.
///
/// To 1e-14 of the probability of that tail in which the interval lies.
pub(super) fn mass(a: f64, b: f64) -> f64 {
    if a > 0.0 { upper_tail(a) - upper_tail(b) } else { upper_tail(-b) - upper_tail(-a) }
}

/// 1 − Φ(z).
fn upper_tail(z: f64) -> f64 {
    match z {
        // To the last bit.
        ..-9.0 => 1.0,
        ..-3.0 => 1.0 - far(-z),
        ..3.0 => 0.5 - central(z),
        _ => far(z),
    }
}

/// The density of a standard normal number.
fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / TAU.sqrt()
}

/// Φ(z) − ½ = φ(z)·(z + z³/3 + z⁵/(3·5) + …): Abramowitz and Stegun 26.2.11.
fn central(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 3.0);
    while term.abs() > 1e-17 * sum.abs() {
        term *= z * z / odd;
        sum += term;
        odd += 2.0;
    }
    density(z) * sum
}

/// 1 − Φ(z) = φ(z)/(z + 1/(z + 2/(z + …))) for z ≥ 3: Abramowitz and Stegun 26.2.14.
fn far(z: f64) -> f64 {
    let terms = (16.0 + 300.0 / (z * z)) as u32;
    density(z) / (1..=terms).rev().fold(z, |below, i| z + f64::from(i) / below)
}

/// The z that a standard normal number is above with this probability, of at most ½; by halving, to 1e-9.
pub(super) fn upper_quantile(probability: f64) -> f64 {
    let [mut low, mut high] = [0.0, 40.0];
    while high - low > 1e-9 {
        let z = 0.5 * (low + high);
        if upper_tail(z) > probability { low = z } else { high = z }
    }
    high
}

/// A standard normal number: Box and Muller 1958.
pub(super) fn draw(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (2.0 * PI * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use nn_core::Streams;

    use super::{draw, mass, upper_quantile};

    /// `scipy.stats.norm.cdf(b) - cdf(a)`, or `sf(a) - sf(b)` above 0, of SciPy 1.17.1.
    const MASSES: [(f64, f64, f64); 14] = [
        (-1.0, 1.0, 0.6826894921370859),
        (0.0, 1.0, 0.3413447460685429),
        (-0.5, 2.5, 0.685252795948237),
        (0.0, 3.0, 0.4986501019683699),
        (-3.0, 3.0, 0.9973002039367398),
        (1.0, 2.0, 0.13590512198327787),
        (2.9, 3.1, 0.0008982100871656812),
        (3.0, 4.0, 0.0013182267897969735),
        (-10.0, 0.5, 0.6914624612740131),
        (5.0, 6.0, 2.856649842341556e-07),
        (8.0, 9.0, 6.219831985865787e-16),
        (-0.001, 0.002, 0.0011968262427912157),
        (20.0, 21.0, 2.7536241153268778e-89),
        (-40.0, -37.0, 5.7255712225239266e-300),
    ];

    #[test]
    fn masses_are_those_of_scipy() {
        for (a, b, expected) in MASSES {
            let got = mass(a, b);
            assert!((got - expected).abs() <= 1e-12 * expected, "{a} to {b}: {got:e}, expected {expected:e}");
            let mirrored = mass(-b, -a);
            assert!((got - mirrored).abs() <= 1e-12 * got, "{a} to {b}: {got:e}, mirrored {mirrored:e}");
        }
    }

    #[test]
    fn quantiles_are_those_of_scipy() {
        // scipy.stats.norm.isf of SciPy 1.17.1
        for (probability, expected) in [(0.5, 0.0), (0.05, 1.6448536269514729), (1e-3, 3.090232306167813)] {
            let got = upper_quantile(probability);
            assert!((got - expected).abs() < 2e-9, "{probability}: {got}, expected {expected}");
        }
    }

    #[test]
    fn draws_are_normal() {
        let mut rng = Streams::new(1).rng("draws", 0);
        let mut draws: Vec<f64> = (0..20_000).map(|_| draw(&mut rng)).collect();
        draws.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: the distance is beyond 1.63/√n once in a hundred times.
        let place = |(i, x): (usize, &f64)| ((i as f64 + 0.5) / 20_000.0 - mass(-50.0, *x)).abs();
        let distance = draws.iter().enumerate().map(place).fold(0.0, f64::max);
        assert!(distance < 1.63 / 20_000_f64.sqrt(), "{distance}");
    }
}
