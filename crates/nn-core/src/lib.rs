#![doc = include_str!("../README.md")]

mod aligned;
mod arena;
mod average;
mod error;
mod layout;
mod op;
mod pattern;
mod random;
pub mod real;
pub mod shape;
pub mod ticks;

pub use aligned::AlignedVec;
pub use arena::Arena;
pub use average::{ExponentialAverage, lerp, lerp_params};
pub use error::{EvaluateError, RangeError, ShapeError, ValueError, check_range};
pub use layout::{DuplicateParam, ParamLayout, ParamSpec, Role};
pub use op::{Evaluated, Grad, Io, Memory, Mode, Op, Outline, Step, View, ViewMut, evaluate};
pub use pattern::UnmatchedPattern;
pub use random::{StreamRng, Streams};
pub use real::Real;
