//! Draws every kind of schedule: a line each in the terminal, and all of them in `schedules.svg`.
//!
//! `cargo run -p nn-schedule --example schedules [FILE.svg]`

use std::error::Error;
use std::fs;

use nn_core::RangeError;
use nn_schedule::{
    CosineAnnealing, Cyclic, Exponential, InverseSqrt, InverseTime, Linear, MultiStepDecay, NesterovMomentum,
    Noam, OneCycle, Polynomial, Schedule, StepDecay, SutskeverMomentum, Table, WarmRestarts,
    WarmupInverseSqrt, sparkline, svg,
};

const STEPS: usize = 1000;

type Named = (&'static str, Box<dyn Schedule>);

fn schedules() -> Result<Vec<Named>, RangeError> {
    let cosine = CosineAnnealing::new(0.1, 0.0, 900.0)?;
    let one_cycle = OneCycle::new(0.1, STEPS)?;
    let table = Table::new(&[(0.0, 0.1), (200.0, 0.02), (500.0, 0.05), (800.0, 0.01)])?;
    Ok(vec![
        ("constant", Box::new(0.1)),
        ("inverse time", Box::new(InverseTime::new(0.1, 0.01)?)),
        ("exponential", Box::new(Exponential::new(0.1, 0.995)?)),
        ("exponential, staircase", Box::new(Exponential::new(0.1, 0.995)?.staircase(100.0)?)),
        ("k/√epoch, 50 steps an epoch", Box::new(InverseSqrt::new(0.1)?.in_epochs(50)?)),
        ("step decay", Box::new(StepDecay::new(0.1, 250.0, 0.5)?)),
        ("multi-step decay", Box::new(MultiStepDecay::new(0.1, &[300.0, 600.0, 700.0], 0.4)?)),
        ("table", Box::new(table.clone())),
        ("table, interpolated", Box::new(table.interpolated())),
        ("linear", Box::new(Linear::new(0.1, 0.01, 800.0)?)),
        ("polynomial, power 2", Box::new(Polynomial::new(0.1, 0.01, 800.0, 2.0)?)),
        ("cosine annealing", Box::new(CosineAnnealing::new(0.1, 0.0, 1000.0)?)),
        ("warm restarts, factor 2", Box::new(WarmRestarts::new(0.1, 0.0, 140.0)?.factor(2)?)),
        ("cyclic, triangular", Box::new(Cyclic::triangular(0.01, 0.1, 125.0)?)),
        ("cyclic, triangular2", Box::new(Cyclic::triangular2(0.01, 0.1, 125.0)?)),
        ("cyclic, exp_range", Box::new(Cyclic::exp_range(0.01, 0.1, 125.0, 0.998)?)),
        ("one-cycle: learning rate", Box::new(one_cycle)),
        ("one-cycle: momentum", Box::new(one_cycle.momentum())),
        ("Noam", Box::new(Noam::new(1.0, 512.0, 200.0)?)),
        ("inverse square root, warm-up", Box::new(WarmupInverseSqrt::new(0.0, 0.1, 200.0)?)),
        ("warm-up, then cosine", Box::new(cosine.warmup(100.0, 0.0)?)),
        ("Sutskever's momentum, lowered", {
            Box::new(SutskeverMomentum::new(0.99)?.period(20.0)?.lower_at_end(0.9, 100.0, 1000.0)?)
        }),
        ("Nesterov's momentum", Box::new(NesterovMomentum)),
        ("a product: exponential × cyclic", {
            Box::new(Exponential::new(0.1, 0.998)?.product(Cyclic::triangular(0.5, 1.0, 50.0)?))
        }),
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    let schedules = schedules()?;
    for (name, schedule) in &schedules {
        println!("{name:>32} {}", sparkline(schedule, STEPS, 60));
    }
    let curves: Vec<(&str, &dyn Schedule)> =
        schedules.iter().map(|(name, schedule)| (*name, schedule as &dyn Schedule)).collect();
    let path = std::env::args().nth(1).unwrap_or("schedules.svg".to_owned());
    fs::write(&path, svg(&curves, STEPS))?;
    println!("wrote {path}");
    Ok(())
}
