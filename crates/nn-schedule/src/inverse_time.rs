//! Decay with the inverse of time.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::check_not_negative;

/// Inverse-time decay: α₀/(1 + decay·t).
///
/// α₀ lies in [0, ∞), the decay in [0, ∞). At t = 1/decay half of α₀ is left. As Keras' `InverseTimeDecay` with
/// `decay_steps` 1.
///
/// # Source
/// Robbins and Monro 1951, "A stochastic approximation method": rates of the order 1/t suffice for convergence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InverseTime {
    initial: f64,
    decay: f64,
}

impl InverseTime {
    /// With the initial value α₀ and the decay.
    ///
    /// # Errors
    /// When one of them is outside [0, ∞).
    pub fn new(initial: f64, decay: f64) -> Result<Self, RangeError> {
        check_not_negative("InverseTime", "initial", initial)?;
        check_not_negative("InverseTime", "decay", decay)?;
        Ok(InverseTime { initial, decay })
    }
}

impl Schedule for InverseTime {
    fn at(&self, t: f64) -> f64 {
        self.initial / (1.0 + self.decay * t.max(0.0))
    }
}
