//! The driver: arrays, arenas, state.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis, Slice, array};
use nn_core::{Arena, ParamLayout, Real, Role};
use nn_optim::{
    Adam, Context, Decay, Group, Lars, Momentum, Optimizer, Pass, Rprop, Rule, Sgd, ShiftedNesterov, State,
};

const PARAMS: [(&str, &[usize], Role); 6] = [
    ("running_mean", &[3], Role::RunningStatistic),
    ("0.weight", &[5, 7], Role::Weight),
    ("0.bias", &[5], Role::Bias),
    ("running_var", &[17], Role::RunningStatistic),
    ("empty", &[0, 4], Role::Weight),
    ("1.weight", &[2, 5], Role::Weight),
];

fn layout(params: &[(&str, &[usize], Role)]) -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    for (name, shape, role) in params {
        layout.add(name, shape, *role).unwrap();
    }
    Arc::new(layout)
}

fn filled(layout: &Arc<ParamLayout>, f: fn(usize) -> f32) -> Arena<f32> {
    let mut arena = Arena::zeros(Arc::clone(layout));
    for position in 0..layout.params().len() {
        for (i, x) in arena.view_mut(position).iter_mut().enumerate() {
            *x = f(100 * position + i);
        }
    }
    arena
}

fn adam() -> Adam {
    Adam::new(0.1).unwrap()
}

/// An optimizer after three steps on an arena.
fn stepped(params: &[(&str, &[usize], Role)]) -> Optimizer<f32> {
    let layout = layout(params);
    let mut optimizer = Optimizer::for_layout(adam(), &layout);
    let (mut w, g) = (filled(&layout, |i| (i as f32).sin()), filled(&layout, |i| (i as f32).cos()));
    for _ in 0..3 {
        optimizer.step(&mut w, &g);
    }
    optimizer
}

#[test]
fn an_arena_steps_as_its_parameters_do_alone() {
    let layout = layout(&PARAMS);
    let (mut w, g) = (filled(&layout, |i| (i as f32).sin()), filled(&layout, |i| (i as f32).cos()));
    let before = w.clone();
    let mut whole = Optimizer::for_layout(adam(), &layout).weight_decay(0.1).unwrap();
    for _ in 0..5 {
        whole.step(&mut w, &g);
    }
    for (name, _, role) in PARAMS {
        let mut alone = before.get(name).unwrap().to_owned();
        if role.is_trained() {
            let mut optimizer = Optimizer::new(adam()).weight_decay(0.1).unwrap();
            for _ in 0..5 {
                optimizer.step(&mut alone, &g.get(name).unwrap());
            }
        } else {
            (0..5).for_each(|_| alone -= &g.get(name).unwrap());
        }
        assert_eq!(w.get(name).unwrap(), alone, "{name}");
    }
    let mut padding = w.clone();
    (0..PARAMS.len()).for_each(|position| padding.view_mut(position).fill(0.0));
    assert!(padding.as_slice().iter().all(|&x| x == 0.0), "the padding must stay zero");
    let moments = whole.slots().map(|(_, arena)| arena.get("running_var").unwrap().sum()).sum::<f32>();
    assert_eq!(moments, 0.0);
}

#[test]
fn arrays_in_any_memory_layout_step_alike() {
    let w = Array2::from_shape_fn((4, 6), |(i, j)| (i * 6 + j) as f64);
    let g = w.mapv(f64::sin);
    let mut expected = w.clone();
    let mut optimizer = Optimizer::new(adam());
    optimizer.step(&mut expected, &g);
    optimizer.step(&mut expected, &g);

    let mut transposed = w.t().as_standard_layout().into_owned().reversed_axes();
    assert!(!transposed.is_standard_layout());
    let mut optimizer = Optimizer::new(adam());
    optimizer.step(&mut transposed, &g);
    optimizer.step(&mut transposed, &g.t().as_standard_layout().reversed_axes());
    assert_eq!(transposed, expected);

    let mut wide = Array2::zeros((4, 12));
    let (even, odd) = (Slice::new(0, None, 2), Slice::new(1, None, 2));
    wide.slice_axis_mut(Axis(1), even).assign(&w);
    let mut optimizer = Optimizer::new(adam());
    for _ in 0..2 {
        optimizer.step(&mut wide.slice_axis_mut(Axis(1), even), &g);
    }
    assert_eq!(wide.slice_axis(Axis(1), even), expected);
    assert_eq!(wide.slice_axis(Axis(1), odd).sum(), 0.0);
}

#[test]
fn slices_vectors_and_arrays_are_taken() {
    let mut sgd = Optimizer::new(Sgd::new(1.0).unwrap());
    let (mut vector, mut array, mut owned) = (vec![1.0f32, 2.0], [1.0f32, 2.0], array![1.0f32, 2.0]);
    sgd.step(&mut vector, &array![1.0, 1.0]);
    sgd.step(&mut array, &[1.0, 1.0]);
    sgd.step(&mut owned, &vec![1.0, 1.0]);
    sgd.step(&mut vector[..], &array.map(|x| x + 1.0)[..]);
    assert_eq!((vector, array, owned), (vec![-1.0, -1.0], [0.0, 1.0], array![0.0, 1.0]));
    assert_eq!(sgd.steps(), 4);
}

#[test]
fn nothing_to_step_is_no_error() {
    let mut optimizer = Optimizer::new(adam());
    optimizer.step(&mut Vec::<f32>::new(), &[0.0; 0]);
    let empty = layout(&[]);
    Optimizer::<f32>::for_layout(adam(), &empty).step(&mut Arena::zeros(empty.clone()), &Arena::zeros(empty));
}

#[test]
fn the_learning_rate_can_change() {
    let mut sgd = Optimizer::new(Sgd::new(1.0).unwrap());
    let mut w = [0.0f64];
    sgd.step(&mut w, &[1.0]);
    sgd.set_learning_rate(0.25).unwrap();
    sgd.step(&mut w, &[1.0]);
    assert!(sgd.set_learning_rate(-1.0).is_err());
    sgd.step(&mut w, &[1.0]);
    assert_eq!((w, sgd.learning_rate()), ([-1.5], 0.25));
}

#[test]
#[should_panic(expected = "Adam: the optimizer steps w: [2, 3], but the gradients are w: [3, 2]")]
fn a_gradient_of_another_shape_is_refused() {
    Optimizer::new(adam()).step(&mut Array2::<f32>::zeros((2, 3)), &Array2::zeros((3, 2)));
}

#[test]
#[should_panic(expected = "Sgd: the optimizer steps w: [4], but the parameters are w: [5]")]
fn another_parameter_is_refused() {
    let mut optimizer = Optimizer::new(Sgd::default());
    optimizer.step(&mut Array1::<f32>::zeros(4), &[0.0; 4]);
    optimizer.step(&mut Array1::<f32>::zeros(5), &[0.0; 5]);
}

/// Makes a rule.
type Make = fn() -> Box<dyn Rule<f32>>;

/// Bits of w − g, whatever the rule, rate, decay and scale; some values would show a detour by 1·g + 0·w.
#[test]
fn running_statistics_move_by_their_gradients_as_they_are() {
    let layout = layout(&[
        ("weight", &[3], Role::Weight),
        ("mean", &[200_000], Role::RunningStatistic),
        ("scale", &[3], Role::NormScale),
        ("var", &[2], Role::RunningStatistic),
    ]);
    let mut g = filled(&layout, |i| (i as f32).cos());
    let mut before = filled(&layout, |i| (i as f32).sin());
    before.get_mut("var").unwrap().assign(&array![f32::INFINITY, 3e-40]);
    g.get_mut("var").unwrap().assign(&array![1.0, 1e-40]);
    let rules: [Make; 2] = [|| Box::new(adam()), || Box::new(Lars::new(1.0).unwrap())];
    for rule in rules {
        let runs = [1, 2].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut w, mut optimizer) = (before.clone(), Optimizer::for_layout(rule(), &layout));
            optimizer = optimizer.weight_decay(0.5).unwrap().no_decay_on_bias_and_norm();
            optimizer = optimizer.group(Group::named("*").learning_rate_factor(3.0).unwrap()).unwrap();
            pool.install(|| optimizer.step_scaled(&mut w, &g, 0.25));
            for (slot, values) in optimizer.slots() {
                let touched = ["mean", "var"].map(|name| values.get(name).unwrap().iter().any(|&x| x != 0.0));
                assert_eq!(touched, [false, false], "{slot}");
            }
            w
        });
        for name in ["mean", "var"] {
            let expected = &before.get(name).unwrap() - &g.get(name).unwrap();
            assert!(expected.iter().all(|x| !x.is_nan()));
            for w in &runs {
                let bits = |x: &f32| x.to_bits();
                assert!(w.get(name).unwrap().iter().map(bits).eq(expected.iter().map(bits)), "{name}");
            }
        }
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0].get("weight"), before.get("weight"));
    }
}

/// One step of one parameter with a gradient and a cost.
type Step = dyn Fn(&mut Optimizer<f64>, &mut [f64; 1], f64, f64);

#[test]
fn the_cost_reaches_the_rule_for_one_step_in_any_form() {
    // One element that turns at step 2, from −0.5: iRprop⁺ undoes the move where the cost has risen.
    let run = |step: &Step| {
        let mut w = [0.0];
        let mut optimizer = Optimizer::new(Rprop::improved_plus(0.5).unwrap());
        step(&mut optimizer, &mut w, 1.0, 1.0);
        assert_eq!(w, [-0.5]);
        step(&mut optimizer, &mut w, -1.0, 2.0);
        w[0]
    };
    assert_eq!(run(&|optimizer, w, g, cost| optimizer.step_with_cost(w, &[g], cost)), 0.0);
    assert_eq!(run(&|optimizer, w, g, cost| optimizer.step_with_cost(w, &[g], -cost)), -0.5);
    assert_eq!(run(&|optimizer, w, g, _| optimizer.step_with_cost(w, &[g], 1.0)), -0.5);
    assert_eq!(run(&|optimizer, w, g, _| optimizer.step_with_cost(w, &[g], f64::NAN)), 0.0);
    let scaled = run(&|optimizer, w, g, cost| {
        optimizer.set_cost(cost);
        optimizer.step_scaled(w, &[g], 0.5);
    });
    assert_eq!(scaled, 0.0);
}

#[test]
#[should_panic(expected = "iRprop+ needs the cost: step_with_cost")]
fn a_rule_that_needs_the_cost_is_not_stepped_without() {
    let mut optimizer = Optimizer::new(Rprop::improved_plus(0.5).unwrap());
    optimizer.step_with_cost(&mut [1.0], &[1.0], 1.0);
    optimizer.step(&mut [1.0], &[1.0]);
}

#[test]
fn rules_say_whether_they_want_full_batches() {
    let rprop = [Rprop::new(0.1), Rprop::plus(0.1), Rprop::minus(0.1), Rprop::improved_plus(0.1)];
    assert!(rprop.iter().all(|rule| Optimizer::<f32>::new(rule.clone().unwrap()).rule().full_batch_only()));
    let boxed: Box<dyn Rule<f32>> = Box::new(Rprop::default());
    assert!(Optimizer::new(boxed).rule().full_batch_only());
    assert!(!Optimizer::<f32>::new(adam()).rule().full_batch_only());
}

#[test]
fn looking_ahead_writes_another_point_and_leaves_the_parameters() {
    let layout = layout(&PARAMS);
    let (w, g) = (filled(&layout, |i| (i as f32).sin()), filled(&layout, |i| (i as f32).cos()));
    let mut ahead = filled(&layout, |_| 7.0);
    let optimizer = Optimizer::new(ShiftedNesterov::new(0.5, 0.75).unwrap());
    optimizer.look_ahead(&w, &mut ahead);
    assert_eq!(ahead, w, "before the first step");
    let frozen = Group::named("0.bias").excluded();
    let own = ShiftedNesterov::new(9.0, 0.25).unwrap();
    let mut optimizer = Optimizer::for_layout(ShiftedNesterov::new(0.5, 0.75).unwrap(), &layout)
        .group(frozen)
        .unwrap()
        .group_with_rule(Group::named("1.*").learning_rate_factor(0.5).unwrap(), own)
        .unwrap();
    let mut stepped = w.clone();
    optimizer.step(&mut stepped, &g);
    let now = stepped.clone();
    optimizer.look_ahead(&stepped, &mut ahead);
    assert_eq!(stepped, now);
    for (name, factor) in
        [("0.weight", 0.75 * 0.5), ("1.weight", 0.25 * 0.25), ("0.bias", 0.0), ("running_mean", 0.0)]
    {
        let expected = &now.get(name).unwrap() - &(factor * &g.get(name).unwrap());
        assert_eq!(ahead.get(name).unwrap(), expected, "{name}");
    }

    let mut adam = Optimizer::new(adam());
    adam.step(&mut stepped, &g);
    adam.look_ahead(&stepped, &mut ahead);
    assert_eq!(ahead, stepped, "a rule without a look-ahead");
}

#[test]
#[should_panic(
    expected = "ShiftedNesterov: the optimizer steps w: [2], but the values of the point ahead are w: [3]"
)]
fn a_point_ahead_of_another_shape_is_refused() {
    Optimizer::new(ShiftedNesterov::default()).look_ahead(&[1.0f32; 2], &mut [0.0; 3]);
}

#[test]
#[should_panic(expected = "Adam: the gradient's scale is inf")]
fn an_infinite_scale_is_refused() {
    Optimizer::new(adam()).step_scaled(&mut [1.0f32], &[1.0], f64::INFINITY);
}

#[test]
fn state_finds_its_parameters_in_another_order() {
    let saved = stepped(&PARAMS).state();
    let mut reversed = PARAMS;
    reversed.reverse();
    let mut optimizer = Optimizer::for_layout(adam(), &layout(&reversed));
    optimizer.load_state(&saved).unwrap();
    assert_eq!(optimizer.steps(), 3);
    for (slot, arena) in optimizer.slots() {
        for (name, view) in arena.iter() {
            assert_eq!(view, saved.slots[slot].get(name).unwrap(), "{slot} {name}");
        }
    }
}

#[test]
fn state_of_a_fresh_optimizer_resets() {
    let mut optimizer = stepped(&PARAMS);
    optimizer.load_state(&Optimizer::new(adam()).state()).unwrap();
    assert_eq!(optimizer.steps(), 0);
    let all_zero = |arena: &Arena<f32>| arena.as_slice().iter().all(|&x| x == 0.0);
    assert_eq!(optimizer.slots().filter(|(_, arena)| all_zero(arena)).count(), 2);
}

/// State from which the parameters of `params` were saved.
fn state_of(params: &[(&str, &[usize], Role)]) -> State<f32> {
    stepped(params).state()
}

#[test]
fn foreign_state_is_refused_by_name_and_nothing_is_loaded() {
    let mut longer = PARAMS.to_vec();
    longer.push(("2.bias", &[1], Role::Bias));
    let mut misshapen = PARAMS;
    misshapen[1].1 = &[7, 5];
    let edited = |edit: fn(&mut State<f32>)| {
        let mut state = state_of(&PARAMS);
        edit(&mut state);
        state
    };
    let mut one_misshapen = state_of(&PARAMS);
    one_misshapen.slots.insert("exp_avg_sq".into(), state_of(&misshapen).slots["exp_avg"].clone());
    let momentum = Optimizer::for_layout(Momentum::default(), &layout(&PARAMS)).state();
    let cases = [
        (momentum, "optimizer state is of rule `Momentum`, expected `Adam`"),
        (edited(|s| drop(s.slots.remove("exp_avg_sq"))), "optimizer state lacks slot `exp_avg_sq`"),
        (edited(|s| s.slots.clear()), "optimizer state lacks slot `exp_avg`"),
        (
            edited(|s| drop(s.slots.insert("max".into(), s.slots["exp_avg"].clone()))),
            "optimizer state has slot `max`, which the rule does not have",
        ),
        (state_of(&PARAMS[..5]), "slot `exp_avg` of the optimizer state lacks parameter `1.weight`"),
        (state_of(&longer), "slot `exp_avg` of the optimizer state has an unknown parameter `2.bias`"),
        (
            one_misshapen,
            "slot `exp_avg_sq` of the optimizer state has shape [7, 5] for parameter `0.weight`, \
             expected [5, 7]",
        ),
        (
            edited(|s| s.learning_rate = f64::NAN),
            "optimizer state: learning_rate must lie in [0, ∞), got NaN",
        ),
    ];
    for (state, message) in cases {
        let mut optimizer = stepped(&PARAMS);
        optimizer.set_learning_rate(0.5).unwrap();
        let before = optimizer.state();
        assert_eq!(optimizer.load_state(&state).unwrap_err().to_string(), message);
        assert_eq!(optimizer.state(), before, "{message}");
    }
}

/// Descent along p·g with p = 2ᵗ, which the driver keeps as a scalar, and with weight decay inside: w ← w − α·(p·g + λ·w).
#[derive(Debug)]
struct Doubling;

impl<F: Real> Rule<F> for Doubling {
    fn name(&self) -> &'static str {
        "Doubling"
    }

    fn slots(&self) -> &'static [&'static str] {
        &[]
    }

    fn learning_rate(&self) -> f64 {
        1.0
    }

    fn weight_decay(&self) -> f64 {
        0.5
    }

    fn decay(&self) -> Decay {
        Decay::Inside
    }

    fn scalars(&self) -> &'static [&'static str] {
        &["power"]
    }

    fn advance(&self, step: u64, scalars: &mut [f64]) {
        scalars[0] = if step == 1 { 2.0 } else { 2.0 * scalars[0] };
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let [rate, p] = [context.learning_rate, context.scalars[0]].map(F::from_f64);
        let decay = F::from_f64(context.weight_decay);
        pass.each(move |w, g, []| (w - rate * (p * g + decay * w), []));
    }
}

#[test]
fn scalars_advance_once_a_step_and_are_saved() {
    let params =
        [("a", &[1][..], Role::Weight), ("stays", &[1], Role::RunningStatistic), ("b", &[1], Role::Bias)];
    let layout = layout(&params);
    let mut w = Arena::<f64>::zeros(layout.clone());
    let mut g = w.clone();
    g.view_mut(0).fill(1.0);
    g.view_mut(2).fill(1.0);
    let make = || Optimizer::for_layout(Doubling, &layout).weight_decay(0.0).unwrap();
    let mut optimizer = make();
    optimizer.step(&mut w, &g);
    optimizer.step(&mut w, &g);
    assert_eq!(w.get("b").unwrap()[0], -6.0);
    let saved = optimizer.state();
    assert_eq!(saved.scalars, [("power".to_owned(), 4.0)].into());
    let mut resumed = make();
    resumed.load_state(&saved).unwrap();
    resumed.step(&mut w, &g);
    assert_eq!((w.get("a").unwrap()[0], w.get("b").unwrap()[0]), (-14.0, -14.0));

    let before = resumed.state();
    let extra = State { scalars: [("power".to_owned(), 1.0), ("x".to_owned(), 1.0)].into(), ..saved.clone() };
    let lacking = State { scalars: [].into(), ..saved };
    let messages = [extra, lacking].map(|state| resumed.load_state(&state).unwrap_err().to_string());
    assert_eq!(messages[0], "optimizer state has scalar `x`, which the rule does not have");
    assert_eq!(messages[1], "optimizer state lacks scalar `power`");
    assert_eq!(resumed.state(), before);
}

#[test]
fn weight_decay_acts_where_it_is_told_to() {
    let run = |optimizer: Optimizer<f64>| {
        let mut w = [8.0];
        let mut optimizer = optimizer;
        optimizer.step(&mut w, &[1.0]);
        w[0]
    };
    assert_eq!(run(Optimizer::new(Doubling)), 8.0 - (2.0 + 0.5 * 8.0));
    assert_eq!(run(Optimizer::new(Doubling).decay(Decay::Coupled)), 8.0 - 2.0 * (1.0 + 0.5 * 8.0));
    assert_eq!(run(Optimizer::new(Doubling).decay(Decay::Decoupled)), 8.0 * (1.0 - 0.5) - 2.0);
    let quarter = Optimizer::new(Doubling).decay(Decay::Decoupled).weight_decay(0.25).unwrap();
    assert_eq!(run(quarter), 8.0 * (1.0 - 0.25) - 2.0);
    let sgd = || Optimizer::new(Sgd::new(0.5).unwrap()).weight_decay(0.25).unwrap();
    assert_eq!(run(sgd()), 8.0 - 0.5 * (1.0 + 0.25 * 8.0));
    assert_eq!(run(sgd().decay(Decay::Decoupled)), 8.0 * (1.0 - 0.5 * 0.25) - 0.5);
}

#[test]
fn hyperparameters_can_change_in_mid_run() {
    let mut optimizer = Optimizer::new(Momentum::new(1.0, 0.5).unwrap());
    let mut w = [0.0];
    optimizer.step(&mut w, &[1.0]);
    optimizer.set_rule(Momentum::new(99.0, 0.25).unwrap());
    optimizer.step(&mut w, &[0.0]);
    assert_eq!((w, optimizer.learning_rate(), optimizer.steps()), ([-1.25], 1.0, 2));
}

#[test]
#[should_panic(expected = "the optimizer's rule is Momentum, which Sgd cannot replace")]
fn another_rule_is_refused() {
    Optimizer::<f32>::new(Momentum::default()).set_rule(Sgd::default());
}

#[test]
fn state_saved_at_step_0_goes_on_as_a_fresh_optimizer() {
    let layout = layout(&PARAMS);
    let (mut w, g) = (filled(&layout, |i| (i as f32).sin()), filled(&layout, |i| (i as f32).cos()));
    let mut expected = w.clone();
    let fresh = Optimizer::for_layout(adam(), &layout);
    let mut loaded = stepped(&PARAMS);
    loaded.load_state(&fresh.state()).unwrap();
    assert_eq!(loaded.steps(), 0);
    loaded.step(&mut w, &g);
    Optimizer::for_layout(adam(), &layout).step(&mut expected, &g);
    assert_eq!(w, expected);
}

#[test]
fn bias_corrections_are_1_at_step_two_to_the_forty() {
    let mut optimizer = Optimizer::new(adam());
    let mut w = [1.0f64];
    optimizer.step(&mut w, &[0.5]);
    let state = State { step: 1 << 40, ..optimizer.state() };
    optimizer.load_state(&state).unwrap();
    let before = w[0];
    optimizer.step(&mut w, &[0.5]);
    let of = |slot: &str| optimizer.state().slots[slot].as_slice()[0];
    let (m, v) = (of("exp_avg"), of("exp_avg_sq"));
    assert_eq!(w[0], before - 0.1 * m / (v.sqrt() + 1e-8));
}
