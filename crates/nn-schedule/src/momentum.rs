//! Momentum that grows.

use nn_core::{RangeError, check_range};

use crate::Schedule;
use crate::check::check_positive;

/// The momentum of Sutskever et al.: min(1 − 2^(−1−log₂(⌊t/period⌋+1)), µ_max).
///
/// This is 1 − 1/(2(⌊t/period⌋ + 1)): ½ at first, ¾ after one period; with the default period of 250 it is 0.9 at
/// t = 1,000, 0.99 at 12,250 and 0.999 at 124,750. µ_max lies in [0, 1), the period in (0, ∞). For the finish with a
/// momentum of 0.9 see [`Schedule::lower_at_end`].
///
/// # Source
/// Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum in deep learning",
/// equation 5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SutskeverMomentum {
    max: f64,
    period: f64,
}

impl SutskeverMomentum {
    /// With µ_max, and a period of 250.
    ///
    /// # Errors
    /// When µ_max is outside [0, 1).
    pub fn new(max: f64) -> Result<Self, RangeError> {
        check_range("SutskeverMomentum", "max", max, "[0, 1)", (0.0..1.0).contains(&max))?;
        Ok(SutskeverMomentum { max, period: 250.0 })
    }

    /// The number of updates between two changes.
    ///
    /// # Errors
    /// When it is outside (0, ∞).
    pub fn period(self, period: f64) -> Result<Self, RangeError> {
        check_positive("SutskeverMomentum", "period", period)?;
        Ok(SutskeverMomentum { period, ..self })
    }
}

impl Schedule for SutskeverMomentum {
    fn at(&self, t: f64) -> f64 {
        let periods = (t.max(0.0) / self.period).floor() + 1.0;
        (1.0 - 0.5 / periods).min(self.max)
    }
}

/// Nesterov's momentum for convex functions: 1 − 3/(t + 5), 0.4 at first.
///
/// # Source
/// Nesterov 1983, in the form of Sutskever, Martens, Dahl, Hinton 2013, section 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NesterovMomentum;

impl Schedule for NesterovMomentum {
    fn at(&self, t: f64) -> f64 {
        1.0 - 3.0 / (t.max(0.0) + 5.0)
    }
}
