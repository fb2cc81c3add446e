//! A search for hyperparameters: what was tried, and what came of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::pruner::{NoPruner, Reported};
use crate::storage::{InMemory, Operation, Owner, Record, State, Storage, StudyRecord, worker_name};
use crate::{Direction, Outcome, Params, Pruner, Sampler, Space, StudyError, Trial, TrialState, Verdict};

/// Where a trial keeps why it failed.
const REASON: &str = "fail_reason";

/// A search for hyperparameters: what was tried, and what came of it.
///
/// It is asked for a trial, and told how that ended; several threads may share one.
#[derive(Debug)]
pub struct Study {
    name: String,
    direction: Direction,
    space: Space,
    sampler: Box<dyn Sampler>,
    pruner: Box<dyn Pruner>,
    worker: String,
    kept: Mutex<Kept>,
}

/// What is kept, as far as it has been read.
#[derive(Debug)]
struct Kept {
    storage: Box<dyn Storage>,
    state: State,
    /// The number of the study.
    study: u64,
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
    /// # Errors
    /// When the storage does not work, or the study there is of another direction.
    pub fn open(
        storage: impl Storage + 'static,
        name: &str,
        direction: Direction,
        space: Space,
        sampler: impl Sampler + 'static,
    ) -> Result<Self, StudyError> {
        let worker = worker_name();
        let mut kept = Kept { storage: Box::new(storage), state: State::new(), study: 0 };
        kept.update(&worker, |state| match state.find(name) {
            Some(_) => vec![],
            None => vec![Operation::CreateStudy { name: name.to_owned(), directions: vec![direction] }],
        })?;
        let (number, study) = kept.state.find(name).expect("it was there or has been made");
        if study.directions != [direction] {
            let (expected, got) = (format!("to {direction:?}"), format!("{:?}", study.directions));
            return Err(StudyError::Other { study: name.to_owned(), expected, got });
        }
        kept.study = number;
        Ok(Study {
            name: name.to_owned(),
            direction,
            space,
            sampler: Box::new(sampler),
            pruner: Box::new(NoPruner),
            worker,
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

    /// A trial to work on: one that waits, or a new one.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn ask(&self) -> Result<Trial, StudyError> {
        Ok(self.ask_within(u64::MAX)?.expect("there are fewer trials"))
    }

    /// A trial to work on, unless so many of the study have been begun by whomever.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn ask_within(&self, trials: u64) -> Result<Option<Trial>, StudyError> {
        let mut kept = self.kept();
        let study = kept.study;
        let mut number = None;
        kept.update(&self.worker, |state| {
            let record = state.study(study).expect("studies stay");
            let begun = record.trials.iter().filter(|trial| trial.state != TrialState::Waiting);
            if begun.count() as u64 >= trials {
                number = None;
                return vec![];
            }
            let at = Some(SystemTime::now());
            let waiting = record.trials.iter().find(|trial| trial.state == TrialState::Waiting);
            if let Some(trial) = waiting {
                number = Some(trial.number);
                let trial = record.ids[trial.number as usize];
                return vec![Operation::SetState { trial, state: TrialState::Running, values: None, at }];
            }
            let next = record.trials.len() as u64;
            number = Some(next);
            let params = self.sampler.sample(&self.space, self.direction, &record.trials, next);
            let trial = Trial { started: at, ..self.trial(TrialState::Running, params) };
            vec![Operation::CreateTrial { study, trial: Box::new(trial) }]
        })?;
        Ok(number.map(|number| kept.record().trials[number as usize].clone()))
    }

    /// Adds a point to be tried before any other; what is missing of the hyperparameters is not allowed.
    ///
    /// # Errors
    /// When it is no point of the space, or the storage does not work.
    pub fn enqueue(&self, params: Params) -> Result<(), StudyError> {
        self.space.check(&params)?;
        let mut kept = self.kept();
        let study = kept.study;
        let trial = Box::new(self.trial(TrialState::Waiting, params));
        kept.update(&self.worker, |_| vec![Operation::CreateTrial { study, trial: trial.clone() }])
    }

    fn trial(&self, state: TrialState, params: Params) -> Trial {
        let distribution = |name: &str| {
            self.space.parameter(name).map(|parameter| (name.to_owned(), parameter.domain.distribution()))
        };
        let distributions = params.iter().filter_map(|(name, _)| distribution(name)).collect();
        Trial { params, distributions, ..Trial::new(state) }
    }

    /// Reports the objective at a step of a running trial, and says whether it is to go on.
    ///
    /// # Errors
    /// When there is no such trial, it is over, or the storage does not work.
    pub fn report(&self, number: u64, step: u64, value: f64) -> Result<Verdict, StudyError> {
        let mut kept = self.kept();
        let trial = self.open_trial(&mut kept, number)?;
        kept.update(&self.worker, |_| vec![Operation::Intermediate { trial, step, value }])?;
        let trials = &kept.record().trials;
        let (study, direction) = (self.name.as_str(), self.direction);
        let reported = Reported { study, direction, trials, trial: &trials[number as usize] };
        let (verdict, notes) = (self.pruner.verdict(&reported), self.pruner.notes(&reported));
        if !notes.is_empty() {
            let owner = Owner::System;
            let note = |(key, value): (String, f64)| Operation::TrialAttribute {
                trial,
                owner,
                key,
                value: value.into(),
            };
            kept.update(&self.worker, |_| notes.iter().cloned().map(note).collect())?;
        }
        Ok(verdict)
    }

    /// Tells how a trial ended. An objective that is not finite counts as failed.
    ///
    /// # Errors
    /// When there is no such trial, it is over, or the storage does not work.
    pub fn tell(&self, number: u64, outcome: Outcome) -> Result<(), StudyError> {
        let mut kept = self.kept();
        let trial = self.open_trial(&mut kept, number)?;
        let last = kept.record().trials[number as usize].last().map(|(_, value)| value);
        let (state, value, reason) = match outcome {
            Outcome::Complete(value) if value.is_finite() => (TrialState::Complete, Some(value), None),
            Outcome::Complete(value) => (TrialState::Failed, None, Some(format!("the objective is {value}"))),
            Outcome::Pruned => (TrialState::Pruned, last.filter(|value| value.is_finite()), None),
            Outcome::Failed(reason) => (TrialState::Failed, None, Some(reason)),
        };
        kept.update(&self.worker, |_| {
            let (owner, key) = (Owner::System, REASON.to_owned());
            let note = reason.clone().map(|reason| Operation::TrialAttribute {
                trial,
                owner,
                key,
                value: reason.into(),
            });
            let values = value.map(|value| vec![value]);
            let end = Operation::SetState { trial, state, values, at: Some(SystemTime::now()) };
            note.into_iter().chain([end]).collect()
        })
    }

    /// Leaves a note on a running trial.
    ///
    /// # Errors
    /// When there is no such trial, it is over, or the storage does not work.
    pub fn note(
        &self,
        number: u64,
        key: &str,
        value: impl Into<serde_json::Value>,
    ) -> Result<(), StudyError> {
        let mut kept = self.kept();
        let trial = self.open_trial(&mut kept, number)?;
        let (key, value) = (key.to_owned(), value.into());
        let note = Operation::TrialAttribute { trial, owner: Owner::User, key, value };
        kept.update(&self.worker, |_| vec![note.clone()])
    }

    /// The number in the log of a trial that is not over.
    fn open_trial(&self, kept: &mut Kept, number: u64) -> Result<u64, StudyError> {
        kept.read()?;
        let record = kept.record();
        let study = self.name.clone();
        match record.trials.get(usize::try_from(number).unwrap_or(usize::MAX)) {
            None => Err(StudyError::NoTrial { study, number, trials: record.trials.len() }),
            Some(trial) if trial.state.is_finished() => {
                Err(StudyError::Finished { study, number, state: trial.state })
            }
            Some(_) => Ok(record.ids[number as usize]),
        }
    }

    /// All trials, by number.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn trials(&self) -> Result<Vec<Trial>, StudyError> {
        let mut kept = self.kept();
        kept.read()?;
        Ok(kept.record().trials.clone())
    }

    /// The complete trial with the best objective, the first of several.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn best(&self) -> Result<Option<Trial>, StudyError> {
        let mut kept = self.kept();
        kept.read()?;
        let complete = kept.record().trials.iter().filter(|trial| trial.state == TrialState::Complete);
        let loss = |trial: &Trial| trial.value().map_or(f64::INFINITY, |value| self.direction.loss(value));
        Ok(complete.min_by(|a, b| loss(a).total_cmp(&loss(b))).cloned())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn record(&self) -> &StudyRecord {
        self.state.study(self.study).expect("studies stay")
    }

    /// Takes in what others have done.
    fn read(&mut self) -> Result<(), StudyError> {
        for record in self.storage.read()? {
            self.state.apply(&record);
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
            records.iter().for_each(|record| state.apply(record));
            let record = |operation| Record { worker: worker.to_owned(), operation };
            change(state).into_iter().map(record).collect()
        })?;
        added.iter().for_each(|record| self.state.apply(record));
        Ok(())
    }
}
