//! Loops over all elements for what stands around the rules: vectorised, in parallel, without allocating.
//!
//! Elements are independent, so the results have the same bits on any number of threads.

use nn_core::Real;
use nn_ops::simd::dispatch;
use rayon::prelude::*;

use crate::pass::{CHUNK, PARALLEL_FROM};

/// `x[i] = f(x[i])`.
pub(crate) fn update<F: Real>(x: &mut [F], f: impl Fn(F) -> F + Copy + Send + Sync) {
    x.par_chunks_mut(chunk(x.len())).for_each(|x| {
        dispatch(
            #[inline(always)]
            move || x.iter_mut().for_each(|x| *x = f(*x)),
        );
    });
}

/// `x[i] = f(x[i], y[i])`.
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub(crate) fn combine<F: Real>(x: &mut [F], y: &[F], f: impl Fn(F, F) -> F + Copy + Send + Sync) {
    assert_eq!(x.len(), y.len(), "slices of {} and {} elements", x.len(), y.len());
    let chunk = chunk(x.len());
    x.par_chunks_mut(chunk).zip(y.par_chunks(chunk)).for_each(|(x, y)| {
        dispatch(
            #[inline(always)]
            move || x.iter_mut().zip(y).for_each(|(x, y)| *x = f(*x, *y)),
        );
    });
}

/// `x[i] = y[i]`.
#[track_caller]
pub(crate) fn copy<F: Real>(x: &mut [F], y: &[F]) {
    combine(
        x,
        y,
        #[inline(always)]
        |_, y| y,
    );
}

/// Exchanges `x[i]` and `y[i]`.
pub(crate) fn exchange<F: Real>(x: &mut [F], y: &mut [F]) {
    let chunk = chunk(x.len());
    x.par_chunks_mut(chunk).zip(y.par_chunks_mut(chunk)).for_each(|(x, y)| x.swap_with_slice(y));
}

/// `x[i]` moves a share of the way towards `y[i]`, as [`nn_core::lerp`] does.
#[track_caller]
pub(crate) fn lerp<F: Real>(x: &mut [F], y: &[F], share: F) {
    if share == F::one() {
        return copy(x, y);
    }
    combine(
        x,
        y,
        #[inline(always)]
        move |x, y| x + share * (y - x),
    );
}

/// Elements that one thread takes at a time of so many: all, where other threads would cost more than they save.
fn chunk(len: usize) -> usize {
    if len < PARALLEL_FROM { len.max(1) } else { CHUNK }
}
