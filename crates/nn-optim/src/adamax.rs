//! Adamax.

use nn_core::{RangeError, Real};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// Adamax: Adam with the maximum norm in place of the second moment.
///
/// m ← β₁·m + (1 − β₁)·g and u ← max(β₂·u, |g| + ε); then w ← w − α/(1 − β₁ᵗ)·m/u.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 2·10⁻³ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.999 | [0, 1) |
/// | ε | 10⁻⁸ | (0, ∞) |
///
/// These are the formula and the defaults of `torch.optim.Adamax`; Optax has the same. Keras adds ε to the
/// denominator: see [`keras`](Adamax::keras).
///
/// # Source
/// Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 2, which has no ε.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adamax {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    /// ε is added to u when it divides.
    outside: bool,
}

impl Adamax {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Adamax", learning_rate)?;
        Ok(Adamax { learning_rate, ..Adamax::default() })
    }

    /// As in Keras: u ← max(β₂·u, |g|) and w ← w − α/(1 − β₁ᵗ)·m/(u + ε), with ε = 10⁻⁷; there α is 10⁻³ by default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn keras(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Adamax { epsilon: 1e-7, outside: true, ..Adamax::new(learning_rate)? })
    }

    /// Sets β₁, the decay of the first moment.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("Adamax", "beta1", beta1)?;
        Ok(Adamax { beta1, ..self })
    }

    /// Sets β₂, the decay of the maximum.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("Adamax", "beta2", beta2)?;
        Ok(Adamax { beta2, ..self })
    }

    /// Sets ε, which is added to |g|, or to the denominator.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("Adamax", epsilon)?;
        Ok(Adamax { epsilon, ..self })
    }
}

impl Default for Adamax {
    fn default() -> Self {
        Adamax { learning_rate: 2e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, outside: false }
    }
}

impl<F: Real> Rule<F> for Adamax {
    fn name(&self) -> &'static str {
        "Adamax"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_inf"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.beta1)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let t = context.step as f64;
        let rate = F::from_f64(context.learning_rate / (1.0 - self.beta1.powf(t)));
        let (share1, beta2) = (F::from_f64(1.0 - self.beta1), F::from_f64(self.beta2));
        let epsilon = F::from_f64(self.epsilon).max(F::MIN_POSITIVE);
        let (within, beside) = if self.outside { (F::zero(), epsilon) } else { (epsilon, F::zero()) };
        pass.each(
            #[inline(always)]
            move |w, g, [m, u]| {
                let m = m + share1 * (g - m);
                let u = (beta2 * u).max(g.abs() + within);
                (w - rate * m / (u + beside), [m, u])
            },
        );
    }
}
