//! Decay by a power of the time that is left.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::{check_not_negative, check_positive};

/// Linear change: α₀ + (α₁ − α₀)·t/T until T, then α₁.
///
/// α₀ and α₁ lie in [0, ∞), T in (0, ∞). As PyTorch's `LinearLR` with `total_iters` T and the factors α₀/lr and
/// α₁/lr.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    initial: f64,
    last: f64,
    steps: f64,
}

impl Linear {
    /// From the initial value α₀ to the last value α₁ in the time T.
    ///
    /// # Errors
    /// When a value is outside [0, ∞) or the time outside (0, ∞).
    pub fn new(initial: f64, last: f64, steps: f64) -> Result<Self, RangeError> {
        check_not_negative("Linear", "initial", initial)?;
        check_not_negative("Linear", "last", last)?;
        check_positive("Linear", "steps", steps)?;
        Ok(Linear { initial, last, steps })
    }
}

impl Schedule for Linear {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0);
        if t < self.steps { self.initial + (self.last - self.initial) * (t / self.steps) } else { self.last }
    }
}

/// Polynomial decay: α₁ + (α₀ − α₁)·(1 − t/T)ᵖ until T, then α₁.
///
/// α₀ and α₁ lie in [0, ∞), T and p in (0, ∞). With α₁ = 0 as PyTorch's `PolynomialLR`, else as Keras'
/// `PolynomialDecay`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polynomial {
    initial: f64,
    last: f64,
    steps: f64,
    power: f64,
}

impl Polynomial {
    /// From the initial value α₀ to the last value α₁ in the time T, with the power p.
    ///
    /// # Errors
    /// When a value is outside [0, ∞), or the time or the power outside (0, ∞).
    pub fn new(initial: f64, last: f64, steps: f64, power: f64) -> Result<Self, RangeError> {
        check_not_negative("Polynomial", "initial", initial)?;
        check_not_negative("Polynomial", "last", last)?;
        check_positive("Polynomial", "steps", steps)?;
        check_positive("Polynomial", "power", power)?;
        Ok(Polynomial { initial, last, steps, power })
    }
}

impl Schedule for Polynomial {
    fn at(&self, t: f64) -> f64 {
        let left = (1.0 - t.max(0.0) / self.steps).max(0.0);
        self.last + (self.initial - self.last) * left.powf(self.power)
    }
}
