//! Batch normalisation.

use ndarray::{ArrayRef, ArrayRef1, Dimension, Ix1, arr0};
use nn_core::{Grad, Io, Memory, Mode, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut};

use crate::batch::{Batch, check_batch};
use crate::channels::Channels;
use crate::eager::{Normalized, borrow};
use crate::statistics::{RunningStatistics, Statistics};

pub(crate) const NAME: &str = "batch_norm";

/// Batch normalisation, as `torch.nn.BatchNorm1d` to `3d`.
///
/// y = (x − µ)/√(σ² + ε) · γ + β per channel. In training, µ and σ² are mean and biased variance of the batch: of a
/// feature over N cases for x `[N, C]`, of a feature map over N·H·W values for x `[N, C, H, W]`. In evaluation they are
/// the running statistics.
///
/// - Inputs: x `[N, C, …]`; scale γ, shift β, running mean, running variance `[C]`; the number of batches (or cases)
///   tracked `[]`.
/// - Output: the shape of x.
/// - Gradients in training: dx = γ/√(σ² + ε)·(dy − mean(dy) − x̂·mean(dy·x̂)), dγ = Σ dy·x̂, dβ = Σ dy; in evaluation
///   dx = γ/√(σ² + ε)·dy.
/// - **The last three "gradients"** are, in training, what an update is to *subtract* from the running statistics: old
///   less new value. They are no gradients, and an optimizer applies them at rate 1. In evaluation they are 0.
/// - `epsilon`: ε; 1e-5 by default, in [0, ∞).
/// - `statistics`: how the running statistics follow from the batches, [`Statistics`]; PyTorch's with momentum 0.1 by
///   default.
///
/// In training, the input gradients of a channel sum to zero, and so do they weighted by x̂ (for ε = 0).
///
/// Mean and variance are computed of values less the first of their channel, in blocks of two passes that are merged
/// (Chan), so that a large mean costs no digits in `f32`.
///
/// A batch with **one value per channel** has no variance: [`check_batch`](Self::check_batch), [`train`](Self::train)
/// and PyTorch refuse it. The operation itself, which a graph records before it knows the batch, gives β, an input
/// gradient of 0, and leaves the statistics alone. An empty batch gives an empty output, and gradients of 0. NaN or an
/// infinity makes its own channel NaN, in the running statistics too, and no other.
///
/// See the [crate](crate) for an example.
///
/// # Source
/// Ioffe and Szegedy 2015, "Batch normalization: accelerating deep network training by reducing internal covariate
/// shift", algorithms 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    batch: Batch,
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { batch: Batch::new(NAME, None) }
    }
}

impl BatchNorm {
    /// With ε = 1e-5, and running statistics exponentially weighted with momentum 0.1.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is negative, infinite or NaN.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        Ok(BatchNorm { batch: self.batch.epsilon("BatchNorm", epsilon)? })
    }

    /// With other statistics for inference.
    ///
    /// # Errors
    /// When the momentum is out of range.
    pub fn statistics(self, statistics: Statistics) -> Result<Self, RangeError> {
        Ok(BatchNorm { batch: self.batch.statistics(statistics)? })
    }

    /// ε.
    pub fn get_epsilon(&self) -> f64 {
        self.batch.epsilon
    }

    /// How running statistics are gathered.
    pub fn get_statistics(&self) -> Statistics {
        self.batch.statistics
    }

    /// Refuses a batch of this shape in training when it has fewer than two values per channel.
    ///
    /// # Errors
    /// A [`ShapeError`] that says so.
    pub fn check_batch(shape: &[usize], mode: Mode) -> Result<(), ShapeError> {
        check_batch(NAME, shape, mode)
    }

    /// Fresh running statistics for so many channels, with the policy of this norm.
    pub fn running<F: Real>(&self, channels: usize) -> RunningStatistics<F> {
        self.batch.running(channels)
    }

    /// Normalises a plain array by its own statistics, and takes them into the running ones.
    ///
    /// # Errors
    /// When scale, shift or statistics do not have one element for each channel, or x has fewer than two values per
    /// channel.
    pub fn train<'a, F: Real, D: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
        scale: &'a ArrayRef1<F>,
        shift: &'a ArrayRef1<F>,
        running: &mut RunningStatistics<F>,
    ) -> Result<Normalized<'a, F, D, Ix1, 2>, ShapeError> {
        train(*self, NAME, x, scale, shift, running)
    }

    /// Normalises a plain array by the running statistics.
    ///
    /// # Errors
    /// When scale, shift or statistics do not have one element for each channel.
    pub fn eval<'a, F: Real, D: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
        scale: &'a ArrayRef1<F>,
        shift: &'a ArrayRef1<F>,
        running: &RunningStatistics<F>,
    ) -> Result<Normalized<'a, F, D, Ix1, 2>, ShapeError> {
        eager(*self, Mode::Eval, x, scale, shift, running)
    }
}

/// Runs an operation with the inputs of batch norm on plain arrays.
pub(crate) fn eager<'a, F: Real, D: Dimension>(
    op: impl Op<F> + 'static,
    mode: Mode,
    x: &'a ArrayRef<F, D>,
    scale: &'a ArrayRef1<F>,
    shift: &'a ArrayRef1<F>,
    running: &RunningStatistics<F>,
) -> Result<Normalized<'a, F, D, Ix1, 2>, ShapeError> {
    let (mean, variance) = (running.mean().clone().into_dyn(), running.variance().clone().into_dyn());
    let tracked = arr0(running.tracked()).into_dyn();
    let inputs = vec![borrow(x), borrow(scale), borrow(shift), mean.into(), variance.into(), tracked.into()];
    Normalized::new(op, Step { mode, ..Step::default() }, inputs)
}

/// As [`eager`] in training; takes the statistics of the batch into the running ones.
pub(crate) fn train<'a, F: Real, D: Dimension>(
    op: impl Op<F> + 'static,
    name: &'static str,
    x: &'a ArrayRef<F, D>,
    scale: &'a ArrayRef1<F>,
    shift: &'a ArrayRef1<F>,
    running: &mut RunningStatistics<F>,
) -> Result<Normalized<'a, F, D, Ix1, 2>, ShapeError> {
    let normalized = eager(op, Mode::Train, x, scale, shift, running)?;
    check_batch(name, x.shape(), Mode::Train)?;
    let x = x.as_standard_layout();
    let values = x.as_slice().expect("an array in standard layout is contiguous");
    let (mean, variance) = normalized.saved().split_at(scale.len());
    running.merge(Channels::new(values, x.shape()), mean, variance);
    Ok(normalized)
}

impl<F: Real> Op<F> for BatchNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        self.batch.infer(inputs)
    }

    /// In training, saves of each channel the mean less the first value, and the biased variance.
    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        self.batch.forward(step.mode, inputs, output, memory);
    }

    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        self.batch.backward(step.mode, io, memory, &d_output, d_inputs);
    }
}
