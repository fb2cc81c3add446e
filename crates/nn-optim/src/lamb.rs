//! LAMB.

use nn_core::{RangeError, Real};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate, check_weight_decay};
use crate::{Context, Decay, Pass, Rule};

/// LAMB, Adam with a step of each parameter tensor in proportion to its norm, for large batches.
///
/// m ← β₁·m + (1 − β₁)·g and v ← β₂·v + (1 − β₂)·g²; at step t, with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ),
///
/// u = m̂/(√v̂ + ε) + λ·w and w ← w − α·(‖w‖/‖u‖)·u,
///
/// with Euclidean norms over the parameter tensor. The ratio of the norms counts as 1 where one of them is 0, infinite
/// or NaN, so that a tensor of zeros can begin to move.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.999 | [0, 1) |
/// | ε | 10⁻⁶ | (0, ∞) |
/// | weight decay λ | 0 | [0, ∞) |
///
/// These are the formula and the defaults of `optax.lamb`. λ stands inside the rule ([`Decay::Inside`]): it counts in ‖u‖.
/// Keras keeps it outside, which is [`Decay::Decoupled`](Decay).
///
/// # Source
/// You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", algorithm 2, with φ the
/// identity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lamb {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
}

impl Lamb {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Lamb", learning_rate)?;
        Ok(Lamb { learning_rate, ..Lamb::default() })
    }

    /// Sets β₁, the decay of the first moment.
    ///
    /// # Errors
    /// When β₁ is outside [0, 1).
    pub fn beta1(self, beta1: f64) -> Result<Self, RangeError> {
        check_factor("Lamb", "beta1", beta1)?;
        Ok(Lamb { beta1, ..self })
    }

    /// Sets β₂, the decay of the second moment.
    ///
    /// # Errors
    /// When β₂ is outside [0, 1).
    pub fn beta2(self, beta2: f64) -> Result<Self, RangeError> {
        check_factor("Lamb", "beta2", beta2)?;
        Ok(Lamb { beta2, ..self })
    }

    /// Sets ε, which is added to the denominator.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("Lamb", epsilon)?;
        Ok(Lamb { epsilon, ..self })
    }

    /// Sets the weight decay λ.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay("Lamb", weight_decay)?;
        Ok(Lamb { weight_decay, ..self })
    }
}

impl Default for Lamb {
    fn default() -> Self {
        Lamb { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weight_decay: 0.0 }
    }
}

impl<F: Real> Rule<F> for Lamb {
    fn name(&self) -> &'static str {
        "Lamb"
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

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay(&self) -> Decay {
        Decay::Inside
    }

    fn per_tensor(&self) -> bool {
        true
    }

    fn update(&self, context: Context, mut pass: Pass<'_, F>) {
        let t = context.step as f64;
        let direction = Direction {
            scale: F::from_f64(1.0 / (1.0 - self.beta1.powf(t))),
            root_scale: F::from_f64(1.0 / (1.0 - self.beta2.powf(t)).sqrt()),
            epsilon: F::from_f64(self.epsilon).max(F::MIN_POSITIVE),
            decay: F::from_f64(context.weight_decay),
        };
        let beta2 = F::from_f64(self.beta2);
        let (share1, share2) = (F::from_f64(1.0 - self.beta1), F::from_f64(1.0 - self.beta2));
        let [w_norm, u_norm] = pass.norms(
            #[inline(always)]
            move |w, g, [m, v]| {
                let m = m + share1 * (g - m);
                let v = beta2 * v + share2 * (g * g);
                ([m, v], [w, direction.of(w, m, v)])
            },
        );
        let rate = F::from_f64(context.learning_rate * trust_ratio(w_norm, u_norm));
        pass.each(
            #[inline(always)]
            move |w, _, [m, v]| (w - rate * direction.of(w, m, v), [m, v]),
        );
    }
}

/// What the direction u of an element is made with.
#[derive(Clone, Copy)]
struct Direction<F> {
    scale: F,
    root_scale: F,
    epsilon: F,
    decay: F,
}

impl<F: Real> Direction<F> {
    #[inline(always)]
    fn of(self, w: F, m: F, v: F) -> F {
        self.scale * m / (v.sqrt() * self.root_scale + self.epsilon) + self.decay * w
    }
}

/// The ratio of two norms; 1 where one of them is 0, infinite or NaN.
fn trust_ratio(parameters: f64, direction: f64) -> f64 {
    let usable = |norm: f64| norm > 0.0 && norm.is_finite();
    if usable(parameters) && usable(direction) { parameters / direction } else { 1.0 }
}
