//! The gradient of the weight, sample by sample.

use ndarray::{ArrayView3, ArrayViewMut4};
use nn_core::Real;

use super::geometry::Geometry;
use super::inner::InnerProducts;
use super::map::{list_all_taps, window};
use super::memory::Pieces;
use super::outer::OuterProducts;
use super::shifted::Shifted;
use super::transposition::Transposition;
use super::window::Window;
use crate::dispatch::{lanes, run};
use crate::simd::Isa;

/// The most elements of the copies of a group that are read again and again: more would not stay in the cache.
const COPIES: usize = 1 << 16;
/// Lanes that a vector may have.
const LANES: [usize; 3] = [4, 8, 16];

/// What lies along the vectors, and how a sample of x lies that it is multiplied with.
#[derive(Clone, Copy, Debug)]
enum Along {
    /// Channels of y, as many as fill whole vectors.
    Channels(Window, usize),
    /// Positions; there are this many lanes.
    Positions(Shifted, usize),
}

impl Along {
    /// The faster of both.
    fn choose(g: &Geometry, lanes: usize) -> Self {
        let width = g.y_channels.next_multiple_of(lanes);
        // In products of one lane; reading and writing the sums of a tile takes as long as some more.
        let positions = g.y_channels * (g.y_plane().next_multiple_of(lanes) + 3 * lanes);
        let shifted = Shifted::new(g);
        if positions < width * g.y_plane() && g.x_channels * shifted.channel() <= COPIES {
            Along::Positions(shifted, lanes)
        } else {
            Along::Channels(window(g, false), width)
        }
    }

    /// Elements of the buffers for a sample of x and for channels of dy.
    fn buffers(&self, g: &Geometry) -> [usize; 2] {
        match self {
            Along::Channels(window, width) => [window.len(), width * g.y_plane()],
            Along::Positions(shifted, _) => [shifted.len(), 0],
        }
    }

    /// Elements that are summed for each tap of a group.
    fn width(&self, g: &Geometry) -> usize {
        match self {
            Along::Channels(_, width) => *width,
            Along::Positions(_, lanes) => g.y_channels * lanes,
        }
    }
}

/// d_w[o, c, k] = Σ over samples and positions p of dy[o, p]·x[c, p·stride + k·dilation − padding].
pub(super) struct WeightGradient<'a> {
    g: Geometry,
    isa: Isa,
    along: Along,
    taps: &'a [u32],
}

/// Working memory for one part of the batch.
pub(super) struct WeightBuffers<'a, F> {
    /// A sample of x.
    source: &'a mut [F],
    /// A sample of dy with the channels next to each other.
    rows: &'a mut [F],
}

/// Lengths that suffice for all instruction sets.
fn most<const N: usize>(g: &Geometry, lengths: impl Fn(&Along) -> [usize; N]) -> [usize; N] {
    let all = LANES.map(|lanes| lengths(&Along::choose(g, lanes)));
    std::array::from_fn(|i| all.iter().map(|lengths| lengths[i]).max().unwrap_or(0))
}

impl<'a, F: Real> WeightBuffers<'a, F> {
    /// Elements of working memory.
    pub(super) fn size(g: &Geometry) -> usize {
        most(g, |along| along.buffers(g)).map(Pieces::<F>::size).iter().sum()
    }
}

impl<'a> WeightGradient<'a> {
    /// `taps` has an element for each weight of a channel of y.
    pub(super) fn new<F: Real>(g: &Geometry, isa: Isa, taps: &'a mut [u32]) -> Self {
        let along = Along::choose(g, lanes::<F>(isa));
        match &along {
            Along::Channels(..) => list_all_taps(g, taps),
            Along::Positions(shifted, _) => shifted.list_taps(taps),
        }
        WeightGradient { g: *g, isa, along, taps }
    }

    /// Elements of the sums over samples.
    pub(super) fn sums(g: &Geometry) -> usize {
        let [width] = most(g, |along| [along.width(g)]);
        g.groups * g.taps() * width
    }

    /// Elements of these that are in use.
    pub(super) fn used(&self) -> usize {
        self.g.groups * self.g.taps() * self.along.width(&self.g)
    }

    /// Channels of dy, in each group, that must be there to be read, of any value.
    pub(super) fn channels(&self) -> usize {
        match self.along {
            Along::Channels(_, width) => width,
            Along::Positions(..) => self.g.y_channels,
        }
    }

    /// Cuts up working memory of [that size](WeightBuffers::size).
    pub(super) fn buffers<'b, F: Real>(&self, room: &'b mut [F]) -> WeightBuffers<'b, F> {
        let mut pieces = Pieces(room);
        let [source, rows] = self.along.buffers(&self.g).map(|len| pieces.take(len));
        source.fill(F::zero());
        WeightBuffers { source, rows }
    }

    /// Adds one sample's part to the sums, or begins them with it. What is `upcoming` will be read after that.
    pub(super) fn add<F: Real>(
        &self,
        x: &ArrayView3<'_, F>,
        (dy, upcoming): (&[F], [&[F]; 2]),
        buffers: &mut WeightBuffers<'_, F>,
        sums: &mut [F],
        accumulate: bool,
    ) {
        let g = &self.g;
        let WeightBuffers { source, rows } = buffers;
        match &self.along {
            Along::Channels(window, _) => window.fill(x, source),
            Along::Positions(shifted, _) => shifted.fill(x, source),
        }
        let (positions, planes) = (g.y_plane(), g.y_channels * g.y_plane());
        let of_group = g.taps() * self.along.width(g);
        for (group, sums) in sums.chunks_exact_mut(of_group).enumerate().take(g.groups) {
            let dy = &dy[group * planes..];
            match self.along {
                Along::Channels(window, width) => {
                    let (from, from_row, to_row) = (dy, positions, width);
                    let (cols, to) = (positions, &mut **rows);
                    run::<F, _>(self.isa, Transposition { from, from_row, rows: width, cols, to, to_row });
                    let products = OuterProducts {
                        taps: self.taps,
                        source: &source[group * g.x_channels * window.channel()..],
                        source_row: window.cols,
                        positions: g.y,
                        dy: rows,
                        width,
                        accumulate,
                        sums,
                    };
                    run::<F, _>(self.isa, products);
                }
                Along::Positions(shifted, _) => {
                    let source = &source[group * g.x_channels * shifted.channel()..];
                    let products = InnerProducts {
                        taps: self.taps,
                        source,
                        dy,
                        channels: g.y_channels,
                        positions,
                        upcoming: upcoming.map(|x| x.get(group * planes..).unwrap_or_default()),
                        accumulate,
                        sums,
                    };
                    run::<F, _>(self.isa, products);
                }
            }
        }
    }

    /// Writes the gradient, `[y channels, x channels of a group, height, width]`, from the sums over all samples.
    pub(super) fn write<F: Real>(&self, sums: &[F], mut target: ArrayViewMut4<'_, F>, accumulate: bool) {
        let (g, width) = (&self.g, self.along.width(&self.g));
        for (y, mut target) in target.outer_iter_mut().enumerate() {
            let sums = &sums[y / g.y_channels * g.taps() * width..][..g.taps() * width];
            let channel = y % g.y_channels;
            for (to, row) in target.iter_mut().zip(sums.chunks_exact(width)) {
                let sum = match self.along {
                    Along::Channels(..) => row[channel],
                    Along::Positions(_, lanes) => row[channel * lanes..][..lanes].iter().copied().sum(),
                };
                *to = if accumulate { *to + sum } else { sum };
            }
        }
    }
}
