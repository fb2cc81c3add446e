//! What every schedule must do, and its exact values.

use std::sync::Arc;

use nn_schedule::{
    Clamp, Constant, CosineAnnealing, Cyclic, Exponential, HoldAfter, InEpochs, InverseSqrt, InverseTime,
    Linear, LowerAtEnd, MultiStepDecay, NesterovMomentum, Noam, OneCycle, OneCycleMomentum, Polynomial,
    Product, Repeat, Schedule, Staircase, StepDecay, Sum, SutskeverMomentum, Table, Then, WarmRestarts,
    Warmup, WarmupInverseSqrt, from_fn,
};

struct Member {
    name: &'static str,
    schedule: Box<dyn Schedule>,
    /// Pairs of time and value.
    values: Vec<(f64, f64)>,
    /// Whether it never rises.
    falls: bool,
}

fn member(name: &'static str, schedule: impl Schedule + 'static, values: &[(f64, f64)]) -> Member {
    Member { name, schedule: Box::new(schedule), values: values.to_vec(), falls: false }
}

/// A member that never rises.
fn decay(name: &'static str, schedule: impl Schedule + 'static, values: &[(f64, f64)]) -> Member {
    Member { falls: true, ..member(name, schedule, values) }
}

/// 2⁴⁰, more steps than anyone takes.
const FAR: f64 = (1u64 << 40) as f64;

/// Every schedule of the crate, with values computed by hand.
fn members() -> Vec<Member> {
    [elementary(), cyclical(), momenta(), composed(), in_other_time()].into_iter().flatten().collect()
}

fn inverse_time() -> InverseTime {
    InverseTime::new(0.2, 1.0).unwrap()
}

fn exponential() -> Exponential {
    Exponential::new(0.1, 0.95).unwrap()
}

fn halving() -> Exponential {
    Exponential::new(0.8, 0.5).unwrap()
}

fn elementary() -> Vec<Member> {
    let table = Table::new(&[(0.0, 0.5), (2.5, 0.25), (10.0, 0.125)]).unwrap();
    vec![
        decay("Constant", Constant::new(-0.3).unwrap(), &[(0.0, -0.3), (1.5, -0.3), (FAR, -0.3)]),
        decay("f64", 0.01, &[(0.0, 0.01), (FAR, 0.01)]),
        decay(
            "InverseTime",
            inverse_time(),
            &[
                (0.0, 0.2),
                (1.0, 0.1),
                (2.0, 0.2 / 3.0),
                (3.0, 0.05),
                (0.5, 0.4 / 3.0),
                (FAR, 0.2 / (1.0 + FAR)),
            ],
        ),
        decay(
            "InverseTime, no decay",
            InverseTime::new(0.2, 0.0).unwrap(),
            &[(0.0, 0.2), (7.0, 0.2), (FAR, 0.2)],
        ),
        decay(
            "Exponential",
            exponential(),
            &[(0.0, 0.1), (1.0, 0.095), (2.0, 0.09025), (0.5, 0.09746794344808964), (FAR, 0.0)],
        ),
        member(
            "Exponential, growing",
            Exponential::new(1e-6, 10.0).unwrap(),
            &[(0.0, 1e-6), (3.0, 1e-3), (1.5, 3.1622776601683795e-5)],
        ),
        decay(
            "InverseSqrt",
            InverseSqrt::new(0.3).unwrap(),
            &[(0.0, 0.3), (3.0, 0.15), (8.0, 0.1), (1.25, 0.2), (FAR, 0.3 / (1.0 + FAR).sqrt())],
        ),
        member("from_fn", from_fn(|t| 2.0 * t), &[(0.0, 0.0), (1.5, 3.0)]),
        decay(
            "StepDecay",
            StepDecay::new(0.8, 30.0, 0.5).unwrap(),
            &[(0.0, 0.8), (29.5, 0.8), (30.0, 0.4), (59.0, 0.4), (60.0, 0.2), (FAR, 0.0)],
        ),
        decay(
            "MultiStepDecay",
            MultiStepDecay::new(0.8, &[30.0, 80.0, 30.0], 0.5).unwrap(),
            &[(0.0, 0.8), (29.0, 0.8), (30.0, 0.2), (79.5, 0.2), (80.0, 0.1), (FAR, 0.1)],
        ),
        decay("MultiStepDecay, no milestone", MultiStepDecay::new(0.8, &[], 0.5).unwrap(), &[(FAR, 0.8)]),
        decay(
            "Table",
            table.clone(),
            &[(0.0, 0.5), (2.0, 0.5), (2.5, 0.25), (9.0, 0.25), (10.0, 0.125), (FAR, 0.125)],
        ),
        decay(
            "Table, interpolated",
            table.interpolated(),
            &[(0.0, 0.5), (1.25, 0.375), (2.5, 0.25), (6.25, 0.1875), (10.0, 0.125), (FAR, 0.125)],
        ),
        member(
            "Linear",
            Linear::new(0.25, 0.75, 8.0).unwrap(),
            &[(0.0, 0.25), (1.0, 0.3125), (4.0, 0.5), (8.0, 0.75), (9.0, 0.75), (FAR, 0.75)],
        ),
        decay(
            "Polynomial",
            Polynomial::new(1.0, 0.5, 8.0, 2.0).unwrap(),
            &[(0.0, 1.0), (2.0, 0.78125), (4.0, 0.625), (8.0, 0.5), (9.0, 0.5), (FAR, 0.5)],
        ),
        member(
            "Noam",
            Noam::new(2.0, 64.0, 16.0).unwrap(),
            &[(0.0, 0.25 / 64.0), (7.0, 0.03125), (15.0, 0.0625), (63.0, 0.03125), (255.0, 0.015625)],
        ),
        member(
            "WarmupInverseSqrt",
            WarmupInverseSqrt::new(0.25, 0.5, 4.0).unwrap(),
            &[(0.0, 0.25), (1.0, 0.3125), (4.0, 0.5), (16.0, 0.25), (FAR, 2f64.powi(-20))],
        ),
    ]
}

fn cyclical() -> Vec<Member> {
    let cycle = OneCycle::new(0.5, 9).unwrap().pct_start(5.0 / 9.0).unwrap();
    let cycle = cycle.div_factor(4.0).unwrap().final_div_factor(2.0).unwrap();
    let cycle = cycle.momentum_range(0.75, 1.0).unwrap();
    let momentum: OneCycleMomentum = cycle.momentum();
    let three = cycle.pct_start(1.0 / 3.0).unwrap().linear().three_phase().unwrap();
    vec![
        member(
            "CosineAnnealing",
            CosineAnnealing::new(0.9, 0.1, 6.0).unwrap(),
            &[(0.0, 0.9), (2.0, 0.7), (3.0, 0.5), (6.0, 0.1), (8.0, 0.3), (12.0, 0.9), (18.0, 0.1)],
        ),
        member(
            "WarmRestarts",
            WarmRestarts::new(1.0, 0.5, 4.0).unwrap().factor(2).unwrap(),
            &[(0.0, 1.0), (2.0, 0.75), (4.0, 1.0), (8.0, 0.75), (12.0, 1.0), (20.0, 0.75), (28.0, 1.0)],
        ),
        member(
            "WarmRestarts, equal cycles",
            WarmRestarts::new(1.0, 0.0, 4.0).unwrap(),
            &[(0.0, 1.0), (2.0, 0.5), (4.0, 1.0), (6.0, 0.5), (FAR, 1.0), (FAR + 2.0, 0.5)],
        ),
        member(
            "Cyclic, triangular",
            Cyclic::triangular(0.5, 1.0, 2.0).unwrap().down(4.0).unwrap(),
            &[(0.0, 0.5), (1.0, 0.75), (2.0, 1.0), (4.0, 0.75), (6.0, 0.5), (7.0, 0.75), (8.0, 1.0)],
        ),
        member(
            "Cyclic, triangular2",
            Cyclic::triangular2(0.5, 1.0, 2.0).unwrap(),
            &[(0.0, 0.5), (2.0, 1.0), (4.0, 0.5), (6.0, 0.75), (8.0, 0.5), (10.0, 0.625), (FAR + 2.0, 0.5)],
        ),
        member(
            "Cyclic, exp_range",
            Cyclic::exp_range(0.0, 1.0, 2.0, 0.5).unwrap(),
            &[(0.0, 0.0), (1.0, 0.25), (2.0, 0.25), (3.0, 0.0625), (4.0, 0.0), (6.0, 0.015625)],
        ),
        member(
            "OneCycle",
            cycle,
            &[(0.0, 0.125), (2.0, 0.3125), (4.0, 0.5), (6.0, 0.28125), (8.0, 0.0625), (FAR, 0.0625)],
        ),
        member(
            "OneCycleMomentum",
            momentum,
            &[(0.0, 1.0), (2.0, 0.875), (4.0, 0.75), (6.0, 0.875), (8.0, 1.0), (FAR, 1.0)],
        ),
        member(
            "OneCycle, three phases",
            three,
            &[
                (0.0, 0.125),
                (1.0, 0.3125),
                (2.0, 0.5),
                (4.0, 0.125),
                (6.0, 0.09375),
                (8.0, 0.0625),
                (FAR, 0.0625),
            ],
        ),
        member(
            "OneCycleMomentum, three phases",
            three.momentum(),
            &[(0.0, 1.0), (1.0, 0.875), (2.0, 0.75), (3.0, 0.875), (4.0, 1.0), (6.0, 1.0), (FAR, 1.0)],
        ),
        decay("OneCycle, one step", OneCycle::new(0.5, 1).unwrap(), &[(0.0, 2e-6), (FAR, 2e-6)]),
    ]
}

fn momenta() -> Vec<Member> {
    let momentum = SutskeverMomentum::new(0.995).unwrap();
    let lowered: LowerAtEnd<SutskeverMomentum> = momentum.lower_at_end(0.9, 1000.0, 750_000.0).unwrap();
    let short = momentum.period(2.0).unwrap().lower_at_end(0.7, 7.0, 7.0).unwrap();
    vec![
        member(
            "SutskeverMomentum",
            momentum,
            &[
                (0.0, 0.5),
                (249.0, 0.5),
                (250.0, 0.75),
                (999.0, 0.875),
                (1000.0, 0.9),
                (12_250.0, 0.99),
                (24_749.0, 1.0 - 0.5 / 99.0),
                (24_750.0, 0.995),
                (124_750.0, 0.995),
                (FAR, 0.995),
            ],
        ),
        member(
            "SutskeverMomentum, 0.999",
            SutskeverMomentum::new(0.999).unwrap().period(100.0).unwrap(),
            &[(99.0, 0.5), (100.0, 0.75), (400.0, 0.9), (49_900.0, 0.999), (FAR, 0.999)],
        ),
        member(
            "NesterovMomentum",
            NesterovMomentum,
            &[(0.0, 0.4), (1.0, 0.5), (10.0, 0.8), (25.0, 0.9), (FAR, 1.0 - 3.0 / (FAR + 5.0))],
        ),
        member(
            "LowerAtEnd",
            lowered,
            &[(0.0, 0.5), (748_999.0, 0.995), (749_000.0, 0.9), (749_999.0, 0.9), (FAR, 0.9)],
        ),
        member(
            "LowerAtEnd, never raises",
            short,
            &[(0.0, 0.5), (1.0, 0.5), (1.5, 0.5), (2.0, 0.7), (6.0, 0.7)],
        ),
    ]
}

fn composed() -> Vec<Member> {
    let sequence: Then<f64, Exponential> = 0.3.then(3.0, halving()).unwrap();
    let warmup: Warmup<Exponential> = halving().warmup(4.0, 0.25).unwrap();
    let product: Product<Exponential, f64> = halving().product(0.5);
    let sum: Sum<Exponential, f64> = halving().sum(0.25);
    let clamped: Clamp<Exponential> = halving().clamp(0.15, 0.5).unwrap();
    let ramp = from_fn(|t| 1.0 + t);
    vec![
        member("Then", sequence, &[(0.0, 0.3), (2.75, 0.3), (3.0, 0.8), (4.0, 0.4), (5.0, 0.2)]),
        member(
            "Then, three",
            (Linear::new(0.25, 0.75, 2.0).unwrap().then(2.0, halving()).unwrap()).then(4.0, ramp).unwrap(),
            &[(0.0, 0.25), (1.0, 0.5), (2.0, 0.8), (3.0, 0.4), (4.0, 1.0), (5.0, 2.0)],
        ),
        decay("Then, at once", 0.3.then(0.0, halving()).unwrap(), &[(0.0, 0.8), (1.0, 0.4)]),
        member(
            "Warmup",
            warmup,
            &[(0.0, 0.2), (1.0, 0.35), (2.0, 0.5), (3.0, 0.65), (4.0, 0.8), (5.0, 0.4), (6.0, 0.2)],
        ),
        member(
            "Warmup, from nothing",
            0.5.warmup(4.0, 0.0).unwrap(),
            &[(0.0, 0.0), (1.0, 0.125), (3.0, 0.375), (4.0, 0.5), (FAR, 0.5)],
        ),
        member(
            "Warmup, constant",
            halving().warmup_constant(2.0, 0.125).unwrap(),
            &[(0.0, 0.1), (1.0, 0.1), (1.5, 0.1), (2.0, 0.8), (3.0, 0.4)],
        ),
        decay("Warmup, none", halving().warmup(0.0, 0.0).unwrap(), &[(0.0, 0.8), (1.0, 0.4)]),
        decay("Product", product, &[(0.0, 0.4), (1.0, 0.2), (3.0, 0.05)]),
        decay("Sum", sum, &[(0.0, 1.05), (1.0, 0.65), (FAR, 0.25)]),
        decay("Clamp", clamped, &[(0.0, 0.5), (1.0, 0.4), (2.0, 0.2), (3.0, 0.15), (FAR, 0.15)]),
    ]
}

fn in_other_time() -> Vec<Member> {
    let in_epochs: InEpochs<InverseTime> = inverse_time().in_epochs(50).unwrap();
    let repeated: Repeat<Exponential> = halving().repeat(2.0).unwrap();
    let held: HoldAfter<Exponential> = halving().hold_after(1.0).unwrap();
    let staircase: Staircase<Exponential> = halving().staircase(2.0).unwrap();
    vec![
        decay("InEpochs", in_epochs, &[(0.0, 0.2), (50.0, 0.1), (25.0, 0.4 / 3.0), (150.0, 0.05)]),
        decay(
            "InEpochs, behind pointers",
            (Arc::new(exponential()) as Arc<dyn Schedule>).in_epochs(4).unwrap(),
            &[(0.0, 0.1), (4.0, 0.095), (2.0, 0.09746794344808964)],
        ),
        member("Repeat", repeated, &[(0.0, 0.8), (1.0, 0.4), (2.0, 0.8), (3.0, 0.4), (FAR + 1.0, 0.4)]),
        decay("HoldAfter", held, &[(0.0, 0.8), (1.0, 0.4), (1.5, 0.4), (FAR, 0.4)]),
        decay("Staircase", staircase, &[(0.0, 0.8), (1.75, 0.8), (2.0, 0.2), (3.0, 0.2), (4.0, 0.05)]),
    ]
}

#[test]
fn exact_values() {
    for Member { name, schedule, values, .. } in members() {
        for (t, expected) in values {
            let error = (schedule.at(t) - expected).abs();
            assert!(error <= 4e-16 * expected.abs(), "{name} at {t}: {}", schedule.at(t));
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
    for Member { name, schedule, .. } in members().into_iter().filter(|member| member.falls) {
        let falls = (0..1000).all(|t| schedule.at(f64::from(t + 1)) <= schedule.at(f64::from(t)));
        assert!(falls, "{name}");
    }
}

#[test]
fn values_are_finite_at_any_time() {
    for Member { name, schedule, .. } in members() {
        if name == "Exponential, growing" {
            continue;
        }
        for exponent in 0..=40 {
            let t = f64::from(exponent).exp2();
            for t in [t - 0.5, t, t + 1.0] {
                assert!(schedule.at(t).is_finite(), "{name} at {t}: {}", schedule.at(t));
            }
        }
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
