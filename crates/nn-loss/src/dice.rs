//! The soft Dice loss of segmentation.

use ndarray::{ArrayView1, Axis, IxDyn};
use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut};
use nn_ops::{dot, sum, sum_squares};

use crate::check;
use crate::eager::prediction_and_target;
use crate::reduction::{Reduction, check_inputs};
use crate::rows::copy;

const NAME: &str = "dice";

/// The soft Dice loss: one less twice the overlap of prediction and target over their sizes.
///
/// For each case and class, over all places k: l = 1 − (2Σpₖtₖ + s)/(Σpₖ + Σtₖ + s); [squared](Self::squared), the
/// denominator is Σpₖ² + Σtₖ² + s.
///
/// - Inputs: predicted probabilities p and targets t of one shape `[m, C, d…]`, with one axis of places at least, none 0
///   long; all in \[0, 1\]. Add an axis of length 1 for a single class.
/// - Output: the mean over cases and classes, the sum, or l in the shape `[m, C]`.
/// - Gradients: with N and D for numerator and denominator, ∂l/∂pₖ = (N/D − 2tₖ)/D, squared (2pₖN/D − 2tₖ)/D; likewise
///   for t.
/// - s: in (0, ∞), 1e-5 by default. A class without samples, in target and prediction, has the loss 0.
///
/// Source: Milletari et al. (2016), V-Net, section 3 (squared); the plain form as in MONAI's `DiceLoss`.
///
/// ```
/// use ndarray::array;
/// use nn_loss::Dice;
///
/// let (p, t) = (array![[[0.5, 1.0, 0.0]]], array![[[1.0, 1.0, 0.0]]]);
/// let cost: f64 = Dice::new(1.0)?.loss(&p, &t).unwrap()[[]];
/// assert!((cost - (1.0 - (2.0 * 1.5 + 1.0) / (1.5 + 2.0 + 1.0))).abs() < 1e-15);
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dice {
    smooth: f64,
    squared: bool,
    /// How the losses of cases and classes are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(Dice);

impl Default for Dice {
    /// s = 1e-5, not squared.
    fn default() -> Self {
        Dice { smooth: 1e-5, squared: false, reduction: Reduction::Mean }
    }
}

impl Dice {
    /// With the smoothing `smooth`.
    ///
    /// # Errors
    /// When `smooth` is not in (0, ∞).
    pub fn new(smooth: f64) -> Result<Self, RangeError> {
        check::positive("Dice", "smooth", smooth)?;
        Ok(Dice { smooth, ..Self::default() })
    }

    /// Squares in the denominator.
    #[must_use]
    pub fn squared(self) -> Self {
        Dice { squared: true, ..self }
    }

    fn size<F: Real>(&self, x: &[F]) -> F {
        if self.squared { sum_squares(x) } else { sum(x) }
    }
}

/// The values at all places of one case and class, which are moved to the buffer unless they lie in order.
fn places<'a, F: Real>(view: &'a View<'_, F>, at: [usize; 2], buffer: &'a mut [F]) -> &'a [F] {
    let case = view.index_axis(Axis(0), at[0]);
    let places = case.index_axis_move(Axis(0), at[1]);
    match places.as_slice() {
        Some(slice) => copy(ArrayView1::from(slice), buffer),
        None => buffer.iter_mut().zip(&places).for_each(|(to, &x)| *to = x),
    }
    buffer
}

/// Cases, classes and places.
fn extents(shape: &[usize]) -> [usize; 3] {
    [shape[0], shape[1], shape[2..].iter().product()]
}

impl<F: Real> Op<F> for Dice {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        check_inputs(NAME, 2, inputs)?;
        if inputs[0].len() < 3 {
            let expected = "probabilities [cases, classes, places...]".to_owned();
            return Err(ShapeError::Input { op: NAME, input: 0, expected, got: inputs[0].to_vec() });
        }
        if inputs[0] != inputs[1] {
            let (left, right) = (inputs[0].to_vec(), inputs[1].to_vec());
            let expected = "predictions and targets have the same shape".to_owned();
            return Err(ShapeError::Mismatch { op: NAME, expected, left, right });
        }
        let [cases, classes, places] = extents(inputs[0]);
        let outline = Outline::new(self.reduction.shape(&inputs[0][..2]), 2).reads_inputs(&[0, 1]);
        Ok(outline.saved(2 * cases * classes).scratch(2 * places))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::probabilities(NAME, 0, &inputs[0])?;
        check::probabilities(NAME, 1, &inputs[1])
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves numerator and denominator of each case and class.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        assert_eq!(
            inputs[0].shape(),
            inputs[1].shape(),
            "{NAME}: predictions and targets have the same shape"
        );
        let [cases, classes, count] = extents(inputs[0].shape());
        let (p, t) = memory.scratch.split_at_mut(count);
        let smooth = F::from_f64(self.smooth);
        let (mut total, mut each) = (0.0, output.iter_mut());
        for (k, saved) in memory.saved.chunks_exact_mut(2).enumerate() {
            let at = [k / classes, k % classes];
            let (p, t) = (places(&inputs[0], at, p), places(&inputs[1], at, t));
            let overlap = dot(p, t);
            saved[0] = overlap + overlap + smooth;
            saved[1] = self.size(p) + self.size(t) + smooth;
            // (D − N)/D keeps its accuracy where the loss is small better than 1 − N/D.
            let loss = (saved[1] - saved[0]) / saved[1];
            match each.next() {
                Some(output) if self.reduction == Reduction::None => *output = loss,
                _ => total += loss.to_f64(),
            }
        }
        if self.reduction != Reduction::None {
            output.fill(self.reduction.finish(total, (cases * classes) as f64));
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
        let inputs = [io.input(0), io.input(1)];
        let [cases, classes, count] = extents(inputs[0].shape());
        let factor: F = self.reduction.weight((cases * classes) as f64);
        let (own, other) = memory.scratch.split_at_mut(count);
        for (i, d_input) in d_inputs.iter_mut().enumerate() {
            let Some((mut target, accumulate)) = d_input.target() else { continue };
            let d_output = d_output.broadcast(IxDyn(&[cases, classes]));
            let d_output = d_output.expect("the gradient of the output has its shape");
            for (k, (saved, &d)) in memory.saved.chunks_exact(2).zip(&d_output).enumerate() {
                let at = [k / classes, k % classes];
                let (x, y) = (places(&inputs[i], at, own), places(&inputs[1 - i], at, other));
                let (ratio, scale) = (saved[0] / saved[1], d * factor / saved[1]);
                let mut case = target.index_axis_mut(Axis(0), at[0]);
                let values = case.index_axis_mut(Axis(0), at[1]).into_iter();
                for ((value, &x), &y) in values.zip(x).zip(y) {
                    let size = if self.squared { (x + x) * ratio } else { ratio };
                    let gradient = (size - y - y) * scale;
                    *value = if accumulate { *value + gradient } else { gradient };
                }
            }
        }
    }
}
