//! The backward pass over a batch.

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis};
use nn_core::{Grad, Real};

use super::geometry::Geometry;
use super::map::{Map, window};
use super::memory::Pieces;
use super::weight::{WeightBuffers, WeightGradient};
use crate::Activation;
use crate::simd;
use crate::slices::{add_into, join, sum};

/// Multiplications from which on a batch is worth a second thread.
const PARALLEL: usize = 1 << 20;
/// The most lanes of any vector.
const MOST_LANES: usize = 16;

/// What the pass is given: the input, the output where the activation needs it, and the gradient of the output.
pub(super) struct Given<'a, F> {
    pub(super) input: ArrayView4<'a, F>,
    pub(super) weight: ArrayView4<'a, F>,
    pub(super) output: Option<ArrayView4<'a, F>>,
    pub(super) d_output: ArrayView4<'a, F>,
}

/// Sizes of the pieces of working memory of each part of the batch.
#[derive(Clone, Copy)]
struct Sizes {
    window: usize,
    input: usize,
    /// A sample of y with room for whole vectors of channels behind it.
    y: usize,
    dz: usize,
    temporary: usize,
    weight: usize,
}

impl Sizes {
    fn new<F: Real>(g: &Geometry, transposed: bool) -> Self {
        let (input, output) =
            if transposed { (g.y_sample(), g.x_sample()) } else { (g.x_sample(), g.y_sample()) };
        let slack = MOST_LANES * g.y_plane();
        Sizes {
            window: window(g, !transposed).len(),
            input,
            y: g.y_sample() + slack,
            dz: output + slack,
            temporary: Map::<F>::temporary(g, !transposed),
            weight: WeightBuffers::<F>::size(g),
        }
    }

    fn part<F: Real>(&self) -> usize {
        let windows = [self.window, self.temporary, self.weight];
        let samples = [self.input, self.y, self.dz, self.dz, self.dz];
        windows.iter().chain(&samples).map(|&len| Pieces::<F>::size(len)).sum()
    }
}

/// Lengths of the sums over the samples of each part: of the weight's gradient, and of the bias's.
fn sums(g: &Geometry, transposed: bool) -> [usize; 2] {
    let out = g.groups * if transposed { g.x_channels } else { g.y_channels };
    [WeightGradient::sums(g), out]
}

/// Elements that the sums of a part take up.
fn sums_size<F: Real>(sums: [usize; 2]) -> usize {
    sums.map(Pieces::<F>::size).iter().sum()
}

/// Elements of working memory.
pub(super) fn scratch<F: Real>(g: &Geometry, transposed: bool) -> usize {
    let part = Sizes::new::<F>(g, transposed).part::<F>();
    let sums = sums_size::<F>(sums(g, transposed));
    Map::<F>::tables(g, !transposed) + Pieces::<F>::size(g.taps()) + g.parts(part + sums) * (part + sums)
}

struct Pass<'a, F> {
    g: Geometry,
    transposed: bool,
    activation: Activation,
    sizes: Sizes,
    sums: [usize; 2],
    weight: WeightGradient<'a>,
    /// The way back to the input, where its gradient is wanted.
    back: Option<Map<'a, F>>,
    wants: [bool; 2],
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

/// Buffers for the gradient before the activation, and for what it is computed from where that is not contiguous.
struct Behind<'a, F> {
    dz: &'a mut [F],
    output: &'a mut [F],
    d_output: &'a mut [F],
}

/// The other buffers of one part.
struct Buffers<'a, F> {
    window: &'a mut [F],
    input: &'a mut [F],
    y: &'a mut [F],
    temporary: &'a mut [F],
    weight: WeightBuffers<'a, F>,
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
    let sizes = Sizes::new::<F>(g, transposed);
    let sums = sums(g, transposed);
    let (part, of_sums) = (sizes.part::<F>(), sums_size::<F>(sums));
    let parts = g.parts(part + of_sums);
    let accumulate = d_input.as_ref().is_some_and(|(_, accumulate)| *accumulate);
    let back = d_input.is_some().then(|| Map::new((g, !transposed, isa), &given.weight, None, &mut pieces));
    let weight = WeightGradient::new::<F>(g, isa, pieces.take_indices(g.taps()));
    let wants = [d_weight.is_some(), d_bias.as_ref().is_some_and(|grad| grad.is_needed())];
    let pass = Pass { g: *g, transposed, activation, sizes, sums, weight, back, wants };
    let (room, totals) = (pieces.take(parts * part), pieces.take(parts * of_sums));
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
        pass.weight.write(weight, target, accumulate);
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
        let (sums0, sums1) = sums.split_at_mut(left * sums_size::<F>(self.sums));
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
            let (room0, room1) = room.split_at_mut(left * self.sizes.part::<F>());
            join(true, || first(room0), || second(room1));
        } else {
            // One part after the other, in the same memory, which stays in the cache.
            first(&mut *room);
            second(room);
        }
    }

    /// All samples of one part, one after another.
    fn part(&self, chunk: Chunk<'_, F>, accumulate: bool) {
        let Chunk { input, output, d_output, mut d_input, room, sums, .. } = chunk;
        let sizes = &self.sizes;
        let (mut sums, mut pieces) = (Pieces(sums), Pieces(room));
        let [weight_sums, bias_sums] = self.sums.map(|len| sums.take(len));
        bias_sums.fill(F::zero());
        let mut buffers = Buffers {
            window: pieces.take(sizes.window),
            input: pieces.take(sizes.input),
            y: pieces.take(sizes.y),
            temporary: pieces.take(sizes.temporary),
            weight: self.weight.buffers(pieces.take(sizes.weight)),
        };
        let [dz, output_copy, d_output_copy] = [(); 3].map(|()| pieces.take(sizes.dz));
        let mut behind = Behind { dz, output: output_copy, d_output: d_output_copy };
        if self.back.is_some() {
            buffers.window.fill(F::zero());
        }
        buffers.y[self.g.y_sample()..].fill(F::zero());
        behind.dz[self.output_len()..].fill(F::zero());
        if input.len_of(Axis(0)) == 0 {
            weight_sums.fill(F::zero());
        }
        let samples = input.len_of(Axis(0));
        for (i, input) in input.outer_iter().enumerate() {
            let next = (i + 1).min(samples - 1);
            let upcoming = [output.as_ref(), Some(&d_output)]
                .map(|y| y.and_then(|y| y.index_axis(Axis(0), next).to_slice()).unwrap_or_default());
            let output = output.as_ref().map(|y| y.index_axis(Axis(0), i));
            let d_output = d_output.index_axis(Axis(0), i);
            let dz = self.dz(output, &d_output, &mut behind);
            if self.wants[1] {
                self.add_bias(dz, bias_sums);
            }
            let target = d_input.as_mut().map(|dx| dx.index_axis_mut(Axis(0), i));
            self.sample(input, (dz, upcoming), (target, accumulate), &mut buffers, weight_sums, i > 0);
        }
    }

    /// Elements of a sample of the output.
    fn output_len(&self) -> usize {
        if self.transposed { self.g.x_sample() } else { self.g.y_sample() }
    }

    /// The gradient of the output before the activation, with room for whole vectors of channels behind it.
    fn dz<'b>(
        &self,
        output: Option<ArrayView3<'_, F>>,
        d_output: &'b ArrayView3<'_, F>,
        buffers: &'b mut Behind<'_, F>,
    ) -> &'b [F] {
        let copy = |from: &ArrayView3<'_, F>, to: &mut [F]| match from.as_slice() {
            Some(from) => to.copy_from_slice(from),
            None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
        };
        let Behind { dz: buffer, output: y_buffer, d_output: dy_buffer } = buffers;
        let dz = &mut buffer[..d_output.len()];
        let Some(output) = output else {
            return match d_output.as_slice() {
                Some(dz) if self.transposed || self.weight.channels() == self.g.y_channels => dz,
                _ => {
                    copy(d_output, dz);
                    buffer
                }
            };
        };
        let plane = if self.transposed { self.g.x_plane() } else { self.g.y_plane() };
        if let (Some(y), Some(dy)) = (output.as_slice(), d_output.as_slice()) {
            self.activation.backward_rows(y, dy, dz, None, plane);
            return buffer;
        }
        let (y, dy) = (&mut y_buffer[..dz.len()], &mut dy_buffer[..dz.len()]);
        copy(&output, y);
        copy(d_output, dy);
        self.activation.backward_rows(y, dy, dz, None, plane);
        buffer
    }

    fn add_bias(&self, dz: &[F], sums: &mut [F]) {
        let plane = if self.transposed { self.g.x_plane() } else { self.g.y_plane() };
        for (to, dz) in sums.iter_mut().zip(dz.chunks_exact(plane)) {
            *to += sum(dz);
        }
    }

    /// The gradients of one sample's input and, in sums, of the weight.
    fn sample(
        &self,
        input: ArrayView3<'_, F>,
        (dz, upcoming): (&[F], [&[F]; 2]),
        (d_input, accumulate): (Option<ArrayViewMut3<'_, F>>, bool),
        buffers: &mut Buffers<'_, F>,
        weight_sums: &mut [F],
        add: bool,
    ) {
        let g = &self.g;
        let Buffers { window, input: result, y, temporary, weight } = buffers;
        let (channels, [rows, cols]) =
            if self.transposed { (g.x_channels, g.x) } else { (g.y_channels, g.y) };
        let dz_planes = ArrayView3::from_shape((g.groups * channels, rows, cols), &dz[..self.output_len()]);
        let dz_planes = dz_planes.expect("a sample");
        if let (Some(back), Some(mut target)) = (&self.back, d_input) {
            back.window.fill(&dz_planes, window);
            match target.as_slice_mut() {
                Some(target) if !accumulate => back.run(window, temporary, target),
                _ => {
                    back.run(window, temporary, result);
                    for (to, &mut from) in target.iter_mut().zip(&mut **result) {
                        *to = if accumulate { *to + from } else { from };
                    }
                }
            }
        }
        if !self.wants[0] {
            return;
        }
        if self.transposed {
            y.iter_mut().zip(&input).for_each(|(to, &from)| *to = from);
            self.weight.add(&dz_planes, (y, [&[]; 2]), weight, weight_sums, add);
        } else {
            self.weight.add(&input, (dz, upcoming), weight, weight_sums, add);
        }
    }

    /// The sums of all parts: of the weight's gradient, and of the bias's.
    fn total<'s>(&self, sums: &'s mut [F]) -> [&'s [F]; 2] {
        let size = sums_size::<F>(self.sums);
        let (first, others) = sums.split_at_mut(size);
        let mut pieces = Pieces(first);
        let used = if self.wants[0] { self.weight.used() } else { 0 };
        let (weight, bias) = (pieces.take(self.sums[0]), pieces.take(self.sums[1]));
        for other in others.chunks_exact_mut(size) {
            let mut pieces = Pieces(other);
            add_into(&pieces.take(self.sums[0])[..used], &mut weight[..used]);
            add_into(pieces.take(self.sums[1]), bias);
        }
        [weight, bias]
    }
}
