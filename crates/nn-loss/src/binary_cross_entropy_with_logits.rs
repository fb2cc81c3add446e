//! Cross-entropy of two classes, from logits.

use std::sync::Arc;

use ndarray::ArrayD;
use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut};

use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

const NAME: &str = "binary_cross_entropy_with_logits";
const OWNER: &str = "BinaryCrossEntropyWithLogits";

/// The cross-entropy of independent yes-or-no answers, from logits, as `torch.nn.BCEWithLogitsLoss`.
///
/// lᵢ = −wᵢ(qᵢtᵢ ln σ(zᵢ) + (1 − tᵢ) ln(1 − σ(zᵢ))), for weights w and q of 1 computed as
/// max(zᵢ, 0) − zᵢtᵢ + ln(1 + e^(−|zᵢ|)), which does not overflow and loses nothing to cancellation where σ(z) is near 0
/// or 1. An infinite logit costs 0 if the target is as certain, and ∞ otherwise (PyTorch has NaN for some).
///
/// - Inputs: logits z and targets t of any one shape, which must not be empty; every t in \[0, 1\].
/// - Output: the mean over **all elements** (not only over cases, and whatever the weights), the sum, or lᵢ in the
///   shape of the inputs.
/// - Gradients: ∂lᵢ/∂zᵢ = wᵢ((1 − tᵢ)σ(zᵢ) − qᵢtᵢσ(−zᵢ)), without weights σ(zᵢ) − tᵢ, and
///   ∂lᵢ/∂tᵢ = wᵢ((qᵢ − 1) ln(1 + e^(−zᵢ)) − zᵢ), without weights −zᵢ.
/// - [`weight`](Self::weight) w and [`positive_weight`](Self::positive_weight) q: in \[0, ∞), 1 by default.
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinaryCrossEntropyWithLogits {
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
    weight: Option<Arc<ArrayD<f64>>>,
    positive_weight: Option<Arc<ArrayD<f64>>>,
}

prediction_and_target!(BinaryCrossEntropyWithLogits);

impl BinaryCrossEntropyWithLogits {
    /// The mean over all elements, without weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// Weights of the elements, an array that can be broadcast to the logits.
    ///
    /// # Errors
    /// When a weight is not in \[0, ∞).
    pub fn weight(self, weight: ArrayD<f64>) -> Result<Self, RangeError> {
        let weight = Some(check::weights(OWNER, "weight", weight)?);
        Ok(BinaryCrossEntropyWithLogits { weight, ..self })
    }

    /// Weights of the answer yes, an array that can be broadcast to the logits: above 1 for more recall, below 1 for
    /// more precision. One number per class stands in the last axis.
    ///
    /// # Errors
    /// When a weight is not in \[0, ∞).
    pub fn positive_weight(self, weight: ArrayD<f64>) -> Result<Self, RangeError> {
        let positive_weight = Some(check::weights(OWNER, "positive_weight", weight)?);
        Ok(BinaryCrossEntropyWithLogits { positive_weight, ..self })
    }

    fn weighted(&self) -> Option<Weighted<'_>> {
        (self.weight.is_some() || self.positive_weight.is_some()).then_some(Weighted(self))
    }
}

/// max(z, 0) − zt + ln(1 + e^(−|z|)), where the first two are |z| times how wrong its sign is: 0·∞ is 0.
#[inline(always)]
pub(crate) fn cross_entropy<F: Real>(z: F, t: F, decay: F) -> F {
    let wrong = if z < F::zero() { t } else { F::one() - t };
    let distance = if wrong == F::zero() { F::zero() } else { z.abs() * wrong };
    distance + decay.ln_1p_unit()
}

/// e^(−|z|), from which the others follow.
#[inline(always)]
pub(crate) fn decay<F: Real>(z: F) -> F {
    (-z.abs()).exp_nonpositive()
}

/// σ(z) and σ(−z) from e^(−|z|), both accurate in the tails as far as there are normal numbers.
#[inline(always)]
pub(crate) fn logistic<F: Real>(z: F, decay: F) -> (F, F) {
    let large = F::one() / (F::one() + decay);
    let small = decay * large;
    if z < F::zero() { (small, large) } else { (large, small) }
}

impl Elementwise<2> for BinaryCrossEntropyWithLogits {
    const NAME: &'static str = NAME;
    const STAGED: bool = true;

    #[inline(always)]
    fn stage<F: Real>(&self, [z, _]: [F; 2]) -> F {
        decay(z)
    }

    #[inline(always)]
    fn loss<F: Real>(&self, [z, t]: [F; 2], decay: F) -> F {
        cross_entropy(z, t, decay)
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [z, t]: [F; 2], decay: F) -> [F; 2] {
        [logistic(z, decay).0 - t, -z]
    }
}

/// The loss with weights, its third and fourth number.
struct Weighted<'a>(&'a BinaryCrossEntropyWithLogits);

impl Elementwise<4> for Weighted<'_> {
    const NAME: &'static str = NAME;
    const CONSTANTS: usize = 2;
    const STAGED: bool = true;

    #[inline(always)]
    fn stage<F: Real>(&self, [z, ..]: [F; 4]) -> F {
        decay(z)
    }

    #[inline(always)]
    fn loss<F: Real>(&self, [z, t, w, q]: [F; 4], decay: F) -> F {
        // ln(1 + e^(−z)) more for each answer yes whose weight is not 1.
        let (more, softplus) = ((q - F::one()) * t, decay.ln_1p_unit() + (-z).max(F::zero()));
        let more = if more == F::zero() { more } else { more * softplus };
        w * (cross_entropy(z, t, decay) + more)
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [z, t, w, q]: [F; 4], decay: F) -> [F; 4] {
        let ((yes, no), zero, one) = (logistic(z, decay), F::zero(), F::one());
        let softplus = decay.ln_1p_unit() + (-z).max(zero);
        [w * ((one - t) * yes - q * t * no), w * ((q - one) * softplus - z), zero, zero]
    }

    fn constants(&self) -> [Option<&ArrayD<f64>>; 2] {
        [self.0.weight.as_deref(), self.0.positive_weight.as_deref()]
    }
}

impl<F: Real> Op<F> for BinaryCrossEntropyWithLogits {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(&Weighted(self), self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::probabilities(NAME, 1, &inputs[1])
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        match self.weighted() {
            None => elementwise::forward(self, self.reduction, inputs, output),
            Some(weighted) => elementwise::forward(&weighted, self.reduction, inputs, output),
        }
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        match self.weighted() {
            None => elementwise::backward(self, self.reduction, io, &d_output, d_inputs),
            Some(weighted) => elementwise::backward(&weighted, self.reduction, io, &d_output, d_inputs),
        }
    }
}
