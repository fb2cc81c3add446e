//! From epochs to steps.

use nn_core::{RangeError, check_range};

use crate::Schedule;

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
