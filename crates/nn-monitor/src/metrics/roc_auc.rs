use nn_core::{EvaluateError, RangeError, Real, ShapeError, View, check_range};

use super::cases::{Cases, is_binary};
use super::perplexity::log_sum_exp;
use super::{Metric, Score};

/// The area under the ROC curve: the probability that a case of a class scores higher than a case of another,
/// a tie counting as one half.
///
/// Exact (the statistic of Mann and Whitney), for which all scores are kept: 8 bytes for each output and 4
/// for each case. It is NaN while a class has no cases or all cases, and where a score is NaN.
///
/// - [`binary`](RocAuc::binary): outputs and targets of one shape, or `[n, 1]` and `[n]`; each output is the
///   score of class 1 against class 0, as probability, logit or otherwise.
/// - [`one_vs_rest`](RocAuc::one_vs_rest): outputs `[n, C]`, targets `[n]`; the mean over classes of the area
///   of each class against all others, with its output as the score.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Metric, RocAuc, Score};
///
/// let mut auc = RocAuc::binary();
/// auc.update_arrays(&array![0.1, 0.4, 0.35, 0.8], &array![0.0, 0.0, 1.0, 1.0])?;
/// assert_eq!(auc.value(), 0.75);
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
///
/// # Source
/// Fawcett 2006, "An introduction to ROC analysis", sections 7 and 9.2 (the mean here has equal weights).
#[derive(Clone, Debug, PartialEq)]
pub struct RocAuc {
    cases: Cases,
    /// 1 where each output is a score by itself.
    columns: usize,
    softmax: bool,
    scores: Vec<f64>,
    labels: Vec<u32>,
}

impl RocAuc {
    /// Of class 1 against class 0.
    pub fn binary() -> Self {
        Self::of_columns(1)
    }

    /// The mean over this many classes, at least 2, of each against all others.
    ///
    /// # Errors
    /// When there are fewer than 2 classes.
    pub fn one_vs_rest(classes: usize) -> Result<Self, RangeError> {
        check_range("RocAuc", "classes", classes as f64, "[2, inf)", classes >= 2)?;
        Ok(Self::of_columns(classes))
    }

    fn of_columns(columns: usize) -> Self {
        RocAuc {
            cases: Cases::new("roc_auc"),
            columns,
            softmax: false,
            scores: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Says that outputs are logits over classes, to be turned into probabilities by softmax, which changes
    /// the order of cases. Without it outputs are taken as they are. Of no effect on
    /// [`binary`](RocAuc::binary) scores.
    #[must_use]
    pub fn from_logits(mut self) -> Self {
        self.softmax = self.columns > 1;
        self
    }

    /// Leaves out cases with this label. Default: none.
    #[must_use]
    pub fn ignore_index(mut self, label: i64) -> Self {
        self.cases.ignored = Some(label);
        self
    }

    /// Takes in all cases of another.
    ///
    /// # Panics
    /// When its number of classes differs.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.columns, other.columns, "roc_auc: different classes cannot be merged");
        self.scores.extend_from_slice(&other.scores);
        self.labels.extend_from_slice(&other.labels);
    }

    /// The area for this class against all others.
    ///
    /// # Panics
    /// When the class does not exist.
    #[track_caller]
    pub fn class_value(&self, class: usize) -> f64 {
        let classes = self.columns.max(2);
        assert!(class < classes, "class {class} of {classes} does not exist");
        if self.columns == 1 {
            return self.area(0, 1);
        }
        self.area(class, class as u32)
    }

    /// The area for the scores of a column, cases with this label against all others.
    fn area(&self, column: usize, label: u32) -> f64 {
        let column_scores = self.scores.iter().skip(column).step_by(self.columns);
        let mut cases: Vec<(f64, bool)> =
            column_scores.zip(&self.labels).map(|(&score, &of)| (score, of == label)).collect();
        if cases.iter().any(|(score, _)| score.is_nan()) {
            return f64::NAN;
        }
        cases.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        // Twice the number of pairs in which the positive is above, ties counting once: a whole number.
        let (mut twice, mut negatives_below) = (0u128, 0u128);
        for ties in cases.chunk_by(|a, b| a.0 == b.0) {
            let positives = ties.iter().filter(|(_, positive)| *positive).count() as u128;
            let negatives = ties.len() as u128 - positives;
            twice += positives * (2 * negatives_below + negatives);
            negatives_below += negatives;
        }
        let positives = cases.len() as u128 - negatives_below;
        twice as f64 / (2 * positives * negatives_below) as f64
    }
}

impl Score for RocAuc {
    fn name(&self) -> &str {
        self.cases.metric
    }

    fn value(&self) -> f64 {
        match self.columns {
            1 => self.area(0, 1),
            n => (0..n).map(|class| self.area(class, class as u32)).sum::<f64>() / n as f64,
        }
    }

    fn reset(&mut self) {
        self.scores.clear();
        self.labels.clear();
    }

    fn larger_is_better(&self) -> bool {
        true
    }
}

impl<F: Real> Metric<F> for RocAuc {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        if self.columns == 1 {
            return self.update_binary(outputs, targets);
        }
        if outputs.ndim() != 2 || outputs.shape()[1] != self.columns {
            let expected = format!("[n, {}]", self.columns);
            let got = outputs.shape().to_vec();
            return Err(ShapeError::Input { op: self.cases.metric, input: 0, expected, got }.into());
        }
        let RocAuc { cases, softmax, scores: kept, labels, .. } = self;
        cases.each_case(outputs, targets, |scores, truth| {
            let total = if *softmax { log_sum_exp(scores.iter()) } else { 0.0 };
            kept.extend(scores.iter().map(|x| x.to_f64() - total));
            labels.push(truth as u32);
        })?;
        Ok(())
    }
}

impl RocAuc {
    fn update_binary<F: Real>(
        &mut self,
        outputs: &View<'_, F>,
        targets: &View<'_, F>,
    ) -> Result<(), EvaluateError> {
        if !is_binary(outputs.shape(), targets.shape()) {
            return Err(ShapeError::Mismatch {
                op: self.cases.metric,
                expected: "scores and targets of one shape".to_owned(),
                left: outputs.shape().to_vec(),
                right: targets.shape().to_vec(),
            }
            .into());
        }
        let labels = self.cases.labels(targets, 2)?;
        for (y, label) in outputs.iter().zip(labels) {
            if let Some(label) = label {
                self.scores.push(y.to_f64());
                self.labels.push(label as u32);
            }
        }
        Ok(())
    }
}
