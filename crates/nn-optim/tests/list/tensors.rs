//! The rules that see whole parameters: their formulas written a second time, and what they must do.

use std::sync::Arc;

use ndarray::{Array2, array};
use nn_core::{Arena, ParamLayout, Real, Role};
use nn_ops::simd::{Isa, best, force};
use nn_optim::{Lamb, Lars, Optimizer, Rule};

use super::{Named, matrix_rules, tensor_members};

/// A rule written for one parameter tensor, as its paper gives it: from t, w and g to the new w.
pub(crate) type Tensor = Box<dyn FnMut(i32, &[f64], &[f64]) -> Vec<f64>>;

/// A rule with settings, made anew at each call, and its second form with a weight decay.
pub(crate) struct TensorMember<F: Real> {
    pub(crate) name: &'static str,
    pub(crate) rule: fn() -> Box<dyn Rule<F>>,
    pub(crate) reference: fn(f64) -> Tensor,
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Algorithm 2 of You et al. 2020, as in Optax.
pub(crate) fn lamb(rate: f64, [beta1, beta2, epsilon]: [f64; 3], decay: f64) -> Tensor {
    let (mut m, mut v) = (vec![0.0; 100], vec![0.0; 100]);
    Box::new(move |t, w, g| {
        let mut u = Vec::new();
        for i in 0..w.len() {
            m[i] = beta1 * m[i] + (1.0 - beta1) * g[i];
            v[i] = beta2 * v[i] + (1.0 - beta2) * g[i].powi(2);
            let m_hat: f64 = m[i] / (1.0 - beta1.powi(t));
            let v_hat: f64 = v[i] / (1.0 - beta2.powi(t));
            u.push(m_hat / (v_hat.sqrt() + epsilon) + decay * w[i]);
        }
        let ratio = if norm(w) == 0.0 || norm(&u) == 0.0 { 1.0 } else { norm(w) / norm(&u) };
        w.iter().zip(u).map(|(w, u)| w - rate * ratio * u).collect()
    })
}

/// Algorithm 1 of You, Gitman and Ginsburg 2017.
pub(crate) fn lars(rate: f64, mu: f64, eta: f64, decay: f64) -> Tensor {
    let mut b = vec![0.0; 100];
    Box::new(move |_, w, g| {
        let local = eta * norm(w) / (norm(g) + decay * norm(w));
        let local = if norm(w) == 0.0 || norm(g) == 0.0 { 1.0 } else { local };
        let step = |i: usize| {
            b[i] = mu * b[i] + rate * local * (g[i] + decay * w[i]);
            w[i] - b[i]
        };
        (0..w.len()).map(step).collect()
    })
}

fn gradient(t: usize, i: usize) -> f64 {
    (1.3 * t as f64 + 0.7 * (i * i) as f64).sin() * 10f64.powi((i % 5) as i32 - 3)
}

fn gradients<F: Real>(t: usize, n: usize) -> Vec<F> {
    (0..n).map(|i| F::from_f64(gradient(t, i))).collect()
}

fn start<F: Real>(n: usize) -> Vec<F> {
    (0..n).map(|i| F::from_f64((i as f64 * 0.37).cos())).collect()
}

fn bits<F: Real>(values: &[F]) -> Vec<u64> {
    values.iter().map(|x| x.bits()).collect()
}

/// A matrix, a bias of zeros, a parameter without elements, and a scalar.
fn network<F: Real>() -> Arena<F> {
    let mut layout = ParamLayout::new();
    layout.add("weight", &[5, 7], Role::Weight).unwrap();
    layout.add("bias", &[5], Role::Bias).unwrap();
    layout.add("empty", &[0, 3], Role::Weight).unwrap();
    layout.add("scalar", &[], Role::Weight).unwrap();
    let mut arena = Arena::zeros(Arc::new(layout));
    arena.get_mut("weight").unwrap().iter_mut().zip(start(35)).for_each(|(w, x)| *w = x);
    arena.get_mut("scalar").unwrap().fill(F::from_f64(-3.0));
    arena
}

/// Every rule for whole parameters; all step matrices.
fn rules<F: Real>() -> Vec<Named<F>> {
    let tensors = tensor_members().into_iter().map(|member| (member.name, member.rule));
    tensors.chain(matrix_rules()).collect()
}

fn check_against_reference<F: Real>(tolerance: f64) {
    for member in tensor_members::<F>() {
        for (decay, scale) in [(0.0, 1.0), (0.1, 1.0), (0.1, 0.25)] {
            let (mut w, mut g) = (network::<F>(), network::<F>());
            let mut optimizer =
                Optimizer::for_layout((member.rule)(), w.layout()).weight_decay(decay).unwrap();
            let mut references: Vec<Tensor> = (0..4).map(|_| (member.reference)(decay)).collect();
            let in_f64 =
                |view: ndarray::ArrayViewD<'_, F>| view.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
            let mut expected: Vec<Vec<f64>> = (0..4).map(|k| in_f64(w.view(k))).collect();
            for t in 1..=200 {
                for k in 0..4 {
                    let values = (0..).map(|i| F::from_f64(gradient(t, 40 * k + i)));
                    g.view_mut(k).iter_mut().zip(values).for_each(|(g, value)| *g = value);
                }
                optimizer.step_scaled(&mut w, &g, scale);
                for k in 0..4 {
                    let g: Vec<f64> = in_f64(g.view(k)).iter().map(|g| scale * g).collect();
                    expected[k] = references[k](t as i32, &expected[k], &g);
                    for (w, expected) in in_f64(w.view(k)).iter().zip(&expected[k]) {
                        let error = (w - expected).abs() / expected.abs().max(1.0);
                        assert!(error <= tolerance, "{}, step {t}, {k}: off by {error:e}", member.name);
                    }
                }
            }
        }
    }
}

#[test]
fn follow_their_formula_in_both_precisions() {
    check_against_reference::<f64>(1e-12);
    check_against_reference::<f32>(1e-5);
}

#[test]
fn descend_on_a_quadratic() {
    let curvature = [1.0, 3.0, 10.0];
    for member in tensor_members::<f64>() {
        let mut w = [1.0, -1.0, 1.0];
        let cost = |w: &[f64; 3]| (0..3).map(|i| 0.5 * curvature[i] * w[i] * w[i]).sum::<f64>();
        let (first, mut optimizer) = (cost(&w), Optimizer::new((member.rule)()));
        for _ in 0..2000 {
            let g = [0, 1, 2].map(|i| curvature[i] * w[i]);
            optimizer.step(&mut w, &g);
        }
        assert!(cost(&w) < 1e-4 * first, "{}: from {first} to {}", member.name, cost(&w));
    }
}

fn run<F: Real>(member: &TensorMember<F>, n: usize) -> Vec<u64> {
    let mut w = start(n);
    let mut optimizer = Optimizer::<F>::new((member.rule)()).weight_decay(0.05).unwrap();
    (1..=3).for_each(|t| optimizer.step(&mut w, &gradients::<F>(t, n)));
    bits(&w)
}

fn check_threads<F: Real>() {
    let pools = [1, 2, 3].map(|k| rayon::ThreadPoolBuilder::new().num_threads(k).build().unwrap());
    for member in tensor_members::<F>() {
        let runs = pools.each_ref().map(|pool| pool.install(|| run(&member, 70_003)));
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "{}", member.name);
    }
}

#[test]
fn give_the_same_bits_on_any_number_of_threads() {
    check_threads::<f32>();
    check_threads::<f64>();
}

#[test]
fn give_the_same_bits_with_every_instruction_set() {
    for member in tensor_members::<f32>() {
        let runs = [Isa::Baseline, Isa::Avx2, Isa::Avx512].map(|isa| {
            force(isa);
            run(&member, 20_003)
        });
        force(best());
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "{}", member.name);
    }
}

#[test]
fn go_on_with_the_same_bits_after_loading_their_state() {
    let matrix = |values: Vec<f32>| Array2::from_shape_vec((10, 10), values).unwrap();
    let gradient = |t: usize| matrix(gradients(t, 100));
    for (name, rule) in rules::<f32>() {
        let make = || Optimizer::<f32>::new(rule()).weight_decay(0.01).unwrap();
        let (mut w, mut through) = (matrix(start(100)), make());
        (1..=7).for_each(|t| through.step(&mut w, &gradient(t)));
        let (mut w_resumed, mut resumed) = (w.clone(), make());
        resumed.load_state(&through.state()).unwrap();
        for t in 8..=20 {
            through.step(&mut w, &gradient(t));
            resumed.step(&mut w_resumed, &gradient(t));
        }
        assert_eq!(
            bits(&w.into_raw_vec_and_offset().0),
            bits(&w_resumed.into_raw_vec_and_offset().0),
            "{name}"
        );
    }
}

#[test]
fn go_on_as_a_fresh_optimizer_from_state_saved_at_step_0() {
    let matrix = |values: Vec<f32>| Array2::from_shape_vec((10, 10), values).unwrap();
    for (name, rule) in rules::<f32>() {
        let make = || Optimizer::<f32>::new(rule()).weight_decay(0.01).unwrap();
        let run = |mut optimizer: Optimizer<f32>| {
            let mut w = matrix(start(100));
            (1..=4).for_each(|t| optimizer.step(&mut w, &matrix(gradients(t, 100))));
            (bits(&w.into_raw_vec_and_offset().0), optimizer)
        };
        let (fresh, mut used) = run(make());
        used.load_state(&make().state()).unwrap();
        assert_eq!(run(used).0, fresh, "{name}");
    }
}

#[test]
fn do_not_move_where_all_gradients_are_zero() {
    for (name, rule) in rules::<f32>() {
        let mut w = array![[1.5f32, -0.0, 3e-40]];
        let mut optimizer = Optimizer::new(rule());
        (0..10).for_each(|_| optimizer.step(&mut w, &array![[0.0, 0.0, 0.0]]));
        assert_eq!(w, array![[1.5, 0.0, 3e-40]], "{name}");
    }
}

#[test]
fn zeros_begin_to_move() {
    for member in tensor_members::<f64>() {
        let mut w = [0.0, 0.0];
        Optimizer::new((member.rule)()).step(&mut w, &[1.0, -1.0]);
        assert!(w[0] < 0.0 && w[0] == -w[1], "{}: {w:?}", member.name);
    }
}

#[test]
fn nothing_to_step_is_no_error() {
    for (_, rule) in rules::<f32>() {
        Optimizer::new(rule()).step(&mut Array2::zeros((0, 3)), &Array2::zeros((0, 3)));
    }
}

/// With an infinite or undefined norm the ratio counts as 1, so that the other elements move as usual.
#[test]
fn keep_what_is_not_finite_to_its_element() {
    for member in tensor_members::<f64>() {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut w = [1.0, 1.0];
            Optimizer::new((member.rule)()).step(&mut w, &[bad, 1.0]);
            assert!(!w[0].is_finite() && w[1].is_finite() && w[1] < 1.0, "{}: {w:?}", member.name);
            let mut w = [bad, 1.0];
            Optimizer::new((member.rule)()).step(&mut w, &[1.0, 1.0]);
            assert!(!w[0].is_finite() && w[1].is_finite() && w[1] < 1.0, "{}: {w:?}", member.name);
        }
    }
}

/// Their squares are not numbers of `f32`.
#[test]
fn norms_of_large_and_small_numbers_do_not_overflow() {
    for c in [2f32.powi(80), 2f32.powi(-80)] {
        let step = |c: f32| {
            let mut w: Vec<f32> = start(40).iter().map(|w: &f32| c * w).collect();
            let g: Vec<f32> = gradients(1, 40).iter().map(|g: &f32| c * g).collect();
            Optimizer::new(Lars::new(1.0).unwrap()).step(&mut w, &g);
            w
        };
        let expected: Vec<f32> = step(1.0).iter().map(|w| c * w).collect();
        assert_eq!(step(c), expected);
    }
}

#[test]
fn still_step_after_two_to_the_forty() {
    for (name, rule) in rules::<f32>() {
        let mut optimizer = Optimizer::<f32>::new(rule());
        let mut w = array![[1.0f32]];
        optimizer.step(&mut w, &array![[0.5]]);
        let mut state = optimizer.state();
        state.step = 1 << 40;
        optimizer.load_state(&state).unwrap();
        let before = w[[0, 0]];
        optimizer.step(&mut w, &array![[0.5]]);
        assert!(w[[0, 0]].is_finite() && w[[0, 0]] < before, "{name}: {w:?}");
    }
}

#[test]
fn refuse_hyperparameters_out_of_range() {
    let (lamb, lars) = (|| Lamb::new(0.1).unwrap(), || Lars::new(0.1).unwrap());
    let refused = [
        (Lamb::new(-1.0).err(), "Lamb: learning_rate must lie in [0, ∞), got -1"),
        (lamb().beta1(1.0).err(), "Lamb: beta1 must lie in [0, 1), got 1"),
        (lamb().beta2(-0.5).err(), "Lamb: beta2 must lie in [0, 1), got -0.5"),
        (lamb().epsilon(0.0).err(), "Lamb: epsilon must lie in (0, ∞), got 0"),
        (lamb().weight_decay(-1.0).err(), "Lamb: weight_decay must lie in [0, ∞), got -1"),
        (Lars::new(f64::NAN).err(), "Lars: learning_rate must lie in [0, ∞), got NaN"),
        (lars().momentum(1.0).err(), "Lars: momentum must lie in [0, 1), got 1"),
        (lars().trust_coefficient(0.0).err(), "Lars: trust_coefficient must lie in (0, ∞), got 0"),
        (lars().weight_decay(f64::NAN).err(), "Lars: weight_decay must lie in [0, ∞), got NaN"),
    ];
    for (error, message) in refused {
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
    }
}
