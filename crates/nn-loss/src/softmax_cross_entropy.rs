//! Cross-entropy of C classes, fused with softmax.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewMut1, IxDyn};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut, check_range,
};
use nn_ops::simd::dispatch;
use nn_ops::sum;

use crate::check;
use crate::classes::{self, class_of, is_ignored};
use crate::eager::prediction_and_target;
use crate::reduction::{Reduction, write_losses};
use crate::rows::{self, BLOCK, LANES, Rows, RowsMut, largest, update};

const NAME: &str = "softmax_cross_entropy";
const OWNER: &str = "SoftmaxCrossEntropy";
/// Elements of short rows that are worked on together, so that `exp` runs over long stretches.
const GROUP: usize = 1024;
/// From here on a row is not short: each is read, taken to the power and summed up by itself.
const LONG: usize = 256;
/// Rows that are worked on together, so that `ln` runs over long stretches.
const ROWS: usize = 64;

/// The cross-entropy of one class out of C, from logits, as `torch.nn.CrossEntropyLoss`.
///
/// With ŷᵢ = softmax(zᵢ) and class tᵢ of case i, lᵢ = −ln ŷᵢ,ₜᵢ = ln Σⱼ e^(zᵢⱼ − max zᵢ) − (zᵢ,ₜᵢ − max zᵢ), which
/// neither overflows nor takes the logarithm of 0. With weights w of the classes and [label
/// smoothing](Self::label_smoothing) ε, lᵢ = −(1 − ε)·w_tᵢ ln ŷᵢ,ₜᵢ − ε/C·Σⱼ wⱼ ln ŷᵢⱼ.
///
/// - Inputs: logits z of shape `[m, C]`, and the classes t of shape `[m]`: whole numbers from 0 to C − 1, stored as the
///   scalar type; or `[m, C, d…]` and `[m, d…]`, a class for each place. No axis may be 0 long.
/// - Output: the mean Σlᵢ/Σw_tᵢ, which without weights is that over all places; the sum; or lᵢ in the shape of the
///   classes.
/// - Gradients: ∂lᵢ/∂zᵢ = ŷᵢ − yᵢ, where yᵢ is 1 at class tᵢ and 0 elsewhere (with weights and smoothing
///   aᵢŷᵢⱼ − (1 − ε)w_tᵢyᵢⱼ − ε/C·wⱼ, where aᵢ = (1 − ε)w_tᵢ + ε/C·Σⱼwⱼ); 0 for the classes.
/// - [`class_weights`](Self::class_weights): in \[0, ∞), 1 by default; ε: in \[0, 1\], 0 by default;
///   [`ignore_index`](Self::ignore_index): none by default (PyTorch: −100).
///
/// A place whose target is the ignored one costs nothing, does not count in the mean, and has the gradient 0. The mean
/// over a batch in which **all** are ignored, or have the weight 0, is 0 with the gradient 0 (PyTorch: NaN). A class
/// without samples in the batch changes nothing.
///
/// The forward pass leaves the numerators of ŷ behind, so that the backward pass is one scaled copy. Without
/// [`check`](Op::check), a class out of range makes `forward` panic. Smoothing: Szegedy et al. (2016), section 7.
///
/// ```
/// use ndarray::array;
/// use nn_loss::SoftmaxCrossEntropy;
///
/// let logits = array![[0.0, 3f64.ln()], [-5e3, 5e3]];
/// let (cost, dz) = SoftmaxCrossEntropy::new().loss_and_gradient(&logits, &array![0.0, 1.0]).unwrap();
/// assert!((cost - 4f64.ln() / 2.0).abs() < 1e-15);
/// assert!((dz - array![[-0.375, 0.375], [0.0, 0.0]]).iter().all(|d| d.abs() < 1e-15));
///
/// let error = SoftmaxCrossEntropy::new().loss(&logits, &array![0.0, 2.0]).unwrap_err();
/// assert_eq!(error.to_string(), "softmax_cross_entropy: input 1 holds 2 at [1], expected a class from 0 to 1");
///
/// let weighted = SoftmaxCrossEntropy::new().class_weights(&[1.0, 3.0])?.ignore_index(-1);
/// let cost = weighted.loss(&array![[0.0, 3f64.ln()], [0.0, 0.0], [9.0, 9.0]], &array![0.0, 1.0, -1.0]).unwrap();
/// assert!((cost[[]] - (4f64.ln() + 3.0 * 2f64.ln()) / (1.0 + 3.0)).abs() < 1e-15);
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoftmaxCrossEntropy {
    /// How the losses of the cases are combined; the mean by default.
    pub reduction: Reduction,
    class_weights: Option<Arc<ArrayD<f64>>>,
    ignore_index: Option<i64>,
    label_smoothing: f64,
}

prediction_and_target!(SoftmaxCrossEntropy);

impl SoftmaxCrossEntropy {
    /// The mean over the cases.
    pub fn new() -> Self {
        Self::default()
    }

    /// One weight for each class; the mean divides by the sum of the weights of the targets.
    ///
    /// # Errors
    /// When a weight is not in \[0, ∞).
    pub fn class_weights(self, weights: &[f64]) -> Result<Self, RangeError> {
        let weights = ArrayD::from_shape_fn(IxDyn(&[weights.len()]), |c| weights[c[0]]);
        let class_weights = Some(check::weights(OWNER, "class_weights", weights)?);
        Ok(SoftmaxCrossEntropy { class_weights, ..self })
    }

    /// The target that stands for no class: such cases are left out.
    #[must_use]
    pub fn ignore_index(self, target: i64) -> Self {
        SoftmaxCrossEntropy { ignore_index: Some(target), ..self }
    }

    /// The share of the target that is spread evenly over all classes.
    ///
    /// # Errors
    /// When `smoothing` is not in \[0, 1\].
    pub fn label_smoothing(self, smoothing: f64) -> Result<Self, RangeError> {
        let inside = (0.0..=1.0).contains(&smoothing);
        check_range(OWNER, "label_smoothing", smoothing, "[0, 1]", inside)?;
        Ok(SoftmaxCrossEntropy { label_smoothing: smoothing, ..self })
    }

    fn weights(&self) -> Option<&[f64]> {
        self.class_weights.as_ref().and_then(|weights| weights.as_slice())
    }

    /// w_t.
    fn weight(&self, class: usize) -> f64 {
        self.weights().map_or(1.0, |weights| weights[class])
    }

    /// ε/C·Σw.
    fn rest(&self, classes: usize) -> f64 {
        match self.weights() {
            Some(weights) if self.label_smoothing > 0.0 => {
                self.label_smoothing * (weights.iter().sum::<f64>() / classes as f64)
            }
            _ => self.label_smoothing,
        }
    }

    /// (1 − ε)w_t.
    fn share(&self, class: usize) -> f64 {
        (1.0 - self.label_smoothing) * self.weight(class)
    }

    /// ε/C·Σwⱼ(zⱼ − max).
    fn smoothed<F: Real>(&self, z: &[F], max: F) -> f64 {
        let total = match self.weights() {
            None => rows::sum_with(
                z,
                z,
                #[inline(always)]
                |z, _| z - max,
            ),
            Some(weights) => rows::sum_with(
                z,
                weights,
                #[inline(always)]
                |z, w| (z - max) * F::from_f64(w),
            ),
        };
        self.label_smoothing * total / z.len() as f64
    }

    /// What the mean divides by.
    fn divisor<F: Real>(&self, targets: &View<'_, F>, classes: usize) -> f64 {
        if self.class_weights.is_none() && self.ignore_index.is_none() {
            return targets.len() as f64;
        }
        let counted = targets.iter().filter(|&&t| !is_ignored(t, self.ignore_index));
        counted.map(|&t| self.weight(class_of(NAME, t, classes))).sum()
    }

    /// The class of a target; `None` where it is the ignored one.
    fn class<F: Real>(&self, target: F, classes: usize) -> Option<usize> {
        (!is_ignored(target, self.ignore_index)).then(|| class_of(NAME, target, classes))
    }

    /// (1 − ε)w_t(z_t − max) + ε/C·Σwⱼ(zⱼ − max).
    fn offset<F: Real>(&self, z: &[F], max: F, class: usize) -> F {
        let offset = F::from_f64(self.share(class)) * (z[class] - max);
        if self.label_smoothing > 0.0 { offset + F::from_f64(self.smoothed(z, max)) } else { offset }
    }

    /// Writes the numerators of the softmax of rows of logits, and 1/Σ and the loss of each.
    fn rows<'a, F: Real>(
        &self,
        logits: &mut Rows<'a, F>,
        targets: &[F],
        block: &mut [F],
        [scales, losses, scratch]: [&mut [F]; 3],
    ) {
        let width = block.len() / targets.len();
        let rest = self.rest(width);
        let (mut offsets, mut classes) = ([F::zero(); ROWS], [None; ROWS]);
        for (class, &target) in classes.iter_mut().zip(targets) {
            *class = self.class(target, width);
        }
        let places = offsets.iter_mut().zip(&classes);
        if width >= LONG {
            let rows = block.chunks_exact_mut(width).zip(logits).zip(&mut *losses);
            for (((e, from), loss), (offset, class)) in rows.zip(places) {
                let z = match from.to_slice() {
                    Some(z) => z,
                    None => {
                        rows::copy(from, scratch);
                        &*scratch
                    }
                };
                let max = largest(z);
                *offset = class.map_or(F::zero(), |class| self.offset(z, max, class));
                *loss = exponentials(z, e, max);
            }
        } else {
            logits.subtract_largest(block, width);
            for (z, (offset, class)) in block.chunks_exact(width).zip(places) {
                *offset = class.map_or(F::zero(), |class| self.offset(z, F::zero(), class));
            }
            update(block, F::exp_nonpositive);
            rows::sums(block, losses);
        }
        for (scale, &total) in scales.iter_mut().zip(&*losses) {
            *scale = F::one() / total;
        }
        update(losses, F::ln);
        for (loss, (class, offset)) in losses.iter_mut().zip(classes.iter().zip(offsets)) {
            *loss = class.map_or(F::zero(), |class| F::from_f64(self.share(class) + rest) * *loss - offset);
        }
    }

    /// Writes the gradient of one row from its numerators, 1/Σ, the gradient d of its loss, and ε/C·Σw.
    fn row_backward<F: Real>(
        &self,
        mut row: ArrayViewMut1<'_, F>,
        target: F,
        e: &[F],
        [scale, d]: [F; 2],
        rest: f64,
        accumulate: bool,
    ) {
        let Some(class) = self.class(target, e.len()) else {
            if !accumulate {
                row.fill(F::zero());
            }
            return;
        };
        let share = self.share(class);
        let (scale, before) = (scale * (F::from_f64(share + rest) * d), row[class]);
        rows::write(row.view_mut(), e, scale, accumulate);
        let right = e[class] * scale - F::from_f64(share) * d;
        row[class] = if accumulate { before + right } else { right };
        if self.label_smoothing > 0.0 {
            let each = F::from_f64(self.label_smoothing / e.len() as f64) * d;
            rows::subtract(row, each, self.weights());
        }
    }
}

/// Writes e^(z − max); returns the sum, in an order that depends on the length alone.
fn exponentials<F: Real>(z: &[F], e: &mut [F], max: F) -> F {
    let blocks = z.chunks(BLOCK).zip(e.chunks_mut(BLOCK));
    F::from_f64(blocks.map(|(z, e)| sum(&partial_sums(z, e, max)).to_f64()).sum())
}

/// As [`exponentials`], in one pass, with as many sums as vectorise well.
fn partial_sums<F: Real>(z: &[F], e: &mut [F], max: F) -> [F; LANES] {
    dispatch(
        #[inline(always)]
        move || {
            let mut sums = [F::zero(); LANES];
            let ((z, z_rest), (e, e_rest)) = (z.as_chunks::<LANES>(), e.as_chunks_mut::<LANES>());
            for (z, e) in z.iter().zip(e) {
                for lane in 0..LANES {
                    e[lane] = (z[lane] - max).exp_nonpositive();
                    sums[lane] += e[lane];
                }
            }
            // An array of its own, so that `sums`, whose indices are all constant, stays in registers.
            let mut last = [F::zero(); LANES];
            for (last, &z) in last.iter_mut().zip(z_rest) {
                *last = (z - max).exp_nonpositive();
            }
            for (e, &last) in e_rest.iter_mut().zip(&last) {
                *e = last;
            }
            std::array::from_fn(|lane| sums[lane] + last[lane])
        },
    )
}

impl<F: Real> Op<F> for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let places = classes::check_shapes(NAME, inputs, false)?;
        check::one_per_class(NAME, self.weights(), inputs[0])?;
        let count: usize = places.iter().product();
        let saved = count * (inputs[0][1] + 1);
        Ok(Outline::new(self.reduction.shape(&places), 2)
            .saved(saved)
            .scratch(inputs[0][1])
            .reads_inputs(&[1]))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        classes::check_classes(NAME, inputs, self.ignore_index)
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves e^(z − max z) of each row, and after them 1/Σe^(z − max z).
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let (width, count) = (inputs[0].shape()[1], inputs[1].len());
        assert_eq!(count * width, inputs[0].len(), "{NAME}: one class for each row of logits");
        assert_eq!(self.reduction.shape(inputs[1].shape()), output.shape(), "{NAME}: shape of the output");
        let group = if width < LONG { (GROUP / width).min(ROWS) } else { ROWS };
        let mut losses = [F::zero(); ROWS];
        let mut group_targets = [F::zero(); ROWS];
        let (mut total, mut each) = (0.0, output.iter_mut());
        let (mut logits, mut targets) = (Rows::of(&inputs[0], 1), inputs[1].iter());
        let scratch = &mut memory.scratch[..width];
        let (numerators, scales) = memory.saved.split_at_mut(count * width);
        for (block, scales) in numerators.chunks_mut(group * width).zip(scales.chunks_mut(group)) {
            let losses = &mut losses[..scales.len()];
            let group_targets = &mut group_targets[..scales.len()];
            group_targets.iter_mut().zip(&mut targets).for_each(|(to, &t)| *to = t);
            self.rows(&mut logits, group_targets, block, [scales, losses, &mut *scratch]);
            if self.reduction == Reduction::None {
                write_losses(losses, &mut each);
            } else {
                total += sum(losses).to_f64();
            }
        }
        if self.reduction != Reduction::None {
            output.fill(self.reduction.finish(total, self.divisor(&inputs[1], width)));
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
        classes::no_gradient(&mut d_inputs[1..]);
        let Some((mut target, accumulate)) = d_inputs[0].target() else { return };
        let (classes, width) = (io.input(1), target.shape()[1]);
        let factor = self.reduction.weight(self.divisor(&classes, width));
        let (numerators, scales) = memory.saved.split_at(classes.len() * width);
        let (saved, rest) = (numerators.chunks_exact(width).zip(scales), self.rest(width));
        let places = classes.iter().zip(rows::scales(&d_output, factor));
        for ((row, (e, &scale)), (&class, d)) in RowsMut::of(&mut target, 1).zip(saved).zip(places) {
            self.row_backward(row, class, e, [scale, d], rest, accumulate);
        }
    }
}
