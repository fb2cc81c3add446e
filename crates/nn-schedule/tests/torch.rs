//! A thousand values of each schedule against those of PyTorch, made by `fixtures/make_schedules.py`.

use nn_schedule::{
    CosineAnnealing, Cyclic, Exponential, Linear, MetricSchedule, MultiStepDecay, OneCycle, Polynomial,
    ReduceOnPlateau, Schedule, StepDecay, WarmRestarts,
};

const FIXTURE: &str = include_str!("fixtures/schedules.txt");

/// PyTorch multiplies the value of the step before in the schedules of `lr_scheduler` that it calls chainable, so that
/// its roundings add up: about 10⁻¹³ after 1,000 steps, and more where a value is near 0, most of all in
/// `CosineAnnealingLR`, which divides by 1 + cos. Every value here is computed on its own.
const TOLERANCE: f64 = 1e-10;

/// The values of a line `case: 0.1 0.2*3`.
fn fixture(case: &str) -> Vec<f64> {
    let line = FIXTURE.lines().find_map(|line| line.strip_prefix(case)?.strip_prefix(": "));
    let line = line.unwrap_or_else(|| panic!("the fixture has {case}"));
    let run = |field: &str| -> Vec<f64> {
        let (value, count) = field.split_once('*').unwrap_or((field, "1"));
        vec![value.parse().unwrap(); count.parse().unwrap()]
    };
    line.split(' ').flat_map(run).collect()
}

/// The schedules that PyTorch has, by the case of the fixture.
fn schedules() -> Vec<(&'static str, Box<dyn Schedule>)> {
    let one_cycle = OneCycle::new(0.1, 1000).unwrap();
    let linear = one_cycle.pct_start(0.25).unwrap().div_factor(10.0).unwrap();
    let linear = linear.final_div_factor(100.0).unwrap().linear();
    let three = one_cycle.pct_start(0.4).unwrap().three_phase().unwrap();
    let three = three.momentum_range(0.8, 0.99).unwrap();
    let cosine = CosineAnnealing::new(0.1, 1e-3, 900.0).unwrap();
    let fading = Exponential::new(0.1, 0.99).unwrap();
    let milestones = [700.0, 200.0, 80.0, 200.0];
    vec![
        ("step", Box::new(StepDecay::new(0.1, 30.0, 0.7).unwrap())),
        ("multi_step", Box::new(MultiStepDecay::new(0.1, &milestones, 0.3).unwrap())),
        ("constant", Box::new(0.1.warmup_constant(5.0, 1.0 / 3.0).unwrap())),
        ("linear", Box::new(Linear::new(0.1 / 3.0, 0.1 * 0.02, 700.0).unwrap())),
        ("exponential", Box::new(fading)),
        ("polynomial", Box::new(Polynomial::new(0.1, 0.0, 900.0, 1.7).unwrap())),
        ("cosine", Box::new(CosineAnnealing::new(0.1, 1e-4, 300.0).unwrap())),
        ("restarts", Box::new(WarmRestarts::new(0.1, 1e-4, 170.0).unwrap())),
        ("restarts_2", Box::new(WarmRestarts::new(0.1, 0.0, 50.0).unwrap().factor(2).unwrap())),
        ("triangular", Box::new(Cyclic::triangular(1e-3, 0.1, 60.0).unwrap().down(90.0).unwrap())),
        ("triangular2", Box::new(Cyclic::triangular2(1e-3, 0.1, 64.0).unwrap())),
        ("triangular2_momentum", Box::new(Cyclic::triangular2(0.9, 0.8, 64.0).unwrap())),
        ("exp_range", Box::new(Cyclic::exp_range(1e-3, 0.1, 75.0, 0.998).unwrap())),
        ("one_cycle", Box::new(one_cycle)),
        ("one_cycle_momentum", Box::new(one_cycle.momentum())),
        ("one_cycle_linear", Box::new(linear)),
        ("one_cycle_linear_momentum", Box::new(linear.momentum())),
        ("one_cycle_three", Box::new(three)),
        ("one_cycle_three_momentum", Box::new(three.momentum())),
        ("sequential", Box::new(Linear::new(0.01, 0.1, 100.0).unwrap().then(100.0, cosine).unwrap())),
        ("sequential", Box::new(cosine.warmup(100.0, 0.1).unwrap())),
        (
            "sequential_constant",
            Box::new(
                (0.01.then(50.0, fading).unwrap())
                    .then(400.0, Linear::new(0.05, 0.005, 300.0).unwrap())
                    .unwrap(),
            ),
        ),
        (
            "chained",
            Box::new(Linear::new(0.25, 1.0, 40.0).unwrap().product(Exponential::new(0.1, 0.995).unwrap())),
        ),
    ]
}

fn check(case: &str, schedule: &dyn Schedule, steps: usize) {
    let expected = fixture(case);
    assert_eq!(expected.len(), steps, "{case}");
    for (step, &expected) in expected.iter().enumerate() {
        let value = schedule.at(step as f64);
        let error = (value - expected).abs();
        assert!(error <= TOLERANCE * expected.abs(), "{case} at {step}: {value}, expected {expected}");
    }
}

#[test]
fn values_are_those_of_pytorch() {
    for (case, schedule) in schedules() {
        check(case, &schedule, 1000);
    }
}

#[test]
fn one_cycles_too_short_to_rise_are_those_of_pytorch() {
    for steps in [1, 2, 3, 5] {
        let cycle = OneCycle::new(0.1, steps).unwrap();
        check(&format!("one_cycle_of_{steps}"), &cycle, steps);
        check(&format!("one_cycle_of_{steps}_momentum"), &cycle.momentum(), steps);
    }
}

/// The metric of the script.
fn metric(step: u32) -> f64 {
    if step % 97 == 50 {
        return f64::NAN;
    }
    2.0 / (1.0 + 0.02 * f64::from(step)) + f64::from((step * 37) % 101) / 101.0 * 0.3
}

#[test]
fn reduce_on_plateau_is_that_of_pytorch() {
    let new = || ReduceOnPlateau::new(0.1).unwrap();
    let max_abs = new().maximize().factor(0.5).unwrap().patience(3).absolute_threshold(0.01).unwrap();
    let max_rel = new().maximize().factor(0.8).unwrap().patience(2).threshold(0.02).unwrap();
    let min_abs = new().factor(0.3).unwrap().patience(6).absolute_threshold(1e-3).unwrap();
    let cases = [
        ("plateau", new(), false),
        ("plateau_max_abs", max_abs.cooldown(5).min(1e-3).unwrap(), true),
        ("plateau_max_rel", max_rel.cooldown(2), true),
        ("plateau_min_abs", min_abs.epsilon(1e-5).unwrap(), false),
    ];
    for (case, fresh, maximize) in cases {
        let mut schedule = fresh;
        for (step, expected) in (0..1000).zip(fixture(case)) {
            let metric = if maximize { 1.0 / metric(step) } else { metric(step) };
            if step % 7 == 3 {
                let state = schedule.state();
                schedule = fresh;
                schedule.resume(state).unwrap();
            }
            let value = schedule.observe(metric);
            assert_eq!(value, schedule.value());
            let error = (value - expected).abs();
            assert!(error <= TOLERANCE * expected, "{case} at {step}: {value}, expected {expected}");
        }
    }
}
