//! What the operations share in checking shapes.

use nn_core::{Outline, ShapeError};

/// Checks the number of inputs.
pub(crate) fn arity(op: &'static str, expected: usize, inputs: &[&[usize]]) -> Result<(), ShapeError> {
    let got = inputs.len();
    if got == expected { Ok(()) } else { Err(ShapeError::Arity { op, expected, got }) }
}

/// The outline of an operation with one input, whose output has the same shape.
pub(crate) fn elementwise(op: &'static str, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
    arity(op, 1, inputs)?;
    Ok(Outline::new(inputs[0], 1))
}

/// The position of an axis; negative numbers count from the last, as in PyTorch.
pub(crate) fn axis(op: &'static str, axis: isize, shape: &[usize]) -> Result<usize, ShapeError> {
    match resolve(axis, shape.len()) {
        Some(position) => Ok(position),
        None if axis < 0 => {
            let expected = format!("an array that has an axis {axis}");
            Err(ShapeError::Input { op, input: 0, expected, got: shape.to_vec() })
        }
        None => Err(ShapeError::Axis { op, axis: axis.unsigned_abs(), shape: shape.to_vec() }),
    }
}

/// As [`axis()`], where the shapes were checked before.
#[track_caller]
pub(crate) fn checked_axis(axis: isize, axes: usize) -> usize {
    match resolve(axis, axes) {
        Some(position) => position,
        None => panic!("axis {axis} is out of range for an array with {axes} axes"),
    }
}

fn resolve(axis: isize, axes: usize) -> Option<usize> {
    let position = if axis < 0 { axis.checked_add_unsigned(axes)? } else { axis };
    usize::try_from(position).ok().filter(|&p| p < axes)
}
