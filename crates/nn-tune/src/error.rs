//! What can be wrong with spaces, values and studies.

use thiserror::Error;

use crate::Value;
use crate::storage::StorageError;

/// A space that cannot be searched.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// A range that is empty or reaches beyond its scale.
    #[error("`{name}`: expected {expected}, got {got}")]
    Range {
        /// The hyperparameter.
        name: String,
        /// What its range must be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// A second hyperparameter of the same name.
    #[error("`{name}` is in the space already")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A condition on a hyperparameter that is not there (yet).
    #[error("the condition looks at `{name}`, but there is only: {expected:?}")]
    Unknown {
        /// What it looks at.
        name: String,
        /// What there is.
        expected: Vec<String>,
    },
    /// A condition that never holds.
    #[error("the condition on `{name}` never holds: {condition}")]
    Never {
        /// What it looks at.
        name: String,
        /// The condition.
        condition: String,
    },
}

/// Values that are not those of the space.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ParamError {
    /// There is none of that name.
    #[error("there is no hyperparameter `{name}`, expected one of {expected:?}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        expected: Vec<String>,
    },
    /// A value of another kind than what was asked for.
    #[error("`{name}` is {value}: {reason}")]
    Kind {
        /// The hyperparameter.
        name: String,
        /// Its value.
        value: Value,
        /// What does not fit.
        reason: String,
    },
    /// A struct that the values do not fill, or that is no struct of values.
    #[error("hyperparameters: {reason}")]
    Struct {
        /// What does not fit.
        reason: String,
    },
    /// A value that is missing.
    #[error("`{name}` is missing")]
    Missing {
        /// The hyperparameter.
        name: String,
    },
    /// A value of a hyperparameter that is not there, in view of the others.
    #[error("`{name}` is there only when `{of}` is {condition}")]
    Inactive {
        /// The hyperparameter.
        name: String,
        /// What its condition looks at.
        of: String,
        /// The condition.
        condition: String,
    },
    /// A value outside the range.
    #[error("`{name}`: expected {expected}, got {value}")]
    Outside {
        /// The hyperparameter.
        name: String,
        /// The range.
        expected: String,
        /// The value.
        value: Value,
    },
}

/// What can go wrong with a study.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The storage does not work.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Values that are not those of the space.
    #[error(transparent)]
    Params(#[from] ParamError),
    /// The space cannot be searched.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// The study is there, but another one: with other objectives or another space.
    #[error("study `{study}`: expected {expected}, got {got}")]
    Other {
        /// The study.
        study: String,
        /// What was asked for.
        expected: String,
        /// What is stored.
        got: String,
    },
    /// There is no such trial.
    #[error("study `{study}` has no trial {number}: there are {trials}")]
    NoTrial {
        /// The study.
        study: String,
        /// The trial asked for.
        number: u64,
        /// How many there are.
        trials: usize,
    },
    /// The trial is over.
    #[error("trial {number} of study `{study}` is {state} already")]
    Finished {
        /// The study.
        study: String,
        /// The trial.
        number: u64,
        /// How it ended.
        state: crate::TrialState,
    },
    /// The trial waits: nobody has asked for it.
    #[error("trial {number} of study `{study}` is waiting: it must be asked for first")]
    Waiting {
        /// The study.
        study: String,
        /// The trial.
        number: u64,
    },
    /// The study has been deleted, by another worker or in the dashboard.
    #[error("study `{study}` has been deleted")]
    Deleted {
        /// The study.
        study: String,
    },
}
