#![doc = include_str!("../README.md")]

mod constant;
mod epochs;
mod exponential;
mod function;
mod inverse_sqrt;
mod inverse_time;
mod schedule;

pub use constant::Constant;
pub use epochs::InEpochs;
pub use exponential::Exponential;
pub use function::{FromFn, from_fn};
pub use inverse_sqrt::InverseSqrt;
pub use inverse_time::InverseTime;
pub use schedule::Schedule;
