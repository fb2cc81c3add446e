//! Forward and backward passes of a single operation.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};
use nn_train::core::{AlignedVec, Grad, Io, Memory, Op, Step, View, ViewMut};

/// An array that begins at a cache line, as those of a plan do.
struct Aligned {
    data: AlignedVec<f32>,
    shape: Vec<usize>,
}

impl Aligned {
    fn new(value: f32, shape: &[usize]) -> Self {
        Aligned { data: AlignedVec::new(value, shape.iter().product()), shape: shape.to_vec() }
    }

    fn of(array: &ArrayD<f32>) -> Self {
        let mut copy = Aligned::new(0.0, array.shape());
        copy.view_mut().assign(array);
        copy
    }

    fn view(&self) -> View<'_, f32> {
        ArrayViewD::from_shape(IxDyn(&self.shape), &self.data).expect("as many elements as the shape has")
    }

    fn view_mut(&mut self) -> ViewMut<'_, f32> {
        ArrayViewMutD::from_shape(IxDyn(&self.shape), &mut self.data)
            .expect("as many elements as the shape has")
    }
}

/// An operation with all memory that its passes need.
pub struct Passes {
    op: Box<dyn Op<f32>>,
    inputs: Vec<Aligned>,
    reads_input: Vec<bool>,
    output: Aligned,
    reads_output: bool,
    d_output: Aligned,
    /// `None` for an input without a gradient.
    gradients: Vec<Option<Aligned>>,
    saved: AlignedVec<f32>,
    scratch: AlignedVec<f32>,
    step: Step,
}

impl Passes {
    /// The operation on these inputs, in training mode; the gradient of its output is 1 everywhere.
    ///
    /// # Panics
    /// When the shapes do not suit the operation.
    #[track_caller]
    pub fn new(op: impl Op<f32> + 'static, inputs: Vec<ArrayD<f32>>) -> Self {
        let shapes: Vec<&[usize]> = inputs.iter().map(|x| x.shape()).collect();
        let outline = op.infer(&shapes).expect("the shapes suit the operation");
        Passes {
            op: Box::new(op),
            gradients: inputs.iter().map(|x| Some(Aligned::of(x))).collect(),
            inputs: inputs.iter().map(Aligned::of).collect(),
            reads_input: outline.reads_input,
            d_output: Aligned::new(1.0, &outline.shape),
            output: Aligned::new(0.0, &outline.shape),
            reads_output: outline.reads_output,
            saved: AlignedVec::new(0.0, outline.saved),
            scratch: AlignedVec::new(0.0, outline.scratch),
            step: Step::default(),
        }
    }

    /// Skips the gradient of the input at this position.
    #[must_use]
    pub fn without_gradient(mut self, position: usize) -> Self {
        self.gradients[position] = None;
        self
    }

    /// The bytes of the input at this position.
    pub fn bytes_of_input(&self, position: usize) -> u64 {
        size_of_val(&*self.inputs[position].data) as u64
    }

    /// One forward and one backward pass, at the next step.
    pub fn run(&mut self) {
        self.step.index += 1;
        let views: Vec<_> = self.inputs.iter().map(Aligned::view).collect();
        let memory = Memory { saved: &mut self.saved, scratch: &mut self.scratch };
        self.op.forward(&self.step, &views, self.output.view_mut(), memory);

        let kept: Vec<_> =
            views.into_iter().zip(&self.reads_input).map(|(x, &is_read)| is_read.then_some(x)).collect();
        let output = self.output.view();
        let io = Io::new(&kept, self.reads_output.then_some(&output));
        let memory = Memory { saved: &mut self.saved, scratch: &mut self.scratch };
        let mut targets: Vec<_> = self.gradients.iter_mut().map(target).collect();
        self.op.backward(&self.step, &io, memory, self.d_output.view(), &mut targets);
    }
}

/// Where a gradient goes.
fn target(gradient: &mut Option<Aligned>) -> Grad<'_, f32> {
    match gradient {
        None => Grad::Skip,
        Some(gradient) => Grad::Overwrite(gradient.view_mut()),
    }
}

/// Numbers from 0 to 1 in no particular order.
pub fn numbers(shape: &[usize]) -> ArrayD<f32> {
    let mut state = 0u32;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    })
}
