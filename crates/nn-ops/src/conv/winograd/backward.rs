//! The backward pass over the samples of one part of a batch.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, Axis};
use nn_core::Real;

use super::super::behind::Behind;
use super::super::memory::{Pieces, write_sample};
use super::forward::{matrix, matrix_mut};
use super::tiles::{Tiles, Way};
use super::{Tiling, weights};
use crate::dispatch::run;
use crate::gemm::gemm_alone;
use crate::simd::Isa;

/// A convolution, and its transformed weights where the gradient of x is wanted.
pub(crate) struct Backward<'a, F> {
    tiling: Tiling,
    isa: Isa,
    weights: Option<&'a [F]>,
}

/// Working memory for one part of the batch.
pub(crate) struct BackwardBuffers<'a, F> {
    x: &'a mut [F],
    dy: &'a mut [F],
    dx: &'a mut [F],
    inputs: &'a mut [F],
    outputs: &'a mut [F],
    /// A sample of x.
    spare: &'a mut [F],
}

impl<'a, F: Real> BackwardBuffers<'a, F> {
    fn lengths(tiling: &Tiling) -> [usize; 6] {
        let [inputs, outputs] = [&tiling.x, &tiling.y].map(|rows| tiling.products(rows.width));
        let sample = tiling.x.channels * tiling.x.positions();
        [tiling.x.len(), tiling.y.len(), tiling.x.len(), inputs, outputs, sample]
    }

    /// Elements of working memory.
    pub(crate) fn size(tiling: &Tiling) -> usize {
        Self::lengths(tiling).map(Pieces::<F>::size).iter().sum()
    }

    fn new(tiling: &Tiling, pieces: &mut Pieces<'a, F>) -> Self {
        let [x, dy, dx, inputs, outputs, spare] = Self::lengths(tiling).map(|len| pieces.take(len));
        tiling.x.clear(x);
        tiling.y.clear(dy);
        BackwardBuffers { x, dy, dx, inputs, outputs, spare }
    }
}

impl<'a, F: Real> Backward<'a, F> {
    /// Elements of working memory for the weights and their gradient.
    pub(crate) fn tables(tiling: &Tiling) -> usize {
        [4 * tiling.weights(), tiling.by_taps()].map(Pieces::<F>::size).iter().sum()
    }

    /// The convolution with a weight `[y channels, x channels, 3, 3]`, if the gradient of x is wanted.
    pub(crate) fn new(
        (tiling, isa): (Tiling, Isa),
        weight: Option<&ArrayView4<'_, F>>,
        by_taps: &mut [F],
        pieces: &mut Pieces<'a, F>,
    ) -> Self {
        let weights = weight.map(|weight| {
            let to = pieces.take(4 * tiling.weights());
            weights::transform((&tiling, isa), weight, by_taps, to);
            &*to
        });
        Backward { tiling, isa, weights }
    }

    /// The gradients of the samples' inputs and, in sums where they are wanted, of the transformed weights.
    pub(crate) fn run(
        &self,
        input: &ArrayView4<'_, F>,
        behind: &mut Behind<'_, F>,
        (mut d_input, accumulate): (Option<ArrayViewMut4<'_, F>>, bool),
        pieces: &mut Pieces<'_, F>,
        mut sums: Option<&mut [F]>,
    ) {
        let Tiling { x, y, samples, .. } = &self.tiling;
        let mut buffers = BackwardBuffers::new(&self.tiling, pieces);
        let count = input.len_of(Axis(0));
        for first in (0..count).step_by(*samples) {
            let group = first..count.min(first + samples);
            for (to, i) in group.clone().enumerate() {
                if sums.is_some() {
                    x.fill(self.isa, to, &input.index_axis(Axis(0), i), buffers.x);
                }
                y.fill(self.isa, to, &behind.sample(i).planes(), buffers.dy);
            }
            self.group(group.len(), &mut buffers, (sums.as_deref_mut(), first > 0));
            for (from, i) in group.enumerate() {
                if let Some(target) = d_input.as_mut() {
                    let (target, dx) = (target.index_axis_mut(Axis(0), i), &*buffers.dx);
                    write_sample(target, accumulate, buffers.spare, |to| x.planes(self.isa, from, dx, to));
                }
            }
        }
    }

    /// The gradient of the samples that are laid out and, added to the sums or beginning them, that of the transformed
    /// weights.
    fn group(
        &self,
        samples: usize,
        buffers: &mut BackwardBuffers<'_, F>,
        (mut sums, add): (Option<&mut [F]>, bool),
    ) {
        let tiling = &self.tiling;
        buffers.dx.fill(F::zero());
        for (n, block) in tiling.blocks(samples).enumerate() {
            for row in 0..4 {
                self.row(block.clone(), row, buffers, (sums.as_deref_mut(), add || n > 0));
            }
        }
    }

    /// One row of the products of a block of tiles.
    fn row(
        &self,
        block: Range<usize>,
        row: usize,
        buffers: &mut BackwardBuffers<'_, F>,
        (sums, add): (Option<&mut [F]>, bool),
    ) {
        let (tiling, count) = (&self.tiling, block.len());
        let BackwardBuffers { x, dy, dx, inputs, outputs, .. } = buffers;
        let (x_width, y_width) = (tiling.x.width, tiling.y.width);
        let pass = |way: Way, rows: &mut [F], products: &mut [F]| {
            run::<F, _>(self.isa, Tiles { way, tiling, block: block.clone(), row, rows, products });
        };
        pass(Way::OutputBack, dy, outputs);
        if let Some(sums) = sums {
            pass(Way::Input, x, inputs);
            for i in 0..4 {
                let a = matrix(inputs, i, [count, x_width]).reversed_axes();
                let b = matrix(outputs, i, [count, y_width]);
                let beta = if add { F::one() } else { F::zero() };
                gemm_alone(F::one(), a, b, beta, matrix_mut(sums, 4 * row + i, [x_width, y_width]));
            }
        }
        if let Some(weights) = self.weights {
            for i in 0..4 {
                let a = matrix(outputs, i, [count, y_width]);
                let b = matrix(weights, 4 * row + i, [x_width, y_width]).reversed_axes();
                gemm_alone(F::one(), a, b, F::zero(), matrix_mut(inputs, i, [count, x_width]));
            }
            pass(Way::InputBack, dx, inputs);
        }
    }

    /// Writes or adds the gradient of the weight from the sums over all samples.
    pub(crate) fn write_weight(
        &self,
        sums: &[F],
        (target, accumulate): (ArrayViewMut4<'_, F>, bool),
        by_taps: &mut [F],
    ) {
        weights::write_gradient((&self.tiling, self.isa), sums, by_taps, (target, accumulate));
    }
}
