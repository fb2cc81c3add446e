//! The backward pass over a batch.

use ndarray::{ArrayView4, ArrayViewMut4, Axis};
use nn_core::{Grad, Real};

use super::behind::{self, Behind};
use super::direct::{self, Direct};
use super::geometry::Geometry;
use super::memory::Pieces;
use super::weight::WeightGradient;
use super::winograd::{self, Tiling};
use crate::Activation;
use crate::simd;
use crate::slices::{add_into, join};

/// Multiplications from which on a batch is worth a second thread.
const PARALLEL: usize = 1 << 20;

/// What the pass is given: the input, the output where the activation needs it, and the gradient of the output.
pub(super) struct Given<'a, F> {
    pub(super) input: ArrayView4<'a, F>,
    pub(super) weight: ArrayView4<'a, F>,
    pub(super) output: Option<ArrayView4<'a, F>>,
    pub(super) d_output: ArrayView4<'a, F>,
}

/// How the working memory is laid out.
#[derive(Clone, Copy)]
struct Layout {
    tiling: Option<Tiling>,
    /// Elements for what all parts of the batch use.
    tables: usize,
    /// Elements of a sample of the output, and of the room behind it.
    output: [usize; 2],
    /// Elements for each part.
    part: usize,
    parts: usize,
    /// Lengths of the sums over the samples of each part: of the weight's gradient, and of the bias's.
    sums: [usize; 2],
}

impl Layout {
    fn new<F: Real>(g: &Geometry, transposed: bool) -> Self {
        let tiling = Tiling::new::<F>(g, transposed);
        let (channels, sample) =
            if transposed { (g.x_channels, g.x_sample()) } else { (g.y_channels, g.y_sample()) };
        let output = [sample, if tiling.is_some() { 0 } else { direct::most_room(g) }];
        let (tables, part, weight) = match &tiling {
            Some(tiling) => (
                winograd::Backward::<F>::tables(tiling),
                winograd::BackwardBuffers::<F>::size(tiling),
                tiling.sums(),
            ),
            None => (
                Direct::<F>::tables(g, transposed),
                direct::Buffers::<F>::size(g, transposed),
                WeightGradient::sums(g),
            ),
        };
        let part = part + behind::Buffers::<F>::size(output[0], output[1]);
        let mut layout =
            Layout { tiling, tables, output, part, parts: 1, sums: [weight, g.groups * channels] };
        layout.parts = tiling.map_or_else(|| g.parts(part + layout.of_sums::<F>()), |tiling| tiling.parts());
        layout
    }

    /// Elements that the sums of a part take up.
    fn of_sums<F: Real>(&self) -> usize {
        self.sums.map(Pieces::<F>::size).iter().sum()
    }
}

/// Elements of working memory.
pub(super) fn scratch<F: Real>(g: &Geometry, transposed: bool) -> usize {
    let layout = Layout::new::<F>(g, transposed);
    layout.tables + layout.parts * (layout.part + layout.of_sums::<F>())
}

struct Pass<'a, F> {
    g: Geometry,
    transposed: bool,
    activation: Activation,
    layout: Layout,
    way: Way<'a, F>,
    /// Whether the gradients of weight and bias are wanted.
    wants: [bool; 2],
}

/// How the gradients are computed.
#[expect(clippy::large_enum_variant, reason = "there is one, on the stack: nothing is allocated")]
enum Way<'a, F> {
    Direct(Direct<'a, F>),
    Winograd(winograd::Backward<'a, F>),
}

/// Some parts of the batch.
struct Chunk<'a, F> {
    input: ArrayView4<'a, F>,
    output: Option<ArrayView4<'a, F>>,
    d_output: ArrayView4<'a, F>,
    d_input: Option<ArrayViewMut4<'a, F>>,
    room: &'a mut [F],
    sums: &'a mut [F],
    parts: usize,
}

/// Gradients of input, weight (as `[y channels, x channels of a group, height, width]`) and bias.
pub(super) fn backward<F: Real>(
    (g, transposed, activation): (&Geometry, bool, Activation),
    given: &Given<'_, F>,
    [d_input, d_weight]: [Option<(ArrayViewMut4<'_, F>, bool)>; 2],
    d_bias: Option<&mut Grad<'_, F>>,
    scratch: &mut [F],
) {
    let isa = simd::current();
    let mut pieces = Pieces(scratch);
    let layout = Layout::new::<F>(g, transposed);
    let accumulate = d_input.as_ref().is_some_and(|(_, accumulate)| *accumulate);
    let weight = d_input.is_some().then_some(&given.weight);
    let by_taps = pieces.take(layout.tiling.map_or(0, |tiling| tiling.by_taps()));
    let way = match layout.tiling {
        Some(tiling) => Way::Winograd(winograd::Backward::new((tiling, isa), weight, by_taps, &mut pieces)),
        None => Way::Direct(Direct::new((g, transposed, isa), weight, &mut pieces)),
    };
    let wants = [d_weight.is_some(), d_bias.as_ref().is_some_and(|grad| grad.is_needed())];
    let pass = Pass { g: *g, transposed, activation, layout, way, wants };
    let Layout { part, parts, .. } = layout;
    let (room, totals) = (pieces.take(parts * part), pieces.take(parts * layout.of_sums::<F>()));
    let chunk = Chunk {
        input: given.input.view(),
        output: given.output.as_ref().map(|y| y.view()),
        d_output: given.d_output.view(),
        d_input: d_input.map(|(target, _)| target),
        room,
        sums: &mut *totals,
        parts,
    };
    pass.run(chunk, accumulate, g.work() >= PARALLEL && rayon::current_num_threads() > 1);
    let [weight, bias] = pass.total(totals);
    if let Some((target, accumulate)) = d_weight {
        match &pass.way {
            Way::Direct(way) => way.weight.write(weight, target, accumulate),
            Way::Winograd(way) => way.write_weight(weight, (target, accumulate), by_taps),
        }
    }
    if let Some((mut target, accumulate)) = d_bias.and_then(Grad::target) {
        for (to, &sum) in target.iter_mut().zip(bias) {
            *to = if accumulate { *to + sum } else { sum };
        }
    }
}

impl<F: Real> Pass<'_, F> {
    fn run(&self, chunk: Chunk<'_, F>, accumulate: bool, parallel: bool) {
        let Chunk { input, output, d_output, d_input, room, sums, parts } = chunk;
        let samples = input.len_of(Axis(0));
        if parts == 1 {
            return self.part(Chunk { input, output, d_output, d_input, room, sums, parts }, accumulate);
        }
        let (left, middle) = (parts / 2, samples * (parts / 2) / parts);
        let axis = Axis(0);
        let ((input0, input1), (dy0, dy1)) = (input.split_at(axis, middle), d_output.split_at(axis, middle));
        let (output0, output1) = output.map(|y| y.split_at(axis, middle)).unzip();
        let (dx0, dx1) = d_input.map(|dx| dx.split_at(axis, middle)).unzip();
        let (sums0, sums1) = sums.split_at_mut(left * self.layout.of_sums::<F>());
        let first = |room| {
            let chunk = Chunk {
                input: input0,
                output: output0,
                d_output: dy0,
                d_input: dx0,
                room,
                sums: sums0,
                parts: left,
            };
            self.run(chunk, accumulate, parallel);
        };
        let second = |room| {
            let parts = parts - left;
            let chunk = Chunk {
                input: input1,
                output: output1,
                d_output: dy1,
                d_input: dx1,
                room,
                sums: sums1,
                parts,
            };
            self.run(chunk, accumulate, parallel);
        };
        if parallel {
            let (room0, room1) = room.split_at_mut(left * self.layout.part);
            join(true, || first(room0), || second(room1));
        } else {
            // One part after the other, in the same memory, which stays in the cache.
            first(&mut *room);
            second(room);
        }
    }

    /// All samples of one part.
    fn part(&self, chunk: Chunk<'_, F>, accumulate: bool) {
        let Chunk { input, output, d_output, d_input, room, sums, .. } = chunk;
        let (mut sums, mut pieces) = (Pieces(sums), Pieces(room));
        let [weight_sums, bias_sums] = self.layout.sums.map(|len| sums.take(len));
        bias_sums.fill(F::zero());
        if input.len_of(Axis(0)) == 0 {
            return weight_sums.fill(F::zero());
        }
        let [sample, room] = self.layout.output;
        let mut behind = Behind {
            activation: self.activation,
            output,
            d_output,
            room: if let Way::Direct(way) = &self.way { way.room() } else { 0 },
            buffers: behind::Buffers::new(sample, room, &mut pieces),
            d_bias: self.wants[1].then_some(bias_sums),
        };
        let sums = self.wants[0].then_some(weight_sums);
        let d_input = (d_input, accumulate);
        match &self.way {
            Way::Direct(way) => {
                let buffers = direct::Buffers::new(&self.g, self.transposed, &mut pieces);
                way.run(&input, &mut behind, d_input, buffers, sums);
            }
            Way::Winograd(way) => way.run(&input, &mut behind, d_input, &mut pieces, sums),
        }
    }

    /// The sums of all parts: of the weight's gradient, and of the bias's.
    fn total<'s>(&self, sums: &'s mut [F]) -> [&'s [F]; 2] {
        let lengths = self.layout.sums;
        let (first, others) = sums.split_at_mut(self.layout.of_sums::<F>());
        let mut pieces = Pieces(first);
        let used = match &self.way {
            _ if !self.wants[0] => 0,
            Way::Direct(way) => way.weight.used(),
            Way::Winograd(_) => lengths[0],
        };
        let [weight, bias] = lengths.map(|len| pieces.take(len));
        for other in others.chunks_exact_mut(self.layout.of_sums::<F>()) {
            let mut pieces = Pieces(other);
            add_into(&pieces.take(lengths[0])[..used], &mut weight[..used]);
            add_into(pieces.take(lengths[1]), bias);
        }
        [weight, bias]
    }
}
