//! What the norms share: reductions in a fixed order, contiguous access to arrays of any layout, division among threads.

use std::array::from_fn;

use ndarray::{CowArray, IxDyn};
use nn_core::{Grad, Real, View, ViewMut};
use nn_ops::simd::dispatch;

/// Independent partial results of a reduction.
const LANES: usize = 64;
/// Elements that are reduced in one go.
const BLOCK: usize = 4096;
/// Elements from which on work is divided among threads.
pub(crate) const PARALLEL: usize = 1 << 17;

/// Runs both, on two threads if there are so many elements and two threads.
pub(crate) fn join(elements: usize, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    if elements >= PARALLEL && rayon::current_num_threads() > 1 {
        rayon::join(a, b);
    } else {
        a();
        b();
    }
}

/// The sums of K functions of the elements, in an order that depends on the length alone.
#[inline(always)]
pub(crate) fn sums<F: Real, const N: usize, const K: usize>(
    inputs: [&[F]; N],
    f: impl Fn([F; N]) -> [F; K],
) -> [F; K] {
    let len = inputs[0].len();
    let inputs = inputs.map(|x| &x[..len]);
    if len < LANES / 4 {
        return (0..len).fold([F::zero(); K], |total, i| {
            let value = f(from_fn(|n| inputs[n][i]));
            from_fn(|k| total[k] + value[k])
        });
    }
    let mut partial = [[F::zero(); LANES]; K];
    let whole = inputs.map(|x| &x.as_chunks::<LANES>().0[..len / LANES]);
    for i in 0..len / LANES {
        let chunk = whole.map(|x| &x[i]);
        for lane in 0..LANES {
            let value = f(from_fn(|n| chunk[n][lane]));
            for k in 0..K {
                partial[k][lane] += value[k];
            }
        }
    }
    // An array of its own, so that `partial`, whose indices are all constant, stays in registers.
    let mut rest = [[F::zero(); LANES]; K];
    for (lane, i) in (len / LANES * LANES..len).enumerate() {
        let value = f(from_fn(|n| inputs[n][i]));
        for k in 0..K {
            rest[k][lane] = value[k];
        }
    }
    from_fn(|k| {
        let p: [F; 32] = from_fn(|i| (partial[k][i] + rest[k][i]) + (partial[k][i + 32] + rest[k][i + 32]));
        let p: [F; 16] = from_fn(|i| p[i] + p[i + 16]);
        let p: [F; 8] = from_fn(|i| p[i] + p[i + 8]);
        let p: [F; 4] = from_fn(|i| p[i] + p[i + 4]);
        (p[0] + p[2]) + (p[1] + p[3])
    })
}

/// As [`sums`], over slices of any length in blocks.
#[inline(always)]
pub(crate) fn long_sums<F: Real, const N: usize, const K: usize>(
    inputs: [&[F]; N],
    f: impl Fn([F; N]) -> [F; K],
) -> [F; K] {
    let mut total = [F::zero(); K];
    for start in (0..inputs[0].len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(inputs[0].len());
        let part = sums(inputs.map(|x| &x[start..end]), &f);
        total = from_fn(|k| total[k] + part[k]);
    }
    total
}

/// The number of values, their mean, and the sum of their squared distances from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments<F> {
    pub(crate) count: usize,
    pub(crate) mean: F,
    pub(crate) squares: F,
}

impl<F: Real> Moments<F> {
    /// Of no values.
    #[inline(always)]
    pub(crate) fn none() -> Self {
        Moments { count: 0, mean: F::zero(), squares: F::zero() }
    }

    /// Of the values less `shift`: two passes over each block, whose results are merged.
    #[inline(always)]
    pub(crate) fn of(x: &[F], shift: F) -> Self {
        let mut all = Self::none();
        for block in x.chunks(BLOCK) {
            let count = F::from_usize(block.len());
            let [sum] = sums(
                [block],
                #[inline(always)]
                |[x]: [F; 1]| [x - shift],
            );
            let mean = sum / count;
            let [squares] = sums(
                [block],
                #[inline(always)]
                |[x]: [F; 1]| {
                    let d = (x - shift) - mean;
                    [d * d]
                },
            );
            all = all.merge(Moments { count: block.len(), mean, squares });
        }
        all
    }

    /// Of two sets of values together (Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for
    /// computing sample variances").
    #[inline(always)]
    pub(crate) fn merge(self, other: Self) -> Self {
        if self.count == 0 {
            return other;
        }
        let (mean, spread) = weights(self.count, other.count);
        let delta = other.mean - self.mean;
        Moments {
            count: self.count + other.count,
            mean: self.mean + delta * mean,
            squares: self.squares + other.squares + delta * delta * spread,
        }
    }

    /// The variance that divides by the number of values.
    #[inline(always)]
    pub(crate) fn variance(self) -> F {
        self.squares / F::from_usize(self.count.max(1))
    }
}

/// For merging `more` values to `count`: the share of the difference of the means that is added to the mean, and that
/// of its square that is added to the sum of squares.
#[inline(always)]
pub(crate) fn weights<F: Real>(count: usize, more: usize) -> (F, F) {
    let share = more as f64 / (count + more) as f64;
    (F::from_f64(share), F::from_f64(share * count as f64))
}

/// The elements in C order: of the array itself where they lie so, else of a copy.
pub(crate) fn standard<'a, F: Real>(view: &'a View<'_, F>) -> CowArray<'a, F, IxDyn> {
    view.as_standard_layout()
}

/// The elements of an array that [`standard`] made.
pub(crate) fn elements<'a, F: Real>(array: &'a CowArray<'_, F, IxDyn>) -> &'a [F] {
    array.as_slice().expect("an array in standard layout is contiguous")
}

/// Lets `write` write all elements in C order.
pub(crate) fn write_output<F: Real>(mut output: ViewMut<'_, F>, write: impl FnOnce(&mut [F])) {
    if let Some(slice) = output.as_slice_mut() {
        return write(slice);
    }
    let mut copy = vec![F::zero(); output.len()];
    write(&mut copy);
    output.iter_mut().zip(copy).for_each(|(to, from)| *to = from);
}

/// Lets `write` write the gradient in C order, or add it to what is there where it is told so. Calls it with `None`
/// where nobody wants the gradient.
pub(crate) fn write_gradient<F: Real>(
    gradient: &mut Grad<'_, F>,
    write: impl FnOnce(Option<(&mut [F], bool)>),
) {
    let Some((mut target, accumulate)) = gradient.target() else { return write(None) };
    if let Some(slice) = target.as_slice_mut() {
        return write(Some((slice, accumulate)));
    }
    let mut copy = vec![F::zero(); target.len()];
    write(Some((&mut copy, false)));
    for (to, from) in target.iter_mut().zip(copy) {
        *to = if accumulate { *to + from } else { from };
    }
}

/// The gradient is `f(i)` at element i in C order.
pub(crate) fn write_each<F: Real>(gradient: &mut Grad<'_, F>, f: impl Fn(usize) -> F) {
    let Some((mut target, accumulate)) = gradient.target() else { return };
    if let Some(target) = target.as_slice_mut() {
        return dispatch(
            #[inline(always)]
            move || write_or_add(target, accumulate, f),
        );
    }
    for (i, to) in target.iter_mut().enumerate() {
        *to = if accumulate { *to + f(i) } else { f(i) };
    }
}

/// The gradient is these elements in C order.
pub(crate) fn write_slice<F: Real>(gradient: &mut Grad<'_, F>, from: &[F]) {
    write_gradient(gradient, |target| {
        let Some((target, accumulate)) = target else { return };
        let from = &from[..target.len()];
        dispatch(
            #[inline(always)]
            move || {
                write_or_add(
                    target,
                    accumulate,
                    #[inline(always)]
                    |i: usize| from[i],
                );
            },
        );
    });
}

/// `target[i] = f(i)`, or `target[i] += f(i)`.
#[inline(always)]
pub(crate) fn write_or_add<F: Real>(target: &mut [F], accumulate: bool, f: impl Fn(usize) -> F) {
    // Counted by a range, so that nothing is left of bounds checks, for the sake of which the last elements of each call
    // would be taken one by one.
    let all = 0..target.len();
    if accumulate {
        for (i, to) in all.zip(target) {
            *to += f(i);
        }
    } else {
        for (i, to) in all.zip(target) {
            *to = f(i);
        }
    }
}
