//! Cross-entropy of targets that are probabilities.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut, check_range,
};
use nn_ops::{dot, sum};

use crate::check;
use crate::classes;
use crate::eager::prediction_and_target;
use crate::reduction::Reduction;
use crate::rows::{self, Rows, RowsMut, combine, largest, update};

const NAME: &str = "soft_target_cross_entropy";
const OWNER: &str = "SoftTargetCrossEntropy";

/// The cross-entropy of a distribution over C classes, from logits, as `torch.nn.CrossEntropyLoss` with probabilities
/// for targets: of mixed samples, of a teacher, of several annotators.
///
/// With ŷᵢ = softmax(zᵢ): lᵢ = −Σⱼ wⱼt′ᵢⱼ ln ŷᵢⱼ, where t′ = (1 − ε)t + ε/C for [label
/// smoothing](Self::label_smoothing) ε.
///
/// - Inputs: logits z and targets t of one shape `[m, C]` or `[m, C, d…]`, no axis 0 long; every t in \[0, 1\]. Where t′
///   is 0, a logit of −∞ costs nothing (PyTorch: NaN).
/// - Output: the mean over the m (times d…) places, whatever the weights; the sum; or lᵢ in the shape `[m, d…]`.
/// - Gradients: ∂lᵢ/∂zᵢⱼ = ŷᵢⱼ·Σₖwₖt′ᵢₖ − wⱼt′ᵢⱼ and ∂lᵢ/∂tᵢⱼ = −(1 − ε)wⱼ ln ŷᵢⱼ.
/// - [`class_weights`](Self::class_weights) w: in \[0, ∞), 1 by default; ε: in \[0, 1\], 0 by default.
///
/// ```
/// use ndarray::array;
/// use nn_loss::SoftTargetCrossEntropy;
///
/// let (z, t) = (array![[0.0, 3f64.ln()]], array![[0.5, 0.5]]);
/// let (cost, dz) = SoftTargetCrossEntropy::new().loss_and_gradient(&z, &t).unwrap();
/// assert!((cost - 0.5 * (4f64.ln() + (4f64 / 3.0).ln())).abs() < 1e-15);
/// assert!((dz - array![[-0.25, 0.25]]).iter().all(|d| d.abs() < 1e-15));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoftTargetCrossEntropy {
    /// How the losses of the cases are combined; the mean by default.
    pub reduction: Reduction,
    class_weights: Option<Arc<ArrayD<f64>>>,
    label_smoothing: f64,
}

prediction_and_target!(SoftTargetCrossEntropy);

impl SoftTargetCrossEntropy {
    /// The mean over the cases.
    pub fn new() -> Self {
        Self::default()
    }

    /// One weight for each class.
    ///
    /// # Errors
    /// When a weight is not in \[0, ∞).
    pub fn class_weights(self, weights: &[f64]) -> Result<Self, RangeError> {
        let weights = ArrayD::from_shape_fn(IxDyn(&[weights.len()]), |c| weights[c[0]]);
        let class_weights = Some(check::weights(OWNER, "class_weights", weights)?);
        Ok(SoftTargetCrossEntropy { class_weights, ..self })
    }

    /// The share of the target that is spread evenly over all classes.
    ///
    /// # Errors
    /// When `smoothing` is not in \[0, 1\].
    pub fn label_smoothing(self, smoothing: f64) -> Result<Self, RangeError> {
        let inside = (0.0..=1.0).contains(&smoothing);
        check_range(OWNER, "label_smoothing", smoothing, "[0, 1]", inside)?;
        Ok(SoftTargetCrossEntropy { label_smoothing: smoothing, ..self })
    }

    fn weights(&self) -> Option<&[f64]> {
        self.class_weights.as_ref().and_then(|weights| weights.as_slice())
    }

    /// Multiplies by wⱼ.
    fn weigh<F: Real>(&self, row: &mut [F]) {
        if let Some(weights) = self.weights() {
            row.iter_mut().zip(weights).for_each(|(x, &w)| *x *= F::from_f64(w));
        }
    }

    /// Turns targets t into wⱼt′ⱼ.
    fn smooth<F: Real>(&self, row: &mut [F]) {
        if self.label_smoothing > 0.0 {
            let (kept, added) = (1.0 - self.label_smoothing, self.label_smoothing / row.len() as f64);
            let (kept, added) = (F::from_f64(kept), F::from_f64(added));
            update(
                row,
                #[inline(always)]
                |t| t * kept + added,
            );
        }
        self.weigh(row);
    }
}

/// Subtracts one number from all.
fn shift<F: Real>(row: &mut [F], by: F) {
    update(
        row,
        #[inline(always)]
        |z| z - by,
    );
}

impl<F: Real> Op<F> for SoftTargetCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let places = classes::check_shapes(NAME, inputs, true)?;
        check::one_per_class(NAME, self.weights(), inputs[0])?;
        let (rows, scratch) = (places.iter().product::<usize>(), 3 * inputs[0][1]);
        let outline = Outline::new(self.reduction.shape(&places), 2).reads_inputs(&[0, 1]);
        Ok(outline.saved(2 * rows).scratch(scratch))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        check::probabilities(NAME, 1, &inputs[1])
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves max z and ln Σe^(z − max z) of each row.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        assert_eq!(inputs[0].shape(), inputs[1].shape(), "{NAME}: one probability for each logit");
        let width = inputs[0].shape()[1];
        let (z, rest) = memory.scratch.split_at_mut(width);
        let (t, e) = rest.split_at_mut(width);
        let (mut total, mut each) = (0.0, output.iter_mut());
        let rows = Rows::of(&inputs[0], 1).zip(Rows::of(&inputs[1], 1));
        for ((logits, targets), saved) in rows.zip(memory.saved.chunks_exact_mut(2)) {
            rows::copy(logits, z);
            rows::copy(targets, t);
            self.smooth(t);
            let max = largest(z);
            shift(z, max);
            rows::map(z, e, F::exp_nonpositive);
            let log = sum(e).ln();
            saved.copy_from_slice(&[max, log]);
            // No target, no cost: 0·(−∞) is NaN.
            combine(
                z,
                t,
                #[inline(always)]
                |z, t| if t == F::zero() { F::zero() } else { z },
            );
            let loss = sum(t) * log - dot(t, z);
            match each.next() {
                Some(output) if self.reduction == Reduction::None => *output = loss,
                _ => total += loss.to_f64(),
            }
        }
        if self.reduction != Reduction::None {
            output.fill(self.reduction.finish(total, (inputs[0].len() / width) as f64));
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
        let (logits, targets) = (io.input(0), io.input(1));
        let width = logits.shape()[1];
        let factor = self.reduction.weight((logits.len() / width) as f64);
        let scratch = &mut memory.scratch[..2 * width];
        let (z, t) = scratch.split_at_mut(width);
        if let Some((mut target, accumulate)) = d_inputs[0].target() {
            let rows = Rows::of(&logits, 1).zip(Rows::of(&targets, 1)).zip(memory.saved.chunks_exact(2));
            let written = RowsMut::of(&mut target, 1).zip(rows::scales(&d_output, factor));
            for (((from, probabilities), saved), (row, scale)) in rows.zip(written) {
                rows::copy(from, z);
                rows::copy(probabilities, t);
                self.smooth(t);
                let (max, log, all) = (saved[0], saved[1], sum(t));
                combine(
                    z,
                    t,
                    #[inline(always)]
                    |z, t| ((z - max) - log).exp() * all - t,
                );
                rows::write(row, z, scale, accumulate);
            }
        }
        if let Some((mut target, accumulate)) = d_inputs[1].target() {
            let factor = factor * F::from_f64(1.0 - self.label_smoothing);
            let rows = Rows::of(&logits, 1).zip(memory.saved.chunks_exact(2));
            let written = RowsMut::of(&mut target, 1).zip(rows::scales(&d_output, factor));
            for ((from, saved), (row, scale)) in rows.zip(written) {
                rows::copy(from, z);
                let (max, log) = (saved[0], saved[1]);
                update(
                    z,
                    #[inline(always)]
                    |z| log - (z - max),
                );
                self.weigh(z);
                rows::write(row, z, scale, accumulate);
            }
        }
    }
}
