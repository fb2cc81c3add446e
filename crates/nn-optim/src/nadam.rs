//! NAdam.

use nn_core::{RangeError, Real, check_range};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// NAdam: Adam with Nesterov's momentum, which is warmed up.
///
/// With m and v of [`Adam`](crate::Adam), µₜ = β₁·(1 − ½·0.96^(t·ψ)) and Π the product µ₁·…·µₜ:
///
/// w ← w − α·((1 − µₜ)/(1 − Π)·g + µₜ₊₁/(1 − Π·µₜ₊₁)·m) / (√(v/(1 − β₂ᵗ)) + ε).
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 2·10⁻³ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.999 | [0, 1) |
/// | ε | 10⁻⁸ | (0, ∞) |
/// | decay of the warm-up ψ | 4·10⁻³ | [0, ∞) |
///
/// These are the formula and the defaults of `torch.optim.NAdam`. Keras has ψ = 1 ([`keras`](NAdam::keras)), Optax a
/// constant µ ([`optax`](NAdam::optax)).
///
/// # Source
/// Dozat 2016, "Incorporating Nesterov momentum into Adam", with its schedule of µₜ, in which ψ is 1/250.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NAdam {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    momentum_decay: f64,
    /// The share of β₁ that µ lacks before the warm-up: ½, or 0 for none.
    dip: f64,
}

impl NAdam {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("NAdam", learning_rate)?;
        Ok(NAdam { learning_rate, ..NAdam::default() })
    }

    /// As in Keras: µₜ = β₁·(1 − ½·0.96ᵗ), that is ψ = 1, and ε = 10⁻⁷; there α is 10⁻³ by default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn keras(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(NAdam { epsilon: 1e-7, momentum_decay: 1.0, ..NAdam::new(learning_rate)? })
    }

    /// As in Optax: µₜ = β₁, so that w ← w − α·((1 − β₁)/(1 − β₁ᵗ)·g + β₁/(1 − β₁ᵗ⁺¹)·m) / (√(v/(1 − β₂ᵗ)) + ε);
    /// there α has no default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn optax(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(NAdam { dip: 0.0, ..NAdam::new(learning_rate)? })
    }

    /// Sets β₁, the decay of the first moment.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("NAdam", "beta1", beta1)?;
        Ok(NAdam { beta1, ..self })
    }

    /// Sets β₂, the decay of the second moment.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("NAdam", "beta2", beta2)?;
        Ok(NAdam { beta2, ..self })
    }

    /// Sets ε, which is added to the denominator.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("NAdam", epsilon)?;
        Ok(NAdam { epsilon, ..self })
    }

    /// Sets ψ, how fast the momentum rises from ½·β₁ to β₁.
    ///
    /// # Errors
    /// When ψ is outside [0, ∞).
    pub fn momentum_decay(self, momentum_decay: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&momentum_decay);
        check_range("NAdam", "momentum_decay", momentum_decay, "[0, ∞)", inside)?;
        Ok(NAdam { momentum_decay, ..self })
    }

    /// µₜ.
    fn momentum(&self, t: f64) -> f64 {
        self.beta1 * (1.0 - self.dip * 0.96f64.powf(t * self.momentum_decay))
    }
}

impl Default for NAdam {
    fn default() -> Self {
        NAdam { learning_rate: 2e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum_decay: 4e-3, dip: 0.5 }
    }
}

impl<F: Real> Rule<F> for NAdam {
    fn name(&self) -> &'static str {
        "NAdam"
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

    fn scalars(&self) -> &'static [&'static str] {
        &["mu_product"]
    }

    fn advance(&self, step: u64, scalars: &mut [f64]) {
        let before = if step == 1 { 1.0 } else { scalars[0] };
        scalars[0] = before * self.momentum(step as f64);
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let (t, product) = (context.step as f64, context.scalars[0]);
        let (now, next) = (self.momentum(t), self.momentum(t + 1.0));
        let rate_g = F::from_f64(context.learning_rate * (1.0 - now) / (1.0 - product));
        let rate_m = F::from_f64(context.learning_rate * next / (1.0 - product * next));
        let root_scale = F::from_f64(1.0 / (1.0 - self.beta2.powf(t)).sqrt());
        let share1 = F::from_f64(1.0 - self.beta1);
        let (beta2, share2) = (F::from_f64(self.beta2), F::from_f64(1.0 - self.beta2));
        let epsilon = F::from_f64(self.epsilon).max(F::MIN_POSITIVE);
        pass.each(
            #[inline(always)]
            move |w, g, [m, v]| {
                let m = m + share1 * (g - m);
                let v = beta2 * v + share2 * (g * g);
                (w - (rate_g * g + rate_m * m) / (v.sqrt() * root_scale + epsilon), [m, v])
            },
        );
    }
}
