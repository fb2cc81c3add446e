//! RMSprop.

use nn_core::{RangeError, Real};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// RMSprop: the gradient divided by the root of its mean square.
///
/// s ← ρ·s + (1 − ρ)·g²; w ← w − α·g/(√s + ε).
///
/// [`centred`](RmsProp::centred), it divides by an estimate of the standard deviation: a ← ρ·a + (1 − ρ)·g, and s − a²
/// instead of s under the root (0 where rounding makes it negative). With [`momentum`](RmsProp::momentum) µ,
/// b ← µ·b + g/(√s + ε) and w ← w − α·b.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻² | [0, ∞) |
/// | decay ρ (PyTorch's `alpha`) | 0.99 | [0, 1) |
/// | ε | 10⁻⁸ | (0, ∞) |
/// | momentum µ | 0 | [0, 1) |
/// | centred | no | |
///
/// These are the formula and the defaults of `torch.optim.RMSprop`. Keras and Optax put ε inside the root and apply
/// the rate before the momentum, b ← µ·b + α·g/√(s + ε) and w ← w − b, which differs when the rate changes: see
/// [`keras`](RmsProp::keras) and [`optax`](RmsProp::optax).
///
/// # Source
/// Tieleman and Hinton 2012, "Neural networks for machine learning", lecture 6.5; centred: Graves 2013, "Generating
/// sequences with recurrent neural networks", equations 38 to 41.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    learning_rate: f64,
    decay: f64,
    epsilon: f64,
    momentum: f64,
    centred: bool,
    /// ε inside the root, and the rate before the momentum.
    inside: bool,
}

impl RmsProp {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("RmsProp", learning_rate)?;
        Ok(RmsProp { learning_rate, ..RmsProp::default() })
    }

    /// As in Keras: b ← µ·b + α·g/√(s + ε) and w ← w − b, with ρ = 0.9 and ε = 10⁻⁷; there α is 10⁻³ by default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn keras(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(RmsProp { decay: 0.9, epsilon: 1e-7, inside: true, ..RmsProp::new(learning_rate)? })
    }

    /// As in Optax: the formula of [`keras`](RmsProp::keras), with ρ = 0.9 and ε = 10⁻⁸; there α has no default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn optax(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(RmsProp { decay: 0.9, inside: true, ..RmsProp::new(learning_rate)? })
    }

    /// Sets ρ, the decay of the mean square.
    ///
    /// # Errors
    /// When ρ is outside [0, 1).
    pub fn decay_factor(self, decay: f64) -> Result<Self, RangeError> {
        check_factor("RmsProp", "decay_factor", decay)?;
        Ok(RmsProp { decay, ..self })
    }

    /// Sets ε, which is added to the denominator, or under the root.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("RmsProp", epsilon)?;
        Ok(RmsProp { epsilon, ..self })
    }

    /// Sets the momentum µ.
    ///
    /// # Errors
    /// When µ is outside [0, 1).
    pub fn momentum(self, momentum: f64) -> Result<Self, RangeError> {
        check_factor("RmsProp", "momentum", momentum)?;
        Ok(RmsProp { momentum, ..self })
    }

    /// Subtracts the square of the mean gradient from the mean square.
    pub fn centred(self) -> Self {
        RmsProp { centred: true, ..self }
    }
}

impl Default for RmsProp {
    fn default() -> Self {
        RmsProp {
            learning_rate: 1e-2,
            decay: 0.99,
            epsilon: 1e-8,
            momentum: 0.0,
            centred: false,
            inside: false,
        }
    }
}

impl<F: Real> Rule<F> for RmsProp {
    fn name(&self) -> &'static str {
        "RmsProp"
    }

    fn slots(&self) -> &'static [&'static str] {
        match (self.centred, self.momentum > 0.0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        }
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let (terms, momentum) = (Terms::new(self, context.learning_rate), F::from_f64(self.momentum));
        let after = terms.after;
        match (self.centred, self.momentum > 0.0) {
            (false, false) => pass.each(
                #[inline(always)]
                move |w, g, [s]| {
                    let s = terms.square(s, g);
                    (w - after * terms.scaled(g, s), [s])
                },
            ),
            (false, true) => pass.each(
                #[inline(always)]
                move |w, g, [s, b]| {
                    let s = terms.square(s, g);
                    let b = momentum * b + terms.scaled(g, s);
                    (w - after * b, [s, b])
                },
            ),
            (true, false) => pass.each(
                #[inline(always)]
                move |w, g, [s, a]| {
                    let (s, a) = (terms.square(s, g), terms.mean(a, g));
                    (w - after * terms.scaled(g, (s - a * a).max(F::zero())), [s, a])
                },
            ),
            (true, true) => pass.each(
                #[inline(always)]
                move |w, g, [s, a, b]| {
                    let (s, a) = (terms.square(s, g), terms.mean(a, g));
                    let b = momentum * b + terms.scaled(g, (s - a * a).max(F::zero()));
                    (w - after * b, [s, a, b])
                },
            ),
        }
    }
}

/// What all four forms of the update share.
#[derive(Clone, Copy)]
struct Terms<F> {
    rho: F,
    share: F,
    /// The factors before and after the momentum, of which one is the rate.
    before: F,
    after: F,
    /// ε under the root and beside it, of which one is 0.
    under: F,
    beside: F,
}

impl<F: Real> Terms<F> {
    fn new(rule: &RmsProp, rate: f64) -> Self {
        let epsilon = F::from_f64(rule.epsilon).max(F::MIN_POSITIVE);
        let (rate, one, zero) = (F::from_f64(rate), F::one(), F::zero());
        let (rho, share) = (F::from_f64(rule.decay), F::from_f64(1.0 - rule.decay));
        if rule.inside {
            Terms { rho, share, before: rate, after: one, under: epsilon, beside: zero }
        } else {
            Terms { rho, share, before: one, after: rate, under: zero, beside: epsilon }
        }
    }

    #[inline(always)]
    fn square(self, s: F, g: F) -> F {
        self.rho * s + self.share * (g * g)
    }

    #[inline(always)]
    fn mean(self, a: F, g: F) -> F {
        a + self.share * (g - a)
    }

    #[inline(always)]
    fn scaled(self, g: F, s: F) -> F {
        self.before * g / ((s + self.under).sqrt() + self.beside)
    }
}
