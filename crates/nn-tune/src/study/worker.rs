//! Who works on a trial, and whether it still does.

use std::fs;
use std::process;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Kept;
use crate::storage::{Operation, Owner, State, StudyRecord, time};
use crate::{Study, StudyError, Trial, TrialState};

/// Where a trial keeps who works on it.
const WORKER: &str = "nn_tune:worker";
/// Where a trial keeps when its worker was last heard of.
const HEARTBEAT: &str = "nn_tune:heartbeat";
/// Where a trial keeps which it tries again, as in Optuna: the first, and all.
const RETRIES: [&str; 2] = ["failed_trial", "retry_history"];

/// How long a worker may wait until it lets others hear of it.
const BEAT: Duration = Duration::from_secs(60);
/// How long a worker of another machine may be silent, unless another time is given.
pub(super) const SILENCE: Duration = Duration::from_secs(15 * 60);

/// The process that works on a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Worker {
    /// The name of the worker in the log.
    pub(super) name: String,
    /// For people.
    host: String,
    /// Since when the machine runs, and who its processes are numbered for. Empty when that is not known.
    machine: String,
    process: u32,
    /// When the process began, by the clock of the machine: another of the same number began later.
    began: u64,
}

impl Worker {
    pub(super) fn here(name: &str) -> Self {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
        let boot = read("/proc/sys/kernel/random/boot_id");
        let numbering = fs::read_link("/proc/self/ns/pid").ok();
        let machine = boot.zip(numbering).map(|(boot, numbering)| format!("{boot} {}", numbering.display()));
        let process = process::id();
        Worker {
            name: name.to_owned(),
            host: read("/proc/sys/kernel/hostname").unwrap_or_default(),
            machine: machine.unwrap_or_default(),
            process,
            began: began(process).unwrap_or(0),
        }
    }

    fn of(trial: &Trial) -> Option<Worker> {
        serde_json::from_value(trial.system_attributes.get(WORKER)?.clone()).ok()
    }

    /// Why it counts as dead, if it does.
    fn dead(&self, trial: &Trial, here: &Worker, silence: Duration) -> Option<String> {
        let Worker { host, process, .. } = self;
        if !here.machine.is_empty() && self.machine == here.machine {
            let lives = began(*process) == Some(self.began);
            return (!lives).then(|| format!("its worker, process {process} of {host}, is gone"));
        }
        let beat = trial.system_attributes.get(HEARTBEAT).and_then(|beat| time::parse(beat.as_str()?));
        let silent = SystemTime::now().duration_since(beat.or(trial.started)?).unwrap_or_default();
        let why = || format!("its worker, process {process} of {host}, is silent for {} s", silent.as_secs());
        (silent > silence).then(why)
    }
}

/// When a process of this machine began, in ticks of its clock; `None` when it has ended.
fn began(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything; after it comes field 3, the state.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let has_ended = matches!(*fields.first()?, "Z" | "X");
    fields.get(19)?.parse().ok().filter(|_| !has_ended)
}

/// The note of who works on a trial.
pub(super) fn signature(worker: &Worker) -> (String, serde_json::Value) {
    (WORKER.to_owned(), serde_json::json!(worker))
}

/// Lets others hear of a worker, on all trials that it is at.
pub(super) fn beats(record: &StudyRecord, worker: &str) -> Vec<Operation> {
    let (key, value) = (HEARTBEAT.to_owned(), serde_json::Value::from(time::format(time::now())));
    let own = record.trials.iter().zip(&record.ids).filter(|(trial, _)| {
        trial.state == TrialState::Running && Worker::of(trial).is_some_and(|of| of.name == worker)
    });
    own.map(|(_, id)| Operation::TrialAttribute {
        trial: *id,
        owner: Owner::System,
        key: key.clone(),
        value: value.clone(),
    })
    .collect()
}

impl Study {
    /// Before each trial that is asked for, looks for trials of workers that died, and puts each of them in the queue
    /// again, up to `max_retries` times: see [`reap`](Study::reap).
    #[must_use]
    pub fn retry_dead(self, max_retries: usize) -> Self {
        Study { retries: Some(max_retries), ..self }
    }

    /// How long a worker of another machine may be silent until it counts as dead: 15 minutes, unless this says another
    /// time, which should be the same for all workers. They are heard of when they report or [`beat`](Study::beat), once
    /// a minute, or four times as often as that.
    #[must_use]
    pub fn silence(self, silence: Duration) -> Self {
        Study { silence, ..self }
    }

    /// Lets other machines hear that this study's trials are still worked on, unless they just have: for training that
    /// reports more rarely than once a minute.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn beat(&self) -> Result<(), StudyError> {
        let mut kept = self.kept();
        if !self.is_due(&kept) {
            return Ok(());
        }
        let study = kept.study;
        kept.update(&self.worker.name, |state| {
            state.study(study).map_or(vec![], |record| beats(record, &self.worker.name))
        })?;
        kept.beaten = std::time::Instant::now();
        Ok(())
    }

    /// Whether others should hear of this worker.
    pub(super) fn is_due(&self, kept: &Kept) -> bool {
        kept.beaten.elapsed() >= BEAT.min(self.silence / 4)
    }

    /// Looks for trials whose workers died, and records them as failed. Each is put in the queue again with the same
    /// hyperparameters, up to `max_retries` times; `failed_trial` and `retry_history` of the new trial's system attributes
    /// say which it tries again, as in Optuna. Gives the numbers of the trials that failed.
    ///
    /// A worker of this machine died when its process is gone, which Linux tells; one of another machine when it is
    /// [silent](Study::silence) for too long, by clocks that must agree as well as that. Of Python's workers, which leave no sign, nothing is known: their trials
    /// stay as they are, until [`tell`](Study::tell) says that one failed.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn reap(&self, max_retries: usize) -> Result<Vec<u64>, StudyError> {
        self.reap_kept(&mut self.kept(), max_retries)
    }

    pub(super) fn reap_kept(&self, kept: &mut Kept, max_retries: usize) -> Result<Vec<u64>, StudyError> {
        kept.read()?;
        let study = kept.study;
        let dead = |state: &State| -> Vec<(u64, Trial, String)> {
            let Some(record) = state.study(study) else { return vec![] };
            let running = record.trials.iter().zip(&record.ids);
            let running = running.filter(|(trial, _)| trial.state == TrialState::Running);
            let dead = running.filter_map(|(trial, id)| {
                let why = Worker::of(trial)?.dead(trial, &self.worker, self.silence)?;
                Some((*id, trial.clone(), why))
            });
            dead.collect()
        };
        if dead(&kept.state).is_empty() {
            return Ok(vec![]);
        }
        let mut numbers = vec![];
        kept.update(&self.worker.name, |state| {
            let dead = dead(state);
            numbers = dead.iter().map(|(_, trial, _)| trial.number).collect();
            let retry = |trial: &Trial| {
                retry(trial, max_retries)
                    .map(|trial| Operation::CreateTrial { study, trial: Box::new(trial) })
            };
            // The retry first: when only part of this is written, a trial is tried twice rather than lost.
            let end = |(id, trial, why): &(u64, Trial, String)| {
                retry(trial).into_iter().chain(super::failure(*id, why.clone())).collect::<Vec<_>>()
            };
            dead.iter().flat_map(end).collect()
        })?;
        Ok(numbers)
    }
}

/// The trial that tries one again, unless that has been done often enough.
fn retry(trial: &Trial, max_retries: usize) -> Option<Trial> {
    let mut system = trial.system_attributes.clone();
    let mut history = match system.get(RETRIES[1]) {
        Some(serde_json::Value::Array(history)) => history.clone(),
        _ => vec![],
    };
    history.push(trial.number.into());
    if history.len() > max_retries {
        return None;
    }
    system.remove(WORKER);
    system.remove(HEARTBEAT);
    system.entry(RETRIES[0].to_owned()).or_insert(trial.number.into());
    system.insert(RETRIES[1].to_owned(), history.into());
    Some(Trial {
        params: trial.params.clone(),
        distributions: trial.distributions.clone(),
        user_attributes: trial.user_attributes.clone(),
        system_attributes: system,
        ..Trial::new(TrialState::Waiting)
    })
}
