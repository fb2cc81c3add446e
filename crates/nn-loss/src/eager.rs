//! Losses on plain arrays, without a graph.

use ndarray::{Array, ArrayD, ArrayRef, Dimension};
use nn_core::{EvaluateError, Op, Real, Step, View, evaluate};

/// The loss on plain arrays.
pub(crate) fn loss<F: Real>(op: &dyn Op<F>, inputs: &[View<'_, F>]) -> Result<ArrayD<F>, EvaluateError> {
    Ok(evaluate(op, &Step::default(), inputs)?.output)
}

/// The sum of the output's elements, and its gradient with respect to all inputs.
pub(crate) fn loss_and_gradients<F: Real>(
    op: &dyn Op<F>,
    inputs: &[View<'_, F>],
) -> Result<(F, Vec<ArrayD<F>>), EvaluateError> {
    let step = Step::default();
    let mut evaluated = evaluate(op, &step, inputs)?;
    let ones = ArrayD::from_elem(evaluated.output.raw_dim(), F::one());
    let gradients = evaluated.backward(op, &step, inputs, ones.view());
    Ok((evaluated.output.iter().copied().sum(), gradients))
}

/// The sum of the output's elements, and its gradient with respect to the prediction.
pub(crate) fn loss_and_gradient<F: Real, D: Dimension, E: Dimension>(
    op: &dyn Op<F>,
    prediction: &ArrayRef<F, D>,
    target: &ArrayRef<F, E>,
) -> Result<(F, Array<F, D>), EvaluateError> {
    let inputs = [prediction.view().into_dyn(), target.view().into_dyn()];
    let (cost, mut gradients) = loss_and_gradients(op, &inputs)?;
    gradients.truncate(1);
    let [gradient] = shaped(gradients);
    Ok((cost, gradient))
}

/// The gradients with the axes of the inputs.
pub(crate) fn shaped<F: Real, D: Dimension, const N: usize>(gradients: Vec<ArrayD<F>>) -> [Array<F, D>; N] {
    let gradients: Vec<Array<F, D>> = gradients
        .into_iter()
        .map(|g| g.into_dimensionality().expect("a gradient has the shape of its input"))
        .collect();
    gradients.try_into().expect("a gradient for each input")
}

/// The methods that all losses of one prediction and one target have.
macro_rules! prediction_and_target {
    ($loss:ty) => {
        impl $loss {
            /// With another reduction.
            #[must_use]
            pub fn reduction(mut self, reduction: $crate::Reduction) -> Self {
                self.reduction = reduction;
                self
            }

            /// The loss on plain arrays: a scalar, or with [`Reduction::None`](crate::Reduction::None) an array.
            ///
            /// # Errors
            /// When the shapes do not fit or are empty, or a value lies outside the range given above.
            pub fn loss<F: nn_core::Real, D: ndarray::Dimension, E: ndarray::Dimension>(
                &self,
                prediction: &ndarray::ArrayRef<F, D>,
                target: &ndarray::ArrayRef<F, E>,
            ) -> Result<ndarray::ArrayD<F>, nn_core::EvaluateError> {
                $crate::eager::loss(self, &[prediction.view().into_dyn(), target.view().into_dyn()])
            }

            /// The loss on plain arrays and its gradient with respect to the prediction.
            ///
            /// With [`Reduction::None`](crate::Reduction::None) both are those of the sum.
            ///
            /// # Errors
            /// When the shapes do not fit or are empty, or a value lies outside the range given above.
            pub fn loss_and_gradient<F: nn_core::Real, D: ndarray::Dimension, E: ndarray::Dimension>(
                &self,
                prediction: &ndarray::ArrayRef<F, D>,
                target: &ndarray::ArrayRef<F, E>,
            ) -> Result<(F, ndarray::Array<F, D>), nn_core::EvaluateError> {
                $crate::eager::loss_and_gradient(self, prediction, target)
            }
        }
    };
}
pub(crate) use prediction_and_target;
