//! Copies of parts of the factors, laid out as the tiles read them best.

use std::mem::MaybeUninit;
use std::ops::Range;

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
    (ks, cols, width): (Range<usize>, Range<usize>, usize),
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

/// Whether [`pack_tiles`] can copy a block of A: its rows or its columns are adjacent, and it is not tiny.
pub(super) fn packs_tiles<T: Real, S: Simd<T>>(
    (a_row, a_k): (isize, isize),
    (rows, k): (usize, usize),
) -> bool {
    a_row == 1 || (a_k == 1 && rows >= S::LANES && k >= S::LANES)
}

/// Copies a block of A, tile after tile: of each tile the first column, then the second, to the `k`-th.
///
/// `tiles` has the rows of each tile, which follow each other.
///
/// # Safety
/// The machine must have the instruction set, [`packs_tiles`] must hold; `a` must be valid for the block with its
/// strides, `to` for as many elements.
pub(super) unsafe fn pack_tiles<T: Real, S: Simd<T>>(
    (a, a_row, a_k): (*const T, isize, isize),
    (rows, k): (usize, usize),
    tiles: impl Iterator<Item = Range<usize>> + Clone,
    to: *mut T,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        S::enter(
            #[inline(always)]
            || {
                for first in (0..k).step_by(FEW) {
                    for tile in tiles.clone() {
                        let to = to.add(tile.start * k);
                        let ks = first..(first + FEW).min(k);
                        if a_row == 1 {
                            copy_columns::<T, S>((a.add(tile.start), a_k), (tile.len(), ks), to);
                        } else {
                            transpose_rows::<T, S>((a, a_row), (rows, k), (tile, ks), to);
                        }
                    }
                }
            },
        );
    }
}

/// Columns of A that are packed for all tiles before the next ones: no more pages than the machine keeps track of.
const FEW: usize = 32;

/// Copies columns `ks` of a tile of `rows` whose columns are adjacent.
#[inline(always)]
unsafe fn copy_columns<T: Real, S: Simd<T>>(
    (a, a_k): (*const T, isize),
    (rows, ks): (usize, Range<usize>),
    to: *mut T,
) {
    for p in ks {
        for i in (0..rows).step_by(S::LANES) {
            // SAFETY: only the elements that exist are read and written.
            unsafe {
                let count = (rows - i).min(S::LANES);
                let x = S::load_first(a.offset(p as isize * a_k).add(i), count);
                S::store_first(to.add(p * rows + i), x, count);
            }
        }
    }
}

/// Copies columns `ks` of a tile of a block of `rows` × `k` whose rows are adjacent.
///
/// At the ends of the block a square of `LANES` × `LANES` begins earlier, and has some elements that are not wanted
/// or that were copied before.
#[inline(always)]
unsafe fn transpose_rows<T: Real, S: Simd<T>>(
    (a, a_row): (*const T, isize),
    (rows, k): (usize, usize),
    (tile, ks): (Range<usize>, Range<usize>),
    to: *mut T,
) {
    // SAFETY: each square lies within the block, and what is written within the tile.
    unsafe {
        let mut square = MaybeUninit::<[T; SQUARE]>::uninit();
        let square = square.as_mut_ptr().cast::<T>();
        for p in ks.step_by(S::LANES) {
            let p = p.min(k - S::LANES);
            for i in tile.clone().step_by(S::LANES) {
                let above = i - i.min(rows - S::LANES);
                let from = a.offset((i - above) as isize * a_row).add(p);
                S::transpose(from, a_row, square, S::LANES as isize);
                let count = (tile.end - i).min(S::LANES);
                for column in 0..S::LANES {
                    let x = S::load_first(square.add(column * S::LANES + above), count);
                    S::store_first(to.add((p + column) * tile.len() + (i - tile.start)), x, count);
                }
            }
        }
    }
}

/// Elements of the largest square of `LANES` × `LANES`.
const SQUARE: usize = 256;
