//! A source whose images change from epoch to epoch.

use ndarray::{ArrayD, ArrayViewMutD};
use nn_core::{Real, Streams};

use super::Augment;
use super::work::Work;
use crate::{DataError, Source};

/// The images of another source, changed at random in each epoch.
///
/// [`gather`](Source::gather) changes them in an epoch, and not without one. The memory to work in is
/// kept and used again. [`Loader`](crate::Loader) prepares the batches in the background.
///
/// ```
/// use ndarray::Array;
/// use nn_core::Streams;
/// use nn_data::{Augment, Augmented, Source, digits};
///
/// let digits = digits::load::<f32>();
/// let augment = Augment::new().rotation(-10.0..=10.0).unwrap().shift(-1.0..=1.0, -1.0..=1.0).unwrap();
/// let source = Augmented::with_shape(&digits, augment, Streams::new(1), [1, 8, 8]).unwrap();
/// let (mut inputs, mut labels) = (Array::zeros((2, 64)).into_dyn(), Array::zeros(2).into_dyn());
/// source.gather(Some(0), &[3, 14], inputs.view_mut(), labels.view_mut()).unwrap();
/// ```
pub struct Augmented<F: Real, S> {
    source: S,
    streams: Streams,
    work: Work<F>,
}

impl<F: Real, S: Source<F>> Augmented<F, S> {
    /// Changes samples of shape `[channels, height, width]` or `[height, width]`.
    ///
    /// # Errors
    /// When the samples of the source have another number of axes.
    pub fn new(source: S, augment: Augment, streams: Streams) -> Result<Self, DataError> {
        let shape = match *source.input_shape() {
            [channels, height, width] => [channels, height, width],
            [height, width] => [1, height, width],
            ref got => {
                let expected = "[channels, height, width] or [height, width]".to_owned();
                return Err(DataError::ImageShape { expected, got: got.to_vec() });
            }
        };
        Self::with_shape(source, augment, streams, shape)
    }

    /// Changes samples that are images `[channels, height, width]`, whatever their axes, such as the rows of an MLP.
    ///
    /// # Errors
    /// When a sample of the source has another number of elements.
    pub fn with_shape(
        source: S,
        augment: Augment,
        streams: Streams,
        [channels, height, width]: [usize; 3],
    ) -> Result<Self, DataError> {
        let got = source.input_shape();
        if got.iter().product::<usize>() != channels * height * width {
            let expected = format!("as many elements as [{channels}, {height}, {width}]");
            return Err(DataError::ImageShape { expected, got: got.to_vec() });
        }
        Ok(Augmented { source, streams, work: Work::new(augment, [channels, height, width]) })
    }
}

impl<F: Real, S: Source<F>> Source<F> for Augmented<F, S> {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.source.input_shape()
    }

    fn target_shape(&self) -> &[usize] {
        self.source.target_shape()
    }

    fn classes(&self) -> Option<usize> {
        self.source.classes()
    }

    fn gather(
        &self,
        epoch: Option<u64>,
        samples: &[usize],
        mut inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        if !inputs.is_standard_layout() {
            let mut copy = ArrayD::from_elem(inputs.raw_dim(), F::zero());
            self.gather(epoch, samples, copy.view_mut(), targets)?;
            inputs.assign(&copy);
            return Ok(());
        }
        self.source.gather(epoch, samples, inputs.view_mut(), targets)?;
        if let (Some(epoch), Some(images)) = (epoch, inputs.as_slice_mut()) {
            self.work.run(self.streams, epoch, samples, images);
        }
        Ok(())
    }
}
