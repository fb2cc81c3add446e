//! Warm-up, then decay with the root of time.

use nn_core::RangeError;

use crate::Schedule;
use crate::check::{check_not_negative, check_positive};

/// The schedule of the transformer: factor·d^(−½)·min(n^(−½), n·w^(−3/2)), where n = t + 1 is the number of the step.
///
/// The rate rises for w steps to factor/√(d·w), at t = w − 1, and falls with the root from there. The factor lies
/// in [0, ∞), the width d of the model and the warm-up w in (0, ∞).
///
/// # Source
/// Vaswani et al. 2017, "Attention is all you need", equation 3, with factor 1, d 512 and w 4,000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noam {
    factor: f64,
    width: f64,
    warmup: f64,
}

impl Noam {
    /// With the factor, the width d of the model and the number w of steps of the warm-up.
    ///
    /// # Errors
    /// When the factor is outside [0, ∞), the width or the warm-up outside (0, ∞).
    pub fn new(factor: f64, width: f64, warmup: f64) -> Result<Self, RangeError> {
        check_not_negative("Noam", "factor", factor)?;
        check_positive("Noam", "width", width)?;
        check_positive("Noam", "warmup", warmup)?;
        Ok(Noam { factor, width, warmup })
    }
}

impl Schedule for Noam {
    fn at(&self, t: f64) -> f64 {
        let n = t.max(0.0) + 1.0;
        let root = if n < self.warmup { n / (self.warmup * self.warmup.sqrt()) } else { 1.0 / n.sqrt() };
        self.factor * root / self.width.sqrt()
    }
}

/// A linear warm-up to the peak in w steps, then decay with the root: α₀ + (peak − α₀)·t/w until t = w, then
/// peak·√(w/t).
///
/// The initial value α₀ and the peak lie in [0, ∞), w in (0, ∞). As the `inverse_sqrt` of fairseq, whose α₀ is 0 by
/// default, t being the number of updates made. Without a warm-up see [`InverseSqrt`](crate::InverseSqrt).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmupInverseSqrt {
    initial: f64,
    peak: f64,
    warmup: f64,
}

impl WarmupInverseSqrt {
    /// With the initial value α₀, the peak and the number w of steps of the warm-up.
    ///
    /// # Errors
    /// When a value is outside [0, ∞) or w outside (0, ∞).
    pub fn new(initial: f64, peak: f64, warmup: f64) -> Result<Self, RangeError> {
        check_not_negative("WarmupInverseSqrt", "initial", initial)?;
        check_not_negative("WarmupInverseSqrt", "peak", peak)?;
        check_positive("WarmupInverseSqrt", "warmup", warmup)?;
        Ok(WarmupInverseSqrt { initial, peak, warmup })
    }
}

impl Schedule for WarmupInverseSqrt {
    fn at(&self, t: f64) -> f64 {
        let t = t.max(0.0);
        if t < self.warmup {
            self.initial + (self.peak - self.initial) * (t / self.warmup)
        } else {
            self.peak * (self.warmup / t).sqrt()
        }
    }
}
