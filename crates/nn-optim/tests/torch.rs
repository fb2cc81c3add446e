//! Whole trajectories against those of PyTorch, made by `fixtures/make_optim.py`.

use nn_core::Real;
use nn_optim::{Adam, Momentum, Nesterov, Optimizer, Rule, Sgd};

const FIXTURE: &str = include_str!("fixtures/optim.csv");

fn rule<F: Real>(case: &str, rate: f64) -> Box<dyn Rule<F>> {
    let momentum = || Sgd::new(rate).unwrap().momentum(0.9).unwrap();
    let adam = || Adam::new(10.0 * rate).unwrap();
    match case {
        "sgd" => Box::new(Sgd::new(rate).unwrap()),
        "momentum" => Box::<Momentum>::new(momentum()),
        "dampened" => Box::new(momentum().dampening(0.3).unwrap()),
        "nesterov" => Box::<Nesterov>::new(momentum().nesterov().unwrap()),
        "adam" => Box::new(adam()),
        "adam_set" => Box::new(adam().beta1(0.8).unwrap().beta2(0.99).unwrap().epsilon(1e-3).unwrap()),
        _ => panic!("unknown case {case}"),
    }
}

type Gradient<F> = fn(&[F]) -> Vec<F>;

/// The starting point, the gradient and the learning rate of a problem.
fn problem<F: Real>(name: &str) -> (Vec<F>, Gradient<F>, f64) {
    let c = F::from_f64;
    match name {
        "quadratic" => {
            let gradient = |w: &[F]| vec![w[0], F::from_f64(10.0) * w[1], F::from_f64(100.0) * w[2]];
            (vec![c(1.0), c(-1.0), c(0.5)], gradient, 5e-3)
        }
        "rosenbrock" => (vec![c(-1.2), c(1.0)], rosenbrock, 1e-4),
        _ => panic!("unknown problem {name}"),
    }
}

fn rosenbrock<F: Real>(w: &[F]) -> Vec<F> {
    let (x, y, c) = (w[0], w[1], F::from_f64);
    vec![-c(2.0) * (c(1.0) - x) - c(400.0) * x * (y - x * x), c(200.0) * (y - x * x)]
}

/// Compares one trajectory; returns the number of points compared.
fn check<F: Real>(case: &str, name: &str, decay: &str, tolerance: f64) -> usize {
    let (mut w, gradient, rate) = problem::<F>(name);
    let mut optimizer = Optimizer::new(rule(case, rate)).weight_decay(decay.parse().unwrap()).unwrap();
    let prefix = format!("{case},{name},{decay},{},", F::NAME);
    let lines: Vec<&str> = FIXTURE.lines().filter_map(|line| line.strip_prefix(&prefix)).collect();
    for line in &lines {
        let numbers: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        while (optimizer.steps() as f64) < numbers[0] {
            let g = gradient(&w);
            optimizer.step(&mut w, &g);
        }
        for (w, expected) in w.iter().zip(&numbers[1..]) {
            let error = (w.to_f64() - expected).abs() / expected.abs().max(1.0);
            assert!(error <= tolerance, "{prefix}{line}: off by {error:e}");
        }
    }
    lines.len()
}

#[test]
fn trajectories_are_those_of_pytorch() {
    let mut points = 0;
    for case in ["sgd", "momentum", "dampened", "nesterov", "adam", "adam_set"] {
        for name in ["quadratic", "rosenbrock"] {
            for decay in ["0.0", "0.1"] {
                points += check::<f64>(case, name, decay, 1e-12);
                points += check::<f32>(case, name, decay, 1e-5);
            }
        }
    }
    assert_eq!(points, FIXTURE.lines().count() - 1);
}
