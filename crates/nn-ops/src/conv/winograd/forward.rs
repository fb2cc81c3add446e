//! The forward pass over the samples of one part of a batch.

use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};
use nn_core::Real;

use super::super::memory::{Pieces, write_sample};
use super::tiles::{Tiles, Way};
use super::{Tiling, weights};
use crate::Activation;
use crate::dispatch::run;
use crate::gemm::gemm_alone;
use crate::simd::Isa;

/// A convolution with its transformed weights.
pub(crate) struct Forward<'a, F> {
    tiling: Tiling,
    isa: Isa,
    weights: &'a [F],
    bias: Option<&'a [F]>,
}

/// Working memory for one part of the batch.
pub(crate) struct ForwardBuffers<'a, F> {
    x: &'a mut [F],
    y: &'a mut [F],
    inputs: &'a mut [F],
    outputs: &'a mut [F],
}

impl<'a, F: Real> ForwardBuffers<'a, F> {
    fn lengths(tiling: &Tiling) -> [usize; 4] {
        let [inputs, outputs] = [&tiling.x, &tiling.y].map(|rows| tiling.products(rows.width));
        [tiling.x.len(), tiling.y.len(), inputs, outputs]
    }

    /// Elements of working memory.
    pub(crate) fn size(tiling: &Tiling) -> usize {
        Self::lengths(tiling).map(Pieces::<F>::size).iter().sum()
    }

    fn new(tiling: &Tiling, pieces: &mut Pieces<'a, F>) -> Self {
        let [x, y, inputs, outputs] = Self::lengths(tiling).map(|len| pieces.take(len));
        tiling.x.clear(x);
        ForwardBuffers { x, y, inputs, outputs }
    }
}

impl<'a, F: Real> Forward<'a, F> {
    /// Elements of working memory for the weights.
    pub(crate) fn tables(tiling: &Tiling) -> usize {
        [4 * tiling.weights(), tiling.by_taps(), tiling.y.width].map(Pieces::<F>::size).iter().sum()
    }

    /// The convolution with a weight `[y channels, x channels, 3, 3]` and a bias for each channel of y.
    pub(crate) fn new(
        (tiling, isa): (Tiling, Isa),
        weight: &ArrayView4<'_, F>,
        bias: Option<&ndarray::ArrayView1<'_, F>>,
        pieces: &mut Pieces<'a, F>,
    ) -> Self {
        let to = pieces.take(4 * tiling.weights());
        let by_taps = pieces.take(tiling.by_taps());
        let bias_copy = pieces.take(tiling.y.width);
        weights::transform((&tiling, isa), weight, by_taps, to);
        let bias = bias.map(|bias| {
            bias_copy.fill(F::zero());
            bias_copy.iter_mut().zip(bias).for_each(|(to, &from)| *to = from);
            &*bias_copy
        });
        Forward { tiling, isa, weights: to, bias }
    }

    /// y = activation(x convolved + bias) for a few samples after the other.
    pub(crate) fn run(
        &self,
        (x, mut y): (ArrayView4<'_, F>, ArrayViewMut4<'_, F>),
        activation: Activation,
        pieces: &mut Pieces<'_, F>,
        spare: &mut [F],
    ) {
        let (tiling, isa) = (&self.tiling, self.isa);
        let mut buffers = ForwardBuffers::new(tiling, pieces);
        let step = tiling.samples;
        for (x, mut y) in x.axis_chunks_iter(Axis(0), step).zip(y.axis_chunks_iter_mut(Axis(0), step)) {
            let samples = x.len_of(Axis(0));
            for (i, x) in x.outer_iter().enumerate() {
                tiling.x.fill(isa, i, &x, buffers.x);
            }
            self.multiply(samples, &mut buffers);
            let rows = &mut buffers.y[..samples * tiling.y.positions() * tiling.y.width];
            if self.bias.is_some() || activation != Activation::Identity {
                activation.activate_rows(rows, self.bias, tiling.y.width);
            }
            for (i, y) in y.outer_iter_mut().enumerate() {
                write_sample(y, false, spare, |to| tiling.y.planes(isa, i, rows, to));
            }
        }
    }

    /// From rows of x to rows of y.
    fn multiply(&self, samples: usize, buffers: &mut ForwardBuffers<'_, F>) {
        let (tiling, isa) = (&self.tiling, self.isa);
        let ForwardBuffers { x, y, inputs, outputs } = buffers;
        let (x_width, y_width) = (tiling.x.width, tiling.y.width);
        for block in tiling.blocks(samples) {
            let count = block.len();
            for row in 0..4 {
                let (way, rows, products) = (Way::Input, &mut **x, &mut **inputs);
                run::<F, _>(isa, Tiles { way, tiling, block: block.clone(), row, rows, products });
                for i in 0..4 {
                    let a = matrix(inputs, i, [count, x_width]);
                    let b = matrix(self.weights, 4 * row + i, [x_width, y_width]);
                    gemm_alone(F::one(), a, b, F::zero(), matrix_mut(outputs, i, [count, y_width]));
                }
                let (way, rows, products) = (Way::Output, &mut **y, &mut **outputs);
                run::<F, _>(isa, Tiles { way, tiling, block: block.clone(), row, rows, products });
            }
        }
    }
}

/// Matrix `i` of some that lie one after another.
pub(super) fn matrix<F>(all: &[F], i: usize, [rows, cols]: [usize; 2]) -> ArrayView2<'_, F> {
    let elements = &all[i * rows * cols..(i + 1) * rows * cols];
    ArrayView2::from_shape((rows, cols), elements).expect("as many elements as the matrix has")
}

/// As [`matrix`].
pub(super) fn matrix_mut<F>(all: &mut [F], i: usize, [rows, cols]: [usize; 2]) -> ArrayViewMut2<'_, F> {
    let elements = &mut all[i * rows * cols..(i + 1) * rows * cols];
    ArrayViewMut2::from_shape((rows, cols), elements).expect("as many elements as the matrix has")
}
