//! Elementwise operations and reductions over arrays of any shape and memory layout.
//!
//! [`map`] and [`reduce`] bring the arrays, whatever their layout, to as few axes as possible, and then run loops
//! over contiguous rows; rows that are not contiguous pass through small buffers. Nothing is allocated on the heap
//! for arrays of up to 4 axes. Large work is split in fixed halves among threads; since the parts are independent,
//! the bits do not depend on the number of threads.

use ndarray::{ArrayView1, ArrayViewMut1, Axis, Ix1, Ix2, IxDyn};
use nn_core::{Grad, Real, View, ViewMut};

use crate::slices::{PARALLEL, add_into, join, map_slices, max_into, max_value, sum};

/// Elements of a buffer through which rows pass that are not contiguous.
const TILE: usize = 512;
/// Rows that are summed in a buffer of their own before they join the total, for accuracy.
const ROWS: usize = 64;

/// A function of contiguous rows: `output[i] = f([inputs[0][i], …])`. It is compiled once per function and instruction
/// set; all else in this file only once per scalar and number of inputs.
pub(crate) type RowFn<'f, F, const N: usize> = dyn Fn([&[F]; N], &mut [F]) + Sync + 'f;

/// `output = f([inputs[0], inputs[1], …])`, element by element; the inputs are broadcast to the output.
///
/// # Panics
/// When an input cannot be broadcast to the shape of the output.
#[track_caller]
pub(crate) fn map<F: Real, const N: usize>(
    inputs: [&View<'_, F>; N],
    output: ViewMut<'_, F>,
    f: impl Fn([F; N]) -> F + Sync + Copy,
) {
    map_rows(inputs, output, &|inputs, out| map_slices(inputs, out, f));
}

/// As [`map`], with a function of rows.
#[track_caller]
pub(crate) fn map_rows<F: Real, const N: usize>(
    inputs: [&View<'_, F>; N],
    output: ViewMut<'_, F>,
    rows: &RowFn<'_, F, N>,
) {
    Kernel { rows: Some(rows), write: Write::Set }.elementwise(inputs, output);
}

/// `output = x`, broadcast.
#[track_caller]
pub(crate) fn copy<F: Real>(x: &View<'_, F>, output: ViewMut<'_, F>) {
    Kernel { rows: None, write: Write::Set }.elementwise([x], output);
}

/// As [`map`], into the gradient of an input (which has the full shape).
#[track_caller]
pub(crate) fn map_grad<F: Real, const N: usize>(
    inputs: [&View<'_, F>; N],
    grad: &mut Grad<'_, F>,
    f: impl Fn([F; N]) -> F + Sync + Copy,
) {
    map_grad_rows(inputs, grad, Some(&|inputs: [&[F]; N], out: &mut [F]| map_slices(inputs, out, f)));
}

/// As [`map_grad`], with a function of rows; `None` copies the first input.
#[track_caller]
pub(crate) fn map_grad_rows<F: Real, const N: usize>(
    inputs: [&View<'_, F>; N],
    grad: &mut Grad<'_, F>,
    rows: Option<&RowFn<'_, F, N>>,
) {
    if let Some((target, accumulate)) = grad.target() {
        let write = if accumulate { Write::Sum } else { Write::Set };
        Kernel { rows, write }.elementwise(inputs, target);
    }
}

/// The gradient is `x`, broadcast.
#[track_caller]
pub(crate) fn copy_grad<F: Real>(x: &View<'_, F>, grad: &mut Grad<'_, F>) {
    map_grad_rows([x], grad, None);
}

/// How values are combined in a reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combine {
    /// Their sum, from 0.
    Sum,
    /// Their maximum, from −∞.
    Max,
}

/// Reduces `f([inputs[0], inputs[1], …])` over the axes in which `output` has length 1 (or which it lacks, at the
/// front). The first input has the full shape; the others are broadcast to it.
///
/// # Panics
/// When the shapes do not fit.
#[track_caller]
pub(crate) fn reduce<F: Real, const N: usize>(
    how: Combine,
    inputs: [&View<'_, F>; N],
    output: ViewMut<'_, F>,
    f: impl Fn([F; N]) -> F + Sync + Copy,
) {
    reduce_rows(how, inputs, output, Some(&|inputs: [&[F]; N], out: &mut [F]| map_slices(inputs, out, f)));
}

/// Reduces `x` itself; otherwise as [`reduce`].
#[track_caller]
pub(crate) fn reduce_plain<F: Real>(how: Combine, x: &View<'_, F>, output: ViewMut<'_, F>) {
    reduce_rows(how, [x], output, None);
}

#[track_caller]
fn reduce_rows<F: Real, const N: usize>(
    how: Combine,
    inputs: [&View<'_, F>; N],
    mut output: ViewMut<'_, F>,
    rows: Option<&RowFn<'_, F, N>>,
) {
    let write = if how == Combine::Sum { Write::Sum } else { Write::Max };
    let kernel = Kernel { rows, write };
    output.fill(kernel.neutral());
    kernel.reduction(inputs, output);
}

/// Sums `f([inputs[0], inputs[1], …])` into the gradient of an input that was broadcast to the shape of
/// `inputs[0]`.
///
/// # Panics
/// When the shapes do not fit.
#[track_caller]
pub(crate) fn sum_grad<F: Real, const N: usize>(
    inputs: [&View<'_, F>; N],
    grad: &mut Grad<'_, F>,
    f: impl Fn([F; N]) -> F + Sync + Copy,
) {
    sum_grad_rows(inputs, grad, Some(&|inputs: [&[F]; N], out: &mut [F]| map_slices(inputs, out, f)));
}

/// Sums `x` itself; otherwise as [`sum_grad`].
#[track_caller]
pub(crate) fn sum_grad_plain<F: Real>(x: &View<'_, F>, grad: &mut Grad<'_, F>) {
    sum_grad_rows([x], grad, None);
}

#[track_caller]
fn sum_grad_rows<F: Real, const N: usize>(
    inputs: [&View<'_, F>; N],
    grad: &mut Grad<'_, F>,
    rows: Option<&RowFn<'_, F, N>>,
) {
    let Some((mut target, accumulate)) = grad.target() else { return };
    if target.shape() == inputs[0].shape() {
        return map_grad_rows(inputs, grad, rows);
    }
    if !accumulate {
        target.fill(F::zero());
    }
    Kernel { rows, write: Write::Sum }.reduction(inputs, target);
}

#[track_caller]
fn stretch<'a, F: Real>(x: &'a View<'_, F>, shape: &IxDyn) -> View<'a, F> {
    match x.broadcast(shape.clone()) {
        Some(view) => view,
        None => panic!("an array of shape {:?} cannot be broadcast to {:?}", x.shape(), shape),
    }
}

/// The arrays of one elementwise operation or reduction. All inputs have the same shape; the target has it too, or
/// has length 1 in the axes that are reduced.
struct Operands<'a, F: Real, const N: usize> {
    inputs: [View<'a, F>; N],
    target: ViewMut<'a, F>,
}

impl<F: Real, const N: usize> Operands<'_, F, N> {
    fn len_of(&self, axis: usize) -> usize {
        self.inputs[0].len_of(Axis(axis))
    }

    /// Whether this axis (of length above 1) is reduced.
    fn is_reduced(&self, axis: usize) -> bool {
        self.target.len_of(Axis(axis)) != self.len_of(axis)
    }

    fn remove_axis(&mut self, axis: usize) {
        for x in &mut self.inputs {
            x.index_axis_inplace(Axis(axis), 0);
        }
        self.target.index_axis_inplace(Axis(axis), 0);
    }

    /// Removes axes of length 1, turns and orders the rest so that the leading array (the target or the first
    /// input) is walked upwards in memory, and merges axes that are neighbours in memory in all arrays.
    fn simplify(&mut self, target_leads: bool) {
        if self.inputs[0].is_empty() {
            return;
        }
        for axis in (0..self.target.ndim()).rev() {
            if self.len_of(axis) == 1 {
                self.remove_axis(axis);
            }
        }
        self.order(target_leads);
        for axis in (1..self.target.ndim()).rev() {
            if self.can_merge(axis - 1, axis) {
                for x in &mut self.inputs {
                    x.merge_axes(Axis(axis - 1), Axis(axis));
                }
                self.target.merge_axes(Axis(axis - 1), Axis(axis));
                self.remove_axis(axis - 1);
            }
        }
        if self.target.ndim() == 0 {
            for x in &mut self.inputs {
                x.insert_axis_inplace(Axis(0));
            }
            self.target.insert_axis_inplace(Axis(0));
        }
    }

    /// Makes the strides of the leading array positive and sorts its axes by them, the smallest last.
    fn order(&mut self, target_leads: bool) {
        let stride = |s: &Self, axis: usize| {
            if target_leads { s.target.strides()[axis] } else { s.inputs[0].strides()[axis] }
        };
        for axis in 0..self.target.ndim() {
            if stride(self, axis) < 0 {
                for x in &mut self.inputs {
                    x.invert_axis(Axis(axis));
                }
                self.target.invert_axis(Axis(axis));
            }
        }
        for end in 1..self.target.ndim() {
            for axis in (1..=end).rev() {
                if stride(self, axis - 1) >= stride(self, axis) {
                    break;
                }
                for x in &mut self.inputs {
                    x.swap_axes(axis - 1, axis);
                }
                self.target.swap_axes(axis - 1, axis);
            }
        }
    }

    fn can_merge(&self, outer: usize, inner: usize) -> bool {
        let len = self.len_of(inner) as isize;
        let neighbours = |strides: &[isize]| strides[outer] == strides[inner] * len;
        self.is_reduced(outer) == self.is_reduced(inner)
            && self.inputs.iter().all(|x| neighbours(x.strides()))
            && (self.is_reduced(inner) || neighbours(self.target.strides()))
    }

    /// The axis along which to divide the work among threads, if there is one and it is worth it.
    fn axis_to_split(&self) -> Option<usize> {
        if self.inputs[0].len() < PARALLEL || rayon::current_num_threads() == 1 {
            return None;
        }
        (0..self.target.ndim()).find(|&axis| !self.is_reduced(axis) && self.len_of(axis) > 1)
    }
}

/// What happens to the values that the target holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    /// They are overwritten, without being read.
    Set,
    /// The new values are added to them.
    Sum,
    /// The larger of the two remains.
    Max,
}

/// What is done with contiguous rows.
#[derive(Clone, Copy)]
struct Kernel<'k, F: Real, const N: usize> {
    /// The function; `None` stands for the first input itself.
    rows: Option<&'k RowFn<'k, F, N>>,
    write: Write,
}

/// The buffers through which rows pass.
struct Tiles<F, const N: usize> {
    inputs: [[F; TILE]; N],
    target: [F; TILE],
}

impl<F: Real, const N: usize> Kernel<'_, F, N> {
    #[track_caller]
    fn elementwise(&self, inputs: [&View<'_, F>; N], mut target: ViewMut<'_, F>) {
        let plain = |x: &&View<'_, F>| x.shape() == target.shape() && x.is_standard_layout();
        if target.len() < PARALLEL
            && inputs.iter().all(plain)
            && let Some(out) = target.as_slice_mut()
        {
            return self.row(inputs.map(|x| x.as_slice().expect("a standard layout")), out);
        }
        let shape = target.raw_dim();
        let mut operands = Operands { inputs: inputs.map(|x| stretch(x, &shape)), target };
        operands.simplify(true);
        self.split(operands);
    }

    /// Reduces into what the target holds.
    #[track_caller]
    fn reduction(&self, inputs: [&View<'_, F>; N], mut target: ViewMut<'_, F>) {
        if inputs[0].is_empty() {
            return;
        }
        while target.ndim() < inputs[0].ndim() {
            target.insert_axis_inplace(Axis(0));
        }
        let shape = inputs[0].raw_dim();
        let mut operands = Operands { inputs: inputs.map(|x| stretch(x, &shape)), target };
        operands.simplify(false);
        self.split(operands);
    }

    fn neutral(&self) -> F {
        if self.write == Write::Max { -F::INFINITY } else { F::zero() }
    }

    fn combine(&self, a: F, b: F) -> F {
        if self.write == Write::Max { a.max(b) } else { a + b }
    }

    /// Writes a row of the target.
    fn row(&self, inputs: [&[F]; N], out: &mut [F]) {
        let combine = match self.write {
            Write::Set => {
                match self.rows {
                    Some(rows) => rows(inputs, out),
                    None => out.copy_from_slice(inputs[0]),
                }
                return;
            }
            Write::Sum => add_into,
            Write::Max => max_into,
        };
        let Some(rows) = self.rows else { return combine(inputs[0], out) };
        let mut buffer = [F::zero(); TILE];
        for (i, out) in out.chunks_mut(TILE).enumerate() {
            let range = i * TILE..i * TILE + out.len();
            let buffer = &mut buffer[..out.len()];
            rows(inputs.map(|x| &x[range.clone()]), buffer);
            combine(buffer, out);
        }
    }

    /// Reduces a row to a number, in an order that depends on its length alone.
    fn fold(&self, inputs: [&[F]; N]) -> F {
        let fold = if self.write == Write::Max { max_value } else { sum };
        let Some(rows) = self.rows else { return fold(inputs[0]) };
        let len = inputs[0].len();
        if len <= TILE {
            let mut buffer = [F::zero(); TILE];
            rows(inputs, &mut buffer[..len]);
            return fold(&buffer[..len]);
        }
        let middle = (len / 2).next_multiple_of(TILE);
        let (left, right) = join(
            len >= PARALLEL,
            || self.fold(inputs.map(|x| &x[..middle])),
            || self.fold(inputs.map(|x| &x[middle..])),
        );
        self.combine(left, right)
    }

    /// Divides the work among threads.
    fn split(&self, operands: Operands<'_, F, N>) {
        let Some(axis) = operands.axis_to_split() else { return self.run(operands) };
        let len = operands.len_of(axis);
        let middle = if len >= 128 { (len / 2).next_multiple_of(64) } else { len / 2 };
        let Operands { inputs, target } = operands;
        let (low, high) = target.split_at(Axis(axis), middle);
        let halves = inputs.map(|x| x.split_at(Axis(axis), middle));
        let left = Operands { inputs: halves.each_ref().map(|(left, _)| left.clone()), target: low };
        let right = Operands { inputs: halves.map(|(_, right)| right), target: high };
        join(true, || self.split(left), || self.split(right));
    }

    fn run(&self, mut operands: Operands<'_, F, N>) {
        if operands.inputs[0].is_empty() {
            return;
        }
        if operands.target.ndim() == 1
            && !operands.is_reduced(0)
            && operands.inputs.iter().all(is_slice)
            && let Some(out) = operands.target.as_slice_mut()
        {
            return self.row(operands.inputs.each_ref().map(|x| x.as_slice().expect("a slice")), out);
        }
        let mut tiles = Tiles { inputs: [[F::zero(); TILE]; N], target: [F::zero(); TILE] };
        self.walk(operands, &mut tiles);
    }

    /// Goes over the outer axes, down to planes and lines.
    fn walk(&self, mut operands: Operands<'_, F, N>, tiles: &mut Tiles<F, N>) {
        match operands.target.ndim() {
            1 => {
                let Operands { inputs, target } = operands;
                let inputs = inputs.map(|x| x.into_dimensionality::<Ix1>().expect("one axis"));
                self.line(inputs, target.into_dimensionality::<Ix1>().expect("one axis"), tiles);
            }
            2 => self.plane(operands, tiles),
            _ => {
                let reduced = operands.is_reduced(0);
                for i in 0..operands.len_of(0) {
                    let inputs = operands.inputs.each_ref().map(|x| x.index_axis(Axis(0), i));
                    let target = operands.target.index_axis_mut(Axis(0), if reduced { 0 } else { i });
                    self.walk(Operands { inputs, target }, tiles);
                }
            }
        }
    }

    fn plane(&self, operands: Operands<'_, F, N>, tiles: &mut Tiles<F, N>) {
        let sums_columns = operands.is_reduced(0) && !operands.is_reduced(1);
        let reduced = operands.is_reduced(0);
        let Operands { inputs, target } = operands;
        let inputs = inputs.map(|x| x.into_dimensionality::<Ix2>().expect("two axes"));
        let mut target = target.into_dimensionality::<Ix2>().expect("two axes");
        let (rows, columns) = inputs[0].dim();
        if !sums_columns {
            for i in 0..rows {
                let row = target.row_mut(if reduced { 0 } else { i });
                self.line(inputs.each_ref().map(|x| x.row(i)), row, tiles);
            }
            return;
        }
        let mut partial = [F::zero(); TILE];
        for from in (0..columns).step_by(TILE) {
            let width = TILE.min(columns - from);
            let part = ndarray::s![from..from + width];
            for first in (0..rows).step_by(ROWS) {
                let partial = &mut partial[..width];
                partial.fill(self.neutral());
                for i in first..rows.min(first + ROWS) {
                    let inputs = inputs.each_ref().map(|x| x.row(i).slice_move(part));
                    self.line(inputs, ArrayViewMut1::from(&mut *partial), tiles);
                }
                for (t, p) in target.row_mut(0).slice_mut(part).iter_mut().zip(&*partial) {
                    *t = self.combine(*t, *p);
                }
            }
        }
    }

    fn line(
        &self,
        inputs: [ArrayView1<'_, F>; N],
        mut target: ArrayViewMut1<'_, F>,
        tiles: &mut Tiles<F, N>,
    ) {
        let len = inputs[0].len();
        let reduced = target.len() != len;
        if inputs.iter().all(is_slice) {
            let rows = inputs.each_ref().map(|x| x.to_slice().expect("a slice"));
            if reduced {
                return self.fold_into(&mut target[0], rows);
            } else if let Some(out) = target.as_slice_mut() {
                return self.row(rows, out);
            }
        }
        let Tiles { inputs: buffers, target: buffer } = tiles;
        for (buffer, x) in buffers.iter_mut().zip(&inputs) {
            if is_repeated(x) {
                buffer[..len.min(TILE)].fill(x[0]);
            }
        }
        for from in (0..len).step_by(TILE) {
            let width = TILE.min(len - from);
            let part = ndarray::s![from..from + width];
            let rows = load_parts(&inputs, buffers, from, width);
            if reduced {
                self.fold_into(&mut target[0], rows);
                continue;
            }
            let mut target = target.slice_mut(part);
            if let Some(out) = target.as_slice_mut() {
                self.row(rows, out);
                continue;
            }
            buffer.iter_mut().zip(&target).for_each(|(b, t)| *b = *t);
            self.row(rows, &mut buffer[..width]);
            target.iter_mut().zip(&*buffer).for_each(|(t, b)| *t = *b);
        }
    }

    fn fold_into(&self, target: &mut F, rows: [&[F]; N]) {
        *target = self.combine(*target, self.fold(rows));
    }
}

fn is_slice<F, D: ndarray::Dimension>(x: &ndarray::ArrayView<'_, F, D>) -> bool {
    x.is_standard_layout()
}

/// Whether a line is one element, repeated.
fn is_repeated<F>(x: &ArrayView1<'_, F>) -> bool {
    x.len() > 1 && x.strides()[0] == 0
}

/// Part of some lines, as slices: those that are not contiguous are copied to their buffers, where repeated elements
/// stand already.
fn load_parts<'a, F: Real, const N: usize>(
    lines: &'a [ArrayView1<'_, F>; N],
    buffers: &'a mut [[F; TILE]; N],
    from: usize,
    width: usize,
) -> [&'a [F]; N] {
    for (line, buffer) in lines.iter().zip(&mut *buffers) {
        if !is_slice(line) && !is_repeated(line) {
            let part = line.slice(ndarray::s![from..from + width]);
            buffer.iter_mut().zip(part).for_each(|(b, x)| *b = *x);
        }
    }
    std::array::from_fn(|k| match lines[k].as_slice() {
        Some(slice) => &slice[from..from + width],
        None => &buffers[k][..width],
    })
}
