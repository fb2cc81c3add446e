//! Operations that move elements: reshape, transpose, slice, concatenate, gather.

use ndarray::{Axis, Dimension, IxDyn};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, ValueError, View, ViewMut, shape::size};

use crate::kernel::{copy, copy_grad};
use crate::operation::Body;
use crate::shapes::{arity, axis, checked_axis};
use crate::slices::add_into;

/// The same elements in another shape, in row-major order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reshape {
    /// The new shape. One axis may be −1: as long as the number of elements requires.
    pub shape: Vec<isize>,
}

/// The axes in another order: axis `i` of the output is axis `axes[i]` of the input.
///
/// `[1, 0]` transposes a matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transpose {
    /// A permutation of the axes.
    pub axes: Vec<usize>,
}

/// The elements `start, start + step, …` below `end` along one axis.
///
/// The gradient of elements that are left out is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The axis; negative numbers count from the last.
    pub axis: isize,
    /// The first element.
    pub start: usize,
    /// The end, which is excluded; at most the length of the axis.
    pub end: usize,
    /// The distance from one to the next, from 1.
    pub step: usize,
}

/// Joins arrays along one axis; all other axes must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// The axis; negative numbers count from the last.
    pub axis: isize,
}

/// Picks rows of a table by number: the embedding lookup.
///
/// Inputs: the table `[rows, …]`, and row numbers of any shape as whole numbers from 0. Output: the shape of the
/// row numbers, then that of one row. The gradient of the table sums over repeated rows, in a fixed order; that of
/// the row numbers is 0.
///
/// Values: [`nn_core::Op::check`] refuses row numbers that are fractional or out of range. A forward or backward pass that
/// was not preceded by it panics on such numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatherRows;

impl Reshape {
    /// The new shape for `elements` elements; `None` where there is none.
    fn resolve(&self, elements: usize) -> Option<Vec<usize>> {
        let known: usize = self.shape.iter().filter_map(|&len| usize::try_from(len).ok()).product();
        let unknown = self.shape.iter().filter(|&&len| len < 0).count();
        let fits = match unknown {
            0 => known == elements,
            1 => self.shape.contains(&-1) && known != 0 && elements.is_multiple_of(known),
            _ => false,
        };
        let len = |&len: &isize| usize::try_from(len).unwrap_or_else(|_| elements / known);
        fits.then(|| self.shape.iter().map(len).collect())
    }
}

/// `target (+)= source`, both read in row-major order.
#[track_caller]
fn copy_reshaped<F: Real>(source: &View<'_, F>, mut target: ViewMut<'_, F>, accumulate: bool) {
    assert_eq!(source.len(), target.len(), "reshape: {:?} into {:?}", source.shape(), target.shape());
    if let (Some(from), Some(to)) = (source.as_slice(), target.as_slice_mut()) {
        return if accumulate { add_into(from, to) } else { to.copy_from_slice(from) };
    }
    for (to, &from) in target.iter_mut().zip(source) {
        *to = if accumulate { *to + from } else { from };
    }
}

impl<F: Real> Body<F> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity("reshape", 1, inputs)?;
        match self.resolve(size(inputs[0])) {
            Some(shape) => Ok(Outline::new(shape, 1)),
            None => Err(ShapeError::Input {
                op: "reshape",
                input: 0,
                expected: format!("of as many elements as {:?}", self.shape),
                got: inputs[0].to_vec(),
            }),
        }
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        copy_reshaped(&inputs[0], output, false);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        if let Some((target, accumulate)) = dx[0].target() {
            copy_reshaped(&dy, target, accumulate);
        }
    }
}

impl<F: Real> Body<F> for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity("transpose", 1, inputs)?;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..inputs[0].len()) {
            let expected = format!("an array whose axes {:?} permutes", self.axes);
            return Err(ShapeError::Input { op: "transpose", input: 0, expected, got: inputs[0].to_vec() });
        }
        Ok(Outline::new(self.axes.iter().map(|&a| inputs[0][a]).collect::<Vec<_>>(), 1))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        copy(&inputs[0].view().permuted_axes(IxDyn(&self.axes)), output);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let mut inverse = IxDyn(&self.axes);
        for (i, &axis) in self.axes.iter().enumerate() {
            inverse[axis] = i;
        }
        copy_grad(&dy.permuted_axes(inverse), &mut dx[0]);
    }
}

impl Slice {
    fn part(&self) -> ndarray::Slice {
        ndarray::Slice::new(self.start as isize, Some(self.end as isize), self.step as isize)
    }
}

impl<F: Real> Body<F> for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity("slice", 1, inputs)?;
        let axis = axis("slice", self.axis, inputs[0])?;
        let Slice { start, end, step, .. } = *self;
        if start > end || end > inputs[0][axis] || step == 0 {
            let expected =
                format!("sliced along axis {axis} within its length, not from {start} to {end} by {step}");
            return Err(ShapeError::Input { op: "slice", input: 0, expected, got: inputs[0].to_vec() });
        }
        let mut shape = inputs[0].to_vec();
        shape[axis] = (end - start).div_ceil(step);
        Ok(Outline::new(shape, 1))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let axis = Axis(checked_axis(self.axis, inputs[0].ndim()));
        copy(&inputs[0].slice_axis(axis, self.part()), output);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let Some((mut target, accumulate)) = dx[0].target() else { return };
        if !accumulate {
            target.fill(F::zero());
        }
        let axis = Axis(checked_axis(self.axis, target.ndim()));
        target.slice_axis_inplace(axis, self.part());
        copy_grad(&dy, &mut Grad::Accumulate(target));
    }
}

impl<F: Real> Body<F> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let Some(&first) = inputs.first() else {
            return Err(ShapeError::Arity { op: "concat", expected: 1, got: 0 });
        };
        let axis = axis("concat", self.axis, first)?;
        let mut shape = first.to_vec();
        shape[axis] = 0;
        for &other in inputs {
            let same = |i: usize| i == axis || other[i] == first[i];
            if other.len() != first.len() || !(0..first.len()).all(same) {
                let expected = format!("all axes but axis {axis} must be equal");
                let (left, right) = (first.to_vec(), other.to_vec());
                return Err(ShapeError::Mismatch { op: "concat", expected, left, right });
            }
            shape[axis] += other[axis];
        }
        Ok(Outline::new(shape, inputs.len()).saved(2 * inputs.len()))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let axis = Axis(checked_axis(self.axis, output.ndim()));
        let mut rest = output;
        for (x, saved) in inputs.iter().zip(memory.saved.chunks_exact_mut(2)) {
            let (part, after) = rest.split_at(axis, x.len_of(axis));
            copy(x, part);
            rest = after;
            // In two parts, since large numbers are not exact in `f32`.
            saved[0] = F::from_usize(x.len_of(axis) / LENGTH_UNIT);
            saved[1] = F::from_usize(x.len_of(axis) % LENGTH_UNIT);
        }
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let axis = Axis(checked_axis(self.axis, dy.ndim()));
        let mut rest = dy;
        for (grad, saved) in dx.iter_mut().zip(memory.saved.chunks_exact(2)) {
            let len = saved[0].to_f64() as usize * LENGTH_UNIT + saved[1].to_f64() as usize;
            let (part, after) = rest.split_at(axis, len);
            copy_grad(&part, grad);
            rest = after;
        }
    }
}

/// Lengths are saved as multiples of this and a remainder.
const LENGTH_UNIT: usize = 1 << 20;

/// The row number that a value stands for; `None` where it is fractional or out of range.
fn row_number<F: Real>(value: F, rows: usize) -> Option<usize> {
    let number = value.to_f64();
    (number >= 0.0 && number < rows as f64 && number.floor() == number).then_some(number as usize)
}

/// As [`row_number`], for numbers that were checked.
#[track_caller]
fn checked_row<F: Real>(value: F, rows: usize) -> usize {
    match row_number(value, rows) {
        Some(row) => row,
        None => panic!("gather_rows: {value} is not a row number from 0 to {}", rows as isize - 1),
    }
}

impl<F: Real> Body<F> for GatherRows {
    fn name(&self) -> &'static str {
        "gather_rows"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity("gather_rows", 2, inputs)?;
        let [table, numbers] = [inputs[0], inputs[1]];
        if table.is_empty() {
            let expected = "a table with at least one axis".to_owned();
            return Err(ShapeError::Input { op: "gather_rows", input: 0, expected, got: Vec::new() });
        }
        let shape: Vec<usize> = numbers.iter().chain(&table[1..]).copied().collect();
        Ok(Outline::new(shape, 2).reads_inputs(&[1]))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        let rows = inputs[0].len_of(Axis(0));
        match inputs[1].indexed_iter().find(|&(_, &value)| row_number(value, rows).is_none()) {
            None => Ok(()),
            Some((place, value)) => Err(ValueError {
                op: "gather_rows",
                input: 1,
                index: place.slice().to_vec(),
                value: value.to_f64(),
                expected: format!("a row number from 0 to {}", rows as isize - 1),
            }),
        }
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        gather(&inputs[0], &inputs[1], output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        if let Some((mut table, accumulate)) = dx[0].target() {
            if !accumulate {
                table.fill(F::zero());
            }
            scatter_add(&mut table, &io.input(1), &dy);
        }
        if let Some((mut numbers, false)) = dx[1].target() {
            numbers.fill(F::zero());
        }
    }
}

/// `output[i, …] = table[numbers[i], …]`.
fn gather<F: Real>(table: &View<'_, F>, numbers: &View<'_, F>, mut output: ViewMut<'_, F>) {
    if numbers.ndim() > 0 {
        for (numbers, output) in numbers.outer_iter().zip(output.outer_iter_mut()) {
            gather(table, &numbers, output);
        }
    } else if let Some(&number) = numbers.first() {
        let row = checked_row(number, table.len_of(Axis(0)));
        let row = table.index_axis(Axis(0), row);
        match (row.as_slice(), output.as_slice_mut()) {
            (Some(from), Some(to)) => to.copy_from_slice(from),
            _ => copy(&row, output),
        }
    }
}

/// `table[numbers[i], …] += d_output[i, …]`, in row-major order of `i`.
fn scatter_add<F: Real>(table: &mut ViewMut<'_, F>, numbers: &View<'_, F>, d_output: &View<'_, F>) {
    if numbers.ndim() > 0 {
        for (numbers, d_output) in numbers.outer_iter().zip(d_output.outer_iter()) {
            scatter_add(table, &numbers, &d_output);
        }
    } else if let Some(&number) = numbers.first() {
        let row = checked_row(number, table.len_of(Axis(0)));
        copy_grad(d_output, &mut Grad::Accumulate(table.index_axis_mut(Axis(0), row)));
    }
}
