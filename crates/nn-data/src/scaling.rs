//! The scalings in one type, and what they share.

use ndarray::{ArrayD, ArrayViewMutD, Axis, IxDyn, Zip};
use nn_core::{Real, shape};

use crate::{DataError, Dataset, MinMax, Source, Standardizer, Whitening};

/// A scaling of inputs, fitted on the training part: any of them, so that it can be kept with the trained network.
///
/// With the feature `serde` it is saved as a map with its `kind`; what is loaded is checked as at construction. JSON
/// gives back the same bits if its reader rounds correctly, as `serde_json` does with its feature `float_roundtrip`.
///
/// ```
/// use ndarray::array;
/// use nn_data::{Dataset, MinMax, Scaling};
///
/// let train = Dataset::regression(array![[1.0, 10.0], [3.0, 30.0]], array![0.0, 1.0]).unwrap();
/// let scaling = Scaling::from(MinMax::per_feature(&train).unwrap());
/// let mut inputs = array![[2.0, 20.0]].into_dyn();
/// scaling.transform(inputs.view_mut()).unwrap();
/// assert_eq!(inputs, array![[0.5, 0.5]].into_dyn());
/// scaling.inverse(inputs.view_mut()).unwrap();
/// assert_eq!(inputs, array![[2.0, 20.0]].into_dyn());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Scaling {
    /// Mean 0 and standard deviation 1.
    Standardize(Standardizer),
    /// A range, such as \[0, 1\].
    MinMax(MinMax),
    /// Uncorrelated features of variance 1.
    Whiten(Whitening),
}

impl Scaling {
    /// The shape of one input; `None` if any shape will do, as with one mean over all features.
    pub fn input_shape(&self) -> Option<&[usize]> {
        let shape = match self {
            Scaling::Standardize(scaling) => scaling.mean().shape(),
            Scaling::MinMax(scaling) => scaling.min().shape(),
            Scaling::Whiten(scaling) => return Some(scaling.input_shape()),
        };
        (!shape.is_empty()).then_some(shape)
    }

    /// The data set with scaled inputs.
    ///
    /// # Errors
    /// When its samples have another shape than those fitted on, or a scaled number overflows.
    pub fn apply<F: Real>(&self, set: Dataset<F>) -> Result<Dataset<F>, DataError> {
        set.map_inputs(|inputs| self.transform(inputs))
    }

    /// Scales inputs `[n, …]` in place.
    ///
    /// # Errors
    /// When the samples have another shape than those fitted on.
    pub fn transform<F: Real>(&self, inputs: ArrayViewMutD<'_, F>) -> Result<(), DataError> {
        match self {
            Scaling::Standardize(scaling) => scaling.transform(inputs),
            Scaling::MinMax(scaling) => scaling.transform(inputs),
            Scaling::Whiten(scaling) => scaling.transform(inputs),
        }
    }

    /// Undoes [`transform`](Scaling::transform) in place.
    ///
    /// # Errors
    /// When the samples have another shape than those fitted on.
    pub fn inverse<F: Real>(&self, inputs: ArrayViewMutD<'_, F>) -> Result<(), DataError> {
        match self {
            Scaling::Standardize(scaling) => scaling.inverse(inputs),
            Scaling::MinMax(scaling) => scaling.inverse(inputs),
            Scaling::Whiten(scaling) => scaling.inverse(inputs),
        }
    }
}

impl From<Standardizer> for Scaling {
    fn from(scaling: Standardizer) -> Self {
        Scaling::Standardize(scaling)
    }
}

impl From<MinMax> for Scaling {
    fn from(scaling: MinMax) -> Self {
        Scaling::MinMax(scaling)
    }
}

impl From<Whitening> for Scaling {
    fn from(scaling: Whitening) -> Self {
        Scaling::Whiten(scaling)
    }
}

/// Numbers of inputs that are gathered at once to be fitted on.
const PIECE: usize = 1 << 16;

/// Calls `see` with the inputs of one sample after the other, as they are before augmentation.
pub(crate) fn each_input<F: Real>(train: &dyn Source<F>, mut see: impl FnMut(&[F])) -> Result<(), DataError> {
    each_piece(train, |rows, size| match size {
        0 => {}
        size => rows.chunks_exact(size).for_each(&mut see),
    })
}

/// Calls `see` with the inputs of some samples after the other, row by row, and the length of a row.
pub(crate) fn each_piece<F: Real>(
    train: &dyn Source<F>,
    mut see: impl FnMut(&mut [F], usize),
) -> Result<(), DataError> {
    let size = shape::size(train.input_shape());
    let count = (PIECE / size.max(1)).clamp(1, train.len());
    let buffer = |sample: &[usize]| ArrayD::from_elem(IxDyn(&[&[count], sample].concat()), F::zero());
    let (mut inputs, mut targets) = (buffer(train.input_shape()), buffer(train.target_shape()));
    let samples: Vec<usize> = (0..train.len()).collect();
    for samples in samples.chunks(count) {
        let (mut inputs, mut targets) = (inputs.view_mut(), targets.view_mut());
        inputs.slice_axis_inplace(Axis(0), (..samples.len()).into());
        targets.slice_axis_inplace(Axis(0), (..samples.len()).into());
        train.gather(None, samples, inputs.view_mut(), targets)?;
        see(inputs.as_slice_mut().expect("the first rows of an array in row-major order"), size);
    }
    Ok(())
}

/// Replaces each number x of inputs `[n, …]` by `scale(x, a, b)`, where `a` and `b` are those of its feature, or of all.
pub(crate) fn each_feature<F: Real>(
    mut inputs: ArrayViewMutD<'_, F>,
    a: &ArrayD<f64>,
    b: &ArrayD<f64>,
    scale: impl Fn(f64, f64, f64) -> f64,
) -> Result<(), DataError> {
    if let (Some(&a), Some(&b)) = (single(a), single(b)) {
        inputs.mapv_inplace(|x| F::from_f64(scale(x.to_f64(), a, b)));
        return Ok(());
    }
    check_shape(&inputs, a.shape())?;
    for row in inputs.axis_iter_mut(Axis(0)) {
        Zip::from(row).and(a).and(b).for_each(|x, &a, &b| *x = F::from_f64(scale(x.to_f64(), a, b)));
    }
    Ok(())
}

/// Inputs `[n, …]` must have samples of this shape.
pub(crate) fn check_shape<F>(inputs: &ArrayViewMutD<'_, F>, expected: &[usize]) -> Result<(), DataError> {
    match inputs.shape().split_first() {
        Some((_, got)) if got == expected => Ok(()),
        got => Err(DataError::SampleShape {
            expected: expected.to_vec(),
            got: got.map_or(Vec::new(), |(_, got)| got.to_vec()),
        }),
    }
}

/// The value of an array without axes.
fn single(array: &ArrayD<f64>) -> Option<&f64> {
    if array.ndim() == 0 { array.first() } else { None }
}

/// Values with the shape of a sample, as they were saved.
#[cfg(feature = "serde")]
pub(crate) fn saved_array(shape: &[usize], values: Vec<f64>) -> Result<ArrayD<f64>, DataError> {
    let got = vec![values.len()];
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|_| DataError::SampleShape { expected: shape.to_vec(), got })
}
