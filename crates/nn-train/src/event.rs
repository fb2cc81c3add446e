//! What happens in a training run, for one's own code to look at.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use nn_core::{Arena, Real};
use nn_layers::Network;

use crate::{EpochRecord, History};

/// What has just happened in a training run; see [`Trainer::on_event`](crate::Trainer::on_event).
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, F: Real> {
    /// The first step, or after a resume the next, is about to be done.
    Begin {
        /// The network.
        network: &'a Network<F>,
        /// The step to be done next, from 0.
        step: u64,
        /// Steps of an epoch.
        steps_per_epoch: u64,
        /// All epochs.
        epochs: u64,
    },
    /// A step is done.
    Step {
        /// Its number, from 0.
        step: u64,
        /// The epoch, from 0.
        epoch: u64,
        /// The loss of its batch.
        loss: f64,
        /// The learning rate of the update.
        learning_rate: f64,
        /// The gradient of the batch, clipped if that was asked for.
        gradient: &'a Arena<F>,
        /// The network after the update.
        network: &'a Network<F>,
    },
    /// An epoch is done, validation included.
    Epoch {
        /// What it came to.
        record: &'a EpochRecord,
        /// The network.
        network: &'a Network<F>,
    },
    /// A checkpoint was written.
    Saved {
        /// The file.
        path: &'a Path,
    },
    /// Training is over; the network is as it will be returned.
    End {
        /// All epochs.
        history: &'a History,
        /// The network.
        network: &'a Network<F>,
    },
}

/// Whether training goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It does.
    Continue,
    /// It ends after the step or epoch that is just done. Where checkpoints are written, one is written then, from which
    /// training can go on.
    Stop,
}

type Call<F> = dyn Fn(&Event<'_, F>) -> Control + Send + Sync;

/// What is called on each event.
#[derive(Clone)]
pub(crate) struct Callback<F: Real>(pub(crate) Arc<Call<F>>);

impl<F: Real> fmt::Debug for Callback<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback(..)")
    }
}
