//! The products of a step with weights that are packed once for all steps, and those of some steps that give the
//! gradients of the weights.
//!
//! In the first the sums lie along the vectors. The weights of two vectors of sums are a panel, which is read from its
//! beginning to its end; the numbers that they are multiplied with are read one by one, and where they lie. In the
//! others nothing is packed: what was just computed lies in the second cache.

use std::ops::Range;

use ndarray::{ArrayView2, Axis};
use nn_core::Real;

use super::cell::LANES;
use super::sizes::columns_mut;
use crate::dispatch::{self, Work, lanes};
use crate::gemm::{HALF, POINTERS, SHARE, Simd};
use crate::simd::Isa;

/// Terms after which more of what will be read next is fetched.
const BLOCK: usize = 16;

/// Sums that are over the same terms, and their weights.
///
/// For each panel there is a row of what the sums begin with, then a row for each term.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// The sums: whole vectors.
    pub(super) sums: Range<usize>,
    /// The terms.
    pub(super) terms: Range<usize>,
    /// Where the panels begin among the packed weights.
    pub(super) at: usize,
}

impl Section {
    /// Elements of all panels.
    pub(super) fn len(&self) -> usize {
        self.sums.len() * (1 + self.terms.len())
    }

    /// Packs `piece`: a row for each term from `term` on, a column for each sum from `sum` on, as far as these sums
    /// belong to the section.
    pub(super) fn pack<F: Real>(
        &self,
        packed: &mut [F],
        panel: usize,
        (term, sum): (usize, usize),
        piece: &ArrayView2<'_, F>,
    ) {
        self.pack_rows(packed, panel, (term + 1, sum), piece);
    }

    /// Packs what the sums begin with: a row with a column for each sum of all sections.
    pub(super) fn pack_first<F: Real>(&self, packed: &mut [F], panel: usize, first: &ArrayView2<'_, F>) {
        self.pack_rows(packed, panel, (self.terms.start, 0), first);
    }

    /// Packs `piece` into the panels' rows from `row` on, counted so that a term has the row behind its number.
    fn pack_rows<F: Real>(
        &self,
        packed: &mut [F],
        panel: usize,
        (row, sum): (usize, usize),
        piece: &ArrayView2<'_, F>,
    ) {
        for start in self.sums.clone().step_by(panel) {
            let end = (start + panel).min(self.sums.end);
            let (first, last) = (start.max(sum), end.min(sum + piece.ncols()));
            if first < last {
                let width = end - start;
                let row = row - self.terms.start;
                let at = self.at + (start - self.sums.start) * (1 + self.terms.len()) + row * width;
                let to = &mut packed[at..at + piece.nrows() * width];
                let from = piece.slice_axis(Axis(1), (first - sum..last - sum).into());
                columns_mut(to, width, first - start..last - start).assign(&from);
            }
        }
    }
}

/// Sums in a panel.
pub(super) fn panel<F: Real>(isa: Isa) -> usize {
    2 * lanes::<F>(isa)
}

/// y[i, j] ← first[j] + Σₖ x[i, k]·w[k, j] for the sums j and the terms k of a section, or with y[i, j] in place of
/// first[j].
///
/// An element depends on its row of x and its column of w alone, however the rows are divided.
pub(super) struct Product<'a, T> {
    pub(super) section: &'a Section,
    pub(super) packed: &'a [T],
    pub(super) rows: usize,
    /// Rows that begin `x_row` apart.
    pub(super) x: &'a [T],
    pub(super) x_row: usize,
    pub(super) y: &'a mut [T],
    pub(super) y_row: usize,
    /// Whether the sums begin with what is in y.
    pub(super) adds: bool,
    /// What will be read next, and is fetched into the second cache meanwhile.
    pub(super) next: [&'a [T]; 3],
}

impl<T: Real> Product<'_, T> {
    /// Computes it on an instruction set that [`current`](crate::simd::current) gave.
    ///
    /// # Panics
    /// When the slices are too short.
    pub(super) fn run(self, isa: Isa) {
        let Section { sums, terms, at } = self.section;
        if self.rows == 0 || sums.is_empty() {
            return;
        }
        let last = self.rows - 1;
        assert!(at + self.section.len() <= self.packed.len(), "weights for all sums");
        assert!(terms.is_empty() || last * self.x_row + terms.end <= self.x.len(), "x for all terms");
        assert!(last * self.y_row + sums.end <= self.y.len(), "room for all sums");
        assert!(sums.len().is_multiple_of(LANES), "whole vectors");
        let panels = Panels {
            rows: self.rows,
            width: sums.len(),
            terms: terms.len(),
            x: self.x.as_ptr().wrapping_add(terms.start),
            x_row: self.x_row,
            x_term: 1,
            w: self.packed[*at..].as_ptr(),
            w_term: None,
            y: self.y[sums.start..].as_mut_ptr(),
            y_row: self.y_row,
            adds: self.adds,
            next: self.next,
        };
        dispatch::run(isa, panels);
    }
}

/// y[i, j] ← y[i, j] + Σᵣ dz[r, i]·x[r, j] for the columns `sums` of dz and `terms` of x.
///
/// y has rows of whole vectors; what x holds behind `terms` goes into the elements behind.
pub(super) struct Outer<'a, T> {
    pub(super) sums: Range<usize>,
    pub(super) terms: Range<usize>,
    pub(super) rows: usize,
    /// Rows that begin `dz_row` apart.
    pub(super) dz: &'a [T],
    pub(super) dz_row: usize,
    /// Rows that begin `x_row` apart.
    pub(super) x: &'a [T],
    pub(super) x_row: usize,
    pub(super) y: &'a mut [T],
}

impl<T: Real> Outer<'_, T> {
    /// As [`Product::run`].
    ///
    /// # Panics
    /// When the slices are too short.
    pub(super) fn run(self, isa: Isa) {
        if self.rows == 0 || self.sums.is_empty() {
            return;
        }
        let (last, width) = (self.rows - 1, self.terms.len().next_multiple_of(LANES));
        assert!(last * self.dz_row + self.sums.end <= self.dz.len(), "gradients of all sums");
        assert!(last * self.x_row + self.terms.start + width <= self.x.len(), "x for whole vectors");
        assert!(self.sums.len() * width <= self.y.len(), "room for all products");
        let panels = Panels {
            rows: self.sums.len(),
            width,
            terms: self.rows,
            x: self.dz[self.sums.start..].as_ptr(),
            x_row: 1,
            x_term: self.dz_row,
            w: self.x[self.terms.start..].as_ptr(),
            w_term: Some(self.x_row),
            y: self.y.as_mut_ptr(),
            y_row: width,
            adds: true,
            next: [&[]; 3],
        };
        dispatch::run(isa, panels);
    }
}

/// Panel after panel of y[i, j] ← first[i, j] + Σₖ x[i, k]·w[k, j].
struct Panels<'a, T> {
    rows: usize,
    /// Elements of a row of y: whole vectors.
    width: usize,
    terms: usize,
    x: *const T,
    x_row: usize,
    x_term: usize,
    w: *const T,
    /// From one row of w to the next; packed panels begin with what the sums begin with.
    w_term: Option<usize>,
    y: *mut T,
    y_row: usize,
    /// Whether the sums begin with what is in y.
    adds: bool,
    /// What is fetched meanwhile.
    next: [&'a [T]; 3],
}

impl<'a, T: Real> Work<T> for Panels<'a, T> {
    type For<U: Real> = Panels<'a, U>;

    unsafe fn run_on<S: Simd<T>>(self) {
        // SAFETY: the caller vouches for the instruction set; `Product` and `Outer` have compared the lengths.
        unsafe { self.run::<S>() }
    }
}

impl<T: Real> Panels<'_, T> {
    unsafe fn run<S: Simd<T>>(&self) {
        let tiles = self.rows.div_ceil(S::ROWS);
        let share = self.width.div_ceil(2 * S::LANES) * tiles * self.terms.div_ceil(BLOCK);
        let mut next = self.next.map(<[T]>::as_ptr);
        let lines = self.next.map(|next| next.len().div_ceil(line::<T>()).div_ceil(share.max(1)));
        for start in (0..self.width).step_by(2 * S::LANES) {
            let vectors = (self.width - start).div_ceil(S::LANES).min(2);
            // SAFETY: as the caller of `start` vouches.
            unsafe {
                let y = self.y.add(start);
                let (first, w, w_term) = match self.w_term {
                    Some(w_term) => (y.cast_const(), self.w.add(start), w_term),
                    None => {
                        let first = self.w.add(start * (1 + self.terms));
                        (first, first.add(vectors * S::LANES), vectors * S::LANES)
                    }
                };
                let (first, first_row) = if self.adds { (y.cast_const(), self.y_row) } else { (first, 0) };
                let Panels { terms, x, x_row, x_term, y_row, .. } = *self;
                for i in 0..tiles {
                    let rows = self.rows * i / tiles..self.rows * (i + 1) / tiles;
                    let tile = Tile {
                        terms,
                        x: x.wrapping_add(rows.start * x_row),
                        x_row,
                        x_term,
                        w,
                        w_term,
                        first: first.add(rows.start * first_row),
                        first_row,
                        y: y.add(rows.start * y_row),
                        y_row,
                        next,
                        lines,
                    };
                    if vectors == 2 {
                        tile.of_width::<S, 2>(rows.len());
                    } else {
                        tile.of_width::<S, 1>(rows.len());
                    }
                    for (next, lines) in next.iter_mut().zip(lines) {
                        *next = next.wrapping_add(terms.div_ceil(BLOCK) * lines * line::<T>());
                    }
                }
            }
        }
    }
}

/// Elements of a cache line.
const fn line<T>() -> usize {
    64 / size_of::<T>()
}

/// y[i, j] ← first[i, j] + Σₖ x[i, k]·w[k, j] in registers, for one or two vectors of j; each operand with the distance
/// of its rows, or of its terms.
struct Tile<T> {
    terms: usize,
    x: *const T,
    x_row: usize,
    x_term: usize,
    w: *const T,
    w_term: usize,
    first: *const T,
    first_row: usize,
    y: *mut T,
    y_row: usize,
    /// What is fetched meanwhile, so many lines at each block of terms.
    next: [*const T; 3],
    lines: [usize; 3],
}

impl<T: Real> Tile<T> {
    #[inline(always)]
    unsafe fn of_width<S: Simd<T>, const W: usize>(&self, rows: usize) {
        // SAFETY: the caller vouches.
        unsafe {
            match rows {
                1 => self.enter::<S, 1, W>(),
                2 => self.enter::<S, 2, W>(),
                3 => self.enter::<S, 3, W>(),
                4 => self.enter::<S, 4, W>(),
                5 => self.enter::<S, 5, W>(),
                6 => self.enter::<S, 6, W>(),
                _ => {
                    if const { S::ROWS > 6 } {
                        match rows {
                            7 => self.enter::<S, 7, W>(),
                            8 => self.enter::<S, 8, W>(),
                            9 => self.enter::<S, 9, W>(),
                            10 => self.enter::<S, 10, W>(),
                            11 => self.enter::<S, 11, W>(),
                            12 => self.enter::<S, 12, W>(),
                            13 => self.enter::<S, 13, W>(),
                            _ => self.enter::<S, 14, W>(),
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn enter<S: Simd<T>, const R: usize, const W: usize>(&self) {
        // SAFETY: the caller vouches.
        unsafe {
            S::enter(
                #[inline(always)]
                || {
                    let mut sums = [[S::splat(T::zero()); W]; R];
                    if self.first_row == 0 {
                        self.fetch::<S, R, W>();
                    }
                    self.begin::<S, R, W>(0..R.min(HALF), &mut sums);
                    self.begin::<S, R, W>(R.min(HALF)..R, &mut sums);
                    self.multiply::<S, R, W>(&mut sums);
                    self.write::<S, R, W>(0..R.min(HALF), &sums);
                    self.write::<S, R, W>(R.min(HALF)..R, &sums);
                },
            );
        }
    }

    /// Fetches the rows of y, to be written when the sums are done.
    #[inline(always)]
    unsafe fn fetch<S: Simd<T>, const R: usize, const W: usize>(&self) {
        for i in 0..R {
            for j in 0..W {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { S::prefetch(self.y.wrapping_add(i * self.y_row + j * S::LANES)) }
            }
        }
    }

    /// Loads what these rows of the sums begin with.
    #[inline(always)]
    unsafe fn begin<S: Simd<T>, const R: usize, const W: usize>(
        &self,
        rows: Range<usize>,
        sums: &mut [[S::V; W]; R],
    ) {
        for i in rows {
            for (j, sum) in sums[i].iter_mut().enumerate() {
                // SAFETY: the caller vouches.
                unsafe { *sum = S::load(self.first.add(i * self.first_row + j * S::LANES)) }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd<T>, const R: usize, const W: usize>(&self, sums: &mut [[S::V; W]; R]) {
        // SAFETY: the caller vouches; pointers move on after their last use without being followed.
        unsafe {
            let mut w = self.w;
            let mut x = [self.x; POINTERS];
            for (i, x) in x.iter_mut().enumerate() {
                *x = self.x.wrapping_add(SHARE * i * self.x_row);
            }
            let mut next = self.next;
            for block in (0..self.terms).step_by(BLOCK) {
                self.fetch_next::<S>(&mut next);
                for _ in block..self.terms.min(block + BLOCK) {
                    let mut weights = [S::splat(T::zero()); W];
                    for (j, weights) in weights.iter_mut().enumerate() {
                        *weights = S::load(w.add(j * S::LANES));
                    }
                    self.add_rows::<S, R, W>(0..R.min(HALF), &x, &weights, sums);
                    self.add_rows::<S, R, W>(R.min(HALF)..R, &x, &weights, sums);
                    for x in &mut x {
                        *x = x.wrapping_add(self.x_term);
                    }
                    w = w.wrapping_add(self.w_term);
                }
            }
        }
    }

    /// Fetches some lines of what will be read next.
    #[inline(always)]
    unsafe fn fetch_next<S: Simd<T>>(&self, next: &mut [*const T; 3]) {
        for (next, lines) in next.iter_mut().zip(self.lines) {
            for _ in 0..lines {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { S::prefetch(*next) }
                *next = next.wrapping_add(line::<T>());
            }
        }
    }

    /// Adds to these rows of the sums the products with one row of weights.
    #[inline(always)]
    unsafe fn add_rows<S: Simd<T>, const R: usize, const W: usize>(
        &self,
        rows: Range<usize>,
        x: &[*const T; POINTERS],
        weights: &[S::V; W],
        sums: &mut [[S::V; W]; R],
    ) {
        for i in rows {
            // SAFETY: the caller vouches.
            unsafe {
                let x = S::splat(*x[i / SHARE].add((i % SHARE) * self.x_row));
                for (sum, &w) in sums[i].iter_mut().zip(weights) {
                    *sum = S::fma(x, w, *sum);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn write<S: Simd<T>, const R: usize, const W: usize>(
        &self,
        rows: Range<usize>,
        sums: &[[S::V; W]; R],
    ) {
        for i in rows {
            for (j, &sum) in sums[i].iter().enumerate() {
                // SAFETY: the caller vouches.
                unsafe { S::store(self.y.add(i * self.y_row + j * S::LANES), sum) }
            }
        }
    }
}
