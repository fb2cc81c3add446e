//! Scaling of inputs to a range.

use ndarray::{ArrayD, ArrayViewMutD, IxDyn};
use nn_core::{Real, check_range};

use crate::scaling::{each_feature, each_input};
use crate::{DataError, Dataset, Source};

/// Shifts and scales inputs to a range: x ↦ low + (x − min) / (max − min) · (high − low).
///
/// min and max are fitted on the training part alone and applied to all parts; numbers beyond them come out beyond the
/// range. A feature that is constant in the training part becomes `low` there. The range is \[0, 1\] unless
/// [`to_range`](MinMax::to_range) says otherwise.
///
/// ```
/// use ndarray::array;
/// use nn_data::{Dataset, MinMax};
///
/// let train = Dataset::regression(array![[1.0, 7.0], [3.0, 7.0]], array![0.0, 1.0]).unwrap();
/// let scaling = MinMax::per_feature(&train).unwrap().to_range(-1.0, 1.0).unwrap();
/// let test = Dataset::regression(array![[2.0, 8.0], [4.0, 7.0]], array![1.0, 2.0]).unwrap();
/// assert_eq!(scaling.apply(test).unwrap().inputs(), &array![[0.0, 1.0], [2.0, -1.0]].into_dyn());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "saved::MinMax", into = "saved::MinMax"))]
pub struct MinMax {
    min: ArrayD<f64>,
    max: ArrayD<f64>,
    low: f64,
    high: f64,
}

impl MinMax {
    /// Fits the least and the greatest value of each feature.
    ///
    /// # Errors
    /// When a sample cannot be read.
    pub fn per_feature<F: Real>(train: &dyn Source<F>) -> Result<Self, DataError> {
        let array = |value| ArrayD::from_elem(IxDyn(train.input_shape()), value);
        let (mut min, mut max) = (array(f64::INFINITY), array(f64::NEG_INFINITY));
        each_input(train, |row| {
            for ((x, min), max) in row.iter().zip(&mut min).zip(&mut max) {
                (*min, *max) = (min.min(x.to_f64()), max.max(x.to_f64()));
            }
        })?;
        MinMax::new(min, max)
    }

    /// Fits the least and the greatest value of all features together, as is usual for images.
    ///
    /// # Errors
    /// When a sample cannot be read, or has no features.
    pub fn per_set<F: Real>(train: &dyn Source<F>) -> Result<Self, DataError> {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        each_input(train, |row| {
            for x in row {
                (min, max) = (min.min(x.to_f64()), max.max(x.to_f64()));
            }
        })?;
        MinMax::new(ArrayD::from_elem(IxDyn(&[]), min), ArrayD::from_elem(IxDyn(&[]), max))
    }

    /// A scaling with known limits, such as 0 and 255.
    ///
    /// Shapes: that of one sample for both, or `[]` for one pair over all features.
    ///
    /// # Errors
    /// When the shapes differ, a limit is not finite, or `min` is above `max`.
    pub fn new(min: ArrayD<f64>, max: ArrayD<f64>) -> Result<Self, DataError> {
        if min.shape() != max.shape() {
            return Err(DataError::SampleShape { expected: min.shape().to_vec(), got: max.shape().to_vec() });
        }
        for (&min, &max) in min.iter().zip(&max) {
            check_range("MinMax", "min", min, "finite numbers, at most max", min.is_finite() && min <= max)?;
            check_range("MinMax", "max", max, "finite numbers", (max - min).is_finite())?;
        }
        Ok(MinMax { min, max, low: 0.0, high: 1.0 })
    }

    /// The same limits, scaled to another range; default \[0, 1\].
    ///
    /// # Errors
    /// When `low` or `high` is not finite, or `low` is not below `high`.
    pub fn to_range(self, low: f64, high: f64) -> Result<Self, DataError> {
        check_range("MinMax", "low", low, "finite numbers, below high", low.is_finite() && low < high)?;
        check_range("MinMax", "high", high, "finite numbers", (high - low).is_finite())?;
        Ok(MinMax { low, high, ..self })
    }

    /// The least values: of the shape of one sample, or `[]`.
    pub fn min(&self) -> &ArrayD<f64> {
        &self.min
    }

    /// The greatest values: of the shape of one sample, or `[]`.
    pub fn max(&self) -> &ArrayD<f64> {
        &self.max
    }

    /// The range that the training part is scaled to.
    pub fn range(&self) -> (f64, f64) {
        (self.low, self.high)
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
        let (low, width) = (self.low, self.high - self.low);
        each_feature(inputs, &self.min, &self.max, |x, min, max| low + (x - min) / spread(min, max) * width)
    }

    /// Undoes [`transform`](MinMax::transform) in place.
    ///
    /// # Errors
    /// When the samples have another shape than those fitted on.
    pub fn inverse<F: Real>(&self, inputs: ArrayViewMutD<'_, F>) -> Result<(), DataError> {
        let (low, width) = (self.low, self.high - self.low);
        each_feature(inputs, &self.min, &self.max, |x, min, max| min + (x - low) / width * spread(min, max))
    }
}

/// max − min; 1 for a constant feature.
fn spread(min: f64, max: f64) -> f64 {
    if min < max { max - min } else { 1.0 }
}

#[cfg(feature = "serde")]
mod saved {
    use serde::{Deserialize, Serialize};

    use crate::DataError;
    use crate::scaling::saved_array;

    #[derive(Serialize, Deserialize)]
    pub(super) struct MinMax {
        shape: Vec<usize>,
        min: Vec<f64>,
        max: Vec<f64>,
        low: f64,
        high: f64,
    }

    impl From<super::MinMax> for MinMax {
        fn from(scaling: super::MinMax) -> Self {
            MinMax {
                shape: scaling.min.shape().to_vec(),
                min: scaling.min.iter().copied().collect(),
                max: scaling.max.iter().copied().collect(),
                low: scaling.low,
                high: scaling.high,
            }
        }
    }

    impl TryFrom<MinMax> for super::MinMax {
        type Error = DataError;

        fn try_from(saved: MinMax) -> Result<Self, DataError> {
            let (min, max) = (saved_array(&saved.shape, saved.min)?, saved_array(&saved.shape, saved.max)?);
            super::MinMax::new(min, max)?.to_range(saved.low, saved.high)
        }
    }
}
