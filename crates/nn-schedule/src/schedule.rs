//! What a schedule is.

use std::fmt::Debug;
use std::sync::Arc;

use nn_core::{RangeError, check_range};

use crate::InEpochs;

/// A hyperparameter as a function of time.
///
/// Time t is 0 at the first step and counts steps or epochs, as the caller likes: a schedule that decays per epoch
/// is asked for `at(2.5)` in the middle of the third, or is turned by [`in_epochs`](Schedule::in_epochs) into one
/// that counts steps. Since the value depends on t alone, a run that is resumed goes on with the right value.
///
/// A number is a schedule too, the constant one; [`from_fn`](crate::from_fn) makes one of a closure.
pub trait Schedule: Debug + Send + Sync {
    /// The value at time t; a negative t counts as 0.
    fn at(&self, t: f64) -> f64;

    /// This schedule, which counts epochs, as one that counts steps: its value at step s is that at s divided by
    /// `steps_per_epoch`, in [1, ∞).
    ///
    /// ```
    /// use nn_schedule::{Exponential, Schedule};
    ///
    /// # fn main() -> Result<(), nn_core::RangeError> {
    /// let rate = Exponential::new(0.1, 0.25)?.in_epochs(100)?;
    /// assert_eq!((rate.at(0.0), rate.at(50.0), rate.at(100.0)), (0.1, 0.05, 0.025));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `steps_per_epoch` is 0.
    fn in_epochs(self, steps_per_epoch: usize) -> Result<InEpochs<Self>, RangeError>
    where
        Self: Sized,
    {
        InEpochs::new(self, steps_per_epoch)
    }
}

impl Schedule for f64 {
    fn at(&self, _t: f64) -> f64 {
        *self
    }
}

impl<S: Schedule + ?Sized> Schedule for &S {
    fn at(&self, t: f64) -> f64 {
        (**self).at(t)
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn at(&self, t: f64) -> f64 {
        (**self).at(t)
    }
}

impl<S: Schedule + ?Sized> Schedule for Arc<S> {
    fn at(&self, t: f64) -> f64 {
        (**self).at(t)
    }
}

/// Refuses a value outside [0, ∞).
pub(crate) fn check_not_negative(
    owner: &'static str,
    field: &'static str,
    value: f64,
) -> Result<(), RangeError> {
    check_range(owner, field, value, "[0, ∞)", (0.0..f64::INFINITY).contains(&value))
}
