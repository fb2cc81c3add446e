//! What a log of records says.

use std::collections::BTreeMap;

use super::{Operation, Owner, Record};
use crate::{Direction, Distribution, Trial, TrialState};

/// The studies that a log of records makes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    studies: Vec<Option<StudyRecord>>,
    /// The study and the number in it of each trial of the log.
    trials: Vec<(u64, u64)>,
}

/// A study.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyRecord {
    /// Its name.
    pub name: String,
    /// What is better, of each objective.
    pub directions: Vec<Direction>,
    /// Its trials, by number.
    pub trials: Vec<Trial>,
    /// The number of each trial in the log.
    pub ids: Vec<u64>,
    /// Notes of the user.
    pub user_attributes: BTreeMap<String, serde_json::Value>,
    /// Notes of samplers and workers.
    pub system_attributes: BTreeMap<String, serde_json::Value>,
}

impl State {
    /// No studies.
    pub fn new() -> Self {
        State::default()
    }

    /// The study of this name, and its number.
    pub fn find(&self, name: &str) -> Option<(u64, &StudyRecord)> {
        let named = |(number, study): (usize, &'_ Option<StudyRecord>)| {
            study.as_ref().is_some_and(|study| study.name == name).then_some(number as u64)
        };
        let number = self.studies.iter().enumerate().find_map(named)?;
        Some((number, self.study(number)?))
    }

    /// The study of this number.
    pub fn study(&self, study: u64) -> Option<&StudyRecord> {
        self.studies.get(usize::try_from(study).ok()?)?.as_ref()
    }

    /// All studies, in the order in which they were made.
    pub fn studies(&self) -> impl Iterator<Item = &StudyRecord> {
        self.studies.iter().flatten()
    }

    fn study_mut(&mut self, study: u64) -> Option<&mut StudyRecord> {
        self.studies.get_mut(usize::try_from(study).ok()?)?.as_mut()
    }

    /// Whether a hyperparameter of a trial is as in the first trial of the study that has it.
    fn takes(&self, trial: u64, name: &str, distribution: &Distribution) -> bool {
        let place = usize::try_from(trial).ok().and_then(|trial| self.trials.get(trial));
        let Some(record) = place.and_then(|(study, _)| self.study(*study)) else { return false };
        let first = record.trials.iter().find_map(|trial| trial.distributions.get(name));
        first.is_none_or(|first| first.is_compatible(distribution))
    }

    /// A trial that is not finished.
    fn open_trial(&mut self, trial: u64) -> Option<&mut Trial> {
        let &(study, number) = self.trials.get(usize::try_from(trial).ok()?)?;
        let trial = self.study_mut(study)?.trials.get_mut(number as usize)?;
        (!trial.state.is_finished()).then_some(trial)
    }

    /// Makes a change. One that cannot be, of a trial that is finished or of a study that is not there, changes nothing:
    /// a worker was too late.
    pub fn apply(&mut self, record: Record) {
        match record.operation {
            Operation::CreateStudy { name, directions } => self.create_study(name, directions),
            Operation::DeleteStudy { study } => {
                if let Some(place) = self.studies.get_mut(study as usize) {
                    *place = None;
                }
            }
            Operation::StudyAttribute { study, owner, key, value } => {
                if let Some(study) = self.study_mut(study) {
                    match owner {
                        Owner::User => study.user_attributes.insert(key, value),
                        Owner::System => study.system_attributes.insert(key, value),
                    };
                }
            }
            Operation::CreateTrial { study, trial } => self.create_trial(study, *trial),
            Operation::SetParam { trial, name, value, distribution } => {
                if self.takes(trial, &name, &distribution)
                    && let Some(trial) = self.open_trial(trial)
                {
                    trial.params.insert(&name, value);
                    trial.distributions.insert(name, distribution);
                }
            }
            Operation::SetState { trial, state, values, at } => {
                if let Some(trial) = self.open_trial(trial) {
                    set_state(trial, state, values, at);
                }
            }
            Operation::Intermediate { trial, step, value } => {
                if let Some(trial) = self.open_trial(trial) {
                    trial.intermediate.insert(step, value);
                }
            }
            Operation::TrialAttribute { trial, owner, key, value } => {
                if let Some(trial) = self.open_trial(trial) {
                    match owner {
                        Owner::User => trial.user_attributes.insert(key, value),
                        Owner::System => trial.system_attributes.insert(key, value),
                    };
                }
            }
        }
    }

    /// A second study of a name is not made.
    fn create_study(&mut self, name: String, directions: Vec<Direction>) {
        if self.find(&name).is_none() {
            self.studies.push(Some(StudyRecord {
                name,
                directions,
                trials: vec![],
                ids: vec![],
                user_attributes: BTreeMap::new(),
                system_attributes: BTreeMap::new(),
            }));
        }
    }

    fn create_trial(&mut self, study: u64, mut trial: Trial) {
        let id = self.trials.len() as u64;
        if let Some(record) = self.study_mut(study) {
            trial.number = record.trials.len() as u64;
            let number = trial.number;
            record.trials.push(trial);
            record.ids.push(id);
            self.trials.push((study, number));
        }
    }
}

/// The first worker that runs a waiting trial has it.
fn set_state(
    trial: &mut Trial,
    state: TrialState,
    values: Option<Vec<f64>>,
    at: Option<std::time::SystemTime>,
) {
    if state == TrialState::Running {
        if trial.state == TrialState::Running {
            return;
        }
        trial.started = at;
    }
    trial.state = state;
    if values.is_some() {
        trial.values = values;
    }
    if state.is_finished() {
        trial.ended = at;
    }
}
