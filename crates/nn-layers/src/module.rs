//! What a module is, and the scope in which it records.

use std::cell::RefCell;
use std::fmt::Debug;

use nn_core::{Mode, Real, Role};
use nn_graph::{Graph, Var};
use nn_init::Initializer;
use nn_norm::Statistics;

use crate::summary::Trace;
use crate::{Description, Undescribed};

/// A part of a network: it declares its parameters and records its operations.
///
/// It is recorded anew for each batch size and mode, and must declare the same parameters each time.
///
/// ```
/// use nn_core::{Real, Role};
/// use nn_graph::Var;
/// use nn_init::Constant;
/// use nn_layers::{Module, Network, Scope};
///
/// /// y = s·x with one trained number s.
/// #[derive(Debug)]
/// struct Scale;
///
/// impl<F: Real> Module<F> for Scale {
///     fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
///         input * scope.param("scale", &[], Role::Weight, Constant::new(1.0).unwrap())
///     }
/// }
/// let network = Network::<f32>::new(Scale, &[3], 1)?;
/// assert_eq!(network.params().get("scale").unwrap()[[]], 1.0);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
pub trait Module<F: Real>: Debug + Send + Sync {
    /// Records the module on `input`, whose first axis is the batch, and returns the output.
    ///
    /// Complaints go to [`Graph::complain`]; the graph's plan is then an error.
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F>;

    /// The module as data, of which [`build`](crate::build) makes it again: what a file of a model holds beside the
    /// parameters.
    ///
    /// All modules of this crate have it but [`Scheduled`](crate::Scheduled), whose rate is a function. For a module of
    /// one's own see [`Registry`](crate::Registry).
    ///
    /// # Errors
    /// When the module, unless it implements this, or a module inside of it has no description.
    fn describe(&self) -> Result<Description, Undescribed> {
        Err(Undescribed::new::<Self>())
    }
}

impl<F: Real, M: Module<F> + ?Sized> Module<F> for Box<M> {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        (**self).record(scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        (**self).describe()
    }
}

/// Where a module records: the graph, the path, and the initialisers of the parameters declared so far.
#[derive(Debug)]
pub struct Scope<'g, F: Real> {
    graph: &'g Graph<F>,
    initializers: RefCell<Vec<Box<dyn Initializer>>>,
    gathers: Option<Statistics>,
    /// The layers recorded so far, where a summary is wanted.
    trace: Option<RefCell<Trace>>,
    /// The outputs of the layers recorded so far, by path and kind, where they are wanted.
    outputs: Option<RefCell<Outputs<'g, F>>>,
}

/// Outputs of layers, by path and kind.
type Outputs<'g, F> = Vec<(String, Var<'g, F>)>;

impl<'g, F: Real> Scope<'g, F> {
    /// A scope at the top of a graph.
    pub fn new(graph: &'g Graph<F>) -> Self {
        Scope { graph, initializers: RefCell::default(), gathers: None, trace: None, outputs: None }
    }

    /// A scope for a pass over the training set that only gathers running statistics, in this way instead of that of
    /// each norm.
    pub fn gathering(graph: &'g Graph<F>, statistics: Statistics) -> Self {
        Scope { gathers: Some(statistics), ..Scope::new(graph) }
    }

    /// A scope that keeps count of the layers.
    pub(crate) fn tracing(graph: &'g Graph<F>) -> Self {
        Scope { trace: Some(RefCell::default()), ..Scope::new(graph) }
    }

    /// A scope that keeps the outputs of the layers.
    pub(crate) fn watching(graph: &'g Graph<F>) -> Self {
        Scope { outputs: Some(RefCell::default()), ..Scope::new(graph) }
    }

    /// How running statistics are gathered, where the scope says so.
    pub fn gathers(&self) -> Option<Statistics> {
        self.gathers
    }

    /// The graph.
    pub fn graph(&self) -> &'g Graph<F> {
        self.graph
    }

    /// Training or evaluation.
    pub fn mode(&self) -> Mode {
        self.graph.mode()
    }

    /// Declares a parameter under the path of the module.
    pub fn param(
        &self,
        name: &str,
        shape: &[usize],
        role: Role,
        initializer: impl Initializer + 'static,
    ) -> Var<'g, F> {
        let declared = self.graph.layout().params().len();
        let param = self.graph.param(name, shape, role);
        if self.graph.layout().params().len() > declared {
            self.initializers.borrow_mut().push(Box::new(initializer));
        }
        param
    }

    /// Records a module under `name`.
    pub fn submodule(&self, name: &str, module: &dyn Module<F>, input: Var<'g, F>) -> Var<'g, F> {
        self.graph.scope(name, || self.record(module, input))
    }

    /// Records a module at the path of this scope.
    pub(crate) fn record(&self, module: &dyn Module<F>, input: Var<'g, F>) -> Var<'g, F> {
        if let Some(outputs) = &self.outputs {
            return self.record_watched(outputs, module, input);
        }
        let Some(trace) = &self.trace else {
            return module.record(self, input);
        };
        let row = trace.borrow_mut().begin(self.graph, module);
        let output = module.record(self, input);
        trace.borrow_mut().end(row, self.graph, &output.shape());
        output
    }

    /// Records a module and keeps its output, unless modules inside of it keep theirs.
    fn record_watched(
        &self,
        outputs: &RefCell<Outputs<'g, F>>,
        module: &dyn Module<F>,
        input: Var<'g, F>,
    ) -> Var<'g, F> {
        let before = outputs.borrow().len();
        let output = module.record(self, input);
        if outputs.borrow().len() == before {
            let name = format!("{} {}", self.graph.path(), crate::summary::kind_of(module));
            outputs.borrow_mut().push((name.trim().to_owned(), output));
        }
        output
    }

    /// The outputs that were kept.
    pub(crate) fn into_outputs(self) -> Outputs<'g, F> {
        self.outputs.map(RefCell::into_inner).unwrap_or_default()
    }

    /// What was counted.
    pub(crate) fn into_trace(self) -> Option<Trace> {
        self.trace.map(RefCell::into_inner)
    }

    /// The initialisers of the parameters, in the order of the layout.
    pub(crate) fn into_initializers(self) -> Vec<Box<dyn Initializer>> {
        self.initializers.into_inner()
    }
}
