//! The hinge loss of C classes.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut, check_range,
};
use nn_ops::{sum, sum_squares};

use crate::check;
use crate::classes::{self, ClassLoss};
use crate::eager::prediction_and_target;
use crate::reduction::Reduction;
use crate::rows::update;

/// The hinge loss of one class out of C, as `torch.nn.MultiMarginLoss`.
///
/// lᵢ = w_tᵢ/C · Σ_{j≠tᵢ} max(0, margin − xᵢ,ₜᵢ + xᵢⱼ)^p.
///
/// - Inputs: scores x `[m, C]` and classes t `[m]`, whole numbers from 0 to C − 1 in the scalar type; or `[m, C, d…]` and
///   `[m, d…]`. No axis may be 0 long.
/// - Output: the mean over all places, whatever the weights; the sum; or lᵢ in the shape of the classes.
/// - Gradients: ∂lᵢ/∂xᵢⱼ = w_tᵢ/C·p·max(0, …)^(p − 1) for j ≠ tᵢ (p = 1: 1 inside the margin, 0 at its edge), and at tᵢ the
///   negative sum of these; 0 for the classes.
/// - [`power`](Self::power) p: 1 (default) or 2; [`margin`](Self::margin): finite, 1 by default;
///   [`class_weights`](Self::class_weights) w: in \[0, ∞), 1 by default.
///
/// ```
/// use ndarray::array;
/// use nn_loss::MultiMargin;
///
/// let (x, t) = (array![[0.1, 0.2, 0.4, 0.8]], array![3.0]);
/// let cost: f64 = MultiMargin::new().loss(&x, &t).unwrap()[[]];
/// assert!((cost - (0.3 + 0.4 + 0.6) / 4.0).abs() < 1e-15);
/// let error = MultiMargin::new().power(3).unwrap_err();
/// assert_eq!(error.to_string(), "MultiMargin: power must lie in {1, 2}, got 3");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MultiMargin {
    squared: bool,
    margin: f64,
    class_weights: Option<Arc<ArrayD<f64>>>,
    /// How the losses of the places are combined; the mean by default.
    pub reduction: Reduction,
}

prediction_and_target!(MultiMargin);

impl Default for MultiMargin {
    /// p = 1, margin 1, without weights.
    fn default() -> Self {
        MultiMargin { squared: false, margin: 1.0, class_weights: None, reduction: Reduction::Mean }
    }
}

impl MultiMargin {
    /// p = 1, margin 1, without weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the power p.
    ///
    /// # Errors
    /// When it is neither 1 nor 2.
    pub fn power(self, power: u32) -> Result<Self, RangeError> {
        check_range("MultiMargin", "power", f64::from(power), "{1, 2}", matches!(power, 1 | 2))?;
        Ok(MultiMargin { squared: power == 2, ..self })
    }

    /// With another margin.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn margin(self, margin: f64) -> Result<Self, RangeError> {
        check_range("MultiMargin", "margin", margin, "(-inf, inf)", margin.is_finite())?;
        Ok(MultiMargin { margin, ..self })
    }

    /// One weight for each class.
    ///
    /// # Errors
    /// When a weight is not in \[0, ∞).
    pub fn class_weights(self, weights: &[f64]) -> Result<Self, RangeError> {
        let weights = ArrayD::from_shape_fn(IxDyn(&[weights.len()]), |c| weights[c[0]]);
        let class_weights = Some(check::weights("MultiMargin", "class_weights", weights)?);
        Ok(MultiMargin { class_weights, ..self })
    }

    fn weights(&self) -> Option<&[f64]> {
        self.class_weights.as_ref().and_then(|weights| weights.as_slice())
    }
}

impl ClassLoss for MultiMargin {
    const NAME: &'static str = "multi_margin";

    fn row<F: Real>(&self, row: &mut [F], class: usize) -> F {
        let weight = self.weights().map_or(1.0, |weights| weights[class]);
        let scale = F::from_f64(weight / row.len() as f64);
        let (margin, right) = (F::from_f64(self.margin), row[class]);
        update(
            row,
            #[inline(always)]
            |x| (margin - right + x).max(F::zero()),
        );
        row[class] = F::zero();
        let loss = if self.squared { sum_squares(row) } else { sum(row) };
        if self.squared {
            update(
                row,
                #[inline(always)]
                |m| (m + m) * scale,
            );
        } else {
            update(
                row,
                #[inline(always)]
                |m| m.sign() * scale,
            );
        }
        row[class] = -sum(row);
        loss * scale
    }
}

impl<F: Real> Op<F> for MultiMargin {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = classes::outline::<Self>(self.reduction, inputs)?;
        check::one_per_class(Self::NAME, self.weights(), inputs[0])?;
        Ok(outline)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        classes::check_classes(Self::NAME, inputs, None)
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves ∂lᵢ/∂z.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        classes::forward(self, self.reduction, inputs, output, memory.saved);
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        classes::backward(self.reduction, memory.saved, &d_output, d_inputs);
    }
}
