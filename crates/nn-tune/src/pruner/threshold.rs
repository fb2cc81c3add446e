//! A trial that leaves a range is stopped.

use nn_core::{RangeError, check_range};

use super::{Pruner, Reported, is_first_of_interval, prune_if};
use crate::Verdict;

/// Stops a trial that reports a value outside a range, or NaN.
///
/// # Source
/// Optuna's `ThresholdPruner`, with the same defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    lower: f64,
    upper: f64,
    warmup_steps: u64,
    interval_steps: u64,
}

impl Threshold {
    /// Values from `lower` to `upper`; either may be infinite.
    ///
    /// # Errors
    /// When `lower` > `upper` or one is NaN.
    pub fn new(lower: f64, upper: f64) -> Result<Self, RangeError> {
        check_range("Threshold", "lower", lower, "[−∞, upper]", lower <= upper)?;
        Ok(Threshold { lower, upper, warmup_steps: 0, interval_steps: 1 })
    }

    /// No trial is stopped before this step: 0.
    #[must_use]
    pub fn warmup_steps(self, warmup_steps: u64) -> Self {
        Threshold { warmup_steps, ..self }
    }

    /// A trial is looked at when it first reports in each interval of so many steps, from `warmup_steps` on: 1.
    ///
    /// # Errors
    /// When it is 0.
    pub fn interval_steps(self, interval_steps: u64) -> Result<Self, RangeError> {
        let inside = interval_steps >= 1;
        check_range("Threshold", "interval_steps", interval_steps as f64, "[1, ∞)", inside)?;
        Ok(Threshold { interval_steps, ..self })
    }
}

impl Pruner for Threshold {
    fn verdict(&self, Reported { trial, .. }: &Reported<'_>) -> Verdict {
        let due = is_first_of_interval(&trial.intermediate, self.warmup_steps, self.interval_steps);
        let inside = |(_, value)| (self.lower..=self.upper).contains(&value);
        prune_if(due && !trial.last().is_none_or(inside))
    }
}
