//! Why a file was not written or not accepted.

use std::io;
use std::path::{Path, PathBuf};

use nn_optim::StateError;
use thiserror::Error;

/// Why a file of tensors was not written or not accepted. Nothing was loaded then, and what was there before a failed
/// write is there still.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{}: {problem}", path.display())]
pub struct CheckpointError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: CheckpointProblem,
}

/// What is wrong with a file of tensors.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CheckpointProblem {
    /// The system refused to read or to write.
    #[error("cannot {action}: {message}")]
    Io {
        /// `read`, `write` or the like.
        action: &'static str,
        /// What kind of failure it is.
        kind: io::ErrorKind,
        /// What the system says.
        message: String,
    },
    /// It is no safetensors file, or a damaged one.
    #[error("not a readable safetensors file: {message}")]
    Malformed {
        /// What is wrong.
        message: String,
    },
    /// Its content is not what was written.
    #[error("damaged: the checksum of the content is {got:08x}, expected {expected:08x}")]
    Checksum {
        /// The checksum that the file states.
        expected: u32,
        /// That of its content.
        got: u32,
    },
    /// It holds weights, but not what was wanted beside them.
    #[error("it holds no {wanted}, only tensors")]
    Lacks {
        /// `state of a run` or `description of a model`.
        wanted: &'static str,
    },
    /// It was written by a newer version of this library.
    #[error("format version {got}, this version of nn-train reads up to {newest}")]
    Version {
        /// That of the file.
        got: u64,
        /// The newest that is understood.
        newest: u64,
    },
    /// Its state or description cannot be understood.
    #[error("{what}: {message}")]
    Text {
        /// `state of a run` or `description of a model`.
        what: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A tensor of the network or the optimizer is missing.
    #[error("tensor `{name}` is missing")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A tensor that the network or the optimizer does not have.
    #[error("tensor `{name}` belongs to nothing here")]
    Extra {
        /// The tensor.
        name: String,
    },
    /// A tensor of another shape.
    #[error("tensor `{name}` has shape {got:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The shape here.
        expected: Vec<usize>,
        /// That in the file.
        got: Vec<usize>,
    },
    /// A tensor of another type of number.
    #[error("tensor `{name}` holds {got}, expected {expected}")]
    Scalar {
        /// The tensor.
        name: String,
        /// The types that would do.
        expected: &'static str,
        /// That in the file.
        got: String,
    },
    /// The run was begun with another setting, with which it would not be the same run.
    #[error("the run was begun with {setting} {got}, it cannot go on with {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it is now.
        expected: String,
        /// What it was.
        got: String,
    },
    /// It is of an earlier run, which would be mixed with this one.
    #[error(
        "a checkpoint of an earlier run: expected a folder without, or the wish to resume or to overwrite it"
    )]
    Occupied,
    /// The state of the optimizer, or of what stands around it, is that of another.
    #[error(transparent)]
    Optimizer(#[from] StateError),
}

impl CheckpointProblem {
    /// With the file it is about.
    pub(crate) fn of(self, path: &Path) -> CheckpointError {
        CheckpointError { path: path.to_owned(), problem: self }
    }

    pub(super) fn io(action: &'static str, error: &io::Error) -> Self {
        CheckpointProblem::Io { action, kind: error.kind(), message: error.to_string() }
    }
}
