//! Random words in bulk: the stream of an operation, sixteen blocks of ChaCha8 side by side.

use std::array;

use nn_core::StreamRng;

/// Blocks of ChaCha that are computed together, one in each lane of the vectors.
const LANES: usize = 16;
/// Words of a block.
const BLOCK: usize = 16;
/// Words that are drawn at a time.
pub(crate) const WORDS: usize = LANES * BLOCK;

/// The first words of every block: `expand 32-byte k`.
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// The words of a random stream, in groups of [`WORDS`] that are drawn by their number.
///
/// They are those of the [`StreamRng`] from which they come, in another order within a group: word `w` of block `b`
/// stands at `16w + b`, where the vectors leave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    key: [u32; 8],
    stream: [u32; 2],
}

impl Words {
    /// The words of this stream, from its beginning, wherever the generator stands.
    pub(crate) fn new(rng: &StreamRng) -> Self {
        let seed = rng.get_seed();
        let seed = seed.as_chunks::<4>().0;
        let key = array::from_fn(|i| u32::from_le_bytes(seed[i]));
        let stream = rng.get_stream();
        Words { key, stream: [stream as u32, (stream >> 32) as u32] }
    }

    /// The words of one group. To be inlined into a kernel that is compiled for an instruction set.
    #[inline(always)]
    pub(crate) fn group(&self, number: usize, words: &mut [u32; WORDS]) {
        let first = (number * LANES) as u64;
        let mut start = [[0; LANES]; BLOCK];
        for (row, &word) in start.iter_mut().zip(CONSTANTS.iter().chain(&self.key)) {
            *row = [word; LANES];
        }
        start[12] = array::from_fn(|lane| (first + lane as u64) as u32);
        start[13] = array::from_fn(|lane| ((first + lane as u64) >> 32) as u32);
        start[14] = [self.stream[0]; LANES];
        start[15] = [self.stream[1]; LANES];
        // An array of its own, whose indices are all constant, so that it stays in registers.
        let mut x = start;
        for _ in 0..4 {
            for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]] {
                quarter_round(&mut x, a, b, c, d);
            }
            for [a, b, c, d] in [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]] {
                quarter_round(&mut x, a, b, c, d);
            }
        }
        words.as_chunks_mut().0.copy_from_slice(&x);
        for (word, start) in words.iter_mut().zip(start.as_flattened()) {
            *word = word.wrapping_add(*start);
        }
    }
}

#[inline(always)]
fn quarter_round(x: &mut [[u32; LANES]; BLOCK], a: usize, b: usize, c: usize, d: usize) {
    add_xor_rotate(x, a, b, d, 16);
    add_xor_rotate(x, c, d, b, 12);
    add_xor_rotate(x, a, b, d, 8);
    add_xor_rotate(x, c, d, b, 7);
}

/// a ← a + b, d ← (d ⊕ a) rotated, in every lane.
#[inline(always)]
fn add_xor_rotate(x: &mut [[u32; LANES]; BLOCK], a: usize, b: usize, d: usize, bits: u32) {
    x[a] = array::from_fn(|lane| x[a][lane].wrapping_add(x[b][lane]));
    x[d] = array::from_fn(|lane| (x[d][lane] ^ x[a][lane]).rotate_left(bits));
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, LANES, WORDS, Words};
    use nn_core::Streams;
    use nn_ops::simd::dispatch;
    use rand::Rng;

    #[test]
    fn the_words_are_those_of_the_stream() {
        let mut rng = Streams::new(7).rng("dropout", 3);
        let words = Words::new(&rng);
        for number in [0, 1, 5, (1 << 28) - 1, 1 << 28] {
            let mut group = [0; WORDS];
            dispatch(
                #[inline(always)]
                || words.group(number, &mut group),
            );
            for block in 0..LANES {
                rng.set_word_pos(((number * LANES + block) * BLOCK) as u128);
                for word in 0..BLOCK {
                    assert_eq!(group[word * LANES + block], rng.next_u32(), "group {number}, block {block}");
                }
            }
        }
        assert_eq!(WORDS, 256);
    }
}
