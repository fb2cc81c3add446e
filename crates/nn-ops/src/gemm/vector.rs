//! The vector operations that the product is written in, and their portable version.

use std::mem::MaybeUninit;

use nn_core::Real;

/// Vectors of `LANES` numbers on one instruction set.
///
/// # Safety
/// All functions may be called only on machines that have the instruction set, and [`Simd::enter`] must stand
/// around the others. Pointers must be valid for the elements read or written; they need no alignment.
pub(crate) trait Simd<T: Real>: 'static {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of the largest tile: `ROWS` × 2 accumulators, 2 vectors of B and one of A fit into the registers.
    const ROWS: usize;

    /// Runs a closure, marked `#[inline(always)]`, compiled for the instruction set.
    unsafe fn enter<R>(work: impl FnOnce() -> R) -> R;
    /// All lanes `x`.
    unsafe fn splat(x: T) -> Self::V;
    /// `LANES` numbers.
    unsafe fn load(from: *const T) -> Self::V;
    /// The first `count` lanes, zeros in the others.
    unsafe fn load_first(from: *const T, count: usize) -> Self::V;
    /// Writes all lanes.
    unsafe fn store(to: *mut T, x: Self::V);
    /// Writes the first `count` lanes.
    unsafe fn store_first(to: *mut T, x: Self::V, count: usize);
    /// Writes the lanes whose bits are set, one after another.
    #[inline(always)]
    unsafe fn store_chosen(to: *mut T, x: Self::V, lanes: u32) {
        // SAFETY: no vector has more than 16 lanes; the caller vouches for the elements written.
        unsafe {
            let mut buffer = MaybeUninit::<[T; 16]>::uninit();
            let buffer = buffer.as_mut_ptr().cast::<T>();
            Self::store(buffer, x);
            let (mut lanes, mut to) = (lanes, to);
            while lanes != 0 {
                *to = *buffer.add(lanes.trailing_zeros() as usize);
                to = to.add(1);
                lanes &= lanes - 1;
            }
        }
    }
    /// a·b.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c; one rounding where the instruction set can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Fetches the cache line at this address, which need not be valid, into the second cache.
    unsafe fn prefetch(at: *const T);
    /// Transposes a block: `to[j·to_stride + i] = from[i·from_stride + j]` for `i`, `j` below `LANES`.
    unsafe fn transpose(from: *const T, from_stride: isize, to: *mut T, to_stride: isize);
}

/// Arrays of four, whose loops the compiler vectorises for any target.
pub(crate) struct Portable;

const LANES: usize = 4;

/// a·b + c: fused where that is one instruction.
#[inline(always)]
fn multiply_add<T: Real + MulAdd>(a: T, b: T, c: T) -> T {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.fused(b, c) } else { a * b + c }
}

pub(crate) trait MulAdd {
    fn fused(self, b: Self, c: Self) -> Self;
}

impl MulAdd for f32 {
    #[inline(always)]
    fn fused(self, b: f32, c: f32) -> f32 {
        self.mul_add(b, c)
    }
}

impl MulAdd for f64 {
    #[inline(always)]
    fn fused(self, b: f64, c: f64) -> f64 {
        self.mul_add(b, c)
    }
}

impl<T: Real + MulAdd> Simd<T> for Portable {
    type V = [T; LANES];
    const LANES: usize = LANES;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn enter<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    unsafe fn splat(x: T) -> Self::V {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self::V {
        // SAFETY: the caller vouches for `LANES` elements.
        unsafe { from.cast::<[T; LANES]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const T, count: usize) -> Self::V {
        // SAFETY: the caller vouches for `count` elements.
        std::array::from_fn(|i| if i < count { unsafe { *from.add(i) } } else { T::zero() })
    }

    #[inline(always)]
    unsafe fn store(to: *mut T, x: Self::V) {
        // SAFETY: the caller vouches for `LANES` elements.
        unsafe { to.cast::<[T; LANES]>().write_unaligned(x) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut T, x: Self::V, count: usize) {
        for (i, &x) in x.iter().enumerate().take(count) {
            // SAFETY: the caller vouches for `count` elements.
            unsafe { *to.add(i) = x }
        }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| multiply_add(a[i], b[i], c[i]))
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const T) {}

    #[inline(always)]
    unsafe fn transpose(from: *const T, from_stride: isize, to: *mut T, to_stride: isize) {
        for i in 0..LANES as isize {
            for j in 0..LANES as isize {
                // SAFETY: the caller vouches for the block.
                unsafe { *to.offset(j * to_stride + i) = *from.offset(i * from_stride + j) }
            }
        }
    }
}
