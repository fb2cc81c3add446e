//! Ridge regression.

use std::fmt;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use nn_core::{RangeError, Real, check_range};
use nn_ops::{dot, gemm};

/// Ridge regression: the linear readout with the least squared error and not too large weights, in closed form.
///
/// W, b = argmin Σᵢ ‖yᵢ − W·xᵢ − b‖² + λ‖W‖²; the bias b is not penalised. With x̄, ȳ the means and X, Y the rows less
/// them, Wᵀ = (XᵀX + λI)⁻¹XᵀY and b = ȳ − W·x̄, solved by the Cholesky factorisation in `f64`. It takes about
/// `rows`·`in`² + `in`³/3 operations.
///
/// λ in [0, ∞); with 0 it is the method of least squares, and the columns of X must be linearly independent.
///
/// ```
/// use ndarray::array;
/// use nn_layers::Ridge;
///
/// // y = 2a − b + 3.
/// let x = array![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 1.0]];
/// let y = array![[3.0], [5.0], [2.0], [6.0]];
/// let readout = Ridge::new(0.0)?.fit(x.view(), y.view())?;
/// assert!((&readout.weight - &array![[2.0, -1.0]]).iter().all(|d: &f64| d.abs() < 1e-12));
/// assert!((readout.bias[0] - 3.0).abs() < 1e-12);
/// assert!((&readout.predict(x.view()) - &y).iter().all(|d| d.abs() < 1e-12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Hoerl, Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems"; Golub and Van Loan,
/// "Matrix computations", section 4.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ridge {
    lambda: f64,
    has_bias: bool,
}

/// What [`Ridge`] found: y = W·x + b, with the shapes of a [`Linear`](crate::Linear) layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Readout<F: Real> {
    /// W, `[out, in]`.
    pub weight: Array2<F>,
    /// b, `[out]`; zero without bias.
    pub bias: Array1<F>,
}

impl Ridge {
    /// With penalty λ, in [0, ∞), and a bias.
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn new(lambda: f64) -> Result<Self, RangeError> {
        check_range("Ridge", "lambda", lambda, "[0, ∞)", lambda >= 0.0 && lambda.is_finite())?;
        Ok(Ridge { lambda, has_bias: true })
    }

    /// Whether there is a bias; by default yes. Without one, means are not subtracted.
    #[must_use]
    pub fn bias(self, has_bias: bool) -> Self {
        Ridge { has_bias, ..self }
    }

    /// Solves for the readout that takes the rows of `x`, `[rows, in]`, to those of `y`, `[rows, out]`.
    ///
    /// # Errors
    /// When the numbers of rows differ or are 0; when XᵀX + λI is not positive definite: because of NaN or infinities,
    /// or because λ is too small for columns that depend on each other.
    pub fn fit<F: Real>(&self, x: ArrayView2<'_, F>, y: ArrayView2<'_, F>) -> Result<Readout<F>, RidgeError> {
        if x.nrows() != y.nrows() || x.nrows() == 0 {
            return Err(RidgeError::Rows { x: x.dim(), y: y.dim() });
        }
        let (x, x_mean) = self.centred(x);
        let (y, y_mean) = self.centred(y);
        let inputs = x.ncols();
        let mut a = Array2::<f64>::eye(inputs);
        gemm(1.0, x.t(), x.view(), self.lambda, a.view_mut());
        // The rows of the right-hand side are the outputs: (XᵀY)ᵀ.
        let mut w = Array2::<f64>::zeros((y.ncols(), inputs));
        gemm(1.0, y.t(), x.view(), 0.0, w.view_mut());
        let a = a.as_slice_mut().expect("row-major");
        factorize(a, inputs)?;
        for row in w.rows_mut() {
            solve(a, row.into_slice().expect("row-major"));
        }
        let bias = &y_mean - &w.dot(&x_mean);
        Ok(Readout { weight: w.mapv(F::from_f64), bias: bias.mapv(F::from_f64) })
    }

    /// The rows less their mean, and the mean; without bias the mean is taken to be zero.
    fn centred<F: Real>(&self, rows: ArrayView2<'_, F>) -> (Array2<f64>, Array1<f64>) {
        let mut centred = Array2::from_shape_fn(rows.dim(), |at| rows[at].to_f64());
        if !self.has_bias {
            return (centred, Array1::zeros(rows.ncols()));
        }
        let mean = centred.sum_axis(Axis(0)) / rows.nrows() as f64;
        centred -= &mean;
        (centred, mean)
    }
}

impl<F: Real> Readout<F> {
    /// W·x + b for each row of `x`, `[rows, in]`.
    ///
    /// # Panics
    /// When `x` has another number of columns than the weight.
    #[track_caller]
    pub fn predict(&self, x: ArrayView2<'_, F>) -> Array2<F> {
        let mut y = Array2::from_elem((x.nrows(), self.weight.nrows()), F::zero());
        y += &self.bias;
        gemm(F::one(), x, self.weight.t(), F::one(), y.view_mut());
        y
    }
}

/// Replaces the lower triangle of a symmetric matrix by L with A = L·Lᵀ, row by row.
fn factorize(a: &mut [f64], n: usize) -> Result<(), RidgeError> {
    // A pivot so small is but the rounding of the sums before it.
    let largest = (0..n).fold(0.0, |m: f64, i| m.max(a[i * n + i]));
    let least = largest * f64::EPSILON * n as f64;
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..][..=j];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        let is_positive = pivot > least && pivot.is_finite();
        if !is_positive {
            return Err(RidgeError::NotPositiveDefinite { column: i, pivot });
        }
        row[i] = pivot.sqrt();
    }
    Ok(())
}

/// Solves L·Lᵀ·x = b in place.
fn solve(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        b[i] = (b[i] - dot(&l[i * n..][..i], &b[..i])) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let x = b[i] / l[i * n + i];
        b[i] = x;
        for (b, l) in b[..i].iter_mut().zip(&l[i * n..][..i]) {
            *b -= l * x;
        }
    }
}

/// Why there is no readout.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RidgeError {
    /// The numbers of rows differ, or there is none.
    Rows {
        /// The shape of the inputs.
        x: (usize, usize),
        /// The shape of the targets.
        y: (usize, usize),
    },
    /// XᵀX + λI is not positive definite.
    NotPositiveDefinite {
        /// The column of X that depends on those before it, or holds what is not finite.
        column: usize,
        /// What is left of its square beside them: not above zero by more than rounding, or not finite.
        pivot: f64,
    },
}

impl fmt::Display for RidgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RidgeError::Rows { x, y } => {
                write!(
                    f,
                    "ridge: expected as many rows of inputs as of targets and at least one, got shapes {x:?} and {y:?}"
                )
            }
            RidgeError::NotPositiveDefinite { column, pivot } => write!(
                f,
                "ridge: the matrix is not positive definite at column {column} (pivot {pivot:e}): expected a larger \
                 lambda, or finite columns that do not depend on each other"
            ),
        }
    }
}

impl std::error::Error for RidgeError {}
