//! The forward pass over a batch.

use ndarray::{ArrayView1, ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis};
use nn_core::Real;

use super::geometry::Geometry;
use super::map::Map;
use super::memory::Pieces;
use crate::Activation;
use crate::simd;
use crate::slices::join;

/// Multiplications from which on a batch is worth a second thread.
const PARALLEL: usize = 1 << 20;

/// Elements of working memory for one part of the batch.
fn part<F: Real>(g: &Geometry, transposed: bool) -> usize {
    let window = super::map::window(g, transposed).len();
    let result = if transposed { g.x_sample() } else { g.y_sample() };
    Pieces::<F>::size(window)
        + Pieces::<F>::size(Map::<F>::temporary(g, transposed))
        + Pieces::<F>::size(result)
}

/// Elements of working memory.
pub(super) fn scratch<F: Real>(g: &Geometry, transposed: bool) -> usize {
    let part = part::<F>(g, transposed);
    Map::<F>::tables(g, transposed) + g.parts(part) * part
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
    let map = Map::new((g, transposed, simd::current()), weight, bias, &mut pieces);
    let part = part::<F>(g, transposed);
    let parts = g.parts(part);
    let room = pieces.take(parts * part);
    let pass = Pass { map, activation, part, plane: if transposed { g.x_plane() } else { g.y_plane() } };
    pass.run(Chunk { x, y, room, parts }, g.work() >= PARALLEL);
}

struct Pass<'a, F> {
    map: Map<'a, F>,
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
        let window = pieces.take(self.map.window.len());
        window.fill(F::zero());
        let temporary = pieces.take(self.map.temporary_len());
        let spare = pieces.take(y.len() / y.len_of(Axis(0)).max(1));
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            self.sample(x, y, window, temporary, spare);
        }
    }

    fn sample(
        &self,
        x: ArrayView3<'_, F>,
        mut y: ArrayViewMut3<'_, F>,
        window: &mut [F],
        temporary: &mut [F],
        spare: &mut [F],
    ) {
        self.map.window.fill(&x, window);
        let mut into = |target: &mut [F]| {
            self.map.run(window, temporary, target);
            if self.activation != Activation::Identity {
                self.activation.activate_rows(target, None, self.plane);
            }
        };
        match y.as_slice_mut() {
            Some(target) => into(target),
            None => {
                into(spare);
                y.iter_mut().zip(spare).for_each(|(to, &mut from)| *to = from);
            }
        }
    }
}
