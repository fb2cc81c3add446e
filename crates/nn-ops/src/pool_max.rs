//! Maximum pooling.

use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::operation::Body;
use crate::pool::{Grid, Line, PerAxis, Tap, Window, Windows, each_plane, grid, one_by_one};
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
    /// The size of the windows.
    pub kernel: [usize; D],
    /// The distance from one window to the next.
    pub stride: [usize; D],
    /// Elements that are thought to stand before and behind each axis.
    pub padding: [usize; D],
    /// The distance between the elements of a window.
    pub dilation: [usize; D],
    /// Whether a last window may reach beyond the axis.
    pub ceil_mode: bool,
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
    /// The number of windows along each axis.
    pub outputs: [usize; D],
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
    each_plane((x, &[]), (y, saved), false, scratch, &|count, x, y, _| {
        dispatch(
            #[inline(always)]
            || {
                one_by_one(
                    as_one(&grid, count),
                    x,
                    y,
                    #[inline(always)]
                    |[x, _], [y, codes]| forward_plane(&grid, x, y, codes),
                );
            },
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
    each_plane((dy, saved), (target, &mut []), accumulate, scratch, &|count, dy, dx, accumulate| {
        dispatch(
            #[inline(always)]
            || {
                one_by_one(
                    as_one(&grid, count),
                    dy,
                    dx,
                    #[inline(always)]
                    |[dy, codes], [dx, _]| backward_plane(&grid, dy, codes, dx, accumulate),
                );
            },
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

/// Whether windows are squares of 2 × 2 that do not overlap.
fn in_pairs(grid: &Grid) -> bool {
    (grid.y.plain(), grid.x.plain()) == (Some((2, 2)), Some((2, 2)))
}

/// As how many planes so many may be treated: pairs of rows do not care where one ends.
fn as_one(grid: &Grid, count: usize) -> usize {
    if in_pairs(grid) && grid.y.len.is_multiple_of(2) { 1 } else { count }
}

/// Whether `new`, which comes later, takes the place of `best`.
#[inline(always)]
fn wins<F: Real>(new: F, best: F) -> bool {
    (new > best) | new.is_nan()
}

#[inline(always)]
fn forward_plane<F: Real>(grid: &Grid, x: &[F], y: &mut [F], codes: &mut [F]) {
    let (width, outputs) = (grid.x.len, grid.x.outputs);
    if in_pairs(grid) {
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

/// Where blocks of so many elements begin that cover `len`; the last two may overlap.
#[inline(always)]
fn starts(len: usize, block: usize) -> impl Iterator<Item = usize> {
    (0..len.div_ceil(block)).map(move |i| (i * block).min(len - block))
}

/// `B` elements by value: what is written meanwhile is known not to change them, so that they become vectors.
#[inline(always)]
fn block<T: Copy, const B: usize>(x: &[T], at: usize) -> [T; B] {
    *x[at..].first_chunk().expect("a whole block")
}

/// Writes `B` elements.
#[inline(always)]
fn write<T: Copy, const B: usize>(to: &mut [T], at: usize, values: [T; B]) {
    *to[at..].first_chunk_mut().expect("a whole block") = values;
}

/// How the buffers hold rows of so many windows: windows of a piece of a row, and rows, of which there are several only
/// where they are whole.
fn tile(outputs: usize) -> (usize, usize) {
    let columns = outputs.min(TILE / 2);
    (columns, TILE / (2 * columns))
}

/// Windows of 2 × 2 that do not overlap: pairs of rows first, then pairs of columns, both in whole vectors.
#[inline(always)]
fn forward_pairs<F: Real>(x: &[F], width: usize, y: &mut [F], codes: &mut [F], outputs: usize) {
    let (mut best, mut below) = ([F::zero(); TILE], [F::zero(); TILE]);
    let (columns, group) = tile(outputs);
    let height = y.len() / outputs;
    for first in (0..height).step_by(group) {
        let rows = group.min(height - first);
        for from in (0..outputs).step_by(columns) {
            let len = 2 * columns.min(outputs - from);
            for i in 0..rows {
                let (upper, lower) = x[2 * (first + i) * width + 2 * from..].split_at(width);
                let part = i * len..(i + 1) * len;
                let (best, below) = (&mut best[part.clone()], &mut below[part]);
                match len {
                    16.. => larger_row::<F, 16>(upper, lower, best, below),
                    8.. => larger_row::<F, 8>(upper, lower, best, below),
                    _ => larger_row::<F, 2>(upper, lower, best, below),
                }
            }
            let start = first * outputs + from;
            let part = start..start + rows * len / 2;
            let (y, codes) = (&mut y[part.clone()], &mut codes[part]);
            match y.len() {
                16.. => larger_columns::<F, 16>(&best, &below, y, codes),
                _ => larger_columns::<F, 1>(&best, &below, y, codes),
            }
        }
    }
}

/// The larger of two rows, and 1 where it is the lower one, else 0.
#[inline(always)]
fn larger_row<F: Real, const B: usize>(upper: &[F], lower: &[F], best: &mut [F], below: &mut [F]) {
    for at in starts(best.len(), B) {
        let (upper, lower) = (block::<F, B>(upper, at), block::<F, B>(lower, at));
        let (mut larger, mut is_lower) = ([F::zero(); B], [F::zero(); B]);
        for i in 0..B {
            let takes = wins(lower[i], upper[i]);
            larger[i] = if takes { lower[i] } else { upper[i] };
            is_lower[i] = if takes { F::one() } else { F::zero() };
        }
        write(best, at, larger);
        write(below, at, is_lower);
    }
}

/// The larger of each two columns, and its number in the window.
#[inline(always)]
fn larger_columns<F: Real, const B: usize>(best: &[F], below: &[F], y: &mut [F], codes: &mut [F]) {
    let two = F::one() + F::one();
    let (best, below) = (best.as_chunks().0, below.as_chunks().0);
    for at in starts(y.len(), B) {
        let (best, below) = (block::<[F; 2], B>(best, at), block::<[F; 2], B>(below, at));
        let (mut larger, mut code) = ([F::zero(); B], [F::zero(); B]);
        for i in 0..B {
            let ([left, right], [left_below, right_below]) = (best[i], below[i]);
            // Of equals the right one is first if it alone lies in the upper row.
            let takes = wins(right, left) | ((right == left) & (right_below < left_below));
            larger[i] = if takes { right } else { left };
            code[i] = if takes { two * right_below + F::one() } else { two * left_below };
        }
        write(y, at, larger);
        write(codes, at, code);
    }
}

#[inline(always)]
fn backward_plane<F: Real>(grid: &Grid, dy: &[F], codes: &[F], dx: &mut [F], accumulate: bool) {
    let (width, outputs) = (grid.x.len, grid.x.outputs);
    if !accumulate && in_pairs(grid) {
        return backward_pairs(dy, codes, dx, width, outputs);
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

/// The reverse of [`forward_pairs`]: each element of the gradient is written.
#[inline(always)]
fn backward_pairs<F: Real>(dy: &[F], codes: &[F], dx: &mut [F], width: usize, outputs: usize) {
    let (mut spread, mut marks) = ([F::zero(); TILE], [F::zero(); TILE]);
    let (columns, group) = tile(outputs);
    let height = dy.len() / outputs;
    for first in (0..height).step_by(group) {
        let rows = group.min(height - first);
        for from in (0..outputs).step_by(columns) {
            let len = 2 * columns.min(outputs - from);
            let start = first * outputs + from;
            let part = start..start + rows * len / 2;
            let (dy, codes) = (&dy[part.clone()], &codes[part]);
            match dy.len() {
                16.. => spread_columns::<F, 16>(dy, codes, &mut spread, &mut marks),
                _ => spread_columns::<F, 1>(dy, codes, &mut spread, &mut marks),
            }
            for i in 0..rows {
                let (upper, lower) = dx[2 * (first + i) * width + 2 * from..].split_at_mut(width);
                let (spread, marks) = (&spread[i * len..(i + 1) * len], &marks[i * len..(i + 1) * len]);
                match len {
                    16.. => choose::<F, 16>(spread, marks, upper, lower),
                    8.. => choose::<F, 8>(spread, marks, upper, lower),
                    _ => choose::<F, 2>(spread, marks, upper, lower),
                }
            }
        }
    }
    let (inside, rest) = dx.split_at_mut(2 * height * width);
    rest.fill(F::zero());
    if width > 2 * outputs {
        inside.chunks_exact_mut(width).for_each(|row| row[2 * outputs..].fill(F::zero()));
    }
}

/// Each gradient twice, and its code less the column: 0 where it belongs to the upper row, 2 to the lower.
#[inline(always)]
fn spread_columns<F: Real, const B: usize>(dy: &[F], codes: &[F], spread: &mut [F], marks: &mut [F]) {
    let (spread, marks) = (spread.as_chunks_mut().0, marks.as_chunks_mut().0);
    for at in starts(dy.len(), B) {
        let (dy, code) = (block::<F, B>(dy, at), block::<F, B>(codes, at));
        write(spread, at, dy.map(|dy| [dy, dy]));
        write(marks, at, code.map(|code| [code, code - F::one()]));
    }
}

/// The gradients of two rows: each where its mark says.
#[inline(always)]
fn choose<F: Real, const B: usize>(spread: &[F], marks: &[F], upper: &mut [F], lower: &mut [F]) {
    let two = F::one() + F::one();
    for at in starts(spread.len(), B) {
        let (dy, mark) = (block::<F, B>(spread, at), block::<F, B>(marks, at));
        let (mut above, mut below) = (dy, dy);
        for i in 0..B {
            above[i] = if mark[i] == F::zero() { dy[i] } else { F::zero() };
            below[i] = if mark[i] == two { dy[i] } else { F::zero() };
        }
        write(upper, at, above);
        write(lower, at, below);
    }
}
