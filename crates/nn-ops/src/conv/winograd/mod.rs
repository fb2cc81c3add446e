//! Convolutions with kernels of 3 × 3 by fewer multiplications: Winograd's F(2 × 2, 3 × 3).
//!
//! A tile of 2 × 2 elements of y is made of 4 × 4 elements d of each channel of x:
//! y = Aᵀ·(Σ_c (G·w_c·Gᵀ) ⊙ (Bᵀ·d_c·B))·A, which takes 16 products for each channel instead of 36. For each of the 16,
//! the sums over the channels of many tiles are one matrix product. Gradients go the same way back, each map replaced
//! by its transpose.
//!
//! The channels lie along the vectors, in rows of one position each. Of the 4 × 4 products of tiles, one row after
//! another is computed for as many tiles as the cache holds.
//!
//! Source: Lavin, Gray 2016, "Fast algorithms for convolutional neural networks".

mod backward;
mod forward;
#[cfg(test)]
mod tests;
mod tiles;
mod weights;

use std::ops::Range;

use ndarray::ArrayView3;
use nn_core::Real;

use super::direct::MOST_LANES;
use super::geometry::Geometry;
use super::transposition::Transposition;
use crate::dispatch::run;
use crate::simd::Isa;
pub(super) use backward::{Backward, BackwardBuffers};
pub(super) use forward::{Forward, ForwardBuffers};

/// Time of the transforms of a tile for each channel, in multiplications of the direct way.
const TILE: f64 = 230.0;
/// Time of the transforms of a weight and its gradient, in the same.
const WEIGHTS: f64 = 100.0;
/// Elements of the products of a row of tiles that lie in the cache.
const BLOCK: usize = 1 << 17;
/// Tiles from which on a block makes good use of the weights it reads.
const TILES: usize = 128;
/// Weights of a pair of channels.
const TAPS: usize = 9;

/// Channels, filled up to whole vectors of any instruction set.
fn width(channels: usize) -> usize {
    channels.next_multiple_of(MOST_LANES)
}

/// How a convolution is cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    x: Rows,
    y: Rows,
    /// Rows and columns of tiles of a sample.
    tiles: [usize; 2],
    /// Samples that are laid out together.
    samples: usize,
    /// Tiles that are multiplied together.
    block: usize,
    /// Parts of the batch.
    parts: usize,
}

/// How samples lie in a buffer: a row of channels for each position, and one that stands for all positions outside.
#[derive(Clone, Copy, Debug)]
struct Rows {
    samples: usize,
    plane: [usize; 2],
    channels: usize,
    /// The channels, filled up to whole vectors.
    width: usize,
    /// Row and column of the position at which the first tile begins.
    origin: [isize; 2],
}

impl Rows {
    fn positions(&self) -> usize {
        self.plane[0] * self.plane[1]
    }

    fn len(&self) -> usize {
        (self.samples * self.positions() + 1) * self.width
    }

    /// Writes the zeros that stand outside and in the vectors that channels do not fill.
    fn clear<F: Real>(&self, to: &mut [F]) {
        let first = if self.channels < self.width { 0 } else { self.outside() };
        to[first..].fill(F::zero());
    }

    /// Where the row outside lies.
    fn outside(&self) -> usize {
        self.samples * self.positions() * self.width
    }

    /// Where the row lies that is this far from the beginning of the first tile.
    fn offset(&self, sample: usize, place: [usize; 2]) -> usize {
        let [row, col] = [0, 1].map(|axis| place[axis].wrapping_add_signed(self.origin[axis]));
        if row >= self.plane[0] || col >= self.plane[1] {
            return self.outside();
        }
        (sample * self.positions() + row * self.plane[1] + col) * self.width
    }

    /// Lays out a sample; beyond its channels there are zeros already.
    fn fill<F: Real>(&self, isa: Isa, sample: usize, from: &ArrayView3<'_, F>, to: &mut [F]) {
        let cols = self.positions();
        let to = &mut to[sample * cols * self.width..][..cols * self.width];
        if let Some(from) = from.as_slice() {
            let (from_row, rows, to_row) = (cols, self.channels, self.width);
            return run::<F, _>(isa, Transposition { from, from_row, rows, cols, to, to_row });
        }
        for (channel, from) in from.outer_iter().enumerate() {
            for (to, &from) in to[channel..].iter_mut().step_by(self.width).zip(from) {
                *to = from;
            }
        }
    }

    /// Copies a sample back to where each channel has its plane.
    fn planes<F: Real>(&self, isa: Isa, sample: usize, from: &[F], to: &mut [F]) {
        let rows = self.positions();
        let (from, from_row) = (&from[sample * rows * self.width..][..rows * self.width], self.width);
        let (cols, to_row) = (self.channels, rows);
        run::<F, _>(isa, Transposition { from, from_row, rows, cols, to, to_row });
    }
}

impl Tiling {
    /// The tiling of a convolution, if this is the fastest way to compute it.
    pub(super) fn new<F: Real>(g: &Geometry, transposed: bool) -> Option<Self> {
        let fits = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && g.groups == 1;
        if transposed || !fits || g.x_plane() * g.work() == 0 {
            return None;
        }
        let tiles = g.y.map(|length| length.div_ceil(2));
        let [x_width, y_width] = [g.x_channels, g.y_channels].map(width);
        let count = (g.samples * tiles[0] * tiles[1]) as f64;
        let products = (x_width * y_width) as f64;
        let cost = count * (16.0 * products + TILE * (x_width + y_width) as f64) + WEIGHTS * products;
        if cost >= g.work() as f64 {
            return None;
        }
        let most = (BLOCK / 4 / (x_width + y_width)).max(TILES);
        let mut tiling = Self::of(g, tiles, (most.div_ceil(tiles[0] * tiles[1]), most), 2);
        let parts = g.parts(BackwardBuffers::<F>::size(&tiling) + tiling.sums());
        if parts > 2 {
            tiling = Self::of(g, tiles, (tiling.samples, most), parts);
        }
        Some(tiling)
    }

    /// A batch in so many parts, with no more samples together and no more tiles in a block than these.
    fn of(g: &Geometry, tiles: [usize; 2], (samples, block): (usize, usize), parts: usize) -> Self {
        let parts = parts.min(g.samples);
        let samples = samples.min(g.samples.div_ceil(parts));
        let rows =
            |plane, channels, origin| Rows { samples, plane, channels, width: width(channels), origin };
        let (x, y) = (
            rows(g.x, g.x_channels, g.padding.map(|zeros| -(zeros as isize))),
            rows(g.y, g.y_channels, [0, 0]),
        );
        let all = samples * tiles[0] * tiles[1];
        let block = all.div_ceil(all.div_ceil(block));
        Tiling { x, y, tiles, samples, block, parts }
    }

    /// Parts of the batch.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// Elements of the weights on the way to their transform: for each channel of x and each tap a row of the channels
    /// of y.
    pub(super) fn by_taps(&self) -> usize {
        self.x.channels * TAPS * self.y.width
    }

    /// Elements of the sums over samples of the weights' gradient.
    pub(super) fn sums(&self) -> usize {
        4 * self.weights()
    }

    /// Blocks of tiles that cover so many samples.
    fn blocks(&self, samples: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        super::outer::even_blocks(samples * self.tiles[0] * self.tiles[1], self.block)
    }

    /// Elements of the products of one row of a block of tiles, for a width of channels.
    fn products(&self, width: usize) -> usize {
        4 * self.block * width
    }

    /// Elements of one row of all transformed weights: four matrices of channels of x by channels of y.
    fn weights(&self) -> usize {
        4 * self.x.width * self.y.width
    }
}
