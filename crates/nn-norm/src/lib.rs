#![doc = include_str!("../README.md")]

mod batch;
mod batch_norm;
mod batch_renorm;
mod channels;
mod columns;
mod eager;
mod group_norm;
mod kernel;
mod layer_norm;
mod local_response_norm;
mod rms_norm;
mod row_op;
mod rows;
mod spectral_norm;
mod statistics;
mod weight_standardization;

pub use batch_norm::BatchNorm;
pub use batch_renorm::BatchRenorm;
pub use eager::Normalized;
pub use group_norm::{GroupNorm, InstanceNorm};
pub use layer_norm::LayerNorm;
pub use local_response_norm::LocalResponseNorm;
pub use rms_norm::RmsNorm;
pub use spectral_norm::{SingularVectors, SpectralNorm};
pub use statistics::{RunningStatistics, Statistics};
pub use weight_standardization::WeightStandardization;
