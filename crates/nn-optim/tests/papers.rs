//! Rules that no package offers with these formulas, against their papers' equations evaluated in `f64`: 200 steps on the
//! three problems of the fixtures, with and without weight decay.

use crate::problems;

use nn_core::Real;
use nn_optim::{Adan, ExponentialMomentum, Lars, Optimizer, Rule, ShiftedNesterov};
use problems::problems;

/// The learning rates of the fixtures on the problems.
const RATES: [f64; 3] = [5e-3, 1e-4, 1e-3];

/// One step of the equations: from t, w and g to the new w.
type Equations = Box<dyn FnMut(i32, &[f64], &[f64]) -> Vec<f64>>;

/// A rule for a learning rate, and its equations for that and a weight decay.
struct Paper<F: Real> {
    name: &'static str,
    rule: fn(f64) -> Box<dyn Rule<F>>,
    equations: fn(f64, f64) -> Equations,
}

fn papers<F: Real>() -> [Paper<F>; 5] {
    [
        Paper {
            name: "Adan",
            rule: |a| Box::new(Adan::new(10.0 * a).unwrap()),
            equations: |a, decay| adan(10.0 * a, decay),
        },
        Paper {
            name: "ExponentialMomentum",
            rule: |a| Box::new(ExponentialMomentum::new(a, 0.9).unwrap()),
            equations: |a, decay| average(a, decay, |_| 1.0),
        },
        Paper {
            name: "ExponentialMomentum, corrected",
            rule: |a| Box::new(ExponentialMomentum::new(a, 0.9).unwrap().corrected()),
            equations: |a, decay| average(a, decay, |t| 1.0 - 0.9f64.powi(t)),
        },
        Paper {
            name: "ShiftedNesterov",
            rule: |a| Box::new(ShiftedNesterov::new(a, 0.9).unwrap()),
            equations: velocity,
        },
        Paper {
            name: "Lars",
            rule: |a| Box::new(Lars::new(a).unwrap().trust_coefficient(0.1).unwrap()),
            equations: lars,
        },
    ]
}

/// Xie et al. 2022, algorithm 1, with the paper's β, which are small, and the authors' bias correction.
fn adan(rate: f64, decay: f64) -> Equations {
    let [b1, b2, b3] = [0.02, 0.08, 0.01];
    let (mut m, mut v, mut n, mut before) = ([0.0; 13], [0.0; 13], [0.0; 13], None);
    Box::new(move |t, w, g| {
        let old: Vec<f64> = before.replace(g.to_vec()).unwrap_or_else(|| g.to_vec());
        let correction = |b: f64| 1.0 - (1.0 - b).powi(t);
        let mut step = |i: usize| {
            let difference = g[i] - old[i];
            m[i] = (1.0 - b1) * m[i] + b1 * g[i];
            v[i] = (1.0 - b2) * v[i] + b2 * difference;
            n[i] = (1.0 - b3) * n[i] + b3 * (g[i] + (1.0 - b2) * difference).powi(2);
            let eta = rate / (f64::sqrt(n[i] / correction(b3)) + 1e-8);
            let direction = m[i] / correction(b1) + (1.0 - b2) * v[i] / correction(b2);
            (w[i] - eta * direction) / (1.0 + decay * rate)
        };
        (0..w.len()).map(&mut step).collect()
    })
}

/// v ← 0.9·v + 0.1·g and w ← w − α·v/correction(t).
fn average(rate: f64, decay: f64, correction: fn(i32) -> f64) -> Equations {
    let mut v = [0.0; 13];
    Box::new(move |t, w, g| {
        let mut step = |i: usize| {
            v[i] = 0.9 * v[i] + 0.1 * (g[i] + decay * w[i]);
            w[i] - rate * v[i] / correction(t)
        };
        (0..w.len()).map(&mut step).collect()
    })
}

/// Sutskever et al. 2013, equations 3 and 4, with the gradient where it is given: v ← 0.9·v − α·g and w ← w + v.
fn velocity(rate: f64, decay: f64) -> Equations {
    let mut v = [0.0; 13];
    Box::new(move |_, w, g| {
        let mut step = |i: usize| {
            v[i] = 0.9 * v[i] - rate * (g[i] + decay * w[i]);
            w[i] + v[i]
        };
        (0..w.len()).map(&mut step).collect()
    })
}

/// You, Gitman and Ginsburg 2017, algorithm 1, with η = 0.1.
fn lars(rate: f64, decay: f64) -> Equations {
    let mut v = [0.0; 13];
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    Box::new(move |_, w, g| {
        let local = 0.1 * norm(w) / (norm(g) + decay * norm(w));
        let mut step = |i: usize| {
            v[i] = 0.9 * v[i] + rate * local * (g[i] + decay * w[i]);
            w[i] - v[i]
        };
        (0..w.len()).map(&mut step).collect()
    })
}

/// Rule and equations each go their own way, with their own gradients.
fn check<F: Real>(tolerance: f64) {
    for (k, rate) in RATES.into_iter().enumerate() {
        for (paper, decay) in papers::<F>().iter().flat_map(|paper| [(paper, 0.0), (paper, 0.1)]) {
            let (ours, exact) = (&problems::<F>()[k], &problems::<f64>()[k]);
            let mut optimizer = Optimizer::new((paper.rule)(rate)).weight_decay(decay).unwrap();
            let mut equations = (paper.equations)(rate, decay);
            let (mut w, mut expected, mut largest) = (ours.start.clone(), exact.start.clone(), 0.0f64);
            for t in 1..=200 {
                let (_, g) = (ours.function)(&w);
                optimizer.step(&mut w, &g);
                let (_, g) = (exact.function)(&expected);
                expected = equations(t, &expected, &g);
                for (w, expected) in w.iter().zip(&expected) {
                    let error = (w.to_f64() - expected).abs() / expected.abs().max(1.0);
                    let place = format!("{}, {}, decay {decay}, step {t}", paper.name, ours.name);
                    assert!(error <= tolerance, "{place}: off by {error:e}");
                    largest = largest.max(error);
                }
            }
            println!("{}, {}, decay {decay}: {largest:.1e}", paper.name, ours.name);
        }
    }
}

#[test]
fn trajectories_are_those_of_the_equations_in_f64() {
    check::<f64>(1e-10);
}

#[test]
fn trajectories_are_those_of_the_equations_in_f32() {
    check::<f32>(1e-5);
}
