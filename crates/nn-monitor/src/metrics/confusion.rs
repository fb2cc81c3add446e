use ndarray::{Array2, ArrayView2, Axis};
use nn_core::{EvaluateError, RangeError, Real, ShapeError, View, check_range};

use super::cases::Cases;
use super::{Average, Metric, Score};

/// How often each class was taken for each.
///
/// `counts()[[t, y]]` is the number of cases of class t that were predicted to be of class y. Outputs and
/// targets are those of [`Accuracy`](super::Accuracy); a single output decides between classes 0 and 1. As a
/// [`Score`], its value is the accuracy.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Average, ConfusionMatrix, Metric};
///
/// let mut confusion = ConfusionMatrix::new(2)?;
/// confusion.update_arrays(&array![0.3, -1.0, 2.0, 0.1], &array![1.0, 1.0, 1.0, 0.0])?;
/// assert_eq!(confusion.counts(), array![[0, 1], [1, 2]]);
/// assert_eq!(confusion.precision(Average::Class(1)), 2.0 / 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    cases: Cases,
    counts: Array2<u64>,
}

impl ConfusionMatrix {
    /// Of this many classes, at least 2.
    ///
    /// # Errors
    /// When there are fewer than 2 classes.
    pub fn new(classes: usize) -> Result<Self, RangeError> {
        check_range("ConfusionMatrix", "classes", classes as f64, "[2, inf)", classes >= 2)?;
        Ok(ConfusionMatrix {
            cases: Cases::new("confusion_matrix"),
            counts: Array2::zeros((classes, classes)),
        })
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

    /// Counts one case.
    ///
    /// # Panics
    /// When a class does not exist.
    #[track_caller]
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.counts[[truth, predicted]] += 1;
    }

    /// Takes in all cases that another has counted.
    ///
    /// # Panics
    /// When its number of classes differs.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes(), other.classes(), "confusion_matrix: different classes cannot be merged");
        self.counts += &other.counts;
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.counts.nrows()
    }

    /// The counts, true classes in rows, predicted ones in columns.
    pub fn counts(&self) -> ArrayView2<'_, u64> {
        self.counts.view()
    }

    /// The share of cases whose class is predicted right.
    pub fn accuracy(&self) -> f64 {
        self.counts.diag().sum() as f64 / self.counts.sum() as f64
    }

    /// Of those that were predicted to be of a class, the share that is: TP/(TP + FP).
    ///
    /// # Panics
    /// When `average` names a class that does not exist.
    pub fn precision(&self, average: Average) -> f64 {
        self.averaged(average, |n| share(n.hits, n.predicted))
    }

    /// Of those that are of a class, the share that was predicted to be: TP/(TP + FN).
    ///
    /// # Panics
    /// When `average` names a class that does not exist.
    pub fn recall(&self, average: Average) -> f64 {
        self.averaged(average, |n| share(n.hits, n.present))
    }

    /// The harmonic mean of precision and recall: 2TP/(2TP + FP + FN).
    ///
    /// # Panics
    /// When `average` names a class that does not exist.
    pub fn f1(&self, average: Average) -> f64 {
        self.averaged(average, |n| share(2 * n.hits, n.present + n.predicted))
    }

    fn averaged(&self, average: Average, score: impl Fn(Counts) -> f64) -> f64 {
        let (present, predicted) = (self.counts.sum_axis(Axis(1)), self.counts.sum_axis(Axis(0)));
        let of = |class: usize| Counts {
            hits: self.counts[[class, class]],
            present: present[class],
            predicted: predicted[class],
        };
        let occurring = || (0..self.classes()).map(of).filter(|counts| counts.present + counts.predicted > 0);
        match average {
            _ if self.counts.sum() == 0 => f64::NAN,
            Average::Class(class) => {
                assert!(class < self.classes(), "class {class} of {} does not exist", self.classes());
                score(of(class))
            }
            Average::Micro => {
                let all = self.counts.sum();
                score(Counts { hits: self.counts.diag().sum(), present: all, predicted: all })
            }
            Average::Macro => occurring().map(&score).sum::<f64>() / occurring().count() as f64,
            Average::Weighted => {
                let weighted = occurring().map(|counts| counts.present as f64 * score(counts));
                weighted.sum::<f64>() / self.counts.sum() as f64
            }
        }
    }
}

/// Of one class: true positives, all of the class, all that were predicted to be.
struct Counts {
    hits: u64,
    present: u64,
    predicted: u64,
}

/// part/whole, 0 where there is no whole.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Score for ConfusionMatrix {
    fn name(&self) -> &str {
        self.cases.metric
    }

    fn value(&self) -> f64 {
        self.accuracy()
    }

    fn reset(&mut self) {
        self.counts.fill(0);
    }

    fn larger_is_better(&self) -> bool {
        true
    }
}

impl<F: Real> Metric<F> for ConfusionMatrix {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        let (pairs, classes) = self.cases.decide(outputs, targets)?;
        if classes != self.classes() {
            let expected = format!("outputs of {} classes", self.classes());
            let got = outputs.shape().to_vec();
            return Err(ShapeError::Input { op: self.cases.metric, input: 0, expected, got }.into());
        }
        for (predicted, truth) in pairs {
            self.counts[[truth, predicted]] += 1;
        }
        Ok(())
    }
}
