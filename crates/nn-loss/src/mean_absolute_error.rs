//! The absolute error.

use nn_core::{Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The absolute error lᵢ = |yᵢ − tᵢ| of predictions y and targets t, as `torch.nn.L1Loss`.
///
/// - Inputs: predictions and targets of any one shape, which must not be empty.
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂yᵢ = sign(yᵢ − tᵢ), which is 0 at the kink yᵢ = tᵢ, and ∂lᵢ/∂tᵢ = −∂lᵢ/∂yᵢ.
///
/// ```
/// use ndarray::array;
/// use nn_loss::MeanAbsoluteError;
///
/// let (y, t) = (array![1.0, 2.0, 3.0, 4.0], array![1.0, 0.0, 3.0, 5.0]);
/// let (cost, dy) = MeanAbsoluteError::new().loss_and_gradient(&y, &t).unwrap();
/// assert_eq!((cost, dy), (0.75, array![0.0, 0.25, 0.0, -0.25]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MeanAbsoluteError {
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(MeanAbsoluteError);

impl MeanAbsoluteError {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Elementwise<2> for MeanAbsoluteError {
    const NAME: &'static str = "mean_absolute_error";

    #[inline(always)]
    fn loss<F: Real>(&self, [y, t]: [F; 2], _: F) -> F {
        (y - t).abs()
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [y, t]: [F; 2], _: F) -> [F; 2] {
        let d = (y - t).sign();
        [d, -d]
    }
}

impl<F: Real> Op<F> for MeanAbsoluteError {
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
