//! Checks of hyperparameters and of values that are known at run time only.

use std::sync::Arc;

use ndarray::{ArrayD, Dimension};
use nn_core::{RangeError, Real, ShapeError, ValueError, View, check_range};
use nn_ops::simd::dispatch;

/// Demands of every element of an input that `holds`.
#[inline(always)]
pub(crate) fn all<F: Real>(
    op: &'static str,
    input: usize,
    values: &View<'_, F>,
    expected: &str,
    holds: impl Fn(F) -> bool + Copy,
) -> Result<(), ValueError> {
    if let Some(values) = values.as_slice_memory_order() {
        let sound = dispatch(
            #[inline(always)]
            move || values.iter().fold(true, |all, &x| all & holds(x)),
        );
        if sound {
            return Ok(());
        }
    }
    match values.indexed_iter().find(|&(_, &x)| !holds(x)) {
        None => Ok(()),
        Some((index, x)) => {
            let (index, value) = (index.slice().to_vec(), x.to_f64());
            Err(ValueError { op, input, index, value, expected: expected.to_owned() })
        }
    }
}

/// Demands probabilities.
pub(crate) fn probabilities<F: Real>(
    op: &'static str,
    input: usize,
    values: &View<'_, F>,
) -> Result<(), ValueError> {
    all(
        op,
        input,
        values,
        "a probability from 0 to 1",
        #[inline(always)]
        |x| (x >= F::zero()) & (x <= F::one()),
    )
}

/// Demands −1 or 1.
pub(crate) fn signs<F: Real>(op: &'static str, input: usize, values: &View<'_, F>) -> Result<(), ValueError> {
    all(
        op,
        input,
        values,
        "-1 or 1",
        #[inline(always)]
        |x| (x == F::one()) | (x == -F::one()),
    )
}

/// The class that a number stands for, where it is whole and below `classes`.
pub(crate) fn class<F: Real>(target: F, classes: usize) -> Option<usize> {
    // Negative numbers and NaN become 0, which does not compare equal to them.
    let class = target.to_f64() as usize;
    (class < classes && F::from_usize(class) == target).then_some(class)
}

/// Weights that are finite and not negative.
pub(crate) fn weights(
    owner: &'static str,
    field: &'static str,
    weights: ArrayD<f64>,
) -> Result<Arc<ArrayD<f64>>, RangeError> {
    for &w in &weights {
        check_range(owner, field, w, "[0, inf)", w >= 0.0 && w.is_finite())?;
    }
    Ok(Arc::new(weights))
}

/// A number from 0 on.
pub(crate) fn not_negative(owner: &'static str, field: &'static str, value: f64) -> Result<(), RangeError> {
    check_range(owner, field, value, "[0, inf)", value >= 0.0 && value.is_finite())
}

/// A number above 0.
pub(crate) fn positive(owner: &'static str, field: &'static str, value: f64) -> Result<(), RangeError> {
    check_range(owner, field, value, "(0, inf)", value > 0.0 && value.is_finite())
}

/// Demands one weight for each class.
pub(crate) fn one_per_class(
    op: &'static str,
    weights: Option<&[f64]>,
    logits: &[usize],
) -> Result<(), ShapeError> {
    match weights {
        Some(weights) if weights.len() != logits[1] => {
            let (left, right) = (logits.to_vec(), vec![weights.len()]);
            let expected = "one weight for each class".to_owned();
            Err(ShapeError::Mismatch { op, expected, left, right })
        }
        _ => Ok(()),
    }
}
