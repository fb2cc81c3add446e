#![doc = include_str!("../README.md")]

mod draw;
mod fans;
mod gain;
mod initializer;
mod plain;
mod scaled;

pub use fans::Fans;
pub use gain::Gain;
pub use initializer::{Initializer, InitializerExt};
pub use plain::{Constant, Normal, Uniform, Zeros};
pub use scaled::{FanInUniform, He, LeCun, Xavier};
