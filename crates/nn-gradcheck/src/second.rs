//! Second order, and vector-valued functions: Jacobians, Hessians and their products.

use ndarray::{ArrayRef, Ix2};

use crate::assess::{Subject, assess};
use crate::check::GradCheck;
use crate::numeric::Slope;
use crate::operation::cotangent;
use crate::report::{Report, Row};

impl GradCheck {
    /// Checks the Jacobian of a function from vectors to vectors: element `[i, j]` is ∂fᵢ/∂xⱼ.
    ///
    /// ```
    /// use ndarray::array;
    /// use nn_gradcheck::GradCheck;
    ///
    /// let f = |x: &[f64]| vec![x[0] * x[1], x[0].sin(), 3.0 * x[1]];
    /// let jacobian = array![[-2.0, 0.5], [0.5f64.cos(), 0.0], [0.0, 3.0]];
    /// GradCheck::new().check_jacobian(f, &[0.5, -2.0], &jacobian).assert_sound();
    /// ```
    ///
    /// # Panics
    /// When the Jacobian has another number of columns than `x` has elements, or of rows than `f` has values.
    #[track_caller]
    pub fn check_jacobian(
        &self,
        f: impl FnMut(&[f64]) -> Vec<f64>,
        x: &[f64],
        jacobian: &ArrayRef<f64, Ix2>,
    ) -> Report {
        Report::new(vec![self.matrix("jacobian", f, x, jacobian)])
    }

    /// Checks the Hessian of a cost against differences of its gradient: the gradient of the gradient.
    ///
    /// Check the gradient first: this check takes it to be right.
    ///
    /// ```
    /// use ndarray::array;
    /// use nn_gradcheck::GradCheck;
    ///
    /// // J = θ₀²·θ₁
    /// let gradient = |t: &[f64]| vec![2.0 * t[0] * t[1], t[0] * t[0]];
    /// let hessian = array![[2.0, 3.0], [3.0, 0.0]];
    /// GradCheck::new().check_hessian(gradient, &[1.5, 1.0], &hessian).assert_sound();
    /// ```
    ///
    /// # Panics
    /// When the Hessian is not square with as many rows as `theta` has elements.
    #[track_caller]
    pub fn check_hessian(
        &self,
        gradient: impl FnMut(&[f64]) -> Vec<f64>,
        theta: &[f64],
        hessian: &ArrayRef<f64, Ix2>,
    ) -> Report {
        Report::new(vec![self.matrix("hessian", gradient, theta, hessian)])
    }

    /// Checks products of the Hessian with vectors, `product(θ, v)` = H·v, against differences of the gradient along
    /// v; for a backward pass through a backward pass too, which gives the gradient of ⟨∇J(θ), v⟩ = H·v.
    ///
    /// Takes as many fixed random v as [`directions`](Self::directions) says, 3 by default, so its cost does not
    /// grow with the number of parameters. The rows are named `H·v 0`, `H·v 1`, …
    ///
    /// ```
    /// use nn_gradcheck::GradCheck;
    ///
    /// // J = Σ θ⁴
    /// let gradient = |t: &[f64]| t.iter().map(|t| 4.0 * t.powi(3)).collect();
    /// let product = |t: &[f64], v: &[f64]| t.iter().zip(v).map(|(t, v)| 12.0 * t * t * v).collect();
    /// GradCheck::new().check_hessian_product(gradient, product, &[0.5, -1.0, 2.0]).assert_sound();
    /// ```
    ///
    /// # Panics
    /// When gradient or product differ from `theta` in length.
    #[track_caller]
    pub fn check_hessian_product(
        &self,
        mut gradient: impl FnMut(&[f64]) -> Vec<f64>,
        mut product: impl FnMut(&[f64], &[f64]) -> Vec<f64>,
        theta: &[f64],
    ) -> Report {
        let size = theta.len();
        let row = |k: usize| {
            let v = cotangent(&[size], k as u64).into_raw_vec_and_offset().0;
            let analytic = product(theta, &v);
            assert_eq!(analytic.len(), size, "the product and theta differ in length");
            let name = format!("H·v {k}");
            let subject = vector(&name, vec![size], vec![0.0; size], analytic);
            let mut curve = Curve::new(|t: f64| {
                let moved: Vec<f64> = theta.iter().zip(&v).map(|(x, v)| x + t * v).collect();
                let values = gradient(&moved);
                assert_eq!(values.len(), size, "the gradient and theta differ in length");
                values
            });
            let mut difference = |i: usize, plus: f64, minus: f64| curve.difference(i, plus, minus);
            let stencil = self.for_functions();
            let slopes: Vec<Slope> = (0..size)
                .map(|i| stencil.slope_from(0.0, |plus, minus| difference(i, plus, minus)))
                .collect();
            assess(self, stencil, &subject, &slopes, &mut difference)
        };
        Report::new((0..self.along().unwrap_or(3)).map(row).collect())
    }

    /// The row of a matrix of derivatives.
    #[track_caller]
    fn matrix(
        &self,
        name: &str,
        mut f: impl FnMut(&[f64]) -> Vec<f64>,
        x: &[f64],
        matrix: &ArrayRef<f64, Ix2>,
    ) -> Row {
        let (rows, columns) = matrix.dim();
        assert_eq!(columns, x.len(), "{name}: a column for every element of the argument");
        let values = f(x).len();
        assert_eq!(rows, values, "{name}: a row for every value of the function");
        let mut point = x.to_vec();
        let mut move_one = |j: usize, to: f64| {
            point[j] = to;
            let values = f(&point);
            point[j] = x[j];
            values
        };
        let stencil = self.for_functions();
        let mut slopes = vec![Slope::default(); rows * columns];
        for (j, &here) in x.iter().enumerate() {
            let mut curve = Curve::new(|to: f64| move_one(j, to));
            for i in 0..rows {
                slopes[i * columns + j] =
                    stencil.slope_from(here, |plus, minus| curve.difference(i, plus, minus));
            }
        }
        let at = x.iter().copied().cycle().take(rows * columns).collect();
        let subject = vector(name, matrix.shape().to_vec(), at, matrix.iter().copied().collect());
        assess(self, stencil, &subject, &slopes, &mut |i, plus, minus| {
            Curve::new(|to: f64| move_one(i % columns, to)).difference(i / columns, plus, minus)
        })
    }
}

/// A vector that is a function of one number.
struct Curve<F> {
    f: F,
    /// The values so far.
    known: Vec<(f64, Vec<f64>)>,
}

impl<F: FnMut(f64) -> Vec<f64>> Curve<F> {
    fn new(f: F) -> Self {
        Curve { f, known: Vec::new() }
    }

    /// Element `i` at `x`.
    fn at(&mut self, i: usize, x: f64) -> f64 {
        let known = self.known.iter().position(|(at, _)| *at == x);
        let place = known.unwrap_or_else(|| {
            self.known.push((x, (self.f)(x)));
            self.known.len() - 1
        });
        self.known[place].1[i]
    }

    /// The change of element `i`, and both magnitudes added.
    fn difference(&mut self, i: usize, plus: f64, minus: f64) -> (f64, f64) {
        let (above, below) = (self.at(i, plus), self.at(i, minus));
        (above - below, above.abs() + below.abs())
    }
}

/// A matrix or vector of derivatives, on which no penalty is.
fn vector(name: &str, shape: Vec<usize>, at: Vec<f64>, analytic: Vec<f64>) -> Subject<'_> {
    Subject { name, shape, at, analytic, penalties: [vec![], vec![]], directional: false }
}
