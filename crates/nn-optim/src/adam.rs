//! Adam.

use nn_core::{RangeError, Real, check_range};

use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// Adam, gradient descent by estimates of the first and second moment of the gradient.
///
/// m ← β₁·m + (1 − β₁)·g and v ← β₂·v + (1 − β₂)·g²; then with bias correction at step t
///
/// w ← w − α/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε).
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.999 | [0, 1) |
/// | ε | 10⁻⁸ | (0, ∞) |
///
/// These are the formula and the defaults of `torch.optim.Adam`, except that ε = 0 is refused: an element whose
/// gradient has always been zero would become NaN. An ε below the smallest normal number of the precision counts as
/// that.
///
/// # Source
/// Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Adam {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Adam", learning_rate)?;
        Ok(Adam { learning_rate, ..Adam::default() })
    }

    /// Sets β₁, the decay of the first moment.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("Adam", "beta1", beta1)?;
        Ok(Adam { beta1, ..self })
    }

    /// Sets β₂, the decay of the second moment.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("Adam", "beta2", beta2)?;
        Ok(Adam { beta2, ..self })
    }

    /// Sets ε, which is added to the denominator.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        let inside = epsilon > 0.0 && epsilon.is_finite();
        check_range("Adam", "epsilon", epsilon, "(0, ∞)", inside)?;
        Ok(Adam { epsilon, ..self })
    }
}

impl Default for Adam {
    fn default() -> Self {
        Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl<F: Real> Rule<F> for Adam {
    fn name(&self) -> &'static str {
        "Adam"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let t = context.step as f64;
        let rate = F::from_f64(context.learning_rate / (1.0 - self.beta1.powf(t)));
        let root_scale = F::from_f64(1.0 / (1.0 - self.beta2.powf(t)).sqrt());
        let (beta2, epsilon) = (F::from_f64(self.beta2), F::from_f64(self.epsilon).max(F::MIN_POSITIVE));
        let (share1, share2) = (F::from_f64(1.0 - self.beta1), F::from_f64(1.0 - self.beta2));
        pass.each(
            #[inline(always)]
            move |w, g, [m, v]| {
                let m = m + share1 * (g - m);
                let v = beta2 * v + share2 * (g * g);
                (w - rate * m / (v.sqrt() * root_scale + epsilon), [m, v])
            },
        );
    }
}
