//! Trajectories of the rules for whole parameters against those of Optax and PyTorch, made by
//! `fixtures/make_tensors.py`.

use ndarray::{ArrayD, IxDyn};
use nn_optim::{Lamb, Lars, Optimizer, Rule};

const FIXTURE: &str = include_str!("fixtures/tensors.csv");

fn rule(case: &str) -> Box<dyn Rule<f64>> {
    match case {
        "lamb" => Box::new(Lamb::new(0.002).unwrap()),
        "lamb_set" => {
            let lamb = Lamb::new(0.004).unwrap().beta1(0.8).unwrap().beta2(0.99).unwrap();
            Box::new(lamb.epsilon(1e-3).unwrap().weight_decay(0.1).unwrap())
        }
        "lars" => Box::new(Lars::new(0.1).unwrap().trust_coefficient(0.01).unwrap()),
        _ => muon(case),
    }
}

#[cfg(feature = "muon")]
fn muon(case: &str) -> Box<dyn Rule<f64>> {
    use nn_optim::{Muon, MuonRate};

    let muon = Muon::new(0.004).unwrap();
    match case {
        "muon" => Box::new(muon),
        "muon_plain" => Box::new(muon.nesterov(false).weight_decay(0.0).unwrap()),
        "muon_set" => {
            let muon = muon.momentum(0.8).unwrap().steps(3).unwrap();
            Box::new(muon.rate(MuonRate::MatchRmsAdamW))
        }
        _ => panic!("unknown case {case}"),
    }
}

#[cfg(not(feature = "muon"))]
fn muon(case: &str) -> Box<dyn Rule<f64>> {
    panic!("unknown case {case}");
}

fn start(rows: usize, columns: usize) -> ArrayD<f64> {
    let value = |i: usize| ((7 * i % 11) as f64 - 5.0) / 4.0;
    match columns {
        0 => ArrayD::zeros(IxDyn(&[rows])),
        _ => ArrayD::from_shape_fn(IxDyn(&[rows, columns]), |at| value(columns * at[0] + at[1])),
    }
}

fn gradient(w: &ArrayD<f64>) -> ArrayD<f64> {
    let mut g = w.clone();
    for (i, g) in g.iter_mut().enumerate() {
        *g = (1 + i % 4) as f64 * (*g - ((5 * i % 7) as f64 - 3.0) / 2.0);
    }
    g
}

/// Compares the trajectories of one case; returns the number of points compared.
fn check(case: &str, shape: (usize, usize)) -> usize {
    let prefix = format!("{case},{},{},", shape.0, shape.1);
    let lines = FIXTURE.lines().filter_map(|line| line.strip_prefix(&prefix));
    let (mut w, mut optimizer, mut points) = (start(shape.0, shape.1), Optimizer::new(rule(case)), 0);
    for line in lines {
        let numbers: Vec<f64> = line.split(',').map(|field| field.parse().unwrap()).collect();
        while (optimizer.steps() as f64) < numbers[0] {
            let g = gradient(&w);
            optimizer.step(&mut w, &g);
        }
        assert_eq!(numbers.len(), 1 + w.len());
        for (w, expected) in w.iter().zip(&numbers[1..]) {
            let error = (w - expected).abs() / expected.abs().max(1.0);
            assert!(error <= 1e-10, "{prefix}{line}: off by {error:e}");
        }
        points += 1;
    }
    points
}

#[test]
fn trajectories_are_those_of_optax_and_pytorch() {
    for case in ["lamb", "lamb_set", "lars"] {
        assert_eq!(check(case, (3, 5)) + check(case, (5, 0)), 22, "{case}");
    }
}

#[cfg(feature = "muon")]
#[test]
fn trajectories_of_muon_are_those_of_pytorch() {
    for case in ["muon", "muon_plain", "muon_set"] {
        assert_eq!(check(case, (3, 5)) + check(case, (5, 3)), 22, "{case}");
    }
}
