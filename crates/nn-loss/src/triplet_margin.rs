//! The triplet loss.

use ndarray::{Array, ArrayD, ArrayRef, Dimension};
use nn_core::{
    EvaluateError, Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut,
    check_range,
};
use nn_ops::sum_squares;

use crate::reduction::Reduction;
use crate::rows::{self, Rows, RowsMut, combine, copy, update};
use crate::{check, eager, vectors};

const NAME: &str = "triplet_margin";
const OWNER: &str = "TripletMargin";
/// Added to each difference, as in PyTorch.
const EPSILON: f64 = 1e-6;

/// The triplet loss, as `torch.nn.TripletMarginLoss`: an anchor should be nearer to the positive than to the negative.
///
/// l = max(0, margin + d(a, p) − d(a, n)), where d(x, y) = ‖x − y + 1e-6‖ₚ; with [`swap`](Self::swap), d(a, n) becomes the
/// smaller of d(a, n) and d(p, n).
///
/// - Inputs: anchors a, positives p and negatives n of one shape `[…, d]`, which must not be empty.
/// - Output: the mean over the triplets, the sum, or l in the shape `[…]`.
/// - Gradients: with respect to all three; 0 where margin + d(a, p) ≤ d(a, n), and that of a distance which is 0. Where
///   both distances of a swap are equal, each takes one half.
/// - [`margin`](Self::margin): in (0, ∞), 1 by default; [`norm`](Self::norm) p: in \[1, ∞), 2 by default.
///
/// Source: Balntas et al. (2016), Learning shallow convolutional feature descriptors with triplet losses, section 3
/// (the swap: section 3.3).
///
/// ```
/// use ndarray::array;
/// use nn_loss::TripletMargin;
///
/// let (a, p, n) = (array![[0.0, 0.0]], array![[3.0, 4.0]], array![[0.0, 5.5]]);
/// let cost: f64 = TripletMargin::new().loss(&a, &p, &n).unwrap()[[]];
/// assert!((cost - (1.0 + 5.0 - 5.5)).abs() < 1e-5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletMargin {
    margin: f64,
    norm: f64,
    swap: bool,
    /// How the losses of the triplets are combined; the mean by default.
    pub reduction: Reduction,
}

impl Default for TripletMargin {
    /// Margin 1, p = 2, no swap.
    fn default() -> Self {
        TripletMargin { margin: 1.0, norm: 2.0, swap: false, reduction: Reduction::Mean }
    }
}

impl TripletMargin {
    /// Margin 1, p = 2, no swap.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another margin.
    ///
    /// # Errors
    /// When it is not in (0, ∞).
    pub fn margin(self, margin: f64) -> Result<Self, RangeError> {
        check::positive(OWNER, "margin", margin)?;
        Ok(TripletMargin { margin, ..self })
    }

    /// With the p-norm of another p.
    ///
    /// # Errors
    /// When p is not in \[1, ∞).
    pub fn norm(self, p: f64) -> Result<Self, RangeError> {
        check_range(OWNER, "norm", p, "[1, inf)", p >= 1.0 && p.is_finite())?;
        Ok(TripletMargin { norm: p, ..self })
    }

    /// Takes the negative's distance from the positive where that is smaller than from the anchor.
    #[must_use]
    pub fn swap(self) -> Self {
        TripletMargin { swap: true, ..self }
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        TripletMargin { reduction, ..self }
    }

    /// The loss on plain arrays: a scalar, or an array for [`Reduction::None`].
    ///
    /// # Errors
    /// When the shapes differ or are empty.
    pub fn loss<F: Real, D: Dimension>(
        &self,
        anchor: &ArrayRef<F, D>,
        positive: &ArrayRef<F, D>,
        negative: &ArrayRef<F, D>,
    ) -> Result<ArrayD<F>, EvaluateError> {
        eager::loss(self, &[anchor, positive, negative].map(|x| x.view().into_dyn()))
    }

    /// The loss on plain arrays and its gradients with respect to anchor, positive and negative.
    ///
    /// With [`Reduction::None`] all are those of the sum.
    ///
    /// # Errors
    /// When the shapes differ or are empty.
    pub fn loss_and_gradients<F: Real, D: Dimension>(
        &self,
        anchor: &ArrayRef<F, D>,
        positive: &ArrayRef<F, D>,
        negative: &ArrayRef<F, D>,
    ) -> Result<(F, [Array<F, D>; 3]), EvaluateError> {
        let inputs = [anchor, positive, negative].map(|x| x.view().into_dyn());
        let (cost, gradients) = eager::loss_and_gradients(self, &inputs)?;
        Ok((cost, eager::shaped(gradients)))
    }

    /// The distance, and in the place of x its derivatives by x.
    fn distance<F: Real>(&self, x: &mut [F], y: &[F]) -> F {
        let epsilon = F::from_f64(EPSILON);
        combine(
            x,
            y,
            #[inline(always)]
            |x, y| x - y + epsilon,
        );
        if self.norm == 2.0 {
            let distance = sum_squares(x).sqrt();
            let scale = if distance == F::zero() { distance } else { F::one() / distance };
            update(
                x,
                #[inline(always)]
                |d| d * scale,
            );
            return distance;
        }
        self.general_distance(x)
    }

    /// As [`distance`](Self::distance), of differences and for any p.
    fn general_distance<F: Real>(&self, x: &mut [F]) -> F {
        let p = F::from_f64(self.norm);
        // Scaled by the largest difference, so that no power overflows.
        let largest = x.iter().fold(F::zero(), |m, d| m.max(d.abs()));
        if largest == F::zero() {
            return largest;
        }
        let slopes = |d: F| d.sign() * (d.abs() / largest).powf(p - F::one());
        // |d|ᵖ = |d|·|d|ᵖ⁻¹, and the derivative of the norm is sign(d)·(|d|/norm)ᵖ⁻¹.
        let mut total = 0.0;
        for d in &mut *x {
            let slope = slopes(*d);
            total += (*d / largest * slope).to_f64();
            *d = slope;
        }
        let relative = F::from_f64(total).powf(F::one() / p);
        let scale = F::one() / relative.powf(p - F::one());
        update(
            x,
            #[inline(always)]
            |d| d * scale,
        );
        largest * relative
    }

    /// The loss, from the rows in the first three thirds of `work`; in the last three their distances' derivatives:
    /// d(a, p), d(a, n), d(p, n). Returns also the factors of these in the derivative of the loss.
    fn triplet<F: Real>(&self, work: &mut [F], length: usize) -> (F, [F; 3]) {
        let (inputs, slopes) = work.split_at_mut(3 * length);
        let (zero, one, half) = (F::zero(), F::one(), F::from_f64(0.5));
        let mut distances = [zero; 3];
        for (k, (from, to)) in [(0, 1), (0, 2), (1, 2)].into_iter().enumerate() {
            let slope = &mut slopes[k * length..][..length];
            slope.copy_from_slice(&inputs[from * length..][..length]);
            if k < 2 || self.swap {
                distances[k] = self.distance(slope, &inputs[to * length..][..length]);
            }
        }
        let [near, far, swapped] = distances;
        let (far, shares) = match self.swap {
            true if swapped < far => (swapped, [zero, -one]),
            true if swapped == far => (far, [-half, -half]),
            _ => (far, [-one, zero]),
        };
        let excess = F::from_f64(self.margin) + near - far;
        let active = if excess <= zero { zero } else { one };
        (excess.max(zero), [active, active * shares[0], active * shares[1]])
    }
}

/// Copies the rows of a triplet to the beginning of `work`.
fn load<'a, F: Real>(rows: &mut [Rows<'a, F>; 3], work: &mut [F], length: usize) {
    for (rows, to) in rows.iter_mut().zip(work.chunks_exact_mut(length)) {
        if let Some(row) = rows.next() {
            copy(row, to);
        }
    }
}

impl<F: Real> Op<F> for TripletMargin {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let each = vectors::check_shapes(NAME, inputs, 3, 0)?;
        let scratch = 6 * inputs[0][each.len()];
        Ok(Outline::new(self.reduction.shape(&each), 3).reads_inputs(&[0, 1, 2]).scratch(scratch))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let (axis, (length, count)) = (inputs[0].ndim() - 1, vectors::extents(&inputs[0]));
        let mut rows = [0, 1, 2].map(|i| Rows::of(&inputs[i], axis));
        let (mut total, mut each) = (0.0, output.iter_mut());
        for _ in 0..count {
            load(&mut rows, memory.scratch, length);
            let (loss, _) = self.triplet(memory.scratch, length);
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
        let inputs = [io.input(0), io.input(1), io.input(2)];
        let (axis, (length, count)) = (inputs[0].ndim() - 1, vectors::extents(&inputs[0]));
        let factor = self.reduction.weight(count as f64);
        let mut rows = [0, 1, 2].map(|i| Rows::of(&inputs[i], axis));
        let [a, p, n] = d_inputs else { panic!("{NAME}: {} gradients of 3 inputs", d_inputs.len()) };
        let mut targets = [a, p, n].map(Grad::target);
        let mut written = targets.each_mut().map(|target| {
            target.as_mut().map(|(target, accumulate)| (RowsMut::of(target, axis), *accumulate))
        });
        // Which distances each input stands in, first or second.
        let (one, zero) = (F::one(), F::zero());
        let signs = [[one, one, zero], [-one, zero, one], [zero, -one, -one]];
        for scale in rows::scales(&d_output, factor).take(count) {
            load(&mut rows, memory.scratch, length);
            let (_, factors) = self.triplet(memory.scratch, length);
            let (gradient, slopes) = memory.scratch.split_at_mut(3 * length);
            let gradient = &mut gradient[..length];
            for (written, signs) in written.iter_mut().zip(signs) {
                let Some((rows, accumulate)) = written else { continue };
                gradient.fill(zero);
                for ((slope, factor), sign) in slopes.chunks_exact(length).zip(factors).zip(signs) {
                    let weight = factor * sign * scale;
                    if weight != zero {
                        combine(
                            gradient,
                            slope,
                            #[inline(always)]
                            |g, s| g + s * weight,
                        );
                    }
                }
                if let Some(row) = rows.next() {
                    rows::write(row, gradient, one, *accumulate);
                }
            }
        }
    }
}
