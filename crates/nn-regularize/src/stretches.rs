//! Elementwise loops that know at which element they are, over arrays of any memory layout.

use ndarray::{Array, ArrayRef, Dimension};
use nn_core::{Grad, Op, Real, Step, View, ViewMut, evaluate};
use nn_ops::simd::dispatch;
use rayon::prelude::*;

/// Consecutive elements, in logical (row-major) order, that a kernel is given at a time; the last are fewer.
pub(crate) const STRETCH: usize = 512;
/// Elements above which the work is divided among threads.
const PARALLEL: usize = 1 << 18;
/// Elements below which a part is not divided any further.
const PART: usize = 1 << 15;

/// `target = kernel(x)`, or `target += kernel(x)`, stretch by stretch.
///
/// The kernel is given the number of the first element in logical order, a multiple of [`STRETCH`], the elements of
/// `x` and those to write. Pass it as `#[inline(always)] |…|`: it is compiled for each instruction set.
///
/// # Panics
/// When the shapes differ.
#[track_caller]
#[inline(always)]
pub(crate) fn map<F: Real>(
    x: &View<'_, F>,
    mut target: ViewMut<'_, F>,
    accumulate: bool,
    kernel: impl Fn(usize, &[F], &mut [F]) + Sync,
) {
    assert_eq!(x.shape(), target.shape(), "an array and what is made of it differ in shape");
    if let (Some(x), Some(target)) = (x.as_slice(), target.as_slice_mut()) {
        return parts(0, x, target, accumulate, &kernel);
    }
    let (mut from, mut to) = ([F::zero(); STRETCH], [F::zero(); STRETCH]);
    let (mut first, mut source, mut target) = (0, x.iter(), target.iter_mut());
    while first < x.len() {
        let len = STRETCH.min(x.len() - first);
        from.iter_mut().zip(source.by_ref().take(len)).for_each(|(f, x)| *f = *x);
        run(first, &from[..len], &mut to[..len], false, &kernel);
        for (target, to) in target.by_ref().take(len).zip(&to) {
            *target = if accumulate { *target + *to } else { *to };
        }
        first += len;
    }
}

/// As [`map`], to where the gradient of an input goes.
#[track_caller]
#[inline(always)]
pub(crate) fn map_grad<F: Real>(
    x: &View<'_, F>,
    target: &mut Grad<'_, F>,
    kernel: impl Fn(usize, &[F], &mut [F]) + Sync,
) {
    if let Some((target, accumulate)) = target.target() {
        map(x, target, accumulate, kernel);
    }
}

/// Divides contiguous elements among threads; the parts do not depend on each other.
#[inline(always)]
fn parts<F: Real>(
    first: usize,
    x: &[F],
    target: &mut [F],
    accumulate: bool,
    kernel: &(impl Fn(usize, &[F], &mut [F]) + Sync),
) {
    if x.len() < PARALLEL || rayon::current_num_threads() == 1 {
        return run(first, x, target, accumulate, kernel);
    }
    let part = |(number, (x, target)): (usize, (&[F], &mut [F]))| {
        run(first + number * PART, x, target, accumulate, kernel);
    };
    x.par_chunks(PART).zip(target.par_chunks_mut(PART)).enumerate().for_each(part);
}

#[inline(always)]
fn run<F: Real>(
    first: usize,
    x: &[F],
    target: &mut [F],
    accumulate: bool,
    kernel: &(impl Fn(usize, &[F], &mut [F]) + Sync),
) {
    dispatch(
        #[inline(always)]
        move || {
            for (number, (x, target)) in x.chunks(STRETCH).zip(target.chunks_mut(STRETCH)).enumerate() {
                let first = first + number * STRETCH;
                if accumulate {
                    let mut buffer = [F::zero(); STRETCH];
                    let buffer = &mut buffer[..target.len()];
                    kernel(first, x, buffer);
                    target.iter_mut().zip(buffer).for_each(|(t, b)| *t += *b);
                } else {
                    kernel(first, x, target);
                }
            }
        },
    );
}

/// `target = x`, or `target += x`.
#[track_caller]
pub(crate) fn copy<F: Real>(x: &View<'_, F>, target: &mut Grad<'_, F>) {
    map_grad(
        x,
        target,
        #[inline(always)]
        |_, x, y| y.copy_from_slice(x),
    );
}

/// The output of an operation on a plain array.
///
/// # Panics
/// When the operation does not accept the shape.
#[track_caller]
pub(crate) fn apply<F: Real, D: Dimension>(op: &dyn Op<F>, step: &Step, x: &ArrayRef<F, D>) -> Array<F, D> {
    match evaluate(op, step, &[x.view().into_dyn()]) {
        Ok(evaluated) => {
            evaluated.output.into_dimensionality().expect("the output has the shape of the input")
        }
        Err(error) => panic!("{error}"),
    }
}

/// The gradient with respect to the input of an operation that is linear in training, or whose gradient does not depend
/// on the input.
///
/// # Panics
/// When the operation does not accept the shape.
#[track_caller]
pub(crate) fn gradient<F: Real, D: Dimension>(
    op: &dyn Op<F>,
    step: &Step,
    d_output: &ArrayRef<F, D>,
) -> Array<F, D> {
    let d_output = d_output.view().into_dyn();
    let inputs = [d_output.view()];
    match evaluate(op, step, &inputs) {
        Ok(mut evaluated) => {
            let gradient = evaluated.backward(op, step, &inputs, d_output.view()).swap_remove(0);
            gradient.into_dimensionality().expect("a gradient has the shape of its input")
        }
        Err(error) => panic!("{error}"),
    }
}

/// `x = kernel(x)` in place, stretch by stretch, as [`map`].
#[inline(always)]
pub(crate) fn map_in_place<F: Real>(mut x: ViewMut<'_, F>, kernel: impl Fn(usize, &[F], &mut [F]) + Sync) {
    let mut from = [F::zero(); STRETCH];
    if let Some(x) = x.as_slice_mut() {
        for (number, x) in x.chunks_mut(STRETCH).enumerate() {
            let from = &mut from[..x.len()];
            from.copy_from_slice(x);
            run(number * STRETCH, from, x, false, &kernel);
        }
        return;
    }
    let copy = x.to_owned();
    map(&copy.view(), x, false, kernel);
}
