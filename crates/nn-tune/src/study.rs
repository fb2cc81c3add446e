//! A search for hyperparameters: what was tried, and what came of it.

mod queue;
mod stored;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pruner::{NoPruner, Reported};
use crate::storage::{InMemory, Operation, Owner, Record, State, Storage, StudyRecord, time, worker_name};
use crate::trial::best_of;
use crate::{Direction, Outcome, Pruner, Sampler, Space, StudyError, Trial, TrialState, Verdict};
use worker::Worker;

/// Where a trial keeps why it failed.
const REASON: &str = "fail_reason";

/// A search for hyperparameters: what was tried, and what came of it.
///
/// It is asked for a trial, and told how that ended; several threads may share one, and several processes a
/// [`Journal`](crate::storage::Journal).
#[derive(Debug)]
pub struct Study {
    name: String,
    direction: Direction,
    space: Space,
    sampler: Box<dyn Sampler>,
    pruner: Box<dyn Pruner>,
    worker: Worker,
    /// How often trials of dead workers are tried again, if they are looked for.
    retries: Option<usize>,
    silence: Duration,
    kept: Mutex<Kept>,
}

/// What is kept, as far as it has been read.
#[derive(Debug)]
struct Kept {
    storage: Box<dyn Storage>,
    state: State,
    /// The number of the study.
    study: u64,
    /// When others were last let hear of the worker.
    beaten: Instant,
}

impl Study {
    /// A study in memory.
    ///
    /// # Errors
    /// None in memory.
    pub fn new(
        name: &str,
        direction: Direction,
        space: Space,
        sampler: impl Sampler + 'static,
    ) -> Result<Self, StudyError> {
        Study::open(InMemory::new(), name, direction, space, sampler)
    }

    /// The study of this name in a storage, or a new one.
    ///
    /// A study that is there goes on, whoever made it: also one of Python's. Its space may have other bounds and some
    /// other hyperparameters, but what is of the same name must be of the same kind and scale, and choose between the
    /// same: else neither samplers nor Optuna could make anything of its trials.
    ///
    /// # Errors
    /// When the storage does not work, or the study there is another one: of another direction, with another kind of
    /// hyperparameter of the same name, or with other hyperparameters altogether.
    pub fn open(
        storage: impl Storage + 'static,
        name: &str,
        direction: Direction,
        space: Space,
        sampler: impl Sampler + 'static,
    ) -> Result<Self, StudyError> {
        let worker = Worker::here(&worker_name());
        let state = State::new();
        let mut kept = Kept { storage: Box::new(storage), state, study: 0, beaten: Instant::now() };
        kept.read()?;
        if kept.state.find(name).is_none() {
            kept.update(&worker.name, |state| match state.find(name) {
                Some(_) => vec![],
                None => vec![Operation::CreateStudy { name: name.to_owned(), directions: vec![direction] }],
            })?;
        }
        let found = kept.state.find(name);
        let (number, record) = found.ok_or_else(|| StudyError::Deleted { study: name.to_owned() })?;
        let note = stored::join(number, record, direction, &space)?;
        if let Some(note) = note {
            kept.update(&worker.name, |_| vec![note.clone()])?;
        }
        kept.study = number;
        Ok(Study {
            name: name.to_owned(),
            direction,
            space,
            sampler: Box::new(sampler),
            pruner: Box::new(NoPruner),
            worker,
            retries: None,
            silence: worker::SILENCE,
            kept: Mutex::new(kept),
        })
    }

    /// Stops trials that are not promising.
    #[must_use]
    pub fn pruner(self, pruner: impl Pruner + 'static) -> Self {
        Study { pruner: Box::new(pruner), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a lower or a higher objective is better.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// What is tuned.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Reports the objective at a step of a running trial, and says whether it is to go on.
    ///
    /// # Errors
    /// When there is no such trial, it does not run, or the storage does not work.
    pub fn report(&self, number: u64, step: u64, value: f64) -> Result<Verdict, StudyError> {
        let mut kept = self.kept();
        let is_due = self.is_due(&kept);
        self.change(&mut kept, number, |record, trial| {
            let beats = if is_due { worker::beats(record, &self.worker.name) } else { vec![] };
            [Operation::Intermediate { trial, step, value }].into_iter().chain(beats).collect()
        })?;
        if is_due {
            kept.beaten = Instant::now();
        }
        let trials = &self.record(&kept)?.trials;
        let (study, direction) = (self.name.as_str(), self.direction);
        let reported = Reported { study, direction, trials, trial: &trials[number as usize] };
        let (verdict, notes) = (self.pruner.verdict(&reported), self.pruner.notes(&reported));
        if !notes.is_empty() {
            self.change(&mut kept, number, |_, trial| {
                let owner = Owner::System;
                let note = |(key, value): (String, f64)| Operation::TrialAttribute {
                    trial,
                    owner,
                    key,
                    value: value.into(),
                };
                notes.iter().cloned().map(note).collect()
            })?;
        }
        Ok(verdict)
    }

    /// Tells how a trial ended. An objective that is not finite counts as failed.
    ///
    /// # Errors
    /// When there is no such trial, it does not run, or the storage does not work.
    pub fn tell(&self, number: u64, outcome: Outcome) -> Result<(), StudyError> {
        let failed = |reason: &str, trial| failure(trial, reason.to_owned()).to_vec();
        self.change(&mut self.kept(), number, |record, trial| {
            let (state, value) = match &outcome {
                Outcome::Complete(value) if value.is_finite() => (TrialState::Complete, Some(*value)),
                Outcome::Complete(value) => return failed(&format!("the objective is {value}"), trial),
                Outcome::Pruned => {
                    let last = record.trials[number as usize].last().map(|(_, value)| value);
                    (TrialState::Pruned, last.filter(|value| value.is_finite()))
                }
                Outcome::Failed(reason) => return failed(reason, trial),
            };
            let values = value.map(|value| vec![value]);
            vec![Operation::SetState { trial, state, values, at: Some(time::now()) }]
        })
    }

    /// Leaves a note on a running trial.
    ///
    /// # Errors
    /// When there is no such trial, it does not run, or the storage does not work.
    pub fn note(
        &self,
        number: u64,
        key: &str,
        value: impl Into<serde_json::Value>,
    ) -> Result<(), StudyError> {
        let value = value.into();
        self.change(&mut self.kept(), number, |_, trial| {
            let (key, value) = (key.to_owned(), value.clone());
            vec![Operation::TrialAttribute { trial, owner: Owner::User, key, value }]
        })
    }

    /// Leaves a note on the study.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn set_attribute(
        &self,
        owner: Owner,
        key: &str,
        value: impl Into<serde_json::Value>,
    ) -> Result<(), StudyError> {
        let (mut kept, value) = (self.kept(), value.into());
        let study = kept.study;
        kept.update(&self.worker.name, |_| {
            vec![Operation::StudyAttribute { study, owner, key: key.to_owned(), value: value.clone() }]
        })
    }

    /// The notes on the study.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn attributes(&self, owner: Owner) -> Result<BTreeMap<String, serde_json::Value>, StudyError> {
        let mut kept = self.kept();
        kept.read()?;
        let record = self.record(&kept)?;
        Ok(match owner {
            Owner::User => record.user_attributes.clone(),
            Owner::System => record.system_attributes.clone(),
        })
    }

    /// All trials, by number.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn trials(&self) -> Result<Vec<Trial>, StudyError> {
        self.with_trials(<[Trial]>::to_vec)
    }

    /// What a function makes of all trials, by number, without a copy of them. Nothing else is done with the study
    /// meanwhile.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn with_trials<T>(&self, look: impl FnOnce(&[Trial]) -> T) -> Result<T, StudyError> {
        let mut kept = self.kept();
        kept.read()?;
        Ok(look(&self.record(&kept)?.trials))
    }

    /// The complete trial with the best objective, the first of several.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn best(&self) -> Result<Option<Trial>, StudyError> {
        self.with_trials(|trials| best_of(self.direction, trials).cloned())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record<'a>(&self, kept: &'a Kept) -> Result<&'a StudyRecord, StudyError> {
        kept.state.study(kept.study).ok_or_else(|| StudyError::Deleted { study: self.name.clone() })
    }

    /// Changes a trial that runs, as `change` says of its study and its number in the log.
    fn change(
        &self,
        kept: &mut Kept,
        number: u64,
        change: impl Fn(&StudyRecord, u64) -> Vec<Operation>,
    ) -> Result<(), StudyError> {
        let study = kept.study;
        let mut found = Ok(());
        kept.update(&self.worker.name, |state| {
            let running = self.running(state.study(study), number);
            let (operations, result) = match running {
                Ok((record, trial)) => (change(record, trial), Ok(())),
                Err(error) => (vec![], Err(error)),
            };
            found = result;
            operations
        })?;
        found
    }

    /// The study, and the number in the log of a trial of it that runs.
    fn running<'a>(
        &self,
        record: Option<&'a StudyRecord>,
        number: u64,
    ) -> Result<(&'a StudyRecord, u64), StudyError> {
        let study = self.name.clone();
        let Some(record) = record else { return Err(StudyError::Deleted { study }) };
        match record.trials.get(usize::try_from(number).unwrap_or(usize::MAX)) {
            None => Err(StudyError::NoTrial { study, number, trials: record.trials.len() }),
            Some(trial) if trial.state.is_finished() => {
                Err(StudyError::Finished { study, number, state: trial.state })
            }
            Some(trial) if trial.state == TrialState::Waiting => Err(StudyError::Waiting { study, number }),
            Some(_) => Ok((record, record.ids[number as usize])),
        }
    }
}

/// The end of a trial without an objective.
fn failure(trial: u64, reason: String) -> [Operation; 2] {
    let (owner, key, value) = (Owner::System, REASON.to_owned(), reason.into());
    let (state, at) = (TrialState::Failed, Some(time::now()));
    [
        Operation::TrialAttribute { trial, owner, key, value },
        Operation::SetState { trial, state, values: None, at },
    ]
}

impl Kept {
    /// Takes in what others have done.
    fn read(&mut self) -> Result<(), StudyError> {
        for record in self.storage.read()? {
            self.state.apply(record);
        }
        Ok(())
    }

    /// Takes in what others have done, and does what `change` then says.
    fn update(
        &mut self,
        worker: &str,
        mut change: impl FnMut(&State) -> Vec<Operation>,
    ) -> Result<(), StudyError> {
        let Kept { storage, state, .. } = self;
        let added = storage.update(&mut |records| {
            records.into_iter().for_each(|record| state.apply(record));
            let record = |operation| Record { worker: worker.to_owned(), operation };
            change(state).into_iter().map(record).collect()
        })?;
        added.into_iter().for_each(|record| self.state.apply(record));
        Ok(())
    }
}
