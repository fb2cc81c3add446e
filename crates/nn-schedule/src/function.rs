//! Schedules from closures.

use std::fmt;

use crate::Schedule;

/// A schedule made of a closure by [`from_fn`].
#[derive(Clone, Copy)]
pub struct FromFn<F> {
    f: F,
}

/// The schedule whose value at time t is `f(t)`, where t is not negative.
///
/// ```
/// use nn_schedule::{Schedule, from_fn};
///
/// let triangle = from_fn(|t| 1.0 - (t % 10.0 - 5.0).abs() / 5.0);
/// assert_eq!((triangle.at(0.0), triangle.at(5.0), triangle.at(12.5)), (0.0, 1.0, 0.5));
/// ```
pub fn from_fn<F: Fn(f64) -> f64 + Send + Sync>(f: F) -> FromFn<F> {
    FromFn { f }
}

impl<F: Fn(f64) -> f64 + Send + Sync> Schedule for FromFn<F> {
    fn at(&self, t: f64) -> f64 {
        (self.f)(t.max(0.0))
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}
