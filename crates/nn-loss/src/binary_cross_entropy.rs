//! Cross-entropy of two classes, from logits.

use ndarray::{Array, ArrayD, ArrayRef, Dimension};
use nn_core::{
    EvaluateError, Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, ValueError, View, ViewMut,
};
use nn_ops::simd::dispatch;

use crate::elementwise;
use crate::reduction::{Reduction, eager_gradient, eager_loss, saved_view, write_scaled};

const NAME: &str = "binary_cross_entropy_with_logits";

/// The cross-entropy of independent yes-or-no answers, from logits, as `torch.nn.BCEWithLogitsLoss`.
///
/// lᵢ = −tᵢ ln σ(zᵢ) − (1 − tᵢ) ln(1 − σ(zᵢ)), computed as max(zᵢ, 0) − zᵢtᵢ + ln(1 + e^(−|zᵢ|)), which does not
/// overflow and loses nothing to cancellation where σ(z) is near 0 or 1.
///
/// - Inputs: logits z and targets t of any one shape, which must not be empty; every t in \[0, 1\].
/// - Output: the mean over **all elements** (not only over cases), the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂zᵢ = σ(zᵢ) − tᵢ and ∂lᵢ/∂tᵢ = −zᵢ.
///
/// The cost that texts on autoencoders use, the sum over the outputs of a case averaged over the m cases, is the sum
/// divided by m, or equally the mean times the number of outputs.
///
/// ```
/// use ndarray::array;
/// use nn_loss::BinaryCrossEntropyWithLogits;
///
/// let (z, t) = (array![0.0, 1000.0, -1000.0], array![1.0, 1.0, 1.0]);
/// let (cost, dz) = BinaryCrossEntropyWithLogits::new().loss_and_gradient(&z, &t).unwrap();
/// assert_eq!(cost, (2f64.ln() + 0.0 + 1000.0) / 3.0);
/// assert_eq!(dz, array![-0.5, 0.0, -1.0] / 3.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BinaryCrossEntropyWithLogits {
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

impl BinaryCrossEntropyWithLogits {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        BinaryCrossEntropyWithLogits { reduction }
    }

    /// The loss of logits on plain arrays: a scalar, or an array for [`Reduction::None`].
    ///
    /// # Errors
    /// When the shapes differ or are empty, or a target lies outside \[0, 1\].
    pub fn loss<F: Real, D: Dimension>(
        &self,
        logits: &ArrayRef<F, D>,
        target: &ArrayRef<F, D>,
    ) -> Result<ArrayD<F>, EvaluateError> {
        eager_loss(self, logits, target)
    }

    /// The loss on plain arrays and its gradient with respect to the logits.
    ///
    /// With [`Reduction::None`] it is that of the sum.
    ///
    /// # Errors
    /// When the shapes differ or are empty, or a target lies outside \[0, 1\].
    pub fn loss_and_gradient<F: Real, D: Dimension>(
        &self,
        logits: &ArrayRef<F, D>,
        target: &ArrayRef<F, D>,
    ) -> Result<(F, Array<F, D>), EvaluateError> {
        eager_gradient(self, logits, target)
    }
}

fn is_probability<F: Real>(t: F) -> bool {
    t >= F::zero() && t <= F::one()
}

/// Whether all are probabilities; NaN is none.
fn all_probabilities<F: Real>(targets: &[F]) -> bool {
    dispatch(
        #[inline(always)]
        move || targets.iter().fold(true, |all, &t| all & (t >= F::zero()) & (t <= F::one())),
    )
}

impl<F: Real> Op<F> for BinaryCrossEntropyWithLogits {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise::outline(NAME, self.reduction, inputs)?.reads_inputs(&[0]))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        if inputs[1].as_slice_memory_order().is_some_and(all_probabilities) {
            return Ok(());
        }
        match inputs[1].indexed_iter().find(|&(_, &t)| !is_probability(t)) {
            None => Ok(()),
            Some((index, value)) => {
                let expected = "a probability from 0 to 1".to_owned();
                let (index, value) = (index.slice().to_vec(), value.to_f64());
                Err(ValueError { op: NAME, input: 1, index, value, expected })
            }
        }
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves σ(z) − t.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        elementwise::forward(
            self.reduction,
            inputs,
            output,
            memory.saved,
            #[inline(always)]
            |z, t| {
                let (zero, one) = (F::zero(), F::one());
                let e = (-z.abs()).exp();
                let sigmoid = (if z < zero { e } else { one }) / (one + e);
                (z.max(zero) - z * t + e.ln_1p(), sigmoid - t)
            },
        );
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let logits = io.input(0);
        let weight = self.reduction.weight(logits.len());
        write_scaled(&saved_view(memory.saved, logits.shape()), weight, &d_output, &mut d_inputs[0]);
        write_scaled(&logits, -weight, &d_output, &mut d_inputs[1]);
    }
}
