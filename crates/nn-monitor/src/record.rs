//! What there is to tell of a run.

use std::time::Duration;

use crate::{Image, Machine};

/// The moment of a run to which a record belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct At {
    /// The number of steps done.
    pub step: u64,
    /// How often the training set was gone through, with fractions: 2.5 in the middle of the third epoch. 0
    /// where there are no epochs.
    pub epoch: f64,
}

impl At {
    /// After this many steps and epochs.
    pub fn new(step: u64, epoch: f64) -> Self {
        At { step, epoch }
    }
}

/// What is known when a run begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunStart {
    /// What the run is called.
    pub name: String,
    /// Hyperparameters and other settings, each with its value.
    pub config: Vec<(String, String)>,
    /// The layers of the model, in order.
    pub model: Vec<LayerRow>,
    /// What it runs on.
    pub machine: Machine,
}

/// A layer in the table of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerRow {
    /// Its name and kind: `0 · Linear`.
    pub name: String,
    /// The shape of its output, without the axis of samples.
    pub shape: Vec<usize>,
    /// The number of its parameters that are trained.
    pub parameters: u64,
    /// Additions, multiplications and other functions of the forward pass, per sample.
    pub flops: u64,
}

/// What the numbers of a [`Histogram`](crate::Histogram) are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantity {
    /// Outputs of a layer.
    Activation,
    /// Parameters.
    Weight,
    /// Derivatives of the cost with respect to parameters.
    Gradient,
}

impl Quantity {
    /// `activation`, `weight` or `gradient`.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Activation => "activation",
            Quantity::Weight => "weight",
            Quantity::Gradient => "gradient",
        }
    }
}

/// A sample that the model gets wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its number in the data set.
    pub index: usize,
    /// What the model says.
    pub predicted: String,
    /// What is right.
    pub label: String,
    /// Its loss.
    pub loss: f64,
    /// How it looks, if it can be looked at.
    pub image: Option<Image>,
}

/// What is known when a run ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunEnd {
    /// How long it took.
    pub duration: Duration,
    /// The most memory that the process had resident, in bytes: [`peak_memory`](crate::peak_memory).
    pub peak_memory: Option<u64>,
    /// The share of the time of training that steps waited for data, from 0 to 1, if that was measured.
    pub data_wait: Option<f64>,
    /// The share of the time of training that monitoring took, what it does at the end aside, from 0 to 1, if that was
    /// measured.
    pub monitoring: Option<f64>,
    /// Why it ended: `all epochs done`, `early stopping: …`.
    pub reason: String,
}
