//! Who is dropped: one draw of 16 bits for each element or group, compared with a threshold.

use nn_core::{RangeError, Real, ShapeError, StreamRng, check_range};
use nn_ops::simd::dispatch;

use crate::stretches::STRETCH;
use crate::words::{WORDS, Words};

/// Values that a draw can take.
const DRAWS: u32 = 1 << 16;

/// The probability with which something is dropped, a multiple of 2⁻¹⁶.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rate {
    /// Draws below it drop.
    threshold: u32,
}

impl Rate {
    /// The multiple of 2⁻¹⁶ next to `rate`.
    pub(crate) fn new(owner: &'static str, field: &'static str, rate: f64) -> Result<Self, RangeError> {
        check_range(owner, field, rate, "[0, 1]", (0.0..=1.0).contains(&rate))?;
        Ok(Rate { threshold: (rate * f64::from(DRAWS)).round() as u32 })
    }

    /// From the probability with which something is kept.
    pub(crate) fn from_keep_prob(owner: &'static str, keep_prob: f64) -> Result<Self, RangeError> {
        check_range(owner, "keep_prob", keep_prob, "[0, 1]", (0.0..=1.0).contains(&keep_prob))?;
        Rate::new(owner, "rate", 1.0 - keep_prob)
    }

    /// The probability of being dropped, exactly.
    pub(crate) fn drop(self) -> f64 {
        f64::from(self.threshold) / f64::from(DRAWS)
    }

    /// The probability of being kept, exactly.
    pub(crate) fn keep(self) -> f64 {
        1.0 - self.drop()
    }

    /// What the kept are multiplied by, 1/keep; 0 where none is kept.
    pub(crate) fn scale<F: Real>(self) -> F {
        F::from_f64(if self.drops_all() { 0.0 } else { 1.0 / self.keep() })
    }

    /// Whether nothing is ever kept.
    pub(crate) fn drops_all(self) -> bool {
        self.threshold == DRAWS
    }
}

/// The draws of one operation at one step. Element or group i takes draw i, whoever draws it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask {
    words: Words,
    threshold: u32,
}

impl Mask {
    /// Draws from the beginning of this stream.
    pub(crate) fn new(rng: &StreamRng, rate: Rate) -> Self {
        Mask { words: Words::new(rng), threshold: rate.threshold }
    }

    /// `y = kept(x)` for the elements that are kept and `dropped` for the others; `first`, the number of the first
    /// element, is a multiple of [`STRETCH`]. To be inlined into a kernel that is compiled for an instruction set.
    #[inline(always)]
    pub(crate) fn select<F: Real>(
        self,
        first: usize,
        x: &[F],
        y: &mut [F],
        kept: impl Fn(F) -> F,
        dropped: F,
    ) {
        let mut words = [0; WORDS];
        self.words.group(first / STRETCH, &mut words);
        // Both halves of each word are draws; the value is computed in any case, so that the loops vectorise.
        let middle = x.len().min(WORDS);
        let ((x0, x1), (y0, y1)) = (x.split_at(middle), y.split_at_mut(middle));
        for ((y, &x), &word) in y0.iter_mut().zip(x0).zip(&words) {
            let value = kept(x);
            *y = if word % DRAWS >= self.threshold { value } else { dropped };
        }
        for ((y, &x), &word) in y1.iter_mut().zip(x1).zip(&words) {
            let value = kept(x);
            *y = if word / DRAWS >= self.threshold { value } else { dropped };
        }
    }

    /// Writes 1 for each group that is kept and 0 for the others.
    pub(crate) fn fill<F: Real>(self, keep: &mut [F]) {
        dispatch(
            #[inline(always)]
            move || {
                let ones = [F::one(); STRETCH];
                for (number, keep) in keep.chunks_mut(STRETCH).enumerate() {
                    self.select(
                        number * STRETCH,
                        &ones[..keep.len()],
                        keep,
                        #[inline(always)]
                        |one| one,
                        F::zero(),
                    );
                }
            },
        );
    }
}

/// What is dropped as a whole: each stretch of elements that belong to one place on the leading axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leading(pub(crate) usize);

impl Leading {
    /// The number of groups of an array of this shape, and the elements of each.
    pub(crate) fn groups(self, shape: &[usize]) -> (usize, usize) {
        let (outer, inner) = shape.split_at(self.0.min(shape.len()));
        (outer.iter().product(), inner.iter().product())
    }

    /// The number of groups, or the error that axes are missing.
    pub(crate) fn check(
        self,
        op: &'static str,
        expected: &str,
        shape: &[usize],
    ) -> Result<usize, ShapeError> {
        if shape.len() < self.0 {
            let (expected, got) = (expected.to_owned(), shape.to_vec());
            return Err(ShapeError::Input { op, input: 0, expected, got });
        }
        Ok(self.groups(shape).0)
    }
}

/// `y = f(x, keep of its group)` for elements from number `first` on, of groups of `inner` elements.
#[inline(always)]
pub(crate) fn by_group<F: Real>(
    first: usize,
    inner: usize,
    keep: &[F],
    x: &[F],
    y: &mut [F],
    f: impl Fn(F, bool) -> F,
) {
    let mut at = 0;
    while at < x.len() {
        let group = (first + at) / inner;
        let end = ((group + 1) * inner - first).min(x.len());
        let kept = keep[group] != F::zero();
        for (y, &x) in y[at..end].iter_mut().zip(&x[at..end]) {
            *y = f(x, kept);
        }
        at = end;
    }
}

/// The one input of an operation.
pub(crate) fn one_input<'a>(op: &'static str, inputs: &[&'a [usize]]) -> Result<&'a [usize], ShapeError> {
    match inputs {
        [shape] => Ok(shape),
        _ => Err(ShapeError::Arity { op, expected: 1, got: inputs.len() }),
    }
}
