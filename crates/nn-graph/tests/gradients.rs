//! Gradients of recorded expressions against central differences, and that fusing and sharing buffers change nothing.

use ndarray::ArrayD;
use nn_core::{Arena, Role, Step, Streams};
use nn_graph::{Graph, Plan, Var};
use nn_ops::Activation;
use rand::RngExt;

/// Builds an expression from the parameters a `[3, 4]`, b `[4]`, c `[4, 4]` and the input x `[3, 4]`.
type Build = for<'g> fn([Var<'g, f64>; 4]) -> Var<'g, f64>;

const EXPRESSIONS: &[(&str, Build)] = &[
    ("a value is an input twice", |[a, ..]| (a * a).sum(&[])),
    ("a value is an input twice, once transposed", |[_, _, c, _]| (c * c.t()).sum(&[])),
    ("a product with its own transpose", |[a, ..]| a.matmul(a.t()).square().sum(&[])),
    ("a value has many readers", |[a, b, _, x]| ((a * x + b) * (a - b) / (a.square() + 1.0)).sum(&[])),
    ("linear by hand", |[_, b, c, x]| (x.matmul(c.t()) + b).tanh().sum(&[])),
    ("linear by hand, untransposed weight", |[_, b, c, x]| (b + x.matmul(c)).sigmoid().sum(&[])),
    ("two layers that share a weight", |[_, b, c, x]| {
        let hidden = x.linear(c, Some(b)).tanh();
        hidden.linear(c, None).activation(Activation::Softplus).mean(&[])
    }),
    ("the product is also read before its bias", |[_, b, c, x]| {
        let product = x.matmul(c.t());
        ((product + b).tanh() * product).sum(&[])
    }),
    ("an activation that reads its input", |[_, b, c, x]| {
        x.linear(c, Some(b)).activation(Activation::Gelu).sum(&[])
    }),
    ("reshaped and transposed", |[a, b, ..]| {
        let t = a.reshape(&[2, 6]).t().reshape(&[3, 4]);
        (t * b + a.t().t()).exp().sum(&[0]).ln().sum(&[])
    }),
    ("slices and concatenation", |[a, b, c, _]| {
        let parts = a.slice(0, 1, 3).concat(&[c.slice(0, 0, 2), a], 0);
        (parts.softmax(1) * b).square().sum(&[])
    }),
    ("the cost is a reshaped value", |[a, b, ..]| (a * b).sum(&[]).reshape(&[1, 1])),
    ("numbers on either side", |[a, ..]| (2.0 / (3.0 + a.square()) - 1.0 + 0.5 * a - a / 4.0).sum(&[])),
    ("only one parameter matters", |[_, b, ..]| b.log_sum_exp(&[])),
];

fn plan(build: Build) -> Plan<f64> {
    let graph = Graph::new();
    let a = graph.param("a", &[3, 4], Role::Weight);
    let b = graph.param("b", &[4], Role::Bias);
    let c = graph.param("c", &[4, 4], Role::Weight);
    let x = graph.placeholder("x", &[3, 4]);
    graph.training_plan(build([a, b, c, x]), &[]).unwrap()
}

fn fill(slice: &mut [f64], name: &str) {
    let mut rng = Streams::new(7).rng(name, 0);
    slice.iter_mut().for_each(|x| *x = rng.random_range(-1.0..1.0));
}

fn random_params(plan: &Plan<f64>) -> Arena<f64> {
    let mut params = Arena::zeros(plan.layout().clone());
    for i in 0..params.layout().params().len() {
        params.view_mut(i).as_slice_mut().map(|slice| fill(slice, &i.to_string())).unwrap();
    }
    params
}

fn feed(plan: &mut Plan<f64>) {
    if plan.inputs().next().is_some() {
        let mut x = ArrayD::zeros(vec![3, 4]);
        fill(x.as_slice_mut().unwrap(), "x");
        plan.feed("x", x.view()).unwrap();
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for (name, build) in EXPRESSIONS {
        let mut plan = plan(*build);
        feed(&mut plan);
        let params = random_params(&plan);
        let mut gradient = params.clone();
        gradient.as_mut_slice().fill(f64::NAN);
        plan.step(&params, &mut gradient, &Step::default()).unwrap();
        for (i, spec) in plan.layout().clone().params().iter().enumerate() {
            for j in spec.range() {
                let mut cost_at = |shift: f64| {
                    let mut shifted = params.clone();
                    shifted.as_mut_slice()[j] += shift;
                    plan.forward(&shifted, &Step::default()).unwrap();
                    plan.cost(&shifted)
                };
                let numeric = (cost_at(1e-5) - cost_at(-1e-5)) / 2e-5;
                let analytic = gradient.as_slice()[j];
                let error = (analytic - numeric).abs() / (1.0 + numeric.abs());
                assert!(error < 1e-8, "{name}: parameter {i}, element {j}: {analytic} for {numeric}");
            }
        }
    }
}

#[test]
fn replaying_gives_the_same_bits() {
    for (name, build) in EXPRESSIONS {
        let mut plan = plan(*build);
        feed(&mut plan);
        let params = random_params(&plan);
        let (mut first, mut second) = (params.clone(), params.clone());
        let cost = plan.step(&params, &mut first, &Step::default()).unwrap();
        assert_eq!(plan.step(&params, &mut second, &Step::default()).unwrap(), cost, "{name}");
        for i in 0..3 {
            assert_eq!(first.view(i), second.view(i), "{name}");
        }
    }
}

#[test]
fn kept_values_are_not_overwritten_by_later_ones() {
    let graph = Graph::<f64>::new();
    let x = graph.placeholder("x", &[5]);
    let w = graph.param("w", &[5], Role::Weight);
    let mut values = vec![x * w];
    for _ in 0..6 {
        values.push(values[values.len() - 1].tanh() + 1.0);
    }
    let cost = values[6].sum(&[]);
    let mut plan = graph.training_plan(cost, &values).unwrap();
    let mut params = Arena::zeros(plan.layout().clone());
    params.view_mut(0).fill(0.5);
    let mut gradient = params.clone();
    plan.feed("x", ArrayD::ones(vec![5]).view()).unwrap();
    plan.step(&params, &mut gradient, &Step::default()).unwrap();
    let mut expected = 0.5f64;
    for i in 0..7 {
        assert!(plan.output(i).iter().all(|v| (v - expected).abs() < 1e-12), "value {i}");
        expected = expected.tanh() + 1.0;
    }
}
