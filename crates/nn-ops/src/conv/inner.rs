//! The innermost loop of a weight's gradient where channels are few: taps by channels, in registers, with positions
//! along the vectors.
//!
//! Both factors are read as they lie, from the [shifted copies](super::shifted) of x and from the planes of dy. Each
//! sum is kept as the partial sums of the lanes, which are added when all samples are done.

use nn_core::Real;

use super::outer::even_blocks;
use super::tile::blocks;
use crate::dispatch::Work;
use crate::gemm::Simd;

/// Taps in the largest tile.
const TAPS: usize = 6;

/// Channels in the largest tile: with [`TAPS`] sums each they leave room for their vectors and one of x.
const fn tile_channels(gemm_rows: usize) -> usize {
    if gemm_rows > 6 { 4 } else { 2 }
}

/// sums[k, c, lane] += Σ over positions p of that lane of source[p + taps[k]]·dy[c, p], for one sample.
pub(super) struct InnerProducts<'a, T> {
    pub(super) taps: &'a [u32],
    pub(super) source: &'a [T],
    /// Channels of `positions` elements.
    pub(super) dy: &'a [T],
    pub(super) channels: usize,
    pub(super) positions: usize,
    /// What will be read next and lies as `dy` does, to be fetched meanwhile.
    pub(super) upcoming: [&'a [T]; 2],
    /// Whether `sums` holds sums already.
    pub(super) accumulate: bool,
    /// A vector for each tap and channel.
    pub(super) sums: &'a mut [T],
}

/// Taps by channels.
struct Tile<'a, T> {
    taps: &'a [u32],
    whole: &'a InnerProducts<'a, T>,
    dy: *const T,
    /// What is fetched meanwhile, as far as positions go.
    upcoming: [*const T; 2],
    sums: *mut T,
}

impl<T: Real> InnerProducts<'_, T> {
    /// Adds the products of all positions.
    ///
    /// # Safety
    /// The machine must have the instruction set.
    ///
    /// # Panics
    /// When the slices are shorter than the shapes.
    pub(super) unsafe fn run<S: Simd<T>>(self) {
        let furthest = self.taps.iter().max().map_or(0, |&tap| tap as usize);
        assert!(furthest + self.positions <= self.source.len(), "a source for all positions");
        assert!(self.channels * self.positions <= self.dy.len(), "all channels at all positions");
        assert!(self.taps.len() * self.channels * S::LANES <= self.sums.len(), "sums for all taps");
        let sums = self.sums.as_mut_ptr();
        for channels in blocks(self.channels, tile_channels(S::ROWS)) {
            for (i, taps) in even_blocks(self.taps.len(), TAPS).enumerate() {
                // SAFETY: the tile lies within what was checked above.
                unsafe {
                    // One tile after the other fetches the next of their channels.
                    let next = (channels.start + i.min(channels.len() - 1)) * self.positions;
                    let tile = Tile {
                        taps: &self.taps[taps.clone()],
                        whole: &self,
                        dy: self.dy.as_ptr().add(channels.start * self.positions),
                        upcoming: self.upcoming.map(|x| x.get(next..).unwrap_or(self.dy).as_ptr()),
                        sums: sums.add((taps.start * self.channels + channels.start) * S::LANES),
                    };
                    tile.run::<S>(channels.len());
                }
            }
        }
    }
}

impl<'a, T: Real> Work<T> for InnerProducts<'a, T> {
    type For<U: Real> = InnerProducts<'a, U>;

    unsafe fn run_on<S: Simd<T>>(self) {
        // SAFETY: the caller vouches.
        unsafe { self.run::<S>() }
    }
}

impl<T: Real> Tile<'_, T> {
    unsafe fn run<S: Simd<T>>(&self, channels: usize) {
        // SAFETY: the caller vouches.
        unsafe {
            match channels {
                1 => self.of_channels::<S, 1>(),
                2 => self.of_channels::<S, 2>(),
                _ => self.of_channels::<S, 4>(),
            }
        }
    }

    #[inline(always)]
    unsafe fn of_channels<S: Simd<T>, const C: usize>(&self) {
        if const { C > tile_channels(S::ROWS) } {
            return;
        }
        // SAFETY: the caller vouches.
        unsafe {
            match self.taps.len() {
                1 => self.enter::<S, 1, C>(),
                2 => self.enter::<S, 2, C>(),
                3 => self.enter::<S, 3, C>(),
                4 => self.enter::<S, 4, C>(),
                5 => self.enter::<S, 5, C>(),
                _ => self.enter::<S, TAPS, C>(),
            }
        }
    }

    #[inline(always)]
    unsafe fn enter<S: Simd<T>, const K: usize, const C: usize>(&self) {
        // SAFETY: the caller vouches.
        unsafe {
            S::enter(
                #[inline(always)]
                || self.multiply::<S, K, C>(),
            );
        }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd<T>, const K: usize, const C: usize>(&self) {
        // SAFETY: the caller vouches.
        unsafe {
            let InnerProducts { channels, positions, accumulate, .. } = *self.whole;
            let to = |k: usize, c: usize| self.sums.add((k * channels + c) * S::LANES);
            let mut sums = [[S::splat(T::zero()); C]; K];
            if accumulate {
                for (k, sums) in sums.iter_mut().enumerate() {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        *sum = S::load(to(k, c));
                    }
                }
            }
            let mut x = [self.whole.source.as_ptr(); K];
            for (x, tap) in x.iter_mut().zip(*self.taps.as_ptr().cast::<[u32; K]>()) {
                *x = x.add(tap as usize);
            }
            let whole = positions - positions % S::LANES;
            for p in (0..whole).step_by(S::LANES) {
                self.upcoming.iter().for_each(|x| S::prefetch(x.wrapping_add(p)));
                let mut dy = [S::splat(T::zero()); C];
                for (c, dy) in dy.iter_mut().enumerate() {
                    *dy = S::load(self.dy.add(c * positions + p));
                }
                for (sums, x) in sums.iter_mut().zip(&x) {
                    let x = S::load(x.add(p));
                    for (sum, &dy) in sums.iter_mut().zip(&dy) {
                        *sum = S::fma(x, dy, *sum);
                    }
                }
            }
            if whole < positions {
                let rest = positions - whole;
                let mut dy = [S::splat(T::zero()); C];
                for (c, dy) in dy.iter_mut().enumerate() {
                    *dy = S::load_first(self.dy.add(c * positions + whole), rest);
                }
                for (sums, x) in sums.iter_mut().zip(&x) {
                    let x = S::load_first(x.add(whole), rest);
                    for (sum, &dy) in sums.iter_mut().zip(&dy) {
                        *sum = S::fma(x, dy, *sum);
                    }
                }
            }
            for (k, sums) in sums.into_iter().enumerate() {
                for (c, sum) in sums.into_iter().enumerate() {
                    S::store(to(k, c), sum);
                }
            }
        }
    }
}
