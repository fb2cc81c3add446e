//! Recording: nodes, parameters, placeholders, and the path of the module that records.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use ndarray::ArrayD;
use nn_core::shape::size;
use nn_core::{Mode, Op, Outline, ParamLayout, Real, Role};
use nn_ops::{Activation, Add, Conv, ConvTranspose, Linear, MatMul, Reshape, Transpose};

use crate::{Plan, RecordError, Var, compile};

/// The number of an expression in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) usize);

impl NodeId {
    /// Stands for the result of an operation that could not be recorded.
    pub(crate) const POISON: NodeId = NodeId(usize::MAX);
}

/// The most elements of an array: beyond any memory that there is. The arithmetic on two such shapes can be counted.
const LARGEST: u64 = 1 << 40;

/// What the compiler knows of an operation beyond the [`Op`] trait.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Reshape,
    Transpose(Vec<usize>),
    MatMul(MatMul),
    Add,
    Linear(Linear),
    Conv1d(Box<Conv<1>>),
    Conv2d(Box<Conv<2>>),
    ConvTranspose1d(Box<ConvTranspose<1>>),
    ConvTranspose2d(Box<ConvTranspose<2>>),
    Activation(Activation),
    Other,
}

/// An operation in a graph.
#[derive(Clone, Debug)]
pub(crate) struct Applied<F: Real> {
    pub(crate) op: Arc<dyn Op<F>>,
    pub(crate) kind: Kind,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outline: Outline,
}

/// Where the value of a node comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source<F: Real> {
    Placeholder,
    /// The position in the layout.
    Param(usize),
    Constant(Arc<ArrayD<F>>),
    Op(Applied<F>),
}

#[derive(Clone, Debug)]
pub(crate) struct Node<F: Real> {
    pub(crate) source: Source<F>,
    pub(crate) shape: Vec<usize>,
    /// The path of the module that recorded it, or the name of a parameter or placeholder.
    pub(crate) path: String,
}

impl<F: Real> Node<F> {
    /// The name for messages.
    pub(crate) fn label(&self) -> String {
        match &self.source {
            Source::Placeholder | Source::Param(_) => self.path.clone(),
            Source::Constant(_) => "constant".to_owned(),
            Source::Op(applied) if self.path.is_empty() => applied.op.name().to_owned(),
            Source::Op(applied) => format!("{} of {}", applied.op.name(), self.path),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Recording<F: Real> {
    pub(crate) nodes: Vec<Node<F>>,
    pub(crate) layout: ParamLayout,
    path: Vec<String>,
    error: Option<RecordError>,
}

/// A recorded expression over parameters and placeholders, from which plans are compiled.
///
/// Expressions are written on [`Var`]s with the usual operators. The first thing that does not fit is kept as an
/// error, which compiling returns; what is built on it is ignored.
///
/// ```
/// use nn_core::{Arena, Role, Step};
/// use nn_graph::Graph;
///
/// let graph = Graph::<f64>::new();
/// let w = graph.param("w", &[], Role::Weight);
/// let cost = w * w - 10.0 * w + 25.0;
/// let mut plan = graph.training_plan(cost, &[])?;
///
/// let mut params = Arena::zeros(plan.layout().clone());
/// let mut gradient = params.clone();
/// assert_eq!(plan.step(&params, &mut gradient, &Step::default())?, 25.0);
/// assert_eq!(gradient.get("w").unwrap()[[]], -10.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Graph<F: Real> {
    pub(crate) recording: RefCell<Recording<F>>,
    mode: Mode,
}

impl<F: Real> Default for Graph<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Real> Graph<F> {
    /// An empty graph for training.
    pub fn new() -> Self {
        Self::for_mode(Mode::Train)
    }

    /// An empty graph for training or evaluation; modules ask for it while they record.
    pub fn for_mode(mode: Mode) -> Self {
        let recording = Recording { nodes: vec![], layout: ParamLayout::new(), path: vec![], error: None };
        Graph { recording: RefCell::new(recording), mode }
    }

    /// Training or evaluation.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The parameters declared so far.
    pub fn layout(&self) -> ParamLayout {
        self.recording.borrow().layout.clone()
    }

    /// Declares a parameter; inside of [`scope`](Self::scope) its name is preceded by the path.
    pub fn param(&self, name: &str, shape: &[usize], role: Role) -> Var<'_, F> {
        let full = self.full_name(name);
        if size(shape) as u64 > LARGEST {
            return self.too_large(&format!("parameter `{full}`"), shape);
        }
        let added = self.recording.borrow_mut().layout.add(&full, shape, role);
        match added {
            Ok(position) => self.push(Source::Param(position), shape.to_vec(), full),
            Err(error) => self.fail(RecordError::Param(error)),
        }
    }

    /// Declares an input that is fed before each replay.
    pub fn placeholder(&self, name: &str, shape: &[usize]) -> Var<'_, F> {
        let is_it = |node: &Node<F>| matches!(node.source, Source::Placeholder) && node.path == name;
        if self.recording.borrow().nodes.iter().any(is_it) {
            return self.fail(RecordError::DuplicatePlaceholder { name: name.to_owned() });
        }
        if size(shape) as u64 > LARGEST {
            return self.too_large(&format!("placeholder `{name}`"), shape);
        }
        self.push(Source::Placeholder, shape.to_vec(), name.to_owned())
    }

    /// An array that does not change.
    pub fn constant(&self, value: ArrayD<F>) -> Var<'_, F> {
        let shape = value.shape().to_vec();
        self.push(Source::Constant(Arc::new(value)), shape, String::new())
    }

    /// The arithmetic of a forward pass of all that has been recorded so far, roughly: additions, multiplications and
    /// other functions.
    pub fn flops(&self) -> u64 {
        let of_node = |node: &Node<F>| match &node.source {
            Source::Op(Applied { kind: Kind::Reshape | Kind::Transpose(_), .. }) => 0,
            Source::Op(applied) => applied.outline.flops,
            Source::Placeholder | Source::Param(_) | Source::Constant(_) => 0,
        };
        self.recording.borrow().nodes.iter().map(of_node).fold(0, u64::saturating_add)
    }

    /// A parameter that has been declared, by its full name, for example to put a penalty on it.
    pub fn find_param(&self, name: &str) -> Option<Var<'_, F>> {
        let recording = self.recording.borrow();
        let position = recording.layout.position(name)?;
        let is_it = |node: &Node<F>| matches!(node.source, Source::Param(other) if other == position);
        recording.nodes.iter().position(is_it).map(|i| Var { graph: self, id: NodeId(i) })
    }

    /// Records any operation, also one of your own.
    pub fn apply<'g, O: Op<F> + 'static>(&'g self, op: O, inputs: &[Var<'g, F>]) -> Var<'g, F> {
        assert!(
            inputs.iter().all(|x| std::ptr::eq(x.graph, self)),
            "{}: an input is of another graph",
            op.name()
        );
        if inputs.iter().any(|x| x.id == NodeId::POISON) {
            return self.poison();
        }
        let inputs: Vec<usize> = inputs.iter().map(|x| x.id.0).collect();
        let inferred = {
            let recording = self.recording.borrow();
            let shapes: Vec<&[usize]> = inputs.iter().map(|&i| &recording.nodes[i].shape[..]).collect();
            op.infer(&shapes)
        };
        match inferred {
            Ok(outline) if size(&outline.shape) as u64 > LARGEST => {
                self.too_large(&format!("the result of `{}`", op.name()), &outline.shape)
            }
            Ok(outline) => {
                let (shape, kind) = (outline.shape.clone(), kind_of(&op));
                let applied = Applied { op: Arc::new(op), kind, inputs, outline };
                self.push(Source::Op(applied), shape, self.path())
            }
            Err(source) => {
                let describe = |&i: &usize| {
                    let node = &self.recording.borrow().nodes[i];
                    (node.label(), node.shape.clone())
                };
                let inputs = inputs.iter().map(describe).collect();
                self.fail(RecordError::Shape { path: self.path(), inputs, source: Box::new(source) })
            }
        }
    }

    /// Records inside of the submodule `name`: parameters and errors carry its path.
    pub fn scope<R>(&self, name: &str, record: impl FnOnce() -> R) -> R {
        self.recording.borrow_mut().path.push(name.to_owned());
        let result = record();
        self.recording.borrow_mut().path.pop();
        result
    }

    /// The path of the module that is recording, such as `encoder.0`; empty at the top.
    pub fn path(&self) -> String {
        self.recording.borrow().path.join(".")
    }

    /// `name` preceded by the path of the module that is recording, as [`param`](Self::param) will call it.
    pub fn full_name(&self, name: &str) -> String {
        let path = self.path();
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    }

    /// Records a complaint of a module; compiling will return it, unless there is an earlier one.
    pub fn complain(&self, message: impl Into<String>) -> Var<'_, F> {
        self.fail(RecordError::Module { path: self.path(), message: message.into() })
    }

    /// Compiles a plan that computes `cost`, the values in `keep`, and the gradient of `cost` with respect to all
    /// parameters.
    ///
    /// # Errors
    /// The first error of recording; or that the cost is not a single number.
    pub fn training_plan(&self, cost: Var<'_, F>, keep: &[Var<'_, F>]) -> Result<Plan<F>, RecordError> {
        self.first_error()?;
        let (name, shape) = (self.recording.borrow().nodes[cost.id.0].label(), cost.shape());
        if nn_core::shape::size(&shape) != 1 {
            return Err(RecordError::CostNotScalar { name, shape });
        }
        let keep: Vec<usize> = keep.iter().map(|x| x.id.0).collect();
        Ok(compile::compile(&self.recording.borrow(), self.mode, Some(cost.id.0), &keep))
    }

    /// Compiles a plan that computes the values in `keep` and no gradients.
    ///
    /// # Errors
    /// The first error of recording.
    pub fn forward_plan(&self, keep: &[Var<'_, F>]) -> Result<Plan<F>, RecordError> {
        self.first_error()?;
        let keep: Vec<usize> = keep.iter().map(|x| x.id.0).collect();
        Ok(compile::compile(&self.recording.borrow(), self.mode, None, &keep))
    }

    /// The first error of recording, if there was one.
    ///
    /// # Errors
    /// That error.
    pub fn first_error(&self) -> Result<(), RecordError> {
        self.recording.borrow().error.clone().map_or(Ok(()), Err)
    }

    fn push(&self, source: Source<F>, shape: Vec<usize>, path: String) -> Var<'_, F> {
        let nodes = &mut self.recording.borrow_mut().nodes;
        nodes.push(Node { source, shape, path });
        Var { graph: self, id: NodeId(nodes.len() - 1) }
    }

    fn poison(&self) -> Var<'_, F> {
        Var { graph: self, id: NodeId::POISON }
    }

    fn too_large(&self, what: &str, shape: &[usize]) -> Var<'_, F> {
        let message = format!("{what} of shape {shape:?} is larger than any memory");
        self.fail(RecordError::Module { path: self.path(), message })
    }

    fn fail(&self, error: RecordError) -> Var<'_, F> {
        self.recording.borrow_mut().error.get_or_insert(error);
        self.poison()
    }
}

/// What the compiler can make use of in an operation.
pub(crate) fn kind_of<O: Any>(op: &O) -> Kind {
    let op: &dyn Any = op;
    if op.is::<Reshape>() {
        Kind::Reshape
    } else if let Some(op) = op.downcast_ref::<Transpose>() {
        Kind::Transpose(op.axes.clone())
    } else if op.is::<Add>() {
        Kind::Add
    } else if let Some(op) = op.downcast_ref::<MatMul>() {
        Kind::MatMul(*op)
    } else if let Some(op) = op.downcast_ref::<Linear>() {
        Kind::Linear(*op)
    } else if let Some(op) = op.downcast_ref::<Conv<1>>() {
        Kind::Conv1d(Box::new(*op))
    } else if let Some(op) = op.downcast_ref::<Conv<2>>() {
        Kind::Conv2d(Box::new(*op))
    } else if let Some(op) = op.downcast_ref::<ConvTranspose<1>>() {
        Kind::ConvTranspose1d(Box::new(*op))
    } else if let Some(op) = op.downcast_ref::<ConvTranspose<2>>() {
        Kind::ConvTranspose2d(Box::new(*op))
    } else if let Some(op) = op.downcast_ref::<Activation>() {
        Kind::Activation(*op)
    } else {
        Kind::Other
    }
}
