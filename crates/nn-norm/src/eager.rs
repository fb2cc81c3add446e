//! The norms on plain arrays.

use std::array::from_fn;
use std::marker::PhantomData;

use ndarray::{Array, ArrayD, ArrayRef, CowArray, Dimension, IxDyn};
use nn_core::{Grad, Io, Memory, Op, Real, ShapeError, Step, View};

/// A norm's output on plain arrays, with what its backward pass needs.
///
/// D is the dimension of the input and of the output, E that of the P parameters (scale, shift). It borrows the arrays
/// that it was made of until the backward pass is over.
///
/// ```
/// use ndarray::array;
/// use nn_norm::LayerNorm;
///
/// let (x, scale, shift) = (array![[1.0, 2.0, 6.0], [4.0, 4.0, 1.0]], array![1.0, 1.0, 2.0], array![0.0, 0.0, 1.0]);
/// let mut y = LayerNorm::new().forward(&x, &scale, &shift)?;
/// println!("{:.3}", y.output);
/// let (dx, [d_scale, d_shift]) = y.backward(&array![[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]);
/// assert!((dx.sum() as f64).abs() < 1e-12);
/// assert_eq!(d_shift, array![1.0, 1.0, 1.0]);
/// assert_eq!(d_scale.len(), 3);
/// # Ok::<(), nn_core::ShapeError>(())
/// ```
#[derive(Debug)]
pub struct Normalized<'a, F: Real, D: Dimension, E: Dimension, const P: usize> {
    /// The value.
    pub output: Array<F, D>,
    op: Box<dyn Op<F>>,
    step: Step,
    inputs: Vec<CowArray<'a, F, IxDyn>>,
    saved: Vec<F>,
    scratch: Vec<F>,
    parameters: PhantomData<E>,
}

impl<'a, F: Real, D: Dimension, E: Dimension, const P: usize> Normalized<'a, F, D, E, P> {
    /// Runs an operation whose first input is x, of as many axes as D, followed by its parameters.
    pub(crate) fn new(
        op: impl Op<F> + 'static,
        step: Step,
        inputs: Vec<CowArray<'a, F, IxDyn>>,
    ) -> Result<Self, ShapeError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(ndarray::ArrayBase::shape).collect();
        let outline = op.infer(&shapes)?;
        let mut output = ArrayD::from_elem(IxDyn(&outline.shape), F::zero());
        let mut saved = vec![F::zero(); outline.saved];
        let mut scratch = vec![F::zero(); outline.scratch];
        let views: Vec<View<'_, F>> = inputs.iter().map(|x| x.view()).collect();
        let memory = Memory { saved: &mut saved, scratch: &mut scratch };
        op.forward(&step, &views, output.view_mut(), memory);
        let output = output.into_dimensionality().expect("a norm keeps the axes of its input");
        Ok(Normalized { output, op: Box::new(op), step, inputs, saved, scratch, parameters: PhantomData })
    }

    /// What the forward pass left for the backward pass.
    pub(crate) fn saved(&self) -> &[F] {
        &self.saved
    }

    /// From the gradient of a cost with respect to the output, its gradients with respect to the input and to the
    /// parameters.
    ///
    /// # Panics
    /// When the shape of `d_output` is not that of the output.
    #[track_caller]
    pub fn backward(&mut self, d_output: &ArrayRef<F, D>) -> (Array<F, D>, [Array<F, E>; P]) {
        let (name, got, expected) = (self.op.name(), d_output.shape(), self.output.shape());
        assert!(got == expected, "{name}: gradient of shape {got:?} for an output of shape {expected:?}");
        let kept: Vec<_> = self.inputs.iter().map(|x| Some(x.view())).collect();
        let mut gradients: Vec<ArrayD<F>> =
            self.inputs[..=P].iter().map(|x| ArrayD::from_elem(x.raw_dim(), F::zero())).collect();
        let mut targets: Vec<Grad<'_, F>> =
            gradients.iter_mut().map(|g| Grad::Overwrite(g.view_mut())).collect();
        targets.extend(self.inputs[P + 1..].iter().map(|_| Grad::Skip));
        let memory = Memory { saved: &mut self.saved, scratch: &mut self.scratch };
        let io = Io::new(&kept, None);
        self.op.backward(&self.step, &io, memory, d_output.view().into_dyn(), &mut targets);
        drop(targets);
        let mut take = |i: usize| std::mem::take(&mut gradients[i]);
        let x = take(0).into_dimensionality().expect("a gradient has the shape of its input");
        (x, from_fn(|i| take(i + 1).into_dimensionality().expect("a gradient has the shape of its input")))
    }
}

/// Borrows an array of any number of axes.
pub(crate) fn borrow<F: Real, D: Dimension>(array: &ArrayRef<F, D>) -> CowArray<'_, F, IxDyn> {
    array.view().into_dyn().into()
}
