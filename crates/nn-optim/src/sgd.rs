//! Gradient descent.

use nn_core::{RangeError, Real};

use crate::rule::check_learning_rate;
use crate::{Context, Momentum, Pass, Rule};

/// Stochastic gradient descent: w ← w − α·g.
///
/// The learning rate α lies in [0, ∞); the default is 10⁻³, as in PyTorch. [`momentum`](Sgd::momentum) turns it into
/// [`Momentum`], and [`Momentum::nesterov`] that into [`Nesterov`](crate::Nesterov).
///
/// ```
/// use nn_optim::{Optimizer, Sgd};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut w = [1.0, -2.0];
/// Optimizer::new(Sgd::new(0.5)?).step(&mut w, &[1.0, 1.0]);
/// assert_eq!(w, [0.5, -2.5]);
/// let message = Sgd::new(-1.0).unwrap_err().to_string();
/// assert_eq!(message, "Sgd: learning_rate must lie in [0, ∞), got -1");
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Robbins and Monro 1951, "A stochastic approximation method".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    learning_rate: f64,
}

impl Sgd {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Sgd", learning_rate)?;
        Ok(Sgd { learning_rate })
    }

    /// Adds momentum µ.
    ///
    /// # Errors
    /// When µ is outside [0, 1).
    pub fn momentum(self, momentum: f64) -> Result<Momentum, RangeError> {
        Momentum::new(self.learning_rate, momentum)
    }
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { learning_rate: 1e-3 }
    }
}

impl<F: Real> Rule<F> for Sgd {
    fn name(&self) -> &'static str {
        "Sgd"
    }

    fn slots(&self) -> &'static [&'static str] {
        &[]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let rate = F::from_f64(context.learning_rate);
        pass.each(
            #[inline(always)]
            move |w, g, []| (w - rate * g, []),
        );
    }
}
