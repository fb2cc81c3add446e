//! The focal loss of two classes.

use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut, check_range,
};

use crate::binary_cross_entropy_with_logits::{cross_entropy, decay, logistic};
use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

const NAME: &str = "sigmoid_focal";

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

    fn focal<const SQUARE: bool>(&self) -> Focal<SQUARE> {
        let [yes, no] = self.alpha.map_or([1.0, 1.0], |alpha| [alpha, 1.0 - alpha]);
        Focal { yes, no, gamma: self.gamma }
    }
}

/// u^γ and its derivative γu^(γ − 1), for u in \[0, 1\]; vectorised, unlike the power of the standard library.
#[inline(always)]
pub(crate) fn power<F: Real>(u: F, gamma: f64) -> (F, F) {
    if gamma == 0.0 {
        (F::one(), F::zero())
    } else if gamma == 1.0 {
        (u, F::one())
    } else if gamma == 2.0 {
        (u * u, u + u)
    } else {
        any_power(u, gamma)
    }
}

/// As [`power`], the same way for every γ.
#[inline(always)]
fn any_power<F: Real>(u: F, gamma: f64) -> (F, F) {
    let exponent = F::from_f64(gamma);
    // 0 would give 0·∞ in the derivative of γ < 1.
    let log = u.max(F::MIN_POSITIVE).ln();
    ((exponent * log).exp_nonpositive(), exponent * ((exponent - F::one()) * log).exp())
}

/// The loss with γ = 2, or with any γ: each has loops without branches, which vectorise.
struct Focal<const SQUARE: bool> {
    /// The weight of the answer yes.
    yes: f64,
    /// The weight of the answer no.
    no: f64,
    gamma: f64,
}

impl<const SQUARE: bool> Focal<SQUARE> {
    /// αₜ and its derivative by t.
    #[inline(always)]
    fn balance<F: Real>(&self, t: F) -> (F, F) {
        let (yes, no) = (F::from_f64(self.yes), F::from_f64(self.no));
        (yes * t + no * (F::one() - t), yes - no)
    }

    /// σ(z), σ(−z) and the cross-entropy.
    #[inline(always)]
    fn parts<F: Real>(z: F, t: F, decay: F) -> (F, F, F) {
        let (yes, no) = logistic(z, decay);
        (yes, no, cross_entropy(z, t, decay))
    }

    /// u^γ and its derivative.
    #[inline(always)]
    fn power<F: Real>(&self, u: F) -> (F, F) {
        if SQUARE { (u * u, u + u) } else { any_power(u, self.gamma) }
    }
}

impl<const SQUARE: bool> Elementwise<2> for Focal<SQUARE> {
    const NAME: &'static str = NAME;
    const STAGED: bool = true;

    #[inline(always)]
    fn stage<F: Real>(&self, [z, _]: [F; 2]) -> F {
        decay(z)
    }

    #[inline(always)]
    fn loss<F: Real>(&self, [z, t]: [F; 2], decay: F) -> F {
        let (yes, no, cross_entropy) = Self::parts(z, t, decay);
        let u = yes * (F::one() - t) + no * t;
        self.balance(t).0 * (self.power(u).0 * cross_entropy)
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [z, t]: [F; 2], decay: F) -> [F; 2] {
        let one = F::one();
        let (yes, no, cross_entropy) = Self::parts(z, t, decay);
        let u = yes * (one - t) + no * t;
        let (alpha, d_alpha) = self.balance(t);
        let (focus, d_focus) = self.power(u);
        let dz = (yes * (one - t) - no * t) * focus + cross_entropy * d_focus * ((one - t - t) * yes * no);
        let dt = -z * focus + cross_entropy * d_focus * (no - yes);
        [alpha * dz, alpha * dt + d_alpha * (focus * cross_entropy)]
    }
}

impl<F: Real> Op<F> for SigmoidFocal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(&self.focal::<true>(), self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::probabilities(NAME, 1, &inputs[1])
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        match self.gamma == 2.0 {
            true => elementwise::forward(&self.focal::<true>(), self.reduction, inputs, output),
            false => elementwise::forward(&self.focal::<false>(), self.reduction, inputs, output),
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
        match self.gamma == 2.0 {
            true => elementwise::backward(&self.focal::<true>(), self.reduction, io, &d_output, d_inputs),
            false => elementwise::backward(&self.focal::<false>(), self.reduction, io, &d_output, d_inputs),
        }
    }
}
