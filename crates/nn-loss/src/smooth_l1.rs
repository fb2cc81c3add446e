//! The smooth L1 loss.

use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut};

use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The absolute error with its kink rounded off, as `torch.nn.SmoothL1Loss`.
///
/// With dᵢ = yᵢ − tᵢ: lᵢ = ½dᵢ²/β where |dᵢ| < β, and |dᵢ| − ½β elsewhere.
///
/// - Inputs: predictions y and targets t of any one shape, which must not be empty.
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂yᵢ = dᵢ/β limited to ±1 (for β = 0 the sign of dᵢ), and ∂lᵢ/∂tᵢ = −∂lᵢ/∂yᵢ.
/// - β: in \[0, ∞), 1 by default; with 0 it is the absolute error.
///
/// Source: Girshick (2015), Fast R-CNN, equation 3.
///
/// ```
/// use ndarray::array;
/// use nn_loss::SmoothL1;
///
/// let (cost, dy) = SmoothL1::new(2.0)?.loss_and_gradient(&array![1.0, 6.0], &array![0.0, 0.0]).unwrap();
/// assert_eq!((cost, dy), ((0.25 + 5.0) / 2.0, array![0.25, 0.5]));
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothL1 {
    beta: f64,
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(SmoothL1);

impl Default for SmoothL1 {
    /// β = 1.
    fn default() -> Self {
        SmoothL1 { beta: 1.0, reduction: Reduction::Mean }
    }
}

impl SmoothL1 {
    /// Rounded off up to the distance `beta`.
    ///
    /// # Errors
    /// When `beta` is not in \[0, ∞).
    pub fn new(beta: f64) -> Result<Self, RangeError> {
        check::not_negative("SmoothL1", "beta", beta)?;
        Ok(SmoothL1 { beta, reduction: Reduction::Mean })
    }
}

impl Elementwise<2> for SmoothL1 {
    const NAME: &'static str = "smooth_l1";

    #[inline(always)]
    fn loss<F: Real>(&self, [y, t]: [F; 2], _: F) -> F {
        let (d, beta, half) = ((y - t).abs(), F::from_f64(self.beta), F::from_f64(0.5));
        if d < beta { half * d * d / beta } else { d - half * beta }
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [y, t]: [F; 2], _: F) -> [F; 2] {
        let (d, beta) = (y - t, F::from_f64(self.beta));
        let d = if d.abs() < beta { d / beta } else { d.sign() };
        [d, -d]
    }
}

impl<F: Real> Op<F> for SmoothL1 {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
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
