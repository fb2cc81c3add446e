//! The gradients of a convolution's input and weight, each sample by itself.

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis};
use nn_core::Real;

use super::behind::{Behind, Gradient};
use super::geometry::Geometry;
use super::map::{Map, window};
use super::memory::Pieces;
use super::weight::{WeightBuffers, WeightGradient};
use crate::simd::Isa;

/// The most lanes of any vector.
const MOST_LANES: usize = 16;

/// A convolution or its transpose, as its gradients are computed.
pub(super) struct Direct<'a, F> {
    g: Geometry,
    transposed: bool,
    pub(super) weight: WeightGradient<'a>,
    /// The way back to the input, where its gradient is wanted.
    back: Option<Map<'a, F>>,
}

/// Working memory for one part of the batch.
pub(super) struct Buffers<'a, F> {
    window: &'a mut [F],
    input: &'a mut [F],
    /// A sample of y with room for whole vectors of channels behind it.
    y: &'a mut [F],
    temporary: &'a mut [F],
    weight: &'a mut [F],
}

/// Elements behind a sample of y that its channels may need to fill vectors.
pub(super) fn most_room(g: &Geometry) -> usize {
    MOST_LANES * g.y_plane()
}

impl<'a, F: Real> Buffers<'a, F> {
    fn lengths(g: &Geometry, transposed: bool) -> [usize; 5] {
        [
            window(g, !transposed).len(),
            if transposed { g.y_sample() } else { g.x_sample() },
            g.y_sample() + most_room(g),
            Map::<F>::temporary(g, !transposed),
            WeightBuffers::<F>::size(g),
        ]
    }

    /// Elements of working memory.
    pub(super) fn size(g: &Geometry, transposed: bool) -> usize {
        Self::lengths(g, transposed).map(Pieces::<F>::size).iter().sum()
    }

    /// Cuts up working memory of that size.
    pub(super) fn new(g: &Geometry, transposed: bool, pieces: &mut Pieces<'a, F>) -> Self {
        let [window, input, y, temporary, weight] = Self::lengths(g, transposed).map(|len| pieces.take(len));
        window.fill(F::zero());
        y[g.y_sample()..].fill(F::zero());
        Buffers { window, input, y, temporary, weight }
    }
}

impl<'a, F: Real> Direct<'a, F> {
    /// Elements of working memory for tables and weights.
    pub(super) fn tables(g: &Geometry, transposed: bool) -> usize {
        Map::<F>::tables(g, !transposed) + Pieces::<F>::size(g.taps())
    }

    /// The gradients, that of the input if a weight is given.
    pub(super) fn new(
        (g, transposed, isa): (&Geometry, bool, Isa),
        weight: Option<&ArrayView4<'_, F>>,
        pieces: &mut Pieces<'a, F>,
    ) -> Self {
        let back = weight.map(|weight| Map::new((g, !transposed, isa), weight, None, pieces));
        let weight = WeightGradient::new::<F>(g, isa, pieces.take_indices(g.taps()));
        Direct { g: *g, transposed, weight, back }
    }

    /// Elements behind each sample of the output's gradient that are read, of any value.
    pub(super) fn room(&self) -> usize {
        if self.transposed { 0 } else { (self.weight.channels() - self.g.y_channels) * self.g.y_plane() }
    }

    /// The gradients of the samples' inputs and, in sums where they are wanted, of the weight.
    pub(super) fn run(
        &self,
        input: &ArrayView4<'_, F>,
        behind: &mut Behind<'_, F>,
        (mut d_input, accumulate): (Option<ArrayViewMut4<'_, F>>, bool),
        mut buffers: Buffers<'_, F>,
        mut sums: Option<&mut [F]>,
    ) {
        let mut of_weight = self.weight.buffers(std::mem::take(&mut buffers.weight));
        for (i, input) in input.outer_iter().enumerate() {
            let gradient = behind.sample(i);
            if let Some(target) = d_input.as_mut() {
                self.input(gradient.dz, (target.index_axis_mut(Axis(0), i), accumulate), &mut buffers);
            }
            if let Some(sums) = sums.as_deref_mut() {
                self.weight(input, &gradient, buffers.y, &mut of_weight, (sums, i > 0));
            }
        }
    }

    /// The gradient of a sample's input.
    fn input(
        &self,
        dz: &[F],
        (mut target, accumulate): (ArrayViewMut3<'_, F>, bool),
        Buffers { window, input, temporary, .. }: &mut Buffers<'_, F>,
    ) {
        let Some(back) = &self.back else { return };
        let g = &self.g;
        let (channels, [rows, cols]) =
            if self.transposed { (g.x_channels, g.x) } else { (g.y_channels, g.y) };
        let shape = (g.groups * channels, rows, cols);
        let planes = ArrayView3::from_shape(shape, &dz[..g.groups * channels * rows * cols]);
        back.window.fill(&planes.expect("a sample"), window);
        match target.as_slice_mut() {
            Some(target) if !accumulate => back.run(window, temporary, target),
            _ => {
                back.run(window, temporary, input);
                for (to, &mut from) in target.iter_mut().zip(&mut **input) {
                    *to = if accumulate { *to + from } else { from };
                }
            }
        }
    }

    /// Adds a sample's part of the weight's gradient to the sums, or begins them with it.
    fn weight(
        &self,
        input: ArrayView3<'_, F>,
        &Gradient { dz, upcoming }: &Gradient<'_, F>,
        y: &mut [F],
        buffers: &mut WeightBuffers<'_, F>,
        (sums, add): (&mut [F], bool),
    ) {
        if self.transposed {
            let g = &self.g;
            let planes =
                ArrayView3::from_shape((g.groups * g.x_channels, g.x[0], g.x[1]), &dz[..g.x_sample()]);
            y.iter_mut().zip(&input).for_each(|(to, &from)| *to = from);
            self.weight.add(&planes.expect("a sample"), (y, [&[]; 2]), buffers, sums, add);
        } else {
            self.weight.add(&input, (dz, upcoming), buffers, sums, add);
        }
    }
}
