//! Losses of logits `[N, C, d…]` and of a class for each place, `[N, d…]`.

use ndarray::Dimension;
use nn_core::{Grad, Outline, Real, ShapeError, ValueError, View, ViewMut, shape::size};

use crate::Reduction;
use crate::check::class;
use crate::reduction::check_inputs;
use crate::rows::{self, Rows, RowsMut};

/// The shape without the axis of the classes.
pub(crate) fn places(logits: &[usize]) -> Vec<usize> {
    [&logits[..1], &logits[2..]].concat()
}

/// Logits, and targets of this shape; returns the shape of the places.
pub(crate) fn check_shapes(
    op: &'static str,
    inputs: &[&[usize]],
    per_class: bool,
) -> Result<Vec<usize>, ShapeError> {
    check_inputs(op, 2, inputs)?;
    if inputs[0].len() < 2 {
        let (expected, got) = ("logits [cases, classes, ...]".to_owned(), inputs[0].to_vec());
        return Err(ShapeError::Input { op, input: 0, expected, got });
    }
    let places = places(inputs[0]);
    let (shape, expected) = match per_class {
        true => (inputs[0], "one probability for each logit"),
        false => (&places[..], "one class for each row of logits"),
    };
    if inputs[1] != shape {
        let (left, right) = (inputs[0].to_vec(), inputs[1].to_vec());
        return Err(ShapeError::Mismatch { op, expected: expected.to_owned(), left, right });
    }
    Ok(places)
}

/// What is expected of a target.
pub(crate) fn expected(classes: usize) -> String {
    format!("a class from 0 to {}", classes - 1)
}

/// Demands classes, or the number that stands for none.
pub(crate) fn check_classes<F: Real>(
    op: &'static str,
    inputs: &[View<'_, F>],
    ignored: Option<i64>,
) -> Result<(), ValueError> {
    let classes = inputs[0].shape()[1];
    let bad = |t: F| class(t, classes).is_none() && !is_ignored(t, ignored);
    if inputs[1].as_slice_memory_order().is_some_and(|targets| !targets.iter().any(|&t| bad(t))) {
        return Ok(());
    }
    match inputs[1].indexed_iter().find(|&(_, &t)| bad(t)) {
        None => Ok(()),
        Some((index, t)) => {
            let (index, value) = (index.slice().to_vec(), t.to_f64());
            let expected = match ignored {
                None => expected(classes),
                Some(ignored) => format!("{}, or {ignored} for none", expected(classes)),
            };
            Err(ValueError { op, input: 1, index, value, expected })
        }
    }
}

/// Whether the target is the number that stands for none.
pub(crate) fn is_ignored<F: Real>(target: F, ignored: Option<i64>) -> bool {
    ignored.is_some_and(|ignored| target.to_f64() == ignored as f64)
}

/// The class of a target.
///
/// # Panics
/// When it is none.
#[track_caller]
pub(crate) fn class_of<F: Real>(op: &'static str, target: F, classes: usize) -> usize {
    match class(target, classes) {
        Some(class) => class,
        None => panic!("{op}: input 1 holds {target}, expected {}", expected(classes)),
    }
}

/// A loss of one row of logits and its class.
pub(crate) trait ClassLoss {
    /// The name of the operation.
    const NAME: &'static str;

    /// Returns the loss, and turns the logits into its derivatives.
    fn row<F: Real>(&self, row: &mut [F], class: usize) -> F;
}

/// The outline of a [`ClassLoss`].
pub(crate) fn outline<L: ClassLoss>(
    reduction: Reduction,
    inputs: &[&[usize]],
) -> Result<Outline, ShapeError> {
    let places = check_shapes(L::NAME, inputs, false)?;
    Ok(Outline::new(reduction.shape(&places), 2).saved(size(inputs[0])))
}

/// Computes the losses of all places, and saves their derivatives.
#[track_caller]
pub(crate) fn forward<F: Real, L: ClassLoss>(
    loss: &L,
    reduction: Reduction,
    inputs: &[View<'_, F>],
    mut output: ViewMut<'_, F>,
    saved: &mut [F],
) {
    let classes = inputs[0].shape()[1];
    let (mut total, mut each) = (0.0, output.iter_mut());
    let logits = Rows::of(&inputs[0], 1).zip(saved.chunks_exact_mut(classes));
    for ((logits, row), &target) in logits.zip(&inputs[1]) {
        rows::copy(logits, row);
        let value = loss.row(row, class_of(L::NAME, target, classes));
        match each.next() {
            Some(output) if reduction == Reduction::None => *output = value,
            _ => total += value.to_f64(),
        }
    }
    if reduction != Reduction::None {
        output.fill(reduction.finish(total, inputs[1].len() as f64));
    }
}

/// Writes the saved derivatives, times the gradient of the output; the classes have the gradient 0.
#[track_caller]
pub(crate) fn backward<F: Real>(
    reduction: Reduction,
    saved: &[F],
    d_output: &View<'_, F>,
    d_inputs: &mut [Grad<'_, F>],
) {
    no_gradient(&mut d_inputs[1..]);
    let Some((mut target, accumulate)) = d_inputs[0].target() else { return };
    let classes = target.shape()[1];
    let factor = reduction.weight((target.len() / classes) as f64);
    let rows = RowsMut::of(&mut target, 1).zip(saved.chunks_exact(classes));
    for ((row, values), scale) in rows.zip(rows::scales(d_output, factor)) {
        rows::write(row, values, scale, accumulate);
    }
}

/// The gradient of inputs on which the loss does not depend smoothly is 0.
pub(crate) fn no_gradient<F: Real>(d_inputs: &mut [Grad<'_, F>]) {
    for d_input in d_inputs {
        if let Grad::Overwrite(target) = d_input {
            target.fill(F::zero());
        }
    }
}
