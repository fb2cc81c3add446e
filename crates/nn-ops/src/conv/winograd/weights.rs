//! The weights as the products need them, and their gradient back.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4};
use nn_core::Real;

use super::super::transposition::Transposition;
use super::{TAPS, Tiling};
use crate::dispatch::{Work, run};
use crate::gemm::Simd;
use crate::simd::Isa;
use crate::slices::join;

/// Elements from which on the transforms are worth a second thread.
const PARALLEL: usize = 1 << 18;

/// U = G·w·Gᵀ for each pair of channels, as 16 matrices of channels of x by channels of y.
pub(super) fn transform<F: Real>(
    (tiling, isa): (&Tiling, Isa),
    weight: &ArrayView4<'_, F>,
    by_taps: &mut [F],
    to: &mut [F],
) {
    let (x_channels, y_channels) = (tiling.x.channels, tiling.y.channels);
    let (cols, to_row) = (x_channels * TAPS, tiling.y.width);
    if y_channels < to_row {
        by_taps.fill(F::zero());
    }
    if let Some(from) = weight.as_slice() {
        let (from_row, rows, to) = (cols, y_channels, &mut *by_taps);
        run::<F, _>(isa, Transposition { from, from_row, rows, cols, to, to_row });
    } else {
        for (y, weight) in weight.outer_iter().enumerate() {
            let places = by_taps[y..].iter_mut().step_by(to_row);
            places.zip(weight).for_each(|(to, &from)| *to = from);
        }
    }
    let size = tiling.weights();
    let rows = |rows: Range<usize>, to: &mut [F]| {
        for (row, to) in rows.zip(to.chunks_exact_mut(size)) {
            let (by_taps, channels) = (&*by_taps, x_channels);
            // Channels of x that only fill up vectors have weights of 0.
            to.chunks_exact_mut(size / 4).for_each(|to| to[channels * tiling.y.width..].fill(F::zero()));
            run::<F, _>(isa, Transform { row, by_taps, channels, width: tiling.y.width, to });
        }
    };
    let (first, second) = to[..4 * size].split_at_mut(2 * size);
    join(4 * size >= PARALLEL, || rows(0..2, first), || rows(2..4, second));
}

/// Writes or adds the gradient of the weight, Gᵀ·d_U·G.
pub(super) fn write_gradient<F: Real>(
    (tiling, isa): (&Tiling, Isa),
    gradient: &[F],
    by_taps: &mut [F],
    (mut target, accumulate): (ArrayViewMut4<'_, F>, bool),
) {
    let (channels, cols) = (tiling.x.channels, tiling.y.channels);
    let (width, rows) = (tiling.y.width, channels * TAPS);
    run::<F, _>(isa, Gradient { gradient, step: tiling.weights() / 4, channels, width, by_taps });
    match target.as_slice_mut() {
        Some(to) if !accumulate => {
            let (from, from_row, to_row) = (&*by_taps, width, rows);
            run::<F, _>(isa, Transposition { from, from_row, rows, cols, to, to_row });
        }
        _ => {
            for (y, mut target) in target.outer_iter_mut().enumerate() {
                for (to, &from) in target.iter_mut().zip(by_taps[y..].iter().step_by(width)) {
                    *to = if accumulate { *to + from } else { from };
                }
            }
        }
    }
}

/// One row of G·w·Gᵀ.
struct Transform<'a, T> {
    row: usize,
    /// For each channel of x and each tap a row of the channels of y.
    by_taps: &'a [T],
    channels: usize,
    width: usize,
    /// Four matrices.
    to: &'a mut [T],
}

/// The rows of G.
const G: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

impl<'a, T: Real> Work<T> for Transform<'a, T> {
    type For<U: Real> = Transform<'a, U>;

    unsafe fn run_on<S: Simd<T>>(self) {
        let Transform { row, by_taps, channels, width, to } = self;
        let step = to.len() / 4;
        assert!(by_taps.len() >= channels * TAPS * width && step >= channels * width, "all channels");
        assert!(width.is_multiple_of(S::LANES), "whole vectors of channels");
        let (from, to) = (by_taps.as_ptr(), to.as_mut_ptr());
        // SAFETY: the caller vouches for the instruction set; all elements exist.
        unsafe {
            S::enter(
                #[inline(always)]
                || {
                    let [a, b, c] = G[row].map(|x| S::splat(T::from_f64(x)));
                    let (half, one) = (S::splat(T::from_f64(0.5)), S::splat(T::one()));
                    for channel in 0..channels {
                        for o in (0..width).step_by(S::LANES) {
                            let from = from.add(channel * TAPS * width + o);
                            let mut h = [S::splat(T::zero()); 3];
                            for (j, h) in h.iter_mut().enumerate() {
                                let tap = |i: usize| S::load(from.add((3 * i + j) * width));
                                *h = S::fma(a, tap(0), S::fma(c, tap(2), S::mul(b, tap(1))));
                            }
                            let to = to.add(channel * width + o);
                            let outer = S::mul(half, S::fma(one, h[0], h[2]));
                            S::store(to, h[0]);
                            S::store(to.add(step), S::fma(half, h[1], outer));
                            S::store(to.add(2 * step), S::fma(S::splat(T::from_f64(-0.5)), h[1], outer));
                            S::store(to.add(3 * step), h[2]);
                        }
                    }
                },
            );
        }
    }
}

/// Gᵀ·d_U·G.
struct Gradient<'a, T> {
    /// 16 matrices, `step` apart.
    gradient: &'a [T],
    step: usize,
    channels: usize,
    width: usize,
    by_taps: &'a mut [T],
}

impl<'a, T: Real> Work<T> for Gradient<'a, T> {
    type For<U: Real> = Gradient<'a, U>;

    unsafe fn run_on<S: Simd<T>>(self) {
        let Gradient { gradient, step, channels, width, by_taps } = self;
        assert!(by_taps.len() >= channels * TAPS * width && step >= channels * width, "all channels");
        assert!(
            gradient.len() >= 16 * step && width.is_multiple_of(S::LANES),
            "16 matrices of whole vectors"
        );
        let (from, to) = (gradient.as_ptr(), by_taps.as_mut_ptr());
        // SAFETY: the caller vouches for the instruction set; all elements exist.
        unsafe {
            S::enter(
                #[inline(always)]
                || {
                    let [half, minus] = [0.5, -0.5].map(|x| S::splat(T::from_f64(x)));
                    let one = S::splat(T::one());
                    // The sums of four that each column of G makes of them.
                    let three = |x: [S::V; 4]| {
                        let middle = S::fma(half, x[1], S::mul(half, x[2]));
                        let odd = S::fma(half, x[1], S::mul(minus, x[2]));
                        [S::fma(one, x[0], middle), odd, S::fma(one, x[3], middle)]
                    };
                    for channel in 0..channels {
                        for o in (0..width).step_by(S::LANES) {
                            let from = from.add(channel * width + o);
                            let zero = S::splat(T::zero());
                            let mut rows = [[zero; 3]; 4];
                            for (i, row) in rows.iter_mut().enumerate() {
                                let mut u = [zero; 4];
                                for (j, u) in u.iter_mut().enumerate() {
                                    *u = S::load(from.add((4 * i + j) * step));
                                }
                                *row = three(u);
                            }
                            let to = to.add(channel * TAPS * width + o);
                            let [first, second, third, fourth] = rows;
                            for (j, first) in first.into_iter().enumerate() {
                                let column = three([first, second[j], third[j], fourth[j]]);
                                for (i, x) in column.into_iter().enumerate() {
                                    S::store(to.add((3 * i + j) * width), x);
                                }
                            }
                        }
                    }
                },
            );
        }
    }
}
