//! Decay in steps.

use nn_core::{RangeError, check_range};

use crate::Schedule;
use crate::check::{check_not_negative, check_positive};

/// Step decay: α₀·γ^⌊t/size⌋.
///
/// α₀ lies in [0, ∞), the size of a step in (0, ∞), γ in (0, ∞); a usual γ is 0.1. As PyTorch's `StepLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepDecay {
    initial: f64,
    size: f64,
    gamma: f64,
}

impl StepDecay {
    /// With the initial value α₀, the time between two steps, and the factor γ of each.
    ///
    /// # Errors
    /// When α₀ is outside [0, ∞), the size or γ outside (0, ∞).
    pub fn new(initial: f64, size: f64, gamma: f64) -> Result<Self, RangeError> {
        check_not_negative("StepDecay", "initial", initial)?;
        check_positive("StepDecay", "size", size)?;
        check_positive("StepDecay", "gamma", gamma)?;
        Ok(StepDecay { initial, size, gamma })
    }
}

impl Schedule for StepDecay {
    fn at(&self, t: f64) -> f64 {
        self.initial * self.gamma.powf((t.max(0.0) / self.size).floor())
    }
}

/// Decay at milestones: α₀·γ^n, where n is the number of milestones that are ≤ t.
///
/// α₀ lies in [0, ∞), γ in (0, ∞). A milestone that stands twice counts twice. As PyTorch's `MultiStepLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStepDecay {
    initial: f64,
    milestones: Vec<f64>,
    gamma: f64,
}

impl MultiStepDecay {
    /// With the initial value α₀, the milestones in any order, and the factor γ of each.
    ///
    /// # Errors
    /// When α₀ or a milestone is outside [0, ∞), or γ outside (0, ∞).
    pub fn new(initial: f64, milestones: &[f64], gamma: f64) -> Result<Self, RangeError> {
        check_not_negative("MultiStepDecay", "initial", initial)?;
        for &milestone in milestones {
            check_not_negative("MultiStepDecay", "milestones", milestone)?;
        }
        check_positive("MultiStepDecay", "gamma", gamma)?;
        let mut milestones = milestones.to_vec();
        milestones.sort_by(f64::total_cmp);
        Ok(MultiStepDecay { initial, milestones, gamma })
    }
}

impl Schedule for MultiStepDecay {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0);
        let passed = self.milestones.partition_point(|&milestone| milestone <= t);
        self.initial * self.gamma.powf(passed as f64)
    }
}

/// A table of values: each holds from its time on until that of the next, the last for ever.
///
/// [`interpolated`](Table::interpolated) joins the values by straight lines instead.
///
/// ```
/// use nn_schedule::{Schedule, Table};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let table = Table::new(&[(0.0, 0.1), (10.0, 0.05), (20.0, 0.01)])?;
/// assert_eq!([0.0, 9.0, 10.0, 99.0].map(|t| table.at(t)), [0.1, 0.1, 0.05, 0.01]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    entries: Vec<(f64, f64)>,
    interpolated: bool,
}

impl Table {
    /// With pairs of time and value. The first time is 0, and the times rise.
    ///
    /// # Errors
    /// When there is no pair, the first time is not 0, a time is not above the one before or not finite, or a value
    /// is not finite.
    pub fn new(entries: &[(f64, f64)]) -> Result<Self, RangeError> {
        check_range("Table", "number of entries", entries.len() as f64, "[1, ∞)", !entries.is_empty())?;
        check_range("Table", "first time", entries[0].0, "[0, 0]", entries[0].0 == 0.0)?;
        for pair in entries.windows(2) {
            let (before, time) = (pair[0].0, pair[1].0);
            let inside = time > before && time.is_finite();
            check_range("Table", "time", time, "(the time before, ∞)", inside)?;
        }
        for &(_, value) in entries {
            check_range("Table", "value", value, "(-∞, ∞)", value.is_finite())?;
        }
        Ok(Table { entries: entries.to_vec(), interpolated: false })
    }

    /// The same table with its values joined by straight lines; the last holds for ever.
    pub fn interpolated(self) -> Self {
        Table { interpolated: true, ..self }
    }
}

impl Schedule for Table {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0);
        let next = self.entries.partition_point(|&(time, _)| time <= t);
        let (time, value) = self.entries[next - 1];
        match self.entries.get(next) {
            Some(&(end, goal)) if self.interpolated => value + (goal - value) * ((t - time) / (end - time)),
            _ => value,
        }
    }
}
