#![doc = include_str!("../README.md")]

mod activation;
mod attention;
mod conv;
mod conv_parameters;
mod description;
#[cfg(feature = "serde")]
mod description_serde;
mod embedding;
mod flatten;
mod linear;
mod module;
mod network;
mod normalization;
mod pooling;
mod positional;
mod recurrent;
mod registry;
mod regularization;
mod reservoir;
mod reshape;
mod residual;
mod ridge;
mod sequential;
mod settings;
mod summary;
mod tied;
mod weight;

pub use attention::{Attended, MultiHeadAttention};
pub use conv::{Conv, Conv1d, Conv2d, ConvTranspose, ConvTranspose1d, ConvTranspose2d};
pub use description::{Description, Setting, Undescribed};
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use linear::Linear;
pub use module::{Module, Scope};
pub use network::{Network, PredictError};
pub use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm, SpectralNorm,
    Statistics, WeightStandardization,
};
pub use nn_ops::{Activation, PerAxis};
pub use nn_ops::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, AvgPool, AvgPool1d, AvgPool2d, MaxPool, MaxPool1d, MaxPool2d,
};
pub use nn_regularize::{
    AlphaDropout, DropConnect, Dropout, FeatureAlphaDropout, GaussianDropout, GaussianNoise, Scheduled,
    SpatialDropout, StochasticDepth,
};
pub use pooling::{GlobalAvgPool, GlobalMaxPool};
pub use positional::{PositionalEmbedding, PositionalEncoding};
pub use recurrent::{Carried, Recurrent};
pub use registry::{Constructor, Registry, build};
pub use reservoir::Reservoir;
pub use reshape::Reshape;
pub use residual::Residual;
pub use ridge::{Readout, Ridge, RidgeError};
pub use sequential::Sequential;
pub use settings::{DescriptionError, Settings};
pub use summary::{LayerRow, ModelSummary};
pub use tied::TiedLinear;
pub use weight::WeightTransform;
