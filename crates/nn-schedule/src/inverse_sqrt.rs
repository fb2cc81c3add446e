//! Decay with the inverse root of time.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::check_not_negative;

/// Decay with the root of the epoch: k/√(1 + t).
///
/// This is k/√epoch with epochs numbered from 1: the first begins at t = 0, where the value is k, and the second at
/// t = 1, where it is k/√2. k lies in [0, ∞).
///
/// # Source
/// Zinkevich 2003, "Online convex programming and generalized infinitesimal gradient ascent", theorem 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InverseSqrt {
    k: f64,
}

impl InverseSqrt {
    /// With the value k of the first epoch.
    ///
    /// # Errors
    /// When k is outside [0, ∞).
    pub fn new(k: f64) -> Result<Self, RangeError> {
        check_not_negative("InverseSqrt", "k", k)?;
        Ok(InverseSqrt { k })
    }
}

impl Schedule for InverseSqrt {
    fn at(&self, t: f64) -> f64 {
        self.k / (1.0 + t.max(0.0)).sqrt()
    }
}
