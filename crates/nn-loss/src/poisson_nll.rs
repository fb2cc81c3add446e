//! The negative logarithm of the Poisson likelihood.

use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut};

use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The negative logarithm of the Poisson likelihood of counts t, as `torch.nn.PoissonNLLLoss`.
///
/// Of predictions x that are logarithms of rates, lᵢ = e^(xᵢ) − tᵢxᵢ; of [rates](Self::rates), lᵢ = xᵢ − tᵢ ln(xᵢ + ε).
/// With [`full`](Self::full), Stirling's approximation of ln tᵢ! is added where tᵢ > 1: tᵢ ln tᵢ − tᵢ + ½ ln(2πtᵢ).
///
/// - Inputs: predictions and counts of any one shape, which must not be empty; no count is negative. Of a rate below −ε
///   the loss is NaN.
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂xᵢ = e^(xᵢ) − tᵢ, or 1 − tᵢ/(xᵢ + ε) of rates; ∂lᵢ/∂tᵢ = −xᵢ, or −ln(xᵢ + ε), and with `full`
///   ln tᵢ + 1/(2tᵢ) more where tᵢ > 1 (PyTorch has NaN at tᵢ = 0, where this adds 0).
/// - ε: in (0, ∞), 1e-8 by default.
///
/// ```
/// use ndarray::array;
/// use nn_loss::PoissonNll;
///
/// let (cost, dx) = PoissonNll::new().loss_and_gradient(&array![0.0, 1.0], &array![2.0, 0.0]).unwrap();
/// let e = 1f64.exp();
/// assert!((cost - (1.0 + e) / 2.0).abs() < 1e-15 && (dx - array![-0.5, e / 2.0]).sum().abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoissonNll {
    rates: bool,
    full: bool,
    epsilon: f64,
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(PoissonNll);

impl Default for PoissonNll {
    /// Of logarithms of rates, without Stirling's term, ε = 1e-8.
    fn default() -> Self {
        PoissonNll { rates: false, full: false, epsilon: 1e-8, reduction: Reduction::Mean }
    }
}

impl PoissonNll {
    /// Of logarithms of rates, without Stirling's term.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the predictions as rates (PyTorch's `log_input=False`).
    #[must_use]
    pub fn rates(self) -> Self {
        PoissonNll { rates: true, ..self }
    }

    /// Adds Stirling's term.
    #[must_use]
    pub fn full(self) -> Self {
        PoissonNll { full: true, ..self }
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is not in (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check::positive("PoissonNll", "epsilon", epsilon)?;
        Ok(PoissonNll { epsilon, ..self })
    }
}

impl Elementwise<2> for PoissonNll {
    const NAME: &'static str = "poisson_nll";

    #[inline(always)]
    fn loss<F: Real>(&self, [x, t]: [F; 2], _: F) -> F {
        let likelihood =
            if self.rates { x - t * (x + F::from_f64(self.epsilon)).ln() } else { x.exp() - t * x };
        if self.full && t > F::one() {
            let half_ln = F::from_f64(0.5) * (F::from_f64(std::f64::consts::TAU) * t).ln();
            likelihood + (t * t.ln() - t + half_ln)
        } else {
            likelihood
        }
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [x, t]: [F; 2], _: F) -> [F; 2] {
        let shifted = x + F::from_f64(self.epsilon);
        let [dx, dt] = if self.rates { [F::one() - t / shifted, -shifted.ln()] } else { [x.exp() - t, -x] };
        let stirling = if self.full && t > F::one() { t.ln() + F::from_f64(0.5) / t } else { F::zero() };
        [dx, dt + stirling]
    }
}

impl<F: Real> Op<F> for PoissonNll {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::all(
            Self::NAME,
            1,
            &inputs[1],
            "a count, not below 0",
            #[inline(always)]
            |t| t >= F::zero(),
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
