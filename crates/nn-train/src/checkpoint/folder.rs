//! A folder of checkpoints: when they are written, and which are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{CheckpointError, CheckpointProblem, atomic};

/// When checkpoints are written, and how many are kept.
///
/// | setting | default |
/// |---|---|
/// | [`every_epochs`](Checkpoints::every_epochs) | 1 |
/// | [`every_steps`](Checkpoints::every_steps) | never in the midst of an epoch |
/// | [`keep_last`](Checkpoints::keep_last) | 2 |
///
/// The files are called `step-000001234.safetensors`, after the steps done; `best.safetensors` is that of the best
/// epoch, in training with [early stopping](crate::Trainer::early_stopping) the best by its metric, else by the
/// validation loss.
///
/// A folder with checkpoints of another run is refused, unless it is to be [gone on from](Checkpoints::resume) or to
/// be [overwritten](Checkpoints::overwrite).
///
/// ```no_run
/// use nn_train::checkpoint::Checkpoints;
/// use nn_train::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let checkpoints = Checkpoints::new("run/checkpoints").every_steps(1000).keep_last(3);
/// let trainer: Trainer<f32> = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-3)?).checkpoints(checkpoints);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    folder: PathBuf,
    every_epochs: u64,
    every_steps: Option<u64>,
    keep_last: usize,
    present: Present,
}

/// What is done with checkpoints that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Present {
    Refuse,
    Resume,
    Overwrite,
}

const BEGINNING: &str = "step-";
const ENDING: &str = ".safetensors";

impl Checkpoints {
    /// In this folder, which is created where it is missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Checkpoints {
            folder: folder.into(),
            every_epochs: 1,
            every_steps: None,
            keep_last: 2,
            present: Present::Refuse,
        }
    }

    /// Writes one after every so many epochs, and after the last; 0 is taken as 1.
    #[must_use]
    pub fn every_epochs(self, epochs: u64) -> Self {
        Checkpoints { every_epochs: epochs.max(1), ..self }
    }

    /// Writes one after every so many steps too; 0 is taken as 1.
    #[must_use]
    pub fn every_steps(self, steps: u64) -> Self {
        Checkpoints { every_steps: Some(steps.max(1)), ..self }
    }

    /// Keeps so many of the last, beside the best; 0 is taken as 1.
    #[must_use]
    pub fn keep_last(self, count: usize) -> Self {
        Checkpoints { keep_last: count.max(1), ..self }
    }

    /// Goes on from the last checkpoint in the folder, if there is one; to the same bits as if training had not been
    /// interrupted.
    #[must_use]
    pub fn resume(self) -> Self {
        Checkpoints { present: Present::Resume, ..self }
    }

    /// Removes the checkpoints of an earlier run when training begins.
    #[must_use]
    pub fn overwrite(self) -> Self {
        Checkpoints { present: Present::Overwrite, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The checkpoint of the best epoch, where there is one.
    pub fn best(&self) -> Option<PathBuf> {
        Some(self.best_path()).filter(|path| path.exists())
    }

    /// The last checkpoint, where there is one.
    ///
    /// # Errors
    /// When the folder is there but cannot be read.
    pub fn last(&self) -> Result<Option<PathBuf>, CheckpointError> {
        Ok(self.all()?.pop().map(|step| self.path(step)))
    }

    pub(crate) fn best_path(&self) -> PathBuf {
        self.folder.join(format!("best{ENDING}"))
    }

    pub(crate) fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{BEGINNING}{step:09}{ENDING}"))
    }

    pub(crate) fn is_due_after_step(&self, step: u64) -> bool {
        self.every_steps.is_some_and(|every| step.is_multiple_of(every))
    }

    pub(crate) fn is_due_after_epoch(&self, epoch: u64) -> bool {
        epoch.is_multiple_of(self.every_epochs)
    }

    /// Creates the folder, removes what an interrupted process left unfinished, and gives the checkpoint to go on from.
    pub(crate) fn prepare(&self) -> Result<Option<PathBuf>, CheckpointError> {
        let prepared =
            fs::create_dir_all(&self.folder).and_then(|()| atomic::remove_unfinished(&self.folder));
        prepared.map_err(|error| self.error("create or use the folder", &error))?;
        let last = self.last()?;
        match (self.present, last) {
            (Present::Resume, last) => Ok(last),
            (Present::Refuse, Some(last)) => Err(CheckpointProblem::Occupied.of(&last)),
            (Present::Refuse, None) => Ok(None),
            (Present::Overwrite, _) => {
                let best = self.best();
                let steps = self.all()?.into_iter().map(|step| self.path(step));
                steps.chain(best).try_for_each(|path| remove(&path))?;
                Ok(None)
            }
        }
    }

    /// Removes all but the last.
    pub(crate) fn remove_old(&self) -> Result<(), CheckpointError> {
        let mut steps = self.all()?;
        let old = steps.len().saturating_sub(self.keep_last);
        steps.drain(..old).try_for_each(|step| remove(&self.path(step)))
    }

    /// The steps of all checkpoints, in order.
    fn all(&self) -> Result<Vec<u64>, CheckpointError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(|error| self.error("read", &error))?,
        };
        let mut steps = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| self.error("read", &error))?.file_name();
            let name = name.to_string_lossy();
            let number = name.strip_prefix(BEGINNING).and_then(|rest| rest.strip_suffix(ENDING));
            steps.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    fn error(&self, action: &'static str, error: &io::Error) -> CheckpointError {
        CheckpointProblem::io(action, error).of(&self.folder)
    }
}

fn remove(path: &Path) -> Result<(), CheckpointError> {
    fs::remove_file(path).map_err(|error| CheckpointProblem::io("remove", &error).of(path))
}
