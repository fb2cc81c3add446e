//! From the scalar and the instruction set to the kernels compiled for them.

use std::any::TypeId;
use std::mem::ManuallyDrop;

use nn_core::Real;

#[cfg(target_arch = "x86_64")]
use crate::gemm::{Avx2, Avx512};
use crate::gemm::{MulAdd, Portable, Simd};
use crate::simd::Isa;

/// A kernel with its operands.
pub(crate) trait Work<T: Real> {
    /// The same for another scalar.
    type For<U: Real>: Work<U>;

    /// Does it.
    ///
    /// # Safety
    /// The machine must have the instruction set.
    unsafe fn run_on<S: Simd<T>>(self);
}

/// Runs a kernel on an instruction set that [`simd::current`] gave.
pub(crate) fn run<F: Real, W: Work<F>>(isa: Isa, work: W) {
    if TypeId::of::<F>() == TypeId::of::<f32>() {
        // SAFETY: `F` is `f32`, so both types of work are the same.
        start::<f32, _>(isa, unsafe { same::<W, W::For<f32>>(work) });
    } else {
        // SAFETY: `Real` is sealed: `F` is `f64`, so both types of work are the same.
        start::<f64, _>(isa, unsafe { same::<W, W::For<f64>>(work) });
    }
}

/// A value as what it is by another name.
///
/// # Safety
/// `A` and `B` must be the same type.
unsafe fn same<A, B>(value: A) -> B {
    let value = ManuallyDrop::new(value);
    // SAFETY: the caller vouches for the type; the value is not used again.
    unsafe { std::ptr::from_ref(&value).cast::<B>().read() }
}

#[cfg(target_arch = "x86_64")]
fn start<T: Real + MulAdd, W: Work<T>>(isa: Isa, work: W)
where
    Avx512: Simd<T>,
    Avx2: Simd<T>,
{
    // SAFETY: the instruction set is one that the machine has.
    unsafe {
        match isa {
            Isa::Avx512 => work.run_on::<Avx512>(),
            Isa::Avx2 => work.run_on::<Avx2>(),
            Isa::Baseline => work.run_on::<Portable>(),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn start<T: Real + MulAdd, W: Work<T>>(_: Isa, work: W) {
    // SAFETY: the portable version runs everywhere.
    unsafe { work.run_on::<Portable>() }
}

/// Numbers in a vector.
pub(crate) fn lanes<F: Real>(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 64 / size_of::<F>(),
        Isa::Avx2 => 32 / size_of::<F>(),
        Isa::Baseline => 4,
    }
}
