//! The innermost loop of a weight's gradient: taps by channels, in registers, summed over positions.
//!
//! The channels of dy lie along the vectors, so that no lane is lost to the edge of an image; the elements of x are
//! read one by one, from the [window](super::window).

use std::ops::Range;

use nn_core::Real;

use crate::dispatch::Work;
use crate::gemm::Simd;

/// Taps in the largest tile, where there are 32 registers, and where there are 16.
const TAPS: [usize; 2] = [12, 6];

/// sums[k, c] += Σ over positions p of source[p + taps[k]]·dy[p, c], for one sample.
pub(super) struct OuterProducts<'a, T> {
    pub(super) taps: &'a [u32],
    pub(super) source: &'a [T],
    /// Elements of the source from one row of positions to the next.
    pub(super) source_row: usize,
    /// Rows and columns of positions.
    pub(super) positions: [usize; 2],
    /// Rows of `width` channels, one for each position.
    pub(super) dy: &'a [T],
    /// Channels, filled up to whole vectors.
    pub(super) width: usize,
    /// Whether `sums` holds sums already.
    pub(super) accumulate: bool,
    pub(super) sums: &'a mut [T],
}

/// The numbers below `count` in blocks as even as they can be, of at most `most`.
pub(super) fn even_blocks(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let blocks = count.div_ceil(most);
    (0..blocks).map(move |i| count * i / blocks..count * (i + 1) / blocks)
}

/// Taps by vectors of channels.
struct Tile<'a, T> {
    taps: &'a [u32],
    whole: &'a OuterProducts<'a, T>,
    dy: *const T,
    sums: *mut T,
}

impl<T: Real> OuterProducts<'_, T> {
    /// Adds the products of all positions.
    ///
    /// # Safety
    /// The machine must have the instruction set.
    ///
    /// # Panics
    /// When the slices are shorter than the shapes.
    pub(super) unsafe fn run<S: Simd<T>>(self) {
        let [rows, cols] = self.positions;
        let furthest = self.taps.iter().max().map_or(0, |&tap| tap as usize);
        if rows * cols > 0 {
            let last = (rows - 1) * self.source_row + cols - 1 + furthest;
            assert!(last < self.source.len(), "a source for all positions");
        }
        assert!(rows * cols * self.width <= self.dy.len(), "channels at all positions");
        assert!(self.taps.len() * self.width <= self.sums.len(), "sums for all taps");
        assert!(self.width.is_multiple_of(S::LANES), "whole vectors of channels");
        let sums = self.sums.as_mut_ptr();
        for taps in even_blocks(self.taps.len(), TAPS[usize::from(S::ROWS <= 6)]) {
            for channels in even_blocks(self.width / S::LANES, 2) {
                let first = channels.start * S::LANES;
                // SAFETY: the tile lies within what was checked above.
                unsafe {
                    let tile = Tile {
                        taps: &self.taps[taps.clone()],
                        whole: &self,
                        dy: self.dy.as_ptr().add(first),
                        sums: sums.add(taps.start * self.width + first),
                    };
                    tile.run::<S>(taps.len(), channels);
                }
            }
        }
    }
}

impl<'a, T: Real> Work<T> for OuterProducts<'a, T> {
    type For<U: Real> = OuterProducts<'a, U>;

    unsafe fn run_on<S: Simd<T>>(self) {
        // SAFETY: the caller vouches.
        unsafe { self.run::<S>() }
    }
}

impl<T: Real> Tile<'_, T> {
    unsafe fn run<S: Simd<T>>(&self, taps: usize, channels: Range<usize>) {
        // SAFETY: the caller vouches.
        unsafe {
            match channels.len() {
                1 => self.of_width::<S, 1>(taps),
                _ => self.of_width::<S, 2>(taps),
            }
        }
    }

    #[inline(always)]
    unsafe fn of_width<S: Simd<T>, const W: usize>(&self, taps: usize) {
        // SAFETY: the caller vouches.
        unsafe {
            match taps {
                1 => self.enter::<S, 1, W>(),
                2 => self.enter::<S, 2, W>(),
                3 => self.enter::<S, 3, W>(),
                4 => self.enter::<S, 4, W>(),
                5 => self.enter::<S, 5, W>(),
                6 => self.enter::<S, 6, W>(),
                _ => {
                    if const { S::ROWS > 6 } {
                        match taps {
                            7 => self.enter::<S, 7, W>(),
                            8 => self.enter::<S, 8, W>(),
                            9 => self.enter::<S, 9, W>(),
                            10 => self.enter::<S, 10, W>(),
                            11 => self.enter::<S, 11, W>(),
                            _ => self.enter::<S, 12, W>(),
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn enter<S: Simd<T>, const K: usize, const W: usize>(&self) {
        // SAFETY: the caller vouches.
        unsafe {
            S::enter(
                #[inline(always)]
                || {
                    let sums = self.multiply::<S, K, W>();
                    for (k, sums) in sums.into_iter().enumerate() {
                        for (j, sum) in sums.into_iter().enumerate() {
                            let to = self.sums.add(k * self.whole.width + j * S::LANES);
                            let one = S::splat(T::one());
                            S::store(
                                to,
                                if self.whole.accumulate { S::fma(one, sum, S::load(to)) } else { sum },
                            );
                        }
                    }
                },
            );
        }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd<T>, const K: usize, const W: usize>(&self) -> [[S::V; W]; K] {
        // SAFETY: the caller vouches.
        unsafe {
            let mut sums = [[S::splat(T::zero()); W]; K];
            let [rows, cols] = self.whole.positions;
            // The taps stay where they are, and one pointer moves: nothing is to be computed for each row.
            let mut taps = [0; K];
            for (to, tap) in taps.iter_mut().zip(*self.taps.as_ptr().cast::<[u32; K]>()) {
                *to = tap as usize;
            }
            let mut dy = self.dy;
            for row in 0..rows {
                let source = self.whole.source.as_ptr().add(row * self.whole.source_row);
                for col in 0..cols {
                    let x = source.add(col);
                    let mut g = [S::splat(T::zero()); W];
                    for (j, g) in g.iter_mut().enumerate() {
                        *g = S::load(dy.add(j * S::LANES));
                    }
                    for (sums, &tap) in sums.iter_mut().zip(&taps) {
                        let x = S::splat(*x.add(tap));
                        for (sum, &g) in sums.iter_mut().zip(&g) {
                            *sum = S::fma(x, g, *sum);
                        }
                    }
                    dy = dy.wrapping_add(self.whole.width);
                }
            }
            sums
        }
    }
}
