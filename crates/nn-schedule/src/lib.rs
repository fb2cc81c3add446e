#![doc = include_str!("../README.md")]

mod check;
mod combine;
mod constant;
mod cosine;
mod cyclic;
mod exponential;
mod function;
mod inverse_sqrt;
mod inverse_time;
mod momentum;
mod one_cycle;
mod plateau;
mod polynomial;
mod schedule;
mod sequence;
mod step;
mod time;
mod transformer;

pub use combine::{Clamp, LowerAtEnd, Product, Sum};
pub use constant::Constant;
pub use cosine::{CosineAnnealing, WarmRestarts};
pub use cyclic::Cyclic;
pub use exponential::Exponential;
pub use function::{FromFn, from_fn};
pub use inverse_sqrt::InverseSqrt;
pub use inverse_time::InverseTime;
pub use momentum::{NesterovMomentum, SutskeverMomentum};
pub use one_cycle::{OneCycle, OneCycleMomentum};
pub use plateau::{MetricSchedule, PlateauState, ReduceOnPlateau};
pub use polynomial::{Linear, Polynomial};
pub use schedule::Schedule;
pub use sequence::{Then, Warmup};
pub use step::{MultiStepDecay, StepDecay, Table};
pub use time::{HoldAfter, InEpochs, Repeat, Staircase};
pub use transformer::{Noam, WarmupInverseSqrt};
