//! The arithmetic that one thread can do at most.

use nn_train::ops::simd::{Isa, current};

/// Vectors that are worked on at once: enough to fill the latency of two fused multiply-adds a cycle.
const VECTORS: usize = 12;

/// Chains of multiply-adds on registers: x ← 0.999·x + 0.001, from 1, 2, … 12.
pub struct MultiplyAdd {
    rounds: u64,
}

impl MultiplyAdd {
    /// This many multiply-adds in each chain.
    pub fn new(rounds: u64) -> Self {
        MultiplyAdd { rounds }
    }

    /// Floating-point operations of one run: a multiplication and an addition each.
    pub fn flops(&self) -> u64 {
        let lanes = match current() {
            Isa::Avx512 => 16,
            Isa::Avx2 => 8,
            Isa::Baseline => 4,
        };
        2 * self.rounds * (VECTORS * lanes) as u64
    }

    /// One run on this thread; the sum of one lane of all vectors.
    pub fn run(&self) -> f32 {
        let (rounds, factor, term) = std::hint::black_box((self.rounds, 0.999f32, 0.001f32));
        #[cfg(target_arch = "x86_64")]
        match current() {
            // SAFETY: `current` returns only sets that the machine has.
            Isa::Avx512 => return unsafe { x86::avx512(rounds, factor, term) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { x86::avx2(rounds, factor, term) },
            Isa::Baseline => {}
        }
        baseline(rounds, factor, term)
    }
}

/// A vector of 128 bits each, as every target has it; not fused where the target cannot.
fn baseline(rounds: u64, factor: f32, term: f32) -> f32 {
    let mut x: [[f32; 4]; VECTORS] = std::array::from_fn(|i| [1.0 + i as f32; 4]);
    for _ in 0..rounds {
        for vector in &mut x {
            *vector = vector.map(|x| {
                if cfg!(target_arch = "aarch64") { x.mul_add(factor, term) } else { x * factor + term }
            });
        }
    }
    std::hint::black_box(&x).iter().map(|vector| vector[0]).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_cvtss_f32, _mm512_fmadd_ps, _mm512_set1_ps,
    };

    use super::VECTORS;

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(rounds: u64, factor: f32, term: f32) -> f32 {
        let (factor, term) = (_mm512_set1_ps(factor), _mm512_set1_ps(term));
        let mut x = [term; VECTORS];
        for (i, vector) in x.iter_mut().enumerate() {
            *vector = _mm512_set1_ps(1.0 + i as f32);
        }
        for _ in 0..rounds {
            for vector in &mut x {
                *vector = _mm512_fmadd_ps(*vector, factor, term);
            }
        }
        let mut sum = 0.0;
        for vector in std::hint::black_box(x) {
            sum += _mm512_cvtss_f32(vector);
        }
        sum
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(rounds: u64, factor: f32, term: f32) -> f32 {
        let (factor, term) = (_mm256_set1_ps(factor), _mm256_set1_ps(term));
        let mut x = [term; VECTORS];
        for (i, vector) in x.iter_mut().enumerate() {
            *vector = _mm256_set1_ps(1.0 + i as f32);
        }
        for _ in 0..rounds {
            for vector in &mut x {
                *vector = _mm256_fmadd_ps(*vector, factor, term);
            }
        }
        let mut sum = 0.0;
        for vector in std::hint::black_box(x) {
            sum += _mm256_cvtss_f32(vector);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::{MultiplyAdd, baseline};

    /// x ← 0.999·x + 0.001 goes to 1 as 0.999ⁿ goes to 0.
    #[test]
    fn does_the_arithmetic() {
        let decayed: f64 = (0..12).map(|i| f64::from(i) * 0.999f64.powi(1000)).sum();
        let expected = 12.0 + decayed;
        for sum in [MultiplyAdd::new(1000).run(), baseline(1000, 0.999, 0.001)] {
            assert!((f64::from(sum) - expected).abs() < 0.01, "{sum} {expected}");
        }
        assert!([4, 8, 16].contains(&(MultiplyAdd::new(1000).flops() / 24_000)));
    }
}
