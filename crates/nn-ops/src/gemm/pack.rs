//! Copies of parts of the factors, laid out as the tiles read them best.

use nn_core::Real;

use super::vector::Simd;

/// Copies `k` rows of a panel of B, `cols` wide, into rows of `width` (a multiple of a vector) filled up with zeros.
///
/// # Safety
/// The machine must have the instruction set; `b` must be valid for `k` × `cols` elements with its strides, `to` for
/// `k` × `width`.
pub(super) unsafe fn pack_panel<T: Real, S: Simd<T>>(
    (b, b_k, b_col): (*const T, isize, isize),
    (k, cols, width): (usize, usize, usize),
    to: *mut T,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        S::enter(
            #[inline(always)]
            || {
                if b_col == 1 {
                    copy_rows::<T, S>((b, b_k), (k, cols, width), to);
                } else if b_k == 1 {
                    transpose_columns::<T, S>((b, b_col), (k, cols, width), to);
                } else {
                    copy_elements((b, b_k, b_col), (0..k, 0..cols, width), to);
                    fill_up((k, cols, width), to);
                }
            },
        );
    }
}

#[inline(always)]
unsafe fn copy_rows<T: Real, S: Simd<T>>(
    (b, b_k): (*const T, isize),
    (k, cols, width): (usize, usize, usize),
    to: *mut T,
) {
    for p in 0..k {
        for j in (0..width).step_by(S::LANES) {
            // SAFETY: only the `cols` elements of a row that exist are read.
            unsafe {
                let from = b.offset(p as isize * b_k).wrapping_add(j);
                let count = cols.saturating_sub(j).min(S::LANES);
                let row = if count == S::LANES { S::load(from) } else { S::load_first(from, count) };
                S::store(to.add(p * width + j), row);
            }
        }
    }
}

#[inline(always)]
unsafe fn transpose_columns<T: Real, S: Simd<T>>(
    (b, b_col): (*const T, isize),
    (k, cols, width): (usize, usize, usize),
    to: *mut T,
) {
    let (whole_k, whole_cols) = (k - k % S::LANES, cols - cols % S::LANES);
    // SAFETY: whole blocks lie within the panel, and so do the remainders.
    unsafe {
        for p in (0..whole_k).step_by(S::LANES) {
            for j in (0..whole_cols).step_by(S::LANES) {
                S::transpose(
                    b.offset(j as isize * b_col).add(p),
                    b_col,
                    to.add(p * width + j),
                    width as isize,
                );
            }
        }
        copy_elements((b, 1, b_col), (whole_k..k, 0..whole_cols, width), to);
        copy_elements((b, 1, b_col), (0..k, whole_cols..cols, width), to);
        fill_up((k, cols, width), to);
    }
}

#[inline(always)]
unsafe fn copy_elements<T: Real>(
    (b, b_k, b_col): (*const T, isize, isize),
    (ks, cols, width): (std::ops::Range<usize>, std::ops::Range<usize>, usize),
    to: *mut T,
) {
    for p in ks {
        for j in cols.clone() {
            // SAFETY: the caller vouches for the elements.
            unsafe { *to.add(p * width + j) = *b.offset(p as isize * b_k + j as isize * b_col) }
        }
    }
}

/// Zeros in the columns from `cols` to `width`.
#[inline(always)]
unsafe fn fill_up<T: Real>((k, cols, width): (usize, usize, usize), to: *mut T) {
    for p in 0..k {
        for j in cols..width {
            // SAFETY: the caller vouches for `k` × `width` elements.
            unsafe { *to.add(p * width + j) = T::zero() }
        }
    }
}

/// Copies `count` rows of `length` adjacent elements, which begin `from_stride` apart, to `to_stride` apart.
///
/// # Safety
/// `from` and `to` must be valid for these elements.
pub(super) unsafe fn pack_block<T: Real>(
    (from, from_stride): (*const T, isize),
    (count, length): (usize, usize),
    (to, to_stride): (*mut T, usize),
) {
    for i in 0..count {
        // SAFETY: as the caller vouches; the buffer is no part of the matrix.
        unsafe {
            std::ptr::copy_nonoverlapping(
                from.offset(i as isize * from_stride),
                to.add(i * to_stride),
                length,
            );
        }
    }
}
