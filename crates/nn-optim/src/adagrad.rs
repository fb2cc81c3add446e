//! Adagrad.

use nn_core::{RangeError, Real, check_range};

use crate::adam::check_epsilon;
use crate::rule::check_learning_rate;
use crate::{Context, Pass, Rule};

/// Adagrad: each element's rate falls with the squares of all its gradients.
///
/// s ← s + g², from s₀ on; then at step t
///
/// w ← w − α/(1 + (t − 1)·κ) · g / (√s + ε).
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻² | [0, ∞) |
/// | decay of the rate κ | 0 | [0, ∞) |
/// | initial sum s₀ | 0 | [0, ∞) |
/// | ε | 10⁻¹⁰ | (0, ∞) |
///
/// These are the formula and the defaults of `torch.optim.Adagrad`. Keras and Optax put ε inside the root,
/// g / √(s + ε), and begin with s₀ = 0.1: see [`keras`](Adagrad::keras) and [`optax`](Adagrad::optax).
///
/// # Source
/// Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization",
/// figure 1, with a diagonal matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    learning_rate: f64,
    rate_decay: f64,
    initial_sum: f64,
    epsilon: f64,
    /// ε inside the root.
    inside: bool,
}

impl Adagrad {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Adagrad", learning_rate)?;
        Ok(Adagrad { learning_rate, ..Adagrad::default() })
    }

    /// As in Keras: w ← w − α·g/√(s + ε), with s₀ = 0.1 and ε = 10⁻⁷; there α is 10⁻³ by default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn keras(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Adagrad { initial_sum: 0.1, epsilon: 1e-7, inside: true, ..Adagrad::new(learning_rate)? })
    }

    /// As in Optax: the formula and settings of [`keras`](Adagrad::keras); there α has no default.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn optax(learning_rate: f64) -> Result<Self, RangeError> {
        Adagrad::keras(learning_rate)
    }

    /// Sets κ, by which the rate falls with the steps.
    ///
    /// # Errors
    /// When κ is outside [0, ∞).
    pub fn rate_decay(self, rate_decay: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&rate_decay);
        check_range("Adagrad", "rate_decay", rate_decay, "[0, ∞)", inside)?;
        Ok(Adagrad { rate_decay, ..self })
    }

    /// Sets s₀, with which the sum of squares begins.
    ///
    /// # Errors
    /// When s₀ is outside [0, ∞).
    pub fn initial_sum(self, initial_sum: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&initial_sum);
        check_range("Adagrad", "initial_sum", initial_sum, "[0, ∞)", inside)?;
        Ok(Adagrad { initial_sum, ..self })
    }

    /// Sets ε, which is added to the denominator, or to s under the root.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("Adagrad", epsilon)?;
        Ok(Adagrad { epsilon, ..self })
    }
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad { learning_rate: 1e-2, rate_decay: 0.0, initial_sum: 0.0, epsilon: 1e-10, inside: false }
    }
}

impl<F: Real> Rule<F> for Adagrad {
    fn name(&self) -> &'static str {
        "Adagrad"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["sum"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let earlier = (context.step - 1) as f64;
        let rate = F::from_f64(context.learning_rate / (1.0 + earlier * self.rate_decay));
        let first = F::from_f64(if context.step == 1 { self.initial_sum } else { 0.0 });
        let epsilon = F::from_f64(self.epsilon).max(F::MIN_POSITIVE);
        let (under, beside) = if self.inside { (epsilon, F::zero()) } else { (F::zero(), epsilon) };
        pass.each(
            #[inline(always)]
            move |w, g, [s]| {
                let s = first + s + g * g;
                (w - rate * g / ((s + under).sqrt() + beside), [s])
            },
        );
    }
}
