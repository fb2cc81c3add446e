//! A module with its parameters: what is trained, saved, and asked for predictions.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};
use nn_core::{Arena, Mode, ParamLayout, ParamSpec, Real, Step, Streams, View};
use nn_graph::{Graph, Plan, Plans, RecordError, RunError, Var};
use nn_init::{Initializer, InitializerExt};

use crate::summary::summarize;
use crate::{ModelSummary, Module, Scope};

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
    layers: Option<LayerPlan<F>>,
}

/// A plan whose outputs are those of all layers.
#[derive(Debug)]
struct LayerPlan<F: Real> {
    samples: usize,
    plan: Plan<F>,
    names: Vec<String>,
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
        let Recorded { layout, initializers, output_shape } = Recorded::of(&module, input_shape)?;
        let mut params = Arena::zeros(Arc::new(layout));
        for (i, initializer) in initializers.iter().enumerate() {
            let name = params.layout().params()[i].name.clone();
            initializer.fill(&mut params.view_mut(i), &Streams::new(seed), &name);
        }
        let (module, input_shape) = (Arc::new(module), input_shape.to_vec());
        Ok(Network { module, input_shape, output_shape, params, plans: Plans::new(), layers: None })
    }

    /// A network with parameters that exist already, such as those of a file; none are drawn.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use nn_core::Arena;
    /// use nn_layers::{Linear, Module, Network, build};
    ///
    /// let network = Network::<f32>::new(Linear::new(2), &[3], 1)?;
    /// let (description, values) = (network.module().describe()?, network.params().as_slice());
    ///
    /// let module = build::<f32>(&description)?;
    /// let mut params = Arena::zeros(Arc::new(Network::<f32>::layout_of(&module, &[3])?));
    /// params.as_mut_slice().copy_from_slice(values);
    /// let same = Network::with_params(module, &[3], params)?;
    /// assert_eq!(same.params(), network.params());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When shapes do not fit, or the parameters are not those of the module, by name, shape, role and order.
    pub fn with_params(
        module: impl Module<F> + 'static,
        input_shape: &[usize],
        params: Arena<F>,
    ) -> Result<Self, RecordError> {
        let Recorded { layout, output_shape, .. } = Recorded::of(&module, input_shape)?;
        check_layout(&layout, params.layout())?;
        let (module, input_shape) = (Arc::new(module), input_shape.to_vec());
        Ok(Network { module, input_shape, output_shape, params, plans: Plans::new(), layers: None })
    }

    /// The names, shapes and roles of the parameters that a module has with this input; nothing of their size is
    /// allocated.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn layout_of(module: &dyn Module<F>, input_shape: &[usize]) -> Result<ParamLayout, RecordError> {
        Ok(Recorded::of(module, input_shape)?.layout)
    }

    /// The layers with their shapes, parameters and arithmetic, to be printed or put into a report.
    ///
    /// # Errors
    /// When the module cannot be recorded for one sample in evaluation.
    pub fn summary(&self) -> Result<ModelSummary, RecordError> {
        summarize(self.module.as_ref(), &self.input_shape)
    }

    /// The module.
    pub fn module(&self) -> &dyn Module<F> {
        self.module.as_ref()
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

    /// The number of samples of inputs that suit.
    fn samples(&self, inputs: &View<'_, F>) -> Result<usize, RunError> {
        let samples = inputs.shape().first().copied().unwrap_or(0);
        if inputs.shape().get(1..) == Some(&self.input_shape[..]) {
            return Ok(samples);
        }
        let (expected, got) = (batched(samples, &self.input_shape), inputs.shape().to_vec());
        Err(RunError::InputShape { name: INPUT.to_owned(), expected, got })
    }

    /// The outputs of every layer for a batch of inputs `[samples, …]`, in evaluation mode, each with the path and the
    /// kind of the layer: to look at activations. The plan is kept for the next call with as many samples.
    ///
    /// # Errors
    /// When the shape of a sample is not the network's.
    pub fn layer_outputs(&mut self, inputs: &View<'_, F>) -> Result<Vec<(String, ArrayD<F>)>, PredictError> {
        let samples = self.samples(inputs)?;
        let mut layers = match self.layers.take().filter(|layers| layers.samples == samples) {
            Some(layers) => layers,
            None => LayerPlan::of(self.module.as_ref(), &self.input_shape, samples)?,
        };
        layers.plan.forward_on(&[(INPUT, inputs.view())], &self.params, &Step::default())?;
        let output = |(i, name): (_, &String)| (name.clone(), layers.plan.output(i).to_owned());
        let outputs = layers.names.iter().enumerate().map(output).collect();
        self.layers = Some(layers);
        Ok(outputs)
    }

    /// The outputs for a batch of inputs `[samples, …]`, in evaluation mode.
    ///
    /// # Errors
    /// When the shape of a sample is not the network's.
    pub fn predict(&mut self, inputs: &View<'_, F>) -> Result<ArrayD<F>, PredictError> {
        let samples = self.samples(inputs)?;
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

/// What is learnt of a module by recording it.
struct Recorded {
    layout: ParamLayout,
    initializers: Vec<Box<dyn Initializer>>,
    output_shape: Vec<usize>,
}

impl Recorded {
    fn of<F: Real>(module: &dyn Module<F>, input_shape: &[usize]) -> Result<Self, RecordError> {
        let graph = Graph::for_mode(Mode::Train);
        let scope = Scope::new(&graph);
        // Two samples, since one has no variance.
        let output = module.record(&scope, graph.placeholder(INPUT, &batched(2, input_shape)));
        graph.first_error()?;
        let output_shape = output.shape().get(1..).unwrap_or_default().to_vec();
        Ok(Recorded { layout: graph.layout(), initializers: scope.into_initializers(), output_shape })
    }
}

/// Checks that parameters are those of a module, and names the first that is not.
fn check_layout(expected: &ParamLayout, got: &ParamLayout) -> Result<(), RecordError> {
    let (expected, got) = (expected.params(), got.params());
    let Some(i) = (0..expected.len().max(got.len())).find(|&i| expected.get(i) != got.get(i)) else {
        return Ok(());
    };
    let show = |spec: Option<&ParamSpec>| match spec {
        Some(ParamSpec { name, shape, role, .. }) => format!("`{name}` {shape:?} ({role:?})"),
        None => "none".to_owned(),
    };
    let message = format!("expected as parameter {i} {}, got {}", show(expected.get(i)), show(got.get(i)));
    Err(RecordError::Module { path: String::new(), message })
}

impl<F: Real> LayerPlan<F> {
    fn of(module: &dyn Module<F>, shape: &[usize], samples: usize) -> Result<Self, RecordError> {
        let graph = Graph::for_mode(Mode::Eval);
        let scope = Scope::watching(&graph);
        scope.record(module, graph.placeholder(INPUT, &batched(samples, shape)));
        let (names, outputs): (_, Vec<_>) = scope.into_outputs().into_iter().unzip();
        Ok(LayerPlan { samples, plan: graph.forward_plan(&outputs)?, names })
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
