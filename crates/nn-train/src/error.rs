//! Why training could not begin, or stopped.

use nn_core::{EvaluateError, RangeError, UnmatchedPattern};
use nn_data::DataError;
use nn_graph::{NonFinite, RecordError, RunError};
use nn_layers::PredictError;
use nn_monitor::SinkError;
use thiserror::Error;

use crate::EnsembleError;
use crate::checkpoint::CheckpointError;

/// Why training could not begin, or stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The network, or its loss on these targets, cannot be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An operation refuses a value.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The data, or their division into batches, are not usable.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A hyperparameter is outside its range, for example the learning rate that a schedule gives.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A parameter group, a penalty or a constraint on parameters that the network does not have.
    #[error(transparent)]
    Pattern(#[from] UnmatchedPattern),
    /// A checkpoint could not be written, or not be gone on from.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The network cannot be run on some samples.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// A metric that does not suit the outputs and targets.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// Records of the run could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Networks that are no ensemble.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// Early stopping without validation samples.
    #[error("early stopping looks at a metric of the validation samples, but there are none")]
    NoValidation,
    /// Early stopping by a metric that there is not.
    #[error("early stopping looks at `{metric}`, but there is only: {expected}")]
    Metric {
        /// What it was to look at.
        metric: String,
        /// What there is.
        expected: String,
    },
    /// The samples of a data set are not what the network takes.
    #[error("the {set} samples have shape {got:?}, the network takes {expected:?}")]
    InputShape {
        /// `training` or `validation`.
        set: &'static str,
        /// What the network takes.
        expected: Vec<usize>,
        /// Shape of a sample.
        got: Vec<usize>,
    },
    /// The data have more classes than the network has outputs.
    #[error("the data have {classes} classes, the network has {outputs} outputs")]
    Classes {
        /// Classes of the data.
        classes: usize,
        /// Outputs of the network.
        outputs: usize,
    },
    /// The loss became infinite or NaN. The parameters are those of the last step whose loss and gradient were
    /// finite.
    #[error(
        "step {step} (epoch {epoch}): the loss is {loss}; not finite first: {first}. The parameters are back at the last good step"
    )]
    NonFinite {
        /// The step, from 0.
        step: u64,
        /// The epoch, from 1.
        epoch: u64,
        /// The loss.
        loss: f64,
        /// Where infinities or NaN first appeared.
        first: NonFinite,
    },
    /// The threads could not be started.
    #[error("{threads} threads could not be started: {message}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        message: String,
    },
}
