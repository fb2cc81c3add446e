//! One pass over parameters, gradients and slots: vectorised, in parallel, without allocating.

use std::array::from_fn;
use std::mem::take;

use nn_core::{ParamSpec, Real};
use nn_ops::simd::dispatch;

use crate::MAX_SLOTS;

/// Elements that one thread updates at a time.
pub(crate) const CHUNK: usize = 1 << 14;

/// Elements from which on other threads are woken; at 10⁵, two threads took 0.60 to 0.75 of the time of one, for every
/// rule.
pub(crate) const PARALLEL_FROM: usize = 1 << 16;

/// Independent partial sums.
const LANES: usize = 16;

/// Elements whose numbers are computed before they are added up.
const BLOCK: usize = 256;

/// What the driver does to parameters and gradients before the rule sees them: w becomes keep·w, and
/// g becomes scale·g + decay·w, with the w before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blend {
    pub(crate) scale: f64,
    pub(crate) decay: f64,
    pub(crate) keep: f64,
}

/// The parameters, gradients and slots of one step, ready for the elementwise function of a rule.
#[derive(Debug)]
pub struct Pass<'a, F> {
    w: &'a mut [F],
    g: &'a [F],
    slots: [&'a mut [F]; MAX_SLOTS],
    used: usize,
    blend: Blend,
    tensor: Option<&'a ParamSpec>,
    scratch: &'a mut [F],
    parallel: bool,
}

impl<'a, F: Real> Pass<'a, F> {
    /// A pass over slices of one length; `slots` beyond the first `used` are empty.
    pub(crate) fn new(
        w: &'a mut [F],
        g: &'a [F],
        slots: [&'a mut [F]; MAX_SLOTS],
        used: usize,
        blend: Blend,
        tensor: Option<&'a ParamSpec>,
        scratch: &'a mut [F],
    ) -> Self {
        let parallel = w.len() >= PARALLEL_FROM && rayon::current_num_threads() > 1;
        Pass { w, g, slots, used, blend, tensor, scratch, parallel }
    }

    /// The shape of the parameter.
    ///
    /// # Panics
    /// When the rule is not [per tensor](crate::Rule::per_tensor).
    #[track_caller]
    pub fn shape(&self) -> &'a [usize] {
        &self.tensor.expect("the rule is called for each tensor alone").shape
    }

    /// The name of the parameter.
    ///
    /// # Panics
    /// When the rule is not [per tensor](crate::Rule::per_tensor).
    #[track_caller]
    pub fn param_name(&self) -> &'a str {
        &self.tensor.expect("the rule is called for each tensor alone").name
    }

    /// The memory that [`Rule::scratch`](crate::Rule::scratch) asks for, or more, filled with anything; empty when it
    /// was taken before.
    pub fn scratch(&mut self) -> &'a mut [F] {
        take(&mut self.scratch)
    }

    /// With one slot more, which is not kept.
    #[cfg(feature = "muon")]
    pub(crate) fn with_slot(mut self, slot: &'a mut [F]) -> Self {
        self.slots[self.used] = slot;
        self.used += 1;
        self
    }

    /// The elements of slot `k`.
    #[cfg(feature = "muon")]
    pub(crate) fn slot(&mut self, k: usize) -> &mut [F] {
        self.slots[k]
    }

    /// Runs `element` on every element: from the parameter w, its gradient g and its slots to the new parameter and
    /// the new slots.
    ///
    /// Coupled weight decay and the scale of the gradient are in g already, and decoupled decay is in w. Write the
    /// closure as `#[inline(always)] move |w, g, [m, v]| …`, free of branches and of calls into libraries, so that it
    /// becomes vector code for each instruction set. Elements are independent, so the result has the same bits on any
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
        let [scale, decay, keep] = self.factors();
        let chunk = if self.parallel { CHUNK } else { usize::MAX };
        split(
            self.w,
            self.g,
            slots,
            chunk,
            #[inline(always)]
            move |w, g, s| element(keep * w, scale * g + decay * w, s),
        );
    }

    /// Runs `element` on every element, as [`each`](Pass::each) does, but to the new slots and to `K` numbers, whose
    /// Euclidean norms it returns; the parameters stay. For rules [per tensor](crate::Rule::per_tensor), before `each`.
    ///
    /// The squares are added up in `f64` in an order that depends on the length alone, so the norms have the same bits
    /// on any number of threads and with any instruction set.
    ///
    /// ```
    /// use nn_core::Real;
    /// use nn_optim::{Context, Optimizer, Pass, Rule};
    ///
    /// /// w ← w − α·g/‖g‖ for each parameter.
    /// #[derive(Debug)]
    /// struct NormalizedSgd;
    ///
    /// impl<F: Real> Rule<F> for NormalizedSgd {
    ///     fn name(&self) -> &'static str {
    ///         "NormalizedSgd"
    ///     }
    ///     fn slots(&self) -> &'static [&'static str] {
    ///         &[]
    ///     }
    ///     fn learning_rate(&self) -> f64 {
    ///         0.5
    ///     }
    ///     fn per_tensor(&self) -> bool {
    ///         true
    ///     }
    ///     fn update(&self, context: Context, mut pass: Pass<'_, F>) {
    ///         let [norm] = pass.norms(#[inline(always)] |_, g: F, []| ([], [g]));
    ///         let rate = F::from_f64(context.learning_rate / norm.max(1e-12));
    ///         pass.each(#[inline(always)] move |w, g: F, []| (w - rate * g, []));
    ///     }
    /// }
    ///
    /// let mut w = [1.0, 1.0];
    /// Optimizer::new(NormalizedSgd).step(&mut w, &[3.0, 4.0]);
    /// assert_eq!(w, [0.7, 0.6]);
    /// ```
    ///
    /// # Panics
    /// When `N` is not the number of [`Rule::slots`](crate::Rule::slots).
    #[track_caller]
    pub fn norms<const N: usize, const K: usize>(
        &mut self,
        element: impl Fn(F, F, [F; N]) -> ([F; N], [F; K]) + Copy + Send + Sync,
    ) -> [f64; K] {
        assert_eq!(N, self.used, "the norms take {N} slots, but the rule names {}", self.used);
        let [scale, decay, keep] = self.factors();
        let mut slots = self.slots.iter_mut();
        let slots = from_fn(|_| &mut **slots.next().expect("there are N slots"));
        split_squares(
            self.w,
            self.g,
            slots,
            self.parallel,
            #[inline(always)]
            move |w, g, s| element(keep * w, scale * g + decay * w, s),
        )
        .map(f64::sqrt)
    }

    fn factors(&self) -> [F; 3] {
        let Blend { scale, decay, keep } = self.blend;
        [scale, decay, keep].map(F::from_f64)
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

/// Halves the work at multiples of [`CHUNK`] until it fits one, whatever the threads, so that the order of the sums
/// depends on the length alone.
fn split_squares<F: Real, const N: usize, const K: usize>(
    w: &[F],
    g: &[F],
    slots: [&mut [F]; N],
    parallel: bool,
    element: impl Fn(F, F, [F; N]) -> ([F; N], [F; K]) + Copy + Send + Sync,
) -> [f64; K] {
    if w.len() <= CHUNK {
        return dispatch(
            #[inline(always)]
            move || run_squares(w, g, slots, element),
        );
    }
    let middle = w.len().div_ceil(2).next_multiple_of(CHUNK);
    let (w0, w1) = w.split_at(middle);
    let (g0, g1) = g.split_at(middle);
    let mut halves = slots.map(|slot| slot.split_at_mut(middle));
    let s0 = from_fn(|k| take(&mut halves[k].0));
    let s1 = from_fn(|k| take(&mut halves[k].1));
    let first = || split_squares(w0, g0, s0, parallel, element);
    let second = || split_squares(w1, g1, s1, parallel, element);
    let (a, b) = if parallel { rayon::join(first, second) } else { (first(), second()) };
    from_fn(|k| a[k] + b[k])
}

/// Two loops over each block, of which the first is like [`run`]: one for both would not become vector code.
#[inline(always)]
fn run_squares<F: Real, const N: usize, const K: usize>(
    w: &[F],
    g: &[F],
    mut slots: [&mut [F]; N],
    element: impl Fn(F, F, [F; N]) -> ([F; N], [F; K]),
) -> [f64; K] {
    let n = w.len();
    let mut numbers = [[F::zero(); BLOCK]; K];
    let mut sums = [[0.0; LANES]; K];
    for start in (0..n).step_by(BLOCK) {
        let block = start..n.min(start + BLOCK);
        let (w, g) = (&w[block.clone()], &g[block.clone()]);
        let slots = slots.each_mut().map(|slot| &mut slot[block.clone()]);
        for numbers in &mut numbers {
            numbers[w.len()..].fill(F::zero());
        }
        let filled = numbers.each_mut().map(|numbers| &mut numbers[..w.len()]);
        for i in 0..w.len() {
            let (kept, numbers) = element(w[i], g[i], from_fn(|k| slots[k][i]));
            for k in 0..N {
                slots[k][i] = flush(kept[k]);
            }
            for k in 0..K {
                filled[k][i] = numbers[k];
            }
        }
        for (sums, numbers) in sums.iter_mut().zip(&numbers) {
            add_squares(numbers, sums);
        }
    }
    sums.map(|lanes| {
        let lanes: [f64; 8] = from_fn(|i| lanes[i] + lanes[i + 8]);
        let lanes: [f64; 4] = from_fn(|i| lanes[i] + lanes[i + 4]);
        (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    })
}

#[inline(always)]
fn add_squares<F: Real>(numbers: &[F; BLOCK], sums: &mut [f64; LANES]) {
    let mut partial = *sums;
    for chunk in numbers.as_chunks::<LANES>().0 {
        for (sum, number) in partial.iter_mut().zip(chunk) {
            *sum += number.to_f64() * number.to_f64();
        }
    }
    *sums = partial;
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
