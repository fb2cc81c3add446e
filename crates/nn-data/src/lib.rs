#![doc = include_str!("../README.md")]

mod batches;
mod dataset;
pub mod digits;
mod error;
pub mod idx;
mod loader;
pub mod mnist;
mod shuffle;
mod source;
pub mod split;
mod standardize;

pub use batches::Batches;
pub use dataset::Dataset;
pub use error::DataError;
pub use loader::{Batch, LoadTimes, Loader, Prefetcher};
pub use source::Source;
pub use standardize::Standardizer;
