//! Gradients from differences of function values.

use nn_core::{RangeError, check_range};

/// How a derivative is approximated from values of the function.
///
/// | stencil | evaluations per element | best relative accuracy |
/// |---|---|---|
/// | [`Forward`](Self::Forward) | 1 (and one for all) | about 1e-8 |
/// | [`Central`](Self::Central) | 2 | about 1e-10 |
/// | [`FivePoint`](Self::FivePoint) | 4 | about 1e-12 |
/// | [`Automatic`](Self::Automatic) | 10 to 32 | about 1e-12, whatever the scale of the argument |
///
/// Where the function is given over complex numbers, [`complex_gradient`](crate::complex_gradient) has no
/// truncation and no cancellation at all.
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
    /// `(f(x + ε) − f(x)) / ε`: error ε·f″/2 of truncation and about 1e-16·|f|/ε of rounding.
    ///
    /// Half the work of central differences, and too coarse for [`Verdict::Sound`](crate::Verdict::Sound) in most
    /// cases: what is right comes out as acceptable.
    Forward {
        /// The step ε.
        epsilon: f64,
    },
    /// Central differences whose step is chosen for every element: from `max(1, |x|)/16` on the step is halved, up to
    /// sixteen times, and the differences are extrapolated to the step zero; the value whose estimated error,
    /// truncation and rounding together, is smallest counts (Richardson 1911; Ridders 1982, "Accurate computation of
    /// F′(x) and F′(x)F″(x)").
    ///
    /// Steps at which the function is not finite are passed over, so an argument may lie near the edge of the domain.
    Automatic,
}

impl Stencil {
    /// The step of the lecture notes for central differences.
    pub const CENTRAL_EPSILON: f64 = 1e-7;
    /// The step at which truncation and rounding of the five-point stencil balance, about (1e-16)^(1/5).
    pub const FIVE_POINT_EPSILON: f64 = 1e-3;
    /// The step at which truncation and rounding of forward differences balance, about (1e-16)^(1/2).
    pub const FORWARD_EPSILON: f64 = 1e-8;

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

    /// Forward differences; `epsilon` in (0, 1).
    ///
    /// # Errors
    /// When `epsilon` is outside its range.
    pub fn forward(epsilon: f64) -> Result<Self, RangeError> {
        in_range("Stencil::Forward", epsilon)?;
        Ok(Stencil::Forward { epsilon })
    }

    /// How far from `x` a kink may lie and still falsify the derivative.
    pub(crate) fn reach(self, x: f64) -> f64 {
        let scale = x.abs().max(1.0);
        match self {
            Stencil::Central { epsilon } | Stencil::Forward { epsilon } => epsilon,
            Stencil::FivePoint { epsilon } => 2.0 * epsilon * scale,
            Stencil::Automatic => 2.0 * scale * FIRST_STEP * 0.5f64.powi(HALVINGS),
        }
    }

    /// The derivative at `x`; `difference(x₊, x₋)` gives f(x₊) − f(x₋) and |f(x₊)| + |f(x₋)|.
    pub(crate) fn slope_from(self, x: f64, mut difference: impl FnMut(f64, f64) -> (f64, f64)) -> Slope {
        let mut slope = Slope::default();
        let mut add = |plus: f64, minus: f64, divisor: f64| {
            let (change, magnitude) = difference(plus, minus);
            slope.value += change / divisor;
            slope.rounding += ROUNDING * magnitude / divisor.abs();
        };
        match self {
            Stencil::Central { epsilon: e } => add(x + e, x - e, 2.0 * e),
            Stencil::Forward { epsilon: e } => add(x + e, x, e),
            Stencil::FivePoint { epsilon } => {
                let h = epsilon * x.abs().max(1.0);
                add(x + h, x - h, 1.5 * h);
                add(x + 2.0 * h, x - 2.0 * h, -12.0 * h);
            }
            Stencil::Automatic => return automatic(x, &mut difference),
        }
        slope
    }
}

/// The first step of [`Stencil::Automatic`], relative to the argument.
const FIRST_STEP: f64 = 1.0 / 16.0;
/// How often it halves the step.
const HALVINGS: i32 = 16;

/// Central differences at smaller and smaller steps, extrapolated.
fn automatic(x: f64, difference: &mut dyn FnMut(f64, f64) -> (f64, f64)) -> Slope {
    let mut best = Slope { value: f64::NAN, rounding: 0.0 };
    let mut least = f64::INFINITY;
    let mut previous: Vec<f64> = Vec::new();
    for halvings in 0..HALVINGS {
        let h = x.abs().max(1.0) * FIRST_STEP * 0.5f64.powi(halvings);
        let (change, magnitude) = difference(x + h, x - h);
        let mut row = vec![change / (2.0 * h)];
        if !row[0].is_finite() {
            previous.clear();
            continue;
        }
        let rounding = ROUNDING * magnitude / (2.0 * h);
        let mut newest = f64::INFINITY;
        for (k, &coarse) in previous.iter().enumerate() {
            // An error in h^(2k+2) falls to a quarter of that of the last order when the step is halved.
            let fine = row[k];
            let better = fine + (fine - coarse) / (4f64.powi(k as i32 + 1) - 1.0);
            newest = (better - fine).abs().max((better - coarse).abs()) + rounding;
            if newest < least {
                least = newest;
                best = Slope { value: better, rounding };
            }
            row.push(better);
        }
        if newest > 2.0 * least && least <= 1e-9 * best.value.abs() {
            break;
        }
        previous = row;
    }
    best
}

/// Bound of the relative rounding error of one function value: four units in the last place.
pub(crate) const ROUNDING: f64 = 4.0 * f64::EPSILON;

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
    let mut landscape = Landscape::new(x.to_vec(), &mut f);
    (0..x.len()).map(|i| landscape.slope(i, stencil).value).collect()
}

/// A function together with the point around which its values are taken.
pub(crate) struct Landscape<'a> {
    point: Vec<f64>,
    /// The value at the point, once it was asked for.
    here: Option<f64>,
    f: &'a mut dyn FnMut(&[f64]) -> f64,
}

impl<'a> Landscape<'a> {
    pub(crate) fn new(point: Vec<f64>, f: &'a mut dyn FnMut(&[f64]) -> f64) -> Self {
        Landscape { point, here: None, f }
    }

    /// The value with coordinate `i` at `x`.
    fn at(&mut self, i: usize, x: f64) -> f64 {
        let original = self.point[i];
        if x == original {
            return *self.here.get_or_insert_with(|| (self.f)(&self.point));
        }
        self.point[i] = x;
        let value = (self.f)(&self.point);
        self.point[i] = original;
        value
    }

    /// The change of the value from `minus` to `plus` of coordinate `i`, and both magnitudes added.
    pub(crate) fn difference(&mut self, i: usize, plus: f64, minus: f64) -> (f64, f64) {
        let (above, below) = (self.at(i, plus), self.at(i, minus));
        (above - below, above.abs() + below.abs())
    }

    /// The derivative in coordinate `i`.
    pub(crate) fn slope(&mut self, i: usize, stencil: Stencil) -> Slope {
        stencil.slope_from(self.point[i], |plus, minus| self.difference(i, plus, minus))
    }
}

#[cfg(test)]
mod tests {
    use super::{Stencil, numeric_gradient};

    #[test]
    fn quadratics_and_cubics() {
        let f = |x: &[f64]| x[0] * x[0] - 10.0 * x[0] + 25.0 + x[1].powi(3) * x[0];
        let x = [2.0f64, -1.5];
        let expected = [2.0 * x[0] - 10.0 + x[1].powi(3), 3.0 * x[1] * x[1] * x[0]];
        for (stencil, tolerance) in [
            (Stencil::central(1e-7).unwrap(), 1e-7),
            (Stencil::five_point(1e-3).unwrap(), 1e-11),
            (Stencil::forward(1e-8).unwrap(), 1e-6),
            (Stencil::Automatic, 1e-11),
        ] {
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
            assert!(Stencil::five_point(epsilon).is_err() && Stencil::forward(epsilon).is_err());
            let message = Stencil::central(epsilon).unwrap_err().to_string();
            assert_eq!(message, format!("Stencil::Central: epsilon must lie in (0, 1), got {epsilon}"));
        }
    }

    #[test]
    fn the_empty_gradient() {
        assert!(numeric_gradient(|_| 1.0, &[], Stencil::central(1e-7).unwrap()).is_empty());
    }

    /// The derivative of a function of one number.
    fn derivative(f: impl Fn(f64) -> f64, x: f64, stencil: Stencil) -> f64 {
        numeric_gradient(|x| f(x[0]), &[x], stencil)[0]
    }

    #[test]
    fn forward_differences_are_off_by_half_the_second_derivative() {
        let g = derivative(|x| x * x, 3.0, Stencil::forward(0.25).unwrap());
        assert_eq!(g, 6.25);
    }

    #[test]
    fn forward_differences_evaluate_the_point_once() {
        let mut evaluations = 0;
        let sum = |x: &[f64]| {
            evaluations += 1;
            x.iter().sum()
        };
        numeric_gradient(sum, &[0.0; 10], Stencil::forward(1e-8).unwrap());
        assert_eq!(evaluations, 11);
    }

    #[test]
    fn the_automatic_step_suits_the_function() {
        type Case = (fn(f64) -> f64, f64, f64);
        let table: [Case; 6] = [
            (|x| (30.0 * x).sin(), 0.3, 30.0 * 9f64.cos()),
            (|x| x.powi(3), 1e6, 3e12),
            (f64::ln, 0.01, 100.0),
            (f64::sqrt, 1e-4, 50.0),
            (|x| (x - 0.01).max(0.0) + x, 0.0, 1.0),
            (|x| 1e8 + x.exp(), 0.0, 1.0),
        ];
        for (i, (f, x, expected)) in table.into_iter().enumerate() {
            let error = |stencil| (derivative(f, x, stencil) / expected - 1.0).abs();
            assert!(error(Stencil::Automatic) < if i == 5 { 1e-6 } else { 1e-9 }, "function {i}");
        }
        // A fixed step is too short for the cube at a million, and for a small change on top of a large value.
        for (i, least) in [(1, 1e-6), (5, 1e-3)] {
            let (f, x, expected) = table[i];
            let central = derivative(f, x, Stencil::central(1e-7).unwrap());
            assert!((central / expected - 1.0).abs() > least, "function {i}: {central}");
        }
        assert!(derivative(|_| f64::NAN, 1.0, Stencil::Automatic).is_nan());
    }
}
