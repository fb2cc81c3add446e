#![doc = include_str!("../README.md")]

mod batches;
mod dataset;
pub mod digits;
mod error;
pub mod idx;
pub mod mnist;
mod shuffle;
mod source;
pub mod split;
mod standardize;

pub use batches::Batches;
pub use dataset::Dataset;
pub use error::DataError;
pub use source::Source;
pub use standardize::Standardizer;
