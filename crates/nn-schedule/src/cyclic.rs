//! Cyclical learning rates.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::{check_not_negative, check_positive};

/// What becomes of the height of the triangles.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Constant,
    Halved,
    Exponential(f64),
}

/// Triangles between a base and a peak: base + (peak − base)·x(t)·f, where x rises from 0 to 1 in the time `up` and
/// falls back in the time `down`, over and over.
///
/// | constructor | f |
/// |-|-|
/// | [`triangular`](Cyclic::triangular) | 1 |
/// | [`triangular2`](Cyclic::triangular2) | ½ⁿ in cycle n, counted from 0 |
/// | [`exp_range`](Cyclic::exp_range) | γᵗ |
///
/// Base and peak lie in [0, ∞), γ in (0, ∞), the times in (0, ∞); `down` equals `up` unless it is set. As PyTorch's
/// `CyclicLR`; a momentum that moves opposite has a base above its peak.
///
/// ```
/// use nn_schedule::{Cyclic, Schedule};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (rate, momentum) = (Cyclic::triangular2(0.0, 0.5, 4.0)?, Cyclic::triangular2(1.0, 0.5, 4.0)?);
/// assert_eq!([0.0, 2.0, 4.0, 8.0, 12.0].map(|t| rate.at(t)), [0.0, 0.25, 0.5, 0.0, 0.25]);
/// assert_eq!([0.0, 2.0, 4.0, 8.0, 12.0].map(|t| momentum.at(t)), [1.0, 0.75, 0.5, 1.0, 0.75]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Smith 2017, "Cyclical learning rates for training neural networks", section 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cyclic {
    base: f64,
    peak: f64,
    up: f64,
    down: f64,
    scale: Scale,
}

impl Cyclic {
    fn new(base: f64, peak: f64, up: f64, scale: Scale) -> Result<Self, RangeError> {
        check_not_negative("Cyclic", "base", base)?;
        check_not_negative("Cyclic", "peak", peak)?;
        check_positive("Cyclic", "up", up)?;
        Ok(Cyclic { base, peak, up, down: up, scale })
    }

    /// Triangles of the same height.
    ///
    /// # Errors
    /// When base or peak is outside [0, ∞) or the time `up` outside (0, ∞).
    pub fn triangular(base: f64, peak: f64, up: f64) -> Result<Self, RangeError> {
        Self::new(base, peak, up, Scale::Constant)
    }

    /// Triangles of which each has half the height of the one before.
    ///
    /// # Errors
    /// When base or peak is outside [0, ∞) or the time `up` outside (0, ∞).
    pub fn triangular2(base: f64, peak: f64, up: f64) -> Result<Self, RangeError> {
        Self::new(base, peak, up, Scale::Halved)
    }

    /// Triangles whose height is scaled by γᵗ.
    ///
    /// # Errors
    /// When base or peak is outside [0, ∞), or the time `up` or γ outside (0, ∞).
    pub fn exp_range(base: f64, peak: f64, up: f64, gamma: f64) -> Result<Self, RangeError> {
        check_positive("Cyclic", "gamma", gamma)?;
        Self::new(base, peak, up, Scale::Exponential(gamma))
    }

    /// The time from the peak back to the base.
    ///
    /// # Errors
    /// When it is outside (0, ∞).
    pub fn down(self, down: f64) -> Result<Self, RangeError> {
        check_positive("Cyclic", "down", down)?;
        Ok(Cyclic { down, ..self })
    }
}

impl Schedule for Cyclic {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0);
        let length = self.up + self.down;
        let u = t % length;
        let x = if u <= self.up { u / self.up } else { (length - u) / self.down };
        let f = match self.scale {
            Scale::Constant => 1.0,
            Scale::Halved => 0.5f64.powf(((t - u) / length).round()),
            Scale::Exponential(gamma) => gamma.powf(t),
        };
        self.base + (self.peak - self.base) * (x * f)
    }
}
