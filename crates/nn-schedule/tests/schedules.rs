//! What every schedule must do, and its exact values.

use std::sync::Arc;

use nn_schedule::{Constant, Exponential, InverseSqrt, InverseTime, Schedule, from_fn};

struct Member {
    name: &'static str,
    schedule: Box<dyn Schedule>,
    /// Pairs of time and value.
    values: Vec<(f64, f64)>,
}

fn member(name: &'static str, schedule: impl Schedule + 'static, values: &[(f64, f64)]) -> Member {
    Member { name, schedule: Box::new(schedule), values: values.to_vec() }
}

/// 2⁴⁰, more steps than anyone takes.
const FAR: f64 = (1u64 << 40) as f64;

/// Every schedule of the crate, with values computed by hand.
fn members() -> Vec<Member> {
    let inverse_time = InverseTime::new(0.2, 1.0).unwrap();
    let exponential = Exponential::new(0.1, 0.95).unwrap();
    vec![
        member("Constant", Constant::new(-0.3).unwrap(), &[(0.0, -0.3), (1.5, -0.3), (FAR, -0.3)]),
        member("f64", 0.01, &[(0.0, 0.01), (FAR, 0.01)]),
        member(
            "InverseTime",
            inverse_time,
            &[
                (0.0, 0.2),
                (1.0, 0.1),
                (2.0, 0.2 / 3.0),
                (3.0, 0.05),
                (0.5, 0.4 / 3.0),
                (FAR, 0.2 / (1.0 + FAR)),
            ],
        ),
        member(
            "InverseTime, no decay",
            InverseTime::new(0.2, 0.0).unwrap(),
            &[(0.0, 0.2), (7.0, 0.2), (FAR, 0.2)],
        ),
        member(
            "Exponential",
            exponential,
            &[(0.0, 0.1), (1.0, 0.095), (2.0, 0.09025), (0.5, 0.09746794344808964), (FAR, 0.0)],
        ),
        member(
            "Exponential, growing",
            Exponential::new(1e-6, 10.0).unwrap(),
            &[(0.0, 1e-6), (3.0, 1e-3), (1.5, 3.1622776601683795e-5)],
        ),
        member(
            "InverseSqrt",
            InverseSqrt::new(0.3).unwrap(),
            &[(0.0, 0.3), (3.0, 0.15), (8.0, 0.1), (1.25, 0.2), (FAR, 0.3 / (1.0 + FAR).sqrt())],
        ),
        member("from_fn", from_fn(|t| 2.0 * t), &[(0.0, 0.0), (1.5, 3.0)]),
        member(
            "InEpochs",
            inverse_time.in_epochs(50).unwrap(),
            &[(0.0, 0.2), (50.0, 0.1), (25.0, 0.4 / 3.0), (150.0, 0.05)],
        ),
        member(
            "InEpochs, behind pointers",
            (Arc::new(exponential) as Arc<dyn Schedule>).in_epochs(4).unwrap(),
            &[(0.0, 0.1), (4.0, 0.095), (2.0, 0.09746794344808964)],
        ),
    ]
}

#[test]
fn exact_values() {
    for Member { name, schedule, values } in members() {
        for (t, expected) in values {
            let error = (schedule.at(t) - expected).abs();
            assert!(error <= 1e-15 * expected.abs(), "{name} at {t}: {}", schedule.at(t));
        }
    }
}

#[test]
fn time_before_the_start_counts_as_the_start() {
    for Member { name, schedule, .. } in members() {
        assert_eq!(schedule.at(-1.0), schedule.at(0.0), "{name}");
    }
}

#[test]
fn the_value_depends_on_time_alone() {
    for Member { name, schedule, .. } in members() {
        let forwards: Vec<u64> = (0..100).map(|t| schedule.at(f64::from(t)).to_bits()).collect();
        let backwards: Vec<u64> = (0..100).rev().map(|t| schedule.at(f64::from(t)).to_bits()).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()), "{name}");
    }
}

#[test]
fn decays_only_fall() {
    for Member { name, schedule, .. } in members() {
        if name == "from_fn" || name == "Exponential, growing" {
            continue;
        }
        let falls = (0..1000).all(|t| schedule.at(f64::from(t + 1)) <= schedule.at(f64::from(t)));
        assert!(falls, "{name}");
    }
}

#[test]
fn show_what_they_are() {
    let shown = format!("{:?}", InverseTime::new(0.2, 1.0).unwrap().in_epochs(5).unwrap());
    assert_eq!(
        shown,
        "InEpochs { schedule: InverseTime { initial: 0.2, decay: 1.0 }, steps_per_epoch: 5.0 }"
    );
    assert_eq!(format!("{:?}", from_fn(|t| t)), "FromFn { .. }");
}

#[test]
fn values_out_of_range_are_refused() {
    let refused = [
        (Constant::new(f64::NAN).err(), "Constant: value must lie in (-∞, ∞), got NaN"),
        (InverseTime::new(-0.1, 1.0).err(), "InverseTime: initial must lie in [0, ∞), got -0.1"),
        (InverseTime::new(0.1, f64::INFINITY).err(), "InverseTime: decay must lie in [0, ∞), got inf"),
        (Exponential::new(f64::NAN, 0.9).err(), "Exponential: initial must lie in [0, ∞), got NaN"),
        (Exponential::new(0.1, 0.0).err(), "Exponential: gamma must lie in (0, ∞), got 0"),
        (InverseSqrt::new(-1.0).err(), "InverseSqrt: k must lie in [0, ∞), got -1"),
        (0.1.in_epochs(0).err(), "InEpochs: steps_per_epoch must lie in [1, ∞), got 0"),
    ];
    for (error, message) in refused {
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
    }
}
