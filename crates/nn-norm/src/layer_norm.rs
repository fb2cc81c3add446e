//! Layer normalisation.

use ndarray::{ArrayRef, Dimension};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range,
};

use crate::eager::{Normalized, borrow};
use crate::row_op::{self, EPSILON, check_affine, check_epsilon, first_input};
use crate::rows::Rows;

const NAME: &str = "layer_norm";

/// Layer normalisation over the last axes, as `torch.nn.LayerNorm`.
///
/// yᵢ = (xᵢ − µ)/√(σ² + ε) · γᵢ + βᵢ, with mean µ and biased variance σ² of the elements of each case over the last
/// `axes` axes. Training and evaluation are the same.
///
/// - Inputs: x of any shape with at least `axes` axes; scale γ and shift β of the shape of its last `axes` axes. β, or
///   both, may be left out.
/// - Output: the shape of x. Gradients: with g = dy·γ, dx = (g − mean(g) − x̂·mean(g·x̂))/√(σ² + ε); dγ = Σ dy·x̂ and
///   dβ = Σ dy over the cases.
/// - `axes`: the number of axes; 1 by default, at least 1.
/// - `epsilon`: ε; 1e-5 by default, in [0, ∞).
///
/// The variance is computed in two passes about the mean, of elements less the first of their row. An axis of length 0
/// gives an empty output; NaN or an infinity makes its own case NaN, and no other.
///
/// ```
/// use ndarray::array;
/// use nn_norm::LayerNorm;
///
/// let x = array![[1.0, 3.0], [10.0, -10.0]];
/// let norm = LayerNorm::new().epsilon(0.0).unwrap();
/// let y = norm.forward(&x, &array![1.0, 1.0], &array![0.0, 0.5]).unwrap().output;
/// assert_eq!(y, array![[-1.0, 1.5], [1.0, -0.5]]);
/// ```
///
/// # Source
/// Ba, Kiros, Hinton 2016, "Layer normalization", equation 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    axes: usize,
    epsilon: f64,
}

impl Default for LayerNorm {
    fn default() -> Self {
        LayerNorm { axes: 1, epsilon: EPSILON }
    }
}

impl LayerNorm {
    /// Over the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over the last `axes` axes.
    ///
    /// # Errors
    /// When `axes` is 0.
    pub fn axes(self, axes: usize) -> Result<Self, RangeError> {
        check_range("LayerNorm", "axes", axes as f64, "[1, ∞)", axes >= 1)?;
        Ok(LayerNorm { axes, ..self })
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
        Ok(LayerNorm { epsilon: check_epsilon("LayerNorm", epsilon)?, ..self })
    }

    /// ε.
    pub fn get_epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Normalises a plain array.
    ///
    /// # Errors
    /// When scale or shift do not have the shape of the last axes of x.
    pub fn forward<'a, F: Real, D: Dimension, E: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
        scale: &'a ArrayRef<F, E>,
        shift: &'a ArrayRef<F, E>,
    ) -> Result<Normalized<'a, F, D, E, 2>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(x), borrow(scale), borrow(shift)])
    }
}

/// The rows of the last `axes` axes, and the shape of these axes.
pub(crate) fn trailing(shape: &[usize], axes: usize, centred: bool) -> (Rows, &[usize]) {
    let (front, last) = shape.split_at(shape.len() - axes);
    let (batch, depth) = (front.iter().product(), last.iter().product());
    (Rows { batch, groups: 1, depth, inner: 1, centred }, last)
}

/// Checks the inputs of a norm over the last `axes` axes.
pub(crate) fn infer_trailing(
    op: &'static str,
    axes: usize,
    centred: bool,
    inputs: &[&[usize]],
) -> Result<Outline, ShapeError> {
    let shape = first_input(op, if centred { 3 } else { 2 }, inputs)?;
    if shape.len() < axes {
        let expected = format!("an array of at least {axes} axes");
        return Err(ShapeError::Input { op, input: 0, expected, got: shape.to_vec() });
    }
    let (rows, last) = trailing(shape, axes, centred);
    check_affine(op, inputs, last, "the shape of the last axes")?;
    Ok(row_op::outline(rows, inputs))
}

impl<F: Real> Op<F> for LayerNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        infer_trailing(NAME, self.axes, true, inputs)
    }

    /// Saves, of each row, the mean less the first element, and 1/√(σ² + ε).
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let (rows, _) = trailing(inputs[0].shape(), self.axes, true);
        row_op::forward(rows, self.epsilon, inputs, output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let (rows, _) = trailing(d_output.shape(), self.axes, true);
        row_op::backward(rows, io, memory, &d_output, d_inputs);
    }
}
