//! A thousand values of the schedules that PyTorch lacks, and of compositions, against formulas written a second time.

use std::f64::consts::PI;

use nn_schedule::{
    CosineAnnealing, Cyclic, Exponential, InverseSqrt, InverseTime, Linear, NesterovMomentum, Noam, OneCycle,
    Polynomial, Schedule, SutskeverMomentum, Table, WarmRestarts, WarmupInverseSqrt,
};

type Case = (&'static str, Box<dyn Schedule>, fn(f64) -> f64);

fn cosine(t: f64) -> f64 {
    0.01 + 0.5 * (0.1 - 0.01) * (1.0 + (PI * t / 300.0).cos())
}

/// The sum of the lengths 40, 120, 360… of the cycles before number i.
fn restart(i: i32) -> f64 {
    40.0 * (3f64.powi(i) - 1.0) / 2.0
}

fn restarts(t: f64) -> f64 {
    let i = (0..).find(|&i| t < restart(i + 1)).unwrap();
    0.05 * (1.0 + (PI * (t - restart(i)) / (restart(i + 1) - restart(i))).cos())
}

/// The triangle of Smith's listing.
fn triangle(t: f64, half: f64) -> f64 {
    let cycle = (1.0 + t / (2.0 * half)).floor();
    1.0 - (t / half - 2.0 * cycle + 1.0).abs()
}

fn elementary() -> Vec<Case> {
    vec![
        ("inverse time", Box::new(InverseTime::new(0.1, 0.02).unwrap()), |t| 5.0 / (50.0 + t)),
        ("exponential", Box::new(Exponential::new(0.1, 0.95).unwrap()), |t| 0.1 * (t * 0.95f64.ln()).exp()),
        ("inverse root", Box::new(InverseSqrt::new(0.1).unwrap()), |t| 0.1 * (t + 1.0).powf(-0.5)),
        ("polynomial", Box::new(Polynomial::new(0.1, 0.01, 400.0, 2.0).unwrap()), |t| {
            let left = 400.0 - t.min(400.0);
            0.01 + 0.09 * left * left / 160_000.0
        }),
        ("cosine", Box::new(CosineAnnealing::new(0.1, 0.01, 300.0).unwrap()), cosine),
        ("restarts", Box::new(WarmRestarts::new(0.1, 0.0, 40.0).unwrap().factor(3).unwrap()), restarts),
        ("triangular", Box::new(Cyclic::triangular(0.1, 0.5, 35.0).unwrap()), |t| {
            0.1 + 0.4 * triangle(t, 35.0)
        }),
        ("table", Box::new(Table::new(&[(0.0, 0.5), (7.5, 0.25), (300.0, 1.5)]).unwrap()), |t| match t {
            t if t < 7.5 => 0.5,
            t if t < 300.0 => 0.25,
            _ => 1.5,
        }),
        ("Noam", Box::new(Noam::new(2.0, 512.0, 150.0).unwrap()), |t| {
            let n = t + 1.0;
            2.0 * 512f64.powf(-0.5) * n.powf(-0.5).min(n * 150f64.powf(-1.5))
        }),
        ("inverse root, warm-up", Box::new(WarmupInverseSqrt::new(0.0, 0.1, 150.0).unwrap()), |t| {
            (0.1 * t / 150.0).min(0.1 * (150.0 / t.max(1e-9)).powf(0.5))
        }),
        ("Sutskever", Box::new(SutskeverMomentum::new(0.98).unwrap().period(20.0).unwrap()), |t| {
            (1.0 - 2f64.powf(-1.0 - ((t / 20.0).floor() + 1.0).log2())).min(0.98)
        }),
        ("Nesterov", Box::new(NesterovMomentum), |t| (t + 2.0) / (t + 5.0)),
    ]
}

fn composed() -> Vec<Case> {
    let wave = CosineAnnealing::new(0.1, 0.01, 300.0).unwrap();
    let line = Linear::new(0.5, 1.0, 100.0).unwrap();
    let momentum = SutskeverMomentum::new(0.999).unwrap().period(2.0).unwrap();
    vec![
        ("warm-up", Box::new(wave.warmup(50.0, 0.2).unwrap()), |t| {
            if t < 50.0 { 0.02 + 0.08 * t / 50.0 } else { cosine(t - 50.0) }
        }),
        ("sequence", Box::new(line.then(80.0, wave).unwrap().then(400.0, 0.3).unwrap()), |t| match t {
            t if t < 80.0 => 0.5 + t / 200.0,
            t if t < 400.0 => cosine(t - 80.0),
            _ => 0.3,
        }),
        ("product", Box::new(line.product(wave)), |t| (0.5 + t.min(100.0) / 200.0) * cosine(t)),
        ("sum", Box::new(line.sum(wave)), |t| 0.5 + t.min(100.0) / 200.0 + cosine(t)),
        ("clamp", Box::new(wave.clamp(0.03, 0.07).unwrap()), |t| cosine(t).clamp(0.03, 0.07)),
        ("repeat", Box::new(line.repeat(64.0).unwrap()), |t| 0.5 + (t - 64.0 * (t / 64.0).floor()) / 200.0),
        ("staircase", Box::new(wave.staircase(25.0).unwrap()), |t| cosine((t / 25.0).floor() * 25.0)),
        ("hold", Box::new(wave.hold_after(300.0).unwrap()), |t| cosine(t.min(300.0))),
        ("epochs", Box::new(wave.in_epochs(3).unwrap()), |t| cosine(t / 3.0)),
        ("lowered", Box::new(momentum.lower_at_end(0.9, 100.0, 1000.0).unwrap()), |t| {
            let before = 1.0 - 0.5 / ((t / 2.0).floor() + 1.0);
            if t < 900.0 { before.min(0.999) } else { 0.9 }
        }),
    ]
}

#[test]
fn values_are_those_of_the_formulas() {
    for (name, schedule, formula) in elementary().into_iter().chain(composed()) {
        for i in 0..1000 {
            for t in [f64::from(i), f64::from(i) + 0.375] {
                let (value, expected) = (schedule.at(t), formula(t));
                let error = (value - expected).abs();
                assert!(
                    error <= 1e-12 * expected.abs() + 1e-17,
                    "{name} at {t}: {value}, expected {expected}"
                );
            }
        }
    }
}

#[test]
fn joints_are_exact() {
    let (wave, fading) =
        (CosineAnnealing::new(0.1, 0.01, 300.0).unwrap(), Exponential::new(0.3, 0.97).unwrap());
    for steps in [1.0, 3.0, 7.0, 49.0, 100.0, 1001.0, 2.5] {
        let sequence = wave.then(steps, fading).unwrap();
        let warmup = fading.warmup(steps, 1.0 / steps).unwrap();
        let constant = fading.warmup_constant(steps, 0.1).unwrap();
        let before = steps.next_down();
        assert_eq!((sequence.at(0.0), sequence.at(before)), (0.1, wave.at(before)));
        assert_eq!((sequence.at(steps), sequence.at(steps + 1.0)), (0.3, fading.at(1.0)));
        assert_eq!((warmup.at(0.0), warmup.at(steps)), (1.0 / steps * 0.3, 0.3));
        assert!((warmup.at(before) - 0.3).abs() < 1e-15, "the warm-up ends where the schedule begins");
        assert_eq!((constant.at(0.0), constant.at(before)), (0.1 * 0.3, 0.1 * 0.3));
        assert_eq!((warmup.at(steps + 1.0), constant.at(steps + 1.0)), (fading.at(1.0), fading.at(1.0)));
    }
}

#[test]
fn cycles_are_exact_at_their_ends() {
    for steps in [4, 10, 77, 1000] {
        let end = f64::from(steps);
        let wave = CosineAnnealing::new(0.1, 0.007, end).unwrap();
        assert_eq!((wave.at(0.0), wave.at(end), wave.at(2.0 * end)), (0.1, 0.007, 0.1));
        let restarts = WarmRestarts::new(0.1, 0.007, end).unwrap();
        assert_eq!((restarts.at(end), restarts.at(7.0 * end)), (0.1, 0.1));
        let restarts = restarts.factor(2).unwrap();
        assert_eq!((restarts.at(end), restarts.at(3.0 * end), restarts.at(7.0 * end)), (0.1, 0.1, 0.1));
        let cycle = OneCycle::new(0.1, steps as usize).unwrap();
        assert_eq!(cycle.at(end - 1.0), 0.1 / 25.0 / 1e4);
        assert_eq!((cycle.momentum().at(0.0), cycle.momentum().at(end - 1.0)), (0.95, 0.95));
        let triangles = Cyclic::triangular(0.1, 0.7, end).unwrap();
        assert_eq!((triangles.at(0.0), triangles.at(2.0 * end), triangles.at(8.0 * end)), (0.1, 0.1, 0.1));
        assert!((triangles.at(3.0 * end) - 0.7).abs() < 1e-15);
    }
}
