//! The Kullback–Leibler divergence.

use nn_core::{
    Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, ValueError, View, ViewMut, shape::size,
};

use crate::check;
use crate::eager::prediction_and_target;
use crate::elementwise::{self, Elementwise};
use crate::reduction::Reduction;

/// The Kullback–Leibler divergence of predicted from target probabilities, as `torch.nn.KLDivLoss`.
///
/// Of **logarithms** x of the predicted probabilities and target probabilities t: lᵢ = tᵢ(ln tᵢ − xᵢ), which is 0 where
/// tᵢ = 0, also if xᵢ = −∞ (PyTorch: NaN). With [`log_target`](Self::log_target), lᵢ = e^(tᵢ)(tᵢ − xᵢ), and 0 where
/// tᵢ = −∞ (PyTorch: NaN).
///
/// - Inputs: x and t of any one shape, which must not be empty. Targets that are no logarithms must not be negative.
/// - Output: the mean over all elements, the sum, or lᵢ in the shape of the inputs. That mean is **not** the
///   divergence of the mathematicians, which [`batch_mean`](Self::batch_mean) gives: the sum divided by the first axis.
/// - Gradients: ∂lᵢ/∂xᵢ = −tᵢ and ∂lᵢ/∂tᵢ = ln tᵢ + 1 − xᵢ, −∞ at tᵢ = 0 (PyTorch: NaN); with `log_target`, −e^(tᵢ) and
///   e^(tᵢ)(tᵢ − xᵢ + 1).
///
/// Source: Kullback and Leibler (1951), On information and sufficiency, equation 2.4.
///
/// ```
/// use ndarray::array;
/// use nn_loss::KlDivergence;
///
/// let (x, t) = (array![[0.5f64, 0.5]].ln(), array![[1.0, 0.0]]);
/// let (divergence, dx) = KlDivergence::new().batch_mean().loss_and_gradient(&x, &t).unwrap();
/// assert_eq!((divergence, dx), (2f64.ln(), array![[-1.0, 0.0]]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KlDivergence {
    log_target: bool,
    batch_mean: bool,
    /// How the losses of the elements are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(KlDivergence);

impl KlDivergence {
    /// The mean over all elements, of targets that are probabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the targets as logarithms of probabilities.
    #[must_use]
    pub fn log_target(self) -> Self {
        KlDivergence { log_target: true, ..self }
    }

    /// Lets the mean divide by the length of the first axis instead of the number of elements (PyTorch's `batchmean`).
    #[must_use]
    pub fn batch_mean(self) -> Self {
        KlDivergence { batch_mean: true, reduction: Reduction::Mean, ..self }
    }
}

impl Elementwise<2> for KlDivergence {
    const NAME: &'static str = "kl_divergence";

    #[inline(always)]
    fn loss<F: Real>(&self, [x, t]: [F; 2], _: F) -> F {
        let (p, log) = if self.log_target { (t.exp(), t) } else { (t, t.ln()) };
        if p == F::zero() && !x.is_nan() { p } else { p * (log - x) }
    }

    #[inline(always)]
    fn slopes<F: Real>(&self, [x, t]: [F; 2], _: F) -> [F; 2] {
        let one = F::one();
        if !self.log_target {
            return [-t, t.ln() + one - x];
        }
        let p = t.exp();
        [-p, if p == F::zero() { p } else { p * (t - x + one) }]
    }

    fn divisor(&self, shape: &[usize]) -> usize {
        match shape.first() {
            Some(&cases) if self.batch_mean => cases,
            _ => size(shape),
        }
    }
}

impl<F: Real> Op<F> for KlDivergence {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        elementwise::outline(self, self.reduction, inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        if self.log_target {
            return Ok(());
        }
        check::all(
            Self::NAME,
            1,
            &inputs[1],
            "a probability, not below 0",
            #[inline(always)]
            |t| t >= F::zero(),
        )
    }

    fn has_check(&self) -> bool {
        true
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
