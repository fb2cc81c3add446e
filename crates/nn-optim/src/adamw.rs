//! AdamW.

use nn_core::{RangeError, Real};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate, check_weight_decay};
use crate::{Adam, Context, Decay, Pass, Rule};

/// AdamW: [`Adam`] with decoupled weight decay.
///
/// w ← (1 − α·λ)·w first, then the step of Adam, whose moments do not see the decay.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.999 | [0, 1) |
/// | ε | 10⁻⁸ | (0, ∞) |
/// | weight decay λ | 10⁻² | [0, ∞) |
/// | AMSGrad | no | |
///
/// These are the formula and the defaults of `torch.optim.AdamW`. Optax has the same formula with λ = 10⁻⁴; Keras has
/// its own Adam ([`keras`](AdamW::keras)).
///
/// # Source
/// Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2; the decay is multiplied by the
/// rate, as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    adam: Adam,
    weight_decay: f64,
}

impl AdamW {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("AdamW", learning_rate)?;
        Ok(AdamW { adam: Adam::new(learning_rate)?, ..AdamW::default() })
    }

    /// As in Keras: the decay, then [`Adam::keras`], with λ = 4·10⁻³; there α is 10⁻³ by default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn keras(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("AdamW", learning_rate)?;
        Ok(AdamW { adam: Adam::keras(learning_rate)?, weight_decay: 4e-3 })
    }

    /// As in Optax: λ = 10⁻⁴; there α has no default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn optax(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(AdamW { weight_decay: 1e-4, ..AdamW::new(learning_rate)? })
    }

    /// Sets β₁, the decay of the first moment.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("AdamW", "beta1", beta1)?;
        Ok(AdamW { adam: self.adam.beta1(beta1)?, ..self })
    }

    /// Sets β₂, the decay of the second moment.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("AdamW", "beta2", beta2)?;
        Ok(AdamW { adam: self.adam.beta2(beta2)?, ..self })
    }

    /// Sets ε, which is added to the denominator.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("AdamW", epsilon)?;
        Ok(AdamW { adam: self.adam.epsilon(epsilon)?, ..self })
    }

    /// Sets the weight decay λ.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay("AdamW", weight_decay)?;
        Ok(AdamW { weight_decay, ..self })
    }

    /// Divides by the largest v so far: AMSGrad.
    pub fn amsgrad(self) -> Self {
        AdamW { adam: self.adam.amsgrad(), ..self }
    }
}

impl Default for AdamW {
    fn default() -> Self {
        AdamW { adam: Adam::default(), weight_decay: 1e-2 }
    }
}

impl<F: Real> Rule<F> for AdamW {
    fn name(&self) -> &'static str {
        "AdamW"
    }

    fn slots(&self) -> &'static [&'static str] {
        Rule::<F>::slots(&self.adam)
    }

    fn learning_rate(&self) -> f64 {
        Rule::<F>::learning_rate(&self.adam)
    }

    fn momentum_factor(&self) -> Option<f64> {
        Rule::<F>::momentum_factor(&self.adam)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay(&self) -> Decay {
        Decay::Decoupled
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        self.adam.update(context, pass);
    }
}
