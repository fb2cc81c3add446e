//! Arrays of any memory layout as rows along one axis, in logical order of the others.

use std::slice::{ChunksExact, ChunksExactMut};

use ndarray::iter::{LanesIter, LanesIterMut};
use ndarray::{ArrayView1, ArrayViewMut1, Axis, IxDyn, Zip};
use nn_core::{Real, View, ViewMut};
use nn_ops::simd::dispatch;

/// Independent partial results of a reduction.
pub(crate) const LANES: usize = 32;

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

/// The largest value, −∞ of none; NaN is passed over, which lets the loop vectorise better.
pub(crate) fn largest<F: Real>(values: &[F]) -> F {
    let greater = |a: F, b: F| if a > b { a } else { b };
    dispatch(
        #[inline(always)]
        move || {
            let (chunks, rest) = values.as_chunks::<LANES>();
            let rest = rest.iter().fold(-F::INFINITY, |max, &x| greater(x, max));
            if chunks.is_empty() {
                return rest;
            }
            let mut lanes = [-F::INFINITY; LANES];
            for chunk in chunks {
                for lane in 0..LANES {
                    lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
                }
            }
            // Not a tree: with one, the compiler splits the lanes of the loop above.
            lanes.into_iter().fold(rest, greater)
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
