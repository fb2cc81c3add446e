//! One pass over parameters, gradients and slots: vectorised, in parallel, without allocating.

use std::array::from_fn;
use std::mem::take;

use nn_core::Real;
use nn_ops::simd::dispatch;

use crate::MAX_SLOTS;

/// Elements that one thread updates at a time.
const CHUNK: usize = 1 << 14;

/// Elements from which on other threads are woken; at 10⁵, two threads took 0.60 to 0.75 of the time of one, for every
/// rule.
const PARALLEL_FROM: usize = 1 << 16;

/// The parameters, gradients and slots of one step, ready for the elementwise function of a rule.
#[derive(Debug)]
pub struct Pass<'a, F> {
    w: &'a mut [F],
    g: &'a [F],
    slots: [&'a mut [F]; MAX_SLOTS],
    used: usize,
    scale: F,
    decay: F,
    chunk: usize,
}

impl<'a, F: Real> Pass<'a, F> {
    /// A pass over slices of one length; `slots` beyond the first `used` are empty.
    ///
    /// The gradient that the rule sees is `scale`·g + `decay`·w.
    pub(crate) fn new(
        w: &'a mut [F],
        g: &'a [F],
        slots: [&'a mut [F]; MAX_SLOTS],
        used: usize,
        scale: f64,
        decay: f64,
    ) -> Self {
        let parallel = w.len() >= PARALLEL_FROM && rayon::current_num_threads() > 1;
        let chunk = if parallel { CHUNK } else { usize::MAX };
        Pass { w, g, slots, used, scale: F::from_f64(scale), decay: F::from_f64(decay), chunk }
    }

    /// Runs `element` on every element: from the parameter w, its gradient g and its slots to the new parameter and
    /// the new slots.
    ///
    /// Coupled weight decay and the scale of the gradient are in g already. Write the closure as
    /// `#[inline(always)] move |w, g, [m, v]| …`, free of branches and of calls into libraries, so that it becomes
    /// vector code for each instruction set. Elements are independent, so the result has the same bits on any
    /// number of threads. Slots that would be subnormal numbers become zero, since arithmetic with them is slow.
    ///
    /// # Panics
    /// When `N` is not the number of [`Rule::slots`](crate::Rule::slots).
    #[track_caller]
    pub fn each<const N: usize>(
        mut self,
        element: impl Fn(F, F, [F; N]) -> (F, [F; N]) + Copy + Send + Sync,
    ) {
        assert_eq!(N, self.used, "the update takes {N} slots, but the rule names {}", self.used);
        let slots = from_fn(|k| take(&mut self.slots[k]));
        let (scale, decay) = (self.scale, self.decay);
        split(
            self.w,
            self.g,
            slots,
            self.chunk,
            #[inline(always)]
            move |w, g, s| element(w, scale * g + decay * w, s),
        );
    }
}

/// Halves the work at multiples of `chunk` until it fits one, so that the partition does not depend on the threads.
fn split<F: Real, const N: usize>(
    w: &mut [F],
    g: &[F],
    slots: [&mut [F]; N],
    chunk: usize,
    element: impl Fn(F, F, [F; N]) -> (F, [F; N]) + Copy + Send + Sync,
) {
    if w.len() <= chunk {
        return dispatch(
            #[inline(always)]
            move || run(w, g, slots, element),
        );
    }
    let middle = w.len().div_ceil(2).next_multiple_of(chunk);
    let (w0, w1) = w.split_at_mut(middle);
    let (g0, g1) = g.split_at(middle);
    let mut halves = slots.map(|slot| slot.split_at_mut(middle));
    let s0 = from_fn(|k| take(&mut halves[k].0));
    let s1 = from_fn(|k| take(&mut halves[k].1));
    rayon::join(|| split(w0, g0, s0, chunk, element), || split(w1, g1, s1, chunk, element));
}

#[inline(always)]
fn run<F: Real, const N: usize>(
    w: &mut [F],
    g: &[F],
    mut slots: [&mut [F]; N],
    element: impl Fn(F, F, [F; N]) -> (F, [F; N]),
) {
    let n = w.len();
    let g = &g[..n];
    for slot in &mut slots {
        *slot = &mut take(slot)[..n];
    }
    for i in 0..n {
        let (new, kept) = element(w[i], g[i], from_fn(|k| slots[k][i]));
        w[i] = new;
        for k in 0..N {
            slots[k][i] = flush(kept[k]);
        }
    }
}

/// Zero instead of a subnormal number.
///
/// The momentum of a parameter whose gradient has become zero, such as those of a unit that ReLU has switched off,
/// shrinks until it is subnormal and stays there, because 0.9 times the smallest number is rounded to it. Arithmetic
/// with subnormal numbers is a hundred times slower: a step of a small network took three times as long after 800.
#[inline(always)]
fn flush<F: Real>(x: F) -> F {
    if x.abs() < F::MIN_POSITIVE { F::zero() } else { x }
}
