//! Reductions over axes.

use ndarray::{Axis, Dimension, IxDyn};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::kernel::{Combine, copy_grad, map_grad, reduce, reduce_plain};
use crate::operation::Body;
use crate::shapes::{arity, axis, checked_axis};

/// The sum over some axes: y = Σ x. Sums over no elements are 0.
///
/// Sums run in a fixed order in blocks, so that the bits do not depend on threads and the error grows slowly: a sum of n
/// terms is within 1 + ½ log₂ n ULP of Σ|x| in `f32`, as measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The axes to sum over, negative ones counted from the last; empty means all.
    pub axes: Vec<isize>,
    /// Whether these axes stay, with length 1. The default is `false`: they go.
    pub keep_axes: bool,
}

/// The arithmetic mean over some axes: y = Σ x / n. The mean of no elements is NaN, as in PyTorch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mean {
    /// The axes to average over, negative ones counted from the last; empty means all.
    pub axes: Vec<isize>,
    /// Whether these axes stay, with length 1. The default is `false`: they go.
    pub keep_axes: bool,
}

/// The maximum over some axes; NaN where one of the elements is.
///
/// Elements that share the maximum share the gradient evenly, as in PyTorch's `amax`. There is no maximum of no
/// elements: such shapes are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Max {
    /// The axes to reduce, negative ones counted from the last; empty means all.
    pub axes: Vec<isize>,
    /// Whether these axes stay, with length 1. The default is `false`: they go.
    pub keep_axes: bool,
}

/// The logarithm of the sum of exponentials over some axes: y = ln Σ exp(x), computed so that nothing overflows.
///
/// Of no elements it is −∞. The gradient is the softmax: dx = dy·exp(x − y).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSumExp {
    /// The axes to reduce, negative ones counted from the last; empty means all.
    pub axes: Vec<isize>,
    /// Whether these axes stay, with length 1. The default is `false`: they go.
    pub keep_axes: bool,
}

/// The axes of a reduction and what becomes of them.
#[derive(Clone, Copy)]
struct Over<'a> {
    axes: &'a [isize],
    keep: bool,
}

impl Over<'_> {
    /// The output's outline.
    fn infer(self, op: &'static str, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        arity(op, 1, inputs)?;
        let shape = inputs[0];
        let mut reduced = vec![self.axes.is_empty(); shape.len()];
        for &a in self.axes {
            let a = axis(op, a, shape)?;
            if std::mem::replace(&mut reduced[a], true) {
                let expected = format!("reduced over different axes, but {:?} name one twice", self.axes);
                return Err(ShapeError::Input { op, input: 0, expected, got: shape.to_vec() });
            }
        }
        let kept = shape.iter().zip(&reduced).filter(|&(_, &reduced)| self.keep || !reduced);
        Ok(Outline::new(kept.map(|(&len, &reduced)| if reduced { 1 } else { len }).collect::<Vec<_>>(), 1))
    }

    fn contains(self, axis: usize, axes: usize) -> bool {
        self.axes.is_empty() || self.axes.iter().any(|&a| checked_axis(a, axes) == axis)
    }

    /// The output's shape with the reduced axes kept at length 1.
    fn reduced_shape(self, x: &[usize]) -> IxDyn {
        let mut shape = IxDyn(x);
        for axis in 0..x.len() {
            if self.contains(axis, x.len()) {
                shape[axis] = 1;
            }
        }
        shape
    }

    /// The output, or its gradient, with the reduced axes put back at length 1.
    fn restore<F: Real>(self, mut y: View<'_, F>, axes: usize) -> View<'_, F> {
        for axis in 0..axes {
            if !self.keep && self.contains(axis, axes) {
                y.insert_axis_inplace(Axis(axis));
            }
        }
        y
    }

    /// As [`restore`](Self::restore), for writing.
    fn restore_mut<F: Real>(self, mut y: ViewMut<'_, F>, axes: usize) -> ViewMut<'_, F> {
        for axis in 0..axes {
            if !self.keep && self.contains(axis, axes) {
                y.insert_axis_inplace(Axis(axis));
            }
        }
        y
    }

    /// How many elements make one of the output.
    fn count(self, shape: &[usize]) -> usize {
        (0..shape.len()).filter(|&axis| self.contains(axis, shape.len())).map(|axis| shape[axis]).product()
    }
}

/// The shape that the gradient of the input has; `None` where it is not wanted.
fn shape_of<F: Real>(dx: &mut [Grad<'_, F>]) -> Option<IxDyn> {
    dx[0].target().map(|(target, _)| target.raw_dim())
}

impl Sum {
    fn over(&self) -> Over<'_> {
        Over { axes: &self.axes, keep: self.keep_axes }
    }
}

impl<F: Real> Body<F> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        self.over().infer("sum", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let x = &inputs[0];
        reduce_plain(Combine::Sum, x, self.over().restore_mut(output, x.ndim()));
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let Some(shape) = shape_of(dx) else { return };
        copy_grad(&self.over().restore(dy, shape.ndim()), &mut dx[0]);
    }
}

impl Mean {
    fn over(&self) -> Over<'_> {
        Over { axes: &self.axes, keep: self.keep_axes }
    }
}

impl<F: Real> Body<F> for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        self.over().infer("mean", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let x = &inputs[0];
        reduce_plain(Combine::Sum, x, self.over().restore_mut(output.view_mut(), x.ndim()));
        let count = F::from_usize(self.over().count(x.shape()));
        output.mapv_inplace(|total| total / count);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let Some(shape) = shape_of(dx) else { return };
        let count = F::from_usize(self.over().count(shape.slice()));
        map_grad([&self.over().restore(dy, shape.ndim())], &mut dx[0], move |[d]| d / count);
    }
}

impl Max {
    fn over(&self) -> Over<'_> {
        Over { axes: &self.axes, keep: self.keep_axes }
    }
}

impl<F: Real> Body<F> for Max {
    fn name(&self) -> &'static str {
        "max"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = self.over().infer("max", inputs)?;
        let size: usize = outline.shape.iter().product();
        if self.over().count(inputs[0]) == 0 {
            let expected = format!("of at least one element along the axes {:?}", self.axes);
            return Err(ShapeError::Input { op: "max", input: 0, expected, got: inputs[0].to_vec() });
        }
        Ok(outline.reads_inputs(&[0]).reads_output().scratch(size))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let x = &inputs[0];
        reduce_plain(Combine::Max, x, self.over().restore_mut(output, x.ndim()));
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        if !dx[0].is_needed() {
            return;
        }
        let x = io.input(0);
        let y = self.over().restore(io.output(), x.ndim());
        let dy = self.over().restore(dy, x.ndim());
        let mut share = scratch_array(memory.scratch, self.over().reduced_shape(x.shape()));
        reduce(Combine::Sum, [&x, &y], share.view_mut(), |[x, y]| is_equal(x, y));
        share.zip_mut_with(&dy, |share, d| *share = *d / *share);
        map_grad([&x, &y, &share.view()], &mut dx[0], |[x, y, share]| is_equal(x, y) * share);
    }
}

/// 1 where they are equal, else 0.
#[inline(always)]
fn is_equal<F: Real>(x: F, y: F) -> F {
    if x == y { F::one() } else { F::zero() }
}

fn scratch_array<F: Real>(scratch: &mut [F], shape: IxDyn) -> ViewMut<'_, F> {
    let size = shape.slice().iter().product();
    ViewMut::from_shape(shape, &mut scratch[..size]).expect("as many elements as the shape has")
}

impl LogSumExp {
    fn over(&self) -> Over<'_> {
        Over { axes: &self.axes, keep: self.keep_axes }
    }
}

impl<F: Real> Body<F> for LogSumExp {
    fn name(&self) -> &'static str {
        "log_sum_exp"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = self.over().infer("log_sum_exp", inputs)?;
        let size = outline.shape.iter().product();
        Ok(outline.reads_inputs(&[0]).reads_output().scratch(size))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let x = &inputs[0];
        let mut y = self.over().restore_mut(output, x.ndim());
        reduce_plain(Combine::Max, x, y.view_mut());
        // An infinite maximum is not subtracted: ∞ − ∞ would be NaN.
        y.mapv_inplace(|max| if max.is_finite() { max } else { F::zero() });
        let mut total = scratch_array(memory.scratch, self.over().reduced_shape(x.shape()));
        reduce(
            Combine::Sum,
            [x, &y.view()],
            total.view_mut(),
            #[inline(always)]
            |[x, max]| (x - max).exp(),
        );
        y.zip_mut_with(&total, |y, total| *y += total.ln());
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let x = io.input(0);
        let y = self.over().restore(io.output(), x.ndim());
        let dy = self.over().restore(dy, x.ndim());
        map_grad(
            [&x, &y, &dy],
            &mut dx[0],
            #[inline(always)]
            |[x, y, d]| d * (x - y).exp(),
        );
    }
}
