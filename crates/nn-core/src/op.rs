//! The operation trait: one implementation serves eager code, the graph and the gradient check.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};

use crate::{Real, ShapeError, StreamRng, Streams, ValueError};

/// An input of an operation: a borrowed array of any number of axes and any memory layout.
pub type View<'a, F> = ArrayViewD<'a, F>;
/// An output of an operation: a mutably borrowed array of any number of axes and any memory layout.
pub type ViewMut<'a, F> = ArrayViewMutD<'a, F>;

/// Whether a computation is part of training or of evaluation; dropout and batch normalisation differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Training: masks are drawn, batch statistics are used.
    #[default]
    Train,
    /// Evaluation: no randomness, running statistics are used.
    Eval,
}

/// What an operation may know of the moment in which it runs.
///
/// Random draws are addressed by it, never consumed: the same step of the same node of the same run draws the
/// same numbers, in the forward and in the backward pass, on any number of threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Training or evaluation.
    pub mode: Mode,
    /// The random streams of the run.
    pub streams: Streams,
    /// The number of the step, from 0.
    pub index: u64,
    /// The number of the operation in its graph, so that two dropouts draw different masks.
    pub node: u64,
}

impl Step {
    /// The generator of this operation at this step; `name` separates the streams of one operation.
    pub fn rng(&self, name: &str) -> StreamRng {
        self.streams.child(self.node).rng(name, self.index)
    }
}

/// What an operation will do with inputs of given shapes: the answer of [`Op::infer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Shape of the output.
    pub shape: Vec<usize>,
    /// Elements that `forward` leaves for `backward` in [`Memory::saved`].
    pub saved: usize,
    /// Elements of working memory that `forward` and `backward` may each use in [`Memory::scratch`].
    pub scratch: usize,
    /// For each input, whether `backward` reads its value.
    pub reads_input: Vec<bool>,
    /// Whether `backward` reads the value of the output.
    pub reads_output: bool,
    /// For each input, whether it is a running statistic, in whose [`Grad`] `backward` leaves no gradient but what an
    /// update subtracts from it.
    pub moves: Vec<bool>,
    /// Additions, multiplications and other functions that `forward` computes, roughly; as many as the output has
    /// elements unless told otherwise.
    pub flops: u64,
}

impl Outline {
    /// An operation with this output shape whose backward pass reads neither inputs nor output.
    pub fn new(shape: impl Into<Vec<usize>>, inputs: usize) -> Self {
        let (reads_input, moves) = (vec![false; inputs], vec![false; inputs]);
        let shape = shape.into();
        let flops = crate::shape::size(&shape) as u64;
        Outline { shape, saved: 0, scratch: 0, reads_input, reads_output: false, moves, flops }
    }

    /// Sets the number of elements kept between forward and backward.
    #[must_use]
    pub fn saved(mut self, elements: usize) -> Self {
        self.saved = elements;
        self
    }

    /// Sets the number of elements of working memory.
    #[must_use]
    pub fn scratch(mut self, elements: usize) -> Self {
        self.scratch = elements;
        self
    }

    /// Declares that `backward` reads the inputs with these positions.
    #[must_use]
    pub fn reads_inputs(mut self, positions: &[usize]) -> Self {
        for &i in positions {
            self.reads_input[i] = true;
        }
        self
    }

    /// Declares that the inputs with these positions are running statistics
    /// ([`Role::RunningStatistic`](crate::Role)): instead of their gradients, `backward` gives what an update subtracts
    /// from them, old value less new.
    #[must_use]
    pub fn moves(mut self, positions: &[usize]) -> Self {
        for &i in positions {
            self.moves[i] = true;
        }
        self
    }

    /// Sets the amount of arithmetic of `forward`.
    #[must_use]
    pub fn flops(mut self, flops: usize) -> Self {
        self.flops = flops as u64;
        self
    }

    /// Declares that `backward` reads the output.
    #[must_use]
    pub fn reads_output(mut self) -> Self {
        self.reads_output = true;
        self
    }
}

/// Buffers that the caller lends to an operation, of the sizes that its [`Outline`] asked for.
///
/// Their contents are arbitrary when `forward` begins; `backward` finds in `saved` what `forward` left there.
#[derive(Debug)]
pub struct Memory<'a, F> {
    /// Survives from `forward` to `backward`.
    pub saved: &'a mut [F],
    /// Is of no value after the call.
    pub scratch: &'a mut [F],
}

/// The values of the forward pass as far as `backward` declared that it reads them.
#[derive(Debug)]
pub struct Io<'a, 'v, F: Real> {
    inputs: &'a [Option<View<'v, F>>],
    output: Option<&'a View<'v, F>>,
}

impl<'a, 'v, F: Real> Io<'a, 'v, F> {
    /// Bundles the values; `None` stands for one that was not declared and need not exist any more.
    pub fn new(inputs: &'a [Option<View<'v, F>>], output: Option<&'a View<'v, F>>) -> Self {
        Io { inputs, output }
    }

    /// The value of input `i`.
    ///
    /// # Panics
    /// When the operation's [`Outline`] did not declare that it reads this input.
    #[track_caller]
    pub fn input(&self, i: usize) -> View<'v, F> {
        match &self.inputs[i] {
            Some(view) => view.clone(),
            None => panic!("backward reads input {i}, which its outline does not declare"),
        }
    }

    /// The value of the output.
    ///
    /// # Panics
    /// When the operation's [`Outline`] did not declare that it reads the output.
    #[track_caller]
    pub fn output(&self) -> View<'v, F> {
        match self.output {
            Some(view) => view.clone(),
            None => panic!("backward reads the output, which its outline does not declare"),
        }
    }
}

/// Where the gradient of one input goes.
#[derive(Debug)]
pub enum Grad<'a, F: Real> {
    /// Nobody wants this gradient: compute nothing.
    Skip,
    /// Write the gradient over whatever the array holds (it may be uninitialised rubbish, even NaN).
    Overwrite(ViewMut<'a, F>),
    /// Add the gradient to what the array holds.
    Accumulate(ViewMut<'a, F>),
}

impl<F: Real> Grad<'_, F> {
    /// Whether the gradient is wanted.
    pub fn is_needed(&self) -> bool {
        !matches!(self, Grad::Skip)
    }

    /// The factor of the present contents in `new = beta·present + gradient`: 0 to overwrite, 1 to accumulate.
    pub fn beta(&self) -> F {
        if matches!(self, Grad::Accumulate(_)) { F::one() } else { F::zero() }
    }

    /// The target array and whether to accumulate into it; `None` where nobody wants it.
    pub fn target(&mut self) -> Option<(ViewMut<'_, F>, bool)> {
        match self {
            Grad::Skip => None,
            Grad::Overwrite(view) => Some((view.view_mut(), false)),
            Grad::Accumulate(view) => Some((view.view_mut(), true)),
        }
    }
}

/// A differentiable operation: its shapes, its forward and its backward pass.
///
/// `backward` has no default body: an operation whose gradient is missing does not compile.
///
/// Implementations accept inputs, outputs and gradients in **any** memory layout (transposed, strided, reversed,
/// empty), write every element of the output, and honour [`Grad`]. They draw no random numbers but through
/// [`Step::rng`], and give the same bits on any number of threads.
pub trait Op<F: Real>: Debug + Send + Sync {
    /// The name that error messages and tables show, in lower case as PyTorch writes it (`log_softmax`).
    fn name(&self) -> &'static str;

    /// Checks the shapes of the inputs and says what running on them needs and gives.
    ///
    /// # Errors
    /// A [`ShapeError`] that names the operation, what was expected and what came.
    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError>;

    /// Checks *values* that can only be known at run time, such as class numbers, before anything is written.
    ///
    /// # Errors
    /// A [`ValueError`] that names the operation, the input, the place, and what was expected.
    fn check(&self, _inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        Ok(())
    }

    /// Whether [`Op::check`] does anything, so that a plan calls it only where it does.
    fn has_check(&self) -> bool {
        false
    }

    /// The operation that takes max(x, 0) of its one input x and then does as this one, where there is one that takes
    /// less time than both; a graph then runs it in their place. `None` by default.
    fn after_relu(&self) -> Option<Arc<dyn Op<F>>> {
        None
    }

    /// Computes the output.
    ///
    /// # Panics
    /// When the shapes are not those that [`Op::infer`] accepts.
    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>);

    /// From the gradient of a cost with respect to the output, computes its gradient with respect to the inputs.
    ///
    /// # Panics
    /// When the shapes are not those of the forward pass.
    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    );
}

impl<F: Real, T: Op<F> + ?Sized> Op<F> for Arc<T> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        (**self).infer(inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        (**self).check(inputs)
    }

    fn has_check(&self) -> bool {
        (**self).has_check()
    }

    fn after_relu(&self) -> Option<Arc<dyn Op<F>>> {
        (**self).after_relu()
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        (**self).forward(step, inputs, output, memory);
    }

    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        (**self).backward(step, io, memory, d_output, d_inputs);
    }
}

/// The result of an operation that was run eagerly by [`evaluate`], with what its backward pass needs.
#[derive(Clone, Debug)]
pub struct Evaluated<F: Real> {
    /// The value.
    pub output: ArrayD<F>,
    saved: Vec<F>,
    scratch: Vec<F>,
}

/// Runs an operation on plain arrays.
///
/// # Errors
/// When the shapes or values do not suit the operation.
///
/// # Example
/// See [`Evaluated::backward`].
pub fn evaluate<F: Real>(
    op: &dyn Op<F>,
    step: &Step,
    inputs: &[View<'_, F>],
) -> Result<Evaluated<F>, crate::error::EvaluateError> {
    let shapes: Vec<&[usize]> = inputs.iter().map(View::shape).collect();
    let outline = op.infer(&shapes)?;
    op.check(inputs)?;
    let mut output = ArrayD::from_elem(IxDyn(&outline.shape), F::zero());
    let mut saved = vec![F::zero(); outline.saved];
    let mut scratch = vec![F::zero(); outline.scratch];
    let memory = Memory { saved: &mut saved, scratch: &mut scratch };
    op.forward(step, inputs, output.view_mut(), memory);
    Ok(Evaluated { output, saved, scratch })
}

impl<F: Real> Evaluated<F> {
    /// The gradients with respect to all inputs, given that with respect to the output.
    ///
    /// `op`, `step` and `inputs` must be those of the forward pass.
    ///
    /// # Panics
    /// When the shape of `d_output` is not that of the output.
    #[track_caller]
    pub fn backward(
        &mut self,
        op: &dyn Op<F>,
        step: &Step,
        inputs: &[View<'_, F>],
        d_output: View<'_, F>,
    ) -> Vec<ArrayD<F>> {
        assert_eq!(
            d_output.shape(),
            self.output.shape(),
            "{}: gradient and output differ in shape",
            op.name()
        );
        let kept: Vec<_> = inputs.iter().map(|x| Some(x.view())).collect();
        let mut gradients: Vec<_> =
            inputs.iter().map(|x| ArrayD::from_elem(x.raw_dim(), F::zero())).collect();
        let mut targets: Vec<_> = gradients.iter_mut().map(|g| Grad::Overwrite(g.view_mut())).collect();
        let memory = Memory { saved: &mut self.saved, scratch: &mut self.scratch };
        let output = self.output.view();
        op.backward(step, &Io::new(&kept, Some(&output)), memory, d_output, &mut targets);
        drop(targets);
        gradients
    }
}
