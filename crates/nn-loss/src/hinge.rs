//! The hinge loss.

use nn_core::{Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, ValueError, View, ViewMut};

use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The hinge loss lᵢ = max(0, 1 − tᵢyᵢ) of scores y and answers t of −1 or 1, as `keras.losses.Hinge`.
///
/// - Inputs: scores and answers of any one shape, which must not be empty; every t is −1 or 1.
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂yᵢ = −tᵢ where tᵢyᵢ < 1, and 0 elsewhere, the kink tᵢyᵢ = 1 included; 0 for the answers.
///
/// Source: Cortes and Vapnik (1995), Support-vector networks.
///
/// ```
/// use ndarray::array;
/// use nn_loss::Hinge;
///
/// let (cost, dy) = Hinge::new().loss_and_gradient(&array![0.5, 2.0], &array![-1.0, 1.0]).unwrap();
/// assert_eq!((cost, dy), (0.75, array![0.5, 0.0]));
/// let error = Hinge::new().loss(&array![0.5], &array![0.0]).unwrap_err();
/// assert_eq!(error.to_string(), "hinge: input 1 holds 0 at [0], expected -1 or 1");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hinge {
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(Hinge);

impl Hinge {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Elementwise<2> for Hinge {
    const NAME: &'static str = "hinge";

    #[inline(always)]
    fn loss<F: Real>(&self, [y, t]: [F; 2], _: F) -> F {
        (F::one() - t * y).max(F::zero())
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [y, t]: [F; 2], _: F) -> [F; 2] {
        [if t * y >= F::one() { F::zero() } else { -t }, F::zero()]
    }
}

impl<F: Real> Op<F> for Hinge {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::signs(Self::NAME, 1, &inputs[1])
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
