//! One set of hyperparameters and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use crate::{Distribution, Params};

/// Whether a lower or a higher objective is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Lower is better, as for losses.
    Minimize,
    /// Higher is better, as for accuracies.
    Maximize,
}

impl Direction {
    /// Whether one objective is better than another.
    pub fn is_better(self, value: f64, than: f64) -> bool {
        self.loss(value) < self.loss(than)
    }

    /// The objective, turned so that lower is better.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Direction::Minimize => value,
            Direction::Maximize => -value,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Minimize => "minimize",
            Direction::Maximize => "maximize",
        })
    }
}

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrialState {
    /// A worker works on it.
    Running,
    /// It has ended with an objective.
    Complete,
    /// It was stopped since it was not promising.
    Pruned,
    /// It ended without an objective.
    Failed,
    /// It is to be worked on.
    Waiting,
}

impl TrialState {
    /// Whether nothing changes any more.
    pub fn is_finished(self) -> bool {
        matches!(self, TrialState::Complete | TrialState::Pruned | TrialState::Failed)
    }
}

impl fmt::Display for TrialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrialState::Running => "running",
            TrialState::Complete => "complete",
            TrialState::Pruned => "pruned",
            TrialState::Failed => "failed",
            TrialState::Waiting => "waiting",
        })
    }
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this objective. One that is not finite counts as failed.
    Complete(f64),
    /// Stopped since it was not promising.
    Pruned,
    /// Without an objective, for this reason.
    Failed(String),
}

/// Whether a trial is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is promising, or it is too early to say.
    Continue,
    /// Stop it, and tell [`Outcome::Pruned`].
    Prune,
}

/// One set of hyperparameters and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its number in the study, from 0.
    pub number: u64,
    /// How far it is.
    pub state: TrialState,
    /// The hyperparameters.
    pub params: Params,
    /// The ranges that they were taken from, by name.
    pub distributions: BTreeMap<String, Distribution>,
    /// The objectives: one, unless the study has several.
    pub values: Option<Vec<f64>>,
    /// What was reported on the way, by step.
    pub intermediate: BTreeMap<u64, f64>,
    /// When work on it began.
    pub started: Option<SystemTime>,
    /// When it ended.
    pub ended: Option<SystemTime>,
    /// Notes of the user.
    pub user_attributes: BTreeMap<String, serde_json::Value>,
    /// Notes of samplers and workers.
    pub system_attributes: BTreeMap<String, serde_json::Value>,
}

impl Trial {
    /// A trial in this state without anything else; its number is given by the study.
    pub fn new(state: TrialState) -> Self {
        Trial {
            number: 0,
            state,
            params: Params::new(),
            distributions: BTreeMap::new(),
            values: None,
            intermediate: BTreeMap::new(),
            started: None,
            ended: None,
            user_attributes: BTreeMap::new(),
            system_attributes: BTreeMap::new(),
        }
    }

    /// The objective of a trial with one: of a complete one, or the last that a pruned one reported.
    pub fn value(&self) -> Option<f64> {
        self.values.as_ref().and_then(|values| values.first().copied())
    }

    /// The last step that was reported, and its value.
    pub fn last(&self) -> Option<(u64, f64)> {
        self.intermediate.last_key_value().map(|(&step, &value)| (step, value))
    }
}

/// The complete trial with the best objective, the first of several.
pub(crate) fn best_of(direction: Direction, trials: &[Trial]) -> Option<&Trial> {
    let loss = |trial: &Trial| trial.value().map_or(f64::INFINITY, |value| direction.loss(value));
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    complete.min_by(|a, b| loss(a).total_cmp(&loss(b)))
}
