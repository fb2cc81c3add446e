//! What the poolings share: their windows, the checks of shapes, and the walk over the planes of an array.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, Axis, Ix4};
use nn_core::{Real, ShapeError, View, ViewMut};

use crate::slices::{PARALLEL, join};

/// A number for each spatial axis: of one number the same for all, of an array one for each.
///
/// ```
/// use nn_ops::PerAxis;
///
/// assert_eq!(PerAxis::<2>::from(3).0, [3, 3]);
/// assert_eq!(PerAxis::from([3, 2]).0, [3, 2]); // height, width
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAxis<const D: usize>(pub [usize; D]);

impl<const D: usize> From<usize> for PerAxis<D> {
    fn from(number: usize) -> Self {
        PerAxis([number; D])
    }
}

impl<const D: usize> From<[usize; D]> for PerAxis<D> {
    fn from(numbers: [usize; D]) -> Self {
        PerAxis(numbers)
    }
}

/// The windows along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Windows {
    /// Window `o` begins at `o·stride − padding` and takes `kernel` elements at distance `dilation`.
    Sliding { kernel: usize, stride: usize, padding: usize, dilation: usize },
    /// Window `o` of `n` goes from ⌊o·len/n⌋ to ⌈(o + 1)·len/n⌉.
    Adaptive,
}

/// An axis of `len` elements with `outputs` windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) windows: Windows,
    pub(crate) len: usize,
    pub(crate) outputs: usize,
}

/// One window: element `t` of it is element `start + t·step` of the axis; those in `taps` are not padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: isize,
    pub(crate) step: usize,
    pub(crate) kernel: usize,
    pub(crate) taps: Range<usize>,
    /// The number of elements, padding included, but not what lies behind the padding.
    pub(crate) padded: usize,
}

impl Window {
    /// Where element `tap` lies on the axis.
    pub(crate) fn place(&self, tap: usize) -> usize {
        (self.start + (tap * self.step) as isize) as usize
    }

    /// Where its elements lie on the axis, when they are neighbours.
    pub(crate) fn places(&self) -> Range<usize> {
        self.place(self.taps.start)..self.place(self.taps.end)
    }
}

/// The elements `t` of `0..count` for which `first + t·step` lies in `0..len`.
fn inside(first: isize, step: usize, count: usize, len: usize) -> Range<usize> {
    let to = |place: isize| if place <= 0 { 0 } else { (place as usize).div_ceil(step).min(count) };
    let begin = to(-first);
    begin..to(len as isize - first).max(begin)
}

impl Line {
    /// The axis of length 1 that an array of one spatial axis lacks.
    pub(crate) const SINGLE: Line = Line {
        windows: Windows::Sliding { kernel: 1, stride: 1, padding: 0, dilation: 1 },
        len: 1,
        outputs: 1,
    };

    /// Counts the windows that fit on an axis.
    ///
    /// # Errors
    /// What is required of the axis, where none fits or a setting is impossible.
    pub(crate) fn sliding(windows: Windows, len: usize, ceil_mode: bool) -> Result<Self, String> {
        let Windows::Sliding { kernel, stride, padding, dilation } = windows else {
            unreachable!("adaptive windows are as many as asked for")
        };
        if kernel == 0 || stride == 0 || dilation == 0 {
            return Err(format!(
                "pooled with kernel, stride and dilation of at least 1, not {kernel}, {stride} and {dilation}"
            ));
        }
        let extent = dilation.saturating_mul(kernel - 1).saturating_add(1);
        if padding > extent / 2 {
            return Err(format!(
                "pooled with a padding of at most half the kernel of {extent}, not {padding}"
            ));
        }
        let padded = len.saturating_add(padding.saturating_mul(2));
        if padded < extent {
            return Err(format!(
                "at least as long as the kernel of {extent}, with padding; axis of {padded}"
            ));
        }
        let rest = padded - extent;
        let mut outputs = if ceil_mode { rest.div_ceil(stride) } else { rest / stride } + 1;
        if ceil_mode && (outputs - 1).saturating_mul(stride) >= len.saturating_add(padding) {
            outputs -= 1;
        }
        let line = Line { windows, len, outputs };
        if (0..outputs).any(|o| line.window(o).taps.is_empty()) {
            return Err(format!("pooled so that no window holds padding alone; axis of {len}"));
        }
        Ok(line)
    }

    pub(crate) fn window(&self, o: usize) -> Window {
        let Line { windows, len, outputs } = *self;
        match windows {
            Windows::Sliding { kernel, stride, padding, dilation } => {
                let start = (o * stride) as isize - padding as isize;
                let behind = (len + padding) as isize - start;
                let taps = inside(start, dilation, kernel, len);
                Window { start, step: dilation, kernel, taps, padded: kernel.min(behind.max(0) as usize) }
            }
            Windows::Adaptive => {
                let (start, end) = (o * len / outputs, ((o + 1) * len).div_ceil(outputs));
                let kernel = end - start;
                Window { start: start as isize, step: 1, kernel, taps: 0..kernel, padded: kernel }
            }
        }
    }

    /// The windows in which element `tap` of the kernel is not padding.
    pub(crate) fn outputs_of(&self, tap: usize) -> Range<usize> {
        match self.windows {
            Windows::Sliding { stride, padding, dilation, .. } => {
                inside((tap * dilation) as isize - padding as isize, stride, self.outputs, self.len)
            }
            Windows::Adaptive => unreachable!("adaptive windows have no common kernel"),
        }
    }

    /// Kernel and stride, where windows are equal, without dilation, and none reaches beyond the axis.
    pub(crate) fn plain(&self) -> Option<(usize, usize)> {
        match self.windows {
            Windows::Sliding { kernel, stride, padding: 0, dilation: 1 }
                if (self.outputs - 1) * stride + kernel <= self.len =>
            {
                Some((kernel, stride))
            }
            Windows::Adaptive if self.len.is_multiple_of(self.outputs) => {
                let kernel = self.len / self.outputs;
                Some((kernel, kernel))
            }
            _ => None,
        }
    }
}

/// The windows of a plane: along its height and its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) y: Line,
    pub(crate) x: Line,
}

/// The spatial axes of an array `[batch, channels, …]` with `D` of them.
///
/// # Errors
/// When the array has another number of axes, or one of them has no elements.
pub(crate) fn spatial<const D: usize>(op: &'static str, shape: &[usize]) -> Result<[usize; D], ShapeError> {
    let spatial: Option<[usize; D]> = shape.get(2..).and_then(|axes| axes.try_into().ok());
    match spatial {
        Some(spatial) if !spatial.contains(&0) => Ok(spatial),
        _ => {
            let axes = if D == 1 { "length" } else { "height, width" };
            let expected = format!("[batch, channels, {axes}], the last not 0");
            Err(ShapeError::Input { op, input: 0, expected, got: shape.to_vec() })
        }
    }
}

/// Finds the windows of a pooling with `D` spatial axes.
///
/// # Errors
/// What `line` says of an axis: its position and its length.
pub(crate) fn grid<const D: usize>(
    op: &'static str,
    shape: &[usize],
    line: impl Fn(usize, usize) -> Result<Line, String>,
) -> Result<Grid, ShapeError> {
    let lengths = spatial::<D>(op, shape)?;
    let of = |axis: usize| {
        line(axis, lengths[axis]).map_err(|expected| ShapeError::Input {
            op,
            input: 0,
            expected,
            got: shape.to_vec(),
        })
    };
    let y = if D == 1 { Line::SINGLE } else { of(0)? };
    Ok(Grid { y, x: of(D - 1)? })
}

impl Grid {
    /// The shape of the output.
    pub(crate) fn output<const D: usize>(&self, input: &[usize]) -> Vec<usize> {
        let spatial = [self.y.outputs, self.x.outputs];
        input[..2].iter().chain(&spatial[2 - D..]).copied().collect()
    }

    /// Elements of working memory in which a plane of the input and one of the output fit.
    pub(crate) fn scratch(&self) -> usize {
        self.y.len * self.x.len + self.y.outputs * self.x.outputs
    }
}

/// What is done with so many planes, one after another in memory: reads two slices and writes two, of which some are
/// empty; the last says whether the first that is written is added to.
pub(crate) type PlanesFn<'f, F> = dyn Fn(usize, [&[F]; 2], [&mut [F]; 2], bool) + Sync + 'f;

/// Runs `kernel` on each plane of `source` and `target`, arrays `[batch, channels, …]`, and on the parts of `read` and
/// `written` (either may be empty) that belong to it.
pub(crate) fn each_plane<F: Real>(
    (source, read): (&View<'_, F>, &[F]),
    (target, written): (ViewMut<'_, F>, &mut [F]),
    accumulate: bool,
    scratch: &mut [F],
    kernel: &PlanesFn<'_, F>,
) {
    let count = source.shape()[0] * source.shape()[1];
    if count == 0 {
        return;
    }
    let mut target = target;
    if source.is_standard_layout()
        && let (Some(from), Some(to)) = (source.as_slice(), target.as_slice_mut())
    {
        return split(count, [from, read], [to, written], accumulate, kernel);
    }
    let source = source.view();
    let source = if source.ndim() == 3 { source.insert_axis(Axis(2)) } else { source };
    let source = source.into_dimensionality::<Ix4>().expect("a batch of planes");
    let target = if target.ndim() == 3 { target.insert_axis(Axis(2)) } else { target };
    let mut target = target.into_dimensionality::<Ix4>().expect("a batch of planes");
    let (read_each, written_each) = (read.len() / count, written.len() / count);
    let planes = source.outer_iter().zip(target.outer_iter_mut());
    let mut number = 0;
    for (source, mut target) in planes {
        for (source, target) in source.outer_iter().zip(target.outer_iter_mut()) {
            let read = &read[number * read_each..][..read_each];
            let written = &mut written[number * written_each..][..written_each];
            through_scratch(source, read, target, written, accumulate, scratch, kernel);
            number += 1;
        }
    }
}

/// Copies a plane into working memory, works there, and copies the result back.
fn through_scratch<F: Real>(
    source: ArrayView2<'_, F>,
    read: &[F],
    mut target: ArrayViewMut2<'_, F>,
    written: &mut [F],
    accumulate: bool,
    scratch: &mut [F],
    kernel: &PlanesFn<'_, F>,
) {
    let (from, to) = scratch.split_at_mut(source.len());
    let to = &mut to[..target.len()];
    from.iter_mut().zip(&source).for_each(|(to, &from)| *to = from);
    kernel(1, [from, read], [to, written], false);
    for (target, &value) in target.iter_mut().zip(&*to) {
        *target = if accumulate { *target + value } else { value };
    }
}

/// Works on `count` planes that lie one after another, on several threads where they are many.
fn split<F: Real>(
    count: usize,
    read: [&[F]; 2],
    written: [&mut [F]; 2],
    accumulate: bool,
    kernel: &PlanesFn<'_, F>,
) {
    let work: usize = read.iter().map(|x| x.len()).chain(written.iter().map(|x| x.len())).sum();
    if work >= PARALLEL && count > 1 {
        let middle = count / 2;
        let halves = read.map(|x| x.split_at(x.len() / count * middle));
        let [a, b] = written.map(|x| {
            let at = x.len() / count * middle;
            x.split_at_mut(at)
        });
        join(
            true,
            || split(middle, halves.map(|h| h.0), [a.0, b.0], accumulate, kernel),
            || split(count - middle, halves.map(|h| h.1), [a.1, b.1], accumulate, kernel),
        );
        return;
    }
    kernel(count, read, written, accumulate);
}

/// Passes the planes on one by one.
#[inline(always)]
pub(crate) fn one_by_one<F: Real>(
    count: usize,
    read: [&[F]; 2],
    [a, b]: [&mut [F]; 2],
    mut kernel: impl FnMut([&[F]; 2], [&mut [F]; 2]),
) {
    let each = [read[0].len(), read[1].len(), a.len(), b.len()].map(|len| len / count);
    for i in 0..count {
        let part = |x: usize| i * each[x]..(i + 1) * each[x];
        kernel([&read[0][part(0)], &read[1][part(1)]], [&mut a[part(2)], &mut b[part(3)]]);
    }
}

/// A tap of the kernel over a row of windows: window `o` of `outputs` takes element `first + (o − outputs.start)·stride`
/// of row `row`, as its element number `code`, counted row by row.
pub(crate) struct Tap {
    pub(crate) code: usize,
    pub(crate) row: usize,
    pub(crate) first: usize,
    pub(crate) stride: usize,
    pub(crate) outputs: Range<usize>,
}

impl Grid {
    /// All taps of row `o` of sliding windows, in the order of their codes.
    pub(crate) fn each_tap(&self, o: usize, mut f: impl FnMut(Tap)) {
        let Windows::Sliding { kernel, stride, .. } = self.x.windows else {
            unreachable!("adaptive windows have no common kernel")
        };
        let window = self.y.window(o);
        for ky in window.taps.clone() {
            for kx in 0..kernel {
                let outputs = self.x.outputs_of(kx);
                if !outputs.is_empty() {
                    let first = self.x.window(outputs.start).place(kx);
                    f(Tap { code: ky * kernel + kx, row: window.place(ky), first, stride, outputs });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Windows, inside};

    #[test]
    fn what_lies_inside() {
        for first in -7..9isize {
            for (step, count, len) in [(1, 4, 5), (2, 4, 5), (3, 2, 1), (2, 1, 6), (5, 3, 7)] {
                let is_inside = |&t: &usize| (0..len as isize).contains(&(first + (t * step) as isize));
                let expected: Vec<usize> = (0..count).filter(is_inside).collect();
                assert_eq!(inside(first, step, count, len).collect::<Vec<_>>(), expected, "{first} {step}");
            }
        }
    }

    #[test]
    fn windows_of_axes() {
        let windows = Windows::Sliding { kernel: 3, stride: 2, padding: 1, dilation: 1 };
        let line = Line::sliding(windows, 6, true).unwrap();
        assert_eq!((line.outputs, Line::sliding(windows, 6, false).unwrap().outputs), (4, 3));
        let window = line.window(3);
        assert_eq!((window.start, window.taps.clone(), window.padded), (5, 0..1, 2));
        assert_eq!((line.outputs_of(0), line.outputs_of(2)), (1..4, 0..3));
        let line = Line { windows: Windows::Adaptive, len: 7, outputs: 3 };
        assert_eq!([0, 1, 2].map(|o| line.window(o).places()), [0..3, 2..5, 4..7]);
    }
}
