#![doc = include_str!("../README.md")]

mod adam;
mod groups;
mod momentum;
mod nesterov;
mod optimizer;
mod pass;
mod rule;
mod sgd;
mod state;
mod values;

pub use adam::Adam;
pub use groups::{Group, UnmatchedPattern};
pub use momentum::Momentum;
pub use nesterov::Nesterov;
pub use optimizer::Optimizer;
pub use pass::Pass;
pub use rule::{Context, Decay, MAX_SCALARS, MAX_SLOTS, Rule};
pub use sgd::Sgd;
pub use state::{State, StateError};
pub use values::{Values, ValuesMut};
