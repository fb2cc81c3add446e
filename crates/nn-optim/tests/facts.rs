//! Facts about momentum on quadratics, from Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization
//! and momentum in deep learning", section 2 and appendix A.

use nn_optim::{Momentum, Optimizer, Rule, ShiftedNesterov};
use nn_schedule::{Schedule, SutskeverMomentum};

/// The positions of `steps` steps along an eigenvector with this curvature: f = ½·λ·θ².
fn descend(rule: impl Rule<f64> + 'static, curvature: f64, steps: usize) -> Vec<f64> {
    let mut optimizer = Optimizer::new(rule);
    let mut w = [1.0];
    let mut path = vec![1.0];
    for _ in 0..steps {
        let gradient = [curvature * w[0]];
        optimizer.step(&mut w, &gradient);
        path.push(w[0]);
    }
    path
}

/// The positions θ of Nesterov's method, with the gradient at the point ahead.
fn descend_by_nesterov(rate: f64, momentum: f64, curvature: f64, steps: usize) -> Vec<f64> {
    let mut optimizer = Optimizer::new(ShiftedNesterov::new(rate, momentum).unwrap());
    let (mut theta, mut ahead) = ([1.0], [0.0]);
    let mut path = vec![1.0];
    for _ in 0..steps {
        optimizer.look_ahead(&theta, &mut ahead);
        let gradient = [curvature * ahead[0]];
        optimizer.step(&mut theta, &gradient);
        path.push(theta[0]);
    }
    path
}

fn sign_changes(path: &[f64]) -> usize {
    path.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count()
}

#[test]
fn on_a_quadratic_nesterov_is_momentum_with_a_smaller_coefficient_along_each_eigenvector() {
    let (rate, momentum) = (0.01, 0.9);
    for curvature in [0.1, 1.0, 7.0, 30.0, 99.0] {
        let nesterov = descend_by_nesterov(rate, momentum, curvature, 200);
        let smaller = momentum * (1.0 - rate * curvature);
        let classical = descend(Momentum::new(rate, smaller).unwrap(), curvature, 200);
        for (step, (a, b)) in nesterov.iter().zip(&classical).enumerate() {
            assert!((a - b).abs() < 1e-12, "curvature {curvature}, step {step}: {a} and {b}");
        }
        let other = descend(Momentum::new(rate, momentum).unwrap(), curvature, 200);
        assert!(nesterov.iter().zip(&other).any(|(a, b)| (a - b).abs() > 1e-3), "not the same coefficient");
    }
}

/// Equations 3 and 4 with µₜ of equation 5: vₜ₊₁ = µₜ·vₜ − ε·∇f(θₜ + µₜ·vₜ), θₜ₊₁ = θₜ + vₜ₊₁, on ½(θ₁² + 100·θ₂²).
#[test]
fn nesterov_with_the_momentum_schedule_follows_the_paper() {
    let (rate, curvatures) = (0.005, [1.0, 100.0]);
    let schedule = SutskeverMomentum::new(0.99).unwrap().period(20.0).unwrap();
    let mut optimizer = Optimizer::new(ShiftedNesterov::new(rate, 0.0).unwrap());
    let (mut theta, mut ahead) = ([1.0, 1.0], [0.0; 2]);
    let (mut expected, mut v) = ([1.0, 1.0], [0.0; 2]);
    let mut momenta = Vec::new();
    for t in 0..200 {
        let mu = schedule.at(f64::from(t));
        optimizer.set_rule(ShiftedNesterov::new(rate, mu).unwrap());
        optimizer.look_ahead(&theta, &mut ahead);
        let gradient = [curvatures[0] * ahead[0], curvatures[1] * ahead[1]];
        optimizer.step(&mut theta, &gradient);

        let mu = f64::min(1.0 - 2f64.powf(-1.0 - f64::from(t / 20 + 1).log2()), 0.99);
        for i in 0..2 {
            v[i] = mu * v[i] - rate * (curvatures[i] * (expected[i] + mu * v[i]));
            expected[i] += v[i];
            assert!((theta[i] - expected[i]).abs() < 1e-12, "step {t}, {i}: {theta:?}, {expected:?}");
        }
        momenta.push(mu);
    }
    assert!(theta.iter().all(|x| x.abs() < 0.1) && momenta[0] == 0.5 && momenta[199] == 0.95, "{theta:?}");
}

#[test]
fn classical_momentum_swings_along_the_steep_axis_and_nesterov_does_not() {
    let (rate, momentum) = (0.01, 0.9);
    let classical = descend(Momentum::new(rate, momentum).unwrap(), 100.0, 100);
    assert!(sign_changes(&classical) > 30, "{}", sign_changes(&classical));
    assert!(sign_changes(&descend_by_nesterov(rate, momentum, 100.0, 100)) <= 1);
    // The flat axis is the same problem for both.
    let flat = [
        descend(Momentum::new(rate, momentum).unwrap(), 1.0, 100),
        descend_by_nesterov(rate, momentum, 1.0, 100),
    ];
    assert!(flat.iter().all(|path| path[100].abs() < 0.1));
}

#[test]
fn a_rate_that_is_too_large_for_nesterov_may_not_be_for_classical_momentum() {
    let (rate, momentum, curvature) = (0.015, 0.95, 100.0);
    let classical = descend(Momentum::new(rate, momentum).unwrap(), curvature, 2000);
    assert!(classical[2000].abs() < 1e-6);
    let nesterov = descend_by_nesterov(rate, momentum, curvature, 200);
    assert!(nesterov[200].abs() > 1e6);
}
