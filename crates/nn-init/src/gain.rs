//! By how much an activation shrinks what passes through it.

use nn_core::{RangeError, check_range};

/// The factor by which weights are widened to make up for the activation that follows them.
///
/// The values are those of PyTorch's `calculate_gain`; that of tanh is an empirical one.
///
/// ```
/// use nn_init::Gain;
///
/// assert_eq!(Gain::Tanh.value(), 5.0 / 3.0);
/// assert_eq!(Gain::LeakyRelu { slope: 0.0 }.value(), Gain::Relu.value());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Gain {
    /// No activation: 1.
    Linear,
    /// The logistic function: 1.
    Sigmoid,
    /// The hyperbolic tangent: 5/3.
    Tanh,
    /// max(0, x): √2.
    Relu,
    /// x where it is positive, else a·x: √(2/(1 + a²)).
    LeakyRelu {
        /// The slope a of the negative part, finite.
        slope: f64,
    },
    /// SELU: ¾. A self-normalising network needs [`LeCun`](crate::LeCun), that is gain 1, instead.
    Selu,
    /// Any other factor, in (0, ∞).
    Factor(f64),
}

impl Gain {
    /// The factor.
    pub fn value(self) -> f64 {
        match self {
            Gain::Linear | Gain::Sigmoid => 1.0,
            Gain::Tanh => 5.0 / 3.0,
            Gain::Relu => 2.0f64.sqrt(),
            Gain::LeakyRelu { slope } => (2.0 / (1.0 + slope * slope)).sqrt(),
            Gain::Selu => 0.75,
            Gain::Factor(factor) => factor,
        }
    }

    /// Refuses parameters out of their range.
    pub(crate) fn check(self, owner: &'static str) -> Result<(), RangeError> {
        match self {
            Gain::LeakyRelu { slope } => check_range(owner, "slope", slope, "(-∞, ∞)", slope.is_finite()),
            Gain::Factor(factor) => {
                check_range(owner, "gain", factor, "(0, ∞)", factor > 0.0 && factor.is_finite())
            }
            _ => Ok(()),
        }
    }
}
