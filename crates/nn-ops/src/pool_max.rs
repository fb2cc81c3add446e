//! Maximum pooling.

use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::operation::Body;
use crate::pool::{Grid, Line, PerAxis, Tap, Window, Windows, each_plane, grid};
use crate::shapes::arity;
use crate::simd::dispatch;

/// The largest element of each window of the last `D` axes.
///
/// y(n, c, o) = max over t of x(n, c, o·stride − padding + t·dilation), where padding never wins.
///
/// Shapes: input `[batch, channels, height, width]`, or `[batch, channels, length]` for `D` = 1; along each spatial
/// axis ⌊(len + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1 windows, with `ceil_mode` ⌈…⌉ + 1, but none that
/// begins behind the axis and its left padding.
///
/// Backward: the whole gradient goes to the largest element; of several to the first, in row-major order. NaN is
/// larger than every number.
///
/// Source: `torch.nn.MaxPool1d` and `MaxPool2d`.
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::MaxPool1d;
///
/// let x = array![[[1.0, 3.0, 2.0, 5.0, 4.0]]].into_dyn();
/// let mut y = evaluate(&MaxPool1d::new(2), &Step::default(), &[x.view()])?;
/// assert_eq!(y.output, array![[[3.0, 5.0]]].into_dyn());
/// let dy = array![[[1.0, 2.0]]].into_dyn();
/// let dx = y.backward(&MaxPool1d::new(2), &Step::default(), &[x.view()], dy.view());
/// assert_eq!(dx[0], array![[[0.0, 1.0, 0.0, 2.0, 0.0]]].into_dyn());
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool<const D: usize> {
    kernel: [usize; D],
    stride: [usize; D],
    padding: [usize; D],
    dilation: [usize; D],
    ceil_mode: bool,
}

/// [`MaxPool`] over one axis.
pub type MaxPool1d = MaxPool<1>;
/// [`MaxPool`] over height and width.
pub type MaxPool2d = MaxPool<2>;

impl<const D: usize> MaxPool<D> {
    /// Windows of this size, from 1, that do not overlap: the stride is the size of the kernel.
    ///
    /// Impossible settings are refused together with the shape of the input.
    pub fn new(kernel: impl Into<PerAxis<D>>) -> Self {
        let PerAxis(kernel) = kernel.into();
        MaxPool { kernel, stride: kernel, padding: [0; D], dilation: [1; D], ceil_mode: false }
    }

    /// The distance from one window to the next, from 1; the kernel by default.
    #[must_use]
    pub fn stride(self, stride: impl Into<PerAxis<D>>) -> Self {
        MaxPool { stride: stride.into().0, ..self }
    }

    /// Elements that are thought to stand before and behind each axis, smaller than every number; at most half the
    /// extent of the kernel, 0 by default.
    #[must_use]
    pub fn padding(self, padding: impl Into<PerAxis<D>>) -> Self {
        MaxPool { padding: padding.into().0, ..self }
    }

    /// The distance between the elements of a window, from 1, the default.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<PerAxis<D>>) -> Self {
        MaxPool { dilation: dilation.into().0, ..self }
    }

    /// Whether a last window may reach beyond the axis; not by default.
    #[must_use]
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        MaxPool { ceil_mode, ..self }
    }

    const NAME: &str = if D == 1 { "max_pool1d" } else { "max_pool2d" };

    fn grid(&self, shape: &[usize]) -> Result<Grid, ShapeError> {
        grid::<D>(Self::NAME, shape, |i, len| {
            let (kernel, stride) = (self.kernel[i], self.stride[i]);
            let windows =
                Windows::Sliding { kernel, stride, padding: self.padding[i], dilation: self.dilation[i] };
            Line::sliding(windows, len, self.ceil_mode)
        })
    }
}

/// The largest element of each of `outputs` windows of about equal size that cover the axis.
///
/// Window o of n goes from ⌊o·len/n⌋ to ⌈(o + 1)·len/n⌉. Shapes and gradient as of [`MaxPool`].
///
/// Source: `torch.nn.AdaptiveMaxPool1d` and `AdaptiveMaxPool2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveMaxPool<const D: usize> {
    outputs: [usize; D],
}

/// [`AdaptiveMaxPool`] over one axis.
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
/// [`AdaptiveMaxPool`] over height and width.
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;

impl<const D: usize> AdaptiveMaxPool<D> {
    /// As many windows along each axis, from 1.
    pub fn new(outputs: impl Into<PerAxis<D>>) -> Self {
        AdaptiveMaxPool { outputs: outputs.into().0 }
    }

    const NAME: &str = if D == 1 { "adaptive_max_pool1d" } else { "adaptive_max_pool2d" };

    fn grid(&self, shape: &[usize]) -> Result<Grid, ShapeError> {
        grid::<D>(Self::NAME, shape, |i, len| match self.outputs[i] {
            0 => Err("pooled to at least 1 window, not 0".to_owned()),
            outputs => Ok(Line { windows: Windows::Adaptive, len, outputs }),
        })
    }
}

/// The places of the maxima within their windows are saved.
fn outline<const D: usize>(inputs: &[&[usize]], grid: &Grid) -> Outline {
    let shape = grid.output::<D>(inputs[0]);
    let saved = shape.iter().product();
    Outline::new(shape, 1).saved(saved).scratch(grid.scratch()).flops(inputs[0].iter().product())
}

fn forward<F: Real>(grid: Grid, x: &View<'_, F>, y: ViewMut<'_, F>, memory: Memory<'_, F>) {
    let Memory { saved, scratch } = memory;
    each_plane((x, &[]), (y, saved), false, scratch, &|[x, _], [y, codes], _| {
        dispatch(
            #[inline(always)]
            || forward_plane(&grid, x, y, codes),
        );
    });
}

fn backward<F: Real>(
    grid: impl Fn(&[usize]) -> Result<Grid, ShapeError>,
    dy: &View<'_, F>,
    dx: &mut Grad<'_, F>,
    memory: Memory<'_, F>,
) {
    let Some((target, accumulate)) = dx.target() else { return };
    let grid = grid(target.shape()).expect("the shape of the forward pass");
    let Memory { saved, scratch } = memory;
    each_plane((dy, saved), (target, &mut []), accumulate, scratch, &|[dy, codes], [dx, _], accumulate| {
        dispatch(
            #[inline(always)]
            || backward_plane(&grid, dy, codes, dx, accumulate),
        );
    });
}

impl<F: Real, const D: usize> Body<F> for MaxPool<D> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity(Self::NAME, 1, inputs)?;
        Ok(outline::<D>(inputs, &self.grid(inputs[0])?))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let grid = self.grid(inputs[0].shape()).unwrap_or_else(|error| panic!("{error}"));
        forward(grid, &inputs[0], output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        backward(|shape| self.grid(shape), &dy, &mut dx[0], memory);
    }
}

impl<F: Real, const D: usize> Body<F> for AdaptiveMaxPool<D> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity(Self::NAME, 1, inputs)?;
        Ok(outline::<D>(inputs, &self.grid(inputs[0])?))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let grid = self.grid(inputs[0].shape()).unwrap_or_else(|error| panic!("{error}"));
        forward(grid, &inputs[0], output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        backward(|shape| self.grid(shape), &dy, &mut dx[0], memory);
    }
}

/// Whether `new`, which comes later, takes the place of `best`.
#[inline(always)]
fn wins<F: Real>(new: F, best: F) -> bool {
    new > best || new.is_nan()
}

#[inline(always)]
fn forward_plane<F: Real>(grid: &Grid, x: &[F], y: &mut [F], codes: &mut [F]) {
    let (width, outputs) = (grid.x.len, grid.x.outputs);
    if (grid.y.plain(), grid.x.plain()) == (Some((2, 2)), Some((2, 2))) {
        return forward_pairs(x, width, y, codes, outputs);
    }
    let rows = y.chunks_exact_mut(outputs).zip(codes.chunks_exact_mut(outputs));
    for (o, (y, codes)) in rows.enumerate() {
        if grid.x.windows == Windows::Adaptive {
            let window = grid.y.window(o);
            for i in 0..outputs {
                (y[i], codes[i]) = largest(x, width, &window, &grid.x.window(i));
            }
            continue;
        }
        y.fill(-F::INFINITY);
        // The first element of a window wins in any case, so that −∞ has a place too.
        codes.fill(-F::one());
        grid.each_tap(o, |Tap { code, row, first, stride, outputs }| {
            let x = &x[row * width..(row + 1) * width][first..];
            let (y, codes) = (&mut y[outputs.clone()], &mut codes[outputs]);
            take_larger(x, stride, F::from_usize(code), y, codes);
        });
    }
}

/// The larger of each element of `x`, at distance `stride`, and `y`; where it is new, `code` says so.
#[inline(always)]
fn take_larger<F: Real>(x: &[F], stride: usize, code: F, y: &mut [F], codes: &mut [F]) {
    let update = |x: F, y: &mut F, old: &mut F| {
        let new = wins(x, *y) | (*old < F::zero());
        *y = if new { x } else { *y };
        *old = if new { code } else { *old };
    };
    let len = y.len();
    let (y, codes) = (&mut y[..len], &mut codes[..len]);
    match stride {
        1 => {
            let x = &x[..len];
            for i in 0..len {
                update(x[i], &mut y[i], &mut codes[i]);
            }
        }
        2 => {
            let (pairs, last) = x[..2 * len - 1].as_chunks::<2>();
            for ((&[x, _], y), code) in pairs.iter().zip(&mut *y).zip(&mut *codes) {
                update(x, y, code);
            }
            update(last[0], &mut y[len - 1], &mut codes[len - 1]);
        }
        _ => {
            for i in 0..len {
                update(x[stride * i], &mut y[i], &mut codes[i]);
            }
        }
    }
}

/// The largest element of one window, and its number there.
fn largest<F: Real>(x: &[F], width: usize, rows: &Window, columns: &Window) -> (F, F) {
    let places = columns.places();
    let (mut best, mut code) = (x[rows.place(0) * width + places.start], 0);
    for (ky, row) in rows.places().enumerate() {
        for (kx, &x) in x[row * width..][places.clone()].iter().enumerate() {
            if wins(x, best) {
                (best, code) = (x, ky * columns.kernel + kx);
            }
        }
    }
    (best, F::from_usize(code))
}

/// Elements of the buffers between the two directions of windows of 2 × 2.
const TILE: usize = 512;

/// Windows of 2 × 2 that do not overlap: pairs of rows first, then pairs of columns, both in whole vectors.
#[inline(always)]
fn forward_pairs<F: Real>(x: &[F], width: usize, y: &mut [F], codes: &mut [F], outputs: usize) {
    let (mut best, mut below) = ([F::zero(); TILE], [F::zero(); TILE]);
    let columns = outputs.min(TILE / 2);
    let group = (TILE / (2 * columns)) * outputs;
    let groups = y.chunks_mut(group).zip(codes.chunks_mut(group));
    for (first_row, (y, codes)) in groups.enumerate().map(|(i, part)| (i * (group / outputs), part)) {
        let rows = y.len() / outputs;
        for from in (0..outputs).step_by(columns) {
            let len = 2 * columns.min(outputs - from);
            for i in 0..rows {
                let start = 2 * (first_row + i) * width + 2 * from;
                let (upper, lower) = (&x[start..][..len], &x[start + width..][..len]);
                let part = i * len..(i + 1) * len;
                larger_row(upper, lower, &mut best[part.clone()], &mut below[part]);
            }
            // There are several rows only where they are whole.
            let part = from..from + rows * len / 2;
            larger_columns(&best[..rows * len], &below[..rows * len], &mut y[part.clone()], &mut codes[part]);
        }
    }
}

/// The larger of two rows, and 1 where it is the lower one, else 0.
#[inline(always)]
fn larger_row<F: Real>(upper: &[F], lower: &[F], best: &mut [F], below: &mut [F]) {
    let len = best.len();
    let (upper, lower, below) = (&upper[..len], &lower[..len], &mut below[..len]);
    for i in 0..len {
        let takes = wins(lower[i], upper[i]);
        best[i] = if takes { lower[i] } else { upper[i] };
        below[i] = if takes { F::one() } else { F::zero() };
    }
}

/// The larger of each two columns, and its number in the window.
#[inline(always)]
fn larger_columns<F: Real>(best: &[F], below: &[F], y: &mut [F], codes: &mut [F]) {
    let two = F::one() + F::one();
    let pairs = best.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
    for ((y, code), (&[left, right], &[left_below, right_below])) in y.iter_mut().zip(codes).zip(pairs) {
        // Of equals the right one is first if it alone lies in the upper row.
        let takes = wins(right, left) | ((right == left) & (right_below < left_below));
        *y = if takes { right } else { left };
        *code = if takes { two * right_below + F::one() } else { two * left_below };
    }
}

#[inline(always)]
fn backward_plane<F: Real>(grid: &Grid, dy: &[F], codes: &[F], dx: &mut [F], accumulate: bool) {
    let (width, outputs) = (grid.x.len, grid.x.outputs);
    if (grid.y.plain(), grid.x.plain()) == (Some((2, 2)), Some((2, 2))) {
        if accumulate {
            backward_pairs(
                dy,
                codes,
                dx,
                width,
                outputs,
                #[inline(always)]
                |old, new| old + new,
            );
        } else {
            backward_pairs(
                dy,
                codes,
                dx,
                width,
                outputs,
                #[inline(always)]
                |_, new| new,
            );
        }
        return;
    }
    if !accumulate {
        dx.fill(F::zero());
    }
    let rows = dy.chunks_exact(outputs).zip(codes.chunks_exact(outputs));
    for (o, (dy, codes)) in rows.enumerate() {
        let rows = grid.y.window(o);
        for i in 0..outputs {
            let columns = grid.x.window(i);
            let code = codes[i].to_f64() as usize;
            let (ky, kx) = (code / columns.kernel, code % columns.kernel);
            dx[rows.place(ky) * width + columns.place(kx)] += dy[i];
        }
    }
}

/// The reverse of [`forward_pairs`]: each element of the gradient is written once.
#[inline(always)]
fn backward_pairs<F: Real>(
    dy: &[F],
    codes: &[F],
    dx: &mut [F],
    width: usize,
    outputs: usize,
    write: impl Fn(F, F) -> F + Copy,
) {
    let zero = F::zero();
    let (mut spread, mut marks) = ([zero; TILE], [zero; TILE]);
    let height = dy.len() / outputs;
    for (i, rows) in dx.chunks_mut(2 * width).enumerate() {
        let (upper, lower) = rows.split_at_mut(width.min(rows.len()));
        if i >= height {
            upper.iter_mut().chain(lower).for_each(|d| *d = write(*d, zero));
            continue;
        }
        let (dy, codes) = (&dy[i * outputs..][..outputs], &codes[i * outputs..][..outputs]);
        for from in (0..outputs).step_by(TILE / 2) {
            let count = (TILE / 2).min(outputs - from);
            let (spread, marks) = (&mut spread[..2 * count], &mut marks[..2 * count]);
            spread_columns(&dy[from..][..count], &codes[from..][..count], spread, marks);
            let part = 2 * from..2 * (from + count);
            choose(spread, marks, zero, &mut upper[part.clone()], write);
            choose(spread, marks, F::one() + F::one(), &mut lower[part], write);
        }
        for rest in [upper, lower] {
            rest[2 * outputs..].iter_mut().for_each(|d| *d = write(*d, zero));
        }
    }
}

/// Each gradient twice, and its code less the column: 0 where it belongs to the upper row, 2 to the lower.
#[inline(always)]
fn spread_columns<F: Real>(dy: &[F], codes: &[F], spread: &mut [F], marks: &mut [F]) {
    let pairs = spread.as_chunks_mut::<2>().0.iter_mut().zip(marks.as_chunks_mut::<2>().0);
    for ((&dy, &code), (spread, mark)) in dy.iter().zip(codes).zip(pairs) {
        *spread = [dy, dy];
        *mark = [code, code - F::one()];
    }
}

#[inline(always)]
fn choose<F: Real>(spread: &[F], marks: &[F], mark: F, dx: &mut [F], write: impl Fn(F, F) -> F) {
    let len = dx.len();
    let (spread, marks) = (&spread[..len], &marks[..len]);
    for i in 0..len {
        dx[i] = write(dx[i], if marks[i] == mark { spread[i] } else { F::zero() });
    }
}
