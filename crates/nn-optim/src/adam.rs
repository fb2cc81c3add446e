//! Adam and AMSGrad.

use nn_core::{RangeError, Real, check_range};

use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// Adam, gradient descent by estimates of the first and second moment of the gradient.
///
/// m ← β₁·m + (1 − β₁)·g and v ← β₂·v + (1 − β₂)·g²; then with bias correction at step t
///
/// w ← w − α/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε).
///
/// With [`amsgrad`](Adam::amsgrad), the largest v so far stands in the place of v: v̂ ← max(v̂, v).
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | β₁ | 0.9 | [0, 1) |
/// | β₂ | 0.999 | [0, 1) |
/// | ε | 10⁻⁸ | (0, ∞) |
/// | AMSGrad | no | |
///
/// These are the formula and the defaults of `torch.optim.Adam`, except that ε = 0 is refused: an element whose
/// gradient has always been zero would become NaN. An ε below the smallest normal number of the precision counts as
/// that. Optax has the same formula, but takes AMSGrad's maximum over the corrected v: see [`optax`](Adam::optax). Keras
/// leaves v uncorrected beside ε: see [`keras`](Adam::keras).
///
/// # Source
/// Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1; AMSGrad: Reddi, Kale and Kumar
/// 2018, "On the convergence of Adam and beyond", algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    amsgrad: bool,
    /// ε is added to √v before its correction.
    epsilon_hat: bool,
    /// AMSGrad compares v after its correction.
    corrected: bool,
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

    /// As in Keras: w ← w − α·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε), with ε = 10⁻⁷, the "epsilon hat" of section 2 of
    /// the paper; there α is 10⁻³ by default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn keras(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Adam { epsilon: 1e-7, epsilon_hat: true, ..Adam::new(learning_rate)? })
    }

    /// As in Optax: the formula of [`new`](Adam::new), but [`amsgrad`](Adam::amsgrad) takes the maximum over the
    /// corrected v, v̂ ← max(v̂, v/(1 − β₂ᵗ)), and w ← w − α/(1 − β₁ᵗ)·m/(√v̂ + ε) (`optax.amsgrad`); there α has no
    /// default.
    ///
    /// The first step's v̂ is g², against (1 − β₂)·g² in PyTorch: the steps remember large early gradients for longer.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn optax(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Adam { corrected: true, ..Adam::new(learning_rate)? })
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
        check_epsilon("Adam", epsilon)?;
        Ok(Adam { epsilon, ..self })
    }

    /// Divides by the largest v so far: AMSGrad.
    pub fn amsgrad(self) -> Self {
        Adam { amsgrad: true, ..self }
    }
}

/// Refuses an ε outside (0, ∞).
pub(crate) fn check_epsilon(owner: &'static str, epsilon: f64) -> Result<(), RangeError> {
    let inside = epsilon > 0.0 && epsilon.is_finite();
    check_range(owner, "epsilon", epsilon, "(0, ∞)", inside)
}

impl Default for Adam {
    fn default() -> Self {
        Adam {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            amsgrad: false,
            epsilon_hat: false,
            corrected: false,
        }
    }
}

impl<F: Real> Rule<F> for Adam {
    fn name(&self) -> &'static str {
        "Adam"
    }

    fn slots(&self) -> &'static [&'static str] {
        if self.amsgrad { &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"] } else { &["exp_avg", "exp_avg_sq"] }
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
        let correction = 1.0 / (1.0 - self.beta2.powf(t));
        let root_scale = correction.sqrt();
        let epsilon = if self.epsilon_hat { self.epsilon * root_scale } else { self.epsilon };
        let (root_scale, epsilon) = (F::from_f64(root_scale), F::from_f64(epsilon).max(F::MIN_POSITIVE));
        let (beta2, share2) = (F::from_f64(self.beta2), F::from_f64(1.0 - self.beta2));
        let share1 = F::from_f64(1.0 - self.beta1);
        if self.amsgrad {
            // The maximum is over v·before and the root is multiplied by `after`.
            let one = F::one();
            let (before, after) =
                if self.corrected { (F::from_f64(correction), one) } else { (one, root_scale) };
            pass.each(
                #[inline(always)]
                move |w, g, [m, v, largest]| {
                    let m = m + share1 * (g - m);
                    let v = beta2 * v + share2 * (g * g);
                    let largest = largest.max(v * before);
                    (w - rate * m / (largest.sqrt() * after + epsilon), [m, v, largest])
                },
            );
        } else {
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
}
