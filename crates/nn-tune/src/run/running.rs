//! What an objective is given.

use std::error::Error;
use std::fmt;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use super::Run;
use crate::{ParamError, Params, StudyError, Trial, Verdict};

/// Why an objective ended without a value.
///
/// Any error becomes a failure of the trial with `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is not promising.
    Pruned,
    /// It does not work, for this reason.
    Failed(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Pruned => f.write_str("pruned"),
            Stop::Failed(reason) => f.write_str(reason),
        }
    }
}

impl<E: Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// A trial that an objective works on.
pub struct RunningTrial<'a> {
    /// The hyperparameters.
    pub params: Params,
    number: u64,
    threads: usize,
    run: &'a Run<'a>,
    seen: Arc<Mutex<Seen>>,
}

/// What came of the reports of a trial.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// It was to end.
    pub(super) stopped: bool,
    /// The storage does not work.
    pub(super) error: Option<StudyError>,
}

impl<'a> RunningTrial<'a> {
    pub(super) fn new(run: &'a Run<'a>, trial: Trial, threads: usize) -> Self {
        RunningTrial { params: trial.params, number: trial.number, threads, run, seen: Arc::default() }
    }

    /// Its number in the study.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many threads the objective should use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The value of a hyperparameter as whatever serde makes of it: a number, a name, an enum.
    ///
    /// # Errors
    /// When there is none of that name, or it is nothing of the kind.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, ParamError> {
        self.params.get(name)
    }

    /// Reports the objective at a step: an epoch, or whatever the budget counts.
    ///
    /// # Errors
    /// When the objective is to end: the study's pruner says so, the budget is used up, or the storage does not work.
    /// `?` does that.
    pub fn report(&self, step: u64, value: f64) -> Result<(), Stop> {
        heed(&self.seen, self.run.report(self.number, step, value))
    }

    /// What reports from elsewhere: from a callback of what trains.
    pub fn reporter(&self) -> Reporter {
        Reporter { number: self.number, sender: self.run.sender.clone(), seen: Arc::clone(&self.seen) }
    }

    /// Leaves a note on the trial.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn note(&self, key: &str, value: impl Into<serde_json::Value>) -> Result<(), Stop> {
        heed(&self.seen, self.run.study.note(self.number, key, value).map(|()| Verdict::Continue))
    }

    /// What came of its reports.
    pub(super) fn seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for RunningTrial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunningTrial({}, {:?})", self.number, self.params)
    }
}

/// Reports for a running trial from anywhere, as long as its run goes on.
///
/// Where it was said that the trial is to end, the trial is pruned, even if the objective then has a value: the callback
/// need only end the training.
///
/// ```
/// use nn_tune::{Budget, Caviar, Direction, Progress, Random, Space, Study};
///
/// /// Trains for some epochs, or until the callback says that it is enough.
/// fn train(epochs: u64, goes_on: impl Fn(u64, f64) -> bool + Send + 'static) -> f64 {
///     (0..epochs).map(|epoch| (epoch, 1.0 / (epoch + 1) as f64)).find(|&(epoch, loss)| !goes_on(epoch, loss));
///     1.0 / epochs as f64
/// }
///
/// let space = Space::new().integer("epochs", 5, 9)?;
/// let study = Study::new("example", Direction::Minimize, space, Random::new(1))?;
/// let caviar = Caviar::new(2).budget(Budget::trials(10)).progress(Progress::Silent);
/// let ran = caviar.run(&study, |trial| {
///     let reporter = trial.reporter();
///     Ok(train(trial.get("epochs")?, move |epoch, loss| reporter.report(epoch, loss).is_ok()))
/// })?;
/// assert_eq!(ran.complete, 10);
/// # Ok::<(), nn_tune::StudyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reporter {
    number: u64,
    sender: Sender<Message>,
    seen: Arc<Mutex<Seen>>,
}

/// What a run is asked by reporters.
#[derive(Debug)]
pub(super) enum Message {
    Report {
        number: u64,
        step: u64,
        value: f64,
        reply: Sender<Result<Verdict, StudyError>>,
    },
    /// The run is over.
    End,
}

impl Reporter {
    /// Reports the objective at a step: an epoch, or whatever the budget counts.
    ///
    /// # Errors
    /// When training is to end: the study's pruner says so, the budget is used up, the run is over, or the storage does
    /// not work.
    pub fn report(&self, step: u64, value: f64) -> Result<(), Stop> {
        let (reply, answer) = mpsc::channel();
        let message = Message::Report { number: self.number, step, value, reply };
        let over = || Stop::Failed("the run is over".to_owned());
        self.sender.send(message).map_err(|_| over())?;
        heed(&self.seen, answer.recv().map_err(|_| over())?)
    }
}

/// Remembers what came of a report. A trial that another has given up for lost does not mean that the storage does not
/// work.
fn heed(seen: &Mutex<Seen>, verdict: Result<Verdict, StudyError>) -> Result<(), Stop> {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match verdict {
        Ok(Verdict::Continue) => Ok(()),
        Ok(Verdict::Prune) => {
            seen.stopped = true;
            Err(Stop::Pruned)
        }
        Err(error) => {
            let stop = Stop::Failed(error.to_string());
            if !matches!(error, StudyError::Finished { .. }) {
                seen.error = Some(error);
            }
            Err(stop)
        }
    }
}
