//! The activations that the signal check knows, with their derivatives.

use nn_core::{RangeError, Real, check_range};

use crate::Gain;

/// The function that follows each layer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// x.
    Linear,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// max(0, x).
    Relu,
    /// x where it is positive, else a·x.
    LeakyRelu {
        /// The slope a of the negative part, finite.
        slope: f64,
    },
    /// λ·x where x is positive, else λ·α·(eˣ − 1), with the λ and α of the paper (Klambauer et al. 2017).
    Selu,
}

/// λ and α of SELU.
const LAMBDA: f64 = 1.050_700_987_355_480_5;
const ALPHA: f64 = 1.673_263_242_354_377_2;

impl Activation {
    /// The gain that PyTorch recommends for it, see [`Gain`].
    pub fn gain(self) -> Gain {
        match self {
            Activation::Linear => Gain::Linear,
            Activation::Sigmoid => Gain::Sigmoid,
            Activation::Tanh => Gain::Tanh,
            Activation::Relu => Gain::Relu,
            Activation::LeakyRelu { slope } => Gain::LeakyRelu { slope },
            Activation::Selu => Gain::Selu,
        }
    }

    /// The value at x.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Activation::Linear => x,
            Activation::Sigmoid => Real::sigmoid(x),
            Activation::Tanh => Real::tanh(x),
            Activation::Relu => Real::max(x, 0.0),
            Activation::LeakyRelu { slope } => x * if x > 0.0 { 1.0 } else { slope },
            Activation::Selu => LAMBDA * if x > 0.0 { x } else { ALPHA * Real::exp_m1(x) },
        }
    }

    /// The derivative at x; at a kink that from the left.
    pub fn derivative(self, x: f64) -> f64 {
        match self {
            Activation::Linear => 1.0,
            // The product of both tails does not cancel where one is small.
            Activation::Sigmoid => Real::sigmoid(x) * Real::sigmoid(-x),
            Activation::Tanh => 4.0 * Real::sigmoid(2.0 * x) * Real::sigmoid(-2.0 * x),
            Activation::Relu => f64::from(x > 0.0),
            Activation::LeakyRelu { slope } => {
                if x > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Activation::Selu => LAMBDA * if x > 0.0 { 1.0 } else { ALPHA * Real::exp(x) },
        }
    }

    /// The largest modulus of the derivative.
    fn steepest(self) -> f64 {
        match self {
            Activation::Linear | Activation::Tanh | Activation::Relu => 1.0,
            Activation::Sigmoid => 0.25,
            Activation::LeakyRelu { slope } => slope.abs().max(1.0),
            Activation::Selu => LAMBDA * ALPHA,
        }
    }

    /// Whether hardly anything passes back at x: the derivative is below a twentieth of its largest value.
    ///
    /// That is |x| > 2.18 for tanh, |x| > 4.36 for sigmoid, x ≤ 0 for ReLU.
    pub fn saturates(self, x: f64) -> bool {
        self.derivative(x).abs() < 0.05 * self.steepest()
    }

    pub(crate) fn check(self, owner: &'static str) -> Result<(), RangeError> {
        match self {
            Activation::LeakyRelu { slope } => {
                check_range(owner, "slope", slope, "(-∞, ∞)", slope.is_finite())
            }
            _ => Ok(()),
        }
    }
}
