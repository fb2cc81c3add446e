//! What every rule must do.

use crate::list;
use crate::problems;

use list::{Member, cost, members};
use nn_core::Real;
use nn_ops::simd::{Isa, best, force};
use nn_optim::*;
use problems::problems;
use proptest::prelude::*;

/// The learning rate where another is not needed.
const RATE: f64 = 0.01;

/// Gradients without pattern, of five orders of magnitude.
fn gradients<F: Real>(t: usize, n: usize) -> Vec<F> {
    let g = |i: usize| (1.3 * t as f64 + 0.7 * (i * i) as f64).sin() * 10f64.powi((i % 5) as i32 - 3);
    (0..n).map(|i| F::from_f64(g(i))).collect()
}

fn start<F: Real>(n: usize) -> Vec<F> {
    (0..n).map(|i| F::from_f64((i as f64 * 0.37).cos())).collect()
}

fn bits<F: Real>(values: &[F]) -> Vec<u64> {
    values.iter().map(|x| x.bits()).collect()
}

/// The bits of the parameters after some steps, stepped in pieces that end at `cuts` and at `n`.
fn run<F: Real>(member: &Member<F>, n: usize, steps: usize, cuts: &[usize]) -> Vec<u64> {
    let mut w = start(n);
    let mut ends: Vec<usize> = cuts.iter().map(|&cut| cut.min(n)).chain([0, n]).collect();
    ends.sort_unstable();
    for piece in ends.windows(2).map(|ends| ends[0]..ends[1]) {
        let mut optimizer = Optimizer::<F>::new((member.rule)(RATE)).weight_decay(0.05).unwrap();
        for t in 1..=steps {
            optimizer.step_with_cost(&mut w[piece.clone()], &gradients::<F>(t, n)[piece.clone()], cost(t));
        }
    }
    bits(&w)
}

fn check_against_reference<F: Real>(tolerance: f64) {
    let n = 37;
    for member in members::<F>() {
        for (decay, scale) in [(0.0, 1.0), (0.1, 1.0), (0.1, 0.25)] {
            let mut optimizer = Optimizer::<F>::new((member.rule)(RATE)).weight_decay(decay).unwrap();
            let mut w: Vec<F> = start(n);
            let mut expected: Vec<f64> = w.iter().map(|x| x.to_f64()).collect();
            let mut reference: Vec<_> = (0..n).map(|_| (member.reference)(RATE, decay)).collect();
            for t in 1..=200 {
                let g: Vec<F> = gradients(t, n);
                optimizer.set_cost(cost(t));
                optimizer.step_scaled(&mut w, &g, scale);
                for i in 0..n {
                    expected[i] = reference[i](t as i32, expected[i], scale * g[i].to_f64());
                    let error = (w[i].to_f64() - expected[i]).abs() / expected[i].abs().max(1.0);
                    assert!(error <= tolerance, "{}, step {t}, {i}: off by {error:e}", member.name);
                }
            }
        }
    }
}

#[test]
fn follow_their_formula_in_f64() {
    check_against_reference::<f64>(1e-12);
}

#[test]
fn follow_their_formula_in_f32() {
    check_against_reference::<f32>(1e-5);
}

/// On a quadratic, on Rosenbrock's function and on a small network, with a rate that falls to a hundredth.
#[test]
fn descend_on_three_problems() {
    for member in members::<f64>() {
        for ((problem, rate), share) in problems::<f64>().into_iter().zip(member.rates).zip([1e-6, 0.2, 0.2])
        {
            let mut optimizer = Optimizer::new((member.rule)(rate)).weight_decay(0.0).unwrap();
            let (mut w, (first, _)) = (problem.start.clone(), (problem.function)(&problem.start));
            for t in 0..3000 {
                optimizer.set_learning_rate(rate * 0.01f64.powf(f64::from(t) / 3000.0)).unwrap();
                let (cost, g) = (problem.function)(&w);
                optimizer.step_with_cost(&mut w, &g, cost);
            }
            let (last, _) = (problem.function)(&w);
            assert!(last < share * first, "{} on {}: from {first} to {last}", member.name, problem.name);
        }
    }
}

/// The rewritten form keeps the shifted point θ + µ·v in place of θ.
#[test]
fn both_forms_of_nesterov_go_the_same_way() {
    let [problem, ..] = problems::<f64>();
    let mut original = Optimizer::new(ShiftedNesterov::new(RATE, 0.9).unwrap());
    let mut rewritten = Optimizer::new(Nesterov::new(RATE, 0.9).unwrap());
    let (mut theta, mut w) = (problem.start.clone(), problem.start.clone());
    let mut shifted = problem.start;
    for step in 0..100 {
        let (_, g) = (problem.function)(&shifted);
        original.step(&mut theta, &g);
        let (_, g) = (problem.function)(&w);
        rewritten.step(&mut w, &g);
        original.look_ahead(&theta, &mut shifted);
        assert!(
            w.iter().zip(&shifted).all(|(a, b)| (a - b).abs() < 1e-12),
            "step {step}: {w:?}, {shifted:?}"
        );
        assert!(w.iter().zip(&theta).any(|(a, b)| (a - b).abs() > 1e-6), "step {step}: the points are one");
    }
}

/// Learning rate and weight decay of `Default`, as the packages have them.
#[test]
fn have_the_defaults_of_the_packages() {
    let defaults: [(Box<dyn Rule<f32>>, f64, f64); 17] = [
        (Box::new(Sgd::default()), 1e-3, 0.0),
        (Box::new(Momentum::default()), 1e-3, 0.0),
        (Box::new(ExponentialMomentum::default()), 1e-3, 0.0),
        (Box::new(Nesterov::default()), 1e-3, 0.0),
        (Box::new(ShiftedNesterov::default()), 1e-3, 0.0),
        (Box::new(Adagrad::default()), 1e-2, 0.0),
        (Box::new(Adadelta::default()), 1.0, 0.0),
        (Box::new(RmsProp::default()), 1e-2, 0.0),
        (Box::new(Adam::default()), 1e-3, 0.0),
        (Box::new(AdamW::default()), 1e-3, 1e-2),
        (Box::new(AdamW::optax(1e-3).unwrap()), 1e-3, 1e-4),
        (Box::new(Adamax::default()), 2e-3, 0.0),
        (Box::new(NAdam::default()), 2e-3, 0.0),
        (Box::new(RAdam::default()), 1e-3, 0.0),
        (Box::new(Rprop::default()), 1e-2, 0.0),
        (Box::new(Lion::default()), 1e-4, 1e-3),
        (Box::new(Adan::default()), 1e-3, 0.0),
    ];
    for (rule, rate, decay) in defaults {
        assert_eq!((rule.learning_rate(), rule.weight_decay()), (rate, decay), "{}", rule.name());
    }
}

fn check_round_trip<F: Real>() {
    let n = 100;
    for member in members::<F>() {
        let make = || Optimizer::<F>::new((member.rule)(RATE)).weight_decay(0.01).unwrap();
        let (mut w, mut through) = (start::<F>(n), make());
        for t in 1..=7 {
            through.step_with_cost(&mut w, &gradients::<F>(t, n), cost(t));
        }
        through.set_learning_rate(0.003).unwrap();
        let (mut w_resumed, mut resumed) = (w.clone(), make());
        resumed.load_state(&through.state()).unwrap();
        assert_eq!(resumed.state(), through.state());
        for t in 8..=20 {
            through.step_with_cost(&mut w, &gradients::<F>(t, n), cost(t));
            resumed.step_with_cost(&mut w_resumed, &gradients::<F>(t, n), cost(t));
            assert_eq!(bits(&w), bits(&w_resumed), "{}, step {t}", member.name);
        }
    }
}

#[test]
fn go_on_with_the_same_bits_after_loading_their_state() {
    check_round_trip::<f32>();
    check_round_trip::<f64>();
}

#[test]
fn state_saved_at_step_0_goes_on_as_a_fresh_optimizer() {
    for member in members::<f64>() {
        let make = || Optimizer::<f64>::new((member.rule)(RATE)).weight_decay(0.01).unwrap();
        let run = |mut optimizer: Optimizer<f64>| {
            let mut w = start(5);
            (1..=4).for_each(|t| optimizer.step_with_cost(&mut w, &gradients::<f64>(t, 5), cost(t)));
            (bits(&w), optimizer)
        };
        let (fresh, mut used) = run(make());
        used.load_state(&make().state()).unwrap();
        assert_eq!(run(used).0, fresh, "{}", member.name);
    }
}

fn check_threads<F: Real>() {
    let n = 70_003;
    let pools = [1, 2, 3].map(|k| rayon::ThreadPoolBuilder::new().num_threads(k).build().unwrap());
    for member in members::<F>() {
        let runs = pools.each_ref().map(|pool| pool.install(|| run(&member, n, 3, &[])));
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "{}", member.name);
        assert!(run(&member, n, 3, &[7, 69_000]) == runs[0], "{}, in pieces", member.name);
    }
}

#[test]
fn give_the_same_bits_on_any_number_of_threads() {
    check_threads::<f32>();
    check_threads::<f64>();
}

#[test]
fn give_the_same_bits_with_every_instruction_set() {
    for member in members::<f32>() {
        let runs = [Isa::Baseline, Isa::Avx2, Isa::Avx512].map(|isa| {
            force(isa);
            run(&member, 1003, 5, &[])
        });
        force(best());
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "{}", member.name);
    }
}

proptest! {
    #[test]
    fn give_the_same_bits_in_any_pieces(n in 0usize..150, cuts in proptest::collection::vec(0usize..150, 0..4)) {
        for member in members::<f32>() {
            prop_assert_eq!(run(&member, n, 4, &cuts), run(&member, n, 4, &[]), "{}", member.name);
        }
    }
}

#[test]
fn do_not_move_where_the_gradient_is_zero() {
    for member in members::<f32>() {
        let mut w = [1.5f32, -0.0, 3e-40];
        let mut optimizer = Optimizer::new((member.rule)(RATE)).weight_decay(0.0).unwrap();
        for t in 0..10 {
            optimizer.step_with_cost(&mut w, &[0.0; 3], cost(t));
        }
        assert_eq!(w, [1.5, 0.0, 3e-40], "{}", member.name);
    }
}

/// An infinite gradient spoils its parameter, but where only the sign counts it is as good as any.
#[test]
fn keep_a_bad_gradient_to_its_element() {
    for member in members::<f64>() {
        let mut w = [1.0, 1.0, 1.0];
        let mut optimizer = Optimizer::new((member.rule)(RATE));
        optimizer.step_with_cost(&mut w, &[f64::NAN, f64::INFINITY, 1.0], f64::NAN);
        let signs = member.name.starts_with("Lion") || member.name.starts_with("Rprop");
        assert!(!w[0].is_finite() && w[2].is_finite(), "{}: {w:?}", member.name);
        assert!(if signs { w[1] == w[2] } else { !w[1].is_finite() }, "{}: {w:?}", member.name);
    }
}

#[test]
fn still_step_after_two_to_the_forty() {
    for member in members::<f64>() {
        let mut optimizer = Optimizer::<f64>::new((member.rule)(RATE)).weight_decay(0.0).unwrap();
        let mut w = [1.0];
        optimizer.step_with_cost(&mut w, &[0.5], 0.5);
        let mut state = optimizer.state();
        state.step = 1 << 40;
        optimizer.load_state(&state).unwrap();
        let before = w[0];
        optimizer.step_with_cost(&mut w, &[0.5], 0.5);
        assert_eq!(optimizer.steps(), (1 << 40) + 1);
        assert!(w[0].is_finite() && w[0] < before, "{}: {w:?}", member.name);
    }
}

#[test]
fn refuse_hyperparameters_out_of_range() {
    let sgd = || Sgd::new(0.1).unwrap();
    let adam = || Adam::new(0.1).unwrap();
    let momentum = || Momentum::new(0.1, 0.9).unwrap();
    let rate = Optimizer::<f32>::new(adam()).set_learning_rate(f64::NAN);
    let refused = [
        (Sgd::new(f64::NAN).err(), "Sgd: learning_rate must lie in [0, ∞), got NaN"),
        (Sgd::new(f64::INFINITY).err(), "Sgd: learning_rate must lie in [0, ∞), got inf"),
        (Momentum::new(-0.1, 0.9).err(), "Momentum: learning_rate must lie in [0, ∞), got -0.1"),
        (sgd().momentum(1.0).err(), "Momentum: momentum must lie in [0, 1), got 1"),
        (momentum().dampening(1.5).err(), "Momentum: dampening must lie in [0, 1], got 1.5"),
        (
            momentum().dampening(0.5).unwrap().nesterov().err(),
            "Nesterov: dampening must lie in [0, 0], got 0.5",
        ),
        (Nesterov::new(0.1, -0.5).err(), "Nesterov: momentum must lie in [0, 1), got -0.5"),
        (Nesterov::new(-1.0, 0.5).err(), "Nesterov: learning_rate must lie in [0, ∞), got -1"),
        (Adam::new(-1e-3).err(), "Adam: learning_rate must lie in [0, ∞), got -0.001"),
        (adam().beta1(1.0).err(), "Adam: beta1 must lie in [0, 1), got 1"),
        (adam().beta2(-0.1).err(), "Adam: beta2 must lie in [0, 1), got -0.1"),
        (adam().epsilon(0.0).err(), "Adam: epsilon must lie in (0, ∞), got 0"),
        (rate.err(), "Adam: learning_rate must lie in [0, ∞), got NaN"),
        (
            Optimizer::<f32>::new(sgd()).weight_decay(-1.0).err(),
            "Sgd: weight_decay must lie in [0, ∞), got -1",
        ),
        (Momentum::keras(0.1, 1.0).err(), "Momentum: momentum must lie in [0, 1), got 1"),
        (
            ExponentialMomentum::new(-1.0, 0.9).err(),
            "ExponentialMomentum: learning_rate must lie in [0, ∞), got -1",
        ),
        (ExponentialMomentum::new(0.1, 1.0).err(), "ExponentialMomentum: beta must lie in [0, 1), got 1"),
        (ShiftedNesterov::new(-1.0, 0.9).err(), "ShiftedNesterov: learning_rate must lie in [0, ∞), got -1"),
        (ShiftedNesterov::new(0.1, -0.1).err(), "ShiftedNesterov: momentum must lie in [0, 1), got -0.1"),
        (Nesterov::keras(0.1, 1.0).err(), "Nesterov: momentum must lie in [0, 1), got 1"),
        (Adagrad::new(-1.0).err(), "Adagrad: learning_rate must lie in [0, ∞), got -1"),
        (Adadelta::new(-1.0).err(), "Adadelta: learning_rate must lie in [0, ∞), got -1"),
        (RmsProp::new(-1.0).err(), "RmsProp: learning_rate must lie in [0, ∞), got -1"),
        (AdamW::new(-1.0).err(), "AdamW: learning_rate must lie in [0, ∞), got -1"),
        (Adamax::new(-1.0).err(), "Adamax: learning_rate must lie in [0, ∞), got -1"),
        (NAdam::new(-1.0).err(), "NAdam: learning_rate must lie in [0, ∞), got -1"),
        (RAdam::new(-1.0).err(), "RAdam: learning_rate must lie in [0, ∞), got -1"),
        (Rprop::new(-1.0).err(), "Rprop: learning_rate must lie in [0, ∞), got -1"),
        (Lion::new(-1.0).err(), "Lion: learning_rate must lie in [0, ∞), got -1"),
        (Adan::new(-1.0).err(), "Adan: learning_rate must lie in [0, ∞), got -1"),
        (Adagrad::default().epsilon(0.0).err(), "Adagrad: epsilon must lie in (0, ∞), got 0"),
        (Adadelta::default().epsilon(0.0).err(), "Adadelta: epsilon must lie in (0, ∞), got 0"),
        (RmsProp::default().epsilon(0.0).err(), "RmsProp: epsilon must lie in (0, ∞), got 0"),
        (AdamW::default().epsilon(0.0).err(), "AdamW: epsilon must lie in (0, ∞), got 0"),
        (Adamax::default().epsilon(0.0).err(), "Adamax: epsilon must lie in (0, ∞), got 0"),
        (NAdam::default().epsilon(0.0).err(), "NAdam: epsilon must lie in (0, ∞), got 0"),
        (RAdam::default().epsilon(0.0).err(), "RAdam: epsilon must lie in (0, ∞), got 0"),
        (Adan::default().epsilon(0.0).err(), "Adan: epsilon must lie in (0, ∞), got 0"),
        (AdamW::default().beta1(1.0).err(), "AdamW: beta1 must lie in [0, 1), got 1"),
        (AdamW::default().beta2(-1.0).err(), "AdamW: beta2 must lie in [0, 1), got -1"),
        (Adamax::default().beta1(1.0).err(), "Adamax: beta1 must lie in [0, 1), got 1"),
        (Adamax::default().beta2(-1.0).err(), "Adamax: beta2 must lie in [0, 1), got -1"),
        (NAdam::default().beta1(1.0).err(), "NAdam: beta1 must lie in [0, 1), got 1"),
        (NAdam::default().beta2(-1.0).err(), "NAdam: beta2 must lie in [0, 1), got -1"),
        (RAdam::default().beta1(1.0).err(), "RAdam: beta1 must lie in [0, 1), got 1"),
        (RAdam::default().beta2(-1.0).err(), "RAdam: beta2 must lie in [0, 1), got -1"),
        (Adan::default().beta1(1.0).err(), "Adan: beta1 must lie in [0, 1), got 1"),
        (Adan::default().beta2(-1.0).err(), "Adan: beta2 must lie in [0, 1), got -1"),
        (Lion::default().beta1(1.0).err(), "Lion: beta1 must lie in [0, 1), got 1"),
        (Lion::default().beta2(-1.0).err(), "Lion: beta2 must lie in [0, 1), got -1"),
        (AdamW::default().weight_decay(-1.0).err(), "AdamW: weight_decay must lie in [0, ∞), got -1"),
        (Adan::default().weight_decay(-1.0).err(), "Adan: weight_decay must lie in [0, ∞), got -1"),
        (Lion::default().weight_decay(-1.0).err(), "Lion: weight_decay must lie in [0, ∞), got -1"),
        (Adagrad::default().rate_decay(-1.0).err(), "Adagrad: rate_decay must lie in [0, ∞), got -1"),
        (Adagrad::default().initial_sum(-1.0).err(), "Adagrad: initial_sum must lie in [0, ∞), got -1"),
        (Adadelta::default().rho(1.0).err(), "Adadelta: rho must lie in [0, 1), got 1"),
        (RmsProp::default().decay_factor(1.0).err(), "RmsProp: decay_factor must lie in [0, 1), got 1"),
        (RmsProp::default().momentum(1.0).err(), "RmsProp: momentum must lie in [0, 1), got 1"),
        (NAdam::default().momentum_decay(-1.0).err(), "NAdam: momentum_decay must lie in [0, ∞), got -1"),
        (Adan::default().beta3(1.0).err(), "Adan: beta3 must lie in [0, 1), got 1"),
        (Rprop::default().factors(1.0, 1.2).err(), "Rprop: shrink must lie in (0, 1), got 1"),
        (Rprop::default().factors(0.5, 1.0).err(), "Rprop: grow must lie in (1, ∞), got 1"),
        (Rprop::default().step_sizes(2.0, 1.0).err(), "Rprop: smallest must lie in (0, largest], got 2"),
        (Rprop::default().step_sizes(0.0, f64::INFINITY).err(), "Rprop: largest must lie in (0, ∞), got inf"),
    ];
    for (error, message) in refused {
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
    }
}

/// 0.9 times the smallest subnormal number is rounded to itself: without care a momentum never becomes zero.
#[test]
fn slots_do_not_stay_subnormal_when_the_gradient_has_become_zero() {
    for member in members::<f32>() {
        let mut optimizer = Optimizer::new((member.rule)(RATE));
        let mut w = [1.0f32; 40];
        optimizer.step_with_cost(&mut w, &[1e-6; 40], 1.0);
        for _ in 0..3000 {
            optimizer.step_with_cost(&mut w, &[0.0; 40], 1.0);
        }
        for (slot, values) in optimizer.slots() {
            let is_subnormal = |x: &f32| *x != 0.0 && x.abs() < f32::MIN_POSITIVE;
            assert!(!values.as_slice().iter().any(is_subnormal), "{}: {slot}", member.name);
        }
    }
}
