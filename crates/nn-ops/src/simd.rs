//! Which vector instructions this machine has, and running a kernel compiled for them.
//!
//! A kernel is a closure over plain slices, written as ordinary loops. [`dispatch`] compiles it three times, for
//! AVX-512, for AVX2 and for the target's baseline, and runs the best that the machine can. Since kernels use no
//! fused multiply-add and reduce in a fixed order, all three give the same bits.

use std::sync::atomic::{AtomicU8, Ordering};

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Isa {
    /// What every machine of the compilation target has: SSE2 on x86-64, NEON on aarch64.
    Baseline = 1,
    /// AVX2 and FMA, 256 bits wide.
    Avx2 = 2,
    /// AVX-512 F, VL, BW and DQ, 512 bits wide.
    Avx512 = 3,
}

/// 0 until asked for the first time, then the discriminant of an [`Isa`] that this machine has.
static CURRENT: AtomicU8 = AtomicU8::new(0);

/// The best set that this machine has.
pub fn best() -> Isa {
    #[cfg(target_arch = "x86_64")]
    {
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        match (has_avx2, has_avx512) {
            (true, true) => Isa::Avx512,
            (true, false) => Isa::Avx2,
            _ => Isa::Baseline,
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    Isa::Baseline
}

/// The set in use: the [`best`], unless [`force`] chose another.
#[inline]
pub fn current() -> Isa {
    match CURRENT.load(Ordering::Relaxed) {
        1 => Isa::Baseline,
        2 => Isa::Avx2,
        3 => Isa::Avx512,
        _ => force(best()),
    }
}

/// Makes all kernels of this process use at most `isa`, so that a test can run each path; returns what is used
/// from now on, which is the best that the machine has where that is less.
pub fn force(isa: Isa) -> Isa {
    let usable = isa.min(best());
    CURRENT.store(usable as u8, Ordering::Relaxed);
    usable
}

/// Runs a kernel compiled for the current instruction set.
///
/// Pass the closure as `#[inline(always)] || …`: it must be inlined into each of the three versions.
#[inline(always)]
pub fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    match current() {
        // SAFETY: `current` returns only sets that `best` detected on this machine.
        Isa::Avx512 => return unsafe { avx512(kernel) },
        // SAFETY: as above.
        Isa::Avx2 => return unsafe { avx2(kernel) },
        Isa::Baseline => {}
    }
    kernel()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
fn avx512<R>(kernel: impl FnOnce() -> R) -> R {
    kernel()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<R>(kernel: impl FnOnce() -> R) -> R {
    kernel()
}
