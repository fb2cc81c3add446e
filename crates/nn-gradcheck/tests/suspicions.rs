//! The check names the parameter and the suspicion for each of the classic errors of a backward pass.

#[path = "../../../examples/gradient_check/network.rs"]
mod network;

use ndarray::{Array2, ArrayD, array};
use network::{Bug, LAMBDA, NAMES, Network, SAMPLES};
use nn_core::Streams;
use nn_gradcheck::{GradCheck, Param, Report, Stencil, Suspicion, Verdict, held};
use rand::RngExt;

fn params<'a>(network: &'a Network, gradient: &'a [ArrayD<f64>]) -> Vec<Param<'a>> {
    let pairs = network.params.iter().zip(gradient);
    pairs.zip(NAMES).map(|((value, gradient), name)| Param::new(name, value, gradient)).collect()
}

/// Checks the network's gradient with this error.
fn report(check: GradCheck, bug: Bug) -> Report {
    let (network, mask) = (Network::new(), Network::keep_all());
    let gradient = network.gradient(&mask, bug);
    check.check_params(&params(&network, &gradient), |p| network.cost(p, &mask))
}

/// The errors, the parameter at fault, and what is said of it when m is told, and when not.
const ERRORS: [(Bug, &str, &str, &str); 8] = [
    (
        Bug::TwiceW2,
        "w2",
        "2 times the right gradient: a 2 too many",
        "2 times the right gradient: a 2 too many",
    ),
    (
        Bug::FourOverM,
        "b1",
        "4 times the right gradient: 4/m where 1/m",
        "4 times the right gradient: 4/m where",
    ),
    (Bug::NoMeanW1, "w1", "division by m is missing (m = 6)", "division by m is missing, if m = 6?"),
    (Bug::SignB2, "b2", "wrong sign", "wrong sign"),
    (
        Bug::NoPenaltyW2,
        "w2",
        "lacks the term of an L2 penalty that J contains: 0.02·θ (= λ/m·θ with m = 6, λ = 0.12)",
        "0.02·θ",
    ),
    (Bug::TransposedW1, "w1", "transpose", "transpose"),
    (Bug::RowW2, "w2", "row 2 is missing (zero), all else is right", "row 2 is missing (zero)"),
    (Bug::NoB1, "b1", "it received no gradient", "it received no gradient"),
];

/// The text of a report in one line.
fn text(report: &Report) -> String {
    report.to_string().replace("\n  ", " ")
}

fn names_of_unsound(report: &Report) -> Vec<&str> {
    let unsound = report.rows().iter().filter(|row| row.verdict < Verdict::Sound);
    unsound.map(|row| row.name.as_str()).collect()
}

#[test]
fn the_right_gradient_is_sound() {
    for check in [GradCheck::new(), GradCheck::pytorch(), GradCheck::new().stencil(Stencil::Automatic)] {
        let report = report(check, Bug::None);
        report.assert_sound();
        report.assert_every_gradient();
        assert!(report.rows().iter().all(|row| row.suspicion.is_none() && row.kinks.is_empty()));
    }
}

#[test]
fn each_error_is_named() {
    let automatic = GradCheck::new().stencil(Stencil::Automatic);
    for (bug, name, told, untold) in ERRORS {
        let with_m = GradCheck::new().samples(SAMPLES).unwrap();
        for (check, said) in [(with_m, told), (GradCheck::new(), untold), (automatic, untold)] {
            let report = report(check, bug);
            assert_eq!(names_of_unsound(&report), [name], "{bug:?}:\n{report}");
            let expected = format!("\n{name}: ");
            assert!(text(&report).contains(&expected) && text(&report).contains(said), "{bug:?}:\n{report}");
            assert!(report.to_string().lines().all(|line| line.chars().count() <= 80), "{report}");
        }
    }
}

#[test]
fn so_it_is_by_tolerance() {
    for (bug, name, _, said) in ERRORS {
        let report = report(GradCheck::pytorch(), bug);
        assert_eq!((names_of_unsound(&report), report.verdict()), (vec![name], Verdict::Wrong), "{bug:?}");
        assert!(text(&report).contains(said), "{bug:?}:\n{report}");
    }
}

#[test]
fn directions_name_the_parameter_too() {
    let check = GradCheck::new().directions(3).unwrap();
    report(check, Bug::None).assert_sound();
    for (bug, name, _, said) in ERRORS {
        let report = report(check, bug);
        assert_eq!(names_of_unsound(&report), ["3 directions", name], "{bug:?}:\n{report}");
        // Where an element stands is not seen along directions.
        if !matches!(bug, Bug::TransposedW1 | Bug::RowW2) {
            assert!(text(&report).contains(said), "{bug:?}:\n{report}");
        }
    }
}

#[test]
fn the_cost_of_directions_does_not_grow_with_the_parameters() {
    let evaluations = |size: usize, check: GradCheck| {
        let (w, b) = (vec![0.3; size], vec![0.1; 2]);
        let gradient = |x: &[f64]| ndarray::aview1(x).mapv(|x| 2.0 * x);
        let (dw, db) = (gradient(&w), gradient(&b));
        let mut count = 0;
        let (w, b) = (ndarray::aview1(&w), ndarray::aview1(&b));
        let params = [Param::new("w", &w, &dw), Param::new("b", &b, &db)];
        check
            .check_params(&params, |p| {
                count += 1;
                p.iter().flatten().map(|x| x * x).sum()
            })
            .assert_sound();
        count
    };
    let automatic = GradCheck::new().directions(2).unwrap();
    let central = automatic.stencil(Stencil::central(1e-6).unwrap());
    let five_point = automatic.stencil(Stencil::five_point(1e-3).unwrap());
    for size in [3, 5000] {
        assert_eq!((evaluations(size, central), evaluations(size, five_point)), (4 + 2 * 2, 4 + 2 * 4));
        assert!(evaluations(size, automatic) <= 4 + 2 * 32);
    }
    assert_eq!(evaluations(50, GradCheck::new()), 4 + 2 * 52);
}

#[test]
fn what_one_direction_hides_another_shows() {
    let (theta, gradient) = ([0.5, -1.5], [1.0, -3.0]);
    let check = |count: usize| GradCheck::new().directions(count).unwrap();
    let square = |t: &[f64]| t[0] * t[0] + t[1] * t[1];
    let mut first = None;
    let record = |t: &[f64]| {
        if t != theta.as_slice() {
            first.get_or_insert([t[0] - theta[0], t[1] - theta[1]]);
        }
        square(t)
    };
    check(1).check_fn(record, &theta, &gradient).assert_sound();
    // An error at right angles to the first direction.
    let [u, v] = first.unwrap();
    let length = u.hypot(v);
    let wrong = [gradient[0] + v / length, gradient[1] - u / length];
    check(1).check_fn(square, &theta, &wrong).assert_sound();
    assert_eq!(check(3).check_fn(square, &theta, &wrong).verdict(), Verdict::Wrong);
}

#[test]
fn the_penalty_belongs_into_the_cost() {
    // The gradient has the penalty's term, and the cost is that of the data alone.
    let (network, mask) = (Network::new(), Network::keep_all());
    let gradient = network.gradient(&mask, Bug::None);
    let report = GradCheck::new().check_params(&params(&network, &gradient), |p| network.loss(p, &mask));
    assert_eq!(names_of_unsound(&report), ["w1", "w2"]);
    for row in [&report.rows()[0], &report.rows()[2]] {
        let Some(Suspicion::Penalty { l1, l2, samples: None }) = row.suspicion else {
            panic!("{report}");
        };
        assert!(l1 == 0.0 && (l2 + LAMBDA / SAMPLES as f64).abs() < 1e-6, "{l2}");
    }
    assert!(text(&report).contains("w1, w2: it has the term of an L2 penalty that J lacks"), "{report}");
}

#[test]
fn all_penalties_are_recognised() {
    let w = array![0.5, -1.5, 2.0, -0.25, 3.0];
    let data = |w: &[f64]| w.iter().enumerate().map(|(i, w)| (w * (i as f64 + 1.0)).sin()).sum::<f64>();
    let dw = ndarray::Array1::from_shape_fn(5, |i| {
        let k = i as f64 + 1.0;
        k * (k * w[i]).cos()
    });
    for (l1, l2, said) in [
        (0.25, 0.0, "an L1 penalty that J contains: 0.25·sign θ"),
        (0.0, 0.125, "an L2 penalty that J contains: 0.125·θ"),
        (0.25, 0.5, "an elastic-net penalty that J contains: 0.25·sign θ + 0.5·θ"),
        // So small a penalty makes the gradient suspicious only.
        (0.0, 1e-4, "an L2 penalty that J contains: 0.0001·θ"),
    ] {
        let cost = |w: &[f64]| data(w) + w.iter().map(|w| l1 * w.abs() + l2 / 2.0 * w * w).sum::<f64>();
        let report = GradCheck::new().check_fn(cost, w.as_slice().unwrap(), dw.as_slice().unwrap());
        assert!(text(&report).contains(said), "{report}");
    }
}

#[test]
fn a_factor_beside_a_penalty() {
    // What comes from the data lacks 1/m or has a 2 too many, what comes from the penalty is right.
    let (network, mask) = (Network::new(), Network::keep_all());
    let right = network.gradient(&mask, Bug::None);
    let penalty = LAMBDA / SAMPLES as f64 * &network.params[2];
    for (factor, said) in [
        (2.0, "w2: but for the term of its penalty, it is 2 times the right gradient"),
        (
            SAMPLES as f64,
            "w2: but for the term of its penalty, it is 6 times the right gradient: the division",
        ),
        (-1.0, "w2: but for the term of its penalty, it has the wrong sign"),
    ] {
        let mut gradient = right.clone();
        gradient[2] = factor * (&right[2] - &penalty) + &penalty;
        let report = GradCheck::new().check_params(&params(&network, &gradient), |p| network.cost(p, &mask));
        assert!(text(&report).contains(said), "{report}");
    }
}

#[test]
fn other_relations() {
    let n: Array2<f64> = array![[1.0, -2.0, 0.5], [3.0, 0.25, -1.5], [2.5, 0.75, -0.125]];
    let w = Array2::from_elem((3, 3), 0.1);
    let say = |a: &Array2<f64>| text(&GradCheck::new().check_array("w", &w, a, |w| (&w * &n).sum()));
    let mut column = n.clone();
    column.column_mut(1).mapv_inplace(|x| x + x * x);
    let mut reversed = n.clone();
    reversed.invert_axis(ndarray::Axis(0));
    let reversed = reversed.as_standard_layout().into_owned();
    for (a, said) in [
        (column, "w: column 1 is wrong, all else is right"),
        (reversed, "w: it has the right elements in a wrong order"),
        (1.7 * &n, "w: it is 1.7 times the right gradient"),
        (-0.5 * &n, "forgotten, or halved twice? / the sign is wrong"),
        (n.mapv(|x| x * x), "wrong"),
    ] {
        assert!(say(&a).contains(said), "{}", say(&a));
    }
    // No relation: no suspicion.
    assert!(!say(&n.mapv(|x| x * x)).contains("w: "));
    // The parameter is the same in all elements, so an L2 penalty and a missing constant look the same.
    let w = array![0.1, 0.7, -0.4, 0.2];
    let a = array![1.0, 2.0, 3.0, 5.0];
    let report = GradCheck::new().check_array("b", &w, &a, |w| (&w * &(&a + 0.5)).sum());
    assert!(text(&report).contains("b: every element lacks the same term, 0.5"), "{report}");
    let constant = GradCheck::new().check_array("b", &w, &a, |_| 1.0);
    assert_eq!(constant.rows()[0].suspicion, Some(Suspicion::NoEffect));
}

#[test]
fn slices_of_more_axes() {
    let w = ndarray::Array3::from_elem((2, 5, 3), 0.5);
    let n = ndarray::Array3::from_shape_fn((2, 5, 3), |(i, j, k)| 1.0 + i as f64 + (j * j + k) as f64);
    let mut a = n.clone();
    for j in [1, 4] {
        a.index_axis_mut(ndarray::Axis(1), j).fill(0.0);
    }
    let report = GradCheck::new().check_array("w", &w, &a, |w| (&w * &n).sum());
    let expected = Suspicion::Slices { axis: 1, axes: 3, positions: vec![1, 4], zero: true };
    assert_eq!(report.rows()[0].suspicion, Some(expected));
    assert!(text(&report).contains("slices 1, 4 of axis 1 are missing (zero)"), "{report}");
}

#[test]
fn a_dropout_left_on_is_named_and_may_be_held() {
    let network = Network::new();
    let generator = || Streams::new(3).rng("dropout", 0);
    let mut drawn = generator();
    let mask = Network::dropout(|| drawn.random());
    let gradient = network.gradient(&mask, Bug::None);
    let params = params(&network, &gradient);

    let mut left_on = generator();
    let report =
        GradCheck::new().check_params(&params, |p| network.cost(p, &Network::dropout(|| left_on.random())));
    assert_eq!(names_of_unsound(&report), NAMES);
    let said = text(&report);
    assert!(
        said.contains("w1, b1, w2, b2: the cost is not deterministic") && said.contains("a dropout left on?"),
        "{said}"
    );

    let cost = held(generator, |p: &[ArrayD<f64>], rng| network.cost(p, &Network::dropout(|| rng.random())));
    GradCheck::new().check_params(&params, cost).assert_sound();
}

#[test]
fn sums_in_varying_order_are_no_dropout() {
    let mut calls = 0;
    let mut cost = |w: &[f64]| {
        calls += 1;
        let sum: f64 = w.iter().map(|w| w * w).sum();
        sum * (1.0 + f64::EPSILON * f64::from(calls % 2))
    };
    // As long as the gradient is right, no matter.
    let five_point = GradCheck::new().stencil(Stencil::five_point(1e-3).unwrap());
    let report = five_point.check_fn(&mut cost, &[1.0, 2.0], &[2.0, 4.0]);
    report.assert_sound();
    assert_eq!(report.rows()[0].suspicion, None);
    let report = five_point.check_fn(&mut cost, &[1.0, 2.0], &[2.0, 4.1]);
    assert!(text(&report).contains("they differ by rounding, as sums do"), "{report}");
}

#[test]
#[should_panic(expected = "no gradient arrived at b1:\nparameter")]
fn every_parameter_needs_a_gradient() {
    report(GradCheck::new(), Bug::NoB1).assert_every_gradient();
}
