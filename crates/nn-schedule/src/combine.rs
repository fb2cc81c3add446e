//! Schedules combined by their values.

use nn_core::{RangeError, check_range};

use crate::Schedule;
use crate::check::{check_finite, check_not_negative};

/// The product of two schedules; made by [`Schedule::product`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product<A, B> {
    a: A,
    b: B,
}

impl<A: Schedule, B: Schedule> Product<A, B> {
    pub(crate) fn new(a: A, b: B) -> Self {
        Product { a, b }
    }
}

impl<A: Schedule, B: Schedule> Schedule for Product<A, B> {
    fn at(&self, t: f64) -> f64 {
        self.a.at(t) * self.b.at(t)
    }
}

/// The sum of two schedules; made by [`Schedule::sum`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sum<A, B> {
    a: A,
    b: B,
}

impl<A: Schedule, B: Schedule> Sum<A, B> {
    pub(crate) fn new(a: A, b: B) -> Self {
        Sum { a, b }
    }
}

impl<A: Schedule, B: Schedule> Schedule for Sum<A, B> {
    fn at(&self, t: f64) -> f64 {
        self.a.at(t) + self.b.at(t)
    }
}

/// A schedule with its values between two bounds; made by [`Schedule::clamp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp<S> {
    schedule: S,
    min: f64,
    max: f64,
}

impl<S: Schedule> Clamp<S> {
    pub(crate) fn new(schedule: S, min: f64, max: f64) -> Result<Self, RangeError> {
        check_finite("Clamp", "min", min)?;
        check_range("Clamp", "max", max, "[min, ∞)", min <= max && max.is_finite())?;
        Ok(Clamp { schedule, min, max })
    }
}

impl<S: Schedule> Schedule for Clamp<S> {
    fn at(&self, t: f64) -> f64 {
        self.schedule.at(t).clamp(self.min, self.max)
    }
}

/// A schedule that is lowered at the end of a run; made by [`Schedule::lower_at_end`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowerAtEnd<S> {
    schedule: S,
    value: f64,
    from: f64,
}

impl<S: Schedule> LowerAtEnd<S> {
    pub(crate) fn new(schedule: S, value: f64, last: f64, total: f64) -> Result<Self, RangeError> {
        check_finite("LowerAtEnd", "value", value)?;
        check_not_negative("LowerAtEnd", "total", total)?;
        check_range("LowerAtEnd", "last", last, "[0, total]", (0.0..=total).contains(&last))?;
        Ok(LowerAtEnd { schedule, value, from: total - last })
    }
}

impl<S: Schedule> Schedule for LowerAtEnd<S> {
    fn at(&self, t: f64) -> f64 {
        let value = self.schedule.at(t);
        if t.max(0.0) < self.from { value } else { value.min(self.value) }
    }
}
