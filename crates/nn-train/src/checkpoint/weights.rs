//! The weights of a network as a file, and arenas as parts of files.

use std::path::Path;
use std::sync::Arc;

use nn_core::{Arena, ParamLayout, Real};
use nn_layers::Network;

use super::{CheckpointError, CheckpointProblem, TensorFile};

/// Saves all parameters and running statistics of a network under their names, which are PyTorch's.
///
/// In Python `module.load_state_dict(safetensors.torch.load_file(path))` loads them into a module of the same
/// structure.
///
/// # Errors
/// When the system refuses to write; a file that was there is as it was.
///
/// ```
/// use nn_train::checkpoint::{load_weights, save_weights};
/// use nn_train::prelude::*;
///
/// let network = |seed| Network::<f32>::new(Linear::new(3), &[2], seed).unwrap();
/// let path = std::env::temp_dir().join(format!("weights-{}.safetensors", std::process::id()));
/// let trained = network(1);
/// save_weights(&trained, &path)?;
/// let mut other = network(2);
/// load_weights(&mut other, &path)?;
/// assert_eq!(other.params().as_slice(), trained.params().as_slice());
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_weights<F: Real>(network: &Network<F>, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
    let mut file = TensorFile::new("");
    insert_arena(&mut file, "", network.params());
    file.write(path.as_ref())
}

/// Loads what [`save_weights`] saved, or `safetensors.torch.save_file(module.state_dict(), path)` in Python.
///
/// # Errors
/// When the file cannot be read, is damaged, or its tensors are not those of the network: the network is then as it was.
pub fn load_weights<F: Real>(
    network: &mut Network<F>,
    path: impl AsRef<Path>,
) -> Result<(), CheckpointError> {
    let path = path.as_ref();
    let file = TensorFile::read(path)?;
    let params = take_arena(&file, "", network.params().layout()).map_err(|problem| problem.of(path))?;
    *network.params_mut() = params;
    Ok(())
}

/// Adds the segments of an arena, each under its name with a prefix.
pub(super) fn insert_arena<F: Real>(file: &mut TensorFile<F>, prefix: &str, arena: &Arena<F>) {
    for (name, values) in arena.iter() {
        file.insert(format!("{prefix}{name}"), values.to_owned());
    }
}

/// What stands under a prefix, as an arena of this layout.
pub(super) fn take_arena<F: Real>(
    file: &TensorFile<F>,
    prefix: &str,
    layout: &Arc<ParamLayout>,
) -> Result<Arena<F>, CheckpointProblem> {
    // All is compared before memory is taken: a description of a model may promise anything.
    for spec in layout.params() {
        let name = format!("{prefix}{}", spec.name);
        let Some(tensor) = file.tensors().get(&name) else {
            return Err(CheckpointProblem::Missing { name });
        };
        if tensor.shape() != spec.shape {
            let (expected, got) = (spec.shape.clone(), tensor.shape().to_vec());
            return Err(CheckpointProblem::Shape { name, expected, got });
        }
    }
    let belongs = |name: &str| name.strip_prefix(prefix).is_none_or(|name| layout.find(name).is_some());
    let is_here = |name: &&String| !prefix.is_empty() || !name.contains(super::SEPARATOR);
    if let Some(name) = file.tensors().keys().filter(is_here).find(|name| !belongs(name)) {
        return Err(CheckpointProblem::Extra { name: name.clone() });
    }
    let mut arena = Arena::zeros(Arc::clone(layout));
    for (position, spec) in layout.params().iter().enumerate() {
        arena.view_mut(position).assign(&file.tensors()[&format!("{prefix}{}", spec.name)]);
    }
    Ok(arena)
}
