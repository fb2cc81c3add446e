//! The forward pass over a batch.

use ndarray::{ArrayView1, ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis};
use nn_core::Real;

use super::geometry::Geometry;
use super::map::Map;
use super::memory::{Pieces, write_sample};
use super::winograd::{Forward, ForwardBuffers, Tiling};
use crate::Activation;
use crate::simd;
use crate::slices::join;

/// Multiplications from which on a batch is worth a second thread.
const PARALLEL: usize = 1 << 20;

/// How the working memory is laid out.
struct Layout {
    tiling: Option<Tiling>,
    /// Elements for what all parts of the batch use.
    tables: usize,
    /// Elements for each part.
    part: usize,
    parts: usize,
}

impl Layout {
    fn new<F: Real>(g: &Geometry, transposed: bool) -> Self {
        let result = Pieces::<F>::size(if transposed { g.x_sample() } else { g.y_sample() });
        if let Some(tiling) = Tiling::new::<F>(g, transposed) {
            let (tables, part) = (Forward::<F>::tables(&tiling), ForwardBuffers::<F>::size(&tiling));
            return Layout { tiling: Some(tiling), tables, part: part + result, parts: tiling.parts() };
        }
        let lengths = [super::map::window(g, transposed).len(), Map::<F>::temporary(g, transposed)];
        let part = lengths.map(Pieces::<F>::size).iter().sum::<usize>() + result;
        Layout { tiling: None, tables: Map::<F>::tables(g, transposed), part, parts: g.parts(part) }
    }
}

/// Elements of working memory.
pub(super) fn scratch<F: Real>(g: &Geometry, transposed: bool) -> usize {
    let layout = Layout::new::<F>(g, transposed);
    layout.tables + layout.parts * layout.part
}

/// y = activation(map of x + bias), where the map is a convolution or the transpose of one.
pub(super) fn forward<F: Real>(
    (g, transposed, activation): (&Geometry, bool, Activation),
    x: ArrayView4<'_, F>,
    (weight, bias): (&ArrayView4<'_, F>, Option<&ArrayView1<'_, F>>),
    y: ArrayViewMut4<'_, F>,
    scratch: &mut [F],
) {
    let mut pieces = Pieces(scratch);
    let isa = simd::current();
    let Layout { tiling, part, parts, .. } = Layout::new::<F>(g, transposed);
    let way = match tiling {
        Some(tiling) => Way::Winograd(Forward::new((tiling, isa), weight, bias, &mut pieces)),
        None => Way::Direct(Map::new((g, transposed, isa), weight, bias, &mut pieces)),
    };
    let room = pieces.take(parts * part);
    let pass = Pass { way, activation, part, plane: if transposed { g.x_plane() } else { g.y_plane() } };
    pass.run(Chunk { x, y, room, parts }, g.work() >= PARALLEL);
}

/// How the map is computed.
enum Way<'a, F> {
    Direct(Map<'a, F>),
    Winograd(Forward<'a, F>),
}

struct Pass<'a, F> {
    way: Way<'a, F>,
    activation: Activation,
    /// Elements of working memory for one part.
    part: usize,
    /// Elements in a channel of the result.
    plane: usize,
}

/// Some parts of the batch.
struct Chunk<'a, F> {
    x: ArrayView4<'a, F>,
    y: ArrayViewMut4<'a, F>,
    room: &'a mut [F],
    parts: usize,
}

impl<F: Real> Pass<'_, F> {
    fn run(&self, chunk: Chunk<'_, F>, parallel: bool) {
        let Chunk { x, mut y, room, parts } = chunk;
        if parts > 1 && parallel && rayon::current_num_threads() > 1 {
            let (left, middle) = (parts / 2, x.len_of(Axis(0)) * (parts / 2) / parts);
            let ((x0, x1), (y0, y1)) = (x.split_at(Axis(0), middle), y.split_at(Axis(0), middle));
            let (room0, room1) = room.split_at_mut(left * self.part);
            let first = Chunk { x: x0, y: y0, room: room0, parts: left };
            let second = Chunk { x: x1, y: y1, room: room1, parts: parts - left };
            join(true, || self.run(first, true), || self.run(second, true));
            return;
        }
        let mut pieces = Pieces(room);
        let spare = pieces.take(y.len() / y.len_of(Axis(0)).max(1));
        match &self.way {
            Way::Winograd(map) => map.run((x, y), self.activation, &mut pieces, spare),
            Way::Direct(map) => {
                let window = pieces.take(map.window.len());
                window.fill(F::zero());
                let temporary = pieces.take(map.temporary_len());
                for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
                    self.sample(map, x, y, window, temporary, spare);
                }
            }
        }
    }

    fn sample(
        &self,
        map: &Map<'_, F>,
        x: ArrayView3<'_, F>,
        y: ArrayViewMut3<'_, F>,
        window: &mut [F],
        temporary: &mut [F],
        spare: &mut [F],
    ) {
        map.window.fill(&x, window);
        write_sample(y, false, spare, |target| {
            map.run(window, temporary, target);
            if self.activation != Activation::Identity {
                self.activation.activate_rows(target, None, self.plane);
            }
        });
    }
}
