//! From rows of channels to the products of tiles, and back: one row of the 4 × 4 products of each tile.

use std::ops::Range;

use nn_core::Real;

use super::{Rows, Tiling};
use crate::dispatch::Work;
use crate::gemm::Simd;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Products = Bᵀ·x·B.
    Input,
    /// x += B·products·Bᵀ, the transpose of it.
    InputBack,
    /// y = Aᵀ·products·A.
    Output,
    /// Products = A·y·Aᵀ, the transpose of it.
    OutputBack,
}

/// One row of the products of a block of tiles.
pub(super) struct Tiles<'a, T> {
    pub(super) way: Way,
    pub(super) tiling: &'a Tiling,
    pub(super) block: Range<usize>,
    /// Which of the four rows.
    pub(super) row: usize,
    /// Positions of x or y; where they are read, the row outside is zeros.
    pub(super) rows: &'a mut [T],
    /// For each of the four products of the row, a row of channels for each tile of the block.
    pub(super) products: &'a mut [T],
}

/// The two rows of x that a row of Bᵀ adds up, and the factor of the second.
const INPUT: [([usize; 2], i8); 4] = [([0, 2], -1), ([1, 2], 1), ([2, 1], -1), ([1, 3], -1)];
/// The factors of the two rows of y in each row of A.
const OUTPUT: [[i8; 2]; 4] = [[1, 0], [1, 1], [1, -1], [0, -1]];

/// A small whole number in all lanes.
#[inline(always)]
unsafe fn factor<T: Real, S: Simd<T>>(x: i8) -> S::V {
    // SAFETY: the caller vouches.
    unsafe { S::splat(T::from_f64(f64::from(x))) }
}

#[inline(always)]
unsafe fn add<T: Real, S: Simd<T>>(a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller vouches.
    unsafe { S::fma(S::splat(T::one()), a, b) }
}

/// a − b.
#[inline(always)]
unsafe fn sub<T: Real, S: Simd<T>>(a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller vouches.
    unsafe { S::fma(S::splat(-T::one()), b, a) }
}

impl<T: Real> Tiles<'_, T> {
    fn side(&self) -> &Rows {
        match self.way {
            Way::Input | Way::InputBack => &self.tiling.x,
            Way::Output | Way::OutputBack => &self.tiling.y,
        }
    }

    /// Where the elements of a tile lie: two rows of four or of two columns.
    #[inline(always)]
    fn places<const N: usize>(&self, tile: usize, rows: [Option<usize>; 2]) -> [[usize; N]; 2] {
        let [down, right] = self.tiling.tiles;
        let (sample, tile) = (tile / (down * right), tile % (down * right));
        let (top, left) = (tile / right * 2, tile % right * 2);
        let side = self.side();
        let mut places = [[side.outside(); N]; 2];
        for (places, row) in places.iter_mut().zip(rows) {
            if let Some(row) = row {
                for (j, place) in places.iter_mut().enumerate() {
                    *place = side.offset(sample, [top + row, left + j]);
                }
            }
        }
        places
    }

    #[inline(always)]
    unsafe fn input<S: Simd<T>>(&mut self) {
        let ([first, second], sign) = INPUT[self.row];
        let (width, step) = (self.side().width, self.block.len() * self.side().width);
        for (i, tile) in self.block.clone().enumerate() {
            let [a, b] = self.places::<4>(tile, [Some(first), Some(second)]);
            // SAFETY: places lie within the rows, as `run_on` has checked, and so does the tile within the products.
            unsafe {
                let sign = factor::<T, S>(sign);
                for c in (0..width).step_by(S::LANES) {
                    let x = self.rows.as_ptr().add(c);
                    let mut d = [S::splat(T::zero()); 4];
                    for (j, d) in d.iter_mut().enumerate() {
                        *d = S::fma(sign, S::load(x.add(b[j])), S::load(x.add(a[j])));
                    }
                    let to = self.products.as_mut_ptr().add(i * width + c);
                    S::store(to, sub::<T, S>(d[0], d[2]));
                    S::store(to.add(step), add::<T, S>(d[1], d[2]));
                    S::store(to.add(2 * step), sub::<T, S>(d[2], d[1]));
                    S::store(to.add(3 * step), sub::<T, S>(d[1], d[3]));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn input_back<S: Simd<T>>(&mut self) {
        let ([first, second], sign) = INPUT[self.row];
        let (width, step) = (self.side().width, self.block.len() * self.side().width);
        for (i, tile) in self.block.clone().enumerate() {
            let [a, b] = self.places::<4>(tile, [Some(first), Some(second)]);
            // SAFETY: as in `input`.
            unsafe {
                let sign = factor::<T, S>(sign);
                for c in (0..width).step_by(S::LANES) {
                    let from = self.products.as_ptr().add(i * width + c);
                    let mut v = [S::splat(T::zero()); 4];
                    for (l, v) in v.iter_mut().enumerate() {
                        *v = S::load(from.add(l * step));
                    }
                    let zero = S::splat(T::zero());
                    let middle = sub::<T, S>(v[1], v[2]);
                    let d = [
                        v[0],
                        add::<T, S>(middle, v[3]),
                        sub::<T, S>(add::<T, S>(v[1], v[2]), v[0]),
                        sub::<T, S>(zero, v[3]),
                    ];
                    let x = self.rows.as_mut_ptr().add(c);
                    for (j, d) in d.into_iter().enumerate() {
                        let (first, second) = (x.add(a[j]), x.add(b[j]));
                        S::store(first, add::<T, S>(d, S::load(first)));
                        S::store(second, S::fma(sign, d, S::load(second)));
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd<T>>(&mut self) {
        let factors = OUTPUT[self.row];
        let (width, step) = (self.side().width, self.block.len() * self.side().width);
        for (i, tile) in self.block.clone().enumerate() {
            let places = self.places::<2>(tile, [Some(0), Some(1)]);
            // SAFETY: as in `input`.
            unsafe {
                for c in (0..width).step_by(S::LANES) {
                    let from = self.products.as_ptr().add(i * width + c);
                    let [m0, m1] = [S::load(from), S::load(from.add(step))];
                    let [m2, m3] = [S::load(from.add(2 * step)), S::load(from.add(3 * step))];
                    let z = [add::<T, S>(m0, add::<T, S>(m1, m2)), sub::<T, S>(sub::<T, S>(m1, m2), m3)];
                    for (a, places) in places.iter().enumerate().filter(|&(a, _)| factors[a] != 0) {
                        let factor = factor::<T, S>(factors[a]);
                        for (&place, &z) in places.iter().zip(&z) {
                            let to = self.rows.as_mut_ptr().add(place + c);
                            // The first row that has a part in it begins the sum.
                            let before = if self.row == a { S::splat(T::zero()) } else { S::load(to) };
                            S::store(to, S::fma(factor, z, before));
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn output_back<S: Simd<T>>(&mut self) {
        let factors = OUTPUT[self.row];
        let (width, step) = (self.side().width, self.block.len() * self.side().width);
        // A row without a part in it is read outside, where there are zeros.
        let rows = [0, 1].map(|a| (factors[a] != 0).then_some(a));
        for (i, tile) in self.block.clone().enumerate() {
            let [a, b] = self.places::<2>(tile, rows);
            // SAFETY: as in `input`.
            unsafe {
                let factors = factors.map(|x| factor::<T, S>(x));
                for c in (0..width).step_by(S::LANES) {
                    let y = self.rows.as_ptr().add(c);
                    let mut w = [S::splat(T::zero()); 2];
                    for (j, w) in w.iter_mut().enumerate() {
                        let first = S::mul(factors[0], S::load(y.add(a[j])));
                        *w = S::fma(factors[1], S::load(y.add(b[j])), first);
                    }
                    let to = self.products.as_mut_ptr().add(i * width + c);
                    S::store(to, w[0]);
                    S::store(to.add(step), add::<T, S>(w[0], w[1]));
                    S::store(to.add(2 * step), sub::<T, S>(w[0], w[1]));
                    S::store(to.add(3 * step), sub::<T, S>(S::splat(T::zero()), w[1]));
                }
            }
        }
    }
}

impl<'a, T: Real> Work<T> for Tiles<'a, T> {
    type For<U: Real> = Tiles<'a, U>;

    unsafe fn run_on<S: Simd<T>>(mut self) {
        let side = *self.side();
        let tiles = side.samples * self.tiling.tiles[0] * self.tiling.tiles[1];
        assert!(self.rows.len() >= side.len() && self.block.end <= tiles, "rows for all tiles");
        assert!(self.products.len() >= 4 * self.block.len() * side.width, "products of all tiles");
        assert!(side.width.is_multiple_of(S::LANES), "whole vectors of channels");
        // SAFETY: the caller vouches for the instruction set; what is read and written lies within what was checked.
        unsafe {
            S::enter(
                #[inline(always)]
                || match self.way {
                    Way::Input => self.input::<S>(),
                    Way::InputBack => self.input_back::<S>(),
                    Way::Output => self.output::<S>(),
                    Way::OutputBack => self.output_back::<S>(),
                },
            );
        }
    }
}
