//! Exponential decay.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::{check_not_negative, check_positive};

/// Exponential decay: α₀·γᵗ.
///
/// α₀ lies in [0, ∞), γ in (0, ∞); a usual γ is 0.95 per epoch. A γ above 1 grows, as in a search for the largest
/// rate at which training is stable. At whole t as PyTorch's `ExponentialLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    initial: f64,
    gamma: f64,
}

impl Exponential {
    /// With the initial value α₀ and the factor γ per unit of time.
    ///
    /// # Errors
    /// When α₀ is outside [0, ∞) or γ outside (0, ∞).
    pub fn new(initial: f64, gamma: f64) -> Result<Self, RangeError> {
        check_not_negative("Exponential", "initial", initial)?;
        check_positive("Exponential", "gamma", gamma)?;
        Ok(Exponential { initial, gamma })
    }
}

impl Schedule for Exponential {
    fn at(&self, t: f64) -> f64 {
        self.initial * self.gamma.powf(t.max(0.0))
    }
}
