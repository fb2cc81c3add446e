//! The focal loss of C classes.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut};
use nn_ops::sum;

use crate::check;
use crate::classes::{self, ClassLoss};
use crate::eager::prediction_and_target;
use crate::reduction::Reduction;
use crate::rows::{largest, update};
use crate::sigmoid_focal::power;

/// The focal loss of one class out of C, from logits: cross-entropy in which easy cases count less.
///
/// With q = softmax(zᵢ)ₜᵢ, the probability of the right class: lᵢ = −α_tᵢ(1 − q)^γ ln q.
///
/// - Inputs: logits z `[m, C]` and classes t `[m]`, whole numbers from 0 to C − 1 in the scalar type; or `[m, C, d…]` and
///   `[m, d…]`. No axis may be 0 long.
/// - Output: the mean over all places, whatever α; the sum; or lᵢ in the shape of the classes.
/// - Gradients: ∂lᵢ/∂zᵢⱼ = α_tᵢ(γ(1 − q)^(γ − 1) q ln q − (1 − q)^γ)(yᵢⱼ − softmax(zᵢ)ⱼ), where yᵢ is 1 at class tᵢ and 0
///   elsewhere; 0 for the classes.
/// - γ: in \[0, ∞), 2 by default; [`class_weights`](Self::class_weights) α: in \[0, ∞), 1 by default. With γ = 0 it is the
///   cross-entropy.
///
/// Source: Lin et al. (2017), Focal loss for dense object detection, equation 5.
///
/// ```
/// use ndarray::array;
/// use nn_loss::SoftmaxFocal;
///
/// let cost = SoftmaxFocal::new(2.0)?.loss(&array![[0.0, 3f64.ln()]], &array![0.0]).unwrap();
/// assert!((cost[[]] - 0.75 * 0.75 * 4f64.ln()).abs() < 1e-15);
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxFocal {
    gamma: f64,
    class_weights: Option<Arc<ArrayD<f64>>>,
    /// How the losses of the places are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(SoftmaxFocal);

impl Default for SoftmaxFocal {
    /// γ = 2, without weights.
    fn default() -> Self {
        SoftmaxFocal { gamma: 2.0, class_weights: None, reduction: Reduction::Mean }
    }
}

impl SoftmaxFocal {
    /// With the exponent `gamma`.
    ///
    /// # Errors
    /// When `gamma` is not in \[0, ∞).
    pub fn new(gamma: f64) -> Result<Self, RangeError> {
        check::not_negative("SoftmaxFocal", "gamma", gamma)?;
        Ok(SoftmaxFocal { gamma, ..Self::default() })
    }

    /// One weight α for each class.
    ///
    /// # Errors
    /// When a weight is not in \[0, ∞).
    pub fn class_weights(self, weights: &[f64]) -> Result<Self, RangeError> {
        let weights = ArrayD::from_shape_fn(IxDyn(&[weights.len()]), |c| weights[c[0]]);
        let class_weights = Some(check::weights("SoftmaxFocal", "class_weights", weights)?);
        Ok(SoftmaxFocal { class_weights, ..self })
    }

    fn weights(&self) -> Option<&[f64]> {
        self.class_weights.as_ref().and_then(|weights| weights.as_slice())
    }
}

impl ClassLoss for SoftmaxFocal {
    const NAME: &'static str = "softmax_focal";

    fn row<F: Real>(&self, row: &mut [F], class: usize) -> F {
        let max = largest(row);
        let z = row[class] - max;
        update(
            row,
            #[inline(always)]
            |z| (z - max).exp_nonpositive(),
        );
        let right = std::mem::replace(&mut row[class], F::zero());
        let others = sum(row);
        let total = right + others;
        // 1 − q from the others, so that it keeps its accuracy where q is near 1.
        let (q, u, log) = (right / total, others / total, z - total.ln());
        let alpha = F::from_f64(self.weights().map_or(1.0, |weights| weights[class]));
        let (focus, d_focus) = power(u, self.gamma);
        let slope = alpha * (d_focus * q * log - focus);
        update(
            row,
            #[inline(always)]
            |e| -slope * (e / total),
        );
        row[class] = slope * u;
        -(alpha * focus * log)
    }
}

impl<F: Real> Op<F> for SoftmaxFocal {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = classes::outline::<Self>(self.reduction, inputs)?;
        check::one_per_class(Self::NAME, self.weights(), inputs[0])?;
        Ok(outline)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        classes::check_classes(Self::NAME, inputs, None)
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves ∂lᵢ/∂z.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        classes::forward(self, self.reduction, inputs, output, memory.saved);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        classes::backward(self.reduction, memory.saved, &d_output, d_inputs);
    }
}
