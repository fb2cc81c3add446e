//! The squared error.

use ndarray::{Array, ArrayD, ArrayRef, Dimension};
use nn_core::{EvaluateError, Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::elementwise;
use crate::reduction::{Reduction, eager_gradient, eager_loss, saved_view, write_scaled};

const NAME: &str = "mean_squared_error";

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

impl MeanSquaredError {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        MeanSquaredError { reduction }
    }

    /// The loss of predictions on plain arrays: a scalar, or an array for [`Reduction::None`].
    ///
    /// # Errors
    /// When the shapes differ or are empty.
    pub fn loss<F: Real, D: Dimension>(
        &self,
        prediction: &ArrayRef<F, D>,
        target: &ArrayRef<F, D>,
    ) -> Result<ArrayD<F>, EvaluateError> {
        eager_loss(self, prediction, target)
    }

    /// The loss on plain arrays and its gradient with respect to the predictions.
    ///
    /// With [`Reduction::None`] it is that of the sum.
    ///
    /// # Errors
    /// When the shapes differ or are empty.
    pub fn loss_and_gradient<F: Real, D: Dimension>(
        &self,
        prediction: &ArrayRef<F, D>,
        target: &ArrayRef<F, D>,
    ) -> Result<(F, Array<F, D>), EvaluateError> {
        eager_gradient(self, prediction, target)
    }
}

impl<F: Real> Op<F> for MeanSquaredError {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(NAME, self.reduction, inputs)
    }

    /// Saves y − t.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        elementwise::forward(
            self.reduction,
            inputs,
            output,
            memory.saved,
            #[inline(always)]
            |y, t| ((y - t) * (y - t), y - t),
        );
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let two = F::one() + F::one();
        let factor = two * self.reduction.weight(memory.saved.len());
        for (d_input, factor) in d_inputs.iter_mut().zip([factor, -factor]) {
            if let Some(shape) = d_input.target().map(|(target, _)| target.raw_dim()) {
                write_scaled(&saved_view(memory.saved, shape.slice()), factor, &d_output, d_input);
            }
        }
    }
}
