//! A module with its parameters: what is trained, saved, and asked for predictions.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};
use nn_core::{Arena, Mode, Real, Step, Streams, View};
use nn_graph::{Graph, Plan, Plans, RecordError, RunError, Var};
use nn_init::InitializerExt;

use crate::{Module, Scope};

/// A module, the shape of its input, and its parameters.
///
/// ```
/// use ndarray::Array2;
/// use nn_layers::{Activation, Linear, Network, Sequential};
///
/// let module = Sequential::new().add(Linear::new(5)).add(Activation::Tanh).add(Linear::new(2));
/// let mut network = Network::<f32>::new(module, &[3], 42)?;
/// let y = network.predict(&Array2::zeros((7, 3)).into_dyn().view())?;
/// assert_eq!(y.shape(), [7, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Network<F: Real> {
    module: Arc<dyn Module<F>>,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    params: Arena<F>,
    plans: Plans<F>,
}

/// The most samples that [`Network::predict`] sends through at once.
const PREDICT_BATCH: usize = 256;

const INPUT: &str = "inputs";

impl<F: Real> Network<F> {
    /// Infers all shapes from the shape of one input sample, and initialises the parameters: each draws from the
    /// stream of its own name, so that adding a layer changes no other.
    ///
    /// # Errors
    /// When shapes do not fit; the message names the module, the operation and both shapes.
    pub fn new(
        module: impl Module<F> + 'static,
        input_shape: &[usize],
        seed: u64,
    ) -> Result<Self, RecordError> {
        let graph = Graph::for_mode(Mode::Train);
        let scope = Scope::new(&graph);
        // Two samples, since one has no variance.
        let output = module.record(&scope, graph.placeholder(INPUT, &batched(2, input_shape)));
        graph.first_error()?;
        let mut params = Arena::zeros(Arc::new(graph.layout()));
        for (i, initializer) in scope.into_initializers().iter().enumerate() {
            let name = params.layout().params()[i].name.clone();
            initializer.fill(&mut params.view_mut(i), &Streams::new(seed), &name);
        }
        Ok(Network {
            module: Arc::new(module),
            input_shape: input_shape.to_vec(),
            output_shape: output.shape().split_first().map_or_else(Vec::new, |(_, rest)| rest.to_vec()),
            params,
            plans: Plans::new(),
        })
    }

    /// The parameters.
    pub fn params(&self) -> &Arena<F> {
        &self.params
    }

    /// The parameters, for writing.
    pub fn params_mut(&mut self) -> &mut Arena<F> {
        &mut self.params
    }

    /// The shape of one input sample.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// The shape of the output for one sample.
    pub fn output_shape(&self) -> &[usize] {
        &self.output_shape
    }

    /// Records the network on `input`, of shape `[batch, …]`, in a graph that has no parameters yet.
    pub fn record<'g>(&self, graph: &'g Graph<F>, input: Var<'g, F>) -> Var<'g, F> {
        self.module.record(&Scope::new(graph), input)
    }

    /// The outputs for a batch of inputs `[samples, …]`, in evaluation mode.
    ///
    /// # Errors
    /// When the shape of a sample is not the network's.
    pub fn predict(&mut self, inputs: &View<'_, F>) -> Result<ArrayD<F>, PredictError> {
        let samples = inputs.shape().first().copied().unwrap_or(0);
        if inputs.shape().get(1..) != Some(&self.input_shape[..]) {
            let (expected, got) = (batched(samples, &self.input_shape), inputs.shape().to_vec());
            return Err(RunError::InputShape { name: INPUT.to_owned(), expected, got }.into());
        }
        let mut outputs = ArrayD::from_elem(IxDyn(&batched(samples, &self.output_shape)), F::zero());
        for start in (0..samples).step_by(PREDICT_BATCH) {
            let range = start..samples.min(start + PREDICT_BATCH);
            let Network { module, input_shape, params, plans, .. } = self;
            let plan = plans.get(range.len(), Mode::Eval, || {
                prediction_plan(module.as_ref(), input_shape, range.len())
            })?;
            let batch = inputs.slice_axis(Axis(0), range.clone().into());
            plan.forward_on(&[(INPUT, batch)], params, &Step::default())?;
            outputs.slice_axis_mut(Axis(0), range.into()).assign(&plan.output(0));
        }
        Ok(outputs)
    }
}

fn prediction_plan<F: Real>(
    module: &dyn Module<F>,
    shape: &[usize],
    batch: usize,
) -> Result<Plan<F>, RecordError> {
    let graph = Graph::for_mode(Mode::Eval);
    let output = module.record(&Scope::new(&graph), graph.placeholder(INPUT, &batched(batch, shape)));
    graph.forward_plan(&[output])
}

fn batched(batch: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(batch).chain(shape.iter().copied()).collect()
}

/// Why a prediction could not be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PredictError {
    /// The network cannot be recorded.
    Record(RecordError),
    /// The inputs do not suit it.
    Run(RunError),
}

impl fmt::Display for PredictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PredictError::Record(e) => e.fmt(f),
            PredictError::Run(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for PredictError {}

impl From<RecordError> for PredictError {
    fn from(e: RecordError) -> Self {
        PredictError::Record(e)
    }
}

impl From<RunError> for PredictError {
    fn from(e: RunError) -> Self {
        PredictError::Run(e)
    }
}
