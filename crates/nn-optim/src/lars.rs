//! LARS.

use nn_core::{RangeError, Real, check_range};

use crate::rule::{check_factor, check_learning_rate, check_weight_decay};
use crate::{Context, Decay, Pass, Rule};

/// LARS, momentum with a learning rate for each parameter tensor, for large batches.
///
/// With the local rate a = η·‖w‖/(‖g‖ + λ·‖w‖),
///
/// b ← µ·b + α·a·(g + λ·w) and w ← w − b,
///
/// with Euclidean norms over the parameter tensor. a counts as 1 where ‖w‖ or ‖g‖ is 0, infinite or NaN, so that a
/// tensor of zeros can begin to move (as in Apex and Optax; the paper's formula gives 0 there).
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | | [0, ∞) |
/// | momentum µ | 0.9 | [0, 1) |
/// | trust coefficient η | 10⁻³ | (0, ∞) |
/// | weight decay λ | 0 | [0, ∞) |
///
/// The velocity b is scaled by the rate when it is accumulated, as in the paper. `optax.lars` divides by ‖g + λ·w‖
/// instead of ‖g‖ + λ·‖w‖, which is the same without weight decay. Since the local rate is about η, α is of the order of
/// 1 to 10.
///
/// λ stands inside the rule ([`Decay::Inside`]); biases and normalisations are usually left out
/// ([`Optimizer::no_decay_on_bias_and_norm`](crate::Optimizer::no_decay_on_bias_and_norm)).
///
/// # Source
/// You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lars {
    learning_rate: f64,
    momentum: f64,
    trust_coefficient: f64,
    weight_decay: f64,
}

impl Lars {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Lars", learning_rate)?;
        Ok(Lars { learning_rate, momentum: 0.9, trust_coefficient: 1e-3, weight_decay: 0.0 })
    }

    /// Sets the momentum µ.
    ///
    /// # Errors
    /// When µ is outside [0, 1).
    pub fn momentum(self, momentum: f64) -> Result<Self, RangeError> {
        check_factor("Lars", "momentum", momentum)?;
        Ok(Lars { momentum, ..self })
    }

    /// Sets the trust coefficient η.
    ///
    /// # Errors
    /// When η is outside (0, ∞).
    pub fn trust_coefficient(self, trust_coefficient: f64) -> Result<Self, RangeError> {
        let inside = trust_coefficient > 0.0 && trust_coefficient.is_finite();
        check_range("Lars", "trust_coefficient", trust_coefficient, "(0, ∞)", inside)?;
        Ok(Lars { trust_coefficient, ..self })
    }

    /// Sets the weight decay λ.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay("Lars", weight_decay)?;
        Ok(Lars { weight_decay, ..self })
    }
}

impl<F: Real> Rule<F> for Lars {
    fn name(&self) -> &'static str {
        "Lars"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.momentum)
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
        let [w_norm, g_norm] = pass.norms(
            #[inline(always)]
            |w, g, [b]| ([b], [w, g]),
        );
        let usable = [w_norm, g_norm].iter().all(|norm| *norm > 0.0 && norm.is_finite());
        let local = if usable {
            self.trust_coefficient * w_norm / (g_norm + context.weight_decay * w_norm)
        } else {
            1.0
        };
        let (rate, momentum) = (F::from_f64(context.learning_rate * local), F::from_f64(self.momentum));
        let decay = F::from_f64(context.weight_decay);
        pass.each(
            #[inline(always)]
            move |w, g, [b]| {
                let b = momentum * b + rate * (g + decay * w);
                (w - b, [b])
            },
        );
    }
}
