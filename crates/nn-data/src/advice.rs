//! Which batch size to begin with.

use std::fmt;

/// A batch size to begin with, and why: what [`advise_batch_size`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAdvice {
    /// The number of samples of a batch.
    pub size: usize,
    /// Why this many.
    pub reason: BatchReason,
}

/// Why a batch size is advised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchReason {
    /// The set is small enough to use the exact gradient of all samples in each step.
    WholeSet {
        /// Its samples.
        samples: usize,
    },
    /// Mini-batches: many steps an epoch, each of which still keeps the processor busy.
    PowerOfTwo {
        /// The samples of the set.
        samples: usize,
        /// The steps of an epoch.
        steps: usize,
    },
}

impl fmt::Display for BatchAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size;
        match self.reason {
            BatchReason::WholeSet { samples } => write!(
                f,
                "all {samples} samples at once: with fewer than {SMALL} each step can use the exact gradient"
            ),
            BatchReason::PowerOfTwo { samples, steps } => write!(
                f,
                "mini-batches of {size}, a power of two from {LEAST} to {MOST}: {steps} steps an epoch of {samples} \
                 samples"
            ),
        }
    }
}

/// Sets with fewer samples need no mini-batches.
const SMALL: usize = 2000;
/// The smallest mini-batch advised.
const LEAST: usize = 64;
/// The largest mini-batch advised.
const MOST: usize = 512;
/// The steps of an epoch that a larger mini-batch must leave.
const STEPS: usize = 100;

/// The batch size to begin with for a training set of so many samples.
///
/// Below 2,000 samples it is the whole set, otherwise a power of two from 64 to 512: the largest that leaves 100 steps an
/// epoch, or 64. It is where a search begins, not where it ends.
///
/// Source: A. Ng, "Improving deep neural networks", week 2, "Understanding mini-batch gradient descent", for the limits; the
/// choice between them by the number of steps is made here.
///
/// ```
/// use nn_data::advise_batch_size;
///
/// assert_eq!(advise_batch_size(1797).size, 1797);
/// assert_eq!(advise_batch_size(10_000).size, 64);
/// let advice = advise_batch_size(60_000);
/// assert_eq!(
///     advice.to_string(),
///     "mini-batches of 512, a power of two from 64 to 512: 118 steps an epoch of 60000 samples"
/// );
/// ```
pub fn advise_batch_size(samples: usize) -> BatchAdvice {
    if samples < SMALL {
        return BatchAdvice { size: samples, reason: BatchReason::WholeSet { samples } };
    }
    let mut size = LEAST;
    while size < MOST && samples / (2 * size) >= STEPS {
        size *= 2;
    }
    BatchAdvice { size, reason: BatchReason::PowerOfTwo { samples, steps: samples.div_ceil(size) } }
}
