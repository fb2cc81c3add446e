//! Scaling of inputs to uncorrelated features of variance 1.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMutD, Axis};
use nn_core::{Real, check_range, shape};

use crate::scaling::{check_shape, each_input, each_piece};
use crate::{DataError, Dataset, Source, eigen};

/// Which of the transformations that whiten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum WhiteningMethod {
    /// Onto the principal components: feature i of the result belongs to the i-th largest variance.
    Pca,
    /// And turned back, so that the result is as near to the input as it can be: whitened images look like images.
    Zca,
}

/// Makes features uncorrelated and their variances 1: x ↦ D^(−1/2)·U·(x − μ), for ZCA Uᵀ·D^(−1/2)·U·(x − μ).
///
/// The rows of U are the eigenvectors of the covariance Σ(x − μ)(x − μ)ᵀ/n of the training part, by descending
/// eigenvalue λ, and D = diag(λ + ε). Variances far below ε stay small, so that noise is not blown up. All is computed
/// and kept in `f64`; a sample has as many features as before, in the same shape.
///
/// It takes (features)² numbers of memory, of which there may be 8,192, and time in proportion to n·(features)² +
/// 9·(features)³.
///
/// Source: A. J. Bell and T. J. Sejnowski (1997), "The 'independent components' of natural scenes are edge filters"; with ε
/// as in A. Krizhevsky (2009), "Learning multiple layers of features from tiny images", appendix A.
///
/// ```
/// use ndarray::array;
/// use nn_data::{Dataset, Whitening, WhiteningMethod};
///
/// let inputs = array![[2.0, 2.0], [-2.0, -2.0], [1.0, -1.0], [-1.0, 1.0]];
/// let train = Dataset::<f64>::regression(inputs, array![0.0, 0.0, 0.0, 0.0]).unwrap();
/// let scaling = Whitening::fit(&train, WhiteningMethod::Pca, 1e-9).unwrap();
/// assert!((scaling.eigenvalues()[0] - 4.0).abs() < 1e-12 && (scaling.eigenvalues()[1] - 1.0).abs() < 1e-12);
/// let white = scaling.apply(train).unwrap();
/// let root = 2.0_f64.sqrt();
/// for (x, expected) in white.inputs().iter().zip([root, 0.0, -root, 0.0, 0.0, root, 0.0, -root]) {
///     assert!((x.abs() - expected.abs()).abs() < 1e-8);
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "saved::Whitening", into = "saved::Whitening"))]
pub struct Whitening {
    method: WhiteningMethod,
    epsilon: f64,
    shape: Vec<usize>,
    mean: Vec<f64>,
    eigenvalues: Vec<f64>,
    /// U.
    eigenvectors: Array2<f64>,
    /// (x − μ), a row, is multiplied by this from the right, and the result by the other to be undone.
    forward: Array2<f64>,
    backward: Array2<f64>,
}

/// The most features.
const MOST: usize = 8192;

impl Whitening {
    /// Fits mean and covariance.
    ///
    /// - `epsilon`: ε, above 0; 1e-5 for inputs of about unit variance, 0.01 to 0.1 for images in \[0, 1\].
    ///
    /// # Errors
    /// When `epsilon` is out of its range, there are no features or more than 8,192, a sample cannot be read, or the
    /// covariance overflows.
    pub fn fit<F: Real>(
        train: &dyn Source<F>,
        method: WhiteningMethod,
        epsilon: f64,
    ) -> Result<Self, DataError> {
        let features = shape::size(train.input_shape());
        check_range("Whitening", "features", features as f64, "[1, 8192]", (1..=MOST).contains(&features))?;
        let n = train.len() as f64;
        let mut mean = vec![0.0; features];
        each_input(train, |row| mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x.to_f64() / n))?;
        let mut covariance = Array2::zeros((features, features));
        each_piece(train, |rows, _| {
            let centered = centered(rows, &mean);
            general_mat_mul(1.0 / n, &centered.t(), &centered, 1.0, &mut covariance);
        })?;
        let covariance = (&covariance + &covariance.t()) * 0.5;
        let eigen = covariance.as_slice().and_then(|matrix| eigen::symmetric(matrix, features));
        let (values, vectors) =
            eigen.unwrap_or_else(|| (vec![f64::NAN; features], vec![0.0; features * features]));
        let values = values.into_iter().map(|value| if value < 0.0 { 0.0 } else { value }).collect();
        let vectors = Array2::from_shape_vec((features, features), vectors).expect("a square");
        Self::from_parts(method, epsilon, train.input_shape().to_vec(), mean, values, vectors)
    }

    fn from_parts(
        method: WhiteningMethod,
        epsilon: f64,
        shape: Vec<usize>,
        mean: Vec<f64>,
        eigenvalues: Vec<f64>,
        eigenvectors: Array2<f64>,
    ) -> Result<Self, DataError> {
        let check = |field, value, range, inside| check_range("Whitening", field, value, range, inside);
        check("epsilon", epsilon, "(0, ∞)", epsilon > 0.0 && epsilon.is_finite())?;
        for &mean in &mean {
            check("mean", mean, "finite numbers", mean.is_finite())?;
        }
        for &value in &eigenvalues {
            check("eigenvalue", value, "[0, ∞)", value >= 0.0 && value.is_finite())?;
        }
        for row in eigenvectors.rows() {
            let length = row.dot(&row).sqrt();
            check("length of an eigenvector", length, "[0.999, 1.001]", (0.999..=1.001).contains(&length))?;
        }
        let forward = product(method, &eigenvectors, &eigenvalues, |value| 1.0 / (value + epsilon).sqrt());
        let backward = product(method, &eigenvectors, &eigenvalues, |value| (value + epsilon).sqrt());
        let forward = if method == WhiteningMethod::Pca { forward.reversed_axes() } else { forward };
        Ok(Whitening { method, epsilon, shape, mean, eigenvalues, eigenvectors, forward, backward })
    }

    /// Which transformation it is.
    pub fn method(&self) -> WhiteningMethod {
        self.method
    }

    /// ε.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// The shape of one input.
    pub fn input_shape(&self) -> &[usize] {
        &self.shape
    }

    /// μ, feature by feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variances along the principal components, the largest first.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// U: row i is the i-th principal component, its largest element in magnitude positive.
    pub fn eigenvectors(&self) -> ArrayView2<'_, f64> {
        self.eigenvectors.view()
    }

    /// The data set with whitened inputs.
    ///
    /// # Errors
    /// When its samples have another shape than those fitted on, or a number overflows.
    pub fn apply<F: Real>(&self, set: Dataset<F>) -> Result<Dataset<F>, DataError> {
        set.map_inputs(|inputs| self.transform(inputs))
    }

    /// Whitens inputs `[n, …]` in place.
    ///
    /// # Errors
    /// When the samples have another shape than those fitted on.
    pub fn transform<F: Real>(&self, inputs: ArrayViewMutD<'_, F>) -> Result<(), DataError> {
        self.each(inputs, |rows| {
            let result = centered(rows, &self.mean).dot(&self.forward);
            rows.iter_mut().zip(&result).for_each(|(x, &y)| *x = F::from_f64(y));
        })
    }

    /// Undoes [`transform`](Whitening::transform) in place.
    ///
    /// # Errors
    /// When the samples have another shape than those fitted on.
    pub fn inverse<F: Real>(&self, inputs: ArrayViewMutD<'_, F>) -> Result<(), DataError> {
        let zeros = vec![0.0; self.mean.len()];
        self.each(inputs, |rows| {
            let result = centered(rows, &zeros).dot(&self.backward);
            let means = self.mean.iter().cycle();
            rows.iter_mut().zip(&result).zip(means).for_each(|((x, &y), &mean)| *x = F::from_f64(y + mean));
        })
    }

    /// Calls `change` with some samples after the other, row by row.
    fn each<F: Real>(
        &self,
        mut inputs: ArrayViewMutD<'_, F>,
        change: impl Fn(&mut [F]),
    ) -> Result<(), DataError> {
        check_shape(&inputs, &self.shape)?;
        for mut rows in inputs.axis_chunks_iter_mut(Axis(0), 256) {
            match rows.as_slice_mut() {
                Some(rows) => change(rows),
                None => {
                    let mut copy: Vec<F> = rows.iter().copied().collect();
                    change(&mut copy);
                    rows.iter_mut().zip(copy).for_each(|(x, y)| *x = y);
                }
            }
        }
        Ok(())
    }
}

/// Rows less their mean.
fn centered<F: Real>(rows: &[F], mean: &[f64]) -> Array2<f64> {
    let values =
        rows.chunks_exact(mean.len()).flat_map(|row| row.iter().zip(mean).map(|(x, mean)| x.to_f64() - mean));
    Array2::from_shape_vec((rows.len() / mean.len(), mean.len()), values.collect()).expect("whole rows")
}

/// diag(f(λ))·U, for ZCA Uᵀ·diag(f(λ))·U.
fn product(
    method: WhiteningMethod,
    eigenvectors: &Array2<f64>,
    eigenvalues: &[f64],
    f: impl Fn(f64) -> f64,
) -> Array2<f64> {
    let mut scaled = eigenvectors.clone();
    for (mut row, &value) in scaled.rows_mut().into_iter().zip(eigenvalues) {
        row *= f(value);
    }
    match method {
        WhiteningMethod::Pca => scaled,
        WhiteningMethod::Zca => eigenvectors.t().dot(&scaled),
    }
}

#[cfg(feature = "serde")]
mod saved {
    use ndarray::Array2;
    use serde::{Deserialize, Serialize};

    use super::WhiteningMethod;
    use crate::DataError;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Whitening {
        method: WhiteningMethod,
        epsilon: f64,
        shape: Vec<usize>,
        mean: Vec<f64>,
        eigenvalues: Vec<f64>,
        eigenvectors: Vec<f64>,
    }

    impl From<super::Whitening> for Whitening {
        fn from(scaling: super::Whitening) -> Self {
            Whitening {
                method: scaling.method,
                epsilon: scaling.epsilon,
                shape: scaling.shape,
                mean: scaling.mean,
                eigenvalues: scaling.eigenvalues,
                eigenvectors: scaling.eigenvectors.iter().copied().collect(),
            }
        }
    }

    impl TryFrom<Whitening> for super::Whitening {
        type Error = DataError;

        fn try_from(saved: Whitening) -> Result<Self, DataError> {
            let n = saved.mean.len();
            let wrong = |got: usize| DataError::SampleShape { expected: saved.shape.clone(), got: vec![got] };
            let features = saved.shape.iter().try_fold(1_usize, |size, &length| size.checked_mul(length));
            if n == 0 || features != Some(n) {
                return Err(wrong(n));
            }
            if saved.eigenvalues.len() != n {
                return Err(wrong(saved.eigenvalues.len()));
            }
            let count = saved.eigenvectors.len();
            let vectors = Array2::from_shape_vec((n, n), saved.eigenvectors).map_err(|_| wrong(count))?;
            let Whitening { method, epsilon, shape, mean, eigenvalues, .. } = saved;
            super::Whitening::from_parts(method, epsilon, shape, mean, eigenvalues, vectors)
        }
    }
}
