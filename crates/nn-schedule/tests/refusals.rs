//! Hyperparameters out of range.

use nn_core::RangeError;
use nn_schedule::{
    Constant, CosineAnnealing, Cyclic, Exponential, InverseSqrt, InverseTime, Linear, MetricSchedule,
    MultiStepDecay, Noam, OneCycle, PlateauState, Polynomial, ReduceOnPlateau, Schedule, StepDecay,
    SutskeverMomentum, Table, WarmRestarts, WarmupInverseSqrt,
};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn check<T>(refused: Result<T, RangeError>, message: &str) {
    assert_eq!(refused.err().map(|error| error.to_string()).as_deref(), Some(message));
}

#[test]
fn of_decays() {
    check(Constant::new(NAN), "Constant: value must lie in (-∞, ∞), got NaN");
    check(InverseTime::new(-0.1, 1.0), "InverseTime: initial must lie in [0, ∞), got -0.1");
    check(InverseTime::new(0.1, INF), "InverseTime: decay must lie in [0, ∞), got inf");
    check(Exponential::new(NAN, 0.9), "Exponential: initial must lie in [0, ∞), got NaN");
    check(Exponential::new(0.1, 0.0), "Exponential: gamma must lie in (0, ∞), got 0");
    check(InverseSqrt::new(-1.0), "InverseSqrt: k must lie in [0, ∞), got -1");
    check(StepDecay::new(-1.0, 1.0, 0.1), "StepDecay: initial must lie in [0, ∞), got -1");
    check(StepDecay::new(0.1, 0.0, 0.1), "StepDecay: size must lie in (0, ∞), got 0");
    check(StepDecay::new(0.1, 1.0, INF), "StepDecay: gamma must lie in (0, ∞), got inf");
    check(MultiStepDecay::new(NAN, &[], 0.1), "MultiStepDecay: initial must lie in [0, ∞), got NaN");
    check(
        MultiStepDecay::new(0.1, &[1.0, -2.0], 0.1),
        "MultiStepDecay: milestones must lie in [0, ∞), got -2",
    );
    check(MultiStepDecay::new(0.1, &[1.0], -0.1), "MultiStepDecay: gamma must lie in (0, ∞), got -0.1");
    check(Linear::new(-1.0, 0.0, 1.0), "Linear: initial must lie in [0, ∞), got -1");
    check(Linear::new(1.0, INF, 1.0), "Linear: last must lie in [0, ∞), got inf");
    check(Linear::new(1.0, 0.0, 0.0), "Linear: steps must lie in (0, ∞), got 0");
    check(Polynomial::new(NAN, 0.0, 1.0, 1.0), "Polynomial: initial must lie in [0, ∞), got NaN");
    check(Polynomial::new(1.0, -1.0, 1.0, 1.0), "Polynomial: last must lie in [0, ∞), got -1");
    check(Polynomial::new(1.0, 0.0, -1.0, 1.0), "Polynomial: steps must lie in (0, ∞), got -1");
    check(Polynomial::new(1.0, 0.0, 1.0, 0.0), "Polynomial: power must lie in (0, ∞), got 0");
    check(Noam::new(-1.0, 1.0, 1.0), "Noam: factor must lie in [0, ∞), got -1");
    check(Noam::new(1.0, 0.0, 1.0), "Noam: width must lie in (0, ∞), got 0");
    check(Noam::new(1.0, 1.0, NAN), "Noam: warmup must lie in (0, ∞), got NaN");
    check(WarmupInverseSqrt::new(-1.0, 1.0, 1.0), "WarmupInverseSqrt: initial must lie in [0, ∞), got -1");
    check(WarmupInverseSqrt::new(0.0, INF, 1.0), "WarmupInverseSqrt: peak must lie in [0, ∞), got inf");
    check(WarmupInverseSqrt::new(0.0, 1.0, 0.0), "WarmupInverseSqrt: warmup must lie in (0, ∞), got 0");
}

#[test]
fn of_tables() {
    check(Table::new(&[]), "Table: number of entries must lie in [1, ∞), got 0");
    check(Table::new(&[(1.0, 0.1)]), "Table: first time must lie in [0, 0], got 1");
    check(Table::new(&[(0.0, 0.1), (0.0, 0.2)]), "Table: time must lie in (the time before, ∞), got 0");
    check(Table::new(&[(0.0, 0.1), (NAN, 0.2)]), "Table: time must lie in (the time before, ∞), got NaN");
    check(Table::new(&[(0.0, 0.1), (1.0, INF)]), "Table: value must lie in (-∞, ∞), got inf");
}

#[test]
fn of_cycles() {
    check(CosineAnnealing::new(-1.0, 0.0, 1.0), "CosineAnnealing: initial must lie in [0, ∞), got -1");
    check(CosineAnnealing::new(1.0, NAN, 1.0), "CosineAnnealing: last must lie in [0, ∞), got NaN");
    check(CosineAnnealing::new(1.0, 0.0, 0.0), "CosineAnnealing: steps must lie in (0, ∞), got 0");
    check(WarmRestarts::new(-1.0, 0.0, 1.0), "WarmRestarts: initial must lie in [0, ∞), got -1");
    check(WarmRestarts::new(1.0, -1.0, 1.0), "WarmRestarts: last must lie in [0, ∞), got -1");
    check(WarmRestarts::new(1.0, 0.0, INF), "WarmRestarts: first_cycle must lie in (0, ∞), got inf");
    let restarts = WarmRestarts::new(1.0, 0.0, 1.0).unwrap();
    check(restarts.factor(0), "WarmRestarts: factor must lie in [1, ∞), got 0");
    check(Cyclic::triangular(-1.0, 1.0, 1.0), "Cyclic: base must lie in [0, ∞), got -1");
    check(Cyclic::triangular2(0.0, NAN, 1.0), "Cyclic: peak must lie in [0, ∞), got NaN");
    check(Cyclic::triangular(0.0, 1.0, 0.0), "Cyclic: up must lie in (0, ∞), got 0");
    check(Cyclic::exp_range(0.0, 1.0, 1.0, 0.0), "Cyclic: gamma must lie in (0, ∞), got 0");
    check(Cyclic::triangular(0.0, 1.0, 1.0).unwrap().down(-1.0), "Cyclic: down must lie in (0, ∞), got -1");
    check(OneCycle::new(-1.0, 1), "OneCycle: peak must lie in [0, ∞), got -1");
    check(OneCycle::new(1.0, 0), "OneCycle: steps must lie in [1, ∞), got 0");
    let cycle = OneCycle::new(1.0, 10).unwrap();
    check(cycle.pct_start(1.5), "OneCycle: pct_start must lie in [0, 1], got 1.5");
    check(cycle.div_factor(0.5), "OneCycle: div_factor must lie in [1, ∞), got 0.5");
    check(cycle.final_div_factor(INF), "OneCycle: final_div_factor must lie in [1, ∞), got inf");
    check(cycle.momentum_range(-0.1, 0.9), "OneCycle: min_momentum must lie in [0, 1], got -0.1");
    check(cycle.momentum_range(0.1, 1.1), "OneCycle: max_momentum must lie in [0, 1], got 1.1");
    let late = "OneCycle: pct_start must lie in [0, 0.5], got 0.75";
    check(cycle.three_phase().unwrap().pct_start(0.75), late);
    check(cycle.pct_start(0.75).unwrap().three_phase(), late);
    check(SutskeverMomentum::new(1.0), "SutskeverMomentum: max must lie in [0, 1), got 1");
    let momentum = SutskeverMomentum::new(0.99).unwrap();
    check(momentum.period(0.0), "SutskeverMomentum: period must lie in (0, ∞), got 0");
}

#[test]
fn of_compositions() {
    check(0.1.in_epochs(0), "InEpochs: steps_per_epoch must lie in [1, ∞), got 0");
    check(0.1.then(-1.0, 0.2), "Then: steps must lie in [0, ∞), got -1");
    check(0.1.warmup(NAN, 0.0), "Warmup: steps must lie in [0, ∞), got NaN");
    check(0.1.warmup(1.0, -0.5), "Warmup: start_factor must lie in [0, 1], got -0.5");
    check(0.1.warmup_constant(INF, 0.5), "Warmup: steps must lie in [0, ∞), got inf");
    check(0.1.warmup_constant(1.0, 1.5), "Warmup: factor must lie in [0, 1], got 1.5");
    let constant = Constant::new(0.1).unwrap();
    check(constant.clamp(-INF, 1.0), "Clamp: min must lie in (-∞, ∞), got -inf");
    check(constant.clamp(1.0, 0.5), "Clamp: max must lie in [min, ∞), got 0.5");
    check(0.1.repeat(0.0), "Repeat: period must lie in (0, ∞), got 0");
    check(0.1.staircase(-1.0), "Staircase: every must lie in (0, ∞), got -1");
    check(0.1.hold_after(NAN), "HoldAfter: end must lie in [0, ∞), got NaN");
    check(0.1.lower_at_end(NAN, 1.0, 2.0), "LowerAtEnd: value must lie in (-∞, ∞), got NaN");
    check(0.1.lower_at_end(0.9, 1.0, -1.0), "LowerAtEnd: total must lie in [0, ∞), got -1");
    check(0.1.lower_at_end(0.9, 3.0, 2.0), "LowerAtEnd: last must lie in [0, total], got 3");
}

#[test]
fn of_reduce_on_plateau() {
    check(ReduceOnPlateau::new(-1.0), "ReduceOnPlateau: initial must lie in [0, ∞), got -1");
    let mut rate = ReduceOnPlateau::new(0.1).unwrap();
    check(rate.factor(1.0), "ReduceOnPlateau: factor must lie in [0, 1), got 1");
    check(rate.threshold(-1.0), "ReduceOnPlateau: threshold must lie in [0, ∞), got -1");
    check(rate.absolute_threshold(NAN), "ReduceOnPlateau: absolute_threshold must lie in [0, ∞), got NaN");
    check(rate.min(-1.0), "ReduceOnPlateau: min must lie in [0, ∞), got -1");
    check(rate.epsilon(INF), "ReduceOnPlateau: epsilon must lie in [0, ∞), got inf");
    rate.observe(2.0);
    let before = rate;
    let value = PlateauState { value: NAN, ..rate.state() };
    check(rate.resume(value), "PlateauState: value must lie in [0, ∞), got NaN");
    let best = PlateauState { best: Some(NAN), ..rate.state() };
    check(rate.resume(best), "PlateauState: best must lie in [-∞, ∞], got NaN");
    assert_eq!(rate, before);
}
