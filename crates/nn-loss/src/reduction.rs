//! How the losses of the single cases become one cost, and what that does to the gradient.

use ndarray::{Array, ArrayD, ArrayRef, Dimension, IxDyn, Zip};
use nn_core::{EvaluateError, Evaluated, Grad, Op, Real, ShapeError, Step, View, evaluate, shape::size};
use nn_ops::simd::dispatch;

/// How the losses of the single cases (or elements) become the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean, a scalar; the default, as in PyTorch.
    #[default]
    Mean,
    /// Their sum, a scalar.
    Sum,
    /// Each by itself.
    None,
}

impl Reduction {
    /// The shape of the output, where `each` is that of the losses before they are reduced.
    pub(crate) fn shape(self, each: &[usize]) -> &[usize] {
        if self == Reduction::None { each } else { &[] }
    }

    /// The derivative of the output by each of `count` losses.
    pub(crate) fn weight<F: Real>(self, count: usize) -> F {
        if self == Reduction::Mean { F::one() / F::from_usize(count) } else { F::one() }
    }

    /// The scalar output, from the sum of `count` losses.
    pub(crate) fn finish<F: Real>(self, total: f64, count: usize) -> F {
        F::from_f64(if self == Reduction::Mean { total / count as f64 } else { total })
    }
}

/// Refuses anything but two inputs, and an empty batch: its mean is 0/0.
pub(crate) fn check_inputs(op: &'static str, inputs: &[&[usize]]) -> Result<(), ShapeError> {
    if inputs.len() != 2 {
        return Err(ShapeError::Arity { op, expected: 2, got: inputs.len() });
    }
    match inputs.iter().position(|shape| size(shape) == 0) {
        None => Ok(()),
        Some(input) => {
            let (expected, got) = ("a batch that is not empty".to_owned(), inputs[input].to_vec());
            Err(ShapeError::Input { op, input, expected, got })
        }
    }
}

/// The target becomes, or grows by, `source · factor · d_output`; `d_output` is broadcast to the target.
///
/// # Panics
/// When the shapes do not fit.
#[track_caller]
pub(crate) fn write_scaled<F: Real>(
    source: &View<'_, F>,
    factor: F,
    d_output: &View<'_, F>,
    target: &mut Grad<'_, F>,
) {
    let Some((mut target, accumulate)) = target.target() else { return };
    assert_eq!(source.shape(), target.shape(), "a gradient has the shape of its input");
    if let (0, Some(&d)) = (d_output.ndim(), d_output.first()) {
        let scale = factor * d;
        return match (source.as_slice(), target.as_slice_mut()) {
            (Some(source), Some(target)) => scale_slice(source, scale, target, accumulate),
            _ if accumulate => target.zip_mut_with(source, |t, &s| *t += s * scale),
            _ => target.zip_mut_with(source, |t, &s| *t = s * scale),
        };
    }
    let shape = target.raw_dim();
    let Some(d_output) = d_output.broadcast(shape) else {
        panic!("the gradient of the output has shape {:?}, the input {:?}", d_output.shape(), target.shape());
    };
    let beta = |t: F| if accumulate { t } else { F::zero() };
    Zip::from(&mut target).and(source).and(&d_output).for_each(|t, &s, &d| *t = beta(*t) + s * (factor * d));
}

fn scale_slice<F: Real>(source: &[F], scale: F, target: &mut [F], accumulate: bool) {
    dispatch(
        #[inline(always)]
        move || {
            if accumulate {
                for (t, &s) in target.iter_mut().zip(source) {
                    *t += s * scale;
                }
            } else {
                for (t, &s) in target.iter_mut().zip(source) {
                    *t = s * scale;
                }
            }
        },
    );
}

/// What `forward` saved, one element per element of an input of this shape.
pub(crate) fn saved_view<'a, F: Real>(saved: &'a [F], shape: &[usize]) -> View<'a, F> {
    View::from_shape(IxDyn(shape), &saved[..size(shape)]).expect("one element per element of the input")
}

/// Writes the losses of consecutive cases, in logical order, into an array of any memory layout.
pub(crate) fn write_losses<'o, F: Real>(losses: &[F], output: &mut impl Iterator<Item = &'o mut F>) {
    for (&loss, output) in losses.iter().zip(output) {
        *output = loss;
    }
}

/// The loss on plain arrays.
pub(crate) fn eager_loss<F: Real, D: Dimension, E: Dimension>(
    op: &dyn Op<F>,
    prediction: &ArrayRef<F, D>,
    target: &ArrayRef<F, E>,
) -> Result<ArrayD<F>, EvaluateError> {
    let inputs = [prediction.view().into_dyn(), target.view().into_dyn()];
    Ok(evaluate(op, &Step::default(), &inputs)?.output)
}

/// The sum of the output's elements on plain arrays, and its gradient with respect to the prediction.
pub(crate) fn eager_gradient<F: Real, D: Dimension, E: Dimension>(
    op: &dyn Op<F>,
    prediction: &ArrayRef<F, D>,
    target: &ArrayRef<F, E>,
) -> Result<(F, Array<F, D>), EvaluateError> {
    let step = Step::default();
    let inputs = [prediction.view().into_dyn(), target.view().into_dyn()];
    let mut evaluated: Evaluated<F> = evaluate(op, &step, &inputs)?;
    let ones = ArrayD::from_elem(evaluated.output.raw_dim(), F::one());
    let gradient = evaluated.backward(op, &step, &inputs, ones.view()).swap_remove(0);
    let gradient = gradient.into_dimensionality().expect("a gradient has the shape of its input");
    Ok((evaluated.output.iter().copied().sum(), gradient))
}
