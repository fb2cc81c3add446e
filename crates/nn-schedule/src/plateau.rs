//! Schedules that watch a metric.

use std::fmt::Debug;

use nn_core::{RangeError, check_range};

use crate::check::check_not_negative;

/// A hyperparameter that depends on how a metric develops, so not a [`Schedule`](crate::Schedule).
pub trait MetricSchedule: Debug + Send + Sync {
    /// The value now.
    fn value(&self) -> f64;

    /// Takes in the metric of another epoch; the value from now on.
    fn observe(&mut self, metric: f64) -> f64;
}

/// By how much a metric must be better than the best so far.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Threshold {
    Relative(f64),
    Absolute(f64),
}

/// Reduces the value by a factor when a metric has not improved for more than `patience` epochs.
///
/// After each epoch, as PyTorch's `ReduceLROnPlateau`: a metric better than the best so far is the new best and sets
/// the number of bad epochs to 0, any other adds 1 to it; during a cool-down it stays 0. When it exceeds the
/// patience, the value becomes max(value·factor, min), unless that lowers it by no more than ε; the number is 0 again
/// and a cool-down begins. The first metric is better than none; NaN is never better.
///
/// | setting | default | range |
/// |-|-|-|
/// | [`maximize`](ReduceOnPlateau::maximize) | lower is better | |
/// | [`factor`](ReduceOnPlateau::factor) | 0.1 | [0, 1) |
/// | [`patience`](ReduceOnPlateau::patience) | 10 | |
/// | [`threshold`](ReduceOnPlateau::threshold) | 10⁻⁴, relative: below best·(1 − threshold), above best·(1 + threshold) | [0, ∞) |
/// | [`absolute_threshold`](ReduceOnPlateau::absolute_threshold) | instead below best − threshold, above best + threshold | [0, ∞) |
/// | [`cooldown`](ReduceOnPlateau::cooldown) | 0 | |
/// | [`min`](ReduceOnPlateau::min) | 0 | [0, ∞) |
/// | [`epsilon`](ReduceOnPlateau::epsilon) | 10⁻⁸ | [0, ∞) |
///
/// ```
/// use nn_schedule::{MetricSchedule, ReduceOnPlateau};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut rate = ReduceOnPlateau::new(0.5)?.factor(0.5)?.patience(1);
/// let rates = [3.0, 2.0, 2.0, 2.0, 1.0].map(|loss| rate.observe(loss));
/// assert_eq!(rates, [0.5, 0.5, 0.5, 0.25, 0.25]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReduceOnPlateau {
    factor: f64,
    patience: u64,
    threshold: Threshold,
    cooldown: u64,
    min: f64,
    epsilon: f64,
    maximize: bool,
    state: PlateauState,
}

/// What a [`ReduceOnPlateau`] has seen, to be saved with a run and given to
/// [`resume`](ReduceOnPlateau::resume).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauState {
    /// The value, in [0, ∞).
    pub value: f64,
    /// The best metric, `None` before the first that was not NaN.
    pub best: Option<f64>,
    /// The epochs since then that were not better.
    pub bad_epochs: u64,
    /// The epochs that are left of a cool-down.
    pub cooldown_left: u64,
}

impl ReduceOnPlateau {
    /// With the initial value, and the defaults of the table.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn new(initial: f64) -> Result<Self, RangeError> {
        check_not_negative("ReduceOnPlateau", "initial", initial)?;
        Ok(ReduceOnPlateau {
            factor: 0.1,
            patience: 10,
            threshold: Threshold::Relative(1e-4),
            cooldown: 0,
            min: 0.0,
            epsilon: 1e-8,
            maximize: false,
            state: PlateauState { value: initial, best: None, bad_epochs: 0, cooldown_left: 0 },
        })
    }

    /// Higher metrics are better, as of an accuracy.
    pub fn maximize(self) -> Self {
        ReduceOnPlateau { maximize: true, ..self }
    }

    /// What the value is multiplied by.
    ///
    /// # Errors
    /// When it is outside [0, 1).
    pub fn factor(self, factor: f64) -> Result<Self, RangeError> {
        check_range("ReduceOnPlateau", "factor", factor, "[0, 1)", (0.0..1.0).contains(&factor))?;
        Ok(ReduceOnPlateau { factor, ..self })
    }

    /// The number of bad epochs in a row that are let pass.
    pub fn patience(self, patience: u64) -> Self {
        ReduceOnPlateau { patience, ..self }
    }

    /// By which part of the best a metric must be better.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn threshold(self, threshold: f64) -> Result<Self, RangeError> {
        check_not_negative("ReduceOnPlateau", "threshold", threshold)?;
        Ok(ReduceOnPlateau { threshold: Threshold::Relative(threshold), ..self })
    }

    /// By how much a metric must be better than the best.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn absolute_threshold(self, threshold: f64) -> Result<Self, RangeError> {
        check_not_negative("ReduceOnPlateau", "absolute_threshold", threshold)?;
        Ok(ReduceOnPlateau { threshold: Threshold::Absolute(threshold), ..self })
    }

    /// The number of epochs after a reduction in which none is counted as bad.
    pub fn cooldown(self, cooldown: u64) -> Self {
        ReduceOnPlateau { cooldown, ..self }
    }

    /// The lowest value.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn min(self, min: f64) -> Result<Self, RangeError> {
        check_not_negative("ReduceOnPlateau", "min", min)?;
        Ok(ReduceOnPlateau { min, ..self })
    }

    /// The largest reduction that is not worth while.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_not_negative("ReduceOnPlateau", "epsilon", epsilon)?;
        Ok(ReduceOnPlateau { epsilon, ..self })
    }

    /// What it has seen so far.
    pub fn state(&self) -> PlateauState {
        self.state
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// When its value is outside [0, ∞) or its best metric is NaN; nothing is changed then.
    pub fn resume(&mut self, state: PlateauState) -> Result<(), RangeError> {
        check_not_negative("PlateauState", "value", state.value)?;
        let best = state.best.unwrap_or(0.0);
        check_range("PlateauState", "best", best, "[-∞, ∞]", !best.is_nan())?;
        self.state = state;
        Ok(())
    }

    /// Whether the metric is better than the best so far.
    fn is_better(&self, metric: f64) -> bool {
        let Some(best) = self.state.best else {
            return !metric.is_nan();
        };
        match (self.maximize, self.threshold) {
            (false, Threshold::Relative(threshold)) => metric < best * (1.0 - threshold),
            (false, Threshold::Absolute(threshold)) => metric < best - threshold,
            (true, Threshold::Relative(threshold)) => metric > best * (1.0 + threshold),
            (true, Threshold::Absolute(threshold)) => metric > best + threshold,
        }
    }
}

impl MetricSchedule for ReduceOnPlateau {
    fn value(&self) -> f64 {
        self.state.value
    }

    fn observe(&mut self, metric: f64) -> f64 {
        let better = self.is_better(metric);
        let state = &mut self.state;
        if better {
            (state.best, state.bad_epochs) = (Some(metric), 0);
        } else {
            state.bad_epochs += 1;
        }
        if state.cooldown_left > 0 {
            state.cooldown_left -= 1;
            state.bad_epochs = 0;
        }
        if state.bad_epochs > self.patience {
            let reduced = (state.value * self.factor).max(self.min);
            if state.value - reduced > self.epsilon {
                state.value = reduced;
            }
            (state.cooldown_left, state.bad_epochs) = (self.cooldown, 0);
        }
        state.value
    }
}
