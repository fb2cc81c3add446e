//! Loops over contiguous memory: element by element, and reductions in a fixed order.
//!
//! Reductions keep [`LANES`] independent partial results, which vectorise, and combine them in a fixed tree; long
//! slices are split in halves down to [`BLOCK`]s. The order depends on the length alone, so every instruction set
//! and every number of threads gives the same bits, and the rounding error grows with the logarithm of the length.

use std::array;

use nn_core::Real;

use crate::simd::dispatch;

/// Independent partial results of a reduction.
const LANES: usize = 32;
/// Elements that are reduced in one go; longer slices are split.
const BLOCK: usize = 4096;
/// Elements above which work is divided among threads: below, waking them costs more than they save.
pub(crate) const PARALLEL: usize = 1 << 16;

/// Runs both, on two threads if `parallel` and there are two.
pub(crate) fn join<A: Send, B: Send>(
    parallel: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if !parallel || rayon::current_num_threads() == 1 {
        return (a(), b());
    }
    let (mut a, mut b) = (Some(a), Some(b));
    let (mut from_a, mut from_b) = (None, None);
    join_two(&mut || from_a = a.take().map(|a| a()), &mut || from_b = b.take().map(|b| b()));
    (from_a.expect("both have run"), from_b.expect("both have run"))
}

/// Not generic: what rayon does to join two closures is compiled once, and not again for each pair of them.
fn join_two(a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
    rayon::join(a, b);
}

/// The elements at `i`. (A plain loop: `array::from_fn` takes the compiler ten times as long.)
#[inline(always)]
fn column<F: Real, const N: usize>(inputs: &[&[F]; N], i: usize) -> [F; N] {
    let mut elements = [F::zero(); N];
    for (element, input) in elements.iter_mut().zip(inputs) {
        *element = input[i];
    }
    elements
}

/// `output[i] = f([inputs[0][i], inputs[1][i], …])`.
#[inline(always)]
pub(crate) fn map_slices<F: Real, const N: usize>(
    inputs: [&[F]; N],
    output: &mut [F],
    f: impl Fn([F; N]) -> F + Copy,
) {
    let len = output.len();
    let inputs = inputs.map(|x| &x[..len]);
    dispatch(
        #[inline(always)]
        move || {
            for (i, output) in output.iter_mut().enumerate() {
                *output = f(column(&inputs, i));
            }
        },
    );
}

/// `output += x`.
pub(crate) fn add_into<F: Real>(x: &[F], output: &mut [F]) {
    dispatch(
        #[inline(always)]
        move || output.iter_mut().zip(x).for_each(|(o, x)| *o += *x),
    );
}

/// `output = max(output, x)`.
pub(crate) fn max_into<F: Real>(x: &[F], output: &mut [F]) {
    dispatch(
        #[inline(always)]
        move || output.iter_mut().zip(x).for_each(|(o, x)| *o = o.max(*x)),
    );
}

/// `values[i] = f(values[i])`.
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

/// `combine` over all `f([inputs[0][i], inputs[1][i], …])`, beginning with its neutral element.
pub(crate) fn fold_slices<F: Real, const N: usize>(
    inputs: [&[F]; N],
    neutral: F,
    f: impl Fn([F; N]) -> F + Sync + Copy,
    combine: impl Fn(F, F) -> F + Sync + Copy,
) -> F {
    let len = inputs[0].len();
    if len <= BLOCK {
        return dispatch(
            #[inline(always)]
            move || fold_block(inputs, neutral, f, combine),
        );
    }
    let middle = (len / 2).next_multiple_of(BLOCK);
    let (left, right) = join(
        len >= PARALLEL,
        || fold_slices(inputs.map(|x| &x[..middle]), neutral, f, combine),
        || fold_slices(inputs.map(|x| &x[middle..]), neutral, f, combine),
    );
    combine(left, right)
}

#[inline(always)]
fn fold_block<F: Real, const N: usize>(
    inputs: [&[F]; N],
    neutral: F,
    f: impl Fn([F; N]) -> F + Copy,
    combine: impl Fn(F, F) -> F,
) -> F {
    let len = inputs[0].len();
    let inputs = inputs.map(|x| &x[..len]);
    let at = |i: usize| f(column(&inputs, i));
    if len < LANES / 2 {
        return (0..len).fold(neutral, |total, i| combine(total, at(i)));
    }
    let mut partial = [neutral; LANES];
    let whole = inputs.map(|x| &x.as_chunks::<LANES>().0[..len / LANES]);
    for i in 0..len / LANES {
        let chunk = whole.map(|x| &x[i][..]);
        for (lane, partial) in partial.iter_mut().enumerate() {
            *partial = combine(*partial, f(column(&chunk, lane)));
        }
    }
    // An array of its own, so that `partial`, whose indices are all constant, stays in registers.
    let mut rest = [neutral; LANES];
    for (rest, i) in rest.iter_mut().zip(len / LANES * LANES..len) {
        *rest = at(i);
    }
    let p: [F; LANES] = array::from_fn(|i| combine(partial[i], rest[i]));
    tree(&p, combine)
}

/// Combines the partial results. Not inlined, since with the tree in sight the compiler cuts the lanes of the loop
/// before it into pairs.
#[inline(never)]
fn tree<F: Real>(p: &[F; LANES], combine: impl Fn(F, F) -> F) -> F {
    let p: [F; 16] = array::from_fn(|i| combine(p[i], p[i + 16]));
    let p: [F; 8] = array::from_fn(|i| combine(p[i], p[i + 8]));
    let p: [F; 4] = array::from_fn(|i| combine(p[i], p[i + 4]));
    combine(combine(p[0], p[2]), combine(p[1], p[3]))
}

/// The sum of all elements, in a fixed order; 0 for an empty slice.
///
/// The error is that of pairwise summation, which grows with the logarithm of the length n: within 1 + ½ log₂ n ULP of
/// Σ|xᵢ| in `f32`, as measured up to n = 300,000.
///
/// ```
/// let ones = vec![1.0f32; 20_000_000];
/// assert_eq!(nn_ops::sum(&ones), 20_000_000.0); // a plain loop in f32 stops at 16,777,216
/// ```
pub fn sum<F: Real>(x: &[F]) -> F {
    fold_slices([x], F::zero(), |[x]| x, add)
}

/// The sum of squares Σ xᵢ², in a fixed order; its error is that of [`sum`].
pub fn sum_squares<F: Real>(x: &[F]) -> F {
    fold_slices([x], F::zero(), |[x]| x * x, add)
}

/// The inner product Σ xᵢyᵢ, in a fixed order; its error is that of [`sum`], in ULP of Σ|xᵢyᵢ|.
///
/// # Panics
/// When the lengths differ.
#[track_caller]
pub fn dot<F: Real>(x: &[F], y: &[F]) -> F {
    assert_eq!(x.len(), y.len(), "dot: slices of {} and {} elements", x.len(), y.len());
    fold_slices([x, y], F::zero(), |[x, y]| x * y, add)
}

/// The largest element: NaN if any is NaN, −∞ for an empty slice.
pub fn max_value<F: Real>(x: &[F]) -> F {
    fold_slices([x], -F::INFINITY, |[x]| x, max)
}

#[inline(always)]
pub(crate) fn add<F: Real>(a: F, b: F) -> F {
    a + b
}

#[inline(always)]
pub(crate) fn max<F: Real>(a: F, b: F) -> F {
    a.max(b)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, PARALLEL, dot, max_value, sum, sum_squares};

    #[test]
    fn reductions_of_whole_numbers_are_exact() {
        for len in [0, 1, 15, 16, 17, 31, 32, 33, 100, BLOCK, BLOCK + 1, 3 * BLOCK + 77, PARALLEL + 5] {
            let x: Vec<f64> = (0..len).map(|i| (i * 7919 % 101) as f64 - 50.0).collect();
            let y: Vec<f64> = (0..len).map(|i| (i * 104_729 % 31) as f64).collect();
            assert_eq!(sum(&x), x.iter().sum::<f64>(), "{len}");
            assert_eq!(sum_squares(&x), x.iter().map(|x| x * x).sum::<f64>(), "{len}");
            assert_eq!(dot(&x, &y), x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>(), "{len}");
            assert_eq!(max_value(&x), x.iter().copied().fold(f64::NEG_INFINITY, f64::max), "{len}");
        }
    }

    #[test]
    fn a_maximum_with_nan_is_nan_wherever_it_stands() {
        for at in 0..70 {
            let mut x = vec![1.0f32; 70];
            x[at] = f32::NAN;
            assert!(max_value(&x).is_nan(), "{at}");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let x: Vec<f32> = (0..PARALLEL * 3 + 11).map(|i| (i as f32).sin()).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| [sum(&x).to_bits(), sum_squares(&x).to_bits(), dot(&x, &x).to_bits()])
        };
        assert_eq!(with(1), with(3));
    }
}
