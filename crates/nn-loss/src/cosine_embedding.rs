//! The cosine embedding loss.

use ndarray::{Array, ArrayD, ArrayRef, Dimension};
use nn_core::{
    EvaluateError, Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View,
    ViewMut, check_range,
};
use nn_ops::{dot, sum_squares};

use crate::classes::no_gradient;
use crate::reduction::Reduction;
use crate::rows::{self, Rows, RowsMut, combine, copy};
use crate::{check, eager, vectors};

const NAME: &str = "cosine_embedding";
/// Added to the squared lengths: 1e-12 in single precision, as in PyTorch.
const EPSILON: f64 = 1e-12f32 as f64;

/// The cosine embedding loss, as `torch.nn.CosineEmbeddingLoss`: vectors that belong together should point the same way.
///
/// With cos = x·y/√((‖x‖² + 1e-12)(‖y‖² + 1e-12)): l = 1 − cos for a target of 1, and max(0, cos − margin) for −1.
///
/// - Inputs: vectors x and y of one shape `[…, d]`, and for each pair a target −1 or 1, `[…]`; none empty.
/// - Output: the mean over the pairs, the sum, or l in the shape `[…]`.
/// - Gradients: ∂cos/∂x = y/√(…) − cos·x/(‖x‖² + 1e-12), likewise for y, with the sign of the case; 0 where
///   cos ≤ margin for −1; 0 for the targets. Of a vector of zeros it is large, but finite.
/// - [`margin`](Self::margin): in \[−1, 1\], 0 by default.
///
/// ```
/// use ndarray::array;
/// use nn_loss::CosineEmbedding;
///
/// let (x, y) = (array![[1.0, 0.0], [1.0, 0.0]], array![[0.0, 2.0], [3.0, 4.0]]);
/// let cost: f64 = CosineEmbedding::new().loss(&x, &y, &array![1.0, -1.0]).unwrap()[[]];
/// assert!((cost - (1.0 + 0.6) / 2.0).abs() < 1e-11);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CosineEmbedding {
    margin: f64,
    /// How the losses of the pairs are combined; the mean by default.
    pub reduction: Reduction,
}

impl CosineEmbedding {
    /// The mean over the pairs, margin 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another margin.
    ///
    /// # Errors
    /// When it is not in \[−1, 1\].
    pub fn margin(self, margin: f64) -> Result<Self, RangeError> {
        check_range("CosineEmbedding", "margin", margin, "[-1, 1]", (-1.0..=1.0).contains(&margin))?;
        Ok(CosineEmbedding { margin, ..self })
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        CosineEmbedding { reduction, ..self }
    }

    /// The loss on plain arrays: a scalar, or an array for [`Reduction::None`].
    ///
    /// # Errors
    /// When the shapes do not fit or are empty, or a target is neither −1 nor 1.
    pub fn loss<F: Real, D: Dimension, E: Dimension>(
        &self,
        x: &ArrayRef<F, D>,
        y: &ArrayRef<F, D>,
        target: &ArrayRef<F, E>,
    ) -> Result<ArrayD<F>, EvaluateError> {
        eager::loss(self, &[x.view().into_dyn(), y.view().into_dyn(), target.view().into_dyn()])
    }

    /// The loss on plain arrays and its gradients with respect to x and y.
    ///
    /// With [`Reduction::None`] all are those of the sum.
    ///
    /// # Errors
    /// When the shapes do not fit or are empty, or a target is neither −1 nor 1.
    pub fn loss_and_gradients<F: Real, D: Dimension, E: Dimension>(
        &self,
        x: &ArrayRef<F, D>,
        y: &ArrayRef<F, D>,
        target: &ArrayRef<F, E>,
    ) -> Result<(F, [Array<F, D>; 2]), EvaluateError> {
        let inputs = [x.view().into_dyn(), y.view().into_dyn(), target.view().into_dyn()];
        let (cost, mut gradients) = eager::loss_and_gradients(self, &inputs)?;
        gradients.truncate(2);
        Ok((cost, eager::shaped(gradients)))
    }

    /// The loss, and its derivative by the cosine.
    fn of_cosine<F: Real>(&self, cosine: F, target: F) -> (F, F) {
        if target == F::one() {
            return (F::one() - cosine, -F::one());
        }
        let excess = cosine - F::from_f64(self.margin);
        (excess.max(F::zero()), if excess > F::zero() { F::one() } else { F::zero() })
    }
}

/// The cosine, the squared length of x, and √ of the product of both.
fn cosine<F: Real>(x: &[F], y: &[F]) -> (F, F, F) {
    let epsilon = F::from_f64(EPSILON);
    let (xx, yy) = (sum_squares(x) + epsilon, sum_squares(y) + epsilon);
    let lengths = (xx * yy).sqrt();
    (dot(x, y) / lengths, xx, lengths)
}

impl<F: Real> Op<F> for CosineEmbedding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let each = vectors::check_shapes(NAME, inputs, 2, 1)?;
        let scratch = 2 * inputs[0][each.len()];
        Ok(Outline::new(self.reduction.shape(&each), 3).reads_inputs(&[0, 1, 2]).scratch(scratch))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::signs(NAME, 2, &inputs[2])
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let (axis, (length, count)) = (inputs[0].ndim() - 1, vectors::extents(&inputs[0]));
        let (x, y) = memory.scratch.split_at_mut(length);
        let (mut total, mut each) = (0.0, output.iter_mut());
        let pairs = Rows::of(&inputs[0], axis).zip(Rows::of(&inputs[1], axis));
        for ((from_x, from_y), &target) in pairs.zip(&inputs[2]) {
            copy(from_x, x);
            copy(from_y, y);
            let (loss, _) = self.of_cosine(cosine(x, y).0, target);
            match each.next() {
                Some(output) if self.reduction == Reduction::None => *output = loss,
                _ => total += loss.to_f64(),
            }
        }
        if self.reduction != Reduction::None {
            output.fill(self.reduction.finish(total, count as f64));
        }
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        no_gradient(&mut d_inputs[2..]);
        let (inputs, targets) = ([io.input(0), io.input(1)], io.input(2));
        let (axis, (length, count)) = (inputs[0].ndim() - 1, vectors::extents(&inputs[0]));
        let factor = self.reduction.weight(count as f64);
        let (x, y) = memory.scratch.split_at_mut(length);
        for (i, d_input) in d_inputs[..2].iter_mut().enumerate() {
            let Some((mut gradient, accumulate)) = d_input.target() else { continue };
            let pairs = Rows::of(&inputs[i], axis).zip(Rows::of(&inputs[1 - i], axis)).zip(&targets);
            let written = RowsMut::of(&mut gradient, axis).zip(rows::scales(&d_output, factor));
            for (((from_x, from_y), &target), (row, scale)) in pairs.zip(written) {
                copy(from_x, x);
                copy(from_y, y);
                let (cosine, xx, lengths) = cosine(x, y);
                let (_, slope) = self.of_cosine(cosine, target);
                let (of_x, of_y) = (cosine / xx, F::one() / lengths);
                combine(
                    x,
                    y,
                    #[inline(always)]
                    |x, y| y * of_y - x * of_x,
                );
                rows::write(row, x, slope * scale, accumulate);
            }
        }
    }
}
