//! Gradient descent with Nesterov's momentum.

use nn_core::{RangeError, Real};

use crate::rule::{check_factor, check_learning_rate};
use crate::{Context, Pass, Rule};

/// Gradient descent with Nesterov's momentum, in the form of PyTorch.
///
/// b ← µ·b + g; then w ← w − α·(g + µ·b).
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | momentum µ | 0.9 | [0, 1) |
///
/// This is `torch.optim.SGD(…, nesterov=True)`. With a constant rate and momentum its w is the look-ahead point
/// θ + µ·v of the original method, at which that takes its gradient.
///
/// # Source
/// Nesterov 1983, "A method of solving a convex programming problem with convergence rate O(1/k²)"; Sutskever,
/// Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning", equations 3
/// and 4; the rewritten form: Bengio, Boulanger-Lewandowski and Pascanu 2013, "Advances in optimizing recurrent
/// networks", equation 7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nesterov {
    learning_rate: f64,
    momentum: f64,
}

impl Nesterov {
    /// With learning rate α and momentum µ.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or µ outside [0, 1).
    pub fn new(learning_rate: f64, momentum: f64) -> Result<Self, RangeError> {
        check_learning_rate("Nesterov", learning_rate)?;
        check_factor("Nesterov", "momentum", momentum)?;
        Ok(Nesterov { learning_rate, momentum })
    }
}

impl Default for Nesterov {
    fn default() -> Self {
        Nesterov { learning_rate: 1e-3, momentum: 0.9 }
    }
}

impl<F: Real> Rule<F> for Nesterov {
    fn name(&self) -> &'static str {
        "Nesterov"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let (rate, momentum) = (F::from_f64(context.learning_rate), F::from_f64(self.momentum));
        pass.each(
            #[inline(always)]
            move |w, g, [b]| {
                let b = momentum * b + g;
                (w - rate * (g + momentum * b), [b])
            },
        );
    }
}
