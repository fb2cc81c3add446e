//! A value that does not change.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::check_finite;

/// The same value at all times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant {
    value: f64,
}

impl Constant {
    /// With this value, in (−∞, ∞).
    ///
    /// # Errors
    /// When it is not finite.
    pub fn new(value: f64) -> Result<Self, RangeError> {
        check_finite("Constant", "value", value)?;
        Ok(Constant { value })
    }
}

impl Schedule for Constant {
    fn at(&self, _t: f64) -> f64 {
        self.value
    }
}
