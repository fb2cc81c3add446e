//! Which trials are stopped since they are not promising.

mod halving;
mod hyperband;
mod patient;
mod percentile;
mod threshold;

use std::collections::BTreeMap;
use std::fmt::Debug;

pub use halving::SuccessiveHalving;
pub use hyperband::Hyperband;
pub use patient::Patient;
pub use percentile::{Median, Percentile};
pub use threshold::Threshold;

use crate::{Direction, Trial, TrialState, Verdict};

/// Decides which trials are stopped since they are not promising.
///
/// A decision is a function of the trials alone: any worker, and Optuna's pruner of the same name, comes to the same.
pub trait Pruner: Debug + Send + Sync {
    /// Whether a trial is to go on, after what it reported last.
    fn verdict(&self, reported: &Reported<'_>) -> Verdict;

    /// What is to be noted of the trial as of now, by name, for verdicts to come; it becomes part of its
    /// `system_attributes`.
    fn notes(&self, _: &Reported<'_>) -> Vec<(String, f64)> {
        Vec::new()
    }
}

/// What a pruner looks at: a trial that has just reported, and all others.
#[derive(Clone, Copy, Debug)]
pub struct Reported<'a> {
    /// The name of the study.
    pub study: &'a str,
    /// Whether a lower or a higher objective is better.
    pub direction: Direction,
    /// All trials of the study.
    pub trials: &'a [Trial],
    /// The one that has reported, with its report.
    pub trial: &'a Trial,
}

impl Pruner for Box<dyn Pruner> {
    fn verdict(&self, reported: &Reported<'_>) -> Verdict {
        (**self).verdict(reported)
    }

    fn notes(&self, reported: &Reported<'_>) -> Vec<(String, f64)> {
        (**self).notes(reported)
    }
}

/// Stops none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoPruner;

impl Pruner for NoPruner {
    fn verdict(&self, _: &Reported<'_>) -> Verdict {
        Verdict::Continue
    }
}

/// The verdict, of whether to prune.
fn prune_if(prune: bool) -> Verdict {
    if prune { Verdict::Prune } else { Verdict::Continue }
}

/// Whether the last of these steps is the first of its interval; intervals begin at `warmup`.
fn is_first_of_interval(intermediate: &BTreeMap<u64, f64>, warmup: u64, interval: u64) -> bool {
    let mut steps = intermediate.keys().rev();
    let Some(&step) = steps.next().filter(|&&step| step >= warmup) else { return false };
    let begin = (step - warmup) / interval * interval + warmup;
    steps.next().is_none_or(|&before| before < begin)
}

/// The last step of the trial that was the first to be complete, of those that reported any.
fn first_length(trials: &[Trial]) -> Option<u64> {
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let lengths = complete.filter_map(|trial| Some((trial.ended, trial.number, trial.last()?.0)));
    lengths.min().map(|(_, _, step)| step)
}
