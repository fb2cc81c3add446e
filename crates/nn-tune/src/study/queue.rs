//! Which trial comes next: one that waits, or a new one.

use nn_core::Streams;
use rand::RngExt;

use super::{failure, worker};
use crate::storage::{Operation, Owner, StudyRecord, time};
use crate::{Outcome, ParamError, Params, Study, StudyError, Trial, TrialState, Value};

/// Where a waiting trial keeps the values that it is to have, as in Optuna.
const FIXED: &str = "fixed_params";
/// Where a trial keeps which it tests again.
const RETEST: &str = "retest_of";

impl Study {
    /// A trial to work on: one that waits, or a new one.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn ask(&self) -> Result<Trial, StudyError> {
        let trial = self.ask_within(u64::MAX)?;
        trial.ok_or_else(|| StudyError::Deleted { study: self.name.clone() })
    }

    /// A trial to work on, unless so many of the study have been begun by whomever.
    ///
    /// One that waits is taken first, and what it lacks of the hyperparameters is chosen by the sampler. One that is no
    /// point of the space fails, for the reason that its system attribute `fail_reason` names.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn ask_within(&self, trials: u64) -> Result<Option<Trial>, StudyError> {
        let mut kept = self.kept();
        if let Some(retries) = self.retries {
            self.reap_kept(&mut kept, retries)?;
        }
        let study = kept.study;
        let mut number = None;
        kept.update(&self.worker.name, |state| {
            number = None;
            let Some(record) = state.study(study) else { return vec![] };
            let begun = record.trials.iter().filter(|trial| trial.state != TrialState::Waiting);
            if begun.count() as u64 >= trials {
                return vec![];
            }
            let (operations, next) = self.next(study, record);
            number = Some(next);
            operations
        })?;
        let record = self.record(&kept)?;
        Ok(number.and_then(|number| record.trials.get(number as usize)).cloned())
    }

    /// What is to be done for the next trial to run, and its number.
    fn next(&self, study: u64, record: &StudyRecord) -> (Vec<Operation>, u64) {
        let mut operations = vec![];
        let waiting = record.trials.iter().zip(&record.ids);
        for (trial, &id) in waiting.filter(|(trial, _)| trial.state == TrialState::Waiting) {
            match self.complete(trial, &record.trials) {
                Ok(params) => {
                    operations.extend(self.run(id, trial, params));
                    return (operations, trial.number);
                }
                Err(error) => operations.extend(failure(id, error.to_string())),
            }
        }
        let number = record.trials.len() as u64;
        let params = self.sampler.sample(&self.space, self.direction, &record.trials, number);
        let trial = Box::new(self.trial(TrialState::Running, params));
        operations.push(Operation::CreateTrial { study, trial });
        (operations, number)
    }

    /// The hyperparameters of a trial that waits.
    fn complete(&self, trial: &Trial, trials: &[Trial]) -> Result<Params, ParamError> {
        let mut given = trial.params.clone();
        if let Some(fixed) = trial.system_attributes.get(FIXED) {
            let fixed: Params = serde_json::from_value(fixed.clone())
                .map_err(|error| ParamError::Struct { reason: format!("`{FIXED}`: {error}") })?;
            fixed.iter().for_each(|(name, value)| given.insert(name, value.clone()));
        }
        if let Ok(params) = self.space.fit(&given) {
            return Ok(params);
        }
        let given = self.space.fit_some(&given)?;
        let chosen = self.sampler.sample(&self.space, self.direction, trials, trial.number);
        let streams = Streams::new(trial.number);
        let params = self.space.point(|parameter, _| {
            let value = given.value(&parameter.name).or_else(|| chosen.value(&parameter.name)).cloned();
            // What the sampler has not chosen, since its point has other conditions, is drawn.
            value.unwrap_or_else(|| parameter.domain.from_unit(streams.rng(&parameter.name, 0).random()))
        });
        Ok(params)
    }

    /// Runs a trial that waits. That it runs is said last, so that a worker that dies meanwhile leaves it in the queue.
    fn run(&self, id: u64, trial: &Trial, params: Params) -> Vec<Operation> {
        let (key, value) = worker::signature(&self.worker);
        let mut operations = vec![Operation::TrialAttribute { trial: id, owner: Owner::System, key, value }];
        let Trial { params, mut distributions, .. } = self.trial(TrialState::Running, params);
        for (name, value) in params.iter().filter(|(name, _)| trial.params.value(name).is_none()) {
            if let Some(distribution) = distributions.remove(name) {
                let (name, value) = (name.to_owned(), value.clone());
                operations.push(Operation::SetParam { trial: id, name, value, distribution });
            }
        }
        let (state, at) = (TrialState::Running, Some(time::now()));
        operations.push(Operation::SetState { trial: id, state, values: None, at });
        operations
    }

    fn trial(&self, state: TrialState, params: Params) -> Trial {
        let distribution = |name: &str| {
            self.space.parameter(name).map(|parameter| (name.to_owned(), parameter.domain.distribution()))
        };
        let distributions = params.iter().filter_map(|(name, _)| distribution(name)).collect();
        let mut trial = Trial { params, distributions, ..Trial::new(state) };
        if state == TrialState::Running {
            trial.started = Some(time::now());
            trial.system_attributes.extend([worker::signature(&self.worker)]);
        }
        trial
    }

    /// Adds a point to be tried before any other. What is missing of the hyperparameters is chosen by the sampler when
    /// it is its turn.
    ///
    /// # Errors
    /// When these are no values of the space, or the storage does not work.
    pub fn enqueue(&self, params: Params) -> Result<(), StudyError> {
        let trial = match self.space.fit(&params) {
            Ok(params) => self.trial(TrialState::Waiting, params),
            Err(ParamError::Missing { .. }) => {
                let some = self.space.fit_some(&params)?;
                let fixed = some.iter().map(|(name, value)| (name.to_owned(), plain(value))).collect();
                let mut trial = Trial::new(TrialState::Waiting);
                trial.system_attributes.insert(FIXED.to_owned(), serde_json::Value::Object(fixed));
                trial
            }
            Err(error) => return Err(error.into()),
        };
        self.create(trial).map(drop)
    }

    /// Adds a trial, and gives its number.
    fn create(&self, trial: Trial) -> Result<u64, StudyError> {
        let mut kept = self.kept();
        let (study, trial) = (kept.study, Box::new(trial));
        let mut number = None;
        kept.update(&self.worker.name, |state| {
            number = state.study(study).map(|record| record.trials.len() as u64);
            vec![Operation::CreateTrial { study, trial: trial.clone() }]
        })?;
        number.ok_or_else(|| StudyError::Deleted { study: self.name.clone() })
    }

    /// Tries the hyperparameters of a trial again, of this study or of another: a configuration that was the best of old
    /// data, on new data. Its user attribute `retest_of` names the trial and its objective. An objective that is not
    /// finite counts as failed.
    ///
    /// ```
    /// use nn_tune::{Direction, Outcome, Random, Space, Study};
    ///
    /// let space = Space::new().uniform("x", 0.0, 1.0)?;
    /// let old = Study::new("old data", Direction::Minimize, space.clone(), Random::new(1))?;
    /// let trial = old.ask()?;
    /// old.tell(trial.number, Outcome::Complete(0.5))?;
    ///
    /// let new = Study::new("new data", Direction::Minimize, space, Random::new(1))?;
    /// let best = old.best()?.expect("one is complete");
    /// let retested = new.retest(&best, |params| params.get::<f64>("x").map_or(f64::NAN, |x| x * x))?;
    /// assert_eq!(retested.params, best.params);
    /// # Ok::<(), nn_tune::StudyError>(())
    /// ```
    ///
    /// # Errors
    /// When it is no point of the space, or the storage does not work.
    pub fn retest(&self, of: &Trial, test: impl FnOnce(&Params) -> f64) -> Result<Trial, StudyError> {
        let mut trial = self.trial(TrialState::Running, self.space.fit(&of.params)?);
        let note = serde_json::json!({ "number": of.number, "value": of.value() });
        trial.user_attributes.insert(RETEST.to_owned(), note);
        let params = trial.params.clone();
        let number = self.create(trial)?;
        self.tell(number, Outcome::Complete(test(&params)))?;
        self.with_trials(|trials| trials[number as usize].clone())
    }
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(x) => (*x).into(),
        Value::Int(x) => (*x).into(),
        Value::Float(x) => (*x).into(),
        Value::Text(x) => x.as_str().into(),
    }
}
