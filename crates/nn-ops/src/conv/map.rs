//! The two linear maps of a convolution, from x to y and back, prepared for a batch and run sample by sample.

use ndarray::ArrayView4;
use nn_core::Real;

use super::geometry::Geometry;
use super::memory::Pieces;
use super::tile::{Correlation, Vectors, blocks, channels_of_tile};
use super::window::Window;
use crate::dispatch::{lanes, run};
use crate::simd::Isa;

/// The fewest lanes of any vector: what tables are sized for.
const LEAST_LANES: usize = 4;

/// The rows and columns of the result that lie `stride` apart and begin at `first`, and the weights they are made with.
///
/// Along each axis, `taps` are (first, count, step) of the kernel's elements.
#[derive(Clone, Copy)]
struct Phase {
    first: [usize; 2],
    count: [usize; 2],
    taps: [(usize, usize, usize); 2],
}

impl Phase {
    fn taps(&self) -> usize {
        self.taps[0].1 * self.taps[1].1
    }

    fn plane(&self) -> usize {
        self.count[0] * self.count[1]
    }
}

/// A map, its tables and its weights.
pub(super) struct Map<'a, F> {
    g: Geometry,
    /// Whether it goes from y to x.
    transposed: bool,
    isa: Isa,
    pub(super) window: Window,
    /// For each phase the offsets of its taps, in a group.
    taps: &'a [u32],
    /// For each phase its vectors; the number of each phase's stands in `counts`.
    vectors: [&'a [u32]; 3],
    counts: &'a [u32],
    /// For each group and phase the weights, in blocks of channels.
    weights: &'a [F],
    bias: Option<&'a [F]>,
}

impl<'a, F: Real> Map<'a, F> {
    /// Elements of working memory for the tables and weights.
    pub(super) fn tables(g: &Geometry, transposed: bool) -> usize {
        let phases = phase_count(g, transposed);
        let weights = g.groups * g.y_channels * g.taps();
        Pieces::<F>::size(phases)
            + Pieces::<F>::size(weights)
            + Pieces::<F>::size(taps_count(g, transposed))
            + 3 * Pieces::<F>::size(vectors_bound(g, transposed))
            + Pieces::<F>::size(g.groups * g.x_channels.max(g.y_channels))
    }

    /// Elements of working memory for a sample, beside the window.
    pub(super) fn temporary(g: &Geometry, transposed: bool) -> usize {
        if transposed && g.stride != [1, 1] { g.x_channels * g.x_plane() } else { 0 }
    }

    /// The map with a weight `[y channels, x channels of a group, height, width]` and a bias for each channel of the
    /// result.
    pub(super) fn new(
        (g, transposed, isa): (&Geometry, bool, Isa),
        weight: &ArrayView4<'_, F>,
        bias: Option<&ndarray::ArrayView1<'_, F>>,
        pieces: &mut Pieces<'a, F>,
    ) -> Self {
        let window = window(g, transposed);
        let taps = pieces.take_indices(taps_count(g, transposed));
        let counts = pieces.take_indices(phase_count(g, transposed));
        let bound = vectors_bound(g, transposed);
        let mut lists = [(); 3].map(|()| pieces.take_indices(bound));
        let weights = pieces.take(g.groups * g.y_channels * g.taps());
        let bias = bias.map(|bias| {
            let copy = pieces.take(bias.len());
            copy.iter_mut().zip(bias).for_each(|(to, &from)| *to = from);
            &*copy
        });
        let (mut tap, mut vector) = (0, 0);
        for (i, phase) in phases(g, transposed).enumerate() {
            tap += list_taps(g, transposed, &window, &phase, &mut taps[tap..]);
            let lists = lists.each_mut().map(|list| &mut list[vector..]);
            let width = (lanes::<F>(isa), isa == Isa::Avx512);
            let count = list_vectors(phase.count, window.cols, width, lists);
            counts[i] = count as u32;
            vector += count;
        }
        pack_weights(g, transposed, channels_of_tile(isa), weight, weights);
        let vectors = lists.map(|list| &*list);
        Map { g: *g, transposed, isa, window, taps, vectors, counts, weights, bias }
    }

    /// As [`temporary`](Self::temporary).
    pub(super) fn temporary_len(&self) -> usize {
        Self::temporary(&self.g, self.transposed)
    }

    /// Maps the sample that lies in the window. `temporary` has as many elements as [`temporary`](Self::temporary)
    /// says.
    pub(super) fn run(&self, source: &[F], temporary: &mut [F], target: &mut [F]) {
        let g = &self.g;
        let (from, to) =
            if self.transposed { (g.y_channels, g.x_channels) } else { (g.x_channels, g.y_channels) };
        let plane = if self.transposed { g.x_plane() } else { g.y_plane() };
        let direct = !self.transposed || g.stride == [1, 1];
        let mut weights = self.weights;
        for (group, target) in target.chunks_exact_mut((to * plane).max(1)).enumerate().take(g.groups) {
            let source = &source[group * from * self.window.channel()..];
            let bias = self.bias.map(|bias| &bias[group * to..(group + 1) * to]);
            let (mut tap, mut vector) = (0, 0);
            for (phase, &count) in phases(g, self.transposed).zip(self.counts) {
                let taps = &self.taps[tap..tap + from * phase.taps()];
                let vectors = self.vectors.map(|list| &list[vector..vector + count as usize]);
                let [from, at, lanes] = vectors;
                let vectors = Vectors { from, to: at, lanes };
                tap += taps.len();
                vector += count as usize;
                let (of_phase, rest) = weights.split_at(to * taps.len());
                weights = rest;
                let result = if direct { &mut *target } else { &mut temporary[..to * phase.plane()] };
                let correlation = Correlation {
                    taps,
                    weights: of_phase,
                    channels: to,
                    bias,
                    source,
                    vectors,
                    target: result,
                    plane: phase.plane(),
                };
                run::<F, _>(self.isa, correlation);
                if !direct {
                    spread(&phase, g, temporary, target);
                }
            }
        }
    }
}

/// How a sample lies that the map is to read.
pub(super) fn window(g: &Geometry, transposed: bool) -> Window {
    if transposed { Window::of_y(g) } else { Window::of_x(g) }
}

fn phase_count(g: &Geometry, transposed: bool) -> usize {
    let [down, right] = phases_along(g, transposed);
    down * right
}

/// Taps of all phases together.
fn taps_count(g: &Geometry, transposed: bool) -> usize {
    let channels = if transposed { g.y_channels } else { g.x_channels };
    channels * g.kernel[0] * g.kernel[1]
}

/// At least as many vectors as all phases have.
fn vectors_bound(g: &Geometry, transposed: bool) -> usize {
    phases(g, transposed).map(|phase| phase.count[0] * phase.count[1].div_ceil(LEAST_LANES)).sum()
}

/// The number of phases along each axis.
fn phases_along(g: &Geometry, transposed: bool) -> [usize; 2] {
    if transposed { [0, 1].map(|axis| g.stride[axis].min(g.x[axis])) } else { [1, 1] }
}

/// The phases: one from x to y; in the other direction one for each row and column of x that is the first whose place,
/// divided by the stride, leaves its remainder.
fn phases(g: &Geometry, transposed: bool) -> impl Iterator<Item = Phase> + use<> {
    let g = *g;
    let [down, right] = phases_along(&g, transposed);
    (0..down * right).map(move |i| {
        if !transposed {
            let taps = g.kernel.map(|kernel| (0, kernel, 1));
            return Phase { first: [0, 0], count: g.y, taps };
        }
        let first = [i / right, i % right];
        let axes = [0, 1].map(|axis| phase_along(&g, axis, first[axis]));
        Phase { first, count: axes.map(|(count, _)| count), taps: axes.map(|(_, taps)| taps) }
    })
}

/// Along one axis, of the elements of x whose place in the padded x leaves the same remainder as this one, which is the
/// first: how many, and (first, count, step) of the kernel's elements that reach them.
fn phase_along(g: &Geometry, axis: usize, first: usize) -> (usize, (usize, usize, usize)) {
    let stride = g.stride[axis];
    let remainder = (first + g.padding[axis]) % stride;
    let count = (g.x[axis] - first).div_ceil(stride);
    let reaches = |k: &usize| (k * g.dilation[axis]) % stride == remainder;
    let mut taps = (0..g.kernel[axis]).filter(reaches);
    let taps = match (taps.next(), taps.next()) {
        (None, _) => (0, 0, 1),
        (Some(first), None) => (first, 1, 1),
        (Some(first), Some(second)) => (first, 2 + taps.count(), second - first),
    };
    (count, taps)
}

/// Lists the offsets of the taps of a phase, by channel, row and column of the kernel, and returns how many they are.
fn list_taps(g: &Geometry, transposed: bool, window: &Window, phase: &Phase, to: &mut [u32]) -> usize {
    let channels = if transposed { g.y_channels } else { g.x_channels };
    let place = |axis: usize, k: usize| {
        let reach = k * g.dilation[axis];
        if !transposed {
            return reach;
        }
        // Row p = first + padding of the padded x is made of row (p − reach) / stride of y.
        let row = (phase.first[axis] + g.padding[axis]) as isize - reach as isize;
        (row / g.stride[axis] as isize - window.origin(axis)) as usize
    };
    let [(top, height, down), (left, width, right)] = phase.taps;
    let places = (0..channels).flat_map(|channel| {
        (0..height).flat_map(move |i| (0..width).map(move |j| (channel, top + i * down, left + j * right)))
    });
    let mut count = 0;
    for ((channel, i, j), to) in places.zip(to) {
        *to = window.offset(channel, [place(0, i), place(1, j)]) as u32;
        count += 1;
    }
    count
}

/// Lists the vectors that cover rows and columns of a result, where rows of the source are `source_cols` apart: where
/// each is read, where it is written, and which of its lanes; returns how many they are.
///
/// Either each row is a number of vectors, or the vectors run on from row to row and skip what lies between, where the
/// machine `skips`: whichever are fewer.
fn list_vectors(
    [rows, cols]: [usize; 2],
    source_cols: usize,
    (lanes, skips): (usize, bool),
    [from, to, chosen]: [&mut [u32]; 3],
) -> usize {
    if rows * cols == 0 {
        return 0;
    }
    let by_rows = rows * cols.div_ceil(lanes);
    let length = (rows - 1) * source_cols + cols;
    let mut count = 0;
    let mut push = |source: usize, target: usize, bits: u32| {
        (from[count], to[count], chosen[count]) = (source as u32, target as u32, bits);
        count += 1;
    };
    if !skips || by_rows <= length.div_ceil(lanes) {
        for row in 0..rows {
            for col in (0..cols).step_by(lanes) {
                let width = lanes.min(cols - col);
                push(row * source_cols + col, row * cols + col, (1 << width) - 1);
            }
        }
        return count;
    }
    for start in (0..length).step_by(lanes) {
        let inside = |lane: &usize| start + lane < length && (start + lane) % source_cols < cols;
        let bits = (0..lanes).filter(inside).fold(0u32, |bits, lane| bits | 1 << lane);
        if bits != 0 {
            let first = start + bits.trailing_zeros() as usize;
            push(start, first / source_cols * cols + first % source_cols, bits);
        }
    }
    count
}

/// Lists the offsets in a window of x, in a group, of what each weight is multiplied with.
pub(super) fn list_all_taps(g: &Geometry, to: &mut [u32]) {
    for phase in phases(g, false) {
        list_taps(g, false, &window(g, false), &phase, to);
    }
}

/// Packs the weights as the tiles read them: for each group, phase and block of channels, rows of one weight a channel.
fn pack_weights<F: Real>(
    g: &Geometry,
    transposed: bool,
    most: usize,
    weight: &ArrayView4<'_, F>,
    to: &mut [F],
) {
    let (from, channels) =
        if transposed { (g.y_channels, g.x_channels) } else { (g.x_channels, g.y_channels) };
    let mut to = to.iter_mut();
    for group in 0..g.groups {
        for phase in phases(g, transposed) {
            let [(top, height, down), (left, width, right)] = phase.taps;
            for block in blocks(channels, most) {
                for channel in 0..from {
                    for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
                        for c in block.clone() {
                            let (y, x) = if transposed { (channel, c) } else { (c, channel) };
                            let at = [group * g.y_channels + y, x, top + i * down, left + j * right];
                            *to.next().expect("room for all weights") = weight[at];
                        }
                    }
                }
            }
        }
    }
}

/// Puts the elements of a phase where they belong among those of x, in one group.
fn spread<F: Real>(phase: &Phase, g: &Geometry, from: &[F], to: &mut [F]) {
    let ([rows, cols], [top, left]) = (phase.count, phase.first);
    if rows * cols == 0 {
        return;
    }
    for (from, to) in from.chunks_exact(rows * cols).zip(to.chunks_exact_mut(g.x_plane())) {
        for (from, to) in from.chunks_exact(cols).zip(to.chunks_mut(g.x[1]).skip(top).step_by(g.stride[0])) {
            let places = to.iter_mut().skip(left).step_by(g.stride[1]);
            places.zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}
