//! ReLU and dropout in one pass.

use ndarray::{Array, ArrayRef, Dimension};
use nn_core::{Grad, Io, Memory, Mode, Op, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::Dropout;
use crate::mask::{Mask, Rate, one_input};
use crate::stretches::{self, map, map_grad};

/// [`Dropout`] of max(x, 0): y = max(x, 0)·m/(1 − r), with the mask m that the dropout alone would draw.
///
/// ∂y/∂x = 1/(1 − r) where y > 0, else 0: the backward pass reads the output and draws nothing. In evaluation
/// y = max(x, 0).
///
/// - Input and output: any one shape.
/// - The rate, and what becomes of infinities and NaN: as [`Dropout`].
///
/// A graph takes it where dropout follows ReLU ([`Op::after_relu`]): both passes are then one, forward and backward.
///
/// ```
/// use ndarray::array;
/// use nn_core::Step;
/// use nn_regularize::{Dropout, ReluDropout};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (x, step, dropout) = (array![-1.0, 2.0, 3.0, -4.0], Step::default(), Dropout::new(0.5)?);
/// let both = ReluDropout::from(dropout).apply(&step, &x);
/// assert_eq!(both, dropout.apply(&step, &x.mapv(|x| f64::max(x, 0.0))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReluDropout {
    rate: Rate,
}

impl From<Dropout> for ReluDropout {
    fn from(dropout: Dropout) -> Self {
        ReluDropout { rate: dropout.rate }
    }
}

impl ReluDropout {
    /// The output for a plain array.
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, x: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, x)
    }

    /// What the elements that pass are multiplied by.
    fn scale<F: Real>(&self, mode: Mode) -> F {
        if mode == Mode::Eval { F::one() } else { self.rate.scale() }
    }
}

#[inline(always)]
fn relu<F: Real>(x: F) -> F {
    if x < F::zero() { F::zero() } else { x }
}

impl<F: Real> Op<F> for ReluDropout {
    fn name(&self) -> &'static str {
        "relu_dropout"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(one_input("relu_dropout", inputs)?, 1).reads_output())
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        if step.mode == Mode::Eval {
            return map(
                &inputs[0],
                output,
                false,
                #[inline(always)]
                |_, x, y| y.iter_mut().zip(x).for_each(|(y, &x)| *y = relu(x)),
            );
        }
        let (mask, scale) = (Mask::new(&step.rng("dropout"), self.rate), self.rate.scale::<F>());
        map(
            &inputs[0],
            output,
            false,
            #[inline(always)]
            |first, x, y| {
                mask.select(
                    first,
                    x,
                    y,
                    #[inline(always)]
                    move |x| relu(x) * scale,
                    F::zero(),
                );
            },
        );
    }

    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let (output, scale) = (io.output(), self.scale::<F>(step.mode));
        let output = output.as_standard_layout();
        let y = output.as_slice().expect("an array in standard layout is contiguous");
        map_grad(
            &d_output,
            &mut d_inputs[0],
            #[inline(always)]
            |first, dy, dx| {
                let y = &y[first..first + dx.len()];
                for ((dx, &dy), &y) in dx.iter_mut().zip(dy).zip(y) {
                    let passed = dy * scale;
                    *dx = if y <= F::zero() { F::zero() } else { passed };
                }
            },
        );
    }
}
