//! Parameter groups.

use std::sync::Arc;

use nn_core::{Arena, ParamLayout, Role};
use nn_optim::{AdamW, Decay, Group, Lamb, Momentum, NAdam, Optimizer, Rule, Sgd, StateError};

const PARAMS: [(&str, &[usize], Role); 8] = [
    ("body.0.weight", &[5, 7], Role::Weight),
    ("body.0.bias", &[5], Role::Bias),
    ("body.1.weight", &[20], Role::NormScale),
    ("body.1.bias", &[20], Role::NormShift),
    ("body.1.mean", &[20], Role::RunningStatistic),
    ("empty", &[0, 4], Role::Weight),
    ("head.weight", &[2, 5], Role::Weight),
    ("head.bias", &[2], Role::Bias),
];

fn layout() -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    for (name, shape, role) in PARAMS {
        layout.add(name, shape, role).unwrap();
    }
    Arc::new(layout)
}

fn filled(f: fn(f64) -> f64) -> Arena<f64> {
    let mut arena = Arena::zeros(layout());
    for position in 0..PARAMS.len() {
        for (i, x) in arena.view_mut(position).iter_mut().enumerate() {
            *x = f((100 * position + i) as f64);
        }
    }
    arena
}

fn momentum(rate: f64) -> Momentum {
    Momentum::new(rate, 0.9).unwrap()
}

/// Factor of the rate, weight decay, and its place where it is not that of the rule, worked out by hand for the groups
/// of the test below.
fn expected_settings(name: &str) -> (f64, f64, Option<Decay>) {
    match name {
        "body.0.weight" => (0.5, 0.1, None),
        "body.0.bias" | "body.1.weight" | "body.1.bias" => (0.5, 0.0, None),
        "empty" => (1.0, 0.1, None),
        "head.weight" => (1.0, 0.3, Some(Decay::Decoupled)),
        "head.bias" => (4.0, 0.3, Some(Decay::Decoupled)),
        _ => panic!("{name} is not trained"),
    }
}

fn check_as_alone(rule: fn(f64) -> Box<dyn Rule<f64>>) {
    let (before, g) = (filled(f64::sin), filled(f64::cos));
    let mut w = before.clone();
    let mut optimizer = Optimizer::for_layout(rule(0.25), w.layout())
        .weight_decay(0.1)
        .unwrap()
        .no_decay_on_bias_and_norm()
        .group(Group::named("body.*").learning_rate_factor(0.5).unwrap())
        .unwrap()
        .group(Group::named("head.*").weight_decay(0.3).unwrap().decay(Decay::Decoupled))
        .unwrap()
        .group(Group::named("head.b??s").learning_rate_factor(4.0).unwrap())
        .unwrap();
    for _ in 0..4 {
        optimizer.step_scaled(&mut w, &g, 0.5);
    }
    for (name, _, role) in PARAMS {
        let mut alone = before.get(name).unwrap().to_owned();
        if role.is_trained() {
            let (factor, decay, place) = expected_settings(name);
            let mut optimizer = Optimizer::new(rule(0.25 * factor)).weight_decay(decay).unwrap();
            if let Some(place) = place {
                optimizer = optimizer.decay(place);
            }
            (0..4).for_each(|_| optimizer.step_scaled(&mut alone, &g.get(name).unwrap(), 0.5));
        } else {
            (0..4).for_each(|_| alone -= &g.get(name).unwrap());
        }
        assert_eq!(w.get(name).unwrap(), alone, "{} {name}", optimizer.rule().name());
    }
}

#[test]
fn parameters_step_as_alone_with_the_settings_of_their_groups() {
    check_as_alone(|rate| Box::new(momentum(rate)));
    check_as_alone(|rate| Box::new(AdamW::new(rate).unwrap()));
    check_as_alone(|rate| Box::new(NAdam::new(rate).unwrap()));
    check_as_alone(|rate| Box::new(Lamb::new(rate).unwrap()));
}

#[test]
fn optimizers_that_exclude_groups_share_an_arena() {
    let (before, g) = (filled(f64::sin), filled(f64::cos));
    let make = |rule: Momentum, excluded: &str| {
        Optimizer::for_layout(rule, before.layout()).group(Group::named(excluded).excluded()).unwrap()
    };
    let mut w = before.clone();
    let mut body = make(momentum(0.5), "head.*");
    let mut head = make(Momentum::new(0.25, 0.5).unwrap(), "body.*");
    let (mut of_body, mut of_head) = (before.clone(), before.clone());
    let mut all_as_body = Optimizer::new(momentum(0.5));
    let mut all_as_head = Optimizer::new(Momentum::new(0.25, 0.5).unwrap());
    for _ in 0..3 {
        body.step(&mut w, &g);
        head.step(&mut w, &g);
        all_as_body.step(&mut of_body, &g);
        all_as_head.step(&mut of_head, &g);
    }
    for (name, _, _) in PARAMS {
        let expected = if name.starts_with("body") { &of_body } else { &of_head };
        assert_eq!(w.get(name).unwrap(), expected.get(name).unwrap(), "{name}");
    }
    let of_others = body.slots().next().unwrap().1.get("head.bias").unwrap().sum();
    assert_eq!(of_others, 0.0);
}

#[test]
fn groups_may_have_other_hyperparameters() {
    let (before, g) = (filled(f64::sin), filled(f64::cos));
    let make = || {
        let of_head = NAdam::new(9.0).unwrap().beta1(0.5).unwrap().beta2(0.75).unwrap();
        Optimizer::for_layout(NAdam::new(0.25).unwrap(), before.layout())
            .weight_decay(0.1)
            .unwrap()
            .group_with_rule(Group::named("head.*").learning_rate_factor(2.0).unwrap(), of_head)
            .unwrap()
            .group_with_rule(Group::named("*.bias"), NAdam::new(9.0).unwrap().momentum_decay(0.5).unwrap())
            .unwrap()
            .group(Group::of_roles(&[Role::NormShift]).weight_decay(0.0).unwrap())
            .unwrap()
    };
    let (mut w, mut optimizer) = (before.clone(), make());
    for _ in 0..4 {
        optimizer.step(&mut w, &g);
    }
    let mut resumed = make();
    resumed.load_state(&optimizer.state()).unwrap();
    assert_eq!(resumed.state(), optimizer.state());
    for _ in 0..4 {
        resumed.step(&mut w, &g);
    }
    for (name, _, _) in PARAMS.into_iter().filter(|(.., role)| role.is_trained()) {
        let rule = |rate: f64| NAdam::new(rate).unwrap();
        let (rule, decay) = match name {
            "head.weight" => (rule(0.5).beta1(0.5).unwrap().beta2(0.75).unwrap(), 0.1),
            "head.bias" => (rule(0.5).momentum_decay(0.5).unwrap(), 0.1),
            "body.0.bias" => (rule(0.25).momentum_decay(0.5).unwrap(), 0.1),
            "body.1.bias" => (rule(0.25).momentum_decay(0.5).unwrap(), 0.0),
            _ => (rule(0.25), 0.1),
        };
        let mut alone = before.get(name).unwrap().to_owned();
        let mut optimizer = Optimizer::new(rule).weight_decay(decay).unwrap();
        (0..8).for_each(|_| optimizer.step(&mut alone, &g.get(name).unwrap()));
        assert_eq!(w.get(name).unwrap(), alone, "{name}");
    }

    let state = optimizer.state();
    let names = ["mu_product", "mu_product.1", "mu_product.2"];
    assert!(state.scalars.keys().eq(names), "{:?}", state.scalars);
    let mut without = Optimizer::for_layout(NAdam::new(0.25).unwrap(), before.layout());
    let message = without.load_state(&state).unwrap_err().to_string();
    assert_eq!(message, "optimizer state has scalar `mu_product.1`, which the rule does not have");
    let message = optimizer.load_state(&without.state()).unwrap_err().to_string();
    assert_eq!(message, "optimizer state lacks scalar `mu_product.1`");
    assert_eq!(optimizer.state(), state);
}

#[test]
fn the_hyperparameters_of_a_group_follow_a_schedule() {
    let mut w = filled(|_| 1.0);
    let mut optimizer = Optimizer::for_layout(momentum(0.5), w.layout())
        .group_with_rule(Group::named("head.*"), momentum(0.5))
        .unwrap();
    optimizer.step(&mut w, &filled(|_| 1.0));
    optimizer.set_group_rule(0, Momentum::new(0.5, 0.25).unwrap());
    optimizer.step(&mut w, &filled(|_| 0.0));
    let first = |name: &str| *w.get(name).unwrap().first().unwrap();
    assert_eq!((first("body.0.bias"), first("head.bias")), (0.5 - 0.5 * 0.9, 0.5 - 0.5 * 0.25));
}

#[test]
#[should_panic(expected = "group 1 has no rule of its own: 1 groups have")]
fn a_group_without_a_rule_has_none_to_replace() {
    let optimizer = Optimizer::<f64>::for_layout(momentum(0.5), &layout());
    let mut optimizer = optimizer.group_with_rule(Group::named("head.*"), momentum(0.5)).unwrap();
    optimizer.set_group_rule(1, momentum(0.5));
}

#[test]
#[should_panic(expected = "the optimizer's rule is Momentum, which AdamW cannot replace")]
fn a_group_with_a_rule_of_another_kind_is_refused() {
    let optimizer = Optimizer::<f64>::for_layout(momentum(0.5), &layout());
    let _ = optimizer.group_with_rule(Group::named("head.*"), AdamW::default());
}

#[test]
fn excluded_running_statistics_are_frozen() {
    let (before, g) = (filled(f64::sin), filled(f64::cos));
    for pattern in ["body.*", "*.mean"] {
        let mut optimizer = Optimizer::for_layout(momentum(0.5), before.layout())
            .group(Group::named(pattern).excluded())
            .unwrap();
        let mut w = before.clone();
        optimizer.step(&mut w, &g);
        assert_eq!(w.get("body.1.mean"), before.get("body.1.mean"), "{pattern}");
        assert_ne!(w.get("head.bias"), before.get("head.bias"), "{pattern}");
    }
}

#[test]
fn schedules_reach_groups() {
    let mut w = filled(|_| 1.0);
    let mut optimizer = Optimizer::for_layout(Sgd::new(1.0).unwrap(), w.layout())
        .no_decay_on_bias_and_norm()
        .group(Group::named("head.*").learning_rate_factor(0.5).unwrap())
        .unwrap();
    optimizer.set_learning_rate(0.5).unwrap();
    optimizer.set_weight_decay(0.25).unwrap();
    optimizer.step(&mut w, &filled(|_| 0.0));
    let first = |name: &str| *w.get(name).unwrap().first().unwrap();
    assert_eq!(first("body.0.weight"), 1.0 - 0.5 * 0.25);
    assert_eq!(first("head.weight"), 1.0 - 0.25 * 0.25);
    assert_eq!(["body.0.bias", "body.1.weight", "body.1.bias", "head.bias"].map(first), [1.0; 4]);
    assert!(optimizer.set_weight_decay(f64::NAN).is_err());
}

#[test]
fn a_group_begins_to_act_in_mid_run() {
    let mut w = filled(|_| 1.0);
    let mut optimizer = Optimizer::new(momentum(0.5));
    optimizer.step(&mut w, &filled(|_| 1.0));
    let mut optimizer = optimizer.group(Group::named("head.*").learning_rate_factor(0.0).unwrap()).unwrap();
    optimizer.step(&mut w, &filled(|_| 0.0));
    let first = |name: &str| *w.get(name).unwrap().first().unwrap();
    assert_eq!((first("body.0.bias"), first("head.bias")), (0.5 - 0.5 * 0.9, 0.5));
}

const MESSAGE: &str = "parameter group `*.mean` matches no trained parameter; there are body.0.weight, body.0.bias, \
                       body.1.weight, body.1.bias, empty, head.weight, head.bias";

#[test]
fn an_unmatched_pattern_is_refused_by_name() {
    let layout = layout();
    let optimizer = Optimizer::<f64>::for_layout(momentum(0.5), &layout);
    let error = optimizer.group(Group::named("*.mean")).unwrap_err();
    assert_eq!(error.to_string(), MESSAGE);

    let mut unknown = Optimizer::<f64>::new(momentum(0.5)).group(Group::named("*.mean")).unwrap();
    assert_eq!(unknown.fix_layout(&layout).unwrap_err(), error);
    let state = Optimizer::<f64>::for_layout(momentum(0.5), &layout).state();
    let state = nn_optim::State { step: 1, ..state };
    assert_eq!(unknown.load_state(&state).unwrap_err(), StateError::Group(error));
    assert_eq!((unknown.steps(), unknown.slots().count()), (0, 0));
}

#[test]
#[should_panic(expected = "Momentum: parameter group `v` matches no trained parameter; there are w")]
fn an_unmatched_pattern_is_refused_at_the_first_step() {
    Optimizer::new(momentum(0.5)).group(Group::named("v")).unwrap().step(&mut [1.0], &[1.0]);
}

#[test]
#[should_panic(
    expected = "Momentum: the optimizer steps w: [1], but the layout is body.0.weight: [5, 7], body.0"
)]
fn another_layout_is_refused() {
    let mut optimizer = Optimizer::new(momentum(0.5));
    optimizer.step(&mut [1.0], &[1.0]);
    let _ = optimizer.fix_layout(&layout());
}

#[test]
fn settings_out_of_range_are_refused() {
    let group = || Group::of_roles(&[Role::Bias]);
    let message = group().learning_rate_factor(-1.0).unwrap_err().to_string();
    assert_eq!(message, "Group: learning_rate_factor must lie in [0, ∞), got -1");
    let message = group().weight_decay(f64::INFINITY).unwrap_err().to_string();
    assert_eq!(message, "Group: weight_decay must lie in [0, ∞), got inf");
}
