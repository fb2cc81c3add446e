//! Normalisation by the root mean square.

use ndarray::{ArrayRef, Dimension};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range,
};

use crate::eager::{Normalized, borrow};
use crate::layer_norm::{infer_trailing, trailing};
use crate::row_op::{self, check_epsilon};

const NAME: &str = "rms_norm";

/// Normalisation by the root mean square over the last axes, as `torch.nn.RMSNorm`.
///
/// yᵢ = xᵢ/√(mean(x²) + ε) · γᵢ, with the mean over the last `axes` axes of each case. Training and evaluation are the
/// same.
///
/// - Inputs: x of any shape with at least `axes` axes; scale γ of the shape of its last `axes` axes, which may be left
///   out.
/// - Output: the shape of x. Gradients: with g = dy·γ and x̂ = x/√(mean(x²) + ε), dx = (g − x̂·mean(g·x̂))/√(mean(x²) + ε);
///   dγ = Σ dy·x̂ over the cases.
/// - `axes`: the number of axes; 1 by default, at least 1.
/// - `epsilon`: ε in [0, ∞); by default, as in PyTorch, the distance from 1 to the next number of the scalar type
///   (2.2e-16 in `f64`, 1.2e-7 in `f32`).
///
/// An axis of length 0 gives an empty output; NaN or an infinity makes its own case NaN or 0, and no other.
///
/// ```
/// use ndarray::array;
/// use nn_norm::RmsNorm;
///
/// let y = RmsNorm::new().epsilon(0.0).unwrap().forward(&array![[7.0, -1.0]], &array![1.0, 10.0]).unwrap().output;
/// assert!((y - array![[1.4, -2.0]]).iter().all(|d| f64::abs(*d) < 1e-15));
/// ```
///
/// # Source
/// Zhang and Sennrich 2019, "Root mean square layer normalization", equation 4; the paper has no ε.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsNorm {
    axes: usize,
    epsilon: Option<f64>,
}

impl Default for RmsNorm {
    fn default() -> Self {
        RmsNorm { axes: 1, epsilon: None }
    }
}

impl RmsNorm {
    /// Over the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over the last `axes` axes.
    ///
    /// # Errors
    /// When `axes` is 0.
    pub fn axes(self, axes: usize) -> Result<Self, RangeError> {
        check_range("RmsNorm", "axes", axes as f64, "[1, ∞)", axes >= 1)?;
        Ok(RmsNorm { axes, ..self })
    }

    /// How many of the last axes are normalised over.
    pub fn normalized_axes(&self) -> usize {
        self.axes
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is negative, infinite or NaN.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        Ok(RmsNorm { epsilon: Some(check_epsilon("RmsNorm", epsilon)?), ..self })
    }

    /// ε, unless it is that of the scalar type.
    pub fn get_epsilon(&self) -> Option<f64> {
        self.epsilon
    }

    /// Normalises a plain array.
    ///
    /// # Errors
    /// When the scale does not have the shape of the last axes of x.
    pub fn forward<'a, F: Real, D: Dimension, E: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
        scale: &'a ArrayRef<F, E>,
    ) -> Result<Normalized<'a, F, D, E, 1>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(x), borrow(scale)])
    }
}

impl<F: Real> Op<F> for RmsNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        infer_trailing(NAME, self.axes, false, inputs)
    }

    /// Saves 1/√(mean(x²) + ε) of each row.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let (rows, _) = trailing(inputs[0].shape(), self.axes, false);
        let epsilon = self.epsilon.unwrap_or(F::EPSILON.to_f64());
        row_op::forward(rows, epsilon, inputs, output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let (rows, _) = trailing(d_output.shape(), self.axes, false);
        row_op::backward(rows, io, memory, &d_output, d_inputs);
    }
}
