//! The gradients of a convolution's input and weight, each sample by itself.

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis};
use nn_core::Real;

use super::behind::{Behind, Gradient};
use super::geometry::Geometry;
use super::map::{Map, window};
use super::memory::{Pieces, write_sample};
use super::weight::{WeightBuffers, WeightGradient};
use crate::simd::Isa;

/// The most lanes of any vector.
pub(super) const MOST_LANES: usize = 16;

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
        if self.back.is_some() {
            buffers.window.fill(F::zero());
        }
        let mut of_weight = self.weight.buffers(std::mem::take(&mut buffers.weight));
        for (i, input) in input.outer_iter().enumerate() {
            let gradient = behind.sample(i);
            if let Some(target) = d_input.as_mut() {
                self.input(&gradient, (target.index_axis_mut(Axis(0), i), accumulate), &mut buffers);
            }
            if let Some(sums) = sums.as_deref_mut() {
                self.weight(input, &gradient, buffers.y, &mut of_weight, (sums, i > 0));
            }
        }
    }

    /// The gradient of a sample's input.
    fn input(
        &self,
        gradient: &Gradient<'_, F>,
        (target, accumulate): (ArrayViewMut3<'_, F>, bool),
        Buffers { window, input, temporary, .. }: &mut Buffers<'_, F>,
    ) {
        let Some(back) = &self.back else { return };
        back.window.fill(&gradient.planes(), window);
        write_sample(target, accumulate, input, |to| back.run(window, temporary, to));
    }

    /// Adds a sample's part of the weight's gradient to the sums, or begins them with it.
    fn weight(
        &self,
        input: ArrayView3<'_, F>,
        gradient: &Gradient<'_, F>,
        y: &mut [F],
        buffers: &mut WeightBuffers<'_, F>,
        (sums, add): (&mut [F], bool),
    ) {
        if self.transposed {
            y.iter_mut().zip(&input).for_each(|(to, &from)| *to = from);
            self.weight.add(&gradient.planes(), (y, [&[]; 2]), buffers, sums, add);
        } else {
            self.weight.add(&input, (gradient.dz, gradient.upcoming), buffers, sums, add);
        }
    }
}
