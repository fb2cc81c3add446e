//! Single draws: uniform numbers, and normal ones by the quantile function.

use nn_core::StreamRng;
use nn_core::real::normal_quantile;
use rand::Rng;

/// A number from (0, 1), symmetric about ½, from one 64-bit word of the stream.
pub(crate) fn unit(rng: &mut StreamRng) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// A whole number from 0 to n − 1, from one 64-bit word of the stream; no probability is off by more than 2⁻⁶⁴.
pub(crate) fn below(n: usize, rng: &mut StreamRng) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A standard normal number, from one 64-bit word of the stream.
pub(crate) fn standard_normal(rng: &mut StreamRng) -> f64 {
    normal_quantile(unit(rng))
}

#[cfg(test)]
mod tests {
    use super::{standard_normal, unit};
    use nn_core::Streams;
    use nn_core::real::normal_quantile;

    #[test]
    fn a_normal_number_is_the_quantile_of_a_uniform_one() {
        let (mut normal, mut uniform) = (Streams::new(1).rng("w", 0), Streams::new(1).rng("w", 0));
        for _ in 0..1000 {
            assert_eq!(standard_normal(&mut normal), normal_quantile(unit(&mut uniform)));
        }
    }

    #[test]
    fn one_draw_takes_one_word() {
        let mut rng = Streams::new(1).rng("w", 0);
        let draws: Vec<f64> = (0..100).map(|_| unit(&mut rng)).collect();
        for i in [0, 1, 63, 99] {
            let mut rng = Streams::new(1).rng("w", 0);
            rng.set_word_pos(2 * i as u128);
            assert_eq!(unit(&mut rng), draws[i]);
        }
    }
}
