#![doc = include_str!("../README.md")]

mod activation;
mod flatten;
mod linear;
mod module;
mod network;
mod sequential;

pub use flatten::Flatten;
pub use linear::Linear;
pub use module::{Module, Scope};
pub use network::{Network, PredictError};
pub use nn_ops::Activation;
pub use sequential::Sequential;
