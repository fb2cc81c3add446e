//! The focal loss of two classes.

use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut, check_range,
};

use crate::binary_cross_entropy_with_logits::logistic;
use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The focal loss of independent yes-or-no answers: binary cross-entropy in which easy cases count less, as
/// `torchvision.ops.sigmoid_focal_loss`.
///
/// With p = σ(zᵢ), the cross-entropy ceᵢ, and 1 − pₜ = p(1 − tᵢ) + (1 − p)tᵢ: lᵢ = αₜ(1 − pₜ)^γ ceᵢ, where
/// αₜ = αtᵢ + (1 − α)(1 − tᵢ), or 1 [without α](Self::unbalanced).
///
/// - Inputs: logits z and targets t of any one shape, which must not be empty; every t in \[0, 1\].
/// - Output: the mean over all elements (torchvision: none), the sum, or lᵢ in the shape of the inputs.
/// - Gradients: with respect to z and t.
/// - α: in \[0, 1\], 0.25 by default; γ: in \[0, ∞), 2 by default. With γ = 0 it is the cross-entropy.
///
/// Source: Lin et al. (2017), Focal loss for dense object detection, equation 5.
///
/// ```
/// use ndarray::array;
/// use nn_loss::SigmoidFocal;
///
/// let cost = SigmoidFocal::new(0.25, 2.0)?.loss(&array![0.0], &array![1.0]).unwrap();
/// assert!((cost[[]] - 0.25 * 0.25 * 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmoidFocal {
    alpha: Option<f64>,
    gamma: f64,
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(SigmoidFocal);

impl Default for SigmoidFocal {
    /// α = 0.25, γ = 2.
    fn default() -> Self {
        SigmoidFocal { alpha: Some(0.25), gamma: 2.0, reduction: Reduction::Mean }
    }
}

impl SigmoidFocal {
    /// With the weight `alpha` of the answer yes and the exponent `gamma`.
    ///
    /// # Errors
    /// When `alpha` is not in \[0, 1\] or `gamma` not in \[0, ∞).
    pub fn new(alpha: f64, gamma: f64) -> Result<Self, RangeError> {
        check_range("SigmoidFocal", "alpha", alpha, "[0, 1]", (0.0..=1.0).contains(&alpha))?;
        check::not_negative("SigmoidFocal", "gamma", gamma)?;
        Ok(SigmoidFocal { alpha: Some(alpha), gamma, reduction: Reduction::Mean })
    }

    /// Without α: both answers have the weight 1.
    #[must_use]
    pub fn unbalanced(self) -> Self {
        SigmoidFocal { alpha: None, ..self }
    }

    /// αₜ and its derivative by t.
    #[inline(always)]
    fn balance<F: Real>(&self, t: F) -> (F, F) {
        match self.alpha {
            None => (F::one(), F::zero()),
            Some(alpha) => {
                let alpha = F::from_f64(alpha);
                (alpha * t + (F::one() - alpha) * (F::one() - t), alpha + alpha - F::one())
            }
        }
    }
}

/// u^γ and its derivative γu^(γ − 1), for u in \[0, 1\]; vectorised, unlike the power of the standard library.
#[inline(always)]
pub(crate) fn power<F: Real>(u: F, gamma: f64) -> (F, F) {
    let exponent = F::from_f64(gamma);
    if gamma == 0.0 {
        (F::one(), F::zero())
    } else if gamma == 1.0 {
        (u, F::one())
    } else if gamma == 2.0 {
        (u * u, u + u)
    } else {
        // 0 would give 0·∞ in the derivative of γ < 1.
        let log = u.max(F::MIN_POSITIVE).ln();
        ((exponent * log).exp(), exponent * ((exponent - F::one()) * log).exp())
    }
}

impl Elementwise<2> for SigmoidFocal {
    const NAME: &'static str = "sigmoid_focal";

    #[inline(always)]
    fn loss<F: Real>(&self, [z, t]: [F; 2]) -> F {
        let (yes, no, log) = logistic(z);
        let cross_entropy = z.max(F::zero()) - z * t + log;
        let u = yes * (F::one() - t) + no * t;
        self.balance(t).0 * (power(u, self.gamma).0 * cross_entropy)
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [z, t]: [F; 2]) -> [F; 2] {
        let one = F::one();
        let (yes, no, log) = logistic(z);
        let cross_entropy = z.max(F::zero()) - z * t + log;
        let u = yes * (one - t) + no * t;
        let (alpha, d_alpha) = self.balance(t);
        let (focus, d_focus) = power(u, self.gamma);
        let dz = (yes * (one - t) - no * t) * focus + cross_entropy * d_focus * ((one - t - t) * yes * no);
        let dt = -z * focus + cross_entropy * d_focus * (no - yes);
        [alpha * dz, alpha * dt + d_alpha * (focus * cross_entropy)]
    }
}

impl<F: Real> Op<F> for SigmoidFocal {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
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
