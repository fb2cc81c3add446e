#![doc = include_str!("../README.md")]

mod binary_cross_entropy;
mod elementwise;
mod mean_squared_error;
mod reduction;
mod softmax_cross_entropy;

pub use binary_cross_entropy::BinaryCrossEntropyWithLogits;
pub use mean_squared_error::MeanSquaredError;
pub use reduction::Reduction;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;
