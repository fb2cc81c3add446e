//! Gradients by the complex step.

use ndarray::{ArrayRef, ArrayView, Dimension, aview1};
pub use num_complex::Complex64;

use crate::assess::{Subject, suspect};
use crate::check::GradCheck;
use crate::diagnosis::Suspicion;
use crate::noise::{blame, drift};
use crate::numeric::{Slope, Stencil};
use crate::operation::cotangent;
use crate::report::{Report, Row};
use crate::verdict::{Verdict, norm};

/// The step: its square vanishes beside any argument.
const STEP: f64 = 1e-200;

/// The gradient of `f` at the real point `x` by the complex step: `∂f/∂xᵢ = Im f(x + ih·eᵢ) / h` with h = 1e-200.
///
/// There is no difference and so no cancellation: the gradient is as exact as `f` itself, about 1e-16. For that, `f` has
/// to be analytic: sums, products, quotients, powers, `exp`, `ln`, `sqrt`, `sin`, `tanh` and so on of complex numbers,
/// branches by the real part (a ReLU is `if z.re > 0.0 { z } else { 0 }`); no `norm`, `conj`, nor products with a
/// conjugate. Squyres and Trapp 1998, "Using complex variables to estimate derivatives of real functions".
///
/// ```
/// use nn_gradcheck::{Complex64, complex_gradient};
///
/// let f = |z: &[Complex64]| z[0].exp() / (z[0].sin().powi(3) + z[1].cos().powi(3)).sqrt();
/// let g = complex_gradient(f, &[1.5, 1.5]);
/// # let (s, c) = 1.5f64.sin_cos();
/// # let q = s.powi(3) + c.powi(3);
/// # let expected = 1.5f64.exp() * (1.0 / q.sqrt() - 1.5 * s * s * c / q.powf(1.5));
/// assert!((g[0] - expected).abs() < 4e-15);
/// ```
pub fn complex_gradient(mut f: impl FnMut(&[Complex64]) -> Complex64, x: &[f64]) -> Vec<f64> {
    let mut point = complex(x);
    (0..x.len()).map(|i| derivative(&mut f, &mut point, i)).collect()
}

fn complex(x: &[f64]) -> Vec<Complex64> {
    x.iter().map(|&x| Complex64::new(x, 0.0)).collect()
}

/// The derivative in coordinate `i`; `point` is as before when it returns.
fn derivative(f: &mut dyn FnMut(&[Complex64]) -> Complex64, point: &mut [Complex64], i: usize) -> f64 {
    point[i].im = STEP;
    let value = f(point).im / STEP;
    point[i].im = 0.0;
    value
}

impl GradCheck {
    /// Checks the gradient of a function that is given over complex numbers, by [`complex_gradient`]; the row is named
    /// `theta`. The stencil does not matter.
    ///
    /// A right gradient has a relative error of about 1e-16 here. If the gradient disagrees, a difference along
    /// the real axis tells whether the function is [not analytic](Suspicion::NotAnalytic).
    ///
    /// ```
    /// use nn_gradcheck::{Complex64, GradCheck};
    ///
    /// let cost = |t: &[Complex64]| t[0].tanh() * t[1];
    /// let gradient = [2.0 * (1.0 - 0.3f64.tanh().powi(2)), 0.3f64.tanh()];
    /// let report = GradCheck::new().check_fn_complex(cost, &[0.3, 2.0], &gradient);
    /// assert!(report.relative_error() < 1e-15);
    /// ```
    ///
    /// # Panics
    /// When `theta` and `gradient` differ in length.
    #[track_caller]
    pub fn check_fn_complex(
        &self,
        mut cost: impl FnMut(&[Complex64]) -> Complex64,
        theta: &[f64],
        gradient: &[f64],
    ) -> Report {
        self.complex(&Subject::new("theta", &aview1(theta), &aview1(gradient)), &mut cost)
    }

    /// Checks the gradient of a function of one array that is given over complex numbers; see
    /// [`check_fn_complex`](Self::check_fn_complex).
    ///
    /// ```
    /// use ndarray::array;
    /// use nn_gradcheck::GradCheck;
    ///
    /// let w = array![[1.0, -2.0], [0.5, 3.0]];
    /// let report = GradCheck::new().check_array_complex("w", &w, &(2.0 * &w), |w| (&w * &w).sum());
    /// report.assert_sound();
    /// ```
    ///
    /// # Panics
    /// When `value` and `gradient` differ in shape.
    #[track_caller]
    pub fn check_array_complex<D: Dimension>(
        &self,
        name: &str,
        value: &ArrayRef<f64, D>,
        gradient: &ArrayRef<f64, D>,
        mut cost: impl FnMut(ArrayView<'_, Complex64, D>) -> Complex64,
    ) -> Report {
        let mut flat = |z: &[Complex64]| {
            cost(ArrayView::from_shape(value.raw_dim(), z).expect("the point has the size of the value"))
        };
        self.complex(&Subject::new(name, value, gradient), &mut flat)
    }

    fn complex(&self, subject: &Subject<'_>, cost: &mut dyn FnMut(&[Complex64]) -> Complex64) -> Report {
        let Subject { name, shape, at, analytic, .. } = subject;
        let mut point = complex(at);
        let drift = if at.is_empty() { None } else { drift(|| cost(&point).re) };
        let slope = |i: usize| {
            let value = derivative(cost, &mut point, i);
            Slope { value, rounding: f64::EPSILON * value.abs() }
        };
        let slopes: Vec<Slope> = (0..at.len()).map(slope).collect();
        let mut row = Row::judge(name, shape, analytic, &slopes, &[], self.allowed());
        if row.verdict < Verdict::Sound && !is_analytic(cost, at, &slopes) {
            row.suspicion = Some(Suspicion::NotAnalytic);
        } else {
            suspect(self, subject, &slopes, &[], &mut row);
        }
        let mut rows = vec![row];
        if let Some(values) = drift {
            blame(&mut rows, values);
        }
        Report::new(rows)
    }
}

/// Whether the slopes are those of the real part along the real axis, in one direction.
fn is_analytic(cost: &mut dyn FnMut(&[Complex64]) -> Complex64, at: &[f64], slopes: &[Slope]) -> bool {
    let mut u: Vec<f64> = cotangent(&[at.len()], 0).into_iter().collect();
    let length = norm(&u);
    u.iter_mut().for_each(|u| *u /= length);
    let along: f64 = u.iter().zip(slopes).map(|(u, slope)| u * slope.value).sum();
    let mut real = |t: f64| {
        let moved: Vec<f64> = at.iter().zip(&u).map(|(x, u)| x + t * u).collect();
        cost(&complex(&moved)).re
    };
    let difference = Stencil::Automatic.slope_from(0.0, |plus, minus| {
        let (above, below) = (real(plus), real(minus));
        (above - below, above.abs() + below.abs())
    });
    let scale = norm(&slopes.iter().map(|slope| slope.value).collect::<Vec<_>>()).max(difference.value.abs());
    let distance = (along - difference.value).abs();
    !distance.is_finite() || distance <= 1e-6 * scale + 10.0 * difference.rounding
}
