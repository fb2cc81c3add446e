//! The vector operations on AVX-512 and on AVX2 with FMA.
//!
//! The transpositions load 128-bit pieces of rows into the lanes of a vector, so that only the steps within lanes
//! are left to the one shuffle port.

use std::arch::x86_64::*;

use super::vector::Simd;

/// AVX-512: 32 registers of 512 bits, and masks.
pub(crate) struct Avx512;

/// AVX2 and FMA: 16 registers of 256 bits.
pub(crate) struct Avx2;

impl Simd<f32> for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const ROWS: usize = 14;

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    unsafe fn enter<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> __m512 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_maskz_loadu_ps(first_f32(count), from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm512_storeu_ps(to, x);
        }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, x: __m512, count: usize) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm512_mask_storeu_ps(to, first_f32(count), x);
        }
    }

    #[inline(always)]
    unsafe fn store_chosen(to: *mut f32, x: __m512, lanes: u32) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            let lanes = lanes as __mmask16;
            let (count, x) = (lanes.count_ones() as usize, _mm512_maskz_compress_ps(lanes, x));
            Self::store_first(to, x, count);
        }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        // SAFETY: the caller vouches for the instruction set and the block.
        unsafe {
            let [p0, p1, p2, p3] = [
                lanes_f32_512(from, from_stride),
                lanes_f32_512(from.offset(from_stride), from_stride),
                lanes_f32_512(from.offset(2 * from_stride), from_stride),
                lanes_f32_512(from.offset(3 * from_stride), from_stride),
            ];
            for (column, (((&r0, &r1), &r2), &r3)) in p0.iter().zip(&p1).zip(&p2).zip(&p3).enumerate() {
                let low = pairs_512(_mm512_unpacklo_ps(r0, r1), _mm512_unpacklo_ps(r2, r3));
                let high = pairs_512(_mm512_unpackhi_ps(r0, r1), _mm512_unpackhi_ps(r2, r3));
                for (i, x) in [low.0, low.1, high.0, high.1].into_iter().enumerate() {
                    _mm512_storeu_ps(to.offset((4 * column + i) as isize * to_stride), x);
                }
            }
        }
    }
}

impl Simd<f64> for Avx512 {
    type V = __m512d;
    const LANES: usize = 8;
    const ROWS: usize = 14;

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    unsafe fn enter<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    unsafe fn splat(x: f64) -> __m512d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_set1_pd(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f64) -> __m512d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_loadu_pd(from) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f64, count: usize) -> __m512d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_maskz_loadu_pd(first_f64(count), from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f64, x: __m512d) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm512_storeu_pd(to, x);
        }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f64, x: __m512d, count: usize) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm512_mask_storeu_pd(to, first_f64(count), x);
        }
    }

    #[inline(always)]
    unsafe fn store_chosen(to: *mut f64, x: __m512d, lanes: u32) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            let lanes = lanes as __mmask8;
            let (count, x) = (lanes.count_ones() as usize, _mm512_maskz_compress_pd(lanes, x));
            Self::store_first(to, x, count);
        }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512d, b: __m512d) -> __m512d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_mul_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm512_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f64) {
        // SAFETY: a prefetch does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f64, from_stride: isize, to: *mut f64, to_stride: isize) {
        for column in (0..8).step_by(2) {
            // SAFETY: the caller vouches for the instruction set and the block.
            unsafe {
                let (r0, r1) = (
                    lanes_f64_512(from.offset(column), from_stride),
                    lanes_f64_512(from.offset(from_stride + column), from_stride),
                );
                _mm512_storeu_pd(to.offset(column * to_stride), _mm512_unpacklo_pd(r0, r1));
                _mm512_storeu_pd(to.offset((column + 1) * to_stride), _mm512_unpackhi_pd(r0, r1));
            }
        }
    }
}

impl Simd<f32> for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[target_feature(enable = "avx2,fma")]
    unsafe fn enter<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> __m256 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_maskload_ps(from, first_f32_avx2(count)) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m256) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm256_storeu_ps(to, x);
        }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, x: __m256, count: usize) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm256_maskstore_ps(to, first_f32_avx2(count), x);
        }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: isize, to: *mut f32, to_stride: isize) {
        for column in (0..8).step_by(4) {
            // SAFETY: the caller vouches for the instruction set and the block.
            unsafe {
                let (r0, r1, r2, r3) = (
                    lanes_f32_256(from.offset(column), from_stride),
                    lanes_f32_256(from.offset(from_stride + column), from_stride),
                    lanes_f32_256(from.offset(2 * from_stride + column), from_stride),
                    lanes_f32_256(from.offset(3 * from_stride + column), from_stride),
                );
                let (low, high) = (
                    pairs_256(_mm256_unpacklo_ps(r0, r1), _mm256_unpacklo_ps(r2, r3)),
                    pairs_256(_mm256_unpackhi_ps(r0, r1), _mm256_unpackhi_ps(r2, r3)),
                );
                _mm256_storeu_ps(to.offset(column * to_stride), low.0);
                _mm256_storeu_ps(to.offset((column + 1) * to_stride), low.1);
                _mm256_storeu_ps(to.offset((column + 2) * to_stride), high.0);
                _mm256_storeu_ps(to.offset((column + 3) * to_stride), high.1);
            }
        }
    }
}

impl Simd<f64> for Avx2 {
    type V = __m256d;
    const LANES: usize = 4;
    const ROWS: usize = 6;

    #[target_feature(enable = "avx2,fma")]
    unsafe fn enter<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    unsafe fn splat(x: f64) -> __m256d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_set1_pd(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f64) -> __m256d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_loadu_pd(from) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f64, count: usize) -> __m256d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_maskload_pd(from, first_f64_avx2(count)) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f64, x: __m256d) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm256_storeu_pd(to, x);
        }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f64, x: __m256d, count: usize) {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe {
            _mm256_maskstore_pd(to, first_f64_avx2(count), x);
        }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_mul_pd(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        // SAFETY: the caller vouches for the instruction set and the pointers.
        unsafe { _mm256_fmadd_pd(a, b, c) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f64) {
        // SAFETY: a prefetch does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f64, from_stride: isize, to: *mut f64, to_stride: isize) {
        for column in (0..4).step_by(2) {
            // SAFETY: the caller vouches for the instruction set and the block.
            unsafe {
                let (r0, r1) = (
                    lanes_f64_256(from.offset(column), from_stride),
                    lanes_f64_256(from.offset(from_stride + column), from_stride),
                );
                _mm256_storeu_pd(to.offset(column * to_stride), _mm256_unpacklo_pd(r0, r1));
                _mm256_storeu_pd(to.offset((column + 1) * to_stride), _mm256_unpackhi_pd(r0, r1));
            }
        }
    }
}

/// The mask of the first `count` ≤ 16 lanes.
#[inline(always)]
fn first_f32(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as __mmask16
}

/// The mask of the first `count` ≤ 8 lanes.
#[inline(always)]
fn first_f64(count: usize) -> __mmask8 {
    ((1u32 << count) - 1) as __mmask8
}

/// The mask of the first `count` ≤ 8 lanes: a window onto ones followed by zeros.
#[inline(always)]
unsafe fn first_f32_avx2(count: usize) -> __m256i {
    static WINDOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    debug_assert!(count <= 8);
    // SAFETY: 8 elements from 8 − count lie within the 16; the caller vouches for AVX2.
    unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(8 - count).cast()) }
}

/// The mask of the first `count` ≤ 4 lanes.
#[inline(always)]
unsafe fn first_f64_avx2(count: usize) -> __m256i {
    static WINDOW: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
    debug_assert!(count <= 4);
    // SAFETY: 4 elements from 4 − count lie within the 8; the caller vouches for AVX2.
    unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(4 - count).cast()) }
}

/// Four vectors of 4 columns each: the numbers of every 4th row, one row to a lane of 128 bits.
///
/// Each row is read at once, since rows may lie so that they displace each other from the cache.
#[inline(always)]
unsafe fn lanes_f32_512(from: *const f32, stride: isize) -> [__m512; 4] {
    // SAFETY: the caller vouches for the instruction set and the rows.
    unsafe {
        let x: [__m512; 4] = std::array::from_fn(|i| _mm512_castps128_ps512(_mm_loadu_ps(from.add(4 * i))));
        let second = from.offset(4 * stride);
        let x: [__m512; 4] =
            std::array::from_fn(|i| _mm512_insertf32x4::<1>(x[i], _mm_loadu_ps(second.add(4 * i))));
        let third = from.offset(8 * stride);
        let x: [__m512; 4] =
            std::array::from_fn(|i| _mm512_insertf32x4::<2>(x[i], _mm_loadu_ps(third.add(4 * i))));
        let fourth = from.offset(12 * stride);
        std::array::from_fn(|i| _mm512_insertf32x4::<3>(x[i], _mm_loadu_ps(fourth.add(4 * i))))
    }
}

/// The 2 numbers at the beginning of every 2nd row, one piece to a lane of 128 bits.
#[inline(always)]
unsafe fn lanes_f64_512(from: *const f64, stride: isize) -> __m512d {
    // SAFETY: the caller vouches for the instruction set and the rows.
    unsafe {
        let x = _mm512_castpd128_pd512(_mm_loadu_pd(from));
        let x = _mm512_insertf64x2::<1>(x, _mm_loadu_pd(from.offset(2 * stride)));
        let x = _mm512_insertf64x2::<2>(x, _mm_loadu_pd(from.offset(4 * stride)));
        _mm512_insertf64x2::<3>(x, _mm_loadu_pd(from.offset(6 * stride)))
    }
}

/// The 4 numbers at the beginning of every 4th row, one piece to a lane of 128 bits.
#[inline(always)]
unsafe fn lanes_f32_256(from: *const f32, stride: isize) -> __m256 {
    // SAFETY: the caller vouches for the instruction set and the rows.
    unsafe {
        let x = _mm256_castps128_ps256(_mm_loadu_ps(from));
        _mm256_insertf128_ps::<1>(x, _mm_loadu_ps(from.offset(4 * stride)))
    }
}

/// The 2 numbers at the beginning of every 2nd row, one piece to a lane of 128 bits.
#[inline(always)]
unsafe fn lanes_f64_256(from: *const f64, stride: isize) -> __m256d {
    // SAFETY: the caller vouches for the instruction set and the rows.
    unsafe {
        let x = _mm256_castpd128_pd256(_mm_loadu_pd(from));
        _mm256_insertf128_pd::<1>(x, _mm_loadu_pd(from.offset(2 * stride)))
    }
}

/// The lower and the upper halves of the lanes of two vectors, put together.
#[inline(always)]
unsafe fn pairs_512(x: __m512, y: __m512) -> (__m512, __m512) {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (x, y) = (_mm512_castps_pd(x), _mm512_castps_pd(y));
        (_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)))
    }
}

/// The lower and the upper halves of the lanes of two vectors, put together.
#[inline(always)]
unsafe fn pairs_256(x: __m256, y: __m256) -> (__m256, __m256) {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let (x, y) = (_mm256_castps_pd(x), _mm256_castps_pd(y));
        (_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)))
    }
}
