//! What stands around the rules against PyTorch 2.15.0 and Optax 0.2.8, as recorded by `fixtures/make_wrappers.py`.

use std::sync::Arc;

use nn_core::{Arena, ParamLayout, Real, Role, Streams};
use nn_optim::*;

const FIXTURE: &str = include_str!("fixtures/wrappers.csv");
const CURVATURE: [f64; 3] = [1.0, 10.0, 40.0];
const START: [f64; 3] = [1.0, -1.0, 0.5];
const RATE: f64 = 0.02;

/// The steps of a case with their numbers, which must be as many as stated.
fn lines(case: &str, count: usize) -> Vec<(u64, Vec<f64>)> {
    let number = |field: &str| field.parse::<f64>().unwrap();
    let mut found = Vec::new();
    for line in FIXTURE.lines() {
        let (name, rest) = line.split_once(',').unwrap();
        if name == case {
            let (step, rest) = rest.split_once(',').unwrap();
            found.push((step.parse().unwrap(), rest.split(',').map(number).collect()));
        }
    }
    assert_eq!(found.len(), count, "{case}");
    found
}

/// Holds numbers against those of the fixture: to 10⁻¹² in `f64`, to 10⁻⁵ in `f32`, relative above 1.
fn check<F: Real>(case: &str, step: u64, values: &[f64], expected: &[f64]) {
    let tolerance = if F::EPSILON.to_f64() < 1e-10 { 1e-12 } else { 1e-5 };
    assert_eq!(values.len(), expected.len(), "{case}, {step}");
    for (value, expected) in values.iter().zip(expected) {
        let error = (value - expected).abs() / expected.abs().max(1.0);
        assert!(error <= tolerance, "{case}, {step}: {value} for {expected}, off by {error:e}");
    }
}

fn in_f64<F: Real>(values: &[F]) -> Vec<f64> {
    values.iter().map(|x| x.to_f64()).collect()
}

fn of_f64<F: Real>(values: [f64; 3]) -> [F; 3] {
    values.map(F::from_f64)
}

fn weights<F: Real>(t: u64) -> [F; 3] {
    of_f64([0, 1, 2].map(|i| ((5 * i + 2 * t * t) % 13) as f64 / 4.0))
}

fn slope<F: Real>(w: &[F; 3]) -> [F; 3] {
    let curvature = of_f64::<F>(CURVATURE);
    [0, 1, 2].map(|i| curvature[i] * w[i])
}

fn momentum<F: Real>() -> Optimizer<F> {
    Optimizer::new(Momentum::new(RATE, 0.9).unwrap())
}

/// The gradients of a matrix and a vector.
fn gradient<F: Real>(t: u64) -> Arena<F> {
    let mut layout = ParamLayout::new();
    layout.add("weight", &[2, 3], Role::Weight).unwrap();
    layout.add("bias", &[2], Role::Bias).unwrap();
    let mut g = Arena::zeros(Arc::new(layout));
    let size = 10f64.powi((t % 5) as i32 - 2);
    let value = |i: u64| F::from_f64(size * (((7 * i + 3 * t) % 11) as f64 - 5.0) / 4.0);
    for (name, first) in [("weight", 0), ("bias", 6)] {
        g.get_mut(name).unwrap().iter_mut().zip(first..).for_each(|(g, i)| *g = value(i));
    }
    g
}

fn elements<F: Real>(g: &Arena<F>) -> Vec<f64> {
    ["weight", "bias"].iter().flat_map(|name| g.get(name).unwrap().into_iter()).map(|x| x.to_f64()).collect()
}

/// Applies `change` to the gradients of ten steps; where it gives a norm, that is compared too.
fn check_gradients<F: Real>(case: &str, change: impl Fn(&mut Arena<F>) -> Option<f64>) {
    for (t, expected) in lines(case, 10) {
        let mut g = gradient::<F>(t);
        let norm = change(&mut g);
        check::<F>(case, t, &norm.into_iter().chain(elements(&g)).collect::<Vec<_>>(), &expected);
    }
}

fn check_clipping<F: Real>() {
    check_gradients::<F>("clip_value", |g| {
        ClipValue::new(0.75).unwrap().apply(g);
        None
    });
    check_gradients::<F>("clip_norm", |g| Some(ClipNorm::new(0.75).unwrap().apply(g)));
    check_gradients::<F>("clip_global_norm", |g| Some(ClipGlobalNorm::new(0.75).unwrap().apply(g)));
}

#[test]
fn clips_as_pytorch() {
    check_clipping::<f64>();
    check_clipping::<f32>();
}

#[test]
fn centralizes_as_optax() {
    check_gradients::<f64>("centralize", |g| {
        centralize(g);
        None
    });
    check_gradients::<f32>("centralize", |g| {
        centralize(g);
        None
    });
}

fn check_averages<F: Real>() {
    let (mut swa, mut ema) = (Swa::<F>::new(1, 1).unwrap(), Ema::<F>::new(0.9).unwrap());
    let mut w = of_f64::<F>([0.0; 3]);
    for ((t, mean), (_, average)) in lines("swa", 60).into_iter().zip(lines("ema", 60)) {
        swa.update(&weights::<F>(t));
        swa.apply(&mut w);
        check::<F>("swa", t, &in_f64(&w), &mean);
        ema.update(&weights::<F>(t));
        ema.apply(&mut w);
        check::<F>("ema", t, &in_f64(&w), &average);
    }
}

#[test]
fn averages_as_pytorch_and_optax() {
    check_averages::<f64>();
    check_averages::<f32>();
}

/// PyTorch corrects nothing and begins at w₁ instead: its average is V + βᵗ·w₁, with V that is not yet corrected.
#[test]
fn differs_from_the_uncorrected_average_of_pytorch_by_the_first_weights() {
    let (beta, mut ema, mut w) = (0.9f64, Ema::new(0.9).unwrap(), [0.0; 3]);
    for (t, expected) in lines("ema_uncorrected", 60) {
        ema.update(&weights::<f64>(t));
        ema.apply(&mut w);
        let (power, first) = (beta.powi(t as i32), weights::<f64>(1));
        let uncorrected: Vec<f64> = (0..3).map(|i| (1.0 - power) * w[i] + power * first[i]).collect();
        check::<f64>("ema_uncorrected", t, &uncorrected, &expected);
    }
}

fn check_steps<F: Real>() {
    let mut lookahead = Lookahead::new(momentum::<F>()).every(6).unwrap().share(0.3).unwrap();
    let mut w = of_f64::<F>(START);
    for (t, expected) in lines("lookahead", 60) {
        let g = slope(&w);
        lookahead.step(&mut w, &g);
        let slow = lookahead.slow().unwrap().get("w").unwrap().iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        check::<F>("lookahead", t, &[in_f64(&w), slow].concat(), &expected);
    }

    let mut sam = Sam::new(momentum::<F>()).rho(0.1).unwrap();
    let mut w = of_f64::<F>(START);
    for (t, expected) in lines("sam", 60) {
        let g = slope(&w);
        sam.perturb(&mut w, &g);
        let g = slope(&w);
        sam.step(&mut w, &g);
        check::<F>("sam", t, &in_f64(&w), &expected);
    }

    let (mut accumulate, mut optimizer) = (Accumulate::new(2).unwrap(), momentum::<F>());
    let mut w = of_f64::<F>(START);
    for (t, expected) in lines("multi_steps", 60) {
        if let Some(mean) = accumulate.add(&weights::<F>(t)) {
            optimizer.step(&mut w, mean);
        }
        check::<F>("multi_steps", t, &in_f64(&w), &expected);
    }
}

#[test]
fn steps_as_optax() {
    check_steps::<f64>();
    check_steps::<f32>();
}

#[test]
fn noise_fades_as_that_of_optax() {
    let noise = GradientNoise::new(0.3, Streams::new(0)).unwrap();
    for (t, expected) in lines("noise_deviation", 60) {
        check::<f64>("noise_deviation", t, &[noise.deviation(t)], &expected);
    }
}

/// Iteration by iteration PyTorch's points, to the rounding that grows on the way, after as many evaluations of the cost.
#[test]
fn lbfgs_goes_where_pytorch_goes() {
    for (case, start, count) in [("lbfgs", [-1.2, 1.0], 35), ("lbfgs_near", [0.5, 3.0], 23)] {
        for (iterations, expected) in lines(case, count) {
            let settings = Lbfgs::default().tolerance_change(0.0).unwrap().max_evaluations(1000).unwrap();
            let mut w = start;
            let report = settings.max_iterations(iterations).minimize(&mut w, |w, g| {
                let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]);
                g[0] = -2.0 * a - 400.0 * w[0] * b;
                g[1] = 200.0 * b;
                a * a + 100.0 * b * b
            });
            assert_eq!(report.evaluations as f64, expected[0], "{case}, {iterations}");
            for (value, expected) in [report.cost, w[0], w[1]].iter().zip(&expected[1..]) {
                assert!((value - expected).abs() <= 1e-10, "{case}, {iterations}: {value} for {expected}");
            }
        }
    }
}
