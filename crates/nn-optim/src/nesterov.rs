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
/// θ + µ·v of the original method ([`ShiftedNesterov`]), at which that takes its gradient. In Keras the rate scales
/// the gradient before it is accumulated: see [`keras`](Nesterov::keras).
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
    /// The rate scales the gradient, not the velocity.
    inside: bool,
}

impl Nesterov {
    /// With learning rate α and momentum µ.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or µ outside [0, 1).
    pub fn new(learning_rate: f64, momentum: f64) -> Result<Self, RangeError> {
        check_learning_rate("Nesterov", learning_rate)?;
        check_factor("Nesterov", "momentum", momentum)?;
        Ok(Nesterov { learning_rate, momentum, inside: false })
    }

    /// As in Keras: b ← µ·b + α·g and w ← w − (α·g + µ·b), which differs when the rate changes.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or µ outside [0, 1).
    pub fn keras(learning_rate: f64, momentum: f64) -> Result<Self, RangeError> {
        Ok(Nesterov { inside: true, ..Nesterov::new(learning_rate, momentum)? })
    }
}

impl Default for Nesterov {
    fn default() -> Self {
        Nesterov { learning_rate: 1e-3, momentum: 0.9, inside: false }
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

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let (rate, momentum) = (F::from_f64(context.learning_rate), F::from_f64(self.momentum));
        let (before, after) = if self.inside { (rate, F::one()) } else { (F::one(), rate) };
        pass.each(
            #[inline(always)]
            move |w, g, [b]| {
                let g = before * g;
                let b = momentum * b + g;
                (w - after * (g + momentum * b), [b])
            },
        );
    }
}

/// Gradient descent with Nesterov's momentum in its original form: the gradient is taken at the shifted point.
///
/// v ← µ·v − α·∇f(θ + µ·v); θ ← θ + v.
///
/// The gradient handed to a step is to be that at θ + µ·v, with the `velocity` slot v, which is θ itself before the first
/// step: [`Optimizer::look_ahead`](crate::Optimizer::look_ahead) writes that point. [`Nesterov`] does without the second
/// set of parameters, but keeps the shifted point in place of θ.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | momentum µ | 0.9 | [0, 1) |
///
/// Coupled weight decay, λ·θ, is taken at θ.
///
/// ```
/// use nn_optim::{Optimizer, ShiftedNesterov};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut optimizer = Optimizer::new(ShiftedNesterov::new(0.1, 0.5)?);
/// let (mut w, mut ahead) = ([1.0f64, -2.0], [0.0; 2]);
/// for _ in 0..100 {
///     optimizer.look_ahead(&w, &mut ahead);
///     let gradient = ahead.map(|x| 3.0 * x); // of 3/2·‖w‖²
///     optimizer.step(&mut w, &gradient);
/// }
/// assert!(w.iter().all(|x| x.abs() < 1e-4));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Sutskever, Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning",
/// equations 3 and 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShiftedNesterov {
    learning_rate: f64,
    momentum: f64,
}

impl ShiftedNesterov {
    /// With learning rate α and momentum µ.
    ///
    /// # Errors
    /// When α is outside [0, ∞) or µ outside [0, 1).
    pub fn new(learning_rate: f64, momentum: f64) -> Result<Self, RangeError> {
        check_learning_rate("ShiftedNesterov", learning_rate)?;
        check_factor("ShiftedNesterov", "momentum", momentum)?;
        Ok(ShiftedNesterov { learning_rate, momentum })
    }
}

impl Default for ShiftedNesterov {
    fn default() -> Self {
        ShiftedNesterov { learning_rate: 1e-3, momentum: 0.9 }
    }
}

impl<F: Real> Rule<F> for ShiftedNesterov {
    fn name(&self) -> &'static str {
        "ShiftedNesterov"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    fn look_ahead(&self) -> Option<(usize, f64)> {
        Some((0, self.momentum))
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let (rate, momentum) = (F::from_f64(context.learning_rate), F::from_f64(self.momentum));
        pass.each(
            #[inline(always)]
            move |w, g, [v]| {
                let v = momentum * v - rate * g;
                (w + v, [v])
            },
        );
    }
}
