//! The gradient check of functions, arrays and arenas.

use ndarray::{ArrayD, ArrayRef, ArrayView, ArrayViewD, Dimension};
use nn_core::{Arena, RangeError};

use crate::numeric::{Slope, Stencil, slopes};
use crate::report::{Report, Row};

/// A gradient check: compares analytic gradients with differences of the cost, in `f64`.
///
/// Without further ado it takes central differences with the lecture notes' ε = 1e-7, for which the thresholds of
/// [`Verdict`](crate::Verdict) are meant; keep the cost of order one, since its rounding is divided by ε. Operations,
/// whose gradients are held to 1e-8, are checked with [`Stencil::FivePoint`] unless a stencil was chosen.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`epsilon`](Self::epsilon) | 1e-7 (functions) | (0, 1) |
/// | [`stencil`](Self::stencil) | central with 1e-7 (functions), five-point with 1e-3 (operations) | |
///
/// The course's exercise, J(θ) = θ·x at x = 2, θ = 4, with its published result:
///
/// ```
/// use nn_gradcheck::GradCheck;
///
/// let x = 2.0;
/// let report = GradCheck::new().check_fn(|theta| theta[0] * x, &[4.0], &[x]);
/// assert_eq!(report.relative_error(), 2.919335883291695e-10);
/// report.assert_sound();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GradCheck {
    stencil: Option<Stencil>,
}

/// A named parameter with its value and its analytic gradient, for [`GradCheck::check_params`].
#[derive(Clone, Debug)]
pub struct Param<'a> {
    /// The name that the table shows.
    pub name: &'a str,
    /// Its value.
    pub value: ArrayViewD<'a, f64>,
    /// The analytic gradient at this value.
    pub gradient: ArrayViewD<'a, f64>,
}

impl<'a> Param<'a> {
    /// A parameter of any number of axes.
    ///
    /// # Panics
    /// When value and gradient differ in shape.
    #[track_caller]
    pub fn new<D: Dimension>(
        name: &'a str,
        value: &'a ArrayRef<f64, D>,
        gradient: &'a ArrayRef<f64, D>,
    ) -> Self {
        same_shape(name, value.shape(), gradient.shape());
        Param { name, value: value.view().into_dyn(), gradient: gradient.view().into_dyn() }
    }
}

impl GradCheck {
    /// A check with the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Central differences with this step, in (0, 1).
    ///
    /// # Errors
    /// When `epsilon` is outside its range.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        Ok(self.stencil(Stencil::central(epsilon)?))
    }

    /// Another way to take differences.
    #[must_use]
    pub fn stencil(mut self, stencil: Stencil) -> Self {
        self.stencil = Some(stencil);
        self
    }

    /// The stencil for functions.
    fn for_functions(&self) -> Stencil {
        self.stencil.unwrap_or(Stencil::Central { epsilon: Stencil::CENTRAL_EPSILON })
    }

    /// The stencil for operations.
    pub(crate) fn for_operations(&self) -> Stencil {
        self.stencil.unwrap_or(Stencil::FivePoint { epsilon: Stencil::FIVE_POINT_EPSILON })
    }

    /// Checks the gradient of a function of a slice; the row is named `theta`.
    ///
    /// # Panics
    /// When `theta` and `gradient` differ in length.
    #[track_caller]
    pub fn check_fn(&self, mut cost: impl FnMut(&[f64]) -> f64, theta: &[f64], gradient: &[f64]) -> Report {
        same_shape("theta", &[theta.len()], &[gradient.len()]);
        let slopes = slopes(&mut cost, &mut theta.to_vec(), self.for_functions());
        Report::new(vec![Row::compare("theta", &[theta.len()], gradient, &slopes)])
    }

    /// Checks the gradient of a function of one array; several such reports are put together by [`Report::join`].
    ///
    /// ```
    /// use ndarray::array;
    /// use nn_gradcheck::GradCheck;
    ///
    /// let w = array![[1.0, -2.0], [0.5, 3.0]];
    /// let report = GradCheck::new().check_array("w", &w, &(2.0 * &w), |w| (&w * &w).sum());
    /// report.assert_sound();
    /// ```
    ///
    /// # Panics
    /// When `value` and `gradient` differ in shape.
    #[track_caller]
    pub fn check_array<D: Dimension>(
        &self,
        name: &str,
        value: &ArrayRef<f64, D>,
        gradient: &ArrayRef<f64, D>,
        mut cost: impl FnMut(ArrayView<'_, f64, D>) -> f64,
    ) -> Report {
        same_shape(name, value.shape(), gradient.shape());
        let mut point: Vec<f64> = value.iter().copied().collect();
        let mut flat = |x: &[f64]| {
            cost(ArrayView::from_shape(value.raw_dim(), x).expect("the point has the size of the value"))
        };
        let slopes = slopes(&mut flat, &mut point, self.for_functions());
        Report::new(vec![row(name, gradient, &slopes)])
    }

    /// Checks the gradients of a function of several named arrays, which it receives in the order of `params`.
    ///
    /// ```
    /// use ndarray::{Array1, array};
    /// use nn_gradcheck::{GradCheck, Param};
    ///
    /// let (w, b): (Array1<f64>, _) = (array![1.0, 2.0], array![3.0]); // J = (Σw + b)²
    /// let (dw, db) = (array![12.0, 12.0], array![12.0]);
    /// let params = [Param::new("w", &w, &dw), Param::new("b", &b, &db)];
    /// let report = GradCheck::new().check_params(&params, |p| (p[0].sum() + p[1].sum()).powi(2));
    /// report.assert_sound();
    /// ```
    ///
    /// # Panics
    /// When a value and its gradient differ in shape.
    #[track_caller]
    pub fn check_params(&self, params: &[Param<'_>], mut cost: impl FnMut(&[ArrayD<f64>]) -> f64) -> Report {
        let mut point: Vec<ArrayD<f64>> =
            params.iter().map(|p| p.value.as_standard_layout().into_owned()).collect();
        let mut rows = Vec::new();
        for (k, param) in params.iter().enumerate() {
            same_shape(param.name, param.value.shape(), param.gradient.shape());
            let values: Vec<f64> = param.value.iter().copied().collect();
            let slope = |(i, &x): (usize, &f64)| {
                let slope = self.for_functions().slope(x, |x| {
                    set(&mut point[k], i, x);
                    cost(&point)
                });
                set(&mut point[k], i, x);
                slope
            };
            let slopes: Vec<_> = values.iter().enumerate().map(slope).collect();
            rows.push(row(param.name, &param.gradient, &slopes));
        }
        Report::new(rows)
    }

    /// Checks the gradients of all trained parameters of an arena.
    ///
    /// Parameters that are not trained (running statistics) are left out. `values` is as before when it returns.
    ///
    /// # Panics
    /// When the two arenas have different layouts.
    #[track_caller]
    pub fn check_arena(
        &self,
        values: &mut Arena<f64>,
        gradient: &Arena<f64>,
        mut cost: impl FnMut(&Arena<f64>) -> f64,
    ) -> Report {
        assert_eq!(values.layout(), gradient.layout(), "values and gradient differ in layout");
        let layout = std::sync::Arc::clone(values.layout());
        let mut rows = Vec::new();
        for (k, spec) in layout.params().iter().enumerate().filter(|(_, spec)| spec.role.is_trained()) {
            let slope = |i: usize| {
                let x = values.as_slice()[i];
                let slope = self.for_functions().slope(x, |x| {
                    values.as_mut_slice()[i] = x;
                    cost(values)
                });
                values.as_mut_slice()[i] = x;
                slope
            };
            let slopes: Vec<_> = spec.range().map(slope).collect();
            rows.push(row(&spec.name, &gradient.view(k), &slopes));
        }
        Report::new(rows)
    }
}

/// Writes element `i`, in C order, of an array in standard layout.
fn set(array: &mut ArrayD<f64>, i: usize, x: f64) {
    array.as_slice_mut().expect("the point is in standard layout")[i] = x;
}

/// Compares the gradient of one array with its slopes, which are in C order.
pub(crate) fn row<D: Dimension>(name: &str, gradient: &ArrayRef<f64, D>, slopes: &[Slope]) -> Row {
    let analytic: Vec<f64> = gradient.iter().copied().collect();
    Row::compare(name, gradient.shape(), &analytic, slopes)
}

/// Demands that a gradient has the shape of its parameter.
#[track_caller]
fn same_shape(name: &str, value: &[usize], gradient: &[usize]) {
    assert_eq!(value, gradient, "`{name}`: value and gradient differ in shape");
}
