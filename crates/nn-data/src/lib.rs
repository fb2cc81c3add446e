#![doc = include_str!("../README.md")]

mod adapters;
mod advice;
mod augment;
mod balance;
mod batches;
mod csv;
mod dataset;
pub mod digits;
mod eigen;
mod error;
pub mod idx;
#[cfg(feature = "images")]
mod image_folder;
mod k_fold;
mod loader;
mod min_max;
pub mod mnist;
pub mod npy;
#[cfg(feature = "parquet")]
mod parquet;
mod scaling;
mod shuffle;
mod source;
pub mod split;
mod standardize;
mod streamed;
pub mod synthetic;
mod table;
mod whitening;

pub use adapters::{Scaled, Subset};
pub use advice::{BatchAdvice, BatchReason, advise_batch_size};
pub use augment::{Augment, Augmented};
pub use balance::{class_counts, class_weights, one_hot, oversample};
pub use batches::Batches;
pub use dataset::Dataset;
pub use error::DataError;
#[cfg(feature = "images")]
pub use image_folder::{ImageFolder, ImageFolderError, ImageFolderOptions};
pub use k_fold::{Fold, k_fold, stratified_k_fold};
pub use loader::{Batch, LoadTimes, Loader, Prefetcher};
pub use min_max::MinMax;
pub use scaling::Scaling;
pub use source::Source;
pub use standardize::Standardizer;
pub use streamed::{StreamError, Streamed};
pub use table::{
    Category, Column, InputColumn, Missing, Schema, Table, TableError, TableProblem, TableReader,
    TargetColumns,
};
pub use whitening::{Whitening, WhiteningMethod};
