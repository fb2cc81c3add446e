//! Ranges that several schedules check.

use nn_core::{RangeError, check_range};

/// Refuses a value outside [0, ∞).
pub(crate) fn check_not_negative(
    owner: &'static str,
    field: &'static str,
    value: f64,
) -> Result<(), RangeError> {
    check_range(owner, field, value, "[0, ∞)", (0.0..f64::INFINITY).contains(&value))
}

/// Refuses a value outside (0, ∞).
pub(crate) fn check_positive(owner: &'static str, field: &'static str, value: f64) -> Result<(), RangeError> {
    check_range(owner, field, value, "(0, ∞)", value > 0.0 && value.is_finite())
}

/// Refuses a value outside [0, 1].
pub(crate) fn check_fraction(owner: &'static str, field: &'static str, value: f64) -> Result<(), RangeError> {
    check_range(owner, field, value, "[0, 1]", (0.0..=1.0).contains(&value))
}

/// Refuses what is not finite.
pub(crate) fn check_finite(owner: &'static str, field: &'static str, value: f64) -> Result<(), RangeError> {
    check_range(owner, field, value, "(-∞, ∞)", value.is_finite())
}
