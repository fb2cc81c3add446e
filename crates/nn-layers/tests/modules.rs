//! What every module of the list must satisfy; what dropout does to a gradient check.

use crate::list;

use list::list;
use ndarray::{ArrayD, IxDyn};
use nn_core::{Mode, Role, Step};
use nn_gradcheck::{GradCheck, Report, Suspicion};
use nn_graph::{Graph, Plan};
use nn_layers::{Activation, Dropout, Linear, Module, Network, Sequential};

/// The module behind a linear layer, whose gradient passes through the module.
fn behind_linear(module: Box<dyn Module<f64>>) -> Network<f64> {
    Network::new(Sequential::new().add(Linear::new(5)).add(module), &[4, 5], 3).unwrap()
}

fn inputs() -> ArrayD<f64> {
    ArrayD::from_shape_fn(vec![6, 4, 5], |i| ((i[0] * 7 + i[1] * 3 + i[2]) as f64).sin())
}

/// A plan for training, in which the inputs are, with a weighted sum of the outputs as cost.
fn plan(network: &Network<f64>) -> Plan<f64> {
    let graph = Graph::for_mode(Mode::Train);
    let output = network.record(&graph, graph.placeholder("x", &[6, 4, 5]));
    let mut k = 0.0;
    let weights = ArrayD::from_shape_simple_fn(IxDyn(&output.shape()), || {
        k += 1.0;
        f64::cos(k * k)
    });
    let cost = (output * graph.constant(weights)).sum(&[]);
    let mut plan = graph.training_plan(cost, &[]).unwrap();
    plan.feed("x", inputs().view()).unwrap();
    plan
}

/// Holds the gradient at step 5 against differences of the cost, whose evaluations `next` numbers.
fn check(network: &mut Network<f64>, mut next: impl FnMut() -> u64) -> Report {
    let mut plan = plan(network);
    let mut gradient = network.params().clone();
    plan.step(network.params(), &mut gradient, &Step { index: 5, ..Step::default() }).unwrap();
    GradCheck::new().check_arena(network.params_mut(), &gradient, |params| {
        plan.forward(params, &Step { index: next(), ..Step::default() }).unwrap();
        plan.cost(params)
    })
}

#[test]
fn parameters_have_their_names_and_evaluation_draws_nothing() {
    for (name, module, expected) in list() {
        let mut network = behind_linear(module);
        let names: Vec<_> = network.params().iter().map(|(name, _)| name.to_owned()).collect();
        let of_module: Vec<_> = names[2..].iter().map(|name| name.strip_prefix("1.").unwrap()).collect();
        assert_eq!(of_module, expected, "{name}");
        let before = network.predict(&inputs().view()).unwrap();
        assert_eq!(before, network.predict(&inputs().view()).unwrap(), "{name}");
    }
}

/// In training, at held masks; running statistics have none.
#[test]
fn gradients_are_those_of_differences() {
    // What these two take from their statistics is constant to the gradient, but not to differences.
    let differ = ["BatchRenorm", "SpectralNorm"];
    for (name, module, _) in list().into_iter().filter(|(name, ..)| !differ.contains(name)) {
        let report = check(&mut behind_linear(module), || 5);
        assert!(report.rows().len() >= 2 && report.relative_error() < 1e-6, "{name}: {report}");
    }
}

#[test]
fn training_moves_every_running_statistic() {
    // The weights of a reservoir are fixed.
    for (name, module, _) in list().into_iter().filter(|(name, ..)| *name != "Reservoir") {
        let network = behind_linear(module);
        let mut gradient = network.params().clone();
        plan(&network).step(network.params(), &mut gradient, &Step::default()).unwrap();
        for (i, spec) in network.params().layout().params().iter().enumerate() {
            let moves = gradient.view(i).iter().any(|&delta| delta != 0.0);
            assert!(spec.role != Role::RunningStatistic || moves, "{name}: {} stays", spec.name);
        }
    }
}

#[test]
fn a_dropout_whose_step_goes_on_is_named_as_the_cause_and_one_whose_step_is_held_is_sound() {
    let module = || {
        let layers = Sequential::new().add(Dropout::new(0.5).unwrap()).add(Linear::new(3));
        behind_linear(Box::new(layers.add(Activation::Tanh)))
    };
    let mut index = 0;
    let report = check(&mut module(), || {
        index += 1;
        index
    });
    for row in report.rows() {
        assert!(matches!(row.suspicion, Some(Suspicion::NotDeterministic { .. })), "{report}");
    }
    let said = report.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("a dropout left on?"), "{report}");
    check(&mut module(), || 5).assert_sound();
    // Held at another step than that of the gradient, it is deterministic, and the gradient that of another mask.
    let report = check(&mut module(), || 6);
    assert!(!report.to_string().contains("deterministic") && report.relative_error() > 0.1, "{report}");
}
