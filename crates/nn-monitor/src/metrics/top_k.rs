use std::cmp::Ordering;

use ndarray::ArrayView1;
use nn_core::{EvaluateError, RangeError, Real, View, check_range};

use super::cases::{Cases, order};
use super::{Metric, Score};

/// The share of cases whose true class is among the k with the largest outputs.
///
/// Outputs are `[n, C]` or `[n, C, …]`, targets `[n]` or `[n, …]`, the classes as numbers from 0. Of equal
/// outputs the first come first, so that k = 1 is [`Accuracy`](super::Accuracy). With k ≥ C the share is 1.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Metric, Score, TopK};
///
/// let mut top = TopK::new(2)?;
/// top.update_arrays(&array![[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]], &array![1.0, 0.0])?;
/// assert_eq!((top.name(), top.value()), ("top_2_accuracy", 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    cases: Cases,
    name: String,
    k: usize,
    correct: u64,
    count: u64,
}

impl TopK {
    /// Among the k largest outputs, k at least 1.
    ///
    /// # Errors
    /// When k is 0.
    pub fn new(k: usize) -> Result<Self, RangeError> {
        check_range("TopK", "k", k as f64, "[1, inf)", k >= 1)?;
        let name = format!("top_{k}_accuracy");
        Ok(TopK { cases: Cases::new("top_k"), name, k, correct: 0, count: 0 })
    }

    /// Leaves out cases with this label, such as −1 for padding. Default: none.
    #[must_use]
    pub fn ignore_index(mut self, label: i64) -> Self {
        self.cases.ignored = Some(label);
        self
    }

    /// Takes in all cases that another has counted.
    ///
    /// # Panics
    /// When its k differs.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.k, other.k, "top_k: different k cannot be merged");
        self.correct += other.correct;
        self.count += other.count;
    }
}

/// How many classes come before this one when they are ordered by falling scores.
fn rank<F: Real>(scores: ArrayView1<'_, F>, class: usize) -> usize {
    let own = scores[class];
    let is_before = |(i, &x): (usize, &F)| match order(x, own) {
        Ordering::Greater => true,
        Ordering::Equal => i < class,
        Ordering::Less => false,
    };
    scores.iter().enumerate().filter(|&case| is_before(case)).count()
}

impl Score for TopK {
    fn name(&self) -> &str {
        &self.name
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

impl<F: Real> Metric<F> for TopK {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        let (mut correct, mut count) = (0, 0);
        self.cases.each_case(outputs, targets, |scores, truth| {
            correct += u64::from(rank(scores, truth) < self.k);
            count += 1;
        })?;
        self.correct += correct;
        self.count += count;
        Ok(())
    }
}
