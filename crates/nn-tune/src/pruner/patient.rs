//! A trial that still improves is left alone.

use nn_core::{RangeError, check_range};

use super::{Pruner, Reported, prune_if};
use crate::Verdict;

/// Stops a trial that another pruner would stop, but only when it has not improved in its last `patience` + 1 reports.
///
/// Without another pruner it is early stopping.
///
/// # Source
/// Optuna's `PatientPruner`.
#[derive(Debug)]
pub struct Patient {
    inner: Option<Box<dyn Pruner>>,
    patience: usize,
    min_delta: f64,
}

impl Patient {
    /// Stops every trial that has not improved.
    pub fn new(patience: usize) -> Self {
        Patient { inner: None, patience, min_delta: 0.0 }
    }

    /// Asks another pruner about trials that have not improved.
    pub fn with(inner: impl Pruner + 'static, patience: usize) -> Self {
        Patient { inner: Some(Box::new(inner)), ..Patient::new(patience) }
    }

    /// A trial counts as worse when its best of the last reports is worse by more than this: 0.
    ///
    /// # Errors
    /// When it is negative or not finite.
    pub fn min_delta(self, min_delta: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&min_delta);
        check_range("Patient", "min_delta", min_delta, "[0, ∞)", inside)?;
        Ok(Patient { min_delta, ..self })
    }

    fn has_stalled(&self, reported: &Reported<'_>) -> bool {
        let values: Vec<f64> =
            reported.trial.intermediate.values().map(|&value| reported.direction.loss(value)).collect();
        let Some(before) = values.len().checked_sub(self.patience + 1).filter(|&before| before > 0) else {
            return false;
        };
        let best = |part: &[f64]| part.iter().copied().filter(|loss| !loss.is_nan()).reduce(f64::min);
        match (best(&values[..before]), best(&values[before..])) {
            (Some(before), Some(after)) => before + self.min_delta < after,
            _ => false,
        }
    }
}

impl Pruner for Patient {
    fn verdict(&self, reported: &Reported<'_>) -> Verdict {
        match &self.inner {
            _ if !self.has_stalled(reported) => Verdict::Continue,
            None => prune_if(true),
            Some(inner) => inner.verdict(reported),
        }
    }

    fn notes(&self, reported: &Reported<'_>) -> Vec<(String, f64)> {
        let asked = self.inner.iter().filter(|_| self.has_stalled(reported));
        asked.flat_map(|inner| inner.notes(reported)).collect()
    }
}
