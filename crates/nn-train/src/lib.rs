#![doc = include_str!("../README.md")]

mod averaging;
pub mod checkpoint;
mod clip;
mod cross_validation;
mod ensemble;
mod error;
mod evaluate;
mod event;
mod gradient;
mod history;
mod monitoring;
mod objective;
mod progress;
mod rate_finder;
mod rate_plot;
mod session;
mod statistics;
mod trainer;

pub use averaging::Averaging;
pub use clip::Clip;
pub use cross_validation::CrossValidation;
pub use ensemble::{Ensemble, EnsembleError};
pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate};
pub use event::{Control, Event};
pub use gradient::check_gradient;
pub use history::{EpochRecord, History};
pub use monitoring::Monitor;
pub use progress::Progress;
pub use rate_finder::{RateCurve, RateFinder, RatePoint};
pub use statistics::estimate_statistics;
pub use trainer::Trainer;

pub use nn_core as core;
pub use nn_data as data;
pub use nn_gradcheck as gradcheck;
pub use nn_graph as graph;
pub use nn_init as init;
pub use nn_layers as layers;
pub use nn_loss as loss;
pub use nn_monitor as monitor;
pub use nn_norm as norm;
pub use nn_ops as ops;
pub use nn_optim as optim;
pub use nn_regularize as regularize;
pub use nn_schedule as schedule;
#[cfg(feature = "tune")]
pub use nn_tune as tune;

/// What most programs need: `use nn_train::prelude::*;`.
pub mod prelude {
    pub use crate::{
        EpochRecord, Evaluation, History, Progress, TrainError, Trainer, check_gradient, evaluate,
    };
    pub use nn_core::{Arena, Mode, Op, Real, Role, Step, Streams};
    pub use nn_data::{Batches, Dataset, Standardizer};
    pub use nn_gradcheck::GradCheck;
    pub use nn_graph::{Graph, Plan, Plans, Var};
    pub use nn_layers::{
        Activation, BatchNorm, Dropout, Flatten, Linear, Module, Network, Scope, Sequential,
    };
    pub use nn_loss::{BinaryCrossEntropyWithLogits, MeanSquaredError, Reduction, SoftmaxCrossEntropy};
    pub use nn_optim::{Adam, Momentum, Nesterov, Optimizer, Rule, Sgd};
    pub use nn_regularize::L2;
    pub use nn_schedule::Schedule;
}

/// Compiles and runs the programs of the README of the workspace.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;
