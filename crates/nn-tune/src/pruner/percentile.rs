//! A trial is compared with the others at the same step.

use nn_core::{RangeError, check_range};

use super::{Pruner, Reported, is_first_of_interval, prune_if};
use crate::{Direction, TrialState, Verdict};

/// Stops a trial whose best objective so far is worse than what the best `percentile` percent of the complete trials had
/// at the same step.
///
/// With `percentile` 25 the best quarter goes on. A trial that has reported only NaN is stopped.
///
/// # Source
/// Optuna's `PercentilePruner`, with the same defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    percentile: f64,
    startup_trials: usize,
    warmup_steps: u64,
    interval_steps: u64,
    min_trials: usize,
}

impl Percentile {
    /// The best `percentile` percent go on.
    ///
    /// # Errors
    /// When `percentile` does not lie in [0, 100].
    pub fn new(percentile: f64) -> Result<Self, RangeError> {
        let inside = (0.0..=100.0).contains(&percentile);
        check_range("Percentile", "percentile", percentile, "[0, 100]", inside)?;
        Ok(Percentile { percentile, startup_trials: 5, warmup_steps: 0, interval_steps: 1, min_trials: 1 })
    }

    /// No trial is stopped before so many are complete: 5.
    #[must_use]
    pub fn startup_trials(self, startup_trials: usize) -> Self {
        Percentile { startup_trials, ..self }
    }

    /// No trial is stopped before this step: 0.
    #[must_use]
    pub fn warmup_steps(self, warmup_steps: u64) -> Self {
        Percentile { warmup_steps, ..self }
    }

    /// A trial is looked at when it first reports in each interval of so many steps, from `warmup_steps` on: 1.
    ///
    /// # Errors
    /// When it is 0.
    pub fn interval_steps(self, interval_steps: u64) -> Result<Self, RangeError> {
        let inside = interval_steps >= 1;
        check_range("Percentile", "interval_steps", interval_steps as f64, "[1, ∞)", inside)?;
        Ok(Percentile { interval_steps, ..self })
    }

    /// No trial is stopped at a step that fewer complete trials have reported: 1.
    ///
    /// # Errors
    /// When it is 0.
    pub fn min_trials(self, min_trials: usize) -> Result<Self, RangeError> {
        check_range("Percentile", "min_trials", min_trials as f64, "[1, ∞)", min_trials >= 1)?;
        Ok(Percentile { min_trials, ..self })
    }
}

impl Pruner for Percentile {
    fn verdict(&self, &Reported { direction, trials, trial, .. }: &Reported<'_>) -> Verdict {
        let complete = || trials.iter().filter(|trial| trial.state == TrialState::Complete);
        let Some((step, _)) = trial.last() else { return Verdict::Continue };
        let enough = complete().count() >= self.startup_trials.max(1);
        if !(enough && is_first_of_interval(&trial.intermediate, self.warmup_steps, self.interval_steps)) {
            return Verdict::Continue;
        }
        let reported = trial.intermediate.values().filter(|value| !value.is_nan());
        let Some(best) = reported.map(|&value| direction.loss(value)).min_by(f64::total_cmp) else {
            return Verdict::Prune;
        };
        let others: Vec<f64> =
            complete().filter_map(|trial| trial.intermediate.get(&step).copied()).collect();
        if others.len() < self.min_trials {
            return Verdict::Continue;
        }
        let percent = match direction {
            Direction::Minimize => self.percentile,
            Direction::Maximize => 100.0 - self.percentile,
        };
        prune_if(percentile(others, percent).is_some_and(|bound| best > direction.loss(bound)))
    }
}

/// The percentile of the values that are not NaN, with linear interpolation between two.
fn percentile(mut values: Vec<f64>, percent: f64) -> Option<f64> {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let place = percent / 100.0 * values.len().checked_sub(1)? as f64;
    let (below, share) = (place.floor() as usize, place.fract());
    let (a, b) = (values[below], values[(below + 1).min(values.len() - 1)]);
    // Exact at both ends.
    Some(if share < 0.5 { a + (b - a) * share } else { b - (b - a) * (1.0 - share) })
}

/// Stops a trial whose best objective so far is worse than the median of the complete trials at the same step.
///
/// # Source
/// Optuna's `MedianPruner`, with the same defaults; Golovin et al. 2017, "Google Vizier", section 3.2.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Median(Percentile);

impl Median {
    /// With the settings of [`Percentile`] at their defaults.
    pub fn new() -> Self {
        Median(Percentile {
            percentile: 50.0,
            startup_trials: 5,
            warmup_steps: 0,
            interval_steps: 1,
            min_trials: 1,
        })
    }

    /// No trial is stopped before so many are complete: 5.
    #[must_use]
    pub fn startup_trials(self, startup_trials: usize) -> Self {
        Median(self.0.startup_trials(startup_trials))
    }

    /// No trial is stopped before this step: 0.
    #[must_use]
    pub fn warmup_steps(self, warmup_steps: u64) -> Self {
        Median(self.0.warmup_steps(warmup_steps))
    }

    /// A trial is looked at when it first reports in each interval of so many steps, from `warmup_steps` on: 1.
    ///
    /// # Errors
    /// When it is 0.
    pub fn interval_steps(self, interval_steps: u64) -> Result<Self, RangeError> {
        self.0.interval_steps(interval_steps).map(Median)
    }

    /// No trial is stopped at a step that fewer complete trials have reported: 1.
    ///
    /// # Errors
    /// When it is 0.
    pub fn min_trials(self, min_trials: usize) -> Result<Self, RangeError> {
        self.0.min_trials(min_trials).map(Median)
    }
}

impl Default for Median {
    fn default() -> Self {
        Median::new()
    }
}

impl Pruner for Median {
    fn verdict(&self, reported: &Reported<'_>) -> Verdict {
        self.0.verdict(reported)
    }
}
