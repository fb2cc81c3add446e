//! Losses of vectors along the last axis.

use nn_core::{ShapeError, View};

use crate::reduction::check_inputs;

/// `vectors` inputs of one shape `[…, d]` and `others` of the shape `[…]`, which is returned.
pub(crate) fn check_shapes(
    op: &'static str,
    inputs: &[&[usize]],
    vectors: usize,
    others: usize,
) -> Result<Vec<usize>, ShapeError> {
    check_inputs(op, vectors + others, inputs)?;
    let Some((_, each)) = inputs[0].split_last() else {
        let expected = "vectors [..., length]".to_owned();
        return Err(ShapeError::Input { op, input: 0, expected, got: vec![] });
    };
    for (i, &shape) in inputs.iter().enumerate() {
        let (wanted, expected) = match i < vectors {
            true => (inputs[0], "the vectors have the same shape"),
            false => (each, "one target for each pair of vectors"),
        };
        if shape != wanted {
            let (left, right) = (inputs[0].to_vec(), shape.to_vec());
            return Err(ShapeError::Mismatch { op, expected: expected.to_owned(), left, right });
        }
    }
    Ok(each.to_vec())
}

/// The length of the vectors, and their number.
pub(crate) fn extents<F>(vectors: &View<'_, F>) -> (usize, usize) {
    let length = vectors.shape().last().copied().unwrap_or(1);
    (length, vectors.len() / length)
}
