//! A thousand values of schedules against those of Keras and Optax, made by `fixtures/make_peers.py`.

use nn_schedule::{CosineAnnealing, Exponential, InverseTime, Linear, Polynomial, Schedule, Table};

const FIXTURE: &str = include_str!("fixtures/peers.txt");

/// The schedules by the case of the fixture.
fn schedules() -> Vec<(&'static str, Box<dyn Schedule>)> {
    let inverse = InverseTime::new(0.1, 0.03).unwrap();
    let fading = || Exponential::new(0.1, 0.95).unwrap().in_epochs(40).unwrap();
    let cosine = |steps, last| CosineAnnealing::new(0.1, last, steps).unwrap().hold_after(steps).unwrap();
    let line = |steps, first| Linear::new(first, 0.1, steps).unwrap();
    let tenth = Exponential::new(0.1, 0.9).unwrap().in_epochs(25).unwrap().staircase(25.0).unwrap();
    // Keras changes the value after its boundary, Optax at it.
    let keras_table = [(0.0, 0.1), (100.0, 0.5), (300.0, 0.02), (701.0, 0.003)];
    let optax_table = [(0.0, 0.1), (99.0, 0.03), (500.0, 0.015)];
    vec![
        ("keras_inverse_time", Box::new(inverse)),
        ("keras_inverse_time_staircase", Box::new(inverse.staircase(10.0).unwrap())),
        ("keras_exponential", Box::new(fading())),
        ("keras_exponential_staircase", Box::new(fading().staircase(40.0).unwrap())),
        ("keras_piecewise", Box::new(Table::new(&keras_table).unwrap())),
        ("keras_polynomial", Box::new(Polynomial::new(0.1, 0.01, 800.0, 2.5).unwrap())),
        ("optax_linear", Box::new(Linear::new(0.1, 0.02, 600.0).unwrap())),
        ("optax_polynomial", Box::new(Polynomial::new(0.1, 0.001, 750.0, 3.0).unwrap())),
        ("optax_cosine", Box::new(cosine(400.0, 0.02))),
        ("optax_warmup_cosine", Box::new(line(50.0, 0.01).then(50.0, cosine(600.0, 0.001)).unwrap())),
        ("optax_warmup_exponential", Box::new(line(40.0, 0.0).then(40.0, tenth).unwrap())),
        ("optax_piecewise", Box::new(Table::new(&optax_table).unwrap())),
    ]
}

/// The values of a line `0.1 0.2*3`.
fn values(line: &str) -> Vec<f64> {
    let run = |field: &str| -> Vec<f64> {
        let (value, count) = field.split_once('*').unwrap_or((field, "1"));
        vec![value.parse().unwrap(); count.parse().unwrap()]
    };
    line.split(' ').flat_map(run).collect()
}

#[test]
fn values_are_those_of_keras_and_optax() {
    let cases: Vec<_> = FIXTURE.lines().skip(1).map(|line| line.split_once(": ").unwrap()).collect();
    let schedules = schedules();
    assert_eq!(cases.len(), schedules.len());
    for ((case, line), (name, schedule)) in cases.into_iter().zip(schedules) {
        assert_eq!(case, name);
        let expected = values(line);
        assert_eq!(expected.len(), 1000, "{case}");
        for (step, expected) in expected.into_iter().enumerate() {
            let value = schedule.at(step as f64);
            // What cancels near 0 is exact to the roundings of numbers of the size of the initial value.
            let error = (value - expected).abs();
            assert!(
                error <= 1e-10 * expected.abs() + 1e-16,
                "{case} at {step}: {value}, expected {expected}"
            );
        }
    }
}
