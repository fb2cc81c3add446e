//! RAdam.

use nn_core::{RangeError, Real};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// RAdam, rectified Adam: adapts the rate only once the variance of the adaptation is tractable.
///
/// With m and v of [`Adam`](crate::Adam), m̂ = m/(1 − β₁ᵗ), ρ∞ = 2/(1 − β₂) − 1 and
/// ρ = ρ∞ − 2·t·β₂ᵗ/(1 − β₂ᵗ):
///
/// - where ρ > 5, w ← w − α·m̂·r·√(1 − β₂ᵗ)/(√v + ε) with r = √((ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ));
/// - else w ← w − α·m̂.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.999 | [0, 1); up to ⅔ the second case holds always |
/// | ε | 10⁻⁸ | (0, ∞) |
///
/// These are the formula and the defaults of `torch.optim.RAdam`, with ε beside the uncorrected √v. Optax has the
/// first case from ρ ≥ 5 on and ε beside √(v/(1 − β₂ᵗ)): see [`optax`](RAdam::optax).
///
/// # Source
/// Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2, where the condition is
/// ρ > 4 and there is no ε.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RAdam {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    optax: bool,
}

impl RAdam {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("RAdam", learning_rate)?;
        Ok(RAdam { learning_rate, ..RAdam::default() })
    }

    /// As in Optax: w ← w − α·m̂·r/(√(v/(1 − β₂ᵗ)) + ε) where ρ ≥ 5; there α has no default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn optax(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(RAdam { optax: true, ..RAdam::new(learning_rate)? })
    }

    /// Sets β₁, the decay of the first moment.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("RAdam", "beta1", beta1)?;
        Ok(RAdam { beta1, ..self })
    }

    /// Sets β₂, the decay of the second moment.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("RAdam", "beta2", beta2)?;
        Ok(RAdam { beta2, ..self })
    }

    /// Sets ε, which is added to the denominator.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("RAdam", epsilon)?;
        Ok(RAdam { epsilon, ..self })
    }

    /// √(1 − β₂ᵗ)·r at step t, where the rate is adapted.
    fn rectification(&self, t: f64) -> Option<f64> {
        let limit = 2.0 / (1.0 - self.beta2) - 1.0;
        let power = self.beta2.powf(t);
        let rho = limit - 2.0 * t * power / (1.0 - power);
        let tractable = rho > 5.0 || (self.optax && rho == 5.0);
        let ratio = (rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho);
        tractable.then(|| (ratio * (1.0 - power)).sqrt())
    }
}

impl Default for RAdam {
    fn default() -> Self {
        RAdam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, optax: false }
    }
}

impl<F: Real> Rule<F> for RAdam {
    fn name(&self) -> &'static str {
        "RAdam"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.beta1)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let t = context.step as f64;
        let rate = context.learning_rate / (1.0 - self.beta1.powf(t));
        let share1 = F::from_f64(1.0 - self.beta1);
        let (beta2, share2) = (F::from_f64(self.beta2), F::from_f64(1.0 - self.beta2));
        let correction = if self.optax { (1.0 - self.beta2.powf(t)).sqrt() } else { 1.0 };
        let epsilon = F::from_f64(self.epsilon * correction).max(F::MIN_POSITIVE);
        if let Some(rectification) = self.rectification(t) {
            let rate = F::from_f64(rate * rectification);
            pass.each(
                #[inline(always)]
                move |w, g, [m, v]| {
                    let m = m + share1 * (g - m);
                    let v = beta2 * v + share2 * (g * g);
                    (w - rate * m / (v.sqrt() + epsilon), [m, v])
                },
            );
        } else {
            let rate = F::from_f64(rate);
            pass.each(
                #[inline(always)]
                move |w, g, [m, v]| {
                    let m = m + share1 * (g - m);
                    (w - rate * m, [m, beta2 * v + share2 * (g * g)])
                },
            );
        }
    }
}
