//! The complex step, Jacobians and second order.

use ndarray::{Array2, array};
use nn_gradcheck::{Complex64, GradCheck, Stencil, Suspicion, Verdict, complex_gradient};

/// J = Σ tanh(θᵢ·θᵢ₊₁), with its gradient and its Hessian.
fn chain(t: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; t.len()];
    for i in 1..t.len() {
        let slope = 1.0 - (t[i - 1] * t[i]).tanh().powi(2);
        gradient[i - 1] += slope * t[i];
        gradient[i] += slope * t[i - 1];
    }
    gradient
}

fn chain_hessian(t: &[f64]) -> Array2<f64> {
    let mut hessian = Array2::zeros((t.len(), t.len()));
    for i in 1..t.len() {
        let (a, b) = (t[i - 1], t[i]);
        let y = (a * b).tanh();
        let (first, second) = (1.0 - y * y, -2.0 * y * (1.0 - y * y));
        hessian[[i - 1, i - 1]] += second * b * b;
        hessian[[i, i]] += second * a * a;
        hessian[[i - 1, i]] += first + second * a * b;
        hessian[[i, i - 1]] += first + second * a * b;
    }
    hessian
}

const THETA: [f64; 4] = [0.4, -1.1, 0.7, 0.9];

#[test]
fn the_complex_step_is_exact() {
    let cost = |z: &[Complex64]| z.windows(2).map(|z| (z[0] * z[1]).tanh()).sum::<Complex64>();
    let report = GradCheck::new().check_fn_complex(cost, &THETA, &chain(&THETA));
    assert!(report.relative_error() < 4e-16, "{report}");
    // An error that differences would call sound.
    let nearly: Vec<f64> = chain(&THETA).iter().map(|g| g * (1.0 + 1e-13)).collect();
    assert!(GradCheck::new().check_fn_complex(cost, &THETA, &nearly).relative_error() > 4e-14);
    let twice: Vec<f64> = chain(&THETA).iter().map(|g| 2.0 * g).collect();
    let report = GradCheck::new().check_fn_complex(cost, &THETA, &twice);
    assert_eq!(
        report.rows()[0].suspicion,
        Some(Suspicion::Factor { factor: 2.0, samples: None }),
        "{report}"
    );
}

#[test]
fn a_function_that_is_not_analytic_is_named() {
    // |z|² = z·z̄ is real: its complex step is 0, and its derivative 2x.
    let cost = |z: &[Complex64]| z.iter().map(|z| Complex64::from(z.norm_sqr())).sum::<Complex64>();
    assert_eq!(complex_gradient(cost, &[1.0, 2.0]), [0.0, 0.0]);
    let report = GradCheck::new().check_fn_complex(cost, &[1.0, 2.0], &[2.0, 4.0]);
    assert_eq!(report.verdict(), Verdict::Wrong);
    assert_eq!(report.rows()[0].suspicion, Some(Suspicion::NotAnalytic), "{report}");
    // A branch by the real part is fine.
    let relu = |z: &[Complex64]| if z[0].re > 0.0 { z[0] * z[1] } else { 0.0 * z[1] };
    assert_eq!(complex_gradient(relu, &[2.0, 3.0]), [3.0, 2.0]);
    assert_eq!(complex_gradient(relu, &[-2.0, 3.0]), [0.0, 0.0]);
}

#[test]
fn hessians() {
    let hessian = chain_hessian(&THETA);
    for check in [GradCheck::new(), GradCheck::pytorch(), GradCheck::new().stencil(Stencil::Automatic)] {
        check.check_hessian(chain, &THETA, &hessian).assert_sound();
        let mut wrong = hessian.clone();
        wrong.row_mut(3).fill(0.0);
        let report = check.check_hessian(chain, &THETA, &wrong);
        assert!(
            report.to_string().contains("hessian: row 3 is missing (zero), all else is right"),
            "{report}"
        );
        let report = check.check_hessian(chain, &THETA, &(0.5 * &hessian));
        assert!(report.to_string().contains("hessian: it is 0.5 times"), "{report}");
    }
}

#[test]
fn products_with_the_hessian() {
    let product = |t: &[f64], v: &[f64]| chain_hessian(t).dot(&ndarray::aview1(v)).to_vec();
    let report = GradCheck::new().check_hessian_product(chain, product, &THETA);
    report.assert_sound();
    let names: Vec<&str> = report.rows().iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["H·v 0", "H·v 1", "H·v 2"]);
    let check = GradCheck::new().directions(1).unwrap();
    let wrong = |t: &[f64], v: &[f64]| product(t, v).iter().map(|x| -x).collect();
    let report = check.check_hessian_product(chain, wrong, &THETA);
    assert!(report.to_string().ends_with("\nH·v 0: it has the wrong sign"), "{report}");
    let forgotten = |t: &[f64], v: &[f64]| product(t, v).iter().zip(v).map(|(x, v)| x + 0.1 * v).collect();
    assert_eq!(check.check_hessian_product(chain, forgotten, &THETA).verdict(), Verdict::Wrong);
}

#[test]
fn jacobians() {
    // A softmax, whose Jacobian is diag p − p·pᵀ.
    let softmax = |z: &[f64]| -> Vec<f64> {
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        z.iter().map(|z| z.exp() / sum).collect()
    };
    let p = softmax(&THETA);
    let jacobian = Array2::from_shape_fn((4, 4), |(i, j)| p[i] * (f64::from(u8::from(i == j)) - p[j]));
    GradCheck::new().check_jacobian(softmax, &THETA, &jacobian).assert_sound();
    let diagonal = Array2::from_diag(&jacobian.diag());
    let report = GradCheck::new().check_jacobian(softmax, &THETA, &diagonal);
    assert_eq!(report.verdict(), Verdict::Wrong);
    // Not square, and with a kink in one place.
    let f = |x: &[f64]| vec![x[0] + x[1], x[0] * x[1], x[1].abs()];
    let jacobian = array![[1.0, 1.0], [0.0, 2.0], [0.0, 1.0]];
    let report = GradCheck::new().check_jacobian(f, &[2.0, 0.0], &jacobian);
    report.assert_sound();
    assert_eq!(report.rows()[0].kinks[0].index, [2, 1]);
}
