//! Cross-entropy of two classes, from probabilities.

use std::sync::Arc;

use ndarray::ArrayD;
use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut};

use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// 1e-12 in single precision, as in PyTorch.
const LEAST_VARIANCE: f64 = 1e-12f32 as f64;

/// The cross-entropy of independent yes-or-no answers, from probabilities, as `torch.nn.BCELoss`.
///
/// lᵢ = −wᵢ(tᵢ ln pᵢ + (1 − tᵢ) ln(1 − pᵢ)), where no logarithm counts as less than −100, so that p = 0 and p = 1 cost 100
/// at most. [`BinaryCrossEntropyWithLogits`](crate::BinaryCrossEntropyWithLogits) is more accurate; take it where the
/// values before the sigmoid are at hand.
///
/// - Inputs: predictions p and targets t of any one shape, which must not be empty; all in \[0, 1\] (not NaN).
/// - Output: the mean over **all elements** (whatever the weights), the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂pᵢ = wᵢ(pᵢ − tᵢ)/max(pᵢ(1 − pᵢ), 1e-12) as in PyTorch, and
///   ∂lᵢ/∂tᵢ = wᵢ(ln(1 − pᵢ) − ln pᵢ) with the same limit of −100 (where PyTorch has ±∞).
/// - [`weight`](Self::weight): in \[0, ∞), 1 by default.
///
/// ```
/// use ndarray::array;
/// use nn_loss::BinaryCrossEntropy;
///
/// let (cost, dp) = BinaryCrossEntropy::new().loss_and_gradient(&array![0.5, 0.0], &array![1.0, 0.0]).unwrap();
/// assert_eq!((cost, dp), (2f64.ln() / 2.0, array![-1.0, 0.0]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinaryCrossEntropy {
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
    weight: Option<Arc<ArrayD<f64>>>,
}

prediction_and_target!(BinaryCrossEntropy);

impl BinaryCrossEntropy {
    /// The mean over all elements, without weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// Weights of the elements, an array that can be broadcast to the predictions.
    ///
    /// # Errors
    /// When a weight is not in \[0, ∞).
    pub fn weight(self, weight: ArrayD<f64>) -> Result<Self, RangeError> {
        let weight = Some(check::weights("BinaryCrossEntropy", "weight", weight)?);
        Ok(BinaryCrossEntropy { weight, ..self })
    }
}

impl Elementwise<3> for BinaryCrossEntropy {
    const NAME: &'static str = "binary_cross_entropy";
    const CONSTANTS: usize = 1;

    #[inline(always)]
    fn loss<F: Real>(&self, [p, t, w]: [F; 3], _: F) -> F {
        let (yes, no) = logarithms(p);
        -w * (t * yes + (F::one() - t) * no)
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [p, t, w]: [F; 3], _: F) -> [F; 3] {
        let (yes, no) = logarithms(p);
        let variance = (p * (F::one() - p)).max(F::from_f64(LEAST_VARIANCE));
        [w * ((p - t) / variance), w * (no - yes), F::zero()]
    }

    fn constants(&self) -> [Option<&ArrayD<f64>>; 2] {
        [self.weight.as_deref(), None]
    }
}

/// ln p and ln(1 − p), −100 at least.
#[inline(always)]
fn logarithms<F: Real>(p: F) -> (F, F) {
    let least = F::from_f64(-100.0);
    (p.ln().max(least), (-p).ln_1p().max(least))
}

impl<F: Real> Op<F> for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::probabilities(Self::NAME, 0, &inputs[0])?;
        check::probabilities(Self::NAME, 1, &inputs[1])
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        elementwise::forward(self, self.reduction, inputs, output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        elementwise::backward(self, self.reduction, io, &d_output, d_inputs);
    }
}
