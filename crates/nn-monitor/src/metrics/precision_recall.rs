use nn_core::{EvaluateError, RangeError, Real, View, check_range};

use super::{ConfusionMatrix, Metric, Score};

/// What is made of the scores of several classes.
///
/// A class that occurs neither among the targets nor among the predictions is left out; a share of nothing is
/// 0. Both are as in scikit-learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The score of all classes' cases together; with one label a case it is the accuracy.
    Micro,
    /// The mean over classes.
    Macro,
    /// The mean over classes, weighted by the number of cases of each.
    Weighted,
    /// The score of this class alone: for two classes, mostly class 1.
    Class(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Precision,
    Recall,
    F1,
}

/// Precision, recall or F1: how well classes are found.
///
/// With the true positives TP, false positives FP and false negatives FN of a class:
///
/// | score | of a class |
/// |---|---|
/// | [`precision`](ClassScore::precision) | TP/(TP + FP) |
/// | [`recall`](ClassScore::recall) | TP/(TP + FN) |
/// | [`f1`](ClassScore::f1) | 2TP/(2TP + FP + FN) |
///
/// Outputs and targets are those of [`Accuracy`](super::Accuracy). For all scores at once use one
/// [`ConfusionMatrix`].
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Average, ClassScore, Metric, Score};
///
/// let mut f1 = ClassScore::f1(2, Average::Class(1))?;
/// f1.update_arrays(&array![0.3, -1.0, 2.0, 0.1], &array![1.0, 1.0, 1.0, 0.0])?;
/// assert_eq!((f1.name(), f1.value()), ("f1_class_1", 2.0 / 3.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScore {
    kind: Kind,
    average: Average,
    name: String,
    confusion: ConfusionMatrix,
}

impl ClassScore {
    /// Precision over this many classes, at least 2.
    ///
    /// # Errors
    /// When there are fewer than 2 classes, or the class averaged over is not one of them.
    pub fn precision(classes: usize, average: Average) -> Result<Self, RangeError> {
        Self::new(Kind::Precision, classes, average)
    }

    /// Recall over this many classes, at least 2.
    ///
    /// # Errors
    /// As [`precision`](ClassScore::precision).
    pub fn recall(classes: usize, average: Average) -> Result<Self, RangeError> {
        Self::new(Kind::Recall, classes, average)
    }

    /// F1 over this many classes, at least 2.
    ///
    /// # Errors
    /// As [`precision`](ClassScore::precision).
    pub fn f1(classes: usize, average: Average) -> Result<Self, RangeError> {
        Self::new(Kind::F1, classes, average)
    }

    fn new(kind: Kind, classes: usize, average: Average) -> Result<Self, RangeError> {
        let confusion = ConfusionMatrix::new(classes)?;
        let score = match kind {
            Kind::Precision => "precision",
            Kind::Recall => "recall",
            Kind::F1 => "f1",
        };
        let name = match average {
            Average::Micro => format!("{score}_micro"),
            Average::Macro => format!("{score}_macro"),
            Average::Weighted => format!("{score}_weighted"),
            Average::Class(class) => {
                check_range("ClassScore", "class", class as f64, "[0, classes)", class < classes)?;
                format!("{score}_class_{class}")
            }
        };
        Ok(ClassScore { kind, average, name, confusion })
    }

    /// Sets the threshold above which a single output stands for class 1. Default: 0.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.confusion = self.confusion.threshold(threshold);
        self
    }

    /// Leaves out cases with this label, such as −1 for padding. Default: none.
    #[must_use]
    pub fn ignore_index(mut self, label: i64) -> Self {
        self.confusion = self.confusion.ignore_index(label);
        self
    }

    /// Takes in all cases that another has counted.
    ///
    /// # Panics
    /// When its number of classes differs.
    #[track_caller]
    pub fn merge(&mut self, other: &Self) {
        self.confusion.merge(&other.confusion);
    }

    /// The counts that the score is made of.
    pub fn confusion(&self) -> &ConfusionMatrix {
        &self.confusion
    }
}

impl Score for ClassScore {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self) -> f64 {
        match self.kind {
            Kind::Precision => self.confusion.precision(self.average),
            Kind::Recall => self.confusion.recall(self.average),
            Kind::F1 => self.confusion.f1(self.average),
        }
    }

    fn reset(&mut self) {
        self.confusion.reset();
    }

    fn larger_is_better(&self) -> bool {
        true
    }
}

impl<F: Real> Metric<F> for ClassScore {
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError> {
        self.confusion.update(outputs, targets)
    }
}
