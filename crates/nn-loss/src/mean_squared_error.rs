//! The squared error.

use nn_core::{Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The squared error lᵢ = (yᵢ − tᵢ)² of predictions y and targets t, as `torch.nn.MSELoss`.
///
/// - Inputs: predictions and targets of any one shape, which must not be empty.
/// - Output: the mean over **all elements** (not only over cases), the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂yᵢ = 2(yᵢ − tᵢ) and ∂lᵢ/∂tᵢ = −2(yᵢ − tᵢ).
///
/// The cost that texts on autoencoders use, the sum over the outputs of a case averaged over the m cases, is the sum
/// divided by m, or equally the mean times the number of outputs.
///
/// ```
/// use ndarray::array;
/// use nn_loss::MeanSquaredError;
///
/// let (y, t) = (array![[1.0, 2.0], [3.0, 4.0]], array![[1.0, 0.0], [3.0, 5.0]]);
/// let (cost, dy) = MeanSquaredError::new().loss_and_gradient(&y, &t).unwrap();
/// assert_eq!(cost, (4.0 + 1.0) / 4.0);
/// assert_eq!(dy, array![[0.0, 1.0], [0.0, -0.5]]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MeanSquaredError {
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(MeanSquaredError);

impl MeanSquaredError {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Elementwise<2> for MeanSquaredError {
    const NAME: &'static str = "mean_squared_error";

    #[inline(always)]
    fn loss<F: Real>(&self, [y, t]: [F; 2], _: F) -> F {
        (y - t) * (y - t)
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [y, t]: [F; 2], _: F) -> [F; 2] {
        let d = (y - t) + (y - t);
        [d, -d]
    }
}

impl<F: Real> Op<F> for MeanSquaredError {
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
