//! The gradient of a convolution's output before its activation, sample by sample.

use ndarray::{ArrayView3, ArrayView4, Axis};
use nn_core::Real;

use super::memory::Pieces;
use crate::Activation;
use crate::slices::sum;

/// The samples of one part of the batch.
pub(super) struct Behind<'a, F> {
    pub(super) activation: Activation,
    /// The output, where the activation needs it.
    pub(super) output: Option<ArrayView4<'a, F>>,
    pub(super) d_output: ArrayView4<'a, F>,
    /// Elements behind those of a sample that may be read.
    pub(super) room: usize,
    pub(super) buffers: Buffers<'a, F>,
    /// Sums for the gradient of the bias, where it is wanted.
    pub(super) d_bias: Option<&'a mut [F]>,
}

/// A sample before the activation, and what that is computed from where it is not contiguous.
pub(super) struct Buffers<'a, F> {
    dz: &'a mut [F],
    output: &'a mut [F],
    d_output: &'a mut [F],
}

impl<'a, F: Real> Buffers<'a, F> {
    /// Elements of working memory for samples of this length with room behind them.
    pub(super) fn size(len: usize, room: usize) -> usize {
        Pieces::<F>::size(len + room) + 2 * Pieces::<F>::size(len)
    }

    /// Cuts up working memory of that size.
    pub(super) fn new(len: usize, room: usize, pieces: &mut Pieces<'a, F>) -> Self {
        let dz = pieces.take(len + room);
        dz[len..].fill(F::zero());
        Buffers { dz, output: pieces.take(len), d_output: pieces.take(len) }
    }
}

/// A sample's gradient before the activation, and what will be read for the next one.
pub(super) struct Gradient<'a, F> {
    /// With the room behind it.
    pub(super) dz: &'a [F],
    shape: (usize, usize, usize),
    pub(super) upcoming: [&'a [F]; 2],
}

impl<F> Gradient<'_, F> {
    /// Without the room.
    pub(super) fn planes(&self) -> ArrayView3<'_, F> {
        let (channels, rows, cols) = self.shape;
        let elements = &self.dz[..channels * rows * cols];
        ArrayView3::from_shape(self.shape, elements).expect("as many elements as a sample has")
    }
}

impl<F: Real> Behind<'_, F> {
    /// The gradient of sample `i`, which is added to that of the bias.
    pub(super) fn sample(&mut self, i: usize) -> Gradient<'_, F> {
        let Behind { activation, output, d_output, room, buffers, d_bias } = self;
        let next = (i + 1).min(d_output.len_of(Axis(0)) - 1);
        let upcoming = [output.as_ref(), Some(&*d_output)]
            .map(|y| y.and_then(|y| y.index_axis(Axis(0), next).to_slice()).unwrap_or_default());
        let output = output.as_ref().map(|y| y.index_axis(Axis(0), i));
        let dz = before(*activation, output, d_output.index_axis(Axis(0), i), *room, buffers);
        let (_, channels, rows, cols) = d_output.dim();
        if let Some(sums) = d_bias {
            for (to, dz) in sums.iter_mut().zip(dz.chunks_exact(rows * cols)) {
                *to += sum(dz);
            }
        }
        Gradient { dz, shape: (channels, rows, cols), upcoming }
    }
}

/// The gradient before the activation, with room behind it.
fn before<'a, F: Real>(
    activation: Activation,
    output: Option<ArrayView3<'a, F>>,
    d_output: ArrayView3<'a, F>,
    room: usize,
    buffers: &'a mut Buffers<'_, F>,
) -> &'a [F] {
    let copy = |from: &ArrayView3<'_, F>, to: &mut [F]| match from.as_slice() {
        Some(from) => to.copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    };
    let Buffers { dz: buffer, output: y_buffer, d_output: dy_buffer } = buffers;
    let len = d_output.len();
    let dz = &mut buffer[..len];
    let Some(output) = output else {
        return match d_output.to_slice() {
            Some(dz) if room == 0 => dz,
            _ => {
                copy(&d_output, dz);
                buffer
            }
        };
    };
    let plane = d_output.dim().1 * d_output.dim().2;
    if let (Some(y), Some(dy)) = (output.as_slice(), d_output.as_slice()) {
        activation.backward_rows(y, dy, dz, None, plane);
        return buffer;
    }
    let (y, dy) = (&mut y_buffer[..len], &mut dy_buffer[..len]);
    copy(&output, y);
    copy(&d_output, dy);
    activation.backward_rows(y, dy, dz, None, plane);
    buffer
}
