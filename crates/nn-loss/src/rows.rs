//! Arrays of any memory layout as rows along one axis, in logical order of the others.

use std::slice::{ChunksExact, ChunksExactMut};

use ndarray::iter::{LanesIter, LanesIterMut};
use ndarray::{ArrayView1, ArrayViewMut1, Axis, IxDyn, Zip};
use nn_core::{Real, View, ViewMut};
use nn_ops::simd::dispatch;
use nn_ops::sum;

/// Independent partial results of a reduction.
pub(crate) const LANES: usize = 32;
/// Elements that are summed up in the scalar type.
pub(crate) const BLOCK: usize = 4096;
/// Rows so narrow that a call for each would take longer than the work in it.
const NARROW: usize = 16;

/// The rows of an array.
pub(crate) enum Rows<'a, F: Real> {
    /// They lie one after another in memory.
    Chunks(ChunksExact<'a, F>),
    /// They lie otherwise.
    Lanes(LanesIter<'a, F, IxDyn>),
}

impl<'a, F: Real> Rows<'a, F> {
    /// The rows along an axis, which must not be empty.
    pub(crate) fn of(view: &'a View<'_, F>, axis: usize) -> Self {
        match view.as_slice() {
            Some(slice) if axis + 1 == view.ndim() => Rows::Chunks(slice.chunks_exact(view.shape()[axis])),
            _ => Rows::Lanes(view.lanes(Axis(axis)).into_iter()),
        }
    }

    /// Writes the next rows, of this width, each less its largest value.
    pub(crate) fn subtract_largest(&mut self, block: &mut [F], width: usize) {
        let block = block.chunks_exact_mut(width);
        match self {
            Rows::Chunks(rows) if width < NARROW => dispatch(
                #[inline(always)]
                move || {
                    for (to, row) in block.zip(rows) {
                        let max = row.iter().fold(-F::INFINITY, |max, &x| greater(x, max));
                        to.iter_mut().zip(row).for_each(|(to, &z)| *to = z - max);
                    }
                },
            ),
            _ => {
                for (to, row) in block.zip(self) {
                    copy(row, to);
                    let max = largest(to);
                    update(
                        to,
                        #[inline(always)]
                        |z| z - max,
                    );
                }
            }
        }
    }
}

impl<'a, F: Real> Iterator for Rows<'a, F> {
    type Item = ArrayView1<'a, F>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Rows::Chunks(rows) => rows.next().map(ArrayView1::from),
            Rows::Lanes(rows) => rows.next(),
        }
    }
}

/// The rows of an array, for writing.
pub(crate) enum RowsMut<'a, F: Real> {
    /// They lie one after another in memory.
    Chunks(ChunksExactMut<'a, F>),
    /// They lie otherwise.
    Lanes(LanesIterMut<'a, F, IxDyn>),
}

impl<'a, F: Real> RowsMut<'a, F> {
    /// The rows along an axis, which must not be empty.
    pub(crate) fn of(view: &'a mut ViewMut<'_, F>, axis: usize) -> Self {
        if axis + 1 == view.ndim() && view.is_standard_layout() {
            let width = view.shape()[axis];
            let slice = view.as_slice_mut().expect("standard layout is one slice");
            return RowsMut::Chunks(slice.chunks_exact_mut(width));
        }
        RowsMut::Lanes(view.lanes_mut(Axis(axis)).into_iter())
    }
}

impl<'a, F: Real> Iterator for RowsMut<'a, F> {
    type Item = ArrayViewMut1<'a, F>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            RowsMut::Chunks(rows) => rows.next().map(ArrayViewMut1::from),
            RowsMut::Lanes(rows) => rows.next(),
        }
    }
}

/// Copies a row into contiguous memory.
pub(crate) fn copy<F: Real>(row: ArrayView1<'_, F>, to: &mut [F]) {
    match row.as_slice() {
        Some(row) => to.copy_from_slice(row),
        None => to.iter_mut().zip(row).for_each(|(to, &x)| *to = x),
    }
}

/// The row becomes, or grows by, `values · scale`.
pub(crate) fn write<F: Real>(mut row: ArrayViewMut1<'_, F>, values: &[F], scale: F, accumulate: bool) {
    match row.as_slice_mut() {
        Some(row) if row.len() < NARROW && !accumulate => {
            row.iter_mut().zip(values).for_each(|(t, &v)| *t = v * scale);
        }
        Some(row) => dispatch(
            #[inline(always)]
            move || {
                if accumulate {
                    row.iter_mut().zip(values).for_each(|(t, &v)| *t += v * scale);
                } else {
                    row.iter_mut().zip(values).for_each(|(t, &v)| *t = v * scale);
                }
            },
        ),
        None => Zip::from(row).and(values).for_each(|t, &v| {
            let v = v * scale;
            *t = if accumulate { *t + v } else { v };
        }),
    }
}

/// Subtracts a number from each element of a row, or that number times its weight.
pub(crate) fn subtract<F: Real>(mut row: ArrayViewMut1<'_, F>, by: F, weights: Option<&[f64]>) {
    match (row.as_slice_mut(), weights) {
        (Some(row), None) => update(
            row,
            #[inline(always)]
            |t| t - by,
        ),
        (Some(row), Some(weights)) => dispatch(
            #[inline(always)]
            move || row.iter_mut().zip(weights).for_each(|(t, &w)| *t -= F::from_f64(w) * by),
        ),
        (None, None) => row.iter_mut().for_each(|t| *t -= by),
        (None, Some(weights)) => row.iter_mut().zip(weights).for_each(|(t, &w)| *t -= F::from_f64(w) * by),
    }
}

/// The larger of two numbers, the second if the first is NaN: one instruction.
#[inline(always)]
fn greater<F: Real>(a: F, b: F) -> F {
    if a > b { a } else { b }
}

/// The largest value, −∞ of none; NaN is passed over.
pub(crate) fn largest<F: Real>(values: &[F]) -> F {
    if values.len() < LANES {
        return values.iter().fold(-F::INFINITY, |max, &x| greater(x, max));
    }
    let lanes = dispatch(
        #[inline(always)]
        move || {
            let mut lanes = [-F::INFINITY; LANES];
            let (chunks, rest) = values.as_chunks::<LANES>();
            for chunk in chunks {
                for lane in 0..LANES {
                    lanes[lane] = greater(chunk[lane], lanes[lane]);
                }
            }
            // An array of its own, so that `lanes`, whose indices are all constant, stays in registers.
            let mut last = [-F::INFINITY; LANES];
            for (last, &x) in last.iter_mut().zip(rest) {
                *last = greater(x, *last);
            }
            std::array::from_fn(|lane| greater(lanes[lane], last[lane]))
        },
    );
    largest_lane(&lanes)
}

/// Not inlined: with this in sight, the compiler cuts the lanes of the loop before it into pairs.
#[inline(never)]
fn largest_lane<F: Real>(lanes: &[F; LANES]) -> F {
    let mut lanes = *lanes;
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = greater(lanes[i], lanes[i + half]);
        }
    }
    lanes[0]
}

/// The sum of each row, in an order that depends on its length alone.
pub(crate) fn sums<F: Real>(rows: &[F], sums: &mut [F]) {
    let width = rows.len() / sums.len();
    let rows = rows.chunks_exact(width).zip(sums);
    if width < NARROW {
        rows.for_each(|(row, total)| *total = row.iter().fold(F::zero(), |total, &x| total + x));
    } else {
        rows.for_each(|(row, total)| *total = sum(row));
    }
}

/// Σ fᵢ(xᵢ) in lanes that vectorise, in an order that depends on the length alone; `f` is given xᵢ and its partner wᵢ.
#[inline(always)]
pub(crate) fn sum_with<F: Real, W: Copy + Default>(x: &[F], w: &[W], f: impl Fn(F, W) -> F + Copy) -> f64 {
    let w = &w[..x.len()];
    x.chunks(BLOCK).zip(w.chunks(BLOCK)).map(|(x, w)| sum(&sum_lanes(x, w, f)).to_f64()).sum()
}

#[inline(always)]
fn sum_lanes<F: Real, W: Copy>(x: &[F], w: &[W], f: impl Fn(F, W) -> F) -> [F; LANES] {
    dispatch(
        #[inline(always)]
        move || {
            let mut sums = [F::zero(); LANES];
            let ((x, x_rest), (w, w_rest)) = (x.as_chunks::<LANES>(), w.as_chunks::<LANES>());
            for (x, w) in x.iter().zip(w) {
                for lane in 0..LANES {
                    sums[lane] += f(x[lane], w[lane]);
                }
            }
            let mut last = [F::zero(); LANES];
            for ((last, &x), &w) in last.iter_mut().zip(x_rest).zip(w_rest) {
                *last = f(x, w);
            }
            std::array::from_fn(|lane| sums[lane] + last[lane])
        },
    )
}

/// Replaces each value by that of a function.
#[inline(always)]
pub(crate) fn update<F: Real>(values: &mut [F], f: impl Fn(F) -> F) {
    dispatch(
        #[inline(always)]
        move || {
            for v in values {
                *v = f(*v);
            }
        },
    );
}

/// `output[i] = f(x[i])`.
#[inline(always)]
pub(crate) fn map<F: Real>(x: &[F], output: &mut [F], f: impl Fn(F) -> F) {
    let len = output.len();
    let x = &x[..len];
    dispatch(
        #[inline(always)]
        move || {
            for i in 0..len {
                output[i] = f(x[i]);
            }
        },
    );
}

/// `output[i] = f(output[i], x[i])`.
#[inline(always)]
pub(crate) fn combine<F: Real>(output: &mut [F], x: &[F], f: impl Fn(F, F) -> F) {
    let len = output.len();
    let x = &x[..len];
    dispatch(
        #[inline(always)]
        move || {
            for i in 0..len {
                output[i] = f(output[i], x[i]);
            }
        },
    );
}

/// The gradients of the outputs in logical order, times a factor: one for all, or one each.
pub(crate) fn scales<'a, F: Real>(d_output: &'a View<'_, F>, factor: F) -> impl Iterator<Item = F> + 'a {
    let repeat = d_output.ndim() == 0;
    let each = d_output.iter().map(move |&d| d * factor);
    let all = std::iter::repeat_n(d_output.first().map_or(factor, |&d| d * factor), usize::MAX);
    all.take(if repeat { usize::MAX } else { 0 }).chain(each)
}
