//! One schedule after another.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::{check_fraction, check_not_negative};

/// One schedule, then another; made by [`Schedule::then`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Then<A, B> {
    first: A,
    steps: f64,
    next: B,
}

impl<A: Schedule, B: Schedule> Then<A, B> {
    pub(crate) fn new(first: A, steps: f64, next: B) -> Result<Self, RangeError> {
        check_not_negative("Then", "steps", steps)?;
        Ok(Then { first, steps, next })
    }
}

impl<A: Schedule, B: Schedule> Schedule for Then<A, B> {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0);
        if t < self.steps { self.first.at(t) } else { self.next.at(t - self.steps) }
    }
}

/// A warm-up, then a schedule; made by [`Schedule::warmup`] and [`Schedule::warmup_constant`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup<S> {
    schedule: S,
    steps: f64,
    /// The factor of the first step.
    start: f64,
    /// The factor that it approaches at the end of the warm-up.
    end: f64,
}

impl<S: Schedule> Warmup<S> {
    pub(crate) fn linear(schedule: S, steps: f64, start_factor: f64) -> Result<Self, RangeError> {
        check_not_negative("Warmup", "steps", steps)?;
        check_fraction("Warmup", "start_factor", start_factor)?;
        Ok(Warmup { schedule, steps, start: start_factor, end: 1.0 })
    }

    pub(crate) fn constant(schedule: S, steps: f64, factor: f64) -> Result<Self, RangeError> {
        check_not_negative("Warmup", "steps", steps)?;
        check_fraction("Warmup", "factor", factor)?;
        Ok(Warmup { schedule, steps, start: factor, end: factor })
    }
}

impl<S: Schedule> Schedule for Warmup<S> {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0);
        if t < self.steps {
            (self.start + (self.end - self.start) * (t / self.steps)) * self.schedule.at(0.0)
        } else {
            self.schedule.at(t - self.steps)
        }
    }
}
