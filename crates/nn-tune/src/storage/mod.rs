//! Where studies are kept: a log of records, each of which changes the studies in one small way.

mod journal;
mod json;
mod lock;
mod memory;
pub(crate) mod range;
mod record;
mod state;
pub(crate) mod time;

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nn_core::Streams;
use rand::Rng;
use thiserror::Error;

pub use journal::Journal;
pub use lock::Lock;
pub use memory::InMemory;
pub use state::{State, StudyRecord};

use crate::{Direction, Distribution, Trial, TrialState, Value};

/// One change of the studies, and who made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The worker: a name that no other has.
    pub worker: String,
    /// What it did.
    pub operation: Operation,
}

/// One change of the studies: the operations of Optuna's journal.
///
/// Studies are numbered in the order in which they were made, trials in the order in which they were made in all
/// studies of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A new study.
    CreateStudy {
        /// Its name.
        name: String,
        /// What is better, of each objective.
        directions: Vec<Direction>,
    },
    /// A study is gone.
    DeleteStudy {
        /// The study.
        study: u64,
    },
    /// A note on a study.
    StudyAttribute {
        /// The study.
        study: u64,
        /// Whose note.
        owner: Owner,
        /// Its name.
        key: String,
        /// What it says.
        value: serde_json::Value,
    },
    /// A new trial.
    CreateTrial {
        /// The study.
        study: u64,
        /// All that is known of it; its number is not.
        trial: Box<Trial>,
    },
    /// The value of a hyperparameter.
    SetParam {
        /// The trial.
        trial: u64,
        /// The hyperparameter.
        name: String,
        /// Its value.
        value: Value,
        /// The range that it is from.
        distribution: Distribution,
    },
    /// A trial runs now, or has ended.
    SetState {
        /// The trial.
        trial: u64,
        /// What it is now.
        state: TrialState,
        /// The objectives.
        values: Option<Vec<f64>>,
        /// When it began or ended.
        at: Option<SystemTime>,
    },
    /// The objective on the way.
    Intermediate {
        /// The trial.
        trial: u64,
        /// The step.
        step: u64,
        /// The objective there.
        value: f64,
    },
    /// A note on a trial.
    TrialAttribute {
        /// The trial.
        trial: u64,
        /// Whose note.
        owner: Owner,
        /// Its name.
        key: String,
        /// What it says.
        value: serde_json::Value,
    },
}

/// Whose note an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The user's.
    User,
    /// That of samplers and workers.
    System,
}

/// A log of records that several workers add to.
pub trait Storage: Debug + Send {
    /// The records that were added since this was last asked, by whomever.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&mut self) -> Result<Vec<Record>, StorageError>;

    /// With nobody else writing, hands the records that were added since this was last asked to `change`, and adds those
    /// that it gives back: all or none. They are what is returned; [`read`](Storage::read) does not give them again.
    ///
    /// # Errors
    /// When records cannot be read or added. What was handed to `change` has been handed; what it gave is not there.
    fn update(
        &mut self,
        change: &mut dyn FnMut(Vec<Record>) -> Vec<Record>,
    ) -> Result<Vec<Record>, StorageError>;
}

/// A storage that does not work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The file cannot be read or written.
    #[error("{path}: {action}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no record.
    #[error("{path}, line {line}: {problem}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

/// A name that no other worker has.
pub(crate) fn worker_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let streams = Streams::new(now).child(u64::from(process::id()));
    let mut rng = streams.rng("worker", COUNT.fetch_add(1, Ordering::Relaxed));
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
}
