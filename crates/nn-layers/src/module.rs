//! What a module is, and the scope in which it records.

use std::cell::RefCell;
use std::fmt::Debug;

use nn_core::{Mode, Real, Role};
use nn_graph::{Graph, Var};
use nn_init::Initializer;
use nn_norm::Statistics;

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
}

/// Where a module records: the graph, the path, and the initialisers of the parameters declared so far.
#[derive(Debug)]
pub struct Scope<'g, F: Real> {
    graph: &'g Graph<F>,
    initializers: RefCell<Vec<Box<dyn Initializer>>>,
    gathers: Option<Statistics>,
}

impl<'g, F: Real> Scope<'g, F> {
    /// A scope at the top of a graph.
    pub fn new(graph: &'g Graph<F>) -> Self {
        Scope { graph, initializers: RefCell::default(), gathers: None }
    }

    /// A scope for a pass over the training set that only gathers running statistics, in this way instead of that of
    /// each norm.
    pub fn gathering(graph: &'g Graph<F>, statistics: Statistics) -> Self {
        Scope { gathers: Some(statistics), ..Scope::new(graph) }
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
        self.graph.scope(name, || module.record(self, input))
    }

    /// The initialisers of the parameters, in the order of the layout.
    pub(crate) fn into_initializers(self) -> Vec<Box<dyn Initializer>> {
        self.initializers.into_inner()
    }
}
