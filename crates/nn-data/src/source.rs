//! Where samples come from.

use ndarray::ArrayViewMutD;
use nn_core::Real;

use crate::{DataError, Dataset};

/// Samples that can be asked for by number: arrays in memory ([`Dataset`]), a mapped file, a folder of images, or
/// another source whose samples are changed on the way.
///
/// All samples have one shape. What a source gives depends on the sample and the epoch alone, not on the order in which
/// it is asked, nor on the thread.
pub trait Source<F: Real>: Send + Sync {
    /// The number of samples, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a source is never empty")]
    fn len(&self) -> usize;

    /// The shape of one input.
    fn input_shape(&self) -> &[usize];

    /// The shape of one target: `[]` for a label.
    fn target_shape(&self) -> &[usize];

    /// The number of classes, if targets are labels: whole numbers from 0 to this − 1.
    fn classes(&self) -> Option<usize>;

    /// Writes these samples, as they are in an epoch, into memory of the caller: `inputs` is `[samples.len(), …]` as
    /// [`input_shape`](Source::input_shape) says, `targets` likewise; both are in row-major order.
    ///
    /// # Errors
    /// When a sample cannot be read, or holds what is not allowed; the error names it.
    ///
    /// # Panics
    /// When a shape differs or a sample does not exist.
    fn gather(
        &self,
        epoch: u64,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError>;

    /// Writes these samples as they are by themselves, before what is changed in each epoch (augmentation).
    ///
    /// # Errors
    /// As [`gather`](Source::gather).
    fn gather_plain(
        &self,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        self.gather(0, samples, inputs, targets)
    }
}

impl<F: Real> Source<F> for Dataset<F> {
    fn len(&self) -> usize {
        Dataset::len(self)
    }

    fn input_shape(&self) -> &[usize] {
        Dataset::input_shape(self)
    }

    fn target_shape(&self) -> &[usize] {
        Dataset::target_shape(self)
    }

    fn classes(&self) -> Option<usize> {
        Dataset::classes(self)
    }

    fn gather(
        &self,
        _epoch: u64,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        self.gather_into(samples, inputs, targets);
        Ok(())
    }
}
