//! Where samples come from.

use ndarray::ArrayViewMutD;
use nn_core::Real;

use crate::{DataError, Dataset};

/// Samples that can be asked for by number: arrays in memory ([`Dataset`]), a file that is read as needed, a folder of
/// images, or another source whose samples are changed on the way.
///
/// All samples have one shape. What a source gives depends on the sample and the epoch alone, not on the order in which
/// it is asked, nor on the thread.
#[expect(clippy::len_without_is_empty, reason = "a source is never empty")]
pub trait Source<F: Real>: Send + Sync {
    /// The number of samples, at least 1.
    fn len(&self) -> usize;

    /// The shape of one input.
    fn input_shape(&self) -> &[usize];

    /// The shape of one target: `[]` for a label.
    fn target_shape(&self) -> &[usize];

    /// The number of classes, if targets are labels: whole numbers from 0 to this − 1.
    fn classes(&self) -> Option<usize>;

    /// Writes these samples into memory of the caller, as they are in an epoch, or with `None` as they are by themselves,
    /// before what is changed in each epoch (augmentation): `inputs` is `[samples.len(), …]` as
    /// [`input_shape`](Source::input_shape) says, `targets` likewise; both are in row-major order.
    ///
    /// # Errors
    /// When a sample cannot be read, or holds what is not allowed; the error names it.
    ///
    /// # Panics
    /// When a shape differs or a sample does not exist.
    fn gather(
        &self,
        epoch: Option<u64>,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError>;

    /// Whether [`gather`](Source::gather) is no more than a copy of memory, so that preparing samples on another thread
    /// would cost more than it saves.
    fn is_quick(&self) -> bool {
        false
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
        _epoch: Option<u64>,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        self.gather_into(samples, inputs, targets);
        Ok(())
    }

    fn is_quick(&self) -> bool {
        true
    }
}

impl<F: Real, S: Source<F> + ?Sized> Source<F> for &S {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn input_shape(&self) -> &[usize] {
        (**self).input_shape()
    }

    fn target_shape(&self) -> &[usize] {
        (**self).target_shape()
    }

    fn classes(&self) -> Option<usize> {
        (**self).classes()
    }

    fn gather(
        &self,
        epoch: Option<u64>,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        (**self).gather(epoch, samples, inputs, targets)
    }

    fn is_quick(&self) -> bool {
        (**self).is_quick()
    }
}
