//! Weights, models and runs as files.
//!
//! All are [safetensors](https://github.com/huggingface/safetensors) files ([`TensorFile`]) with the tensors of the
//! network under PyTorch's names. What is written beside them stands in the metadata, with a checksum over the whole file;
//! what an optimizer and the like keep stands under names with a `/`, such as `optimizer/exp_avg/0.weight`. Each file
//! is written beside the one that it replaces, synced and renamed, so that at any moment the old or the new is there.

mod atomic;
mod error;
mod folder;
mod model;
pub(crate) mod number;
mod run;
mod tensors;
mod version;
mod weights;

pub use error::{CheckpointError, CheckpointProblem};
pub use folder::Checkpoints;
pub use model::Model;
pub(crate) use run::{Position, RunState, Settings};
pub use tensors::TensorFile;
pub use weights::{load_weights, save_weights};

/// Stands in the names of tensors that are not part of the network.
const SEPARATOR: char = '/';
