//! Adan.

use nn_core::{RangeError, Real};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate, check_weight_decay};
use crate::{Context, Decay, Pass, Rule};

/// Adan: adaptive Nesterov momentum from the difference of successive gradients.
///
/// With p the gradient of the step before (that of the step itself at first) and d = g − p:
///
/// m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·d; n ← β₃·n + (1 − β₃)·(g + β₂·d)²; then with bias correction
///
/// w ← (w − α·(m/(1 − β₁ᵗ) + β₂·v/(1 − β₂ᵗ)) / (√(n/(1 − β₃ᵗ)) + ε)) / (1 + α·λ).
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | β₁ | 0.98 | [0, 1) |
/// | β₂ | 0.92 | [0, 1) |
/// | β₃ | 0.99 | [0, 1) |
/// | ε | 10⁻⁸ | (0, ∞) |
/// | weight decay λ, by the proximal step above | 0 | [0, ∞) |
///
/// Formula and defaults are those of the authors' code, which corrects the bias. The paper's β are 1 − β here: its
/// factor 1 − β₂ before d and v is β₂. (Optax 0.2.8 has 1 − β₂ with the β₂ of this table, which is another method.)
///
/// # Source
/// Xie, Zhou, Li, Lin and Yan 2022, "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models",
/// algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adan {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    beta3: f64,
    epsilon: f64,
    weight_decay: f64,
}

impl Adan {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Adan", learning_rate)?;
        Ok(Adan { learning_rate, ..Adan::default() })
    }

    /// Sets β₁, the decay of the mean gradient.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("Adan", "beta1", beta1)?;
        Ok(Adan { beta1, ..self })
    }

    /// Sets β₂, the decay of the mean difference.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("Adan", "beta2", beta2)?;
        Ok(Adan { beta2, ..self })
    }

    /// Sets ε, which is added to the denominator.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("Adan", epsilon)?;
        Ok(Adan { epsilon, ..self })
    }

    /// Sets β₃, the decay of the second moment.
    ///
    /// # Errors
    /// When β₃ is outside [0, 1).
    pub fn beta3(self, beta3: f64) -> Result<Self, RangeError> {
        check_factor("Adan", "beta3", beta3)?;
        Ok(Adan { beta3, ..self })
    }

    /// Sets the weight decay λ.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay("Adan", weight_decay)?;
        Ok(Adan { weight_decay, ..self })
    }
}

impl Default for Adan {
    fn default() -> Self {
        Adan { learning_rate: 1e-3, beta1: 0.98, beta2: 0.92, beta3: 0.99, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl<F: Real> Rule<F> for Adan {
    fn name(&self) -> &'static str {
        "Adan"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_diff", "exp_avg_sq", "prev_grad"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.beta1)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay(&self) -> Decay {
        Decay::Inside
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let (t, rate) = (context.step as f64, context.learning_rate);
        let rate_m = F::from_f64(rate / (1.0 - self.beta1.powf(t)));
        let rate_v = F::from_f64(rate * self.beta2 / (1.0 - self.beta2.powf(t)));
        let root_scale = F::from_f64(1.0 / (1.0 - self.beta3.powf(t)).sqrt());
        let shrink = F::from_f64(1.0 / (1.0 + rate * context.weight_decay));
        let (share1, share2) = (F::from_f64(1.0 - self.beta1), F::from_f64(1.0 - self.beta2));
        let (beta2, share3) = (F::from_f64(self.beta2), F::from_f64(1.0 - self.beta3));
        let epsilon = F::from_f64(self.epsilon).max(F::MIN_POSITIVE);
        let first = context.step == 1;
        pass.each(
            #[inline(always)]
            move |w, g, [m, v, n, p]| {
                let d = if first { F::zero() } else { g - p };
                let m = m + share1 * (g - m);
                let v = v + share2 * (d - v);
                let ahead = g + beta2 * d;
                let n = n + share3 * (ahead * ahead - n);
                let step = (rate_m * m + rate_v * v) / (n.sqrt() * root_scale + epsilon);
                (shrink * (w - step), [m, v, n, g])
            },
        );
    }
}
