//! The samples as the kernels read them: surrounded by zeros, and with what a stride apart lies next to each other.

use std::ops::Range;

use ndarray::ArrayView3;
use nn_core::Real;

use super::geometry::Geometry;

/// Elements after the last plane, which the last vectors may read.
const SLACK: usize = 16;

/// How a sample lies in a buffer: for each channel `step[0]·step[1]` planes, one for each remainder of row and column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    channels: usize,
    /// Row and column of the sample at which it begins; negative within the zeros.
    origin: [isize; 2],
    step: [usize; 2],
    /// Rows and columns of each plane.
    rows: usize,
    pub(super) cols: usize,
}

impl Window {
    /// Where y[o] is made of rows and columns that lie at o, and at constants from it.
    pub(super) fn of_x(g: &Geometry) -> Self {
        let length = |axis: usize| {
            let extent = (g.y[axis].max(1) - 1) * g.stride[axis] + g.reach(axis) + 1;
            extent.div_ceil(g.stride[axis])
        };
        Window {
            channels: g.groups * g.x_channels,
            origin: [0, 1].map(|axis| -(g.padding[axis] as isize)),
            step: g.stride,
            rows: length(0),
            cols: length(1),
        }
    }

    /// Where the elements of x that lie a stride apart are made of adjacent rows and columns of y.
    pub(super) fn of_y(g: &Geometry) -> Self {
        let range = |axis: usize| {
            let (padding, stride) = (g.padding[axis], g.stride[axis]);
            let origin = (padding / stride) as isize - (g.reach(axis) / stride) as isize;
            let last = (padding + g.x[axis]).saturating_sub(1) / stride;
            (origin, (last as isize - origin + 1).max(1) as usize)
        };
        let ((top, rows), (left, cols)) = (range(0), range(1));
        Window { channels: g.groups * g.y_channels, origin: [top, left], step: [1, 1], rows, cols }
    }

    /// Elements of a plane.
    fn plane(&self) -> usize {
        self.rows * self.cols
    }

    /// Elements of a channel.
    pub(super) fn channel(&self) -> usize {
        self.step[0] * self.step[1] * self.plane()
    }

    /// Elements of a sample.
    pub(super) fn len(&self) -> usize {
        self.channels * self.channel() + SLACK
    }

    /// Where row `r` and column `c`, counted from the origin, of a channel lie.
    pub(super) fn offset(&self, channel: usize, [r, c]: [usize; 2]) -> usize {
        let [down, right] = self.step;
        let plane = (r % down) * right + c % right;
        channel * self.channel() + plane * self.plane() + r / down * self.cols + c / right
    }

    /// The row or column at which the window begins.
    pub(super) fn origin(&self, axis: usize) -> isize {
        self.origin[axis]
    }

    /// Copies a sample to where it belongs; the zeros around it stand there already.
    pub(super) fn fill<F: Real>(&self, sample: &ArrayView3<'_, F>, to: &mut [F]) {
        assert_eq!(to.len(), self.len(), "a buffer for the window");
        let (_, height, width) = sample.dim();
        let [down, right] = self.step;
        let columns = inside(self.origin[1], self.cols * right, width);
        let strides = sample.strides();
        if self.step == [1, 1] && strides[2] == 1 {
            let rows = inside(self.origin[0], self.rows, height);
            return self.fill_rows(sample, (rows, columns), to);
        }
        for (channel, to) in to.chunks_exact_mut(self.channel()).enumerate().take(self.channels) {
            for r in inside(self.origin[0], self.rows * down, height) {
                let row = (r as isize - self.origin[0]) as usize;
                let first = channel as isize * strides[0] + r as isize * strides[1];
                let planes = &mut to[(row % down) * right * self.plane()..][..right * self.plane()];
                for remainder in 0..right.min(columns.len()) {
                    let c = columns.start + remainder;
                    let col = (c as isize - self.origin[1]) as usize;
                    let count = (columns.end - c).div_ceil(right);
                    let at = (col % right) * self.plane() + row / down * self.cols + col / right;
                    let line = &mut planes[at..at + count];
                    // SAFETY: channel, row and columns lie within the sample.
                    unsafe {
                        let from = sample.as_ptr().offset(first + c as isize * strides[2]);
                        copy_line(from, right as isize * strides[2], line);
                    }
                }
            }
        }
    }
}

impl Window {
    /// Copies these rows and columns, where the steps are 1 and the elements of a row are adjacent.
    fn fill_rows<F: Real>(
        &self,
        sample: &ArrayView3<'_, F>,
        (rows, columns): (Range<usize>, Range<usize>),
        to: &mut [F],
    ) {
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let strides = sample.strides();
        let [top, left] = [rows.start as isize - self.origin[0], columns.start as isize - self.origin[1]];
        let first = top as usize * self.cols + left as usize;
        // Rows that follow one another in both are copied as one.
        let (count, length) = if columns.len() == self.cols && strides[1] == self.cols as isize {
            (1, rows.len() * self.cols)
        } else {
            (rows.len(), columns.len())
        };
        for (channel, to) in to.chunks_exact_mut(self.plane()).enumerate().take(self.channels) {
            let at =
                channel as isize * strides[0] + rows.start as isize * strides[1] + columns.start as isize;
            for (i, to) in
                to[first..].chunks_mut(if count == 1 { length } else { self.cols }).enumerate().take(count)
            {
                // SAFETY: channel, row and columns lie within the sample.
                unsafe {
                    let from = sample.as_ptr().offset(at + i as isize * strides[1]);
                    copy_line(from, 1, &mut to[..length]);
                }
            }
        }
    }
}

/// The rows or columns of a sample that lie in a window.
fn inside(origin: isize, length: usize, of_sample: usize) -> Range<usize> {
    let end = (origin + length as isize).clamp(0, of_sample as isize) as usize;
    (origin.max(0) as usize).min(end)..end
}

/// Elements that are copied at once.
const PIECE: usize = 8;

/// Copies elements that lie `stride` apart.
///
/// # Safety
/// `from` must be valid for as many elements as the line has.
#[inline(always)]
pub(super) unsafe fn copy_line<F: Real>(from: *const F, stride: isize, line: &mut [F]) {
    // SAFETY: as the caller vouches; each piece lies within the line.
    unsafe {
        if stride == 1 && line.len() >= PIECE {
            // Lines are short: pieces, the last two of which may overlap, are copied faster than by a call.
            let to = line.as_mut_ptr();
            let piece = |at: usize| {
                let piece = from.add(at).cast::<[F; PIECE]>().read_unaligned();
                to.add(at).cast::<[F; PIECE]>().write_unaligned(piece);
            };
            let last = line.len() - PIECE;
            (0..last).step_by(PIECE).for_each(piece);
            piece(last);
        } else {
            for (i, to) in line.iter_mut().enumerate() {
                *to = *from.offset(i as isize * stride);
            }
        }
    }
}
