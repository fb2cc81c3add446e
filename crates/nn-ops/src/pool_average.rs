//! Average pooling.

use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::operation::Body;
use crate::pool::{Grid, Line, PerAxis, Tap, Window, Windows, each_plane, grid, one_by_one};
use crate::shapes::arity;
use crate::simd::dispatch;
use crate::slices::sum;

/// The mean of each window of the last `D` axes.
///
/// y(n, c, o) = Σₜ x(n, c, o·stride − padding + t) / count, where padding is 0.
///
/// Shapes: input `[batch, channels, height, width]`, or `[batch, channels, length]` for `D` = 1; along each spatial
/// axis ⌊(len + 2·padding − kernel)/stride⌋ + 1 windows, with `ceil_mode` ⌈…⌉ + 1, but none that begins behind the axis
/// and its left padding.
///
/// The count is the number of elements of the window with those of the padding, unless
/// [`count_include_pad`](Self::count_include_pad) says otherwise; what a window covers behind the padding is never
/// counted.
///
/// Source: `torch.nn.AvgPool1d` and `AvgPool2d`.
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::AvgPool1d;
///
/// let x = array![[[1.0, 3.0, 2.0, 5.0]]].into_dyn();
/// let y = evaluate(&AvgPool1d::new(2), &Step::default(), &[x.view()])?;
/// assert_eq!(y.output, array![[[2.0, 3.5]]].into_dyn());
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool<const D: usize> {
    /// The size of the windows.
    pub kernel: [usize; D],
    /// The distance from one window to the next.
    pub stride: [usize; D],
    /// Zeros that are thought to stand before and behind each axis.
    pub padding: [usize; D],
    /// Whether a last window may reach beyond the axis.
    pub ceil_mode: bool,
    /// Whether the zeros of the padding count in the mean.
    pub count_include_pad: bool,
}

/// [`AvgPool`] over one axis.
pub type AvgPool1d = AvgPool<1>;
/// [`AvgPool`] over height and width.
pub type AvgPool2d = AvgPool<2>;

impl<const D: usize> AvgPool<D> {
    /// Windows of this size, from 1, that do not overlap: the stride is the size of the kernel.
    ///
    /// Impossible settings are refused together with the shape of the input.
    pub fn new(kernel: impl Into<PerAxis<D>>) -> Self {
        let PerAxis(kernel) = kernel.into();
        AvgPool { kernel, stride: kernel, padding: [0; D], ceil_mode: false, count_include_pad: true }
    }

    /// The distance from one window to the next, from 1; the kernel by default.
    #[must_use]
    pub fn stride(self, stride: impl Into<PerAxis<D>>) -> Self {
        AvgPool { stride: stride.into().0, ..self }
    }

    /// Zeros that are thought to stand before and behind each axis; at most half the kernel, 0 by default.
    #[must_use]
    pub fn padding(self, padding: impl Into<PerAxis<D>>) -> Self {
        AvgPool { padding: padding.into().0, ..self }
    }

    /// Whether a last window may reach beyond the axis; not by default.
    #[must_use]
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        AvgPool { ceil_mode, ..self }
    }

    /// Whether the zeros of the padding count in the mean; they do by default.
    #[must_use]
    pub fn count_include_pad(self, count_include_pad: bool) -> Self {
        AvgPool { count_include_pad, ..self }
    }

    const NAME: &str = if D == 1 { "avg_pool1d" } else { "avg_pool2d" };

    fn grid(&self, shape: &[usize]) -> Result<Grid, ShapeError> {
        grid::<D>(Self::NAME, shape, |i, len| {
            let (kernel, stride, padding) = (self.kernel[i], self.stride[i], self.padding[i]);
            let windows = Windows::Sliding { kernel, stride, padding, dilation: 1 };
            Line::sliding(windows, len, self.ceil_mode)
        })
    }
}

/// The mean of each of `outputs` windows of about equal size that cover the axis.
///
/// Window o of n goes from ⌊o·len/n⌋ to ⌈(o + 1)·len/n⌉. With one window along each axis it is the global average.
/// Shapes as of [`AvgPool`].
///
/// Source: `torch.nn.AdaptiveAvgPool1d` and `AdaptiveAvgPool2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveAvgPool<const D: usize> {
    /// The number of windows along each axis.
    pub outputs: [usize; D],
}

/// [`AdaptiveAvgPool`] over one axis.
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// [`AdaptiveAvgPool`] over height and width.
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

impl<const D: usize> AdaptiveAvgPool<D> {
    /// As many windows along each axis, from 1.
    pub fn new(outputs: impl Into<PerAxis<D>>) -> Self {
        AdaptiveAvgPool { outputs: outputs.into().0 }
    }

    const NAME: &str = if D == 1 { "adaptive_avg_pool1d" } else { "adaptive_avg_pool2d" };

    fn grid(&self, shape: &[usize]) -> Result<Grid, ShapeError> {
        grid::<D>(Self::NAME, shape, |i, len| match self.outputs[i] {
            0 => Err("pooled to at least 1 window, not 0".to_owned()),
            outputs => Ok(Line { windows: Windows::Adaptive, len, outputs }),
        })
    }
}

fn outline<const D: usize>(inputs: &[&[usize]], grid: &Grid) -> Outline {
    let flops = inputs[0].iter().product();
    Outline::new(grid.output::<D>(inputs[0]), 1).scratch(grid.scratch()).flops(flops)
}

fn forward<F: Real>(grid: Grid, include: bool, x: &View<'_, F>, y: ViewMut<'_, F>, memory: Memory<'_, F>) {
    each_plane((x, &[]), (y, &mut []), false, memory.scratch, &|count, x, y, _| {
        dispatch(
            #[inline(always)]
            || {
                one_by_one(
                    count,
                    x,
                    y,
                    #[inline(always)]
                    |[x, _], [y, _]| forward_plane(&grid, include, x, y),
                );
            },
        );
    });
}

fn backward<F: Real>(
    grid: impl Fn(&[usize]) -> Result<Grid, ShapeError>,
    include: bool,
    dy: &View<'_, F>,
    dx: &mut Grad<'_, F>,
    memory: Memory<'_, F>,
) {
    let Some((target, accumulate)) = dx.target() else { return };
    let grid = grid(target.shape()).expect("the shape of the forward pass");
    each_plane((dy, &[]), (target, &mut []), accumulate, memory.scratch, &|count, dy, dx, accumulate| {
        dispatch(
            #[inline(always)]
            || {
                one_by_one(
                    count,
                    dy,
                    dx,
                    #[inline(always)]
                    |[dy, _], [dx, _]| backward_plane(&grid, include, dy, dx, accumulate),
                );
            },
        );
    });
}

impl<F: Real, const D: usize> Body<F> for AvgPool<D> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity(Self::NAME, 1, inputs)?;
        Ok(outline::<D>(inputs, &self.grid(inputs[0])?))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let grid = self.grid(inputs[0].shape()).unwrap_or_else(|error| panic!("{error}"));
        forward(grid, self.count_include_pad, &inputs[0], output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        backward(|shape| self.grid(shape), self.count_include_pad, &dy, &mut dx[0], memory);
    }
}

impl<F: Real, const D: usize> Body<F> for AdaptiveAvgPool<D> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity(Self::NAME, 1, inputs)?;
        Ok(outline::<D>(inputs, &self.grid(inputs[0])?))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let grid = self.grid(inputs[0].shape()).unwrap_or_else(|error| panic!("{error}"));
        forward(grid, true, &inputs[0], output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        backward(|shape| self.grid(shape), true, &dy, &mut dx[0], memory);
    }
}

/// The divisor of a window.
#[inline(always)]
fn count<F: Real>(include: bool, rows: &Window, columns: &Window) -> F {
    let size = |window: &Window| if include { window.padded } else { window.taps.len() };
    F::from_usize(size(rows) * size(columns))
}

/// Elements of the buffer between the two directions of windows.
const TILE: usize = 512;

/// The sizes of windows that lie side by side along a row and take no padding.
fn blocks(grid: &Grid) -> Option<[usize; 3]> {
    let ((height, step), (width, stride)) = (grid.y.plain()?, grid.x.plain()?);
    (width == stride && width <= TILE).then_some([height, step, width])
}

#[inline(always)]
fn forward_plane<F: Real>(grid: &Grid, include: bool, x: &[F], y: &mut [F]) {
    let (width, outputs) = (grid.x.len, grid.x.outputs);
    if let Some(sizes) = blocks(grid) {
        return forward_blocks(x, width, y, outputs, sizes);
    }
    for (o, y) in y.chunks_exact_mut(outputs).enumerate() {
        let rows = grid.y.window(o);
        if grid.x.windows == Windows::Adaptive {
            for (i, y) in y.iter_mut().enumerate() {
                let columns = grid.x.window(i);
                let row = |row: usize| sum_short(&x[row * width..][columns.places()]);
                *y = rows.places().map(row).sum::<F>() / count(include, &rows, &columns);
            }
            continue;
        }
        y.fill(F::zero());
        grid.each_tap(o, |Tap { row, first, stride, outputs, .. }| {
            add_strided(&x[row * width..(row + 1) * width][first..], stride, &mut y[outputs]);
        });
        for (i, y) in y.iter_mut().enumerate() {
            *y /= count(include, &rows, &grid.x.window(i));
        }
    }
}

/// The sum of a few elements or of many.
#[inline(always)]
fn sum_short<F: Real>(x: &[F]) -> F {
    if x.len() < 32 { x.iter().fold(F::zero(), |total, &x| total + x) } else { sum(x) }
}

/// `y += x`, of which the elements at distance `stride` are taken.
#[inline(always)]
fn add_strided<F: Real>(x: &[F], stride: usize, y: &mut [F]) {
    let len = y.len();
    if stride == 1 {
        y.iter_mut().zip(&x[..len]).for_each(|(y, &x)| *y += x);
    } else {
        for i in 0..len {
            y[i] += x[stride * i];
        }
    }
}

/// Windows side by side: sums of rows first, then of neighbours in a row.
#[inline(always)]
fn forward_blocks<F: Real>(
    x: &[F],
    width: usize,
    y: &mut [F],
    outputs: usize,
    [height, step, block]: [usize; 3],
) {
    let mut rows = [F::zero(); TILE];
    let count = F::from_usize(height * block);
    for (o, y) in y.chunks_exact_mut(outputs).enumerate() {
        for (i, y) in y.chunks_mut(TILE / block).enumerate() {
            let from = o * step * width + i * (TILE / block) * block;
            let rows = &mut rows[..y.len() * block];
            rows.copy_from_slice(&x[from..][..rows.len()]);
            for k in 1..height {
                add_strided(&x[from + k * width..], 1, rows);
            }
            if block == 2 {
                y.iter_mut().zip(rows.as_chunks::<2>().0).for_each(|(y, &[a, b])| *y = (a + b) / count);
            } else {
                y.iter_mut().zip(rows.chunks_exact(block)).for_each(|(y, x)| *y = sum_short(x) / count);
            }
        }
    }
}

#[inline(always)]
fn backward_plane<F: Real>(grid: &Grid, include: bool, dy: &[F], dx: &mut [F], accumulate: bool) {
    let (width, outputs) = (grid.x.len, grid.x.outputs);
    if !accumulate {
        dx.fill(F::zero());
    }
    if let Some(sizes) = blocks(grid) {
        return backward_blocks(dy, dx, width, outputs, sizes);
    }
    for (o, dy) in dy.chunks_exact(outputs).enumerate() {
        let rows = grid.y.window(o);
        for (i, &dy) in dy.iter().enumerate() {
            let columns = grid.x.window(i);
            let share = dy / count(include, &rows, &columns);
            for row in rows.places() {
                dx[row * width..][columns.places()].iter_mut().for_each(|d| *d += share);
            }
        }
    }
}

/// The reverse of [`forward_blocks`], added to the gradient.
#[inline(always)]
fn backward_blocks<F: Real>(
    dy: &[F],
    dx: &mut [F],
    width: usize,
    outputs: usize,
    [height, step, block]: [usize; 3],
) {
    let mut rows = [F::zero(); TILE];
    let count = F::from_usize(height * block);
    for (o, dy) in dy.chunks_exact(outputs).enumerate() {
        for (i, dy) in dy.chunks(TILE / block).enumerate() {
            let from = o * step * width + i * (TILE / block) * block;
            let rows = &mut rows[..dy.len() * block];
            if block == 2 {
                rows.as_chunks_mut::<2>().0.iter_mut().zip(dy).for_each(|(row, &dy)| *row = [dy / count; 2]);
            } else {
                rows.chunks_exact_mut(block).zip(dy).for_each(|(row, &dy)| row.fill(dy / count));
            }
            for k in 0..height {
                let len = rows.len();
                add_strided(rows, 1, &mut dx[from + k * width..][..len]);
            }
        }
    }
}
