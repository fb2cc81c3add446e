//! The innermost loop of a convolution: channels by positions, in registers.
//!
//! The positions lie along the vectors. What a weight is multiplied with at neighbouring positions lies side by side in
//! the [window](super::window), so vectors are read from where the sample lies, at an offset for each weight; nothing
//! is unrolled into columns.

use std::ops::Range;

use nn_core::Real;

use crate::dispatch::Work;
use crate::gemm::Simd;
use crate::simd::Isa;

/// Vectors of positions in the largest tile.
pub(super) const VECTORS: usize = 3;

/// Channels in the largest tile: with three vectors each they leave room for one row of the sample and a weight.
const fn tile_channels(gemm_rows: usize) -> usize {
    if gemm_rows > 6 { 8 } else { 4 }
}

/// Channels in the largest tile of an instruction set.
pub(super) fn channels_of_tile(isa: Isa) -> usize {
    tile_channels(if isa == Isa::Avx512 { 14 } else { 6 })
}

/// Where each vector is read and written, and which of its lanes are positions of the result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors<'a> {
    pub(super) from: &'a [u32],
    pub(super) to: &'a [u32],
    pub(super) lanes: &'a [u32],
}

impl<'a> Vectors<'a> {
    fn part(&self, start: usize, end: usize) -> Vectors<'a> {
        Vectors { from: &self.from[start..end], to: &self.to[start..end], lanes: &self.lanes[start..end] }
    }
}

/// y[c, p] = bias[c] + Σₖ weights[k, c]·source[p + taps[k]] for some channels of one sample.
pub(super) struct Correlation<'a, T> {
    /// Offsets of what each weight is multiplied with.
    pub(super) taps: &'a [u32],
    /// For each block of channels, as [`blocks`] makes them, rows of one weight for each channel.
    pub(super) weights: &'a [T],
    pub(super) channels: usize,
    pub(super) bias: Option<&'a [T]>,
    pub(super) source: &'a [T],
    pub(super) vectors: Vectors<'a>,
    /// Channels of `plane` elements.
    pub(super) target: &'a mut [T],
    pub(super) plane: usize,
}

/// The channels of each tile: as many as `most`, a power of two, and in the end smaller powers of two.
pub(super) fn blocks(channels: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let left = (channels - start).min(most);
        let block = start..start + (1 << left.checked_ilog2()?);
        start = block.end;
        Some(block)
    })
}

/// A tile: `channels` × `vectors`.
struct Tile<'a, T> {
    taps: &'a [u32],
    weights: *const T,
    bias: *const T,
    source: *const T,
    vectors: Vectors<'a>,
    target: *mut T,
    plane: usize,
}

impl<T: Real> Correlation<'_, T> {
    /// Computes all channels at all positions.
    ///
    /// # Safety
    /// The machine must have the instruction set.
    ///
    /// # Panics
    /// When a vector would reach beyond the source or the target.
    pub(super) unsafe fn run<S: Simd<T>>(self) {
        let count = self.vectors.from.len();
        let (Some(read), Some(written)) = (self.vectors.from.iter().max(), self.vectors.to.iter().max())
        else {
            return;
        };
        let furthest = self.taps.iter().max().map_or(0, |&tap| tap as usize);
        let last = *written as usize + self.vectors.lanes[count - 1].count_ones() as usize;
        assert!(*read as usize + furthest + S::LANES <= self.source.len(), "a source for all vectors");
        assert!(last <= self.plane && self.channels * self.plane <= self.target.len(), "a target for all");
        assert!(self.channels * self.taps.len() <= self.weights.len(), "weights for all");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.channels), "a bias for each channel");
        let groups = count.div_ceil(VECTORS);
        for i in 0..groups {
            let vectors = self.vectors.part(count * i / groups, count * (i + 1) / groups);
            for channels in blocks(self.channels, tile_channels(S::ROWS)) {
                let first = channels.start;
                // SAFETY: the tile lies within what was checked above.
                unsafe {
                    let tile = Tile {
                        taps: self.taps,
                        weights: self.weights.as_ptr().add(first * self.taps.len()),
                        bias: self.bias.map_or(std::ptr::null(), |bias| bias.as_ptr().add(first)),
                        source: self.source.as_ptr(),
                        vectors,
                        target: self.target.as_mut_ptr().add(first * self.plane),
                        plane: self.plane,
                    };
                    tile.run::<S>(channels.len());
                }
            }
        }
    }
}

impl<'a, T: Real> Work<T> for Correlation<'a, T> {
    type For<U: Real> = Correlation<'a, U>;

    unsafe fn run_on<S: Simd<T>>(self) {
        // SAFETY: the caller vouches.
        unsafe { self.run::<S>() }
    }
}

impl<T: Real> Tile<'_, T> {
    unsafe fn run<S: Simd<T>>(&self, channels: usize) {
        // SAFETY: the caller vouches.
        unsafe {
            match self.vectors.from.len() {
                1 => self.of_width::<S, 1>(channels),
                2 => self.of_width::<S, 2>(channels),
                _ => self.of_width::<S, VECTORS>(channels),
            }
        }
    }

    #[inline(always)]
    unsafe fn of_width<S: Simd<T>, const W: usize>(&self, channels: usize) {
        // SAFETY: the caller vouches.
        unsafe {
            match channels {
                1 => self.enter::<S, 1, W>(),
                2 => self.enter::<S, 2, W>(),
                4 => self.enter::<S, 4, W>(),
                _ => {
                    if const { tile_channels(S::ROWS) > 4 } {
                        self.enter::<S, 8, W>();
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn enter<S: Simd<T>, const C: usize, const W: usize>(&self) {
        // SAFETY: the caller vouches.
        unsafe {
            S::enter(
                #[inline(always)]
                || {
                    // Of known length, which leaves loops without ends to look for.
                    let Vectors { from, to, lanes } = self.vectors;
                    let known = |list: &[u32]| *list.as_ptr().cast::<[u32; W]>();
                    let (from, to, lanes) = (known(from), known(to), known(lanes));
                    self.fetch::<S, C, W>(&to);
                    let sums = self.multiply::<S, C, W>(&from);
                    self.write::<S, C, W>(&sums, &to, &lanes);
                },
            );
        }
    }

    /// Fetches what will be written when the sums are done.
    #[inline(always)]
    unsafe fn fetch<S: Simd<T>, const C: usize, const W: usize>(&self, to: &[u32; W]) {
        for c in 0..C {
            for &to in to {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { S::prefetch(self.target.wrapping_add(c * self.plane + to as usize)) }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<S: Simd<T>, const C: usize, const W: usize>(&self, at: &[u32; W]) -> [[S::V; W]; C] {
        // SAFETY: the caller vouches.
        unsafe {
            let mut sums = [[S::splat(T::zero()); W]; C];
            if !self.bias.is_null() {
                for (c, sums) in sums.iter_mut().enumerate() {
                    *sums = [S::splat(*self.bias.add(c)); W];
                }
            }
            let mut from = [self.source; W];
            for (from, &at) in from.iter_mut().zip(at) {
                *from = from.add(at as usize);
            }
            let mut weights = self.weights;
            for &tap in self.taps {
                let mut x = [S::splat(T::zero()); W];
                for (x, from) in x.iter_mut().zip(&from) {
                    *x = S::load(from.add(tap as usize));
                }
                for (c, sums) in sums.iter_mut().enumerate() {
                    let w = S::splat(*weights.add(c));
                    for (sum, &x) in sums.iter_mut().zip(&x) {
                        *sum = S::fma(w, x, *sum);
                    }
                }
                weights = weights.add(C);
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn write<S: Simd<T>, const C: usize, const W: usize>(
        &self,
        sums: &[[S::V; W]; C],
        to: &[u32; W],
        lanes: &[u32; W],
    ) {
        for (j, (&to, &lanes)) in to.iter().zip(lanes).enumerate() {
            // As many lanes as there are if they are the first ones.
            let count = lanes.trailing_ones() as usize;
            for (c, sums) in sums.iter().enumerate() {
                // SAFETY: the caller vouches.
                unsafe {
                    let to = self.target.add(c * self.plane + to as usize);
                    if count == S::LANES {
                        S::store(to, sums[j]);
                    } else if lanes >> count == 0 {
                        S::store_first(to, sums[j], count);
                    } else {
                        S::store_chosen(to, sums[j], lanes);
                    }
                }
            }
        }
    }
}
