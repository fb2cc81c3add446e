//! All tests of the crate as one program, so that what they share is compiled once.

mod augment;
mod balance;
mod batches;
mod dataset;
mod files;
mod idx;
mod idx_bytes;
mod image_folder;
mod loader;
mod mnist;
mod npy;
mod parquet;
mod scaling;
mod streamed;
mod synthetic;
mod table;
