//! How far two gradients are apart, and what that means.

use std::fmt;

use nn_core::{RangeError, check_range};

/// What a relative error says of a gradient; ordered from the worst to the best.
///
/// The thresholds are those of the lecture notes for differences in double precision with ε = 1e-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// 1e-3 and above, or not a number: the backward pass is wrong.
    Wrong,
    /// Below 1e-3: look at the worst element; a kink or a small missing term.
    Suspicious,
    /// Below 1e-5: most likely right.
    Acceptable,
    /// Below 1e-7: right.
    Sound,
}

impl Verdict {
    /// The verdict on a [`relative_error`].
    ///
    /// ```
    /// use nn_gradcheck::Verdict;
    /// assert_eq!(Verdict::of(3e-10), Verdict::Sound);
    /// assert_eq!(Verdict::of(1e-7), Verdict::Acceptable);
    /// assert_eq!(Verdict::of(f64::NAN), Verdict::Wrong);
    /// ```
    pub fn of(relative_error: f64) -> Self {
        match relative_error {
            e if e < 1e-7 => Verdict::Sound,
            e if e < 1e-5 => Verdict::Acceptable,
            e if e < 1e-3 => Verdict::Suspicious,
            _ => Verdict::Wrong,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Wrong => "wrong",
            Verdict::Suspicious => "suspicious",
            Verdict::Acceptable => "acceptable",
            Verdict::Sound => "sound",
        })
    }
}

/// An absolute and a relative tolerance for every element: `|g − ĝ| ≤ absolute + relative·|ĝ|`.
///
/// The criterion of PyTorch's `torch.autograd.gradcheck` (`torch.allclose`), instead of the thresholds of [`Verdict`].
///
/// ```
/// use nn_gradcheck::Tolerance;
///
/// let tolerance = Tolerance::new(1e-5, 1e-3)?;
/// assert_eq!(tolerance, Tolerance::PYTORCH);
/// assert!(tolerance.allows(2.001, 2.0) && !tolerance.allows(2.003, 2.0));
/// assert!(tolerance.allows(1e-6, 0.0) && !tolerance.allows(f64::NAN, f64::NAN));
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    absolute: f64,
    relative: f64,
}

impl Tolerance {
    /// The defaults of PyTorch: `atol` = 1e-5, `rtol` = 1e-3 (with central differences of `eps` = 1e-6).
    pub const PYTORCH: Tolerance = Tolerance { absolute: 1e-5, relative: 1e-3 };

    /// Both tolerances in [0, ∞).
    ///
    /// # Errors
    /// When one of them is outside its range.
    pub fn new(absolute: f64, relative: f64) -> Result<Self, RangeError> {
        let inside = |x: f64| x >= 0.0 && x.is_finite();
        check_range("Tolerance", "absolute", absolute, "[0, ∞)", inside(absolute))?;
        check_range("Tolerance", "relative", relative, "[0, ∞)", inside(relative))?;
        Ok(Tolerance { absolute, relative })
    }

    /// Whether an element of the analytic gradient is near enough to the numeric one. What is not finite is not.
    pub fn allows(self, analytic: f64, numeric: f64) -> bool {
        let distance = (analytic - numeric).abs();
        distance.is_finite() && distance <= self.absolute + self.relative * numeric.abs()
    }

    /// How far an element lies beyond what is allowed; negative inside.
    pub(crate) fn excess(self, analytic: f64, numeric: f64) -> f64 {
        (analytic - numeric).abs() - self.absolute - self.relative * numeric.abs()
    }
}

/// The relative error of two gradients, `‖g − ĝ‖₂ / (‖g‖₂ + ‖ĝ‖₂)`.
///
/// It lies in [0, 1]; it is 0 where both are zero, and NaN where either holds NaN or an infinity.
///
/// # Panics
/// When the two differ in length.
///
/// ```
/// use nn_gradcheck::relative_error;
/// assert_eq!(relative_error(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
/// assert_eq!(relative_error(&[1.0], &[-1.0]), 1.0);
/// ```
#[track_caller]
pub fn relative_error(analytic: &[f64], numeric: &[f64]) -> f64 {
    Norms::of(analytic, numeric).relative_error()
}

/// The three norms of which the relative error consists.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Norms {
    pub(crate) difference: f64,
    pub(crate) analytic: f64,
    pub(crate) numeric: f64,
}

impl Norms {
    #[track_caller]
    pub(crate) fn of(analytic: &[f64], numeric: &[f64]) -> Self {
        assert_eq!(analytic.len(), numeric.len(), "analytic and numeric gradient differ in length");
        let difference: Vec<f64> = analytic.iter().zip(numeric).map(|(a, n)| a - n).collect();
        Norms { difference: norm(&difference), analytic: norm(analytic), numeric: norm(numeric) }
    }

    /// The norms of two vectors joined end to end.
    pub(crate) fn join(self, other: Self) -> Self {
        Norms {
            difference: self.difference.hypot(other.difference),
            analytic: self.analytic.hypot(other.analytic),
            numeric: self.numeric.hypot(other.numeric),
        }
    }

    pub(crate) fn relative_error(self) -> f64 {
        // A norm that is zero twice makes the difference zero too; NaN falls through to the quotient.
        if self.analytic == 0.0 && self.numeric == 0.0 {
            return 0.0;
        }
        self.difference / (self.analytic + self.numeric)
    }
}

/// The Euclidean norm, scaled by the largest element so that squares neither overflow nor vanish.
pub(crate) fn norm(x: &[f64]) -> f64 {
    if x.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    let largest = x.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    largest * x.iter().map(|v| (v / largest).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::{Tolerance, Verdict, relative_error};

    #[test]
    fn thresholds() {
        for (error, verdict, name) in [
            (0.0, Verdict::Sound, "sound"),
            (0.999e-7, Verdict::Sound, "sound"),
            (1e-7, Verdict::Acceptable, "acceptable"),
            (0.999e-5, Verdict::Acceptable, "acceptable"),
            (1e-5, Verdict::Suspicious, "suspicious"),
            (0.999e-3, Verdict::Suspicious, "suspicious"),
            (1e-3, Verdict::Wrong, "wrong"),
            (f64::INFINITY, Verdict::Wrong, "wrong"),
            (f64::NAN, Verdict::Wrong, "wrong"),
        ] {
            assert_eq!((Verdict::of(error), Verdict::of(error).to_string().as_str()), (verdict, name));
        }
        assert!(Verdict::Wrong < Verdict::Suspicious && Verdict::Acceptable < Verdict::Sound);
    }

    #[test]
    fn relative_errors() {
        assert_eq!(relative_error(&[], &[]), 0.0);
        assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_error(&[0.0], &[1e-300]), 1.0);
        assert_eq!(relative_error(&[3.0, 0.0], &[0.0, 4.0]), 5.0 / 7.0);
        // Squares of these would vanish or overflow.
        assert_eq!(relative_error(&[2e-200], &[1e-200]), 1.0 / 3.0);
        assert_eq!(relative_error(&[2e200], &[1e200]), 1.0 / 3.0);
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(relative_error(&[1.0, bad], &[1.0, bad]).is_nan());
            assert!(relative_error(&[0.0], &[bad]).is_nan());
        }
    }

    #[test]
    fn tolerances() {
        for (absolute, relative, analytic, numeric, allowed) in [
            (0.25, 0.0, 1.25, 1.0, true),
            (0.25, 0.0, 1.3, 1.0, false),
            (0.0, 0.25, -2.5, -2.0, true),
            // Relative to the numeric gradient, not to the analytic one.
            (0.0, 0.25, 2.0, 1.5, false),
            (0.0, 0.0, 0.0, 0.0, true),
            (1e300, 1e300, f64::NAN, 1.0, false),
            (0.1, 0.1, f64::INFINITY, f64::INFINITY, false),
        ] {
            let tolerance = Tolerance::new(absolute, relative).unwrap();
            assert_eq!(tolerance.allows(analytic, numeric), allowed, "{tolerance:?} {analytic} {numeric}");
        }
        for (bad, message) in [
            ((-1.0, 0.0), "Tolerance: absolute must lie in [0, ∞), got -1"),
            ((0.0, f64::INFINITY), "Tolerance: relative must lie in [0, ∞), got inf"),
            ((f64::NAN, 0.0), "Tolerance: absolute must lie in [0, ∞), got NaN"),
        ] {
            assert_eq!(Tolerance::new(bad.0, bad.1).unwrap_err().to_string(), message);
        }
    }
}
