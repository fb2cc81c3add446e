//! Elementwise arithmetic of two arrays, broadcast as NumPy does it.

use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut, shape};

use crate::kernel::{map, sum_grad, sum_grad_plain};
use crate::operation::Body;
use crate::shapes::arity;

/// z = x + y, broadcast.
///
/// Shapes are aligned at their last axes; an axis that is missing or 1 is repeated to match the other. The gradient
/// of a repeated input is summed over its repetitions. This holds for all operations of two arrays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Add;

/// z = x − y, broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sub;

/// z = x·y, element by element, broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mul;

/// z = x/y, element by element, broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Div;

/// z = max(x, y), element by element, broadcast; NaN if either is.
///
/// Where x = y, each gets half of the gradient, and where one is NaN, both get all of it, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maximum;

/// z = min(x, y), element by element, broadcast; NaN if either is.
///
/// Where x = y, each gets half of the gradient, and where one is NaN, both get all of it, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minimum;

fn broadcast(op: &'static str, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
    arity(op, 2, inputs)?;
    match shape::broadcast(inputs[0], inputs[1]) {
        Some(shape) => Ok(Outline::new(shape, 2)),
        None => Err(ShapeError::Mismatch {
            op,
            expected: "axes, aligned at the last, must be equal or 1".to_owned(),
            left: inputs[0].to_vec(),
            right: inputs[1].to_vec(),
        }),
    }
}

impl<F: Real> Body<F> for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        broadcast("add", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0], &inputs[1]], output, |[x, y]| x + y);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dz: View<'_, F>,
        grads: &mut [Grad<'_, F>],
    ) {
        sum_grad_plain(&dz, &mut grads[0]);
        sum_grad_plain(&dz, &mut grads[1]);
    }
}

impl<F: Real> Body<F> for Sub {
    fn name(&self) -> &'static str {
        "sub"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        broadcast("sub", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0], &inputs[1]], output, |[x, y]| x - y);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dz: View<'_, F>,
        grads: &mut [Grad<'_, F>],
    ) {
        sum_grad_plain(&dz, &mut grads[0]);
        sum_grad([&dz], &mut grads[1], |[d]| -d);
    }
}

impl<F: Real> Body<F> for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(broadcast("mul", inputs)?.reads_inputs(&[0, 1]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0], &inputs[1]], output, |[x, y]| x * y);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dz: View<'_, F>,
        grads: &mut [Grad<'_, F>],
    ) {
        sum_grad([&dz, &io.input(1)], &mut grads[0], |[d, y]| d * y);
        sum_grad([&dz, &io.input(0)], &mut grads[1], |[d, x]| d * x);
    }
}

impl<F: Real> Body<F> for Div {
    fn name(&self) -> &'static str {
        "div"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(broadcast("div", inputs)?.reads_inputs(&[0, 1]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0], &inputs[1]], output, |[x, y]| x / y);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dz: View<'_, F>,
        grads: &mut [Grad<'_, F>],
    ) {
        let (x, y) = (io.input(0), io.input(1));
        sum_grad([&dz, &y], &mut grads[0], |[d, y]| d / y);
        sum_grad([&dz, &x, &y], &mut grads[1], |[d, x, y]| -d * (x / y / y));
    }
}

impl<F: Real> Body<F> for Maximum {
    fn name(&self) -> &'static str {
        "maximum"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(broadcast("maximum", inputs)?.reads_inputs(&[0, 1]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0], &inputs[1]], output, |[x, y]| x.max(y));
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dz: View<'_, F>,
        grads: &mut [Grad<'_, F>],
    ) {
        let (x, y) = (io.input(0), io.input(1));
        lower_grad([&dz, &y, &x], &mut grads[0]);
        lower_grad([&dz, &x, &y], &mut grads[1]);
    }
}

impl<F: Real> Body<F> for Minimum {
    fn name(&self) -> &'static str {
        "minimum"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(broadcast("minimum", inputs)?.reads_inputs(&[0, 1]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0], &inputs[1]], output, |[x, y]| x.min(y));
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dz: View<'_, F>,
        grads: &mut [Grad<'_, F>],
    ) {
        let (x, y) = (io.input(0), io.input(1));
        lower_grad([&dz, &x, &y], &mut grads[0]);
        lower_grad([&dz, &y, &x], &mut grads[1]);
    }
}

/// The gradient of the one that counts where a < b, from [d, a, b].
fn lower_grad<F: Real>(inputs: [&View<'_, F>; 3], grad: &mut Grad<'_, F>) {
    sum_grad(inputs, grad, |[d, a, b]| d * share(a, b));
}

/// 0 where a > b, ½ where they are equal, else 1: also where one is NaN.
#[inline(always)]
fn share<F: Real>(a: F, b: F) -> F {
    if a > b {
        F::zero()
    } else if a == b {
        F::from_f64(0.5)
    } else {
        F::one()
    }
}
