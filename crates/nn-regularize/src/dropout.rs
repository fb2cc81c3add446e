//! Dropout of single elements: of activations, and of weights.

use std::sync::Arc;

use ndarray::{Array, ArrayRef, Dimension};
use nn_core::{Grad, Io, Memory, Mode, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut};

use crate::ReluDropout;
use crate::mask::{Mask, Rate, one_input};
use crate::stretches::{self, copy, map_grad};

/// Inverted dropout: in training, each element is dropped with probability r, and the others grow by 1/(1 − r).
///
/// yᵢ = xᵢ·mᵢ/(1 − r), mᵢ = 0 with probability r, else 1; ∂yᵢ/∂xᵢ = mᵢ/(1 − r). In evaluation y = x. The expectation
/// of y is x.
///
/// - Input and output: any one shape.
/// - `rate` r in \[0, 1\]: 0 is the identity, 1 gives zeros, as in PyTorch. A draw has 16 bits: r is the multiple of
///   2⁻¹⁶ next to what was asked for, and the factor is 1/(1 − r) of that, so that the expectation is exact.
/// - A dropped element is 0, also where x is infinite or NaN (PyTorch gives NaN); a kept one stays infinite or NaN.
///
/// The mask is a function of the [`Step`], its seed, node and number, on any number of threads. The backward pass draws
/// it again, which is cheaper than to keep it.
///
/// ```
/// use ndarray::Array1;
/// use nn_core::{Step, Streams};
/// use nn_regularize::Dropout;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let dropout = Dropout::new(0.25)?;
/// let step = Step { streams: Streams::new(42), index: 7, ..Step::default() };
/// let y = dropout.apply(&step, &Array1::from_elem(10_000, 3.0));
/// assert!(y.iter().all(|&y| y == 0.0 || y == 4.0));
/// assert!((y.mean().unwrap() - 3.0f64).abs() < 0.1);
/// // The gradient passes where the value passed.
/// assert_eq!(dropout.gradient(&step, &Array1::from_elem(10_000, 3.0)), y);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, "Dropout: a simple way to prevent neural networks
/// from overfitting", section 4; scaled in training as in section 10 and `torch.nn.Dropout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dropout {
    pub(crate) rate: Rate,
}

impl Dropout {
    /// Drops with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn new(rate: f64) -> Result<Self, RangeError> {
        Ok(Dropout { rate: Rate::new("Dropout", "rate", rate)? })
    }

    /// Keeps with this probability, as the course notes and TensorFlow 1 put it: the rate is 1 − `keep_prob`.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn keep_prob(keep_prob: f64) -> Result<Self, RangeError> {
        Ok(Dropout { rate: Rate::from_keep_prob("Dropout", keep_prob)? })
    }

    /// The probability with which an element is dropped, a multiple of 2⁻¹⁶.
    pub fn rate(&self) -> f64 {
        self.rate.drop()
    }

    /// The output for a plain array.
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, x: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, x)
    }

    /// The gradient with respect to the input, from that with respect to the output of [`apply`](Self::apply) at the
    /// same step.
    pub fn gradient<F: Real, D: Dimension>(&self, step: &Step, d_output: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::gradient(self, step, d_output)
    }
}

/// DropConnect: in training, each *weight* is dropped with probability r, and the others grow by 1/(1 − r).
///
/// W′ᵢⱼ = Wᵢⱼ·mᵢⱼ/(1 − r); the layer computes with W′. In evaluation W′ = W. The mask is one for the whole batch.
///
/// - Input and output: a weight of any shape.
/// - `rate` r in \[0, 1\], as for [`Dropout`].
///
/// ```
/// use ndarray::array;
/// use nn_core::{Mode, Step};
/// use nn_regularize::DropConnect;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (w, x) = (array![[1.0, 2.0], [3.0, 4.0]], array![1.0, -1.0]);
/// let drop = DropConnect::new(0.5)?;
/// let z = drop.apply(&Step::default(), &w).dot(&x);
/// let z_eval = drop.apply(&Step { mode: Mode::Eval, ..Step::default() }, &w).dot(&x);
/// assert_eq!(z_eval, array![-1.0, -1.0]);
/// # let _ = z;
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Wan, Zeiler, Zhang, LeCun and Fergus 2013, "Regularization of neural networks using DropConnect", equation 3. The
/// paper evaluates with a Gaussian whose moments match those of the dropped sum; here the weights are scaled in training
/// instead and evaluation takes their mean, as [`Dropout`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DropConnect {
    rate: Rate,
}

impl DropConnect {
    /// Drops with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn new(rate: f64) -> Result<Self, RangeError> {
        Ok(DropConnect { rate: Rate::new("DropConnect", "rate", rate)? })
    }

    /// The probability with which a weight is dropped, a multiple of 2⁻¹⁶.
    pub fn rate(&self) -> f64 {
        self.rate.drop()
    }

    /// The weights to compute with.
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, w: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, w)
    }

    /// The gradient with respect to the weights, from that with respect to those of [`apply`](Self::apply) at the
    /// same step.
    pub fn gradient<F: Real, D: Dimension>(&self, step: &Step, d_output: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::gradient(self, step, d_output)
    }
}

/// `target` becomes, or grows by, the elements of `x` that are kept, scaled; all of them in evaluation.
fn pass<F: Real>(rate: Rate, step: &Step, name: &str, x: &View<'_, F>, target: &mut Grad<'_, F>) {
    if step.mode == Mode::Eval {
        return copy(x, target);
    }
    let (mask, scale) = (Mask::new(&step.rng(name), rate), rate.scale::<F>());
    map_grad(
        x,
        target,
        #[inline(always)]
        |first, x, y| {
            mask.select(
                first,
                x,
                y,
                #[inline(always)]
                move |x| x * scale,
                F::zero(),
            );
        },
    );
}

impl<F: Real> Op<F> for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(one_input("dropout", inputs)?, 1))
    }

    fn after_relu(&self) -> Option<Arc<dyn Op<F>>> {
        Some(Arc::new(ReluDropout::from(*self)))
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        pass(self.rate, step, "dropout", &inputs[0], &mut Grad::Overwrite(output));
    }

    fn backward(
        &self,
        step: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        pass(self.rate, step, "dropout", &d_output, &mut d_inputs[0]);
    }
}

impl<F: Real> Op<F> for DropConnect {
    fn name(&self) -> &'static str {
        "drop_connect"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(one_input("drop_connect", inputs)?, 1))
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        pass(self.rate, step, "drop_connect", &inputs[0], &mut Grad::Overwrite(output));
    }

    fn backward(
        &self,
        step: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        pass(self.rate, step, "drop_connect", &d_output, &mut d_inputs[0]);
    }
}
