//! Schedules that are asked at another time.

use nn_core::{RangeError, check_range};

use crate::Schedule;
use crate::check::{check_not_negative, check_positive};

/// A schedule in epochs, asked in steps; made by [`Schedule::in_epochs`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InEpochs<S> {
    schedule: S,
    steps_per_epoch: f64,
}

impl<S: Schedule> InEpochs<S> {
    pub(crate) fn new(schedule: S, steps_per_epoch: usize) -> Result<Self, RangeError> {
        let inside = steps_per_epoch >= 1;
        let steps_per_epoch = steps_per_epoch as f64;
        check_range("InEpochs", "steps_per_epoch", steps_per_epoch, "[1, ∞)", inside)?;
        Ok(InEpochs { schedule, steps_per_epoch })
    }
}

impl<S: Schedule> Schedule for InEpochs<S> {
    fn at(&self, t: f64) -> f64 {
        self.schedule.at(t / self.steps_per_epoch)
    }
}

/// The beginning of a schedule over and over; made by [`Schedule::repeat`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeat<S> {
    schedule: S,
    period: f64,
}

impl<S: Schedule> Repeat<S> {
    pub(crate) fn new(schedule: S, period: f64) -> Result<Self, RangeError> {
        check_positive("Repeat", "period", period)?;
        Ok(Repeat { schedule, period })
    }
}

impl<S: Schedule> Schedule for Repeat<S> {
    fn at(&self, t: f64) -> f64 {
        self.schedule.at(t.max(0.0) % self.period)
    }
}

/// A schedule that changes at intervals only; made by [`Schedule::staircase`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Staircase<S> {
    schedule: S,
    every: f64,
}

impl<S: Schedule> Staircase<S> {
    pub(crate) fn new(schedule: S, every: f64) -> Result<Self, RangeError> {
        check_positive("Staircase", "every", every)?;
        Ok(Staircase { schedule, every })
    }
}

impl<S: Schedule> Schedule for Staircase<S> {
    fn at(&self, t: f64) -> f64 {
        self.schedule.at((t.max(0.0) / self.every).floor() * self.every)
    }
}

/// A schedule that stays where it is from some time on; made by [`Schedule::hold_after`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HoldAfter<S> {
    schedule: S,
    end: f64,
}

impl<S: Schedule> HoldAfter<S> {
    pub(crate) fn new(schedule: S, end: f64) -> Result<Self, RangeError> {
        check_not_negative("HoldAfter", "end", end)?;
        Ok(HoldAfter { schedule, end })
    }
}

impl<S: Schedule> Schedule for HoldAfter<S> {
    fn at(&self, t: f64) -> f64 {
        self.schedule.at(t.min(self.end))
    }
}
