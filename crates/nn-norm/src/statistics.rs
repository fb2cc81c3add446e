//! The statistics that batch norm uses for inference: how they follow from those of the batches.

use ndarray::{Array1, ArrayRef, Dimension};
use nn_core::{ExponentialAverage, RangeError, Real, ShapeError, check_range};

use crate::channels::Channels;

/// How the mean and variance for inference follow from those of the training batches.
///
/// µ_B and σ²_B are mean and (biased) variance of a batch with n values per channel: N cases times all positions. The
/// running mean starts at 0, the running variance at 1.
///
/// | | mean | variance | counts |
/// |---|---|---|---|
/// | `Exponential` | old + m·(µ_B − old) | old + m·(n/(n−1)·σ²_B − old) | batches |
/// | … `bias_corrected` | the same, with m/(1 − (1 − m)ᵗ) for m | likewise | batches |
/// | `Average` | the mean of all µ_B | the mean of all n/(n−1)·σ²_B | batches |
/// | `Pooled` | that of all values of all batches | that of all values, unbiased | cases |
///
/// - `Exponential` is PyTorch's convention. Without bias correction the starting values 0 and 1 fade away as (1 − m)ᵗ.
///   With it, the t-th batch counts as if there had been no starting value: V/(1 − (1 − m)ᵗ) with V₀ = 0. What is stored
///   is that quotient, so that reading it needs no correction.
/// - `Average` is algorithm 2 of the paper, with E\[σ²_B\]·n/(n−1), when the training batches are passed through the
///   trained network with counting begun anew; PyTorch's `momentum=None` and its `update_bn` do the same. It leaves out
///   the variance of the batch means among each other.
/// - `Pooled` is exact: one pass over the training set gives mean and variance of the set as a whole, however it was cut
///   into batches, by Chan's merge. All batches must have the same number of positions per case.
///
/// Both of the latter describe the network as it is now only if its weights do not change during the pass.
///
/// A batch with fewer than two values per channel has no variance; `Exponential` and `Average` pass over it.
///
/// Counts are kept in the scalar type: `f32` counts to 2²⁴ = 16,777,216 and then stands still.
///
/// # Source
/// Ioffe and Szegedy 2015, "Batch normalization", algorithm 2; Kingma and Ba 2015, section 3, for the correction; Chan,
/// Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistics {
    /// Exponentially weighted.
    Exponential {
        /// The share m of the newest batch; 0.1 by default, in \[0, 1\], with bias correction in (0, 1\].
        momentum: f64,
        /// Whether the share of the starting values is taken out.
        bias_corrected: bool,
    },
    /// The average over batches.
    Average,
    /// Mean and variance of all values.
    Pooled,
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics::Exponential { momentum: 0.1, bias_corrected: false }
    }
}

/// What a batch does to the statistics: mean ← mean + share·(µ_B − mean) and
/// variance ← keep·variance + take·σ²_B + spread·(µ_B − mean)².
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<F> {
    share: F,
    keep: F,
    take: F,
    spread: F,
    /// What is added to the count.
    pub(crate) count: F,
}

impl<F: Real> Change<F> {
    /// The new mean and variance less the old ones.
    #[inline(always)]
    pub(crate) fn of(self, mean: F, variance: F, batch_mean: F, batch_variance: F) -> [F; 2] {
        let delta = batch_mean - mean;
        let variance =
            self.take * batch_variance + self.spread * delta * delta - (F::one() - self.keep) * variance;
        [self.share * delta, variance]
    }
}

impl Statistics {
    /// Checks the momentum.
    pub(crate) fn checked(self) -> Result<Self, RangeError> {
        if let Statistics::Exponential { momentum, bias_corrected } = self {
            let (range, least) =
                if bias_corrected { ("(0, 1]", 0.0 < momentum) } else { ("[0, 1]", 0.0 <= momentum) };
            check_range("Statistics", "momentum", momentum, range, least && momentum <= 1.0)?;
        }
        Ok(self)
    }

    /// What a batch of so many cases, with so many values per channel, does after `tracked` batches (or cases); `None`
    /// where it does nothing.
    pub(crate) fn change<F: Real>(self, tracked: F, cases: usize, values: usize) -> Option<Change<F>> {
        let (tracked, n) = (tracked.to_f64(), values as f64);
        if values == 0 || (values == 1 && self != Statistics::Pooled) {
            return None;
        }
        let share = match self {
            Statistics::Exponential { momentum, bias_corrected: false } => momentum,
            Statistics::Exponential { momentum, bias_corrected: true } => {
                let average = ExponentialAverage::resume(1.0 - momentum, tracked as u64, ());
                average.expect("the momentum was checked when it was set").next_share()
            }
            Statistics::Average => 1.0 / (tracked + 1.0),
            Statistics::Pooled => cases as f64 / (tracked + cases as f64),
        };
        let (keep, take, spread, count) = if self == Statistics::Pooled {
            let before = tracked * n / cases as f64;
            let divisor = (before + n - 1.0).max(1.0);
            ((before - 1.0).max(0.0) / divisor, n / divisor, before * share / divisor, cases as f64)
        } else {
            (1.0 - share, share * n / (n - 1.0), 0.0, 1.0)
        };
        let [share, keep, take, spread, count] = [share, keep, take, spread, count].map(F::from_f64);
        Some(Change { share, keep, take, spread, count })
    }
}

/// The mean and variance of each channel over training batches: for batch norm, or alone.
///
/// ```
/// use ndarray::array;
/// use nn_norm::{RunningStatistics, Statistics};
///
/// // Two batches of one feature: mean 2 and variance 2, mean 6 and variance 8.
/// let batches = [array![[1.0], [3.0]], array![[4.0], [8.0]]];
/// let run = |statistics| {
///     let mut running = RunningStatistics::<f64>::new(statistics, 1)?;
///     batches.iter().try_for_each(|batch| running.update(batch))?;
///     Ok::<_, Box<dyn std::error::Error>>((running.mean()[0], running.variance()[0]))
/// };
/// assert_eq!(run(Statistics::Average)?, (4.0, 5.0));
/// assert_eq!(run(Statistics::Pooled)?, (4.0, 26.0 / 3.0)); // of 1, 3, 4, 8
/// assert_eq!(run(Statistics::Exponential { momentum: 0.5, bias_corrected: false })?, (3.5, 4.75));
/// let corrected = run(Statistics::Exponential { momentum: 0.5, bias_corrected: true })?;
/// assert!((corrected.0 - 14.0 / 3.0).abs() < 1e-15 && corrected.1 == 6.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStatistics<F> {
    statistics: Statistics,
    mean: Array1<F>,
    variance: Array1<F>,
    tracked: F,
}

impl<F: Real> RunningStatistics<F> {
    /// Mean 0, variance 1 and nothing counted, for so many channels.
    ///
    /// # Errors
    /// When the momentum is out of range.
    pub fn new(statistics: Statistics, channels: usize) -> Result<Self, RangeError> {
        let (mean, variance) = (Array1::zeros(channels), Array1::from_elem(channels, F::one()));
        Ok(RunningStatistics { statistics: statistics.checked()?, mean, variance, tracked: F::zero() })
    }

    /// Goes on from what was saved; `tracked` are batches or, for [`Statistics::Pooled`], cases.
    ///
    /// # Errors
    /// When the momentum is out of range.
    ///
    /// # Panics
    /// When mean and variance differ in length.
    #[track_caller]
    pub fn resume(
        statistics: Statistics,
        mean: Array1<F>,
        variance: Array1<F>,
        tracked: F,
    ) -> Result<Self, RangeError> {
        let (m, v) = (mean.len(), variance.len());
        assert_eq!(m, v, "running statistics: {m} means and {v} variances");
        Ok(RunningStatistics { statistics: statistics.checked()?, mean, variance, tracked })
    }

    /// The running mean.
    pub fn mean(&self) -> &Array1<F> {
        &self.mean
    }

    /// The running variance.
    pub fn variance(&self) -> &Array1<F> {
        &self.variance
    }

    /// The batches, or for [`Statistics::Pooled`] the cases, so far.
    pub fn tracked(&self) -> F {
        self.tracked
    }

    /// How they follow from the batches.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Takes in a batch `[N, C, …]`.
    ///
    /// # Errors
    /// When it has another number of channels.
    pub fn update<D: Dimension>(&mut self, batch: &ArrayRef<F, D>) -> Result<(), ShapeError> {
        let shape = batch.shape();
        if shape.len() < 2 || shape[1] != self.mean.len() {
            let expected = format!("a batch [N, {}, …]", self.mean.len());
            return Err(ShapeError::Input {
                op: "running_statistics",
                input: 0,
                expected,
                got: shape.to_vec(),
            });
        }
        if batch.is_empty() {
            return Ok(());
        }
        let batch = batch.as_standard_layout();
        let values = batch.as_slice().expect("an array in standard layout is contiguous");
        let channels = Channels::new(values, batch.shape());
        let mut moments = vec![F::zero(); 2 * channels.channels];
        let (mean, variance) = moments.split_at_mut(channels.channels);
        channels.moments(0, mean, variance);
        self.merge(channels, mean, variance);
        Ok(())
    }

    /// Takes in a batch of which the means less the first values, and the biased variances, are known.
    pub(crate) fn merge(&mut self, batch: Channels<'_, F>, mean: &[F], variance: &[F]) {
        let Some(change) = self.statistics.change(self.tracked, batch.batch, batch.count()) else { return };
        self.tracked += change.count;
        for c in 0..mean.len() {
            let batch_mean = batch.first(c) + mean[c];
            let [of_mean, of_variance] = change.of(self.mean[c], self.variance[c], batch_mean, variance[c]);
            self.mean[c] += of_mean;
            self.variance[c] += of_variance;
        }
    }
}
