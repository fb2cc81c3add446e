use nn_core::{EvaluateError, Real, View};

use super::cases::Cases;
use super::{Metric, Score};

/// The share of cases whose class is predicted right.
///
/// - Outputs `[n, C]` or `[n, C, …]` with targets `[n]` or `[n, …]`, the classes as numbers from 0: the
///   prediction is the class with the largest output, of equals the first. NaN counts as the largest.
/// - Outputs and targets of one shape, or `[n, 1]` and `[n]`: each output is a score by itself. The
///   prediction is 1 where it is above the [threshold](Accuracy::threshold), which is 0 (right for logits;
///   take 0.5 for probabilities).
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Accuracy, Metric, Score};
///
/// let mut accuracy = Accuracy::new();
/// accuracy.update_arrays(&array![[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]], &array![0.0, 2.0])?;
/// accuracy.update_arrays(&array![[0.0, 0.1, 0.2]], &array![2.0])?;
/// assert_eq!(accuracy.value(), 2.0 / 3.0);
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Accuracy {
    cases: Cases,
    correct: u64,
    count: u64,
}

impl Accuracy {
    /// Of no cases yet.
    pub fn new() -> Self {
        Accuracy { cases: Cases::new("accuracy"), correct: 0, count: 0 }
    }

    /// Sets the threshold above which a single output stands for class 1. Default: 0.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.cases.threshold = threshold;
        self
    }

    /// Leaves out cases with this label, such as −1 for padding. Default: none.
    #[must_use]
    pub fn ignore_index(mut self, label: i64) -> Self {
        self.cases.ignored = Some(label);
        self
    }

    /// Takes in all cases that another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.correct += other.correct;
        self.count += other.count;
    }

    /// The number of cases so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Default for Accuracy {
    fn default() -> Self {
        Self::new()
    }
}

impl Score for Accuracy {
    fn name(&self) -> &str {
        self.cases.metric
    }

    fn value(&self) -> f64 {
        self.correct as f64 / self.count as f64
    }

    fn reset(&mut self) {
        (self.correct, self.count) = (0, 0);
    }

    fn larger_is_better(&self) -> bool {
        true
    }
}

impl<F: Real> Metric<F> for Accuracy {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        let (pairs, _) = self.cases.decide(outputs, targets)?;
        self.count += pairs.len() as u64;
        self.correct += pairs.iter().filter(|(predicted, truth)| predicted == truth).count() as u64;
        Ok(())
    }
}
