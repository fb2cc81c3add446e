//! Inputs with their targets, checked once.

use ndarray::{Array, Array1, ArrayD, ArrayViewD, ArrayViewMutD, Axis, Dimension, IxDyn};
use nn_core::{Real, Streams};

use crate::{DataError, split};

/// Samples and what a network is to make of them.
///
/// The first axis of `inputs` and `targets` counts the samples. Targets of a classification are the numbers of the
/// classes, stored in the scalar type, of shape `[n]`, which is what losses take. A data set is not empty, and
/// its numbers are finite: its constructors see to it.
///
/// ```
/// use ndarray::array;
/// use nn_data::Dataset;
///
/// let inputs = array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]];
/// let set = Dataset::classification(inputs.clone(), array![0.0, 1.0, 1.0], 2).unwrap();
/// assert_eq!((set.len(), set.input_shape(), set.classes()), (3, &[2][..], Some(2)));
///
/// let error = Dataset::classification(inputs, array![0.0, 1.0, 2.0], 2).unwrap_err();
/// assert_eq!(error.to_string(), "label 2 of sample 2 is none of the 2 classes, which are numbered from 0");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<F: Real> {
    inputs: ArrayD<F>,
    targets: ArrayD<F>,
    classes: Option<usize>,
}

impl<F: Real> Dataset<F> {
    /// Samples with class labels: whole numbers from 0 to `classes` − 1.
    ///
    /// Shapes: `inputs` `[n, …]`, `labels` `[n]`.
    ///
    /// # Errors
    /// When the set is empty, the numbers of samples differ, an input is NaN or infinite, or a label is no class.
    pub fn classification<D: Dimension>(
        inputs: Array<F, D>,
        labels: Array1<F>,
        classes: usize,
    ) -> Result<Self, DataError> {
        let set = Dataset { inputs: rows(inputs), targets: rows(labels), classes: Some(classes) };
        set.check_inputs()?;
        let inside =
            |label: F| label >= F::zero() && label.floor() == label && label.to_f64() < classes as f64;
        match set.targets.iter().position(|&label| !inside(label)) {
            None => Ok(set),
            Some(sample) => Err(DataError::Label { sample, label: set.targets[sample].to_f64(), classes }),
        }
    }

    /// Samples with numbers to be predicted.
    ///
    /// Shapes: `inputs` `[n, …]`, `targets` `[n, …]`.
    ///
    /// # Errors
    /// When the set is empty, the numbers of samples differ, or an input or target is NaN or infinite.
    pub fn regression<D: Dimension, E: Dimension>(
        inputs: Array<F, D>,
        targets: Array<F, E>,
    ) -> Result<Self, DataError> {
        let set = Dataset { inputs: rows(inputs), targets: rows(targets), classes: None };
        set.check_inputs()?;
        check_finite("targets", &set.targets)?;
        Ok(set)
    }

    fn check_inputs(&self) -> Result<(), DataError> {
        for (array, values) in [("inputs", &self.inputs), ("targets", &self.targets)] {
            if values.ndim() == 0 {
                return Err(DataError::NoAxes { array });
            }
        }
        let (inputs, targets) = (self.inputs.shape()[0], self.targets.shape()[0]);
        if inputs != targets {
            return Err(DataError::SampleCount { inputs, targets });
        }
        if inputs == 0 {
            return Err(DataError::Empty { what: "data set".into() });
        }
        check_finite("inputs", &self.inputs)
    }

    /// The number of samples, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
    pub fn len(&self) -> usize {
        self.inputs.shape()[0]
    }

    /// All inputs, `[n, …]`, in row-major order.
    pub fn inputs(&self) -> &ArrayD<F> {
        &self.inputs
    }

    /// All targets, `[n, …]`; for a classification the labels, `[n]`.
    pub fn targets(&self) -> &ArrayD<F> {
        &self.targets
    }

    /// The shape of one input.
    pub fn input_shape(&self) -> &[usize] {
        &self.inputs.shape()[1..]
    }

    /// The shape of one target: `[]` for a label.
    pub fn target_shape(&self) -> &[usize] {
        &self.targets.shape()[1..]
    }

    /// The number of classes; `None` for a regression.
    pub fn classes(&self) -> Option<usize> {
        self.classes
    }

    /// The label of each sample; `None` for a regression.
    pub fn labels(&self) -> Option<Vec<usize>> {
        self.classes.map(|_| self.targets.iter().map(|label| label.to_f64() as usize).collect())
    }

    /// The data set of these samples, in this order.
    ///
    /// # Errors
    /// When there are none.
    ///
    /// # Panics
    /// When a sample does not exist.
    #[track_caller]
    pub fn select(&self, samples: &[usize]) -> Result<Self, DataError> {
        if samples.is_empty() {
            return Err(DataError::Empty { what: "selection".into() });
        }
        let zeros = |array: &ArrayD<F>| {
            let mut shape = array.shape().to_vec();
            shape[0] = samples.len();
            ArrayD::from_elem(IxDyn(&shape), F::zero())
        };
        let (mut inputs, mut targets) = (zeros(&self.inputs), zeros(&self.targets));
        self.gather_into(samples, inputs.view_mut(), targets.view_mut());
        Ok(Dataset { inputs, targets, classes: self.classes })
    }

    /// Copies these samples into memory of the caller, such as the input buffers of a training plan.
    ///
    /// Shapes: `inputs` and `targets` are those of the data set with `samples.len()` in place of `n`; any memory
    /// layout, row-major is fastest. Nothing is allocated.
    ///
    /// # Panics
    /// When a shape differs or a sample does not exist.
    #[track_caller]
    pub fn gather_into(
        &self,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) {
        gather("inputs", self.inputs.view(), samples, inputs);
        gather("targets", self.targets.view(), samples, targets);
    }

    /// Divides the samples at random, for example `[0.8, 0.2]`; see [`split::random`].
    ///
    /// # Errors
    /// When the fractions are no division of the whole, or a part would be empty.
    pub fn split<const N: usize>(
        &self,
        fractions: [f64; N],
        streams: Streams,
    ) -> Result<[Self; N], DataError> {
        self.parts(split::random(self.len(), &fractions, streams)?)
    }

    /// Divides the samples of every class at random in these proportions; see [`split::stratified`].
    ///
    /// # Errors
    /// When this is no classification, the fractions are no division of the whole, or a part would be empty.
    pub fn split_stratified<const N: usize>(
        &self,
        fractions: [f64; N],
        streams: Streams,
    ) -> Result<[Self; N], DataError> {
        let labels = self.labels().ok_or(DataError::NoClasses { what: "stratified split" })?;
        self.parts(split::stratified(&labels, &fractions, streams)?)
    }

    fn parts<const N: usize>(&self, parts: Vec<Vec<usize>>) -> Result<[Self; N], DataError> {
        let sets = parts.iter().enumerate().map(|(i, samples)| {
            self.select(samples).map_err(|_| DataError::Empty { what: format!("part {i} of the split") })
        });
        let sets: Vec<Self> = sets.collect::<Result<_, _>>()?;
        Ok(sets.try_into().expect("a split has as many parts as fractions"))
    }

    /// The same samples with other inputs, which are checked again.
    pub(crate) fn map_inputs(
        mut self,
        change: impl FnOnce(ArrayViewMutD<'_, F>) -> Result<(), DataError>,
    ) -> Result<Self, DataError> {
        change(self.inputs.view_mut())?;
        check_finite("inputs", &self.inputs)?;
        Ok(self)
    }
}

/// The array in row-major order, so that a sample is one run of memory.
fn rows<F: Real, D: Dimension>(array: Array<F, D>) -> ArrayD<F> {
    let array = array.into_dyn();
    if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
}

/// Names the first number that is NaN or infinite; `values` is row-major and has an axis of samples.
pub(crate) fn check_finite<F: Real>(array: &'static str, values: &ArrayD<F>) -> Result<(), DataError> {
    let Some(at) = values.iter().position(|x| !x.is_finite()) else {
        return Ok(());
    };
    let value = values.iter().nth(at).map_or(f64::NAN, |x| x.to_f64());
    let index = unravel(at, values.shape());
    Err(DataError::NonFinite { array, sample: index[0], feature: index[1..].to_vec(), value })
}

/// The index of element `at` of an array in row-major order.
pub(crate) fn unravel(at: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = at;
    let mut index: Vec<usize> = Vec::new();
    for &length in shape.iter().rev() {
        index.push(rest % length);
        rest /= length;
    }
    index.reverse();
    index
}

#[track_caller]
fn gather<F: Real>(array: &str, from: ArrayViewD<'_, F>, samples: &[usize], mut to: ArrayViewMutD<'_, F>) {
    let (n, sample_shape) = (from.shape()[0], &from.shape()[1..]);
    let fits = to.ndim() == from.ndim() && to.shape()[0] == samples.len() && to.shape()[1..] == *sample_shape;
    assert!(
        fits,
        "gather {array}: expected {} samples of shape {sample_shape:?}, got memory of shape {:?}",
        samples.len(),
        to.shape()
    );
    if let Some(&sample) = samples.iter().find(|&&sample| sample >= n) {
        panic!("gather {array}: sample {sample} does not exist, there are {n}");
    }
    let size = sample_shape.iter().product::<usize>();
    match (from.as_slice(), to.as_slice_mut()) {
        (Some(from), Some(to)) if size > 0 => {
            for (row, &sample) in to.chunks_exact_mut(size).zip(samples) {
                row.copy_from_slice(&from[sample * size..(sample + 1) * size]);
            }
        }
        _ => {
            for (mut row, &sample) in to.axis_iter_mut(Axis(0)).zip(samples) {
                row.assign(&from.index_axis(Axis(0), sample));
            }
        }
    }
}
