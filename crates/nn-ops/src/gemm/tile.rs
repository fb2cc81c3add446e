//! The innermost loop: one tile of C in registers.

use std::mem::MaybeUninit;
use std::ops::Range;

use nn_core::Real;

use super::vector::Simd;

/// Rows that share a pointer: the addressing modes reach one and two strides further.
pub(crate) const SHARE: usize = 3;
/// Pointers that reach every row of the largest tile.
pub(crate) const POINTERS: usize = 5;
/// Numbers in the largest tile, its rows rounded up to whole vectors.
const TILE: usize = 512;
/// Rows of B that are fetched in advance while it is copied: rows far apart are no pattern to the hardware.
const AHEAD: isize = 40;
/// Rows that the loops over a tile's rows take at a time: short enough for the compiler to unroll them.
pub(crate) const HALF: usize = 7;

/// A tile of C, and what is multiplied to give it.
pub(super) struct Tile<T> {
    /// Terms to each element.
    pub(super) k: usize,
    pub(super) a: *const T,
    pub(super) a_row: isize,
    pub(super) a_k: isize,
    /// Rows of whole vectors.
    pub(super) b: *const T,
    pub(super) b_k: isize,
    /// Where the rows of B are written one after another, unless null.
    pub(super) copy: *mut T,
    pub(super) c: *mut T,
    pub(super) c_row: isize,
    pub(super) c_col: isize,
    /// Columns that exist in C.
    pub(super) cols: usize,
    pub(super) alpha: T,
    pub(super) beta: T,
}

/// Elements of B that will be packed next, in rows of whole cache lines, and are fetched while tiles are multiplied.
pub(super) struct Ahead<T> {
    at: *const T,
    /// Lines of a row, and those that are left of this one.
    lines: usize,
    left: usize,
    /// Rows that are left, and the elements from the beginning of one to that of the next.
    rows: usize,
    stride: isize,
}

/// Terms after which another line is fetched: so 16 tiles fetch what a panel is packed from.
const TERMS: usize = 8;

impl<T> Ahead<T> {
    const LINE: usize = 64 / size_of::<T>();

    /// Nothing to be fetched.
    pub(super) fn none() -> Self {
        Ahead { at: std::ptr::null(), lines: 0, left: 0, rows: 0, stride: 0 }
    }

    /// `rows` of `len` adjacent elements, which begin `stride` apart.
    pub(super) fn new(at: *const T, (rows, len): (usize, usize), stride: isize) -> Self {
        let lines = len.div_ceil(Self::LINE);
        Ahead { at, lines, left: lines, rows: if lines == 0 { 0 } else { rows }, stride }
    }
}

impl<T: Real> Ahead<T> {
    /// Fetches a line.
    #[inline(always)]
    unsafe fn fetch<S: Simd<T>>(&mut self) {
        if self.rows == 0 {
            return;
        }
        // SAFETY: the caller vouches for the instruction set.
        unsafe { S::prefetch(self.at) }
        self.at = self.at.wrapping_add(Self::LINE);
        self.left -= 1;
        if self.left == 0 {
            self.at = self.at.wrapping_sub(self.lines * Self::LINE).wrapping_offset(self.stride);
            (self.left, self.rows) = (self.lines, self.rows - 1);
        }
    }
}

/// C ← alpha·A·B + beta·C on a tile of `rows` × `t.cols`.
///
/// Every element is summed from zero in the order of k, so that it does not depend on the tile it falls into.
///
/// # Safety
/// The machine must have the instruction set; the pointers must be valid for the elements; `rows` must lie in
/// `1..=S::ROWS`, `t.cols` in `1..=2·S::LANES`.
pub(super) unsafe fn tile<T: Real, S: Simd<T>>(rows: usize, t: &Tile<T>, ahead: &mut Ahead<T>) {
    // SAFETY: as the caller vouches.
    unsafe {
        if t.cols > S::LANES {
            tile_of_width::<T, S, 2>(rows, t, ahead);
        } else {
            tile_of_width::<T, S, 1>(rows, t, ahead);
        }
    }
}

#[inline(always)]
unsafe fn tile_of_width<T: Real, S: Simd<T>, const W: usize>(rows: usize, t: &Tile<T>, ahead: &mut Ahead<T>) {
    // SAFETY: as the caller vouches.
    unsafe {
        match rows {
            1 => enter::<T, S, 1, W>(t, ahead),
            2 => enter::<T, S, 2, W>(t, ahead),
            3 => enter::<T, S, 3, W>(t, ahead),
            4 => enter::<T, S, 4, W>(t, ahead),
            5 => enter::<T, S, 5, W>(t, ahead),
            6 => enter::<T, S, 6, W>(t, ahead),
            _ => {
                if const { S::ROWS > 6 } {
                    match rows {
                        7 => enter::<T, S, 7, W>(t, ahead),
                        8 => enter::<T, S, 8, W>(t, ahead),
                        9 => enter::<T, S, 9, W>(t, ahead),
                        10 => enter::<T, S, 10, W>(t, ahead),
                        11 => enter::<T, S, 11, W>(t, ahead),
                        12 => enter::<T, S, 12, W>(t, ahead),
                        13 => enter::<T, S, 13, W>(t, ahead),
                        _ => enter::<T, S, 14, W>(t, ahead),
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn enter<T: Real, S: Simd<T>, const R: usize, const W: usize>(t: &Tile<T>, ahead: &mut Ahead<T>) {
    // SAFETY: as the caller vouches.
    unsafe {
        S::enter(
            #[inline(always)]
            || {
                if t.c_col == 1 {
                    fetch_rows::<T, S, R, W>(t);
                }
                let sums = if is_packed::<T, S, R, W>(t) {
                    multiply_packed::<T, S, R, W>(t, ahead)
                } else {
                    multiply::<T, S, R, W>(t)
                };
                if t.c_col == 1 {
                    write_rows::<T, S, R, W>(t, &sums);
                } else {
                    write_strided::<T, S, R, W>(t, &sums);
                }
            },
        );
    }
}

/// Fetches the rows of C, to be written when the sums are done.
#[inline(always)]
unsafe fn fetch_rows<T: Real, S: Simd<T>, const R: usize, const W: usize>(t: &Tile<T>) {
    for i in 0..R {
        let row = t.c.wrapping_offset(i as isize * t.c_row);
        for j in 0..W {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { S::prefetch(row.wrapping_add(j * S::LANES)) }
        }
    }
}

/// Whether both factors are packed. Small tiles are not worth code of their own.
#[inline(always)]
fn is_packed<T: Real, S: Simd<T>, const R: usize, const W: usize>(t: &Tile<T>) -> bool {
    let (r, width) = (R as isize, (W * S::LANES) as isize);
    2 * R > S::ROWS && t.a_row == 1 && t.a_k == r && t.b_k == width && t.copy.is_null()
}

/// The sums over k of a tile of packed factors, whose strides the compiler knows.
#[inline(always)]
unsafe fn multiply_packed<T: Real, S: Simd<T>, const R: usize, const W: usize>(
    t: &Tile<T>,
    ahead: &mut Ahead<T>,
) -> [[S::V; W]; R] {
    // SAFETY: as the caller vouches.
    unsafe {
        let zero = S::splat(T::zero());
        let mut sums = [[zero; W]; R];
        let (mut a, mut b) = (t.a, t.b);
        for first in (0..t.k).step_by(TERMS) {
            ahead.fetch::<S>();
            for _ in first..t.k.min(first + TERMS) {
                let mut row = [zero; W];
                for (j, row) in row.iter_mut().enumerate() {
                    *row = S::load(b.add(j * S::LANES));
                }
                let at = |i: usize| a.add(i);
                add_rows::<T, S, R, W>(0..R.min(HALF), at, &row, &mut sums);
                add_rows::<T, S, R, W>(R.min(HALF)..R, at, &row, &mut sums);
                a = a.add(R);
                b = b.add(W * S::LANES);
            }
        }
        sums
    }
}

/// The sums over k of a tile.
#[inline(always)]
unsafe fn multiply<T: Real, S: Simd<T>, const R: usize, const W: usize>(t: &Tile<T>) -> [[S::V; W]; R] {
    // SAFETY: as the caller vouches; the pointers move on after their last use without being followed.
    unsafe {
        let zero = S::splat(T::zero());
        let mut sums = [[zero; W]; R];
        let mut a = [t.a; POINTERS];
        for (i, a) in a.iter_mut().enumerate() {
            *a = t.a.wrapping_offset((SHARE * i) as isize * t.a_row);
        }
        let (mut b, mut copy) = (t.b, t.copy);
        for _ in 0..t.k {
            let mut row = [zero; W];
            for (j, row) in row.iter_mut().enumerate() {
                *row = S::load(b.add(j * S::LANES));
            }
            if !copy.is_null() {
                for (j, row) in row.iter().enumerate() {
                    S::prefetch(b.wrapping_offset(AHEAD * t.b_k).wrapping_add(j * S::LANES));
                    S::store(copy.add(j * S::LANES), *row);
                }
                copy = copy.add(W * S::LANES);
            }
            let at = |i: usize| a[i / SHARE].offset((i % SHARE) as isize * t.a_row);
            add_rows::<T, S, R, W>(0..R.min(HALF), at, &row, &mut sums);
            add_rows::<T, S, R, W>(R.min(HALF)..R, at, &row, &mut sums);
            for a in &mut a {
                *a = a.wrapping_offset(t.a_k);
            }
            b = b.wrapping_offset(t.b_k);
        }
        sums
    }
}

/// Adds to these rows of the sums the products of A, whose elements lie `at` these places, with one row of B.
#[inline(always)]
unsafe fn add_rows<T: Real, S: Simd<T>, const R: usize, const W: usize>(
    rows: Range<usize>,
    at: impl Fn(usize) -> *const T,
    b: &[S::V; W],
    sums: &mut [[S::V; W]; R],
) {
    for i in rows {
        // SAFETY: as the caller vouches.
        unsafe {
            let x = S::splat(*at(i));
            for (sum, &y) in sums[i].iter_mut().zip(b) {
                *sum = S::fma(x, y, *sum);
            }
        }
    }
}

/// Writes a tile of a C whose columns are adjacent.
#[inline(always)]
unsafe fn write_rows<T: Real, S: Simd<T>, const R: usize, const W: usize>(
    t: &Tile<T>,
    sums: &[[S::V; W]; R],
) {
    let last = t.cols - (W - 1) * S::LANES;
    // SAFETY: as the caller vouches.
    unsafe {
        let (upper, lower) = (0..R.min(HALF), R.min(HALF)..R);
        if last < S::LANES {
            write_partly::<T, S, R, W>(upper, t, sums, last);
            write_partly::<T, S, R, W>(lower, t, sums, last);
        } else if t.beta == T::zero() {
            write_whole::<T, S, R, W, false>(upper, t, sums);
            write_whole::<T, S, R, W, false>(lower, t, sums);
        } else {
            write_whole::<T, S, R, W, true>(upper, t, sums);
            write_whole::<T, S, R, W, true>(lower, t, sums);
        }
    }
}

/// Writes these rows of a tile that is whole vectors wide.
#[inline(always)]
unsafe fn write_whole<T: Real, S: Simd<T>, const R: usize, const W: usize, const READS: bool>(
    rows: Range<usize>,
    t: &Tile<T>,
    sums: &[[S::V; W]; R],
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let (alpha, beta) = (S::splat(t.alpha), S::splat(t.beta));
        for i in rows {
            let c = t.c.offset(i as isize * t.c_row);
            for (j, &sum) in sums[i].iter().enumerate() {
                let c = c.add(j * S::LANES);
                let x = if READS { S::fma(alpha, sum, S::mul(beta, S::load(c))) } else { S::mul(alpha, sum) };
                S::store(c, x);
            }
        }
    }
}

/// Writes these rows of a tile of whose last vector only `last` lanes exist in C.
#[inline(always)]
unsafe fn write_partly<T: Real, S: Simd<T>, const R: usize, const W: usize>(
    rows: Range<usize>,
    t: &Tile<T>,
    sums: &[[S::V; W]; R],
    last: usize,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let (alpha, beta) = (S::splat(t.alpha), S::splat(t.beta));
        for i in rows {
            let c = t.c.offset(i as isize * t.c_row);
            for (j, &sum) in sums[i].iter().enumerate() {
                let count = if j + 1 < W { S::LANES } else { last };
                put::<T, S>(c.add(j * S::LANES), sum, count, (alpha, beta, t.beta != T::zero()));
            }
        }
    }
}

/// Puts the first `count` sums of a vector into C, whose elements are adjacent.
#[inline(always)]
unsafe fn put<T: Real, S: Simd<T>>(
    c: *mut T,
    sums: S::V,
    count: usize,
    (alpha, beta, reads): (S::V, S::V, bool),
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let x = if reads {
            S::fma(alpha, sums, S::mul(beta, S::load_first(c, count)))
        } else {
            S::mul(alpha, sums)
        };
        S::store_first(c, x, count);
    }
}

/// Writes a tile of a C with other strides, by way of memory.
#[inline(always)]
unsafe fn write_strided<T: Real, S: Simd<T>, const R: usize, const W: usize>(
    t: &Tile<T>,
    sums: &[[S::V; W]; R],
) {
    // SAFETY: as the caller vouches; the tile fits into the buffer.
    unsafe {
        let mut buffer = MaybeUninit::<[T; TILE]>::uninit();
        let buffer = buffer.as_mut_ptr().cast::<T>();
        store_rows::<T, S, R, W>(0..R.min(HALF), sums, buffer);
        store_rows::<T, S, R, W>(R.min(HALF)..R, sums, buffer);
        for i in R * W..R.next_multiple_of(S::LANES) * W {
            S::store(buffer.add(i * S::LANES), S::splat(T::zero()));
        }
        if t.c_row == 1 {
            write_columns::<T, S>(R, W * S::LANES, t, buffer);
        } else {
            write_elements::<T, S>(R, W * S::LANES, t, buffer);
        }
    }
}

/// Stores these rows of the sums one after the other.
#[inline(always)]
unsafe fn store_rows<T: Real, S: Simd<T>, const R: usize, const W: usize>(
    rows: Range<usize>,
    sums: &[[S::V; W]; R],
    to: *mut T,
) {
    for i in rows {
        for (j, &sum) in sums[i].iter().enumerate() {
            // SAFETY: as the caller vouches.
            unsafe { S::store(to.add((i * W + j) * S::LANES), sum) }
        }
    }
}

/// Writes a tile, stored in rows of `width`, into a C whose rows are adjacent.
unsafe fn write_columns<T: Real, S: Simd<T>>(rows: usize, width: usize, t: &Tile<T>, tile: *const T) {
    // SAFETY: as the caller vouches; a transposed block fits into the buffer.
    unsafe {
        S::enter(
            #[inline(always)]
            || {
                let (alpha, beta, reads) = (S::splat(t.alpha), S::splat(t.beta), t.beta != T::zero());
                let mut block = MaybeUninit::<[T; TILE]>::uninit();
                let block = block.as_mut_ptr().cast::<T>();
                let lanes = S::LANES as isize;
                for i in (0..rows).step_by(S::LANES) {
                    for j in (0..t.cols).step_by(S::LANES) {
                        S::transpose(tile.add(i * width + j), width as isize, block, lanes);
                        for column in 0..(t.cols - j).min(S::LANES) {
                            let c = t.c.offset((j + column) as isize * t.c_col).add(i);
                            let sums = S::load(block.add(column * S::LANES));
                            put::<T, S>(c, sums, (rows - i).min(S::LANES), (alpha, beta, reads));
                        }
                    }
                }
            },
        );
    }
}

/// Writes a tile, stored in rows of `width`, one element at a time.
unsafe fn write_elements<T: Real, S: Simd<T>>(rows: usize, width: usize, t: &Tile<T>, tile: *const T) {
    // SAFETY: as the caller vouches.
    unsafe {
        S::enter(
            #[inline(always)]
            || {
                let (alpha, beta, reads) = (S::splat(t.alpha), S::splat(t.beta), t.beta != T::zero());
                for i in 0..rows {
                    for j in 0..t.cols {
                        let c = t.c.offset(i as isize * t.c_row + j as isize * t.c_col);
                        let sums = S::splat(*tile.add(i * width + j));
                        put::<T, S>(c, sums, 1, (alpha, beta, reads));
                    }
                }
            },
        );
    }
}
