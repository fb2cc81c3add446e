//! Random numbers that are addressed, not consumed.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// The generator that a stream hands out: ChaCha with 8 rounds, a counter-based generator.
///
/// `set_word_pos` moves it to any place of its stream, so that element `i` can be drawn without those before it.
pub type StreamRng = ChaCha8Rng;

/// The random streams of a run: every draw is a function of (seed, stream name, step, index).
///
/// Dropout masks, shuffles and initial weights come out the same on any number of threads and after any resume,
/// because nothing depends on what was drawn before.
///
/// ```
/// use nn_core::Streams;
/// use rand::Rng;
///
/// let streams = Streams::new(42);
/// let (mut a, mut b) = (streams.rng("shuffle", 7), streams.rng("shuffle", 7));
/// assert_eq!(a.next_u64(), b.next_u64());
/// assert_ne!(streams.rng("shuffle", 8).next_u64(), streams.rng("dropout", 7).next_u64());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of a run with this seed.
    pub fn new(seed: u64) -> Self {
        Streams { seed }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A family of streams of its own, for example for the `number`-th operation of a graph.
    #[must_use]
    pub fn child(&self, number: u64) -> Self {
        Streams { seed: mix(self.seed ^ mix(number.wrapping_add(1))) }
    }

    /// The generator of stream `name` at `step`, standing at its beginning.
    pub fn rng(&self, name: &str, step: u64) -> StreamRng {
        let mut key = [0; 32];
        let mut state = self.seed;
        for word in key.chunks_exact_mut(8) {
            state = state.wrapping_add(GOLDEN_GAMMA);
            word.copy_from_slice(&mix(state).to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(mix(hash(name) ^ mix(step)));
        rng
    }
}

/// The increment of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64: a bijection of 64-bit words that spreads every bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a, 64 bits: a stable hash, since streams must not change with the standard library.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{GOLDEN_GAMMA, Streams, hash, mix};
    use rand::Rng;

    #[test]
    fn known_answers() {
        // FNV-1a: test vectors of draft-eastlake-fnv; SplitMix64: first output for seed 0.
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(mix(GOLDEN_GAMMA), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn a_draw_is_a_function_of_its_address() {
        let streams = Streams::new(1);
        let draws: Vec<u32> =
            { (0..100).map(|_| 0).scan(streams.rng("x", 3), |r, _: u32| Some(r.next_u32())).collect() };
        for i in [0, 1, 17, 99] {
            let mut rng = streams.rng("x", 3);
            rng.set_word_pos(i as u128);
            assert_eq!(rng.next_u32(), draws[i]);
        }
    }

    #[test]
    fn addresses_do_not_collide() {
        let mut first = std::collections::HashSet::new();
        for seed in 0..4 {
            for child in 0..4 {
                for name in ["weight", "bias", "shuffle", ""] {
                    for step in 0..16 {
                        assert!(first.insert(Streams::new(seed).child(child).rng(name, step).next_u64()));
                    }
                }
            }
        }
    }
}
