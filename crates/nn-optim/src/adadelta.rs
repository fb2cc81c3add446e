//! Adadelta.

use nn_core::{RangeError, Real};

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// Adadelta: steps in the units of the parameter, from the mean square of the steps so far.
///
/// s ← ρ·s + (1 − ρ)·g²; Δ = √(a + ε)/√(s + ε)·g with a of the step before; a ← ρ·a + (1 − ρ)·Δ²; w ← w − α·Δ.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 1 | [0, ∞) |
/// | ρ | 0.9 | [0, 1) |
/// | ε | 10⁻⁶ | (0, ∞) |
///
/// These are the formula and the defaults of `torch.optim.Adadelta`; Optax has the same, Keras the formula with other
/// settings ([`keras`](Adadelta::keras)).
///
/// # Source
/// Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1, where α = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    learning_rate: f64,
    rho: f64,
    epsilon: f64,
}

impl Adadelta {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Adadelta", learning_rate)?;
        Ok(Adadelta { learning_rate, ..Adadelta::default() })
    }

    /// With the settings of Keras, ρ = 0.95 and ε = 10⁻⁷; there α is 10⁻³ by default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn keras(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Adadelta { rho: 0.95, epsilon: 1e-7, ..Adadelta::new(learning_rate)? })
    }

    /// Sets ρ, the decay of both mean squares.
    ///
    /// # Errors
    /// When ρ is outside [0, 1).
    pub fn rho(self, rho: f64) -> Result<Self, RangeError> {
        check_factor("Adadelta", "rho", rho)?;
        Ok(Adadelta { rho, ..self })
    }

    /// Sets ε, which is added under both roots.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("Adadelta", epsilon)?;
        Ok(Adadelta { epsilon, ..self })
    }
}

impl Default for Adadelta {
    fn default() -> Self {
        Adadelta { learning_rate: 1.0, rho: 0.9, epsilon: 1e-6 }
    }
}

impl<F: Real> Rule<F> for Adadelta {
    fn name(&self) -> &'static str {
        "Adadelta"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["square_avg", "acc_delta"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let rate = F::from_f64(context.learning_rate);
        let (rho, share) = (F::from_f64(self.rho), F::from_f64(1.0 - self.rho));
        let epsilon = F::from_f64(self.epsilon).max(F::MIN_POSITIVE);
        pass.each(
            #[inline(always)]
            move |w, g, [s, a]| {
                let s = rho * s + share * (g * g);
                let delta = (a + epsilon).sqrt() / (s + epsilon).sqrt() * g;
                (w - rate * delta, [s, rho * a + share * (delta * delta)])
            },
        );
    }
}
