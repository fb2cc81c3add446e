//! Dropout of whole groups: channels, and samples of a residual branch.

use ndarray::{Array, ArrayRef, Dimension};
use nn_core::{
    Grad, Io, Memory, Mode, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range,
};

use crate::mask::{Leading, Mask, Rate, by_group, one_input};
use crate::stretches::{self, copy, map_grad};

/// A channel of a sample: one place on the first two axes.
pub(crate) const CHANNEL: Leading = Leading(2);
/// A sample: one place on the first axis.
const SAMPLE: Leading = Leading(1);

/// What the input of an operation on channels must look like.
pub(crate) const CHANNELS: &str = "[samples, channels, …]";
/// What the input of an operation on samples must look like.
const SAMPLES: &str = "[samples, …]";

/// Spatial dropout: in training, whole channels are dropped with probability r, and the others grow by 1/(1 − r).
///
/// y\[n, c, …\] = x\[n, c, …\]·m\[n, c\]/(1 − r). In evaluation y = x. Neighbours in a feature map depend on each other, so
/// that dropping single elements of it takes little away.
///
/// - Input and output: `[samples, channels, …]`: `Dropout1d` of PyTorch for one more axis, `Dropout2d` for two,
///   `Dropout3d` for three. A single sample needs a first axis of length 1.
/// - `rate` r in \[0, 1\], as for [`Dropout`](crate::Dropout), with the same resolution and the same treatment of NaN.
///
/// ```
/// use ndarray::Array3;
/// use nn_core::Step;
/// use nn_regularize::SpatialDropout;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let y = SpatialDropout::new(0.5)?.apply(&Step::default(), &Array3::<f32>::ones((8, 16, 10)));
/// assert!(y.rows().into_iter().all(|channel| channel.iter().all(|&y| y == channel[0])));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Tompson, Goroshin, Jain, LeCun and Bregler 2015, "Efficient object localization using convolutional networks",
/// section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpatialDropout {
    rate: Rate,
}

impl SpatialDropout {
    /// Drops channels with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn new(rate: f64) -> Result<Self, RangeError> {
        Ok(SpatialDropout { rate: Rate::new("SpatialDropout", "rate", rate)? })
    }

    /// The probability with which a channel is dropped, a multiple of 2⁻¹⁶.
    pub fn rate(&self) -> f64 {
        self.rate.drop()
    }

    /// The output for a plain array.
    ///
    /// # Panics
    /// When it has fewer than two axes.
    #[track_caller]
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, x: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, x)
    }

    /// The gradient with respect to the input, from that with respect to the output of [`apply`](Self::apply) at the
    /// same step.
    ///
    /// # Panics
    /// When it has fewer than two axes.
    #[track_caller]
    pub fn gradient<F: Real, D: Dimension>(&self, step: &Step, d_output: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::gradient(self, step, d_output)
    }
}

/// Stochastic depth: in training, the residual branch is left out for a sample with probability r, else it grows by
/// 1/(1 − r).
///
/// The block computes x + y with y\[n, …\] = branch(x)\[n, …\]·m\[n\]/(1 − r). In evaluation y = branch(x).
///
/// - Input and output: the output of the branch, `[samples, …]`.
/// - `rate` r in \[0, 1\], as for [`Dropout`](crate::Dropout), with the same resolution and the same treatment of NaN;
///   [`linear`](Self::linear) has it grow with the depth, as the paper does.
///
/// # Source
/// Huang, Sun, Liu, Sedra and Weinberger 2016, "Deep networks with stochastic depth", equations 2 to 5. The paper
/// draws once for the batch and scales in evaluation; here as `torchvision.ops.stochastic_depth` in mode `row`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StochasticDepth {
    rate: Rate,
}

impl StochasticDepth {
    /// Leaves the branch out with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn new(rate: f64) -> Result<Self, RangeError> {
        Ok(StochasticDepth { rate: Rate::new("StochasticDepth", "rate", rate)? })
    }

    /// For block l of L, counted from 1, the rate (l/L)·`last_rate`: equation 4 with `last_rate` = 1 − p_L, in the
    /// paper 0.5.
    ///
    /// # Errors
    /// When `last_rate` is outside \[0, 1\], or the block is not from 1 to L.
    pub fn linear(last_rate: f64, block: usize, blocks: usize) -> Result<Self, RangeError> {
        let owner = "StochasticDepth";
        check_range(owner, "last_rate", last_rate, "[0, 1]", (0.0..=1.0).contains(&last_rate))?;
        check_range(owner, "block", block as f64, "[1, blocks]", (1..=blocks).contains(&block))?;
        Self::new(last_rate * block as f64 / blocks as f64)
    }

    /// The probability with which the branch is left out, a multiple of 2⁻¹⁶.
    pub fn rate(&self) -> f64 {
        self.rate.drop()
    }

    /// The output for a plain array.
    ///
    /// # Panics
    /// When it has no axis.
    #[track_caller]
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, branch: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, branch)
    }

    /// The gradient with respect to the output of the branch, from that with respect to the output of
    /// [`apply`](Self::apply) at the same step.
    ///
    /// # Panics
    /// When it has no axis.
    #[track_caller]
    pub fn gradient<F: Real, D: Dimension>(&self, step: &Step, d_output: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::gradient(self, step, d_output)
    }
}

/// As many elements of working memory as there are groups.
fn outline(
    op: &'static str,
    leading: Leading,
    expected: &str,
    inputs: &[&[usize]],
) -> Result<Outline, ShapeError> {
    let shape = one_input(op, inputs)?;
    Ok(Outline::new(shape, 1).scratch(leading.check(op, expected, shape)?))
}

/// A mask of groups.
#[derive(Clone, Copy)]
struct Groups<'s> {
    rate: Rate,
    leading: Leading,
    step: &'s Step,
    name: &'s str,
}

impl Groups<'_> {
    /// `target` becomes, or grows by, the groups of `x` that are kept, scaled; all of them in evaluation.
    fn pass<F: Real>(self, x: &View<'_, F>, target: &mut Grad<'_, F>, keep: &mut [F]) {
        if self.step.mode == Mode::Eval || x.is_empty() {
            return copy(x, target);
        }
        let (groups, inner) = self.leading.groups(x.shape());
        let keep = &mut keep[..groups];
        Mask::new(&self.step.rng(self.name), self.rate).fill(keep);
        let scale = self.rate.scale::<F>();
        let keep = &*keep;
        map_grad(
            x,
            target,
            #[inline(always)]
            |first, x, y| {
                by_group(
                    first,
                    inner,
                    keep,
                    x,
                    y,
                    #[inline(always)]
                    move |x, kept| if kept { x * scale } else { F::zero() },
                );
            },
        );
    }
}

impl<F: Real> Op<F> for SpatialDropout {
    fn name(&self) -> &'static str {
        "spatial_dropout"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        outline("spatial_dropout", CHANNEL, CHANNELS, inputs)
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let groups = Groups { rate: self.rate, leading: CHANNEL, step, name: "spatial_dropout" };
        groups.pass(&inputs[0], &mut Grad::Overwrite(output), memory.scratch);
    }

    fn backward(
        &self,
        step: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let groups = Groups { rate: self.rate, leading: CHANNEL, step, name: "spatial_dropout" };
        groups.pass(&d_output, &mut d_inputs[0], memory.scratch);
    }
}

impl<F: Real> Op<F> for StochasticDepth {
    fn name(&self) -> &'static str {
        "stochastic_depth"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        outline("stochastic_depth", SAMPLE, SAMPLES, inputs)
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let groups = Groups { rate: self.rate, leading: SAMPLE, step, name: "stochastic_depth" };
        groups.pass(&inputs[0], &mut Grad::Overwrite(output), memory.scratch);
    }

    fn backward(
        &self,
        step: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let groups = Groups { rate: self.rate, leading: SAMPLE, step, name: "stochastic_depth" };
        groups.pass(&d_output, &mut d_inputs[0], memory.scratch);
    }
}
