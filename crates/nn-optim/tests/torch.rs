//! Whole trajectories against those of PyTorch, Optax and Keras, made by `fixtures/make_optim.py`.

use crate::problems;

use ndarray::Array2;
use nn_core::{RangeError, Real};
use nn_optim::*;
use problems::problems;

type Made<F> = Result<Box<dyn Rule<F>>, RangeError>;
type Make<F> = fn(&str, f64) -> Made<F>;

fn boxed<F: Real, R: Rule<F> + 'static>(rule: R) -> Made<F> {
    Ok(Box::new(rule))
}

/// The rule of a case of PyTorch, with the learning rate of the problem times that of the case.
fn torch<F: Real>(case: &str, a: f64) -> Made<F> {
    let momentum = || Sgd::new(a)?.momentum(0.9);
    match case {
        "sgd" => boxed(Sgd::new(a)?),
        "momentum" => boxed(momentum()?),
        "dampened" => boxed(momentum()?.dampening(0.3)?),
        "nesterov" => boxed(momentum()?.nesterov()?),
        "adagrad" => boxed(Adagrad::new(10.0 * a)?),
        "adagrad_set" => boxed(Adagrad::new(10.0 * a)?.rate_decay(0.01)?.initial_sum(0.1)?.epsilon(1e-3)?),
        "adadelta" => boxed(Adadelta::new(200.0 * a)?),
        "adadelta_set" => boxed(Adadelta::new(50.0 * a)?.rho(0.8)?.epsilon(1e-4)?),
        "rmsprop" => boxed(RmsProp::new(2.0 * a)?),
        "rmsprop_momentum" => boxed(RmsProp::new(0.5 * a)?.decay_factor(0.9)?.momentum(0.9)?),
        "rmsprop_centred" => boxed(RmsProp::new(a)?.centred()),
        "rmsprop_set" => boxed(RmsProp::new(a)?.decay_factor(0.95)?.epsilon(1e-2)?.momentum(0.5)?.centred()),
        "adam" => boxed(Adam::new(10.0 * a)?),
        "adam_set" => boxed(Adam::new(10.0 * a)?.beta1(0.8)?.beta2(0.99)?.epsilon(1e-3)?),
        "amsgrad" => boxed(Adam::new(10.0 * a)?.beta2(0.9)?.amsgrad()),
        "adamw" => boxed(AdamW::new(10.0 * a)?),
        "adamw_set" => boxed(AdamW::new(10.0 * a)?.beta1(0.8)?.beta2(0.9)?.epsilon(1e-3)?.amsgrad()),
        "adamax" => boxed(Adamax::new(10.0 * a)?),
        "adamax_set" => boxed(Adamax::new(10.0 * a)?.beta1(0.8)?.beta2(0.9)?.epsilon(1e-2)?),
        "nadam" => boxed(NAdam::new(10.0 * a)?),
        "nadam_set" => {
            boxed(NAdam::new(10.0 * a)?.beta1(0.8)?.beta2(0.99)?.epsilon(1e-3)?.momentum_decay(0.1)?)
        }
        "radam" => boxed(RAdam::new(a)?),
        "radam_set" => boxed(RAdam::new(a)?.beta1(0.8)?.beta2(0.9)?.epsilon(1e-2)?),
        "rprop" => boxed(Rprop::new(2.0 * a)?),
        "rprop_set" => boxed(Rprop::new(2.0 * a)?.factors(0.4, 1.3)?.step_sizes(1e-3, 0.1)?),
        #[cfg(feature = "muon")]
        "muon" => boxed(Muon::new(2.0 * a)?),
        _ => panic!("unknown case {case}"),
    }
}

fn optax<F: Real>(case: &str, a: f64) -> Made<F> {
    match case {
        "adagrad" => boxed(Adagrad::optax(10.0 * a)?),
        "adadelta" => boxed(Adadelta::new(200.0 * a)?),
        "rmsprop" => boxed(RmsProp::optax(2.0 * a)?),
        "rmsprop_momentum" => boxed(RmsProp::optax(0.5 * a)?.momentum(0.9)?),
        "rmsprop_centred" => boxed(RmsProp::optax(a)?.epsilon(1e-3)?.momentum(0.5)?.centred()),
        "adam" => boxed(Adam::optax(10.0 * a)?),
        "amsgrad" => boxed(Adam::optax(10.0 * a)?.amsgrad()),
        "amsgrad_set" => boxed(Adam::optax(10.0 * a)?.beta1(0.8)?.beta2(0.9)?.epsilon(1e-3)?.amsgrad()),
        "adamw" | "adamw_default" => boxed(AdamW::optax(10.0 * a)?),
        "adamax" => boxed(Adamax::new(10.0 * a)?),
        "nadam" => boxed(NAdam::optax(10.0 * a)?),
        "radam" => boxed(RAdam::optax(a)?),
        "radam_set" => boxed(RAdam::optax(a)?.beta1(0.8)?.beta2(0.9)?.epsilon(1e-2)?),
        "lion" | "lion_default" => boxed(Lion::new(2.0 * a)?),
        "lamb" => boxed(Lamb::new(a)?),
        "lars" => boxed(Lars::new(a)?.trust_coefficient(0.1)?),
        _ => panic!("unknown case {case}"),
    }
}

fn keras<F: Real>(case: &str, a: f64) -> Made<F> {
    match case {
        "momentum" => boxed(Momentum::keras(a, 0.9)?),
        "nesterov" => boxed(Momentum::keras(a, 0.9)?.nesterov()?),
        "adagrad" => boxed(Adagrad::keras(10.0 * a)?),
        "adadelta" => boxed(Adadelta::keras(200.0 * a)?),
        "rmsprop" => boxed(RmsProp::keras(2.0 * a)?),
        "rmsprop_momentum" => boxed(RmsProp::keras(0.5 * a)?.momentum(0.9)?),
        "rmsprop_centred" => boxed(RmsProp::keras(a)?.epsilon(1e-3)?.momentum(0.5)?.centred()),
        "adam" => boxed(Adam::keras(10.0 * a)?),
        "amsgrad" => boxed(Adam::keras(10.0 * a)?.beta2(0.9)?.amsgrad()),
        "adamw" | "adamw_default" => boxed(AdamW::keras(10.0 * a)?),
        "adamax" => boxed(Adamax::keras(10.0 * a)?),
        "nadam" => boxed(NAdam::keras(10.0 * a)?),
        "lion" => boxed(Lion::new(2.0 * a)?),
        _ => panic!("unknown case {case}"),
    }
}

/// Steps with the fixture's lines `step,w…` and compares there; the learning rate is halved after step 100. Returns the
/// largest error, relative above 1.
fn check<F: Real>(prefix: &str, lines: &[&str], rule: Make<F>, tolerance: f64) -> f64 {
    let fields: Vec<&str> = prefix.split(',').collect();
    let problem = problems::<F>().into_iter().find(|problem| problem.name == fields[1]).unwrap();
    let rate = [("quadratic", 5e-3), ("rosenbrock", 1e-4), ("mlp", 1e-3)];
    let (_, rate) = rate.into_iter().find(|(name, _)| *name == fields[1]).unwrap();
    let mut optimizer = Optimizer::new(rule(fields[0], rate).unwrap());
    let first_rate = optimizer.learning_rate();
    if !fields[0].ends_with("_default") {
        optimizer.set_weight_decay(fields[2].parse().unwrap()).unwrap();
    }
    let column = |values: Vec<F>| Array2::from_shape_vec((values.len(), 1), values).unwrap();
    let (mut w, mut largest) = (column(problem.start), 0.0f64);
    for line in lines {
        let numbers: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        assert_eq!(numbers.len(), w.len() + 1, "{prefix}{line}");
        while (optimizer.steps() as f64) < numbers[0] {
            if optimizer.steps() == 100 {
                optimizer.set_learning_rate(first_rate / 2.0).unwrap();
            }
            let (_, g) = (problem.function)(w.as_slice().unwrap());
            optimizer.step(&mut w, &column(g));
        }
        for (w, expected) in w.iter().zip(&numbers[1..]) {
            let error = (w.to_f64() - expected).abs() / expected.abs().max(1.0);
            assert!(error <= tolerance, "{prefix}{line}: off by {error:e}");
            largest = largest.max(error);
        }
    }
    largest
}

/// Compares all trajectories of a fixture, which must be as many as stated: in `f64` to 10⁻¹⁰, in `f32` to 10⁻⁵. Where
/// the fixture is of `f64` alone, `f32` is held against that.
fn check_all(fixture: &str, rules: (Make<f64>, Make<f32>), trajectories: usize) {
    let only_f64 = !fixture.contains(",f32,");
    let lines: Vec<(&str, &str)> = fixture
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter(|line| cfg!(feature = "muon") || !line.starts_with("muon"))
        .map(|line| {
            let (comma, _) = line.match_indices(',').nth(3).unwrap();
            line.split_at(comma + 1)
        })
        .collect();
    let mut count = 0;
    for lines in lines.chunk_by(|a, b| a.0 == b.0) {
        let (prefix, points) = (lines[0].0, lines.iter().map(|line| line.1).collect::<Vec<_>>());
        assert_eq!(points.len(), 11, "{prefix}");
        let single = prefix.split(',').nth(3) == Some("f32");
        if !single {
            println!("{prefix} in f64: {:.1e}", check(prefix, &points, rules.0, 1e-10));
        }
        if single || only_f64 {
            println!("{prefix} in f32: {:.1e}", check(prefix, &points, rules.1, 1e-5));
        }
        count += 1;
    }
    assert_eq!(count, trajectories);
}

#[test]
fn trajectories_are_those_of_pytorch() {
    let cases = 25 + usize::from(cfg!(feature = "muon"));
    check_all(include_str!("fixtures/optim.csv"), (torch, torch), 2 * cases * 3 * 2);
}

/// In `f32` Optax computes 1 − 0.999ᵗ in that type and with it loses digits: its RAdam is 3·10⁻⁵ off its own trajectory
/// in `f64`. So that is the reference for both types.
#[test]
fn trajectories_are_those_of_optax() {
    let (cases, with_decay) = (18, 3);
    check_all(include_str!("fixtures/optim_optax.csv"), (optax, optax), (cases + with_decay) * 3);
}

#[test]
fn trajectories_are_those_of_keras() {
    let (cases, with_decay) = (14, 1);
    check_all(include_str!("fixtures/optim_keras.csv"), (keras, keras), (cases + with_decay) * 3 * 2);
}
