//! Errors that are planted must be found, and what is right must be called right.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayD, array};
use nn_core::{Arena, ParamLayout, Role};
use nn_gradcheck::{GradCheck, Param, Stencil, Verdict};

/// A linear regression by mean squared error over m samples: its parameters, cost and gradient.
struct Regression {
    x: Array2<f64>,
    t: Array2<f64>,
    w: Array2<f64>,
    b: Array1<f64>,
}

impl Regression {
    fn new() -> Self {
        Regression {
            x: array![
                [0.3, -0.7, 1.1],
                [0.9, 0.2, -0.4],
                [-1.3, 0.8, 0.5],
                [0.6, -0.2, 0.1],
                [0.0, 1.0, -1.0]
            ],
            t: array![[1.0, 0.5], [0.3, -1.0], [-0.4, 0.2], [0.7, 0.7], [0.0, -0.6]],
            w: array![[0.2, -0.5, 0.4], [1.0, 0.3, -0.8]],
            b: array![0.1, -0.2],
        }
    }

    fn cost(&self, p: &[ArrayD<f64>]) -> f64 {
        let w = p[0].view().into_dimensionality::<ndarray::Ix2>().unwrap();
        let b = p[1].view().into_dimensionality::<ndarray::Ix1>().unwrap();
        let error = self.x.dot(&w.t()) + b - &self.t;
        error.mapv(|e| e * e).sum() / self.m()
    }

    fn m(&self) -> f64 {
        self.x.nrows() as f64
    }

    fn gradient(&self) -> (Array2<f64>, Array1<f64>) {
        let dz = 2.0 / self.m() * (self.x.dot(&self.w.t()) + &self.b - &self.t);
        (dz.t().dot(&self.x), dz.sum_axis(ndarray::Axis(0)))
    }

    fn verdicts(&self, dw: &Array2<f64>, db: &Array1<f64>) -> [Verdict; 2] {
        let params = [Param::new("w", &self.w, dw), Param::new("b", &self.b, db)];
        let report = GradCheck::new().check_params(&params, |p| self.cost(p));
        assert_eq!(report.verdict(), report.rows()[0].verdict.min(report.rows()[1].verdict));
        [report.get("w").unwrap().verdict, report.get("b").unwrap().verdict]
    }
}

#[test]
fn the_right_gradient_is_sound() {
    let regression = Regression::new();
    let (dw, db) = regression.gradient();
    assert_eq!(regression.verdicts(&dw, &db), [Verdict::Sound; 2]);
}

#[test]
fn classic_errors_are_wrong_where_they_are() {
    let regression = Regression::new();
    let (dw, db) = regression.gradient();
    let m = regression.m();
    let mut missing_row = dw.clone();
    missing_row.row_mut(1).fill(0.0);
    for bad in [2.0 * &dw, -&dw, m * &dw, &dw + 2e-2 * &regression.w, missing_row] {
        assert_eq!(regression.verdicts(&bad, &db), [Verdict::Wrong, Verdict::Sound]);
    }
    for bad in [4.0 / m * &db, -&db, m * &db, &db + f64::NAN, array![db[1], db[0]]] {
        assert_eq!(regression.verdicts(&dw, &bad), [Verdict::Sound, Verdict::Wrong]);
    }
}

#[test]
fn small_errors_get_the_verdicts_between() {
    let regression = Regression::new();
    let (dw, db) = regression.gradient();
    assert_eq!(regression.verdicts(&(&dw * 1.000001), &db)[0], Verdict::Acceptable);
    assert_eq!(regression.verdicts(&(&dw * 1.0001), &db)[0], Verdict::Suspicious);
}

#[test]
fn any_memory_layout_of_value_and_gradient() {
    let w = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let dw = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    // J = Σ g·w for a w that is a transposed view and a gradient that is not.
    let report = GradCheck::new()
        .check_array("w", &w.t(), &dw, |w| (&w * &array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).sum());
    report.assert_sound();
    let (value, gradient) = (w.t(), dw.view());
    let params = [Param::new("w", &value, &gradient)];
    GradCheck::new().check_params(&params, |p| (&p[0] * &dw).sum()).assert_sound();
}

#[test]
fn an_arena_is_checked_but_for_what_is_not_trained() {
    let mut layout = ParamLayout::new();
    layout.add("0.weight", &[2, 2], Role::Weight).unwrap();
    layout.add("0.running_mean", &[2], Role::RunningStatistic).unwrap();
    layout.add("0.bias", &[2], Role::Bias).unwrap();
    let mut values = Arena::zeros(Arc::new(layout));
    for (i, x) in [0.5, -1.0, 2.0, 0.25].into_iter().enumerate() {
        values.view_mut(0)[[i / 2, i % 2]] = x;
    }
    values.view_mut(2).assign(&array![0.3, -0.6].into_dyn());
    let cost = |p: &Arena<f64>| {
        let (w, b) = (p.get("0.weight").unwrap(), p.get("0.bias").unwrap());
        (&w * &w).sum() + b.iter().map(|x| x.powi(3)).sum::<f64>() + p.get("0.running_mean").unwrap().sum()
    };
    let mut gradient = Arena::zeros(Arc::clone(values.layout()));
    gradient.view_mut(0).assign(&(values.view(0).mapv(|x| 2.0 * x)));
    gradient.view_mut(2).assign(&values.view(2).mapv(|x| 3.0 * x * x));
    let before = values.clone();

    let report = GradCheck::new().check_arena(&mut values, &gradient, cost);
    report.assert_sound();
    let names: Vec<&str> = report.rows().iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["0.weight", "0.bias"]);
    assert_eq!(values, before);

    gradient.view_mut(2)[[1]] *= 2.0;
    let report = GradCheck::new().check_arena(&mut values, &gradient, cost);
    assert_eq!(report.get("0.bias").unwrap().worst.as_ref().unwrap().index, [1]);
    assert_eq!((report.rows()[0].verdict, report.verdict()), (Verdict::Sound, Verdict::Wrong));
}

#[test]
fn settings_reach_the_differences() {
    // sin 10x: a long step sees another slope.
    let (x, slope) = (0.01f64, 10.0 * 0.1f64.cos());
    let at = |check: GradCheck| check.check_fn(|x| (10.0 * x[0]).sin(), &[x], &[slope]).verdict();
    assert_eq!(at(GradCheck::new()), Verdict::Sound);
    assert_eq!(at(GradCheck::new().epsilon(0.1).unwrap()), Verdict::Wrong);
    assert_eq!(at(GradCheck::new().stencil(Stencil::five_point(0.1).unwrap())), Verdict::Wrong);
    assert_eq!(at(GradCheck::new().stencil(Stencil::forward(0.1).unwrap())), Verdict::Wrong);
    assert_eq!(at(GradCheck::new().stencil(Stencil::forward(1e-6).unwrap())), Verdict::Acceptable);
    assert_eq!(at(GradCheck::new().stencil(Stencil::Automatic)), Verdict::Sound);
    assert!(GradCheck::new().epsilon(0.0).is_err());
}

#[test]
#[should_panic(expected = "`w`: value and gradient differ in shape")]
fn shapes_must_agree() {
    let _ = GradCheck::new().check_array("w", &array![1.0, 2.0], &array![1.0], |w| w.sum());
}

#[test]
fn the_exercise_in_one_dimension() {
    // J = θ·x at x = 2, θ = 4 with ε = 1e-7, and its published result; not only through the check.
    let (x, theta, epsilon) = (2.0f64, 4.0, 1e-7);
    let numeric = (x * (theta + epsilon) - x * (theta - epsilon)) / (2.0 * epsilon);
    assert_eq!((x - numeric).abs() / (x.abs() + numeric.abs()), 2.919335883291695e-10);
    for stencil in [Stencil::central(1e-7).unwrap(), Stencil::central(Stencil::CENTRAL_EPSILON).unwrap()] {
        let report = GradCheck::new().stencil(stencil).check_fn(|t| t[0] * x, &[theta], &[x]);
        assert_eq!(report.rows()[0].relative_error, 2.919335883291695e-10);
    }
    let (theta, gradient) = (array![theta], array![x]);
    let params = [Param::new("theta", &theta, &gradient)];
    let report = GradCheck::new().check_params(&params, |p| p[0][[0]] * x);
    assert_eq!(report.relative_error(), 2.919335883291695e-10);
}

#[test]
fn a_parameter_that_learns_nothing_is_found_without_differences() {
    let mut layout = ParamLayout::new();
    layout.add("0.weight", &[2, 2], Role::Weight).unwrap();
    layout.add("0.running_mean", &[2], Role::RunningStatistic).unwrap();
    layout.add("0.bias", &[2], Role::Bias).unwrap();
    layout.add("1.weight", &[0, 2], Role::Weight).unwrap();
    let mut gradient = Arena::<f32>::zeros(Arc::new(layout));
    assert_eq!(nn_gradcheck::without_gradient(&gradient), ["0.weight", "0.bias"]);
    gradient.view_mut(0)[[1, 0]] = 1e-30;
    gradient.view_mut(2)[[1]] = f32::NAN;
    assert!(nn_gradcheck::without_gradient(&gradient).is_empty());
}
