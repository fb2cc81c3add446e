//! Scaling of inputs to mean 0 and standard deviation 1.

use ndarray::{ArrayD, ArrayViewMutD, IxDyn};
use nn_core::{Real, shape};

use crate::scaling::{each_feature, each_input};
use crate::{DataError, Dataset, Source};

/// Shifts and scales inputs to mean 0 and standard deviation 1: x ↦ (x − μ) / σ.
///
/// μ and σ = √(Σ(x − μ)²/n) are fitted on the training part alone and applied to all parts, so that the test part
/// stays unseen. They are computed and kept in `f64`. A feature that is constant in the training part has σ = 1,
/// so it becomes 0 there.
///
/// ```
/// use ndarray::array;
/// use nn_data::{Dataset, Standardizer};
///
/// let train = Dataset::regression(array![[1.0, 7.0], [3.0, 7.0]], array![0.0, 1.0]).unwrap();
/// let test = Dataset::regression(array![[4.0, 8.0]], array![1.0]).unwrap();
/// let scaling = Standardizer::per_feature(&train).unwrap();
/// assert_eq!(scaling.apply(train).unwrap().inputs(), &array![[-1.0, 0.0], [1.0, 0.0]].into_dyn());
/// assert_eq!(scaling.apply(test).unwrap().inputs(), &array![[2.0, 1.0]].into_dyn());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "saved::Standardizer", into = "saved::Standardizer"))]
pub struct Standardizer {
    mean: ArrayD<f64>,
    std: ArrayD<f64>,
}

impl Standardizer {
    /// Fits a mean and a standard deviation for each feature.
    ///
    /// # Errors
    /// When a variance overflows, or a sample cannot be read.
    pub fn per_feature<F: Real>(train: &dyn Source<F>) -> Result<Self, DataError> {
        let (n, shape) = (train.len() as f64, IxDyn(train.input_shape()));
        let mut range = vec![(f64::INFINITY, f64::NEG_INFINITY); shape::size(train.input_shape())];
        let mut mean = vec![0.0; range.len()];
        each_input(train, |row| {
            for ((&x, sum), (low, high)) in row.iter().zip(&mut mean).zip(&mut range) {
                let x = x.to_f64();
                *sum += x / n;
                (*low, *high) = (low.min(x), high.max(x));
            }
        })?;
        let mut std = vec![0.0; mean.len()];
        each_input(train, |row| {
            for ((&x, sum), &mean) in row.iter().zip(&mut std).zip(&mean) {
                *sum += (x.to_f64() - mean) * (x.to_f64() - mean) / n;
            }
        })?;
        for ((mean, std), range) in mean.iter_mut().zip(&mut std).zip(range) {
            (*mean, *std) = finish(*mean, *std, range);
        }
        let array = |values| ArrayD::from_shape_vec(shape.clone(), values).expect("one value per feature");
        Standardizer::new(array(mean), array(std))
    }

    /// Fits one mean and one standard deviation over all features together, as is usual for images.
    ///
    /// # Errors
    /// When the variance overflows, or a sample cannot be read.
    pub fn per_set<F: Real>(train: &dyn Source<F>) -> Result<Self, DataError> {
        let count = (train.len() * shape::size(train.input_shape())) as f64;
        let (mut range, mut mean) = ((f64::INFINITY, f64::NEG_INFINITY), 0.0);
        each_input(train, |row| {
            let total = row.iter().fold(0.0, |sum, &x| {
                let x = x.to_f64();
                range = (range.0.min(x), range.1.max(x));
                sum + x
            });
            mean += total / count;
        })?;
        let mut variance = 0.0;
        each_input(train, |row| {
            variance += row.iter().map(|&x| (x.to_f64() - mean).powi(2)).sum::<f64>() / count;
        })?;
        let (mean, std) = finish(mean, variance, range);
        Standardizer::new(ArrayD::from_elem(IxDyn(&[]), mean), ArrayD::from_elem(IxDyn(&[]), std))
    }

    /// A scaling with known statistics, for example of an earlier run.
    ///
    /// Shapes: that of one sample for both, or `[]` for one mean and one standard deviation over all features.
    ///
    /// # Errors
    /// When the shapes differ, a mean is not finite, or a standard deviation is not finite and above 0.
    pub fn new(mean: ArrayD<f64>, std: ArrayD<f64>) -> Result<Self, DataError> {
        if mean.shape() != std.shape() {
            return Err(DataError::SampleShape {
                expected: mean.shape().to_vec(),
                got: std.shape().to_vec(),
            });
        }
        let sound = |mean: f64, std: f64| mean.is_finite() && std.is_finite() && std > 0.0;
        match mean.iter().zip(&std).find(|&(&mean, &std)| !sound(mean, std)) {
            None => Ok(Standardizer { mean, std }),
            Some((&mean, &std)) => Err(DataError::Spread { mean, std }),
        }
    }

    /// μ: of the shape of one sample, or `[]`.
    pub fn mean(&self) -> &ArrayD<f64> {
        &self.mean
    }

    /// σ: of the shape of one sample, or `[]`.
    pub fn std(&self) -> &ArrayD<f64> {
        &self.std
    }

    /// The data set with scaled inputs.
    ///
    /// # Errors
    /// When its samples have another shape than those fitted on, or a scaled number overflows.
    pub fn apply<F: Real>(&self, set: Dataset<F>) -> Result<Dataset<F>, DataError> {
        set.map_inputs(|inputs| self.transform(inputs))
    }

    /// Scales inputs `[n, …]` in place: x ← (x − μ) / σ.
    ///
    /// # Errors
    /// When the samples have another shape than those fitted on.
    pub fn transform<F: Real>(&self, inputs: ArrayViewMutD<'_, F>) -> Result<(), DataError> {
        each_feature(inputs, &self.mean, &self.std, |x, mean, std| (x - mean) / std)
    }

    /// Undoes [`transform`](Standardizer::transform) in place: x ← x·σ + μ.
    ///
    /// # Errors
    /// When the samples have another shape than those fitted on.
    pub fn inverse<F: Real>(&self, inputs: ArrayViewMutD<'_, F>) -> Result<(), DataError> {
        each_feature(inputs, &self.mean, &self.std, |x, mean, std| x * std + mean)
    }
}

/// Mean and standard deviation from mean, variance, lowest and highest value.
///
/// A constant feature is told by its range, because its variance need not come out as 0.
fn finish(mean: f64, variance: f64, (low, high): (f64, f64)) -> (f64, f64) {
    if low >= high {
        return (if low == high { low } else { 0.0 }, 1.0);
    }
    (mean, variance.sqrt())
}

#[cfg(feature = "serde")]
mod saved {
    use serde::{Deserialize, Serialize};

    use crate::DataError;
    use crate::scaling::saved_array;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Standardizer {
        shape: Vec<usize>,
        mean: Vec<f64>,
        std: Vec<f64>,
    }

    impl From<super::Standardizer> for Standardizer {
        fn from(scaling: super::Standardizer) -> Self {
            Standardizer {
                shape: scaling.mean.shape().to_vec(),
                mean: scaling.mean.iter().copied().collect(),
                std: scaling.std.iter().copied().collect(),
            }
        }
    }

    impl TryFrom<Standardizer> for super::Standardizer {
        type Error = DataError;

        fn try_from(saved: Standardizer) -> Result<Self, DataError> {
            let (mean, std) = (saved_array(&saved.shape, saved.mean)?, saved_array(&saved.shape, saved.std)?);
            super::Standardizer::new(mean, std)
        }
    }
}
