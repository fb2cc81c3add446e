//! Softmax and its logarithm along one axis.

use ndarray::{Axis, Dimension, IxDyn};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::kernel::{Combine, map, map_grad, reduce, reduce_plain};
use crate::operation::Body;
use crate::shapes::{arity, axis, checked_axis};
use crate::slices::{PARALLEL, add, dot, fold_slices, join, map_slices, max_value, sum, update};

/// yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) along one axis.
///
/// The largest x is subtracted first, so that nothing overflows. The backward pass reads the output alone:
/// dxᵢ = yᵢ(dyᵢ − Σⱼ dyⱼyⱼ). A row of −∞ alone gives NaN, as in PyTorch. Each yᵢ is within 4 + max x − xᵢ ULP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The axis; negative numbers count from the last. The default is −1.
    pub axis: isize,
}

/// yᵢ = xᵢ − ln Σⱼ exp(xⱼ) along one axis.
///
/// The largest x is subtracted first, so that nothing overflows. The backward pass reads the output alone:
/// dxᵢ = dyᵢ − exp(yᵢ) Σⱼ dyⱼ. Each yᵢ is within 2 ULP of the largest of |yᵢ|, max x − xᵢ and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSoftmax {
    /// The axis; negative numbers count from the last. The default is −1.
    pub axis: isize,
}

impl Default for Softmax {
    fn default() -> Self {
        Softmax { axis: -1 }
    }
}

impl Default for LogSoftmax {
    fn default() -> Self {
        LogSoftmax { axis: -1 }
    }
}

/// The working memory holds two numbers per row.
fn outline(op: &'static str, along: isize, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
    arity(op, 1, inputs)?;
    let shape = inputs[0];
    let axis = axis(op, along, shape)?;
    let rows: usize = shape.iter().enumerate().filter(|&(i, _)| i != axis).map(|(_, len)| len).product();
    Ok(Outline::new(shape, 1).reads_output().scratch(2 * rows))
}

/// Two arrays with one element per row, which are broadcast to `shape`.
fn per_row<'a, F: Real>(
    scratch: &'a mut [F],
    shape: &[usize],
    axis: usize,
) -> (ViewMut<'a, F>, ViewMut<'a, F>) {
    let mut reduced = IxDyn(shape);
    reduced[axis] = 1;
    let rows = reduced.slice().iter().product();
    let (a, rest) = scratch.split_at_mut(rows);
    let view = |slice| ViewMut::from_shape(reduced.clone(), slice).expect("one element per row");
    (view(a), view(&mut rest[..rows]))
}

/// The arrays as slices, where rows along `axis` lie one after another in all of them.
fn contiguous<'a, F: Real, const N: usize>(
    axis: usize,
    inputs: [&'a View<'_, F>; N],
    target: &'a mut ViewMut<'_, F>,
) -> Option<([&'a [F]; N], &'a mut [F])> {
    if axis + 1 != target.ndim() || !inputs.iter().all(|x| x.is_standard_layout()) {
        return None;
    }
    let target = target.as_slice_mut()?;
    Some((inputs.map(|x| x.as_slice().expect("a standard layout")), target))
}

/// Elements of short rows that are worked on together, so that `exp` runs over long stretches.
const GROUP: usize = 1024;

/// Runs `kernel` on groups of whole rows of `width` elements.
fn by_rows<F: Real, const N: usize>(
    inputs: [&[F]; N],
    target: &mut [F],
    width: usize,
    kernel: &(impl Fn([&[F]; N], &mut [F]) + Sync),
) {
    let rows = target.len() / width;
    if target.len() >= PARALLEL && rows > 1 {
        let middle = rows / 2 * width;
        let (left, right) = target.split_at_mut(middle);
        join(
            true,
            || by_rows(inputs.map(|x| &x[..middle]), left, width, kernel),
            || by_rows(inputs.map(|x| &x[middle..]), right, width, kernel),
        );
        return;
    }
    let group = (GROUP / width).max(1) * width;
    for (i, target) in target.chunks_mut(group).enumerate() {
        let range = i * group..i * group + target.len();
        kernel(inputs.map(|x| &x[range.clone()]), target);
    }
}

/// The forward pass: `rows` where rows along the axis lie one after another, else `anywhere`, which has two numbers
/// per row to work with.
fn forward<F: Real>(
    along: isize,
    x: &View<'_, F>,
    mut output: ViewMut<'_, F>,
    scratch: &mut [F],
    rows: fn(&[F], &mut [F], usize),
    anywhere: fn(&View<'_, F>, ViewMut<'_, F>, [ViewMut<'_, F>; 2]),
) {
    let axis = checked_axis(along, x.ndim());
    if x.is_empty() {
        return;
    }
    let width = x.len_of(Axis(axis));
    if let Some((x, y)) = contiguous(axis, [x], &mut output) {
        return by_rows(x, y, width, &|[x], y| rows(x, y, width));
    }
    let (max, total) = per_row(scratch, x.shape(), axis);
    anywhere(x, output, [max, total]);
}

/// The backward pass from y and dy, likewise; here `anywhere` has one number per row.
fn backward<F: Real>(
    along: isize,
    [y, dy]: [&View<'_, F>; 2],
    grad: &mut Grad<'_, F>,
    scratch: &mut [F],
    rows: fn([&[F]; 2], &mut [F], usize),
    anywhere: fn([&View<'_, F>; 2], &mut Grad<'_, F>, ViewMut<'_, F>),
) {
    let axis = checked_axis(along, y.ndim());
    let Some((mut target, accumulate)) = grad.target() else { return };
    if y.is_empty() {
        return;
    }
    let width = y.len_of(Axis(axis));
    if let (false, Some((inputs, dx))) = (accumulate, contiguous(axis, [y, dy], &mut target)) {
        return by_rows(inputs, dx, width, &|inputs, dx| rows(inputs, dx, width));
    }
    let (total, _) = per_row(scratch, y.shape(), axis);
    anywhere([y, dy], grad, total);
}

impl<F: Real> Body<F> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        outline("softmax", self.axis, inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        forward(self.axis, &inputs[0], output, memory.scratch, softmax_rows, softmax_anywhere);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let values = [&io.output(), &dy];
        backward(self.axis, values, &mut dx[0], memory.scratch, softmax_rows_back, softmax_anywhere_back);
    }
}

fn softmax_rows<F: Real>(x: &[F], y: &mut [F], width: usize) {
    subtract_max(x, y, width);
    update(y, F::exp);
    for y in y.chunks_exact_mut(width) {
        let scale = F::one() / sum(y);
        update(y, move |e| e * scale);
    }
}

fn softmax_anywhere<F: Real>(
    x: &View<'_, F>,
    mut y: ViewMut<'_, F>,
    [mut max, mut total]: [ViewMut<'_, F>; 2],
) {
    reduce_plain(Combine::Max, x, max.view_mut());
    map(
        [x, &max.view()],
        y.view_mut(),
        #[inline(always)]
        |[x, max]| (x - max).exp(),
    );
    reduce_plain(Combine::Sum, &y.view(), total.view_mut());
    y.zip_mut_with(&total, |y, total| *y /= *total);
}

fn softmax_rows_back<F: Real>([y, dy]: [&[F]; 2], dx: &mut [F], width: usize) {
    for ((y, dy), dx) in y.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width)) {
        let total = dot(y, dy);
        map_slices([y, dy], dx, move |[y, d]| y * (d - total));
    }
}

fn softmax_anywhere_back<F: Real>(
    [y, dy]: [&View<'_, F>; 2],
    dx: &mut Grad<'_, F>,
    mut total: ViewMut<'_, F>,
) {
    reduce(Combine::Sum, [dy, y], total.view_mut(), |[d, y]| d * y);
    map_grad([dy, y, &total.view()], dx, |[d, y, total]| y * (d - total));
}

/// y = x less the largest x of its row.
fn subtract_max<F: Real>(x: &[F], y: &mut [F], width: usize) {
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
        let max = max_value(x);
        map_slices([x], y, move |[x]| x - max);
    }
}

impl<F: Real> Body<F> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        outline("log_softmax", self.axis, inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        forward(self.axis, &inputs[0], output, memory.scratch, log_softmax_rows, log_softmax_anywhere);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let values = [&io.output(), &dy];
        let (rows, anywhere) = (log_softmax_rows_back, log_softmax_anywhere_back);
        backward(self.axis, values, &mut dx[0], memory.scratch, rows, anywhere);
    }
}

/// exp(y) of a group of rows, where it is no longer than the buffer.
fn exponentials<'a, F: Real>(y: &[F], buffer: &'a mut [F; GROUP]) -> Option<&'a [F]> {
    let e = buffer.get_mut(..y.len())?;
    map_slices(
        [y],
        e,
        #[inline(always)]
        |[y]| y.exp(),
    );
    Some(e)
}

fn log_softmax_rows<F: Real>(x: &[F], y: &mut [F], width: usize) {
    subtract_max(x, y, width);
    let mut buffer = [F::zero(); GROUP];
    let e = exponentials(y, &mut buffer);
    for (i, y) in y.chunks_exact_mut(width).enumerate() {
        let total = match e {
            Some(e) => sum(&e[i * width..][..width]),
            None => fold_slices(
                [y],
                F::zero(),
                #[inline(always)]
                |[y]| y.exp(),
                add,
            ),
        };
        let ln_total = total.ln();
        update(y, move |y| y - ln_total);
    }
}

fn log_softmax_anywhere<F: Real>(
    x: &View<'_, F>,
    y: ViewMut<'_, F>,
    [mut max, mut total]: [ViewMut<'_, F>; 2],
) {
    reduce_plain(Combine::Max, x, max.view_mut());
    reduce(
        Combine::Sum,
        [x, &max.view()],
        total.view_mut(),
        #[inline(always)]
        |[x, max]| (x - max).exp(),
    );
    total.mapv_inplace(F::ln);
    map([x, &max.view(), &total.view()], y, |[x, max, ln_total]| x - max - ln_total);
}

fn log_softmax_rows_back<F: Real>([y, dy]: [&[F]; 2], dx: &mut [F], width: usize) {
    let mut buffer = [F::zero(); GROUP];
    let e = exponentials(y, &mut buffer);
    for (i, dx) in dx.chunks_exact_mut(width).enumerate() {
        let row = i * width..(i + 1) * width;
        let (y, dy) = (&y[row.clone()], &dy[row.clone()]);
        let total = sum(dy);
        match e {
            Some(e) => map_slices([dy, &e[row]], dx, move |[d, e]| d - e * total),
            None => map_slices(
                [dy, y],
                dx,
                #[inline(always)]
                move |[d, y]| d - y.exp() * total,
            ),
        }
    }
}

fn log_softmax_anywhere_back<F: Real>(
    [y, dy]: [&View<'_, F>; 2],
    dx: &mut Grad<'_, F>,
    mut total: ViewMut<'_, F>,
) {
    reduce_plain(Combine::Sum, dy, total.view_mut());
    map_grad(
        [dy, y, &total.view()],
        dx,
        #[inline(always)]
        |[d, y, total]| d - y.exp() * total,
    );
}
