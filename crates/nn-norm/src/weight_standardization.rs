//! Weight standardisation.

use ndarray::{ArrayRef, Dimension, Ix0};
use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, shape};

use crate::eager::{Normalized, borrow};
use crate::row_op::{self, EPSILON, check_epsilon, first_input};
use crate::rows::Rows;

const NAME: &str = "weight_standardization";

/// Weight standardisation: the incoming weights of each unit are given mean 0 and variance 1.
///
/// Ŵ = (W − µ)/√(σ² + ε), with mean µ and biased variance σ² of the weights of each output, over all other axes. Between
/// a weight and the layer that uses it; it goes well with group norm where batches are small.
///
/// - Input: W `[out, in, …]`: linear `[out, in]` or convolution `[out, in, kh, kw]`; at least 2 axes.
/// - Output: the shape of W. Gradient: dW = (dŴ − mean(dŴ) − Ŵ·mean(dŴ·Ŵ))/√(σ² + ε).
/// - `epsilon`: ε; 1e-5 by default, in [0, ∞).
///
/// A unit with one incoming weight gets 0. NaN or an infinity makes its own unit NaN, and no other.
///
/// The authors' first code divides by σ + ε, with the unbiased σ. The paper, and this, have ε inside the root.
///
/// ```
/// use ndarray::array;
/// use nn_norm::WeightStandardization;
///
/// let w = array![[1.0, 3.0], [50.0, -70.0]];
/// let standard = WeightStandardization::new().epsilon(0.0).unwrap().forward(&w).unwrap();
/// assert_eq!(standard.output, array![[-1.0, 1.0], [1.0, -1.0]]);
/// ```
///
/// # Source
/// Qiao, Wang, Liu, Shen, Yuille 2019, "Micro-batch training with batch-channel normalization and weight
/// standardization", section 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightStandardization {
    epsilon: f64,
}

impl Default for WeightStandardization {
    fn default() -> Self {
        WeightStandardization { epsilon: EPSILON }
    }
}

impl WeightStandardization {
    /// With ε = 1e-5.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is negative, infinite or NaN.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        Ok(WeightStandardization { epsilon: check_epsilon("WeightStandardization", epsilon)? })
    }

    /// ε.
    pub fn get_epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Standardises a plain array.
    ///
    /// # Errors
    /// When the weight has fewer than 2 axes.
    pub fn forward<'a, F: Real, D: Dimension>(
        &self,
        weight: &'a ArrayRef<F, D>,
    ) -> Result<Normalized<'a, F, D, Ix0, 0>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(weight)])
    }
}

fn units(shape: &[usize]) -> Rows {
    Rows { batch: shape[0], groups: 1, depth: shape::size(&shape[1..]), inner: 1, centred: true }
}

impl<F: Real> Op<F> for WeightStandardization {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let shape = first_input(NAME, 1, inputs)?;
        if shape.len() < 2 {
            let (expected, got) = ("a weight [out, in, …]".to_owned(), shape.to_vec());
            return Err(ShapeError::Input { op: NAME, input: 0, expected, got });
        }
        Ok(row_op::outline(units(shape), inputs))
    }

    /// Saves, of each unit, the mean less the first weight, and 1/√(σ² + ε).
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        row_op::forward(units(inputs[0].shape()), self.epsilon, inputs, output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        row_op::backward(units(d_output.shape()), io, memory, &d_output, d_inputs);
    }
}
