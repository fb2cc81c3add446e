use nn_core::{EvaluateError, Real, ShapeError, View};

use super::{Metric, Score};

/// The mean squared error, 1/(nm) Σ (y − t)², over n samples of m outputs.
///
/// Outputs and targets have one shape, `[n, …]`, or are `[n, 1]` and `[n]`.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Metric, Mse, Score};
///
/// let mut mse = Mse::new();
/// mse.update_arrays(&array![1.0, 2.0], &array![1.0, 4.0])?;
/// mse.update_arrays(&array![0.0], &array![1.0])?;
/// assert_eq!(mse.value(), 5.0 / 3.0);
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mse {
    sums: Sums,
}

/// The mean absolute error, 1/(nm) Σ |y − t|, over n samples of m outputs.
///
/// Outputs and targets have one shape, `[n, …]`, or are `[n, 1]` and `[n]`.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Mae, Metric, Score};
///
/// let mut mae = Mae::new();
/// mae.update_arrays(&array![1.0, 2.0], &array![1.0, 4.0])?;
/// assert_eq!(mae.value(), 1.0);
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mae {
    sums: Sums,
}

/// The coefficient of determination, R² = 1 − Σ (y − t)² / Σ (t − t̄)²: the share of the variance of the
/// targets that the outputs explain. It is below 0 where they are worse than the mean.
///
/// Of several outputs it is the mean of the R² of each. Where all targets are the same it is 1 if they are
/// met exactly, else 0; of fewer than two samples it is not defined. All three are as in scikit-learn.
///
/// The sum in the denominator is updated with each sample, which loses nothing where the mean is far from 0
/// (Welford 1962, "Note on a method for calculating corrected sums of squares and products"); two are merged
/// as in Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
/// variances".
///
/// Outputs and targets have one shape, `[n, …]`, or are `[n, 1]` and `[n]`.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Metric, R2, Score};
///
/// let mut r2 = R2::new();
/// r2.update_arrays(&array![2.5, 0.0, 2.0, 8.0], &array![3.0, -0.5, 2.0, 7.0])?;
/// assert!((r2.value() - 0.9486081370449679).abs() < 1e-15);
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct R2 {
    columns: Vec<Spread>,
    count: u64,
}

/// A sum for each output, over all samples.
///
/// Each is added up sample by sample, so that batches make no difference, not even of rounding.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    columns: Vec<f64>,
    count: u64,
}

impl Sums {
    fn update<F: Real>(
        &mut self,
        metric: &'static str,
        outputs: &View<'_, F>,
        targets: &View<'_, F>,
        term: impl Fn(f64) -> f64,
    ) -> Result<(), ShapeError> {
        let expected = (self.count > 0).then_some(self.columns.len());
        let (rows, columns) = rows_and_columns(metric, outputs, targets, expected)?;
        self.columns.resize(columns, 0.0);
        let mut pairs = outputs.iter().zip(targets);
        for _ in 0..rows {
            for (sum, (y, t)) in self.columns.iter_mut().zip(&mut pairs) {
                *sum += term(y.to_f64() - t.to_f64());
            }
        }
        self.count += rows as u64;
        Ok(())
    }

    fn merge(&mut self, other: &Self) {
        if self.count == 0 {
            self.columns.clear();
            self.columns.resize(other.columns.len(), 0.0);
        }
        assert!(
            other.count == 0 || self.columns.len() == other.columns.len(),
            "different outputs cannot be merged"
        );
        self.columns.iter_mut().zip(&other.columns).for_each(|(sum, x)| *sum += x);
        self.count += other.count;
    }

    fn mean(&self) -> f64 {
        self.columns.iter().sum::<f64>() / (self.count as f64 * self.columns.len() as f64)
    }
}

/// The number of samples, and of outputs of each; `expected` is that of earlier batches.
fn rows_and_columns<F: Real>(
    op: &'static str,
    outputs: &View<'_, F>,
    targets: &View<'_, F>,
    expected: Option<usize>,
) -> Result<(usize, usize), ShapeError> {
    let (left, right) = (outputs.shape(), targets.shape());
    let fits = left == right || matches!((left, right), ([n, 1], [m]) | ([n], [m, 1]) if n == m);
    let &[rows, ref rest @ ..] = left else {
        let expected = "an array [n, …]".to_owned();
        return Err(ShapeError::Input { op, input: 0, expected, got: left.to_vec() });
    };
    if !fits {
        let expected = "outputs and targets [n, …] of one shape".to_owned();
        return Err(ShapeError::Mismatch { op, expected, left: left.to_vec(), right: right.to_vec() });
    }
    let columns = nn_core::shape::size(rest);
    match expected {
        Some(earlier) if earlier != columns => {
            let expected = format!("{earlier} outputs a sample, as in earlier batches");
            Err(ShapeError::Input { op, input: 0, expected, got: left.to_vec() })
        }
        _ => Ok((rows, columns)),
    }
}

impl Mse {
    /// Of no samples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in all samples of another.
    ///
    /// # Panics
    /// When its samples have another number of outputs.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
    }
}

impl Mae {
    /// Of no samples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in all samples of another.
    ///
    /// # Panics
    /// When its samples have another number of outputs.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
    }
}

impl Score for Mse {
    fn name(&self) -> &str {
        "mse"
    }

    fn value(&self) -> f64 {
        self.sums.mean()
    }

    fn reset(&mut self) {
        self.sums = Sums::default();
    }

    fn larger_is_better(&self) -> bool {
        false
    }
}

impl Score for Mae {
    fn name(&self) -> &str {
        "mae"
    }

    fn value(&self) -> f64 {
        self.sums.mean()
    }

    fn reset(&mut self) {
        self.sums = Sums::default();
    }

    fn larger_is_better(&self) -> bool {
        false
    }
}

impl<F: Real> Metric<F> for Mse {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        Ok(self.sums.update("mse", outputs, targets, |d| d * d)?)
    }
}

impl<F: Real> Metric<F> for Mae {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        Ok(self.sums.update("mae", outputs, targets, f64::abs)?)
    }
}

/// Of one output: mean of the targets, Σ (t − t̄)² and Σ (y − t)².
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spread {
    mean: f64,
    total: f64,
    residual: f64,
}

impl Spread {
    fn r2(&self) -> f64 {
        if self.total != 0.0 {
            1.0 - self.residual / self.total
        } else if self.residual == 0.0 {
            1.0
        } else {
            0.0
        }
    }
}

impl R2 {
    /// Of no samples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in all samples of another.
    ///
    /// # Panics
    /// When its samples have another number of outputs.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            return self.clone_from(other);
        }
        assert_eq!(self.columns.len(), other.columns.len(), "r2: different outputs cannot be merged");
        let (n, m) = (self.count as f64, other.count as f64);
        for (a, b) in self.columns.iter_mut().zip(&other.columns) {
            let d = b.mean - a.mean;
            a.mean += d * m / (n + m);
            a.total += b.total + d * d * n * m / (n + m);
            a.residual += b.residual;
        }
        self.count += other.count;
    }
}

impl Score for R2 {
    fn name(&self) -> &str {
        "r2"
    }

    fn value(&self) -> f64 {
        if self.count < 2 {
            return f64::NAN;
        }
        self.columns.iter().map(Spread::r2).sum::<f64>() / self.columns.len() as f64
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn larger_is_better(&self) -> bool {
        true
    }
}

impl<F: Real> Metric<F> for R2 {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        let expected = (self.count > 0).then_some(self.columns.len());
        let (rows, columns) = rows_and_columns("r2", outputs, targets, expected)?;
        self.columns.resize(columns, Spread::default());
        let mut pairs = outputs.iter().zip(targets);
        for _ in 0..rows {
            self.count += 1;
            for (spread, (y, t)) in self.columns.iter_mut().zip(&mut pairs) {
                let (y, t) = (y.to_f64(), t.to_f64());
                let d = t - spread.mean;
                spread.mean += d / self.count as f64;
                spread.total += d * (t - spread.mean);
                spread.residual += (y - t) * (y - t);
            }
        }
        Ok(())
    }
}
