//! The logarithm of the hyperbolic cosine of the error.

use nn_core::{Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The log-cosh loss lᵢ = ln cosh(yᵢ − tᵢ): near 0 half the squared error, far away the absolute error less ln 2.
///
/// - Inputs: predictions y and targets t of any one shape, which must not be empty.
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs.
/// - Gradients: ∂lᵢ/∂yᵢ = tanh(yᵢ − tᵢ), and ∂lᵢ/∂tᵢ = −∂lᵢ/∂yᵢ.
///
/// As `keras.losses.LogCosh`, but computed as ln(1 + (e^(−|d|) − 1)²/(2e^(−|d|))) for |d| < 1, so that small losses keep
/// their relative accuracy, and as |d| + ln(1 + e^(−2|d|)) − ln 2 elsewhere, which does not overflow.
///
/// ```
/// use ndarray::array;
/// use nn_loss::LogCosh;
///
/// let (cost, dy) = LogCosh::new().loss_and_gradient(&array![1e-9, 1000.0], &array![0.0, 0.0]).unwrap();
/// assert!((cost - (1000.0 - 2f64.ln()) / 2.0).abs() < 1e-12);
/// assert_eq!(dy[1], 0.5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogCosh {
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(LogCosh);

impl LogCosh {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Elementwise<2> for LogCosh {
    const NAME: &'static str = "log_cosh";

    const STAGED: bool = true;

    #[inline(always)]
    fn stage<F: Real>(&self, [y, t]: [F; 2]) -> F {
        (-(y - t).abs()).exp_m1()
    }

    #[inline(always)]
    fn loss<F: Real>(&self, [y, t]: [F; 2], m: F) -> F {
        let (d, one) = ((y - t).abs(), F::one());
        let e = one + m;
        let near = m * m / (e + e);
        let log = (if d < one { near } else { e * e }).ln_1p_unit();
        if d < one { log } else { d + log - F::from_f64(std::f64::consts::LN_2) }
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [y, t]: [F; 2], m: F) -> [F; 2] {
        // tanh d = (1 − e^(−2d))/(1 + e^(−2d)) = −m(2 + m)/(1 + (1 + m)²)
        let (one, two) = (F::one(), F::one() + F::one());
        let magnitude = -m * (two + m) / (one + (one + m) * (one + m));
        let d = if y < t { -magnitude } else { magnitude };
        [d, -d]
    }
}

impl<F: Real> Op<F> for LogCosh {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        elementwise::forward(self, self.reduction, inputs, output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        elementwise::backward(self, self.reduction, io, &d_output, d_inputs);
    }
}
