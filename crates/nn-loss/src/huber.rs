//! The Huber loss.

use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut};

use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The Huber loss, squared near the target and linear beyond δ, as `torch.nn.HuberLoss`.
///
/// With dᵢ = yᵢ − tᵢ: lᵢ = ½dᵢ² where |dᵢ| ≤ δ, and δ(|dᵢ| − ½δ) elsewhere.
///
/// - Inputs: predictions y and targets t of any one shape, which must not be empty.
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂yᵢ = dᵢ limited to ±δ, and ∂lᵢ/∂tᵢ = −∂lᵢ/∂yᵢ.
/// - δ: in (0, ∞), 1 by default. [`SmoothL1`](crate::SmoothL1) with β = δ is this divided by δ.
///
/// Source: Huber (1964), Robust estimation of a location parameter.
///
/// ```
/// use ndarray::array;
/// use nn_loss::Huber;
///
/// let (cost, dy) = Huber::new(2.0)?.loss_and_gradient(&array![1.0, 6.0], &array![0.0, 0.0]).unwrap();
/// assert_eq!((cost, dy), ((0.5 + 10.0) / 2.0, array![0.5, 1.0]));
/// assert_eq!(Huber::new(0.0).unwrap_err().to_string(), "Huber: delta must lie in (0, inf), got 0");
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Huber {
    delta: f64,
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(Huber);

impl Default for Huber {
    /// δ = 1.
    fn default() -> Self {
        Huber { delta: 1.0, reduction: Reduction::Mean }
    }
}

impl Huber {
    /// Squared up to the distance `delta`.
    ///
    /// # Errors
    /// When `delta` is not in (0, ∞).
    pub fn new(delta: f64) -> Result<Self, RangeError> {
        check::positive("Huber", "delta", delta)?;
        Ok(Huber { delta, reduction: Reduction::Mean })
    }
}

impl Elementwise<2> for Huber {
    const NAME: &'static str = "huber";

    #[inline(always)]
    fn loss<F: Real>(&self, [y, t]: [F; 2], _: F) -> F {
        let (d, delta, half) = ((y - t).abs(), F::from_f64(self.delta), F::from_f64(0.5));
        if d > delta { delta * (d - half * delta) } else { half * d * d }
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [y, t]: [F; 2], _: F) -> [F; 2] {
        let delta = F::from_f64(self.delta);
        let d = (y - t).min(delta).max(-delta);
        [d, -d]
    }
}

impl<F: Real> Op<F> for Huber {
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
