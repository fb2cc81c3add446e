//! The samples as [inner products](super::inner) read them: once for each column of the kernel, so that what a weight
//! is multiplied with at all positions lies in one piece.

use std::ops::Range;

use ndarray::ArrayView3;
use nn_core::Real;

use super::geometry::Geometry;
use super::window::copy_line;

/// Copies of each channel, shifted by the columns of the kernel and as wide as y, with zeros where x has no elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shifted {
    g: Geometry,
    /// Rows of a copy that lie a stride apart in x and are adjacent in the copy.
    rows: usize,
}

impl Shifted {
    pub(super) fn new(g: &Geometry) -> Self {
        let extent = (g.y[0].max(1) - 1) * g.stride[0] + g.reach(0) + 1;
        Shifted { g: *g, rows: extent.div_ceil(g.stride[0]) }
    }

    /// Elements of a copy.
    fn copy(&self) -> usize {
        self.g.stride[0] * self.rows * self.g.y[1]
    }

    /// Elements of a channel.
    pub(super) fn channel(&self) -> usize {
        self.g.kernel[1] * self.copy()
    }

    /// Elements of a sample.
    pub(super) fn len(&self) -> usize {
        self.g.groups * self.g.x_channels * self.channel()
    }

    /// Where a row of the padded x lies in a copy.
    fn row(&self, row: usize) -> usize {
        let stride = self.g.stride[0];
        (row % stride * self.rows + row / stride) * self.g.y[1]
    }

    /// Lists, by channel, row and column of the kernel, where what each weight is multiplied with begins, in a group.
    pub(super) fn list_taps(&self, to: &mut [u32]) {
        let [height, width] = self.g.kernel;
        for (tap, to) in to.iter_mut().enumerate() {
            let (channel, i, j) = (tap / (height * width), tap / width % height, tap % width);
            let row = self.row(i * self.g.dilation[0]);
            *to = (channel * self.channel() + j * self.copy() + row) as u32;
        }
    }

    /// Copies a sample; the zeros around it stand there already.
    pub(super) fn fill<F: Real>(&self, sample: &ArrayView3<'_, F>, to: &mut [F]) {
        assert_eq!(to.len(), self.len(), "a buffer for the shifted copies");
        let g = &self.g;
        let (_, height, width) = sample.dim();
        let strides = sample.strides();
        let rows = inside(-(g.padding[0] as isize), 1, self.rows * g.stride[0], height);
        for (channel, to) in to.chunks_exact_mut(self.channel().max(1)).enumerate() {
            for (j, to) in to.chunks_exact_mut(self.copy().max(1)).enumerate() {
                let first = (j * g.dilation[1]) as isize - g.padding[1] as isize;
                let columns = inside(first, g.stride[1], g.y[1], width);
                let from = first + (columns.start * g.stride[1]) as isize;
                for row in rows.clone() {
                    let line = &mut to[self.row(row)..][columns.clone()];
                    let r = row as isize - g.padding[0] as isize;
                    // SAFETY: channel, row and columns lie within the sample.
                    unsafe {
                        let at = channel as isize * strides[0] + r * strides[1] + from * strides[2];
                        copy_line(sample.as_ptr().offset(at), g.stride[1] as isize * strides[2], line);
                    }
                }
            }
        }
    }
}

/// Those of `count` places, from `first` on and `step` apart, that lie within the `length` of a sample.
fn inside(first: isize, step: usize, count: usize, length: usize) -> Range<usize> {
    let before = |limit: isize| ((limit - first).max(0) as usize).div_ceil(step).min(count);
    let end = before(length as isize);
    before(0).min(end)..end
}
