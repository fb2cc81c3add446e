//! Gradient descent with momentum.

use nn_core::{RangeError, Real, check_range};

use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Nesterov, Pass, Rule};

/// Gradient descent with momentum, the heavy ball.
///
/// b ← µ·b + (1 − τ)·g, but b ← g at the first step; then w ← w − α·b.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | momentum µ | 0.9 | [0, 1) |
/// | dampening τ | 0 | [0, 1] |
///
/// This is `torch.optim.SGD` with momentum: the velocity b is scaled by the rate when it is applied, not when it is
/// accumulated (as in Sutskever et al. and in Keras), which differs when the rate changes.
///
/// # Source
/// Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Sutskever, Martens, Dahl and
/// Hinton 2013, "On the importance of initialization and momentum in deep learning", equations 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    learning_rate: f64,
    momentum: f64,
    dampening: f64,
}

impl Momentum {
    /// With learning rate α and momentum µ.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or µ outside [0, 1).
    pub fn new(learning_rate: f64, momentum: f64) -> Result<Self, RangeError> {
        check_learning_rate("Momentum", learning_rate)?;
        check_factor("Momentum", "momentum", momentum)?;
        Ok(Momentum { learning_rate, momentum, dampening: 0.0 })
    }

    /// Sets the dampening τ: new gradients count 1 − τ.
    ///
    /// # Errors
    /// When τ is outside [0, 1].
    pub fn dampening(self, dampening: f64) -> Result<Self, RangeError> {
        let inside = (0.0..=1.0).contains(&dampening);
        check_range("Momentum", "dampening", dampening, "[0, 1]", inside)?;
        Ok(Momentum { dampening, ..self })
    }

    /// The same with Nesterov's momentum.
    ///
    /// # Errors
    /// When the dampening is not 0, as in PyTorch.
    pub fn nesterov(self) -> Result<Nesterov, RangeError> {
        let inside = self.dampening == 0.0;
        check_range("Nesterov", "dampening", self.dampening, "[0, 0]", inside)?;
        Nesterov::new(self.learning_rate, self.momentum)
    }
}

impl Default for Momentum {
    fn default() -> Self {
        Momentum { learning_rate: 1e-3, momentum: 0.9, dampening: 0.0 }
    }
}

impl<F: Real> Rule<F> for Momentum {
    fn name(&self) -> &'static str {
        "Momentum"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let share = if context.step == 1 { 1.0 } else { 1.0 - self.dampening };
        let (rate, momentum) = (F::from_f64(context.learning_rate), F::from_f64(self.momentum));
        let share = F::from_f64(share);
        pass.each(
            #[inline(always)]
            move |w, g, [b]| {
                let b = momentum * b + share * g;
                (w - rate * b, [b])
            },
        );
    }
}
