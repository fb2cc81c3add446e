//! What happened in each epoch.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Evaluation;

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number, from 1.
    pub epoch: u64,
    /// Mean loss and accuracy over the training samples, each as the network was when it was trained on it.
    pub train: Evaluation,
    /// Mean loss and accuracy over the validation samples at the end of the epoch.
    pub validation: Option<Evaluation>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Time of training, without validation.
    pub duration: Duration,
    /// The other metrics that the trainer was given, of the validation samples, by name.
    #[serde(with = "named")]
    pub metrics: Vec<(String, f64)>,
}

impl fmt::Display for EpochRecord {
    /// One line of at most 79 columns, if losses are below 100.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {:>3}  {}", self.epoch, self.train)?;
        if let Some(validation) = &self.validation {
            write!(f, "  valid {validation}")?;
        }
        write!(f, "  {:>6.2} s", self.duration.as_secs_f64())
    }
}

/// All epochs of a training run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// One record an epoch.
    pub epochs: Vec<EpochRecord>,
    /// What is allowed, but hardly meant: a rule that works on the whole training set, fed with mini-batches. Written to
    /// the standard error too, unless nothing is to be shown.
    pub warnings: Vec<String>,
}

impl History {
    /// The last epoch.
    pub fn last(&self) -> Option<&EpochRecord> {
        self.epochs.last()
    }

    /// The epoch with the lowest validation loss; of equals the first.
    pub fn best(&self) -> Option<&EpochRecord> {
        let loss =
            |record: &EpochRecord| record.validation.as_ref().map_or(f64::INFINITY, |valid| valid.loss);
        self.epochs.iter().min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }
}

/// Numbers with their names, which may be infinite or NaN.
mod named {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Named(String, #[serde(with = "crate::checkpoint::number")] f64);

    pub(super) fn serialize<S: Serializer>(all: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(|(name, x)| Named(name.clone(), *x)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, f64)>, D::Error> {
        let all = Vec::<Named>::deserialize(from)?;
        Ok(all.into_iter().map(|Named(name, x)| (name, x)).collect())
    }
}
