//! What outputs and targets say about classes.

use std::cmp::Ordering;

use ndarray::{ArrayView1, Axis};
use nn_core::{EvaluateError, Real, ShapeError, ValueError, View};

/// How outputs and targets are read as classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cases {
    /// The metric, for messages.
    pub(super) metric: &'static str,
    /// Above it, a single output stands for class 1.
    pub(super) threshold: f64,
    /// The label of targets that do not count.
    pub(super) ignored: Option<i64>,
}

impl Cases {
    pub(super) fn new(metric: &'static str) -> Self {
        Cases { metric, threshold: 0.0, ignored: None }
    }

    /// Predicted and true class of each case that counts, and the number of classes.
    pub(super) fn decide<F: Real>(
        &self,
        outputs: &View<'_, F>,
        targets: &View<'_, F>,
    ) -> Result<(Vec<(usize, usize)>, usize), EvaluateError> {
        if is_binary(outputs.shape(), targets.shape()) {
            let threshold = F::from_f64(self.threshold);
            let labels = self.labels(targets, 2)?;
            let predicted = outputs.iter().map(|&y| usize::from(y > threshold));
            let pairs = predicted.zip(labels).filter_map(|(y, t)| Some((y, t?)));
            return Ok((pairs.collect(), 2));
        }
        let mut pairs = Vec::with_capacity(targets.len());
        let classes = self.each_case(outputs, targets, |scores, t| pairs.push((argmax(scores), t)))?;
        Ok((pairs, classes))
    }

    /// Calls `each` with the scores of all classes and the true class of each case that counts; gives the
    /// number of classes.
    pub(super) fn each_case<F: Real>(
        &self,
        outputs: &View<'_, F>,
        targets: &View<'_, F>,
        mut each: impl FnMut(ArrayView1<'_, F>, usize),
    ) -> Result<usize, EvaluateError> {
        let classes = self.classes(outputs.shape(), targets.shape())?;
        let labels = self.labels(targets, classes)?;
        let mut each_counted = |scores: ArrayView1<'_, F>, label: Option<usize>| {
            if let Some(t) = label {
                each(scores, t);
            }
        };
        match outputs.as_slice().filter(|_| outputs.ndim() == 2) {
            Some(rows) => {
                let rows = rows.chunks_exact(classes).map(ArrayView1::from);
                rows.zip(labels).for_each(|(scores, label)| each_counted(scores, label));
            }
            None => {
                let lanes = outputs.lanes(Axis(1)).into_iter();
                lanes.zip(labels).for_each(|(scores, label)| each_counted(scores, label));
            }
        }
        Ok(classes)
    }

    /// The number of classes of outputs `[n, classes, …]` for targets `[n, …]`.
    fn classes(&self, outputs: &[usize], targets: &[usize]) -> Result<usize, ShapeError> {
        match outputs {
            [n, classes, rest @ ..] if *classes > 0 && targets == [&[*n], rest].concat() => Ok(*classes),
            _ => Err(ShapeError::Mismatch {
                op: self.metric,
                expected: "outputs [n, classes, …] and targets [n, …]".to_owned(),
                left: outputs.to_vec(),
                right: targets.to_vec(),
            }),
        }
    }

    /// The classes of all targets, `None` for those that do not count.
    pub(super) fn labels<F: Real>(
        &self,
        targets: &View<'_, F>,
        classes: usize,
    ) -> Result<Vec<Option<usize>>, ValueError> {
        let ignored = self.ignored.map_or(f64::NAN, |label| label as f64);
        let mut labels = Vec::with_capacity(targets.len());
        for (i, &t) in targets.iter().enumerate() {
            let value = t.to_f64();
            let class = value as usize;
            if class < classes && class as f64 == value && value != ignored {
                labels.push(Some(class));
            } else if value == ignored {
                labels.push(None);
            } else {
                let (index, expected) =
                    (place(targets.shape(), i), format!("a class from 0 to {}", classes - 1));
                return Err(ValueError { op: self.metric, input: 1, index, value, expected });
            }
        }
        Ok(labels)
    }
}

/// Whether each output is the score of class 1 against class 0: both shapes are the same, or `[n, 1]` and
/// `[n]`.
pub(super) fn is_binary(outputs: &[usize], targets: &[usize]) -> bool {
    outputs == targets || matches!((outputs, targets), ([n, 1], [m]) if n == m)
}

/// The position of the largest number; of equals the first. NaN counts as larger than all others, as in
/// NumPy.
fn argmax<F: Real>(scores: ArrayView1<'_, F>) -> usize {
    let mut best = (0, scores[0]);
    for (i, &x) in scores.iter().enumerate() {
        if x <= best.1 {
            continue;
        }
        // It is larger, or one of the two is NaN.
        if best.1.is_nan() {
            break;
        }
        best = (i, x);
    }
    best.0
}

/// The order of scores, in which NaN is the largest.
pub(super) fn order<F: Real>(x: F, y: F) -> Ordering {
    x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()))
}

/// The index of the element with this number, in row-major order.
fn place(shape: &[usize], mut number: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &length) in index.iter_mut().zip(shape).rev() {
        *i = number % length;
        number /= length;
    }
    index
}
