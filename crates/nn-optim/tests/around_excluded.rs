//! Running statistics, parameters that a group excludes, and states of other parameters around an optimizer.

use std::sync::Arc;

use nn_core::{Arena, ParamLayout, Role, Streams};
use nn_optim::{
    Accumulate, Adam, BufferState, ClipGlobalNorm, ClipNorm, ClipValue, Ema, GradientNoise, Group, Guard,
    Lookahead, Momentum, Optimizer, Sam, Sgd, Swa, centralize, global_norm,
};

fn layout(params: &[(&str, &[usize], Role)]) -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    for (name, shape, role) in params {
        layout.add(name, shape, *role).unwrap();
    }
    Arc::new(layout)
}

const PARAMS: [(&str, &[usize], Role); 3] = [
    ("weight", &[2, 2], Role::Weight),
    ("mean", &[2], Role::RunningStatistic),
    ("frozen", &[3], Role::Weight),
];

/// An arena with these constants as weight, mean and frozen.
fn constants(values: [f64; 3]) -> Arena<f64> {
    let mut arena = Arena::zeros(layout(&PARAMS));
    (0..3).for_each(|position| arena.view_mut(position).fill(values[position]));
    arena
}

fn sgd() -> Optimizer<f64> {
    let optimizer = Optimizer::new(Sgd::new(0.5).unwrap());
    optimizer.group(Group::named("frozen").excluded()).unwrap()
}

/// A name, and what meddles with a gradient.
type Case = (&'static str, fn(&mut Arena<f64>));

/// What stands in the place of a gradient of running statistics is their change, with which nothing meddles.
#[test]
fn what_running_statistics_have_for_a_gradient_is_left_alone() {
    let all: [Case; 5] = [
        ("ClipValue", |g| {
            ClipValue::new(0.1).unwrap().apply(g);
        }),
        ("ClipNorm", |g| {
            ClipNorm::new(0.1).unwrap().apply(g);
        }),
        ("ClipGlobalNorm", |g| {
            ClipGlobalNorm::new(0.1).unwrap().apply(g);
        }),
        ("GradientNoise", |g| GradientNoise::new(1.0, Streams::new(3)).unwrap().apply(g, 0)),
        ("centralize", |g| {
            g.get_mut("weight").unwrap()[[0, 0]] = 9.0;
            centralize(g);
        }),
    ];
    for (name, apply) in all {
        let mut g = constants([1.0, 5.0, 2.0]);
        apply(&mut g);
        assert_eq!(g.get("mean"), constants([0.0, 5.0, 0.0]).get("mean"), "{name}");
        assert_ne!(g.get("weight"), constants([1.0, 5.0, 2.0]).get("weight"), "{name}");
    }
    for bad in [1e9, f64::NAN, f64::INFINITY] {
        let g = constants([1.0, bad, 0.0]);
        assert_eq!(global_norm(&g), 2.0);
        assert!(Guard::stop().check(&g).unwrap());
    }
    let mut accumulate = Accumulate::new(2).unwrap();
    accumulate.add(&constants([1.0, 4.0, 0.0]));
    let mean = accumulate.add(&constants([3.0, 6.0, 1.0])).unwrap();
    assert_eq!(*mean, constants([2.0, 5.0, 0.5]));
}

#[test]
fn sam_sees_only_what_the_optimizer_steps() {
    let (mut sam, mut w) = (Sam::new(sgd()).rho(1.0).unwrap(), constants([1.0, 2.0, 3.0]));
    for bad in [7.0, f64::NAN] {
        let norm = sam.perturb(&mut w, &constants([4.0, bad, bad]));
        assert_eq!(norm, 8.0);
        assert_eq!(w.get("mean"), constants([0.0, 2.0, 3.0]).get("mean"));
        assert_eq!(w.get("frozen"), constants([0.0, 2.0, 3.0]).get("frozen"));
        assert!(w.get("weight").unwrap().iter().all(|w| (w - 1.5).abs() < 1e-12));
        // Another optimizer, or the forward pass, changes them meanwhile.
        w.get_mut("frozen").unwrap().fill(30.0);
        w.get_mut("mean").unwrap().fill(20.0);
        sam.restore(&mut w);
        assert_eq!(w, constants([1.0, 20.0, 30.0]));
        w = constants([1.0, 2.0, 3.0]);
    }
}

/// Of the two changes of the running statistics that a step sees, the second alone is taken, and once.
#[test]
fn sam_moves_running_statistics_once() {
    let (mut sam, mut w) = (Sam::new(sgd()).rho(1.0).unwrap(), constants([1.0, 2.0, 3.0]));
    sam.perturb(&mut w, &constants([4.0, 70.0, 1.0]));
    sam.step(&mut w, &constants([1.0, 0.25, 1.0]));
    assert_eq!(w, constants([0.5, 1.75, 3.0]));
}

#[test]
fn lookahead_pulls_back_only_what_its_optimizer_steps() {
    let mut lookahead = Lookahead::new(sgd()).every(1).unwrap().share(0.5).unwrap();
    let mut w = constants([1.0, 2.0, 3.0]);
    for step in 1..=4 {
        w.get_mut("frozen").unwrap().fill(10.0 * f64::from(step)); // by another optimizer
        w.get_mut("mean").unwrap().fill(20.0 * f64::from(step));
        lookahead.step(&mut w, &constants([1.0, 3.0, 1.0]));
        let step = f64::from(step);
        assert_eq!(w, constants([1.0 - 0.25 * step, 20.0 * step - 3.0, 10.0 * step]));
    }
}

/// A state for each way in which a state can be of other parameters, with what the message says of it.
fn foreign() -> [(Arc<ParamLayout>, &'static str); 3] {
    let mut misshapen = PARAMS;
    misshapen[0].1 = &[4, 1];
    let extra = [&PARAMS[..], &[("extra", &[1], Role::Weight)]].concat();
    [
        (layout(&PARAMS[..2]), "lacks parameter `frozen`"),
        (layout(&extra), "has an unknown parameter `extra`"),
        (layout(&misshapen), "has shape [4, 1] for parameter `weight`, expected [2, 2]"),
    ]
}

fn buffer(owner: &str, layout: Arc<ParamLayout>) -> BufferState<f64> {
    BufferState { owner: owner.into(), count: 2, buffer: Some(Arena::zeros(layout)) }
}

#[test]
fn buffers_of_other_parameters_are_refused_by_name() {
    let w = constants([1.0, 2.0, 3.0]);
    let mut accumulate = Accumulate::new(3).unwrap();
    let (mut ema, mut swa) = (Ema::new(0.5).unwrap(), Swa::new(1, 1).unwrap());
    accumulate.add(&w);
    ema.update(&w);
    swa.update(&w);
    let before = (accumulate.state(), ema.state(), swa.state());
    for (layout, message) in foreign() {
        let errors = [
            accumulate.load_state(&buffer("Accumulate", layout.clone())).unwrap_err(),
            ema.load_state(&buffer("Ema", layout.clone())).unwrap_err(),
            swa.load_state(&buffer("Swa", layout)).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.to_string().contains(message)), "{errors:?}");
        assert_eq!((accumulate.state(), ema.state(), swa.state()), before);
    }
}

/// The slow weights, the slots and the optimizer must have the same parameters, whichever of them is known.
#[test]
fn lookahead_refuses_other_parameters_by_name() {
    let w = constants([1.0, 2.0, 3.0]);
    let momentum = || Momentum::new(0.1, 0.9).unwrap();
    let mut trained = Lookahead::new(Optimizer::new(momentum()));
    trained.step(&mut w.clone(), &w);
    let state = trained.state();
    let make = [
        || Lookahead::new(Optimizer::new(Momentum::new(0.1, 0.9).unwrap())),
        || Lookahead::new(Optimizer::for_layout(Momentum::new(0.1, 0.9).unwrap(), &layout(&PARAMS))),
    ];
    for (layout, message) in foreign() {
        let mut slow = state.clone();
        slow.slow.buffer = Some(Arena::zeros(layout.clone()));
        for fresh in make {
            let mut lookahead = fresh();
            let error = lookahead.load_state(&slow).unwrap_err().to_string();
            assert!(error.contains("`slow`") && error.contains(message), "{error}");
            assert_eq!((lookahead.state(), lookahead.slow()), (fresh().state(), None));
        }
        // An optimizer without slots knows its parameters too.
        let mut sgd = Lookahead::new(Optimizer::for_layout(Sgd::default(), w.layout()));
        let mut state = sgd.state();
        state.slow = slow.slow.clone();
        assert!(sgd.load_state(&state).unwrap_err().to_string().contains(message));

        let mut all = slow.clone();
        all.optimizer.slots.insert("momentum_buffer".into(), Arena::zeros(layout));
        assert!(trained.load_state(&all).unwrap_err().to_string().contains(message));
        assert_eq!(trained.state(), state_of(&w, momentum()));
    }
    let mut lacking = state.clone();
    lacking.slow.buffer = None;
    assert_eq!(trained.load_state(&lacking).unwrap_err().to_string(), "optimizer state lacks slot `slow`");
}

fn state_of(w: &Arena<f64>, rule: Momentum) -> nn_optim::LookaheadState<f64> {
    let mut lookahead = Lookahead::new(Optimizer::new(rule));
    lookahead.step(&mut w.clone(), w);
    lookahead.state()
}

/// A fresh Lookahead takes the slow weights over in the order of its optimizer's parameters.
#[test]
fn lookahead_loads_parameters_in_another_order() {
    let mut reversed = PARAMS;
    reversed.reverse();
    let reversed = layout(&reversed);
    let adam = || Adam::new(0.1).unwrap();
    let mut first = Lookahead::new(Optimizer::new(adam())).every(2).unwrap();
    let mut w = constants([1.0, 2.0, 3.0]);
    first.step(&mut w, &constants([1.0, 1.0, -1.0]));
    let mut second = Lookahead::new(Optimizer::for_layout(adam(), &reversed)).every(2).unwrap();
    second.load_state(&first.state()).unwrap();
    let turned = |arena: &Arena<f64>| {
        let mut turned = Arena::zeros(Arc::clone(&reversed));
        arena.iter().for_each(|(name, view)| turned.get_mut(name).unwrap().assign(&view));
        turned
    };
    let g = constants([-2.0, 1.0, 0.5]);
    let mut w2 = turned(&w);
    first.step(&mut w, &g);
    second.step(&mut w2, &turned(&g));
    assert_eq!(turned(&w), w2);
}

#[test]
fn sam_refuses_the_state_of_other_parameters_by_name() {
    let w = constants([1.0, 2.0, 3.0]);
    let mut sam = Sam::new(Optimizer::new(Momentum::new(0.1, 0.9).unwrap()));
    sam.perturb(&mut w.clone(), &w);
    sam.step(&mut w.clone(), &w);
    let before = sam.state();
    for (layout, message) in foreign() {
        let mut state = before.clone();
        state.slots.insert("momentum_buffer".into(), Arena::zeros(layout));
        assert!(sam.load_state(&state).unwrap_err().to_string().contains(message));
        assert_eq!(sam.state(), before);
    }
}
