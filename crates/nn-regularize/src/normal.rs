//! Standard normal numbers in bulk: one 32-bit draw each, by the quantile function.

use nn_core::{Real, StreamRng};

use crate::words::{WORDS, Words};

/// The normal numbers of one operation at one step. Element i takes draw i, whoever draws it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Normals {
    words: Words,
}

impl Normals {
    /// Draws from the beginning of this stream.
    pub(crate) fn new(rng: &StreamRng) -> Self {
        Normals { words: Words::new(rng) }
    }

    /// `y = f(x, z)`; `first`, the number of the first element, is a multiple of [`WORDS`]. To be inlined into a kernel
    /// that is compiled for an instruction set.
    #[inline(always)]
    pub(crate) fn map<F: Real>(self, first: usize, x: &[F], y: &mut [F], f: impl Fn(F, F) -> F) {
        let mut words = [0; WORDS];
        for (group, (x, y)) in x.chunks(WORDS).zip(y.chunks_mut(WORDS)).enumerate() {
            self.words.group(first / WORDS + group, &mut words);
            for ((y, &x), &word) in y.iter_mut().zip(x).zip(&words) {
                *y = f(x, F::standard_normal(word));
            }
        }
    }
}
