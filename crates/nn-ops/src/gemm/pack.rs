//! Copies of parts of the factors, laid out as the tiles read them best.

use std::mem::MaybeUninit;
use std::ops::Range;

use nn_core::Real;

use super::vector::Simd;

/// Copies `k` rows of B, `cols` wide, panel after panel of two vectors' width.
///
/// The last panel is one vector wide where that is enough, and filled up with zeros.
///
/// # Safety
/// The machine must have the instruction set; `b` must be valid for `k` × `cols` elements with its strides, `to` for
/// `k` rows of `cols` rounded up to whole vectors.
pub(super) unsafe fn pack_panels<T: Real, S: Simd<T>>(
    (b, b_k, b_col): (*const T, isize, isize),
    (k, cols): (usize, usize),
    to: *mut T,
) {
    let panel = 2 * S::LANES;
    let whole = if b_col == 1 { cols - cols % panel } else { 0 };
    // SAFETY: as the caller vouches.
    unsafe {
        S::enter(
            #[inline(always)]
            || {
                copy_panels::<T, S>((b, b_k), (k, whole), to);
                for first in (whole..cols).step_by(panel) {
                    let size = (k, (cols - first).min(panel), panel_width::<T, S>(cols - first));
                    let (b, to) = (b.offset(first as isize * b_col), to.add(first * k));
                    if b_col == 1 {
                        copy_rows::<T, S>((b, b_k), size, to);
                    } else if b_k == 1 {
                        transpose_columns::<T, S>((b, b_col), size, to);
                    } else {
                        copy_elements((b, b_k, b_col), (0..k, 0..size.1, size.2), to);
                        fill_up(size, to);
                    }
                }
            },
        );
    }
}

/// The width of the panel for the next columns of B, of which there are still `cols`.
pub(super) fn panel_width<T: Real, S: Simd<T>>(cols: usize) -> usize {
    if cols > S::LANES { 2 * S::LANES } else { S::LANES }
}

/// Rows of B that are fetched in advance: rows far apart are no pattern to the hardware.
const AHEAD: isize = 8;

/// Copies rows of whole panels: each row for all panels at once, as it lies in memory.
#[inline(always)]
unsafe fn copy_panels<T: Real, S: Simd<T>>(
    (b, b_k): (*const T, isize),
    (k, cols): (usize, usize),
    to: *mut T,
) {
    let panel = 2 * S::LANES;
    for p in 0..k {
        for first in (0..cols).step_by(panel) {
            // SAFETY: the caller vouches for the elements; a prefetch does not fault.
            unsafe {
                let from = b.offset(p as isize * b_k).add(first);
                S::prefetch(from.wrapping_offset(AHEAD * b_k));
                S::prefetch(from.wrapping_offset(AHEAD * b_k).wrapping_add(S::LANES));
                let to = to.add(first * k + p * panel);
                S::store(to, S::load(from));
                S::store(to.add(S::LANES), S::load(from.add(S::LANES)));
            }
        }
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
                let x = S::load_first(from, cols.saturating_sub(j).min(S::LANES));
                S::store(to.add(p * width + j), x);
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

/// Columns of A that are packed for all tiles before the next ones, which are fetched meanwhile: no more pages than the
/// machine keeps track of.
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
                let from = a.offset(p as isize * a_k).add(i);
                S::prefetch(from.wrapping_offset(FEW as isize * a_k));
                let x = S::load_first(from, count);
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
                let to = to.add(p * tile.len() + (i - tile.start));
                let count = (tile.end - i).min(S::LANES);
                // What goes over the end of a column is overwritten by the next one.
                if above == 0 && (count == S::LANES || (count == tile.len() && p + S::LANES < k)) {
                    S::transpose(from, a_row, to, tile.len() as isize);
                    continue;
                }
                S::transpose(from, a_row, square, S::LANES as isize);
                for column in 0..S::LANES {
                    let x = S::load_first(square.add(column * S::LANES + above), count);
                    S::store_first(to.add(column * tile.len()), x, count);
                }
            }
        }
    }
}

/// Elements of the largest square of `LANES` × `LANES`.
const SQUARE: usize = 256;
