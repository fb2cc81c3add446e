#![doc = include_str!("../README.md")]

mod activation;
mod flatten;
mod linear;
mod module;
mod network;
mod normalization;
mod recurrent;
mod regularization;
mod reservoir;
mod residual;
mod ridge;
mod sequential;
mod weight;

pub use flatten::Flatten;
pub use linear::Linear;
pub use module::{Module, Scope};
pub use network::{Network, PredictError};
pub use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm, SpectralNorm,
    Statistics, WeightStandardization,
};
pub use nn_ops::Activation;
pub use nn_regularize::{
    AlphaDropout, DropConnect, Dropout, FeatureAlphaDropout, GaussianDropout, GaussianNoise, Scheduled,
    SpatialDropout, StochasticDepth,
};
pub use recurrent::{Carried, Recurrent};
pub use reservoir::Reservoir;
pub use residual::Residual;
pub use ridge::{Readout, Ridge, RidgeError};
pub use sequential::Sequential;
pub use weight::WeightTransform;
