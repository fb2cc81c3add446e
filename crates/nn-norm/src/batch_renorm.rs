//! Batch renormalisation.

use ndarray::{ArrayRef, ArrayRef1, Dimension, Ix1};
use nn_core::{
    Grad, Io, Memory, Mode, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range,
};

use crate::batch::{Batch, check_batch};
use crate::batch_norm::{eager, train};
use crate::eager::Normalized;
use crate::statistics::{RunningStatistics, Statistics};

const NAME: &str = "batch_renorm";

/// Batch renormalisation: batch norm whose training output is that of the running statistics, within limits.
///
/// In training, y = ((x − µ_B)/σ_B · r + d)·γ + β with σ_B = √(σ²_B + ε), and with the running mean µ and σ = √(running
/// variance + ε)
///
/// r = σ_B/σ, limited to \[1/r_max, r_max\], and d = (µ_B − µ)/σ, limited to \[−d_max, d_max\];
///
/// both are constants to the backward pass. Where neither limit is reached, y = (x − µ)/σ·γ + β. With r_max = 1 and
/// d_max = 0 it is [`BatchNorm`](crate::BatchNorm), as it is in evaluation. For small or unbalanced batches.
///
/// - Inputs, output and the last three "gradients": as of [`BatchNorm`](crate::BatchNorm).
/// - Gradients in training: dx = γr/σ_B·(dy − mean(dy) − x̂·mean(dy·x̂)), dγ = Σ dy·(x̂r + d), dβ = Σ dy.
/// - `r_max`: 3 by default, in [1, ∞). `d_max`: 5 by default, in [0, ∞). The paper begins with 1 and 0, as batch norm,
///   and relaxes them to these values over some thousand steps, when the running statistics have become useful.
/// - `epsilon`: ε; 1e-5 by default, in [0, ∞).
/// - `statistics`: as of [`BatchNorm`](crate::BatchNorm).
///
/// The paper averages σ; here, as in batch norm, its square is averaged (the unbiased variance), so that a network may
/// pass from one to the other with its statistics. Batches of one value per channel, empty batches, NaN and infinities:
/// as [`BatchNorm`](crate::BatchNorm).
///
/// ```
/// use ndarray::array;
/// use nn_norm::{BatchRenorm, RunningStatistics, Statistics};
///
/// let norm = BatchRenorm::new().epsilon(0.0).unwrap();
/// let (x, scale, shift) = (array![[3.0], [5.0]], array![1.0], array![0.0]);
/// let mut running = RunningStatistics::resume(Statistics::Average, array![1.0], array![4.0], 10.0).unwrap();
/// let y = norm.train(&x, &scale, &shift, &mut running).unwrap();
/// assert_eq!(y.output, array![[1.0], [2.0]]); // (x − 1)/2
/// ```
///
/// # Source
/// Ioffe 2017, "Batch renormalization: towards reducing minibatch dependence in batch-normalized models", algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchRenorm {
    batch: Batch,
}

impl Default for BatchRenorm {
    fn default() -> Self {
        BatchRenorm { batch: Batch::new(NAME, Some([3.0, 5.0])) }
    }
}

impl BatchRenorm {
    /// With r_max = 3 and d_max = 5.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other limits.
    ///
    /// # Errors
    /// When `r_max` is below 1 or `d_max` below 0, or either is infinite or NaN.
    pub fn limits(self, r_max: f64, d_max: f64) -> Result<Self, RangeError> {
        check_range("BatchRenorm", "r_max", r_max, "[1, ∞)", r_max >= 1.0 && r_max.is_finite())?;
        check_range("BatchRenorm", "d_max", d_max, "[0, ∞)", d_max >= 0.0 && d_max.is_finite())?;
        Ok(BatchRenorm { batch: Batch { limits: Some([r_max, d_max]), ..self.batch } })
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is negative, infinite or NaN.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        Ok(BatchRenorm { batch: self.batch.epsilon("BatchRenorm", epsilon)? })
    }

    /// With other statistics for inference.
    ///
    /// # Errors
    /// When the momentum is out of range.
    pub fn statistics(self, statistics: Statistics) -> Result<Self, RangeError> {
        Ok(BatchRenorm { batch: self.batch.statistics(statistics)? })
    }

    /// The largest r and the largest d.
    pub fn get_limits(&self) -> [f64; 2] {
        self.batch.limits.unwrap_or([1.0, 0.0])
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

    /// Normalises a plain array in training, and takes its statistics into the running ones.
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

impl<F: Real> Op<F> for BatchRenorm {
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
