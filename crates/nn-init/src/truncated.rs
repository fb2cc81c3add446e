//! The normal distribution between two bounds.

use nn_core::real::normal_quantile;
use nn_core::{RangeError, Real, StreamRng, check_range};

use crate::Initializer;
use crate::draw::unit;
use crate::initializer::each;
use crate::plain::check_finite;

/// The standard deviation of the standard normal distribution truncated at ±2: √(1 − 4·φ(2)/(2·Φ(2) − 1)).
pub(crate) const STD_AT_TWO_SIGMA: f64 = 0.879_625_661_034_239_8;

/// The normal distribution N(µ, σ²) restricted to an interval.
///
/// p(x) ∝ exp(−(x − µ)²/(2σ²)) for low ≤ x ≤ high, else 0. The default is that of PyTorch: µ = 0, σ = 1, from −2 to 2.
///
/// Packages mean different things by it:
///
/// | constructor | interval | σ | as in |
/// |-|-|-|-|
/// | [`new`](Self::new) | absolute bounds | before truncation | PyTorch `trunc_normal_` |
/// | [`two_sigma`](Self::two_sigma) | µ ± 2σ | before truncation: the numbers have std 0.8796·σ | Keras `TruncatedNormal`, JAX `truncated_normal` |
/// | [`two_sigma_corrected`](Self::two_sigma_corrected) | µ ± 2σ/0.8796 | that of the numbers | Keras and JAX, variance scaling |
///
/// ```
/// use ndarray::Array1;
/// use nn_core::Streams;
/// use nn_init::{InitializerExt, TruncatedNormal};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let tokens = TruncatedNormal::two_sigma(0.0, 0.02)?;
/// let values: Array1<f64> = tokens.array(10_000, &Streams::new(1), "embedding");
/// assert!(values.iter().all(|x| x.abs() <= 0.04));
/// assert!((values.std(0.0) - 0.0176).abs() < 3e-4);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// By the quantile function where the interval reaches within 4σ of the mean; further out by rejection from an
/// exponential distribution, Robert 1995, "Simulation of truncated normal variables", proposition 2.3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedNormal {
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
}

impl TruncatedNormal {
    /// With µ in (−∞, ∞), σ in (0, ∞) and absolute bounds, of which `low` lies in [−∞, ∞) and `high` in (low, ∞].
    ///
    /// µ and σ are those before truncation, and µ may lie outside the interval.
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn new(mean: f64, std: f64, low: f64, high: f64) -> Result<Self, RangeError> {
        check_finite("TruncatedNormal", "mean", mean)?;
        check_range("TruncatedNormal", "std", std, "(0, ∞)", std > 0.0 && std.is_finite())?;
        check_range("TruncatedNormal", "low", low, "[-∞, ∞)", low < f64::INFINITY)?;
        check_range("TruncatedNormal", "high", high, "(low, ∞]", high > low)?;
        Ok(TruncatedNormal { mean, std, low, high })
    }

    /// Between µ − 2σ and µ + 2σ, with µ in (−∞, ∞) and σ in (0, ∞). The numbers have the standard deviation 0.8796·σ.
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn two_sigma(mean: f64, std: f64) -> Result<Self, RangeError> {
        check_finite("TruncatedNormal", "mean", mean)?;
        check_range("TruncatedNormal", "std", std, "(0, ∞)", std > 0.0 && std.is_finite())?;
        Ok(TruncatedNormal { mean, std, low: mean - 2.0 * std, high: mean + 2.0 * std })
    }

    /// Between µ ± 2σ/0.8796, with µ in (−∞, ∞) and σ in (0, ∞), so that the numbers have the standard deviation σ.
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn two_sigma_corrected(mean: f64, std: f64) -> Result<Self, RangeError> {
        check_range("TruncatedNormal", "std", std, "(0, ∞)", std > 0.0 && std.is_finite())?;
        Self::two_sigma(mean, std / STD_AT_TWO_SIGMA)
    }
}

impl Default for TruncatedNormal {
    fn default() -> Self {
        TruncatedNormal { mean: 0.0, std: 1.0, low: -2.0, high: 2.0 }
    }
}

impl Initializer for TruncatedNormal {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let TruncatedNormal { mean, std, low, high } = *self;
        let interval = Interval::new((low - mean) / std, (high - mean) / std);
        each(shape, out, || (mean + std * interval.draw(rng)).clamp(low, high));
    }
}

/// The standard normal distribution on an interval.
pub(crate) struct Interval {
    /// Whether the interval was mirrored, so that it does not lie further above 0 than below.
    mirrored: bool,
    part: Part,
}

enum Part {
    /// Bounds of which the upper is at least −4, with the probabilities of less.
    Body { low: f64, high: f64, below_low: f64, below_high: f64 },
    /// From −distance − width to −distance, with a distance above 4.
    Tail { distance: f64, width: f64 },
}

impl Interval {
    pub(crate) fn new(low: f64, high: f64) -> Self {
        let mirrored = low + high > 0.0;
        let (low, high) = if mirrored { (-high, -low) } else { (low, high) };
        let below = |z: f64| 0.5 + 0.5 * Real::erf(z / std::f64::consts::SQRT_2);
        let part = if high < -4.0 {
            Part::Tail { distance: -high, width: high - low }
        } else {
            Part::Body { low, high, below_low: below(low), below_high: below(high) }
        };
        Interval { mirrored, part }
    }

    pub(crate) fn draw(&self, rng: &mut StreamRng) -> f64 {
        let z = match self.part {
            Part::Body { low, high, below_low, below_high } => {
                let u = below_low + (below_high - below_low) * unit(rng);
                normal_quantile(u.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0)).clamp(low, high)
            }
            Part::Tail { distance, width } => -distance - excess(distance, width, rng),
        };
        if self.mirrored { -z } else { z }
    }
}

/// How far beyond `distance` a standard normal number lies that lies between it and `width` further.
///
/// Exponential numbers e with rate `distance` are accepted with the probability exp(−e²/2).
fn excess(distance: f64, width: f64, rng: &mut StreamRng) -> f64 {
    let beyond = Real::exp_m1(-distance * width);
    loop {
        let e = (-Real::ln_1p(unit(rng) * beyond) / distance).min(width);
        if unit(rng) <= Real::exp(-0.5 * e * e) {
            return e;
        }
    }
}
