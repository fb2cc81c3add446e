//! The loops around the tiles: blocks that fit the caches, panels of B, and threads.

use std::cell::Cell;
use std::ops::Range;
use std::ptr::null_mut;

use nn_core::{AlignedVec, Real};

use super::pack::{pack_panels, pack_tiles, packs_tiles, panel_width};
use super::tile::{Ahead, Tile, tile};
use super::vector::Simd;

/// Terms summed before a tile goes back to memory. A panel of B of this height and two vectors (64 KB) is read from the
/// second cache in part; shorter blocks, which fit the first, were slower, since C is then read and written more often.
const K_BLOCK: usize = 512;
/// Bytes of a block of A, which stays in the second cache (1 to 2 MB) while the panels of B pass.
const A_BLOCK: usize = 1 << 20;
/// Bytes of B that are packed at once where its rows lie in memory: long pieces of rows are read faster than short.
const B_BLOCK: usize = 1 << 17;
/// Tiles that a panel of B takes part in, up to which a panel of few rows is not worth packing.
const FEW_TILES: usize = 4;
/// Rows of a panel of B that stay in the first cache however they lie, unless they collide.
const FEW_ROWS: usize = 64;
/// Tiles that a panel of B takes part in, up to which its rows are copied by the first of them: in other panels,
/// copying takes too small a part of the time for that to matter, and long pieces of rows are read faster.
const COPYING_TILES: usize = 10;
/// Elements of C after which the epilogue runs, so that it finds them in the second cache.
const EPILOGUE_BLOCK: usize = 1 << 15;
/// Panels of B from which on a block of A whose columns are adjacent is worth packing.
const COPY_REUSE: usize = 2;
/// Panels of B from which on a block of A whose rows are adjacent is worth packing.
const TRANSPOSE_REUSE: usize = 5;

/// C ← alpha·A·B + beta·C with A of `rows` × `k` and B of `k` × `cols`, each as a pointer and two strides.
#[derive(Clone, Copy)]
pub(super) struct Problem<T> {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) k: usize,
    /// Whether other threads must not take part.
    pub(super) alone: bool,
    pub(super) alpha: T,
    pub(super) beta: T,
    pub(super) a: *const T,
    pub(super) a_row: isize,
    pub(super) a_k: isize,
    pub(super) b: *const T,
    pub(super) b_k: isize,
    pub(super) b_col: isize,
    pub(super) c: *mut T,
    pub(super) c_row: isize,
    pub(super) c_col: isize,
}

// SAFETY: the pointers come from array views, which may be sent; threads write disjoint parts of C.
unsafe impl<T: Send> Send for Problem<T> {}
// SAFETY: as above; A and B are only read.
unsafe impl<T: Sync> Sync for Problem<T> {}

/// Called with the rows and the columns of each part of C that is done.
pub(super) type Done<'a> = dyn Fn(Range<usize>, Range<usize>) + Sync + 'a;

impl<T: Real> Problem<T> {
    /// The same product written as Cᵀ = Bᵀ·Aᵀ.
    pub(super) fn transposed(&self) -> Self {
        Problem {
            rows: self.cols,
            cols: self.rows,
            a: self.b,
            a_row: self.b_col,
            a_k: self.b_k,
            b: self.a,
            b_k: self.a_k,
            b_col: self.a_row,
            c_row: self.c_col,
            c_col: self.c_row,
            ..*self
        }
    }

    /// Terms in each block of the sum: a function of k alone.
    fn k_block(&self) -> usize {
        self.k.div_ceil(self.k.div_ceil(K_BLOCK))
    }

    /// Whether blocks of A, of which `cols` columns of B make use, are worth packing.
    fn packs_a<S: Simd<T>>(&self, cols: usize) -> bool {
        let reuse = if self.a_row == 1 { COPY_REUSE } else { TRANSPOSE_REUSE };
        cols >= reuse * 2 * S::LANES && self.rows > S::ROWS
    }

    /// Whether whole panels of B are read where they lie: they go through the first cache only once, or stay there.
    fn reads_b<S: Simd<T>>(&self, rows: usize) -> bool {
        let stays = rows <= FEW_TILES * S::ROWS && self.k <= FEW_ROWS && !collide::<T>(self.b_k);
        self.b_col == 1 && (rows <= S::ROWS || stays)
    }

    /// Whether the first tile of a whole panel of B copies it.
    fn copies_b<S: Simd<T>>(&self, rows: usize) -> bool {
        self.b_col == 1 && rows <= COPYING_TILES * S::ROWS && !self.reads_b::<S>(rows)
    }

    /// `k` rows and `cols` columns of B, to be fetched.
    fn ahead(&self, b: *const T, k: usize, cols: usize) -> Ahead<T> {
        match (self.b_k, self.b_col) {
            (b_k, 1) => Ahead::new(b, (k, cols), b_k),
            (1, b_col) => Ahead::new(b, (cols, k), b_col),
            _ => Ahead::none(),
        }
    }

    /// Estimated cycles.
    pub(super) fn cost<S: Simd<T>>(&self) -> f64 {
        let (rows, cols, k) = (self.rows as f64, self.cols as f64, self.k as f64);
        let tiles = self.rows.div_ceil(S::ROWS) as f64;
        let wide = (rows / tiles).max(4.0) * tiles;
        let narrow = (0.55 * rows / tiles).max(4.0) * tiles;
        let (panels, rest) = (self.cols / (2 * S::LANES), self.cols % (2 * S::LANES));
        let last = if rest > S::LANES {
            wide
        } else if rest > 0 {
            narrow
        } else {
            0.0
        };
        let products = k * (panels as f64 * wide + last);
        // Rows of A that are read where they lie make the tiles wait.
        let (slower, pack_a) = match (self.packs_a::<S>(self.cols), self.a_row == 1) {
            (true, true) => (1.0, 0.15),
            (true, false) => (1.0, 0.4),
            (false, _) if tiles > 1.0 => (1.1, 0.0),
            (false, _) => (1.0, 0.0),
        };
        let pack_b = if self.b_col == 1 {
            if self.reads_b::<S>(self.rows) { 0.0 } else { 0.15 }
        } else if self.b_k == 1 {
            let rest = (self.cols % S::LANES) as f64 / cols;
            0.3 * (1.0 - rest) + 1.0 * rest
        } else {
            1.5
        };
        let store = if self.c_col == 1 {
            0.1
        } else if self.c_row == 1 {
            0.4
        } else {
            4.0
        };
        let stores = self.k.div_ceil(K_BLOCK) as f64;
        slower * products + pack_a * rows * k + pack_b * k * cols + store * rows * cols * stores
    }
}

/// Runs the product on up to `parts` threads, each with a rectangle of C of its own.
///
/// # Safety
/// The machine must have the instruction set, the pointers must be valid for the whole, and C must not overlap A or B.
pub(super) unsafe fn run<T: Real, S: Simd<T>>(
    p: &Problem<T>,
    rows: Range<usize>,
    cols: Range<usize>,
    parts: usize,
    done: Option<&Done<'_>>,
) {
    let panel = 2 * S::LANES;
    let (panels, tiles) = (cols.len().div_ceil(panel), rows.len().div_ceil(S::ROWS));
    if parts < 2 || panels * tiles < 2 {
        // SAFETY: as the caller vouches.
        return unsafe { run_part::<T, S>(p, rows, cols, done) };
    }
    let left = parts / 2;
    let by_cols = panels >= 2 && (panels % parts == 0 || panels >= 4 * parts || tiles < parts);
    let run = |rows: Range<usize>, cols: Range<usize>, parts| {
        // SAFETY: as the caller vouches; the two halves of C are disjoint.
        unsafe { run::<T, S>(p, rows, cols, parts, done) }
    };
    if by_cols {
        let middle = cols.start + (panels * left).div_ceil(parts) * panel;
        rayon::join(
            || run(rows.clone(), cols.start..middle, left),
            || run(rows.clone(), middle..cols.end, parts - left),
        );
    } else {
        let middle = rows.start + rows.len() * left / parts;
        rayon::join(
            || run(rows.start..middle, cols.clone(), left),
            || run(middle..rows.end, cols.clone(), parts - left),
        );
    }
}

thread_local! {
    /// Room for a block of A and a panel of B, kept between calls.
    static BUFFER: Cell<AlignedVec<u64>> = Cell::default();
}

/// Runs the product for a rectangle of C on this thread.
unsafe fn run_part<T: Real, S: Simd<T>>(
    p: &Problem<T>,
    rows: Range<usize>,
    cols: Range<usize>,
    done: Option<&Done<'_>>,
) {
    let panel = 2 * S::LANES;
    let k_block = p.k_block();
    let row_block = (A_BLOCK / size_of::<T>() / k_block / S::ROWS * S::ROWS).max(S::ROWS);
    let row_block = even(rows.len(), row_block).next_multiple_of(S::ROWS).min(rows.len());
    let packs_a = p.packs_a::<S>(cols.len());
    let a_size = if packs_a { row_block * k_block } else { 0 };
    let in_groups = p.b_col == 1 && !p.reads_b::<S>(rows.len()) && !p.copies_b::<S>(rows.len());
    let col_block = if cols.len() > panel && in_groups {
        let most = (B_BLOCK / size_of::<T>() / k_block / panel * panel).max(panel);
        even(cols.len(), most).next_multiple_of(panel)
    } else {
        panel
    };
    let b_size = col_block * k_block;
    let mut buffer = BUFFER.take();
    let words = ((a_size + b_size) * size_of::<T>()).div_ceil(size_of::<u64>());
    if buffer.len() < words {
        buffer = AlignedVec::new(0, words);
    }
    let b_copy = buffer.as_mut_ptr().cast::<T>();
    // SAFETY: the buffer holds `b_size + a_size` elements; all else as the caller vouches.
    unsafe {
        let a_copy = b_copy.add(b_size);
        for k in blocks(0..p.k, k_block) {
            for rows in blocks(rows.clone(), row_block) {
                let at = p.a.offset(rows.start as isize * p.a_row + k.start as isize * p.a_k);
                let size = (rows.len(), k.len());
                let packs_a = packs_a && packs_tiles::<T, S>((p.a_row, p.a_k), size);
                if packs_a {
                    pack_tiles::<T, S>((at, p.a_row, p.a_k), size, tiles::<T, S>(rows.len()), a_copy);
                }
                let a = if packs_a { Left::Packed(a_copy) } else { Left::Strided(at) };
                run_block::<T, S>(p, a, (b_copy, col_block), k.clone(), rows, cols.clone(), done);
            }
        }
    }
    BUFFER.set(buffer);
}

/// A block of A: where its first element lies, or its tiles one after another.
#[derive(Clone, Copy)]
enum Left<T> {
    Strided(*const T),
    Packed(*const T),
}

/// The rows of each tile of a block: as many tiles as it takes, of sizes that differ by one at most.
fn tiles<T: Real, S: Simd<T>>(rows: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let tiles = rows.div_ceil(S::ROWS);
    let (size, taller) = (rows / tiles, rows % tiles);
    (0..tiles).map(move |i| i * size + i.min(taller)..(i + 1) * size + (i + 1).min(taller))
}

/// A panel of B: where its first row lies and how far apart the rows are, and where the first tile copies them to.
#[derive(Clone, Copy)]
struct Panel<T> {
    b: *const T,
    b_k: isize,
    copy: *mut T,
}

/// Multiplies one block of A with the panels of B that lie over `cols`.
#[inline(always)]
unsafe fn run_block<T: Real, S: Simd<T>>(
    p: &Problem<T>,
    a: Left<T>,
    (b_copy, col_block): (*mut T, usize),
    k: Range<usize>,
    rows: Range<usize>,
    cols: Range<usize>,
    done: Option<&Done<'_>>,
) {
    let done = done.filter(|_| k.end == p.k);
    let beta = if k.start == 0 { p.beta } else { T::one() };
    let (reads_b, copies_b) = (p.reads_b::<S>(rows.len()), p.copies_b::<S>(rows.len()));
    let (mut finished, end) = (cols.start, cols.end);
    for group in blocks(cols, col_block) {
        let is_whole = group.len() == panel_width::<T, S>(group.len());
        let packs_b = !((reads_b || copies_b) && is_whole);
        // SAFETY: as the caller of `run` vouches; `b_copy` has room for `k.len()` × `col_block`.
        unsafe {
            let b = p.b.offset(k.start as isize * p.b_k + group.start as isize * p.b_col);
            let mut ahead = Ahead::none();
            if packs_b {
                pack_panels::<T, S>((b, p.b_k, p.b_col), (k.len(), group.len()), b_copy);
                let next = b.wrapping_offset(group.len() as isize * p.b_col);
                ahead = p.ahead(next, k.len(), (end - group.end).min(col_block));
            }
            for cols in blocks(group.clone(), 2 * S::LANES) {
                let panel = if packs_b {
                    Panel::packed::<S>(b_copy.add((cols.start - group.start) * k.len()), cols.len())
                } else {
                    Panel { b, b_k: p.b_k, copy: if copies_b { b_copy } else { null_mut() } }
                };
                run_panel::<T, S>(p, a, (panel, &mut ahead), (k.len(), beta), rows.clone(), cols.clone());
                if let Some(done) = done
                    && (cols.end == end || (cols.end - finished) * rows.len() >= EPILOGUE_BLOCK)
                {
                    done(rows.clone(), finished..cols.end);
                    finished = cols.end;
                }
            }
        }
    }
}

impl<T: Real> Panel<T> {
    /// One of `cols` columns whose rows follow each other.
    #[inline(always)]
    fn packed<S: Simd<T>>(b: *const T, cols: usize) -> Self {
        Panel { b, b_k: panel_width::<T, S>(cols) as isize, copy: null_mut() }
    }
}

/// Multiplies one block of A with one panel of B.
#[inline(always)]
unsafe fn run_panel<T: Real, S: Simd<T>>(
    p: &Problem<T>,
    a: Left<T>,
    (mut panel, ahead): (Panel<T>, &mut Ahead<T>),
    (k, beta): (usize, T),
    rows: Range<usize>,
    cols: Range<usize>,
) {
    for tile_rows in tiles::<T, S>(rows.len()) {
        let (first, count) = (tile_rows.start, tile_rows.len());
        // SAFETY: as the caller of `run` vouches.
        unsafe {
            let (a, a_row, a_k) = match a {
                Left::Packed(a) => (a.add(first * k), 1, count as isize),
                Left::Strided(a) => (a.offset(first as isize * p.a_row), p.a_row, p.a_k),
            };
            let row = rows.start + first;
            let c = p.c.offset(row as isize * p.c_row + cols.start as isize * p.c_col);
            let (c_row, c_col, alpha, cols) = (p.c_row, p.c_col, p.alpha, cols.len());
            let Panel { b, b_k, copy } = panel;
            let tile_of_c = Tile { k, a, a_row, a_k, b, b_k, copy, c, c_row, c_col, cols, alpha, beta };
            tile::<T, S>(count, &tile_of_c, ahead);
        }
        if !panel.copy.is_null() {
            panel = Panel::packed::<S>(panel.copy, cols.len());
        }
    }
}

/// Whether rows that begin `stride` elements apart compete for the same few sets of the first cache.
fn collide<T>(stride: isize) -> bool {
    let lines = stride.unsigned_abs() * size_of::<T>() / 64;
    lines >= 8 && lines.is_multiple_of(8)
}

/// The size of equal blocks, at most `most` each, that cover `length`.
fn even(length: usize, most: usize) -> usize {
    length.div_ceil(length.div_ceil(most))
}

/// A range in pieces of `size`, the last of which may be shorter.
fn blocks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |start| start..(start + size).min(end))
}
