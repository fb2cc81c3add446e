//! What may be wrong with data that came from outside.

use std::io;
use std::path::PathBuf;

use nn_core::RangeError;
use thiserror::Error;

/// Data, or a request for a part of it, that cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// No samples.
    #[error("{what}: expected at least one sample, got none")]
    Empty {
        /// What has no samples, such as `data set`.
        what: String,
    },
    /// An array without an axis of samples.
    #[error("{array}: expected the first axis to count the samples, got an array without axes")]
    NoAxes {
        /// `inputs` or `targets`.
        array: &'static str,
    },
    /// Inputs and targets of different sets.
    #[error("inputs hold {inputs} samples, targets hold {targets}: expected the same number")]
    SampleCount {
        /// Samples of the inputs.
        inputs: usize,
        /// Samples of the targets.
        targets: usize,
    },
    /// A NaN or an infinity.
    #[error("{array}: sample {sample} holds {value} in feature {feature:?}, expected a finite number")]
    NonFinite {
        /// `inputs` or `targets`.
        array: &'static str,
        /// The sample, from 0.
        sample: usize,
        /// Where in the sample.
        feature: Vec<usize>,
        /// The value.
        value: f64,
    },
    /// A label that is no whole number from 0 to the number of classes − 1.
    #[error("label {label} of sample {sample} is none of the {classes} classes, which are numbered from 0")]
    Label {
        /// The sample, from 0.
        sample: usize,
        /// Its label.
        label: f64,
        /// The number of classes.
        classes: usize,
    },
    /// Labels are needed, the targets are no labels.
    #[error("{what}: expected targets that are class labels, got a regression data set")]
    NoClasses {
        /// What needs them.
        what: &'static str,
    },
    /// Targets are needed, no column holds them.
    #[error("data set: expected targets, but no column of the table was chosen for them")]
    NoTargets,
    /// A sample that cannot be read.
    #[error("sample {sample} cannot be read: {message}")]
    Unreadable {
        /// The sample, from 0.
        sample: usize,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// What the system says.
        message: String,
    },
    /// Something wrong in a file, found when a sample was read from it.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<DataError>,
    },
    /// An image that cannot be decoded.
    #[error("{}: not a readable image: {message}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        message: String,
    },
    /// An image of another size than the others.
    #[error("{}: expected an image of {}×{} pixels as the first, got {}×{}", path.display(), expected.0, expected.1, got.0, got.1)]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Height and width of the first image.
        expected: (u32, u32),
        /// Height and width of this one.
        got: (u32, u32),
    },
    /// A hyperparameter outside its range.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A mini-batch of no samples.
    #[error("batch size: expected at least 1, got 0")]
    BatchSize,
    /// Parts that are not a division of the whole.
    #[error("fractions of a split: expected numbers from 0 to 1 whose sum is 1, got {fractions:?}")]
    Fractions {
        /// The fractions.
        fractions: Vec<f64>,
    },
    /// A number of folds that the samples do not allow.
    #[error("k-fold: expected 2 to {samples} folds, got {folds}")]
    Folds {
        /// The number of folds.
        folds: usize,
        /// The most folds there can be.
        samples: usize,
    },
    /// Samples of another shape than those that a scaling was fitted on.
    #[error("scaling: expected samples of shape {expected:?}, got {got:?}")]
    SampleShape {
        /// Shape of the samples that it was fitted on.
        expected: Vec<usize>,
        /// Shape of the samples given.
        got: Vec<usize>,
    },
    /// A mean that is not finite or a standard deviation that is not finite and above 0.
    #[error("standardizer: expected a finite mean and a standard deviation above 0, got {mean} and {std}")]
    Spread {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// Samples that are no images.
    #[error("augmentation: expected samples of shape {expected}, got {got:?}")]
    ImageShape {
        /// What was expected.
        expected: String,
        /// Shape of the samples.
        got: Vec<usize>,
    },
    /// Threads that could not be started.
    #[error("loader: {threads} threads could not be started: {message}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system says.
        message: String,
    },
}
