//! Successive halving, without waiting for others.

use nn_core::{RangeError, check_range};

use super::{Pruner, Reported, first_length};
use crate::{Trial, Verdict};

/// Asynchronous successive halving (ASHA): at step r·ηˢ⁺ᵏ, the k-th rung, a trial goes on when it is among the best 1/η
/// of those that have come there.
///
/// With η trials or fewer at a rung, the best of them goes on. What a trial reported at a rung is noted with it as
/// `completed_rung_k`, as by Optuna, so that workers of both compete. A trial that reports NaN at a rung is stopped.
///
/// ```
/// use nn_tune::pruner::SuccessiveHalving;
///
/// // Rungs at steps 2, 6, 18, …
/// let pruner = SuccessiveHalving::new().min_resource(2)?.reduction_factor(3)?;
/// # Ok::<(), nn_core::RangeError>(())
/// ```
///
/// # Source
/// Li et al. 2018, "A system for massively parallel hyperparameter tuning" (arXiv 1810.05934), algorithm 2; Optuna's
/// `SuccessiveHalvingPruner`, with the same defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessiveHalving {
    min_resource: Option<u64>,
    reduction_factor: u64,
    min_early_stopping_rate: u32,
    bootstrap_count: usize,
}

impl SuccessiveHalving {
    /// With the defaults.
    pub fn new() -> Self {
        let (min_resource, reduction_factor) = (None, 4);
        SuccessiveHalving { min_resource, reduction_factor, min_early_stopping_rate: 0, bootstrap_count: 0 }
    }

    /// r, the step of the first rung. Without it, it is 1/100 of the last step of the first complete trial, and at
    /// least 1; until then no trial is stopped.
    ///
    /// # Errors
    /// When it is 0.
    pub fn min_resource(self, min_resource: u64) -> Result<Self, RangeError> {
        check(min_resource, "min_resource", "[1, ∞)", 1)?;
        Ok(SuccessiveHalving { min_resource: Some(min_resource), ..self })
    }

    /// η, the ratio of the steps of a rung and the one before, and of the trials at a rung and those that go on: 4.
    ///
    /// # Errors
    /// When it is below 2.
    pub fn reduction_factor(self, reduction_factor: u64) -> Result<Self, RangeError> {
        check(reduction_factor, "reduction_factor", "[2, ∞)", 2)?;
        Ok(SuccessiveHalving { reduction_factor, ..self })
    }

    /// s, the number of rungs at the beginning that are left out: 0.
    #[must_use]
    pub fn min_early_stopping_rate(self, min_early_stopping_rate: u32) -> Self {
        SuccessiveHalving { min_early_stopping_rate, ..self }
    }

    /// The first so many trials at each rung are stopped there: 0. It takes effect with a
    /// [`min_resource`](Self::min_resource).
    #[must_use]
    pub fn bootstrap_count(self, bootstrap_count: usize) -> Self {
        SuccessiveHalving { bootstrap_count, ..self }
    }

    /// The rungs that the trial has come to with its report, each with its value there, and whether it goes on.
    fn climb(&self, reported: &Reported<'_>) -> (Vec<(String, f64)>, Verdict) {
        let mut climbed = Vec::new();
        let (Some((step, value)), Some(first)) = (reported.trial.last(), self.first_rung(reported.trials))
        else {
            return (climbed, Verdict::Continue);
        };
        let mut rung = 0;
        while reported.trial.system_attributes.contains_key(&key(rung)) {
            rung += 1;
        }
        loop {
            let exponent = self.min_early_stopping_rate.saturating_add(rung);
            if step < first.saturating_mul(self.reduction_factor.saturating_pow(exponent)) {
                return (climbed, Verdict::Continue);
            }
            if value.is_nan() {
                return (climbed, Verdict::Prune);
            }
            climbed.push((key(rung), value));
            if !self.is_promoted(reported, &key(rung), value) {
                return (climbed, Verdict::Prune);
            }
            rung += 1;
        }
    }

    fn first_rung(&self, trials: &[Trial]) -> Option<u64> {
        self.min_resource.or_else(|| Some((first_length(trials)? / 100).max(1)))
    }

    /// Whether the trial goes on from a rung where it has this value.
    fn is_promoted(&self, reported: &Reported<'_>, rung: &str, value: f64) -> bool {
        let Reported { direction, trials, trial, .. } = reported;
        let others = trials.iter().filter(|other| other.number != trial.number);
        let at_rung = |other: &Trial| other.system_attributes.get(rung)?.as_f64();
        let mut competing: Vec<f64> =
            others.filter_map(at_rung).chain([value]).map(|value| direction.loss(value)).collect();
        competing.sort_by(f64::total_cmp);
        let promoted = (competing.len() / self.reduction_factor as usize).max(1);
        let bootstrap = if self.min_resource.is_some() { self.bootstrap_count } else { 0 };
        competing.len() > bootstrap && direction.loss(value) <= competing[promoted - 1]
    }
}

impl Default for SuccessiveHalving {
    fn default() -> Self {
        SuccessiveHalving::new()
    }
}

impl Pruner for SuccessiveHalving {
    fn verdict(&self, reported: &Reported<'_>) -> Verdict {
        self.climb(reported).1
    }

    fn notes(&self, reported: &Reported<'_>) -> Vec<(String, f64)> {
        self.climb(reported).0
    }
}

fn check(value: u64, field: &'static str, range: &'static str, low: u64) -> Result<(), RangeError> {
    check_range("SuccessiveHalving", field, value as f64, range, value >= low)
}

/// What a trial's value at a rung is noted as.
fn key(rung: u32) -> String {
    format!("completed_rung_{rung}")
}
