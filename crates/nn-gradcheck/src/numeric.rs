//! Gradients from differences of function values.

use nn_core::{RangeError, check_range};

/// How a derivative is approximated from values of the function.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stencil {
    /// `(f(x + ε) − f(x − ε)) / 2ε`: error ε²·f‴/6 of truncation and about 1e-16·|f|/ε of rounding.
    Central {
        /// The step ε.
        epsilon: f64,
    },
    /// `(8·(f(x + h) − f(x − h)) − (f(x + 2h) − f(x − 2h))) / 12h` with `h = ε·max(1, |x|)`: error h⁴·f⁽⁵⁾/30 of
    /// truncation and about 1e-16·|f|/h of rounding (Abramowitz and Stegun 1964, table 25.2).
    FivePoint {
        /// The step ε relative to the argument.
        epsilon: f64,
    },
}

impl Stencil {
    /// The step of the lecture notes for central differences.
    pub const CENTRAL_EPSILON: f64 = 1e-7;
    /// The step at which truncation and rounding of the five-point stencil balance, about (1e-16)^(1/5).
    pub const FIVE_POINT_EPSILON: f64 = 1e-3;

    /// Central differences; `epsilon` in (0, 1).
    ///
    /// # Errors
    /// When `epsilon` is outside its range.
    pub fn central(epsilon: f64) -> Result<Self, RangeError> {
        in_range("Stencil::Central", epsilon)?;
        Ok(Stencil::Central { epsilon })
    }

    /// The five-point stencil; `epsilon` in (0, 1).
    ///
    /// # Errors
    /// When `epsilon` is outside its range.
    pub fn five_point(epsilon: f64) -> Result<Self, RangeError> {
        in_range("Stencil::FivePoint", epsilon)?;
        Ok(Stencil::FivePoint { epsilon })
    }

    /// The pairs of arguments `(x₊, x₋, d)` at which to take values: the derivative is Σ (f(x₊) − f(x₋))/d.
    fn pairs(self, x: f64) -> ([(f64, f64, f64); 2], usize) {
        match self {
            Stencil::Central { epsilon: e } => ([(x + e, x - e, 2.0 * e), (x, x, 1.0)], 1),
            Stencil::FivePoint { epsilon } => {
                let h = epsilon * x.abs().max(1.0);
                ([(x + h, x - h, 1.5 * h), (x + 2.0 * h, x - 2.0 * h, -12.0 * h)], 2)
            }
        }
    }

    /// The derivative of `f` at `x`.
    pub(crate) fn slope(self, x: f64, mut f: impl FnMut(f64) -> f64) -> Slope {
        self.slope_from(x, |plus, minus| {
            let (above, below) = (f(plus), f(minus));
            (above - below, above.abs() + below.abs())
        })
    }

    /// The derivative at `x`; `difference(x₊, x₋)` gives f(x₊) − f(x₋) and |f(x₊)| + |f(x₋)|.
    pub(crate) fn slope_from(self, x: f64, mut difference: impl FnMut(f64, f64) -> (f64, f64)) -> Slope {
        let (pairs, used) = self.pairs(x);
        let mut slope = Slope::default();
        for &(plus, minus, divisor) in &pairs[..used] {
            let (change, magnitude) = difference(plus, minus);
            slope.value += change / divisor;
            slope.rounding += ROUNDING * magnitude / divisor.abs();
        }
        slope
    }
}

/// Bound of the relative rounding error of one function value: four units in the last place.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// A derivative from differences.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slope {
    pub(crate) value: f64,
    /// How much of it may be rounding of the function values.
    pub(crate) rounding: f64,
}

/// Checks the range of a step.
fn in_range(owner: &'static str, epsilon: f64) -> Result<(), RangeError> {
    check_range(owner, "epsilon", epsilon, "(0, 1)", epsilon > 0.0 && epsilon < 1.0)
}

/// The gradient of `f` at `x` by differences.
///
/// # Example
/// ```
/// use nn_gradcheck::{Stencil, numeric_gradient};
///
/// let g = numeric_gradient(|x| x[0] * x[0] * x[1], &[3.0, 5.0], Stencil::central(1e-7)?);
/// assert!((g[0] - 30.0).abs() < 1e-5 && (g[1] - 9.0).abs() < 1e-5);
/// # Ok::<(), nn_core::RangeError>(())
/// ```
pub fn numeric_gradient(mut f: impl FnMut(&[f64]) -> f64, x: &[f64], stencil: Stencil) -> Vec<f64> {
    slopes(&mut f, &mut x.to_vec(), stencil).iter().map(|slope| slope.value).collect()
}

/// The derivatives of `f` in all coordinates of `point`, which is as before when it returns.
pub(crate) fn slopes(f: &mut dyn FnMut(&[f64]) -> f64, point: &mut [f64], stencil: Stencil) -> Vec<Slope> {
    let size = point.len();
    let slope = |i: usize| {
        let x = point[i];
        let slope = stencil.slope(x, |x| {
            point[i] = x;
            f(point)
        });
        point[i] = x;
        slope
    };
    (0..size).map(slope).collect()
}

#[cfg(test)]
mod tests {
    use super::{Stencil, numeric_gradient};

    #[test]
    fn quadratics_and_cubics() {
        let f = |x: &[f64]| x[0] * x[0] - 10.0 * x[0] + 25.0 + x[1].powi(3) * x[0];
        let x = [2.0f64, -1.5];
        let expected = [2.0 * x[0] - 10.0 + x[1].powi(3), 3.0 * x[1] * x[1] * x[0]];
        for (stencil, tolerance) in
            [(Stencil::central(1e-7).unwrap(), 1e-7), (Stencil::five_point(1e-3).unwrap(), 1e-11)]
        {
            for (g, e) in numeric_gradient(f, &x, stencil).iter().zip(expected) {
                assert!((g - e).abs() < tolerance, "{stencil:?}: {g} instead of {e}");
            }
        }
    }

    #[test]
    fn the_five_point_stencil_is_exact_to_the_fourth_power() {
        // With a step this long, central differences are off by h²·f‴/6 = 0.06 (relative 3e-3 and more).
        let stencil = Stencil::five_point(0.125).unwrap();
        let g = numeric_gradient(|x| x[0].powi(4) - x[0].powi(3), &[0.5], stencil)[0];
        assert!((g - (4.0 * 0.125 - 3.0 * 0.25)).abs() < 1e-14, "{g}");
    }

    #[test]
    fn steps_out_of_range_name_themselves() {
        for epsilon in [0.0, -1e-7, 1.0, f64::NAN, f64::INFINITY] {
            assert!(Stencil::five_point(epsilon).is_err());
            let message = Stencil::central(epsilon).unwrap_err().to_string();
            assert_eq!(message, format!("Stencil::Central: epsilon must lie in (0, 1), got {epsilon}"));
        }
    }

    #[test]
    fn the_empty_gradient() {
        assert!(numeric_gradient(|_| 1.0, &[], Stencil::central(1e-7).unwrap()).is_empty());
    }
}
