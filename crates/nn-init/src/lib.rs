#![doc = include_str!("../README.md")]

mod activation;
mod draw;
mod echo_state;
mod eigenvalues;
mod fans;
mod gain;
mod identity;
mod initializer;
mod orthogonal;
mod plain;
mod scaled;
mod signal;
mod sparse;
mod truncated;

pub use activation::Activation;
pub use echo_state::EchoState;
pub use eigenvalues::spectral_radius;
pub use fans::Fans;
pub use gain::Gain;
pub use identity::{Dirac, Eye};
pub use initializer::{Initializer, InitializerExt};
pub use orthogonal::Orthogonal;
pub use plain::{Constant, Normal, Ones, Uniform, Zeros};
pub use scaled::{Distribution, FanInUniform, FanMode, He, LeCun, VarianceScaling, Xavier};
pub use signal::{LayerSignal, SignalCheck, SignalReport, Trend};
pub use sparse::Sparse;
pub use truncated::TruncatedNormal;
