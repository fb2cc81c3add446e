//! The gradient check of functions, arrays and arenas.

use ndarray::{ArrayD, ArrayRef, ArrayView, ArrayViewD, Dimension, aview1};
use nn_core::{Arena, RangeError, check_range};

use crate::assess::{Subject, check, same_shape};
use crate::numeric::Stencil;
use crate::report::Report;
use crate::verdict::Tolerance;

/// A gradient check: compares analytic gradients with differences of the cost, in `f64`.
///
/// Without further ado it takes central differences with the lecture notes' ε = 1e-7, for which the thresholds of
/// [`Verdict`](crate::Verdict) are meant; keep the cost of order one, since its rounding is divided by ε. Operations,
/// whose gradients are held to 1e-8, are checked with [`Stencil::FivePoint`] unless a stencil was chosen.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`epsilon`](Self::epsilon) | 1e-7 (functions) | (0, 1) |
/// | [`stencil`](Self::stencil) | central with 1e-7; automatic (directions), five-point with 1e-3 (operations) | |
/// | [`tolerance`](Self::tolerance) | none: the thresholds of [`Verdict`](crate::Verdict) | each in [0, ∞) |
/// | [`directions`](Self::directions) | none: every element | [1, ∞) |
/// | [`samples`](Self::samples) | unknown | [1, ∞) |
///
/// Before it takes differences it evaluates the cost four times at the point itself: a cost that is not the same
/// every time is [named as such](crate::Suspicion::NotDeterministic). What disagrees is examined further: elements at
/// [kinks](crate::Kink) do not count, and for the rest a [`Suspicion`](crate::Suspicion) says what the error looks
/// like.
///
/// A cost or a gradient that is not finite is wrong, with the place. A parameter without elements is shown as empty,
/// and nothing is wrong with it.
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
    tolerance: Option<Tolerance>,
    directions: Option<usize>,
    samples: Option<usize>,
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

    /// The settings of PyTorch's `torch.autograd.gradcheck`: central differences with ε = 1e-6, and every element within
    /// 1e-5 + 1e-3·|ĝ|.
    pub fn pytorch() -> Self {
        Self::new().stencil(Stencil::Central { epsilon: 1e-6 }).tolerance(Tolerance::PYTORCH)
    }

    /// Judges every element by an absolute and a relative tolerance: a parameter is sound if all its elements are
    /// within, and wrong if not.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Compares derivatives along so many random directions instead of all partial derivatives; 1 or more.
    ///
    /// The directions lie in the space of all parameters together, their elements in ±[0.5, 1.5], so that the cost of
    /// the check does not grow with the number of parameters: 2 evaluations per direction with central differences,
    /// 10 to 32 with [`Stencil::Automatic`], which is taken here unless another stencil is set. If they disagree, as
    /// many directions in the space of each parameter follow, to name the one at fault; the place in its row is then
    /// the number of the direction. Two or three are enough: an error that one direction hides, all but never, another
    /// shows. Operations ([`check_op`](Self::check_op)) are checked element by element all the same.
    ///
    /// ```
    /// use ndarray::Array2;
    /// use nn_gradcheck::GradCheck;
    ///
    /// let w = Array2::from_shape_fn((300, 1000), |(i, j)| ((i * j) as f64).sin());
    /// let dw = 2.0 / w.len() as f64 * &w;
    /// let check = GradCheck::new().directions(3)?;
    /// check.check_array("w", &w, &dw, |w| (&w * &w).mean().unwrap()).assert_sound();
    /// # Ok::<(), nn_core::RangeError>(())
    /// ```
    ///
    /// # Errors
    /// When `count` is 0.
    pub fn directions(mut self, count: usize) -> Result<Self, RangeError> {
        check_range("GradCheck", "directions", count as f64, "[1, ∞)", count >= 1)?;
        self.directions = Some(count);
        Ok(self)
    }

    /// Tells the number m of samples over which the cost is averaged, so that factors like 1/m and 4/m are recognised;
    /// 1 or more.
    ///
    /// # Errors
    /// When `m` is 0.
    pub fn samples(mut self, m: usize) -> Result<Self, RangeError> {
        check_range("GradCheck", "samples", m as f64, "[1, ∞)", m >= 1)?;
        self.samples = Some(m);
        Ok(self)
    }

    /// The number of directions.
    pub(crate) fn along(&self) -> Option<usize> {
        self.directions
    }

    /// The number of samples.
    pub(crate) fn batch(&self) -> Option<usize> {
        self.samples
    }

    /// The tolerance.
    pub(crate) fn allowed(&self) -> Option<Tolerance> {
        self.tolerance
    }

    /// The stencil for functions.
    pub(crate) fn for_functions(&self) -> Stencil {
        self.stencil.unwrap_or(Stencil::Central { epsilon: Stencil::CENTRAL_EPSILON })
    }

    /// The stencil for directions.
    pub(crate) fn for_directions(&self) -> Stencil {
        self.stencil.unwrap_or(Stencil::Automatic)
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
        check(self, &[Subject::new("theta", &aview1(theta), &aview1(gradient))], &mut cost)
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
        let subject = Subject::new(name, value, gradient);
        let mut flat = |x: &[f64]| {
            cost(ArrayView::from_shape(value.raw_dim(), x).expect("the point has the size of the value"))
        };
        check(self, &[subject], &mut flat)
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
        let subjects: Vec<Subject<'_>> =
            params.iter().map(|p| Subject::new(p.name, &p.value, &p.gradient)).collect();
        let mut point: Vec<ArrayD<f64>> =
            params.iter().map(|p| p.value.as_standard_layout().into_owned()).collect();
        let mut flat = |x: &[f64]| {
            point.iter_mut().flatten().zip(x).for_each(|(target, &x)| *target = x);
            cost(&point)
        };
        check(self, &subjects, &mut flat)
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
        let trained = || layout.params().iter().enumerate().filter(|(_, spec)| spec.role.is_trained());
        let subjects: Vec<Subject<'_>> =
            trained().map(|(k, spec)| Subject::new(&spec.name, &values.view(k), &gradient.view(k))).collect();
        let write = |values: &mut Arena<f64>, mut x: &[f64]| {
            for (_, spec) in trained() {
                let (here, rest) = x.split_at(spec.size());
                values.as_mut_slice()[spec.range()].copy_from_slice(here);
                x = rest;
            }
        };
        let report = check(self, &subjects, &mut |x| {
            write(values, x);
            cost(values)
        });
        let before: Vec<f64> = subjects.iter().flat_map(|subject| subject.at.iter().copied()).collect();
        write(values, &before);
        report
    }
}
