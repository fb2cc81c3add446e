//! The negative logarithm of the Gaussian likelihood.

use ndarray::{Array, ArrayD, ArrayRef, Dimension};
use nn_core::{
    EvaluateError, Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View,
    ViewMut,
};

use crate::check;
use crate::eager;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The negative logarithm of the Gaussian likelihood of targets t under predicted means y and variances v, as
/// `torch.nn.GaussianNLLLoss`.
///
/// lᵢ = ½(ln vᵢ + (yᵢ − tᵢ)²/vᵢ), where vᵢ is at least ε; with [`full`](Self::full), ½ ln 2π is added.
///
/// - Inputs: means, targets and variances of one shape, which must not be empty; no variance is negative. (PyTorch
///   broadcasts a variance per case; broadcast it before.)
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂yᵢ = (yᵢ − tᵢ)/vᵢ, ∂lᵢ/∂tᵢ = −∂lᵢ/∂yᵢ, and ∂lᵢ/∂vᵢ = ½(1 − (yᵢ − tᵢ)²/vᵢ)/vᵢ. As in PyTorch, the
///   limit ε does not stop the gradient: below it, ∂lᵢ/∂vᵢ is that at ε, which drives the variance out.
/// - ε: in (0, ∞), 1e-6 by default.
///
/// Source: Nix and Weigend (1994), Estimating the mean and variance of the target probability distribution, equation 2.
///
/// ```
/// use ndarray::array;
/// use nn_loss::GaussianNll;
///
/// let (y, t, v) = (array![1.0, 2.0], array![1.0, 0.0], array![1.0, 4.0]);
/// let (cost, [dy, dv]) = GaussianNll::new().loss_and_gradients(&y, &t, &v).unwrap();
/// assert!((cost - (0.0 + 0.5 * (4f64.ln() + 1.0)) / 2.0).abs() < 1e-15);
/// assert_eq!((dy, dv), (array![0.0, 0.25], array![0.25, 0.0]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNll {
    full: bool,
    epsilon: f64,
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

impl Default for GaussianNll {
    /// Without the constant, ε = 1e-6.
    fn default() -> Self {
        GaussianNll { full: false, epsilon: 1e-6, reduction: Reduction::Mean }
    }
}

impl GaussianNll {
    /// Without the constant ½ ln 2π, ε = 1e-6.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        GaussianNll { reduction, ..self }
    }

    /// Adds the constant ½ ln 2π.
    #[must_use]
    pub fn full(self) -> Self {
        GaussianNll { full: true, ..self }
    }

    /// With another least variance.
    ///
    /// # Errors
    /// When `epsilon` is not in (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check::positive("GaussianNll", "epsilon", epsilon)?;
        Ok(GaussianNll { epsilon, ..self })
    }

    /// The loss on plain arrays: a scalar, or an array for [`Reduction::None`].
    ///
    /// # Errors
    /// When the shapes differ or are empty, or a variance is negative.
    pub fn loss<F: Real, D: Dimension>(
        &self,
        mean: &ArrayRef<F, D>,
        target: &ArrayRef<F, D>,
        variance: &ArrayRef<F, D>,
    ) -> Result<ArrayD<F>, EvaluateError> {
        eager::loss(self, &[mean, target, variance].map(|x| x.view().into_dyn()))
    }

    /// The loss on plain arrays and its gradients with respect to the means and the variances.
    ///
    /// With [`Reduction::None`] all are those of the sum.
    ///
    /// # Errors
    /// When the shapes differ or are empty, or a variance is negative.
    pub fn loss_and_gradients<F: Real, D: Dimension>(
        &self,
        mean: &ArrayRef<F, D>,
        target: &ArrayRef<F, D>,
        variance: &ArrayRef<F, D>,
    ) -> Result<(F, [Array<F, D>; 2]), EvaluateError> {
        let inputs = [mean, target, variance].map(|x| x.view().into_dyn());
        let (cost, gradients) = eager::loss_and_gradients(self, &inputs)?;
        let [d_mean, _, d_variance] = eager::shaped(gradients);
        Ok((cost, [d_mean, d_variance]))
    }
}

impl Elementwise<3> for GaussianNll {
    const NAME: &'static str = "gaussian_nll";

    #[inline(always)]
    fn loss<F: Real>(&self, [y, t, v]: [F; 3], _: F) -> F {
        let v = v.max(F::from_f64(self.epsilon));
        let constant = if self.full { 0.5 * std::f64::consts::TAU.ln() } else { 0.0 };
        F::from_f64(0.5) * (v.ln() + (y - t) * (y - t) / v) + F::from_f64(constant)
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [y, t, v]: [F; 3], _: F) -> [F; 3] {
        let (v, d) = (v.max(F::from_f64(self.epsilon)), y - t);
        [d / v, -d / v, F::from_f64(0.5) * (F::one() - d * d / v) / v]
    }
}

impl<F: Real> Op<F> for GaussianNll {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::all(
            Self::NAME,
            2,
            &inputs[2],
            "a variance, not below 0",
            #[inline(always)]
            |v| v >= F::zero(),
        )
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
