//! What is not finite, empty, or out of range has a stated result.

use ndarray::{Array2, array};
use nn_gradcheck::{GradCheck, Param, Stencil, Suspicion, Verdict, numeric_gradient};

#[test]
fn settings_out_of_range_name_themselves() {
    let table = [
        (GradCheck::new().epsilon(1.0).unwrap_err(), "Stencil::Central: epsilon must lie in (0, 1), got 1"),
        (GradCheck::new().directions(0).unwrap_err(), "GradCheck: directions must lie in [1, ∞), got 0"),
        (GradCheck::new().samples(0).unwrap_err(), "GradCheck: samples must lie in [1, ∞), got 0"),
        (Stencil::forward(-1.0).unwrap_err(), "Stencil::Forward: epsilon must lie in (0, 1), got -1"),
    ];
    for (error, message) in table {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_cost_that_is_not_finite_is_wrong_with_the_place() {
    // ln w₁ near 0: the step to the left leaves the domain.
    for check in [GradCheck::new(), GradCheck::pytorch(), GradCheck::new().directions(2).unwrap()] {
        let cost = |w: &[f64]| w[0] + w[1].ln();
        let report = check.check_fn(cost, &[1.0, 1e-9], &[1.0, 1e9]);
        assert_eq!(report.verdict(), Verdict::Wrong, "{report}");
        assert!(matches!(report.rows()[0].suspicion, Some(Suspicion::NotFinite { .. })), "{report}");
    }
    let report = GradCheck::new().check_fn(|w| w[0] + w[1].ln(), &[1.0, 1e-9], &[1.0, 5.0]);
    assert!(report.to_string().contains("theta: not finite at [1]: the cost is NaN or infinite"), "{report}");
    for bad in [f64::NAN, f64::INFINITY] {
        let report = GradCheck::new().check_fn(|_| bad, &[1.0], &[1.0]);
        assert!(report.to_string().contains("not finite at [0]: the cost is"), "{report}");
    }
}

#[test]
fn a_gradient_that_is_not_finite_is_wrong_with_the_place() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let w = array![[1.0, 2.0], [3.0, 4.0]];
        let dw = array![[2.0, 4.0], [bad, 8.0]];
        for check in [GradCheck::new(), GradCheck::pytorch()] {
            let report = check.check_array("w", &w, &dw, |w| w.iter().map(|w| w * w).sum());
            assert_eq!(report.rows()[0].worst.as_ref().unwrap().index, [1, 0]);
            assert_eq!(report.verdict(), Verdict::Wrong);
            let expected = format!("w: not finite at [1, 0]: the analytic gradient is {bad} there");
            assert!(report.to_string().contains(&expected), "{report}");
        }
    }
}

#[test]
fn parameters_without_elements_are_empty() {
    let (w, b) = (Array2::<f64>::zeros((0, 3)), array![2.0]);
    let (dw, db) = (w.clone(), array![4.0]);
    for check in [GradCheck::new(), GradCheck::pytorch(), GradCheck::new().directions(2).unwrap()] {
        let params = [Param::new("w", &w, &dw), Param::new("b", &b, &db)];
        let report = check.check_params(&params, |p| p[1].iter().map(|b| b * b).sum());
        report.assert_sound();
        report.assert_every_gradient();
        let empty = check.check_params(&params[..1], |_| unreachable!("nothing can be moved"));
        empty.assert_sound();
        assert!(empty.to_string().contains("empty"), "{empty}");
        let nothing = check.check_params(&[], |_| 1.0);
        assert_eq!((nothing.verdict(), nothing.rows().len()), (Verdict::Sound, 0));
    }
    assert!(numeric_gradient(|_| 0.0, &[], Stencil::Automatic).is_empty());
    GradCheck::new().check_fn_complex(|_| 0.0.into(), &[], &[]).assert_sound();
    GradCheck::new().check_jacobian(|_| vec![], &[], &Array2::zeros((0, 0))).assert_sound();
}

#[test]
#[should_panic(expected = "hessian: a row for every value of the function")]
fn a_hessian_is_square() {
    let _ = GradCheck::new().check_hessian(<[f64]>::to_vec, &[1.0, 2.0], &Array2::zeros((3, 2)));
}

#[test]
#[should_panic(expected = "jacobian: a column for every element of the argument")]
fn a_jacobian_has_a_column_per_argument() {
    let _ = GradCheck::new().check_jacobian(<[f64]>::to_vec, &[1.0, 2.0], &Array2::zeros((2, 3)));
}

#[test]
#[should_panic(expected = "`theta`: value and gradient differ in shape")]
fn lengths_must_agree() {
    let _ = GradCheck::new().check_fn_complex(|z| z[0], &[1.0], &[1.0, 2.0]);
}
