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
/// accumulated (as in Sutskever et al. and in Keras, [`keras`](Momentum::keras)), which differs when the rate changes.
///
/// # Source
/// Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Sutskever, Martens, Dahl and
/// Hinton 2013, "On the importance of initialization and momentum in deep learning", equations 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    learning_rate: f64,
    momentum: f64,
    dampening: f64,
    /// The rate scales the gradient, not the velocity.
    inside: bool,
}

impl Momentum {
    /// With learning rate α and momentum µ.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or µ outside [0, 1).
    pub fn new(learning_rate: f64, momentum: f64) -> Result<Self, RangeError> {
        check_learning_rate("Momentum", learning_rate)?;
        check_factor("Momentum", "momentum", momentum)?;
        Ok(Momentum { learning_rate, momentum, ..Momentum::default() })
    }

    /// As in Keras and in Sutskever et al.: b ← µ·b + α·g and w ← w − b; Keras's defaults are 10⁻² and 0.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or µ outside [0, 1).
    pub fn keras(learning_rate: f64, momentum: f64) -> Result<Self, RangeError> {
        Ok(Momentum { inside: true, ..Momentum::new(learning_rate, momentum)? })
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
        let make = if self.inside { Nesterov::keras } else { Nesterov::new };
        make(self.learning_rate, self.momentum)
    }
}

impl Default for Momentum {
    fn default() -> Self {
        Momentum { learning_rate: 1e-3, momentum: 0.9, dampening: 0.0, inside: false }
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

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let share = if context.step == 1 { 1.0 } else { 1.0 - self.dampening };
        let rate = context.learning_rate;
        let (share, rate) = if self.inside { (share * rate, 1.0) } else { (share, rate) };
        let (share, rate, momentum) = (F::from_f64(share), F::from_f64(rate), F::from_f64(self.momentum));
        pass.each(
            #[inline(always)]
            move |w, g, [b]| {
                let b = momentum * b + share * g;
                (w - rate * b, [b])
            },
        );
    }
}

/// Gradient descent with an exponentially weighted average of the gradients.
///
/// v ← β·v + (1 − β)·g; w ← w − α·v; with [`corrected`](ExponentialMomentum::corrected) bias, w ← w − α·v/(1 − βᵗ).
///
/// The average looks back about 1/(1 − β) steps. Uncorrected it is [`Momentum`] with the rate α·(1 − β), except that
/// the first steps are as much shorter as v, which begins at 0, is too small.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | β | 0.9 | [0, 1) |
/// | bias correction | no | |
///
/// # Source
/// Ng, Katanforoosh and Bensouda Mourri 2017, "Improving deep neural networks", lecture "Gradient descent with
/// momentum"; the correction: Kingma and Ba 2015, "Adam: a method for stochastic optimization", section 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialMomentum {
    learning_rate: f64,
    beta: f64,
    corrected: bool,
}

impl ExponentialMomentum {
    /// With learning rate α and decay β.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or β outside [0, 1).
    pub fn new(learning_rate: f64, beta: f64) -> Result<Self, RangeError> {
        check_learning_rate("ExponentialMomentum", learning_rate)?;
        check_factor("ExponentialMomentum", "beta", beta)?;
        Ok(ExponentialMomentum { learning_rate, beta, corrected: false })
    }

    /// Divides the average by 1 − βᵗ.
    pub fn corrected(self) -> Self {
        ExponentialMomentum { corrected: true, ..self }
    }
}

impl Default for ExponentialMomentum {
    fn default() -> Self {
        ExponentialMomentum { learning_rate: 1e-3, beta: 0.9, corrected: false }
    }
}

impl<F: Real> Rule<F> for ExponentialMomentum {
    fn name(&self) -> &'static str {
        "ExponentialMomentum"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["exp_avg"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.beta)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let correction = if self.corrected { 1.0 - self.beta.powf(context.step as f64) } else { 1.0 };
        let rate = F::from_f64(context.learning_rate / correction);
        let (beta, share) = (F::from_f64(self.beta), F::from_f64(1.0 - self.beta));
        pass.each(
            #[inline(always)]
            move |w, g, [v]| {
                let v = beta * v + share * g;
                (w - rate * v, [v])
            },
        );
    }
}
