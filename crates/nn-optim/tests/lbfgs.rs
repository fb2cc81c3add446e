//! L-BFGS: convergence, and why it stops.

use nn_core::Real;
use nn_optim::{Lbfgs, Minimum, Stop};

/// The extended Rosenbrock function: pairs (x, y) with (1 − x)² + 100·(y − x²)².
fn rosenbrock<F: Real>(w: &[F], g: &mut [F]) -> f64 {
    let mut cost = 0.0;
    for (w, g) in w.chunks_exact(2).zip(g.chunks_exact_mut(2)) {
        let (x, y) = (w[0].to_f64(), w[1].to_f64());
        let (a, b) = (1.0 - x, y - x * x);
        g[0] = F::from_f64(-2.0 * a - 400.0 * x * b);
        g[1] = F::from_f64(200.0 * b);
        cost += a * a + 100.0 * b * b;
    }
    cost
}

fn start<F: Real>(n: usize) -> Vec<F> {
    (0..n).map(|i| F::from_f64(if i % 2 == 0 { -1.2 } else { 1.0 })).collect()
}

/// Curvatures from 1 to 10⁴, evenly spaced on a logarithmic scale, with the minimum at (1, 2, …).
fn quadratic(w: &[f64], g: &mut [f64]) -> f64 {
    let last = (w.len() - 1) as f64;
    let mut cost = 0.0;
    for (i, (&w, g)) in w.iter().zip(g).enumerate() {
        let (curvature, distance) = (10f64.powf(4.0 * i as f64 / last), w - (i + 1) as f64);
        *g = curvature * distance;
        cost += 0.5 * curvature * distance * distance;
    }
    cost
}

fn exact() -> Lbfgs {
    Lbfgs::default().tolerance_change(0.0).unwrap()
}

#[test]
fn solves_the_rosenbrock_function() {
    for n in [2, 10, 100] {
        let mut w = start::<f64>(n);
        let report = exact().minimize(&mut w, rosenbrock);
        assert_eq!(report.stop, Stop::Gradient, "{n}: {report:?}");
        assert!(report.iterations < 60 && report.evaluations < 80, "{n}: {report:?}");
        assert!(w.iter().all(|x| (x - 1.0).abs() < 1e-7), "{n}: {w:?}");
        let mut g = vec![0.0; n];
        assert_eq!(report.cost, rosenbrock(&w, &mut g), "the report is of the parameters left behind");
        assert_eq!(report.gradient, g.iter().fold(0.0, |m: f64, x| m.max(x.abs())));
    }
}

/// The L-BFGS-B of SciPy, with the same history and tolerance, takes 969, 832 and 234 iterations.
#[test]
fn solves_a_badly_conditioned_quadratic() {
    for (history, iterations) in [(5, 969), (10, 832), (40, 234)] {
        let mut w = vec![0.0; 30];
        let settings = exact().history(history).unwrap().max_iterations(2000);
        let report = settings.minimize(&mut w, quadratic);
        assert_eq!(report.stop, Stop::Gradient, "{history}: {report:?}");
        assert!(w.iter().enumerate().all(|(i, x)| (x - (i + 1) as f64).abs() < 1e-6), "{history}: {w:?}");
        assert!(report.iterations < iterations * 5 / 4, "{history}: {report:?}");
    }
}

#[test]
fn single_precision_gets_as_far_as_it_can() {
    let mut w = start::<f32>(10);
    let report = Lbfgs::default().minimize(&mut w, rosenbrock);
    assert!(report.cost < 1e-6, "{report:?}");
    assert!(w.iter().all(|x| (x - 1.0).abs() < 1e-2), "{w:?}");
}

#[test]
fn says_why_it_stopped() {
    let from = |settings: Lbfgs, w: &[f64], cost: fn(&[f64], &mut [f64]) -> f64| -> Minimum {
        settings.minimize(&mut w.to_vec(), cost)
    };
    let valley = [-1.2, 1.0];
    let cases = [
        (from(Lbfgs::default(), &[], rosenbrock), Stop::Gradient),
        (from(Lbfgs::default(), &[1.0, 1.0], rosenbrock), Stop::Gradient),
        (from(Lbfgs::default().tolerance_change(0.1).unwrap(), &valley, rosenbrock), Stop::Change),
        (from(Lbfgs::default().max_iterations(0), &valley, rosenbrock), Stop::MaxIterations),
        (from(Lbfgs::default().max_iterations(5), &valley, rosenbrock), Stop::MaxEvaluations),
        (from(Lbfgs::default().max_evaluations(7).unwrap(), &valley, rosenbrock), Stop::MaxEvaluations),
        (from(Lbfgs::default(), &[f64::NAN, 0.0], rosenbrock), Stop::NonFinite),
        (from(Lbfgs::default(), &[1e200, 0.0], rosenbrock), Stop::NonFinite),
    ];
    for (i, (report, stop)) in cases.iter().enumerate() {
        assert_eq!(report.stop, *stop, "{i}: {report:?}");
    }
    let settings = Lbfgs::default().max_iterations(5).max_evaluations(1000).unwrap();
    let report = from(settings, &valley, rosenbrock);
    assert_eq!((report.stop, report.iterations, report.converged()), (Stop::MaxIterations, 5, false));
}

#[test]
fn a_wrong_gradient_moves_nothing() {
    let mut w = [0.5, -0.25];
    let report = Lbfgs::default().minimize(&mut w, |w, g| {
        let cost = quadratic(w, g);
        g.iter_mut().for_each(|g| *g = -*g);
        cost
    });
    assert_eq!((report.stop, report.iterations), (Stop::LineSearch, 0));
    assert_eq!(w, [0.5, -0.25]);
}

#[test]
fn steps_into_nothing_are_shortened() {
    // 1000·(x − ln x), which is NaN for negative x.
    let (mut w, mut outside) = ([20.0], 0);
    let report = exact().minimize(&mut w, |w, g| {
        outside += usize::from(w[0] < 0.0);
        g[0] = if w[0] > 0.0 { 1e3 * (1.0 - 1.0 / w[0]) } else { f64::NAN };
        1e3 * (w[0] - w[0].ln())
    });
    assert_eq!(report.stop, Stop::Gradient, "{report:?}");
    assert!((w[0] - 1.0).abs() < 1e-9 && outside > 0, "{w:?}, {outside}");
}

#[test]
fn costs_never_rise() {
    let mut accepted = Vec::new();
    for iterations in 0..40 {
        let mut w = start::<f64>(4);
        let settings = exact().max_iterations(iterations).max_evaluations(10_000).unwrap();
        accepted.push(settings.minimize(&mut w, rosenbrock).cost);
    }
    assert!(accepted.windows(2).all(|pair| pair[1] <= pair[0]), "{accepted:?}");
}

#[test]
fn settings_are_checked() {
    let cases = [
        (Lbfgs::default().history(0), "Lbfgs: history must lie in [1, ∞), got 0"),
        (Lbfgs::default().max_evaluations(0), "Lbfgs: max_evaluations must lie in [1, ∞), got 0"),
        (Lbfgs::default().tolerance_gradient(-1.0), "Lbfgs: tolerance_gradient must lie in [0, ∞), got -1"),
        (Lbfgs::default().tolerance_change(f64::NAN), "Lbfgs: tolerance_change must lie in [0, ∞), got NaN"),
    ];
    for (result, message) in cases {
        assert_eq!(result.unwrap_err().to_string(), message);
    }
}
