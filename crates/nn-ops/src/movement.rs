//! Operations that move elements: reshape, transpose, slice, concatenate.

use ndarray::{Axis, IxDyn};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut, shape::size};

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
