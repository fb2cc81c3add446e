//! Multi-head attention against that of PyTorch, made by `fixtures/make_attention.py`; positional encodings.

use std::collections::HashMap;

use ndarray::{Array3, ArrayD, IxDyn};
use nn_core::{Arena, Mode, Real, Role, Step};
use nn_graph::{Graph, Plan};
use nn_layers::{MultiHeadAttention, Network, PositionalEmbedding, PositionalEncoding, Scope};

const FIXTURE: &str = include_str!("fixtures/attention.csv");

/// The arrays of a case, by name.
type Arrays = HashMap<&'static str, ArrayD<f64>>;

fn cases() -> Vec<(&'static str, Arrays)> {
    let mut cases: Vec<(&str, Arrays)> = vec![];
    for line in FIXTURE.lines() {
        let [case, name, shape, elements] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let shape: Vec<usize> = shape.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let is_result = matches!(name, "y" | "weights") || name.starts_with("d_");
        let number =
            |x: &str| if is_result { x.parse().unwrap() } else { f64::from(x.parse::<f32>().unwrap()) };
        let array = ArrayD::from_shape_vec(IxDyn(&shape), elements.split_whitespace().map(number).collect());
        if cases.last().is_none_or(|last| last.0 != case) {
            cases.push((case, Arrays::new()));
        }
        cases.last_mut().unwrap().1.insert(name, array.unwrap());
    }
    cases
}

/// A plan for a case, whose inputs are parameters, so that they have gradients; and the parameters.
fn plan<F: Real>(case: &str, arrays: &Arrays) -> (Plan<F>, Arena<F>) {
    let fields: Vec<&str> = case.split(' ').collect();
    let attention = MultiHeadAttention::new(fields[1].parse().unwrap()).causal(fields[2] == "True");
    let attention = attention.bias(arrays.contains_key("in_proj_bias"));
    let graph = Graph::<F>::new();
    let given = |name: &str| arrays.get(name).map(|array| graph.param(name, array.shape(), Role::Weight));
    let query = given("query").unwrap();
    let key = given("key").unwrap_or(query);
    let value = given("value").unwrap_or(key);
    let mask = arrays.get("mask").map(|mask| graph.placeholder("mask", mask.shape()));
    let attended = attention.attend(&Scope::new(&graph), [query, key, value], mask);
    let weights = graph.constant(arrays["dy"].mapv(F::from_f64));
    let cost = (attended.output * weights).sum(&[]);
    let mut plan = graph.training_plan(cost, &[attended.output, attended.weights]).unwrap();
    if let Some(mask) = arrays.get("mask") {
        plan.feed("mask", mask.mapv(F::from_f64).view()).unwrap();
    }
    let mut params = Arena::zeros(plan.layout().clone());
    for i in 0..params.layout().params().len() {
        let name = params.layout().params()[i].name.clone();
        params.view_mut(i).assign(&arrays[name.as_str()].mapv(F::from_f64));
    }
    (plan, params)
}

fn check<F: Real>(tolerance: f64) {
    let cases = cases();
    assert_eq!(cases.len(), 8);
    for (case, arrays) in &cases {
        let (mut plan, params) = plan::<F>(case, arrays);
        let mut gradient = params.clone();
        plan.step(&params, &mut gradient, &Step::default()).unwrap();
        let same = |what: &str, got: ndarray::ArrayViewD<'_, F>| {
            let expected = &arrays[what];
            assert_eq!(got.shape(), expected.shape(), "{case}, {what}");
            for (a, b) in got.iter().zip(expected) {
                let a = a.to_f64();
                assert!((a - b).abs() <= tolerance, "{case}, {what}, {}: {a:e} instead of {b:e}", F::NAME);
            }
        };
        same("y", plan.output(0));
        same("weights", plan.output(1));
        // Every parameter that PyTorch has is there under its name, and no other.
        let expected = arrays.keys().filter(|name| name.starts_with("d_")).count();
        assert_eq!(gradient.iter().count(), expected, "{case}");
        for (name, gradient) in gradient.iter() {
            same(&format!("d_{name}"), gradient);
        }
    }
}

#[test]
fn in_double_precision() {
    check::<f64>(1e-12);
}

#[test]
fn in_single_precision() {
    check::<f32>(1e-5);
}

#[test]
fn a_mask_that_leaves_out_a_whole_sequence_is_refused_when_the_plan_runs() {
    let (case, arrays) = cases().into_iter().find(|(case, _)| case.starts_with("masked")).unwrap();
    let (mut plan, params) = plan::<f64>(case, &arrays);
    plan.feed("mask", ArrayD::ones(vec![2, 4]).view()).unwrap();
    let mut gradient = params.clone();
    let message = plan.step(&params, &mut gradient, &Step::default()).unwrap_err().to_string();
    assert!(message.contains("attention_weights") && message.contains("at least one key"), "{message}");
    assert_eq!(gradient.as_slice(), params.as_slice(), "nothing is written");
}

#[test]
fn dropout_drops_weights_in_training_alone() {
    let attention = MultiHeadAttention::new(2).dropout(0.5).unwrap();
    let output = |mode: Mode, index: u64| {
        let graph = Graph::<f64>::for_mode(mode);
        let x = graph.placeholder("x", &[2, 5, 4]);
        let attended = attention.attend(&Scope::new(&graph), [x; 3], None);
        let mut plan = graph.forward_plan(&[attended.output]).unwrap();
        plan.input_mut("x").unwrap().iter_mut().enumerate().for_each(|(i, x)| *x = (i as f64).sin());
        let mut params = Arena::zeros(plan.layout().clone());
        params.as_mut_slice().fill(0.1);
        plan.forward(&params, &Step { index, ..Step::default() }).unwrap();
        plan.output(0).to_owned()
    };
    assert_eq!(output(Mode::Eval, 0), output(Mode::Eval, 1));
    assert_eq!(output(Mode::Train, 3), output(Mode::Train, 3));
    assert_ne!(output(Mode::Train, 0), output(Mode::Train, 1));
    assert!(MultiHeadAttention::new(2).dropout(1.5).is_err());
}

#[test]
fn positions_are_added() {
    let x = Array3::from_elem((2, 7, 5), 1.0).into_dyn();
    let mut network = Network::<f64>::new(PositionalEncoding, &[7, 5], 1).unwrap();
    let y = network.predict(&x.view()).unwrap();
    for (index, y) in y.indexed_iter() {
        let angle = index[1] as f64 / 10_000f64.powf([0.0, 0.0, 0.4, 0.4, 0.8][index[2]]);
        let expected = 1.0 + if index[2].is_multiple_of(2) { angle.sin() } else { angle.cos() };
        assert!((y - expected).abs() < 1e-15, "{index:?}");
    }
    let mut network = Network::<f64>::new(PositionalEmbedding::new(9), &[7, 5], 1).unwrap();
    let y = network.predict(&x.view()).unwrap();
    let table = network.params().get("weight").unwrap();
    assert!(y.indexed_iter().all(|(index, &y)| y == 1.0 + table[[index[1], index[2]]]));
}
