//! What may go wrong while a run is written down.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file that records of a run could not be written to.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct SinkError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: SinkProblem,
}

/// What may be wrong with a file that records are written to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SinkProblem {
    /// It cannot be created or opened.
    #[error("cannot be created: {0}")]
    Create(io::Error),
    /// It cannot be written to, for example because the disk is full.
    #[error("cannot be written: {0}")]
    Write(io::Error),
    /// It is there already, and cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A line is no record of a run.
    #[error("line {line}: {message}")]
    Record {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A table to go on with has other columns.
    #[error("expected the header {expected:?}, found {found:?}")]
    Header {
        /// The header of the columns asked for.
        expected: String,
        /// The first line of the file.
        found: String,
    },
}

impl SinkError {
    /// An error of creating the file.
    pub(crate) fn create(path: &Path, error: io::Error) -> Self {
        SinkError { path: path.to_owned(), problem: SinkProblem::Create(error) }
    }

    /// An error of writing to the file.
    pub(crate) fn write(path: &Path, error: io::Error) -> Self {
        SinkError { path: path.to_owned(), problem: SinkProblem::Write(error) }
    }

    /// An error of reading the file.
    pub(crate) fn read(path: &Path, error: io::Error) -> Self {
        SinkError { path: path.to_owned(), problem: SinkProblem::Read(error) }
    }
}
