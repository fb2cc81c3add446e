//! Cosine annealing, without and with restarts.

use std::f64::consts::PI;

use nn_core::{RangeError, check_range};

use crate::Schedule;
use crate::check::{check_not_negative, check_positive};

/// `from` at p = 0, `to` at p = 1, along half a wave of the cosine: to + (from − to)·(1 + cos πp)/2.
///
/// Computed as from·cos²(πp/2) + to·sin²(πp/2), which is exact at both ends and loses no digits near them.
pub(crate) fn half_wave(from: f64, to: f64, p: f64) -> f64 {
    if p == 1.0 {
        return to;
    }
    let (sin, cos) = (0.5 * PI * p).sin_cos();
    from * (cos * cos) + to * (sin * sin)
}

/// Cosine annealing: α₁ + (α₀ − α₁)·(1 + cos(πt/T))/2.
///
/// The value falls from α₀ at t = 0 to α₁ at T, and **rises again** after it, back to α₀ at 2T, as the formula and
/// PyTorch's `CosineAnnealingLR` have it; `hold_after(T)` stays at α₁, as Keras and Optax do. α₀ and α₁ lie in
/// [0, ∞), T in (0, ∞).
///
/// ```
/// use nn_schedule::{CosineAnnealing, Schedule};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let rate = CosineAnnealing::new(0.1, 0.0, 100.0)?.hold_after(100.0)?;
/// assert_eq!((rate.at(0.0), rate.at(100.0), rate.at(150.0)), (0.1, 0.0, 0.0));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineAnnealing {
    initial: f64,
    last: f64,
    steps: f64,
}

impl CosineAnnealing {
    /// From the initial value α₀ to the value α₁ at the time T.
    ///
    /// # Errors
    /// When a value is outside [0, ∞) or the time outside (0, ∞).
    pub fn new(initial: f64, last: f64, steps: f64) -> Result<Self, RangeError> {
        check_not_negative("CosineAnnealing", "initial", initial)?;
        check_not_negative("CosineAnnealing", "last", last)?;
        check_positive("CosineAnnealing", "steps", steps)?;
        Ok(CosineAnnealing { initial, last, steps })
    }
}

impl Schedule for CosineAnnealing {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0) % (2.0 * self.steps);
        half_wave(
            self.initial,
            self.last,
            if t <= self.steps { t / self.steps } else { 2.0 - t / self.steps },
        )
    }
}

/// Cosine annealing with warm restarts: cycle i lasts Tᵢ = T₀·mⁱ, and in each the value is
/// α₁ + (α₀ − α₁)·(1 + cos(πu/Tᵢ))/2, u being the time since its beginning.
///
/// At a restart the value is α₀ again; α₁ is approached, but not reached. α₀ and α₁ lie in [0, ∞), T₀ in (0, ∞), m
/// in [1, ∞), 1 by default. As PyTorch's `CosineAnnealingWarmRestarts`.
///
/// # Source
/// Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", section 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmRestarts {
    initial: f64,
    last: f64,
    first_cycle: f64,
    factor: f64,
}

impl WarmRestarts {
    /// Between the values α₀ and α₁, with the length T₀ of the first cycle.
    ///
    /// # Errors
    /// When a value is outside [0, ∞) or the length outside (0, ∞).
    pub fn new(initial: f64, last: f64, first_cycle: f64) -> Result<Self, RangeError> {
        check_not_negative("WarmRestarts", "initial", initial)?;
        check_not_negative("WarmRestarts", "last", last)?;
        check_positive("WarmRestarts", "first_cycle", first_cycle)?;
        Ok(WarmRestarts { initial, last, first_cycle, factor: 1.0 })
    }

    /// The factor m by which each cycle is longer than the one before; PyTorch's `T_mult`.
    ///
    /// # Errors
    /// When it is 0.
    pub fn factor(self, factor: u32) -> Result<Self, RangeError> {
        let factor_ = f64::from(factor);
        check_range("WarmRestarts", "factor", factor_, "[1, ∞)", factor >= 1)?;
        Ok(WarmRestarts { factor: factor_, ..self })
    }

    /// The part of its cycle that has passed at time t, in [0, 1).
    fn passed(&self, t: f64) -> f64 {
        if self.factor == 1.0 {
            return t % self.first_cycle / self.first_cycle;
        }
        let (mut t, mut cycle) = (t, self.first_cycle);
        while t >= cycle {
            t -= cycle;
            cycle *= self.factor;
        }
        t / cycle
    }
}

impl Schedule for WarmRestarts {
    fn at(&self, t: f64) -> f64 {
        half_wave(self.initial, self.last, self.passed(t.max(0.0)))
    }
}
