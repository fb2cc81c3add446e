#![doc = include_str!("../README.md")]

mod condition;
mod distribution;
mod domain;
mod error;
mod importance;
pub mod panda;
mod params;
mod preset;
pub mod pruner;
mod report;
mod run;
pub mod sampler;
mod space;
pub mod storage;
mod study;
mod table;
mod trial;

pub use condition::Condition;
pub use distribution::Distribution;
pub use domain::{Domain, Scale};
pub use error::{ParamError, SpaceError, StudyError};
pub use importance::Importance;
pub use params::{Params, Value};
pub use preset::Preset;
pub use pruner::Pruner;
pub use report::Report;
pub use run::{Budget, Caviar, Progress, Ran, Reporter, RunningTrial, Stop};
pub use sampler::{Random, Sampler};
pub use space::{Parameter, Space};
pub use study::Study;
pub use table::Table;
pub use trial::{Direction, Outcome, Trial, TrialState, Verdict};
