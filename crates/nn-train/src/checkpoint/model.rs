//! A trained network as a file that needs nothing else.

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayD;
use nn_core::{Real, View};
use nn_data::Scaling;
use nn_layers::{Description, Network, Registry};
use serde::{Deserialize, Serialize};

use super::weights::{insert_arena, take_arena};
use super::{CheckpointError, CheckpointProblem, TensorFile};
use crate::TrainError;

/// A trained network with what it takes to predict: how inputs are scaled, and what the classes are called.
///
/// Saved, it is one safetensors file with the parameters, and a description of the module; a program that knows only the
/// file loads it.
///
/// ```
/// use ndarray::array;
/// use nn_train::checkpoint::Model;
/// use nn_train::prelude::*;
///
/// let network = Network::<f32>::new(Sequential::new().add(Linear::new(2)), &[3], 1)?;
/// let path = std::env::temp_dir().join(format!("model-{}.safetensors", std::process::id()));
/// Model::new(network).classes(["cat", "dog"]).save(&path)?;
///
/// let mut model = Model::<f32>::load(&path)?;
/// let class = model.classify(&array![[0.1f32, 0.2, 0.3]].into_dyn().view())?[0];
/// assert!(["cat", "dog"].contains(&model.class_name(class).as_str()));
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Model<F: Real> {
    network: Network<F>,
    scaling: Option<Scaling>,
    classes: Vec<String>,
}

/// The version of the format that is written, and the newest that is read.
const VERSION: u64 = 1;
const WHAT: &str = "description of a model";

/// What stands in the metadata.
#[derive(Serialize, Deserialize)]
struct Text {
    version: u64,
    module: Description,
    input_shape: Vec<usize>,
    #[serde(default)]
    scaling: Option<Scaling>,
    #[serde(default)]
    classes: Vec<String>,
}

impl<F: Real> Model<F> {
    /// A network as it is.
    pub fn new(network: Network<F>) -> Self {
        Model { network, scaling: None, classes: vec![] }
    }

    /// Inputs are scaled so before they are fed.
    #[must_use]
    pub fn scaling(self, scaling: impl Into<Scaling>) -> Self {
        Model { scaling: Some(scaling.into()), ..self }
    }

    /// The names of the classes.
    #[must_use]
    pub fn classes<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Model { classes: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// The network.
    pub fn network(&self) -> &Network<F> {
        &self.network
    }

    /// The name of a class; its number where it has none.
    pub fn class_name(&self, class: usize) -> String {
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// The outputs of the network for inputs `[samples, …]` that are not scaled yet.
    ///
    /// # Errors
    /// When the shape of a sample is not the network's.
    pub fn predict(&mut self, inputs: &View<'_, F>) -> Result<ArrayD<F>, TrainError> {
        let Some(scaling) = &self.scaling else { return Ok(self.network.predict(inputs)?) };
        let mut scaled = inputs.to_owned();
        scaling.transform(scaled.view_mut())?;
        Ok(self.network.predict(&scaled.view())?)
    }

    /// The class of each sample: the place of its largest output.
    ///
    /// # Errors
    /// When the shape of a sample is not the network's.
    pub fn classify(&mut self, inputs: &View<'_, F>) -> Result<Vec<usize>, TrainError> {
        let outputs = self.predict(inputs)?;
        Ok(outputs.rows().into_iter().map(|row| crate::evaluate::argmax(row.iter())).collect())
    }

    /// Saves it.
    ///
    /// # Errors
    /// When a module of the network cannot be described, or the system refuses to write; a file that was there is as it
    /// was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        let failed = |message: String| CheckpointProblem::Text { what: WHAT, message }.of(path);
        let text = Text {
            version: VERSION,
            module: self.network.module().describe().map_err(|error| failed(error.to_string()))?,
            input_shape: self.network.input_shape().to_vec(),
            scaling: self.scaling.clone(),
            classes: self.classes.clone(),
        };
        let mut file =
            TensorFile::new(serde_json::to_string(&text).map_err(|error| failed(error.to_string()))?);
        insert_arena(&mut file, "", self.network.params());
        file.write(path)
    }

    /// Loads what was saved, of modules that nn-layers has.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, of a newer version, or no model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        Self::load_with(&Registry::new(), path)
    }

    /// Loads what was saved, also of modules of one's own that the registry knows.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(registry: &Registry<F>, path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let file = TensorFile::read(path)?;
        Self::from_file(registry, &file).map_err(|problem| problem.of(path))
    }

    /// From the content of a file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_file(registry: &Registry<F>, file: &TensorFile<F>) -> Result<Self, CheckpointProblem> {
        let failed = |message: String| CheckpointProblem::Text { what: WHAT, message };
        let text = super::version::checked(file.text().unwrap_or_default(), WHAT, VERSION)?;
        let Text { module, input_shape, scaling, classes, .. } =
            serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
        let module = registry.build(&module).map_err(|error| failed(error.to_string()))?;
        let layout = Network::layout_of(&*module, &input_shape).map_err(|error| failed(error.to_string()))?;
        let params = take_arena(file, "", &Arc::new(layout))?;
        let network = Network::with_params(module, &input_shape, params);
        Ok(Model { network: network.map_err(|error| failed(error.to_string()))?, scaling, classes })
    }
}
