//! Sources made of other sources.

use ndarray::ArrayViewMutD;
use nn_core::Real;

use crate::dataset::unravel;
use crate::{DataError, Scaling, Source};

/// Some samples of a source, such as the training part of a set that stays in its file.
///
/// ```
/// use nn_core::Streams;
/// use nn_data::{Source, Subset, digits, split};
///
/// let set = digits::load::<f32>();
/// let parts = split::random(set.len(), &[0.8, 0.2], Streams::new(1)).unwrap();
/// let train = Subset::new(&set, parts[0].clone()).unwrap();
/// assert_eq!(train.len(), 1438);
/// ```
#[derive(Clone, Debug)]
pub struct Subset<S> {
    source: S,
    samples: Vec<usize>,
}

impl<S> Subset<S> {
    /// These samples of a source, in this order; sample i is what sample `samples[i]` is there.
    ///
    /// # Errors
    /// When there are none.
    ///
    /// # Panics
    /// When a sample does not exist.
    #[track_caller]
    pub fn new<F: Real>(source: S, samples: Vec<usize>) -> Result<Self, DataError>
    where
        S: Source<F>,
    {
        if samples.is_empty() {
            return Err(DataError::Empty { what: "subset".into() });
        }
        if let Some(&sample) = samples.iter().find(|&&sample| sample >= source.len()) {
            panic!("subset: sample {sample} does not exist, there are {}", source.len());
        }
        Ok(Subset { source, samples })
    }

    /// The numbers of its samples in the whole.
    pub fn samples(&self) -> &[usize] {
        &self.samples
    }

    fn chosen(&self, samples: &[usize]) -> Vec<usize> {
        samples.iter().map(|&sample| self.samples[sample]).collect()
    }
}

impl<F: Real, S: Source<F>> Source<F> for Subset<S> {
    fn len(&self) -> usize {
        self.samples.len()
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
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        self.source.gather(epoch, &self.chosen(samples), inputs, targets)
    }

    fn is_quick(&self) -> bool {
        self.source.is_quick()
    }
}

/// A source with scaled inputs, such as a set that stays in its file.
///
/// (A [`Dataset`](crate::Dataset) is scaled once and for all with [`Scaling::apply`].)
///
/// ```
/// use nn_data::{Scaled, Source, Standardizer, digits};
///
/// let set = digits::load::<f32>();
/// let scaling = Standardizer::per_set(&set).unwrap();
/// let scaled = Scaled::new(&set, scaling).unwrap();
/// assert_eq!(scaled.input_shape(), [64]);
/// ```
#[derive(Clone, Debug)]
pub struct Scaled<S> {
    source: S,
    scaling: Scaling,
}

impl<S> Scaled<S> {
    /// The samples of a source, their inputs scaled.
    ///
    /// # Errors
    /// When the inputs have another shape than those that the scaling was fitted on.
    pub fn new<F: Real>(source: S, scaling: impl Into<Scaling>) -> Result<Self, DataError>
    where
        S: Source<F>,
    {
        let scaling = scaling.into();
        match scaling.input_shape() {
            Some(expected) if expected != source.input_shape() => Err(DataError::SampleShape {
                expected: expected.to_vec(),
                got: source.input_shape().to_vec(),
            }),
            _ => Ok(Scaled { source, scaling }),
        }
    }

    /// The scaling.
    pub fn scaling(&self) -> &Scaling {
        &self.scaling
    }
}

impl<F: Real, S: Source<F>> Source<F> for Scaled<S> {
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
        self.source.gather(epoch, samples, inputs.view_mut(), targets)?;
        self.scaling.transform(inputs.view_mut())?;
        match inputs.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let index = unravel(at, inputs.shape());
                let value = inputs[&index[..]].to_f64();
                let (sample, feature) = (samples[index[0]], index[1..].to_vec());
                Err(DataError::NonFinite { array: "inputs", sample, feature, value })
            }
        }
    }
}
