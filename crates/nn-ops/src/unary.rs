//! Elementwise functions of one array.

use nn_core::{Grad, Io, Memory, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range};

use crate::kernel::{copy_grad, map, map_grad};
use crate::operation::Body;
use crate::shapes::elementwise;

/// y = −x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Neg;

/// y = |x|; the gradient at 0 is 0, and at NaN it is NaN (0 in PyTorch).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abs;

/// y = eˣ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exp;

/// y = ln x; NaN below 0, −∞ at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ln;

/// y = √x; NaN below 0. The gradient 1/(2y) is infinite at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sqrt;

/// y = x².
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Square;

/// y = 1/x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reciprocal;

/// y = x^p; NaN for negative x unless p is a whole number, but for x = −∞, of which it is 0 or ∞ as in C's `pow`.
///
/// For p = 0 the gradient is 0. (PyTorch takes p = ½ for [`Sqrt`], whose root of −∞ is NaN.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Powf(
    /// The exponent p.
    pub f64,
);

/// y = x + c.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddScalar(
    /// The number c that is added.
    pub f64,
);

/// y = c·x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MulScalar(
    /// The factor c.
    pub f64,
);

/// y = min(max(x, min), max). The gradient passes where min < x < max, as in PyTorch 2.15, and is 0 elsewhere.
///
/// NaN stays NaN. Either bound may be infinite; an infinite x equals it, and the gradient is 0 there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// The least value of the output.
    pub min: f64,
    /// The greatest value of the output.
    pub max: f64,
}

impl Clamp {
    /// A clamp to `[min, max]`.
    ///
    /// # Errors
    /// When a bound is NaN or `min > max`.
    pub fn new(min: f64, max: f64) -> Result<Self, RangeError> {
        check_range("Clamp", "min", min, "(-inf, inf)", true)?;
        check_range("Clamp", "max", max, "[min, inf]", max >= min)?;
        Ok(Clamp { min, max })
    }
}

impl<F: Real> Body<F> for Neg {
    fn name(&self) -> &'static str {
        "neg"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise("neg", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0]], output, |[x]| -x);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        map_grad([&dy], &mut dx[0], |[d]| -d);
    }
}

impl<F: Real> Body<F> for Abs {
    fn name(&self) -> &'static str {
        "abs"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("abs", inputs)?.reads_inputs(&[0]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0]], output, |[x]| x.abs());
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        map_grad([&io.input(0), &dy], &mut dx[0], |[x, d]| x.sign() * d);
    }
}

impl<F: Real> Body<F> for Exp {
    fn name(&self) -> &'static str {
        "exp"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("exp", inputs)?.reads_output())
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map(
            [&inputs[0]],
            output,
            #[inline(always)]
            |[x]| x.exp(),
        );
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        map_grad([&io.output(), &dy], &mut dx[0], |[y, d]| y * d);
    }
}

impl<F: Real> Body<F> for Ln {
    fn name(&self) -> &'static str {
        "ln"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("ln", inputs)?.reads_inputs(&[0]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map(
            [&inputs[0]],
            output,
            #[inline(always)]
            |[x]| x.ln(),
        );
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        map_grad([&io.input(0), &dy], &mut dx[0], |[x, d]| d / x);
    }
}

impl<F: Real> Body<F> for Sqrt {
    fn name(&self) -> &'static str {
        "sqrt"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("sqrt", inputs)?.reads_output())
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0]], output, |[x]| x.sqrt());
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        map_grad([&io.output(), &dy], &mut dx[0], |[y, d]| d / (y + y));
    }
}

impl<F: Real> Body<F> for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("square", inputs)?.reads_inputs(&[0]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0]], output, |[x]| x * x);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        map_grad([&io.input(0), &dy], &mut dx[0], |[x, d]| (x + x) * d);
    }
}

impl<F: Real> Body<F> for Reciprocal {
    fn name(&self) -> &'static str {
        "reciprocal"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("reciprocal", inputs)?.reads_output())
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        map([&inputs[0]], output, |[x]| F::one() / x);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        map_grad([&io.output(), &dy], &mut dx[0], |[y, d]| -(y * y) * d);
    }
}

impl<F: Real> Body<F> for Powf {
    fn name(&self) -> &'static str {
        "powf"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("powf", inputs)?.reads_inputs(&[0]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let p = F::from_f64(self.0);
        map([&inputs[0]], output, move |[x]| x.powf(p));
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let p = F::from_f64(self.0);
        if p == F::zero() {
            return map_grad([&dy], &mut dx[0], |_| F::zero());
        }
        map_grad([&io.input(0), &dy], &mut dx[0], move |[x, d]| p * x.powf(p - F::one()) * d);
    }
}

impl<F: Real> Body<F> for AddScalar {
    fn name(&self) -> &'static str {
        "add_scalar"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise("add_scalar", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let c = F::from_f64(self.0);
        map([&inputs[0]], output, move |[x]| x + c);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        copy_grad(&dy, &mut dx[0]);
    }
}

impl<F: Real> Body<F> for MulScalar {
    fn name(&self) -> &'static str {
        "mul_scalar"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise("mul_scalar", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let c = F::from_f64(self.0);
        map([&inputs[0]], output, move |[x]| x * c);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let c = F::from_f64(self.0);
        map_grad([&dy], &mut dx[0], move |[d]| d * c);
    }
}

impl<F: Real> Body<F> for Clamp {
    fn name(&self) -> &'static str {
        "clamp"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(elementwise("clamp", inputs)?.reads_inputs(&[0]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let (min, max) = (F::from_f64(self.min), F::from_f64(self.max));
        map([&inputs[0]], output, move |[x]| x.max(min).min(max));
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        let (min, max) = (F::from_f64(self.min), F::from_f64(self.max));
        map_grad(
            [&io.input(0), &dy],
            &mut dx[0],
            move |[x, d]| if x > min && x < max { d } else { F::zero() },
        );
    }
}
