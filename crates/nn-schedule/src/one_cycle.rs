//! The one-cycle policy.

use nn_core::{RangeError, check_range};

use crate::Schedule;
use crate::check::{check_fraction, check_not_negative};
use crate::cosine::half_wave;

/// One cycle of the learning rate, whose momentum moves opposite.
///
/// The rate rises from peak/`div_factor` to the peak, and falls to peak/(`div_factor`·`final_div_factor`), which the
/// last of the n steps has. With p = `pct_start` the peak is at t = pn − 1. In three phases the rate is back at its
/// initial value at t = 2pn − 2 and falls on from there. Between these points it follows half a wave of the cosine,
/// or a straight line. After the last step it stays. With pn < 1 the peak lies before the first step, which has a
/// rate already past it.
///
/// As PyTorch's `OneCycleLR`:
///
/// | setting | default | range |
/// |-|-|-|
/// | [`pct_start`](OneCycle::pct_start) | 0.3 | [0, 1], in three phases [0, 0.5] |
/// | [`div_factor`](OneCycle::div_factor) | 25 | [1, ∞) |
/// | [`final_div_factor`](OneCycle::final_div_factor) | 10⁴ | [1, ∞) |
/// | [`momentum_range`](OneCycle::momentum_range) | 0.85 to 0.95 | [0, 1] |
/// | [`linear`](OneCycle::linear) | cosine | |
/// | [`three_phase`](OneCycle::three_phase) | two phases | |
///
/// ```
/// use nn_schedule::{OneCycle, Schedule};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let rate = OneCycle::new(0.1, 100)?;
/// let momentum = rate.momentum();
/// assert_eq!((rate.at(0.0), rate.at(29.0)), (0.1 / 25.0, 0.1));
/// assert_eq!((momentum.at(0.0), momentum.at(29.0), momentum.at(99.0)), (0.95, 0.85, 0.95));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Smith and Topin 2019, "Super-convergence: very fast training of neural networks using large learning rates".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    peak: f64,
    steps: f64,
    pct_start: f64,
    div_factor: f64,
    final_div_factor: f64,
    min_momentum: f64,
    max_momentum: f64,
    linear: bool,
    three_phase: bool,
}

impl OneCycle {
    /// With the highest rate, in [0, ∞), and the number n of steps, in [1, ∞).
    ///
    /// # Errors
    /// When one of them is out of range.
    pub fn new(peak: f64, steps: usize) -> Result<Self, RangeError> {
        check_not_negative("OneCycle", "peak", peak)?;
        check_range("OneCycle", "steps", steps as f64, "[1, ∞)", steps >= 1)?;
        Ok(OneCycle {
            peak,
            steps: steps as f64,
            pct_start: 0.3,
            div_factor: 25.0,
            final_div_factor: 1e4,
            min_momentum: 0.85,
            max_momentum: 0.95,
            linear: false,
            three_phase: false,
        })
    }

    /// The part of the steps in which the rate rises.
    ///
    /// # Errors
    /// When it is outside [0, 1], or in three phases outside [0, 0.5].
    pub fn pct_start(self, pct_start: f64) -> Result<Self, RangeError> {
        check_fraction("OneCycle", "pct_start", pct_start)?;
        OneCycle { pct_start, ..self }.checked()
    }

    /// The highest rate divided by the initial one.
    ///
    /// # Errors
    /// When it is outside [1, ∞).
    pub fn div_factor(self, div_factor: f64) -> Result<Self, RangeError> {
        check_divisor("div_factor", div_factor)?;
        Ok(OneCycle { div_factor, ..self })
    }

    /// The initial rate divided by the last one.
    ///
    /// # Errors
    /// When it is outside [1, ∞).
    pub fn final_div_factor(self, final_div_factor: f64) -> Result<Self, RangeError> {
        check_divisor("final_div_factor", final_div_factor)?;
        Ok(OneCycle { final_div_factor, ..self })
    }

    /// The momentum at the highest rate, and that at the beginning and the end.
    ///
    /// # Errors
    /// When one of them is outside [0, 1].
    pub fn momentum_range(self, min_momentum: f64, max_momentum: f64) -> Result<Self, RangeError> {
        check_fraction("OneCycle", "min_momentum", min_momentum)?;
        check_fraction("OneCycle", "max_momentum", max_momentum)?;
        Ok(OneCycle { min_momentum, max_momentum, ..self })
    }

    /// Straight lines instead of cosines.
    pub fn linear(self) -> Self {
        OneCycle { linear: true, ..self }
    }

    /// Three phases: up, down by as much in as many steps, and on down to the last rate.
    ///
    /// # Errors
    /// When `pct_start` is above 0.5, so that no step is left for the third.
    pub fn three_phase(self) -> Result<Self, RangeError> {
        OneCycle { three_phase: true, ..self }.checked()
    }

    /// The momentum that belongs to this rate.
    pub fn momentum(&self) -> OneCycleMomentum {
        OneCycleMomentum { cycle: *self }
    }

    fn checked(self) -> Result<Self, RangeError> {
        let inside = !self.three_phase || self.pct_start <= 0.5;
        check_range("OneCycle", "pct_start", self.pct_start, "[0, 0.5]", inside)?;
        Ok(self)
    }

    /// The value at time t of what is `start` at first, `peak` at the highest rate, and `end` at last.
    fn between(&self, t: f64, start: f64, peak: f64, end: f64) -> f64 {
        let t = t.max(0.0);
        let top = self.pct_start * self.steps - 1.0;
        let last = self.steps - 1.0;
        if t <= top {
            return self.anneal(start, peak, t, top);
        }
        if !self.three_phase {
            return self.anneal(peak, end, t - top, last - top);
        }
        let back = 2.0 * self.pct_start * self.steps - 2.0;
        if t <= back {
            self.anneal(peak, start, t - top, back - top)
        } else {
            self.anneal(start, end, t - back, last - back)
        }
    }

    /// The value `passed` into a phase of this length; one without length is at its end.
    fn anneal(&self, from: f64, to: f64, passed: f64, length: f64) -> f64 {
        if passed >= length {
            return to;
        }
        let p = passed / length;
        if self.linear { from + (to - from) * p } else { half_wave(from, to, p) }
    }
}

fn check_divisor(field: &'static str, value: f64) -> Result<(), RangeError> {
    check_range("OneCycle", field, value, "[1, ∞)", (1.0..f64::INFINITY).contains(&value))
}

impl Schedule for OneCycle {
    fn at(&self, t: f64) -> f64 {
        let initial = self.peak / self.div_factor;
        self.between(t, initial, self.peak, initial / self.final_div_factor)
    }
}

/// The momentum of a one-cycle policy, lowest where the rate is highest; made by [`OneCycle::momentum`].
///
/// In three phases it is back at its maximum after the second and stays there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycleMomentum {
    cycle: OneCycle,
}

impl Schedule for OneCycleMomentum {
    fn at(&self, t: f64) -> f64 {
        let OneCycle { min_momentum, max_momentum, .. } = self.cycle;
        self.cycle.between(t, max_momentum, min_momentum, max_momentum)
    }
}
