//! Leading axes of an array as rows of a matrix.

use ndarray::{ArrayBase, ArrayView2, ArrayViewMut2, Axis, Data, Ix2, IxDyn};
use nn_core::{Real, View, ViewMut, shape};

/// The leading axes folded into rows, one matrix; the array back where its memory layout does not allow it.
pub(crate) fn fold<S: Data>(array: ArrayBase<S, IxDyn>) -> Result<ArrayBase<S, Ix2>, ArrayBase<S, IxDyn>> {
    if !is_one_block(&array) {
        return Err(array);
    }
    let (columns, rows) = array.shape().split_last().expect("at least one axis");
    let folded = (shape::size(rows), *columns);
    Ok(match array.ndim() {
        1 => array.insert_axis(Axis(0)).into_dimensionality().expect(MATRIX),
        2 => array.into_dimensionality().expect(MATRIX),
        _ => array.into_shape_with_order(folded).expect("rows one after another"),
    })
}

const MATRIX: &str = "two axes";

/// The leading axes of an array folded into rows: one matrix where the memory layout allows it, else one for each
/// index of the axes before the last two; each with the number of its first row.
pub(crate) fn blocks<'a, F: Real>(array: &View<'a, F>) -> impl Iterator<Item = (usize, ArrayView2<'a, F>)> {
    let (count, rows) = block_shape(array);
    let array = array.clone();
    (0..count).map(move |i| (i * rows, nth_block(array.clone(), i)))
}

/// As [`blocks`], for writing.
pub(crate) fn for_blocks_mut<F: Real>(
    mut array: ViewMut<'_, F>,
    mut run: impl FnMut(usize, ArrayViewMut2<'_, F>),
) {
    let (count, rows) = block_shape(&array);
    for i in 0..count {
        run(i * rows, nth_block(array.view_mut(), i));
    }
}

/// Whether all leading axes fold into rows without a copy.
fn is_one_block<S: Data>(array: &ArrayBase<S, IxDyn>) -> bool {
    array.ndim() <= 2 || array.is_standard_layout()
}

/// How many blocks an array falls into, and how many rows each has.
fn block_shape<S: Data>(array: &ArrayBase<S, IxDyn>) -> (usize, usize) {
    let shape = array.shape();
    let rows = shape::size(&shape[..shape.len() - 1]);
    if is_one_block(array) {
        (1, rows)
    } else {
        let inner = shape[shape.len() - 2];
        (rows.checked_div(inner).unwrap_or(0), inner)
    }
}

/// The `i`-th block of an array.
fn nth_block<S: Data>(array: ArrayBase<S, IxDyn>, mut i: usize) -> ArrayBase<S, Ix2> {
    let mut array = match fold(array) {
        Ok(matrix) => return matrix,
        Err(array) => array,
    };
    while array.ndim() > 2 {
        let inner = shape::size(&array.shape()[1..array.ndim() - 2]);
        array = array.index_axis_move(Axis(0), i / inner);
        i %= inner;
    }
    array.into_dimensionality().expect(MATRIX)
}
