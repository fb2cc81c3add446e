//! Lion.

use nn_core::{RangeError, Real};

use crate::rule::{check_factor, check_learning_rate, check_weight_decay};
use crate::{Context, Decay, Pass, Rule};

/// Lion: the sign of a momentum, with one slot.
///
/// w ← w − α·(sign(β₁·m + (1 − β₁)·g) + λ·w); then m ← β₂·m + (1 − β₂)·g.
///
/// Every element moves by α: take a rate three to ten times smaller, and a decay as much larger, than for
/// [`AdamW`](crate::AdamW). An infinite gradient moves its parameter by α too and stays in m.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻⁴ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.99 | [0, 1) |
/// | weight decay λ, decoupled | 10⁻³ | [0, ∞) |
///
/// These are the formula and the defaults of Optax, which has none for α; that is from the authors' code. Keras has
/// the formula with λ = 0.
///
/// # Source
/// Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    weight_decay: f64,
}

impl Lion {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Lion", learning_rate)?;
        Ok(Lion { learning_rate, ..Lion::default() })
    }

    /// Sets β₁, the share of the old momentum in the direction.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("Lion", "beta1", beta1)?;
        Ok(Lion { beta1, ..self })
    }

    /// Sets β₂, the decay of the momentum.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("Lion", "beta2", beta2)?;
        Ok(Lion { beta2, ..self })
    }

    /// Sets the decoupled weight decay λ.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay("Lion", weight_decay)?;
        Ok(Lion { weight_decay, ..self })
    }
}

impl Default for Lion {
    fn default() -> Self {
        Lion { learning_rate: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 1e-3 }
    }
}

impl<F: Real> Rule<F> for Lion {
    fn name(&self) -> &'static str {
        "Lion"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg"]
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
        Decay::Decoupled
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let rate = F::from_f64(context.learning_rate);
        let (beta1, share1) = (F::from_f64(self.beta1), F::from_f64(1.0 - self.beta1));
        let (beta2, share2) = (F::from_f64(self.beta2), F::from_f64(1.0 - self.beta2));
        pass.each(
            #[inline(always)]
            move |w, g, [m]| {
                let direction = (beta1 * m + share1 * g).sign();
                (w - rate * direction, [beta2 * m + share2 * g])
            },
        );
    }
}
