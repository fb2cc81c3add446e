use nn_core::{EvaluateError, Real, View};

use super::cases::Cases;
use super::{Metric, Score};

/// The perplexity: as how many equally likely classes the model's uncertainty is.
///
/// exp(−1/n Σ ln p_t), where p = softmax(outputs) and t is the true class.
///
/// Outputs are logits, `[n, C]` or `[n, C, …]`, targets `[n]` or `[n, …]`, the classes as numbers from 0. A
/// case whose true class is given no probability makes it infinite.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Metric, Perplexity, Score};
///
/// let mut perplexity = Perplexity::new();
/// perplexity.update_arrays(&array![[0.0, 0.0, 0.0, 0.0]], &array![2.0])?;
/// assert!((perplexity.value() - 4.0).abs() < 1e-12);
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Perplexity {
    cases: Cases,
    sum: f64,
    count: u64,
}

impl Perplexity {
    /// Of no cases yet.
    pub fn new() -> Self {
        Perplexity { cases: Cases::new("perplexity"), sum: 0.0, count: 0 }
    }

    /// Leaves out cases with this label, such as −1 for padding. Default: none.
    #[must_use]
    pub fn ignore_index(mut self, label: i64) -> Self {
        self.cases.ignored = Some(label);
        self
    }

    /// Takes in all cases that another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }
}

impl Default for Perplexity {
    fn default() -> Self {
        Self::new()
    }
}

/// ln Σ eˣ.
pub(super) fn log_sum_exp<'a, F: Real>(scores: impl Iterator<Item = &'a F> + Clone) -> f64 {
    let max = scores.clone().fold(f64::NEG_INFINITY, |max, x| max.max(x.to_f64()));
    if max.is_infinite() {
        return max;
    }
    max + scores.map(|x| (x.to_f64() - max).exp()).sum::<f64>().ln()
}

impl Score for Perplexity {
    fn name(&self) -> &str {
        self.cases.metric
    }

    fn value(&self) -> f64 {
        (self.sum / self.count as f64).exp()
    }

    fn reset(&mut self) {
        (self.sum, self.count) = (0.0, 0);
    }

    fn larger_is_better(&self) -> bool {
        false
    }
}

impl<F: Real> Metric<F> for Perplexity {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        let (mut sum, mut count) = (self.sum, self.count);
        self.cases.each_case(outputs, targets, |scores, truth| {
            sum += log_sum_exp(scores.iter()) - scores[truth].to_f64();
            count += 1;
        })?;
        (self.sum, self.count) = (sum, count);
        Ok(())
    }
}
