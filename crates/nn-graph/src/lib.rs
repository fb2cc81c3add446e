#![doc = include_str!("../README.md")]

mod compile;
mod error;
mod fuse;
mod graph;
mod memory;
mod place;
mod plan;
mod plans;
mod pool;
mod var;

pub use error::{NonFinite, RecordError, RunError};
pub use graph::Graph;
pub use plan::Plan;
pub use plans::Plans;
pub use var::Var;
