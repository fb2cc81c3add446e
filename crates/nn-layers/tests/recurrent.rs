//! Recurrent layers, reservoirs and ridge regression as modules.

use ndarray::{Array2, ArrayD, Axis, IxDyn, array};
use nn_core::{Arena, Mode, Role, Step};
use nn_graph::{Graph, Plan};
use nn_init::{EchoState, spectral_radius};
use nn_layers::{Carried, Linear, Module, Network, Recurrent, Reservoir, Ridge, Scope, Sequential};

/// Numbers from −1 to 1 in no particular order.
fn numbers(shape: &[usize]) -> ArrayD<f64> {
    let mut k = 0.0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        k += 1.0;
        f64::sin(k * k)
    })
}

fn names(network: &Network<f64>) -> Vec<(String, Vec<usize>)> {
    network.params().iter().map(|(name, values)| (name.to_owned(), values.shape().to_vec())).collect()
}

#[test]
fn parameters_are_named_and_shaped_as_in_torch() {
    let layer = Recurrent::gru(5).layers(2).unwrap().bidirectional();
    let network = Network::<f64>::new(layer, &[7, 3], 1).unwrap();
    let mut expected = vec![];
    for (layer, features) in [(0, 3), (1, 10)] {
        for suffix in ["", "_reverse"] {
            for (name, shape) in [
                ("weight_ih", vec![15, features]),
                ("weight_hh", vec![15, 5]),
                ("bias_ih", vec![15]),
                ("bias_hh", vec![15]),
            ] {
                expected.push((format!("{name}_l{layer}{suffix}"), shape));
            }
        }
    }
    assert_eq!(names(&network), expected);
    assert_eq!(network.output_shape(), [7, 10]);
    let bound = 1.0 / f64::sqrt(5.0);
    for (name, values) in network.params().iter() {
        let largest = values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        assert!(largest < bound && largest > 0.7 * bound, "{name}: {largest}");
    }
}

#[test]
fn the_forget_gate_of_an_lstm_begins_open() {
    let layer = Recurrent::lstm(4).forget_bias(1.0).unwrap();
    let network = Network::<f64>::new(layer, &[3, 2], 1).unwrap();
    let sum = &network.params().get("bias_ih_l0").unwrap() + &network.params().get("bias_hh_l0").unwrap();
    for (i, &b) in sum.iter().enumerate() {
        assert_eq!(b == 1.0, (4..8).contains(&i), "{i}: {b}");
    }
}

/// A plan that goes through a sequence from given states.
fn plan(layer: Recurrent, steps: usize, states: usize) -> Plan<f64> {
    let graph = Graph::for_mode(Mode::Eval);
    let x = graph.placeholder("x", &[2, steps, 3]);
    let initial: Vec<_> =
        (0..states).map(|i| graph.placeholder(&format!("h{i}"), &[2, layer.state_len()])).collect();
    let Carried { output, states } = layer.record_with(&Scope::new(&graph), x, None, &initial);
    let keep: Vec<_> = std::iter::once(output).chain(states).collect();
    graph.forward_plan(&keep).unwrap()
}

#[test]
fn a_state_that_is_carried_on_gives_the_whole_sequence() {
    for layer in [Recurrent::rnn(4), Recurrent::lstm(4).layers(2).unwrap(), Recurrent::gru(4)] {
        let mut network = Network::<f64>::new(layer, &[6, 3], 1).unwrap();
        let x = numbers(&[2, 6, 3]);
        let expected = network.predict(&x.view()).unwrap();
        let states = network.params().layout().params().len() / 4;
        let mut plan = plan(layer, 2, states);
        for start in [0, 2, 4] {
            plan.feed("x", x.slice_axis(Axis(1), (start..start + 2).into())).unwrap();
            plan.forward(network.params(), &Step::default()).unwrap();
            assert_eq!(plan.output(0), expected.slice_axis(Axis(1), (start..start + 2).into()));
            for i in 0..states {
                let state = plan.output(1 + i).to_owned();
                plan.feed(&format!("h{i}"), state.view()).unwrap();
            }
        }
    }
}

/// Against the same layer with the lengths fed, and with each sample by itself.
#[test]
fn what_is_filled_up_does_not_count() {
    let layer = Recurrent::lstm(4).layers(2).unwrap().bidirectional();
    let mut network = Network::<f64>::new(layer.padding_value(9.0).unwrap(), &[6, 3], 1).unwrap();
    let (mut x, lengths) = (numbers(&[3, 6, 3]), [6, 2, 5]);
    for (mut x, length) in x.outer_iter_mut().zip(lengths) {
        x.slice_axis_mut(Axis(0), (length..).into()).fill(9.0);
    }
    x[[0, 2, 0]] = 9.0; // of one feature, or before the end, it is a number like others
    x.index_axis_mut(Axis(0), 2).index_axis_mut(Axis(0), 1).fill(9.0);
    let y = network.predict(&x.view()).unwrap();

    let graph = Graph::for_mode(Mode::Eval);
    let (input, fed) = (graph.placeholder("x", &[3, 6, 3]), graph.placeholder("lengths", &[3]));
    let with_lengths = layer.record_with(&Scope::new(&graph), input, Some(fed), &[]);
    let mut plan = graph.forward_plan(&[with_lengths.output]).unwrap();
    plan.feed("x", x.view()).unwrap();
    plan.feed("lengths", ArrayD::from_shape_vec(IxDyn(&[3]), vec![6.0, 2.0, 5.0]).unwrap().view()).unwrap();
    plan.forward(network.params(), &Step::default()).unwrap();
    assert_eq!(plan.output(0), y);
    for (i, length) in lengths.into_iter().enumerate() {
        let mut alone = Network::with_params(layer, &[length, 3], network.params().clone()).unwrap();
        let sample = x.slice_axis(Axis(0), (i..i + 1).into());
        let alone = alone.predict(&sample.slice_axis(Axis(1), (..length).into())).unwrap();
        let (states, behind) = y.index_axis(Axis(0), i).split_at(Axis(0), length);
        assert_eq!(states, alone.index_axis(Axis(0), 0));
        assert!(behind.iter().all(|&h| h == 0.0));
    }

    x.index_axis_mut(Axis(0), 1).fill(9.0);
    let message = network.predict(&x.view()).unwrap_err().to_string();
    assert!(
        message.contains("lstm") && message.contains("[1]") && message.contains("from 1 to 6"),
        "{message}"
    );
    assert!(Recurrent::rnn(3).padding_value(f64::INFINITY).is_err());
    let module = Sequential::new().add(Recurrent::rnn(3).padding_value(0.0).unwrap());
    let message = Network::<f64>::new(module, &[4], 1).unwrap_err().to_string();
    assert_eq!(message, "0: rnn_tanh: expected an input [batch, time, features], got shape [2, 4]");
}

/// Both directions and the last states of each, against the sequence and its mirror image.
#[test]
fn the_backward_direction_reads_the_mirror_image() {
    let layer = Recurrent::rnn(4).bidirectional();
    let mut network = Network::<f64>::new(layer, &[5, 3], 1).unwrap();
    let x = numbers(&[2, 5, 3]);
    let both = network.predict(&x.view()).unwrap();
    let mut mirrored = x.clone();
    mirrored.invert_axis(Axis(1));
    let mut alone = Network::<f64>::new(Recurrent::rnn(4), &[5, 3], 1).unwrap();
    for (name, values) in network.params().iter().filter(|(name, _)| name.ends_with("_reverse")) {
        alone.params_mut().get_mut(name.trim_end_matches("_reverse")).unwrap().assign(&values);
    }
    let mut backward = alone.predict(&mirrored.view()).unwrap();
    backward.invert_axis(Axis(1));
    assert_eq!(both.slice_axis(Axis(2), (4..8).into()), backward);

    let params = network.params().clone();
    let mut last = Network::<f64>::new(layer.last(), &[5, 3], 1).unwrap();
    *last.params_mut() = params;
    let last = last.predict(&x.view()).unwrap();
    assert_eq!(
        last.slice_axis(Axis(1), (..4).into()),
        both.slice_axis(Axis(2), (..4).into()).index_axis(Axis(1), 4)
    );
    assert_eq!(last.slice_axis(Axis(1), (4..).into()), backward.index_axis(Axis(1), 0));
}

fn complaint(module: impl Module<f64> + 'static, shape: &[usize]) -> String {
    let module = Sequential::new().add(module);
    Network::<f64>::new(module, shape, 1).unwrap_err().to_string()
}

#[test]
fn complaints_name_the_module() {
    assert_eq!(
        complaint(Recurrent::rnn(3), &[4]),
        "0: rnn_tanh: expected an input [batch, time, features], got shape [2, 4]"
    );
    assert_eq!(complaint(Recurrent::lstm(0), &[4, 2]), "0: lstm: expected at least one hidden unit, got 0");
    let empty = complaint(Recurrent::gru(3), &[0, 2]);
    assert!(
        empty.starts_with("0: gru: input 0 must be sequences of at least one step, got shape [2, 0, 2]"),
        "{empty}"
    );
    let forget = Recurrent::gru(3).forget_bias(1.0).unwrap();
    assert_eq!(
        complaint(forget, &[4, 2]),
        "0: gru: expected no bias of a forget gate, which only an lstm has"
    );
    assert_eq!(
        complaint(Reservoir::new(3).washout(4), &[4, 2]),
        "0: reservoir: expected at least one unit and more steps than the washout, got 3 units, 4 steps and a \
         washout of 4"
    );
    assert!(
        complaint(Reservoir::new(3), &[4])
            .starts_with("0: reservoir: expected an input [batch, time, features]")
    );
    assert!(
        Recurrent::rnn(3)
            .layers(0)
            .unwrap_err()
            .to_string()
            .starts_with("Recurrent: layers must lie in [1, ∞)")
    );
    assert!(Recurrent::rnn(3).truncate(0).is_err() && Recurrent::lstm(3).forget_bias(f64::NAN).is_err());
    assert!(Reservoir::new(3).leak(0.0).is_err() && Reservoir::new(3).input_scale(-1.0).is_err());
}

#[test]
fn a_wrong_length_is_an_error_before_anything_is_written() {
    let layer = Recurrent::lstm(4);
    let network = Network::<f64>::new(layer, &[5, 3], 1).unwrap();
    let graph = Graph::new();
    let (x, lengths) = (graph.placeholder("x", &[2, 5, 3]), graph.placeholder("lengths", &[2]));
    let output = graph.scope("encoder", || {
        let scope = Scope::new(&graph);
        let output = layer.record_with(&scope, x, Some(lengths), &[]).output;
        assert_eq!(output.shape(), [2, 5, 4]);
        output
    });
    let mut plan = graph.training_plan(output.square().sum(&[]), &[]).unwrap();
    let mut params = Arena::zeros(plan.layout().clone());
    for (i, (_, values)) in network.params().iter().enumerate() {
        params.view_mut(i).assign(&values);
    }
    let mut gradient = params.clone();
    plan.feed("x", numbers(&[2, 5, 3]).view()).unwrap();
    for (lengths, said) in [([0.0, 0.0], "0 at [0]"), ([5.0, 6.0], "6 at [1]"), ([2.5, 5.0], "2.5 at [0]")] {
        plan.feed("lengths", array![lengths[0], lengths[1]].into_dyn().view()).unwrap();
        let message = plan.step(&params, &mut gradient, &Step::default()).unwrap_err().to_string();
        let expected =
            format!("encoder: lstm: input 5 holds {said}, expected a length, a whole number from 1 to 5");
        assert_eq!(message, expected);
        assert_eq!(gradient, params);
    }
    plan.feed("lengths", array![5.0, 2.0].into_dyn().view()).unwrap();
    plan.step(&params, &mut gradient, &Step::default()).unwrap();
    assert_ne!(gradient, params);
}

/// Two plans that differ in the cut: the costs agree, the gradients of the recurrent weights do not.
#[test]
fn truncation_changes_the_gradient_only() {
    let step = |layer: Recurrent| {
        let network = Network::<f64>::new(layer.last(), &[6, 3], 1).unwrap();
        let graph = Graph::new();
        let cost = network.record(&graph, graph.placeholder("x", &[2, 6, 3])).square().sum(&[]);
        let mut plan = graph.training_plan(cost, &[]).unwrap();
        plan.feed("x", numbers(&[2, 6, 3]).view()).unwrap();
        let mut gradient = network.params().clone();
        (plan.step(network.params(), &mut gradient, &Step::default()).unwrap(), gradient)
    };
    let (cost, gradient) = step(Recurrent::gru(4));
    let (same_cost, cut) = step(Recurrent::gru(4).truncate(2).unwrap());
    let (_, uncut) = step(Recurrent::gru(4).truncate(6).unwrap());
    assert_eq!((cost, &gradient), (same_cost, &uncut));
    assert_ne!(gradient, cut);
}

/// The states of two reservoirs' samples that differ in their beginning only.
fn distance_of_ends(radius: f64) -> f64 {
    let weights = EchoState::new().spectral_radius(radius).unwrap();
    let reservoir = Reservoir::new(60).weights(weights).input_scale(0.1).unwrap().last();
    let mut network = Network::<f64>::new(reservoir, &[300, 1], 1).unwrap();
    let found = spectral_radius(network.params().get("weight_hh_l0").unwrap().into_dimensionality().unwrap());
    assert!((found - radius).abs() < 1e-9);
    let mut x = numbers(&[2, 300, 1]);
    let second = x.index_axis(Axis(0), 0).mapv(|x| x);
    x.index_axis_mut(Axis(0), 1).assign(&second);
    x.slice_axis_mut(Axis(0), (1..).into()).slice_axis_mut(Axis(1), (..20).into()).fill(1.0);
    let ends = network.predict(&x.view()).unwrap();
    (&ends.index_axis(Axis(0), 0) - &ends.index_axis(Axis(0), 1)).iter().fold(0.0, |m: f64, d| m.max(d.abs()))
}

#[test]
fn a_reservoir_forgets_its_beginning_below_spectral_radius_1_and_not_far_above() {
    assert!(distance_of_ends(0.8) < 1e-9, "{}", distance_of_ends(0.8));
    assert!(distance_of_ends(3.0) > 1e-2, "{}", distance_of_ends(3.0));
}

#[test]
fn nothing_in_a_reservoir_is_trained_but_the_readout_and_what_is_before_it() {
    let module = Sequential::new().add(Linear::new(2)).add(Reservoir::new(8)).add(Linear::new(1));
    let network = Network::<f64>::new(module, &[5, 3], 1).unwrap();
    let graph = Graph::new();
    let cost = network.record(&graph, graph.placeholder("x", &[2, 5, 3])).square().sum(&[]);
    let mut plan = graph.training_plan(cost, &[]).unwrap();
    plan.feed("x", numbers(&[2, 5, 3]).view()).unwrap();
    let mut gradient = network.params().clone();
    plan.step(network.params(), &mut gradient, &Step::default()).unwrap();
    for (i, spec) in network.params().layout().params().iter().enumerate() {
        let moves = gradient.view(i).iter().any(|&d| d != 0.0);
        assert_eq!(moves, spec.role != Role::RunningStatistic, "{}", spec.name);
        assert_eq!(spec.name.starts_with("1."), spec.role == Role::RunningStatistic, "{}", spec.name);
    }
}

#[test]
fn ridge_solves_the_normal_equations() {
    let x = numbers(&[30, 7]).into_dimensionality::<ndarray::Ix2>().unwrap();
    let y = numbers(&[2, 30]).into_dimensionality::<ndarray::Ix2>().unwrap().reversed_axes();
    for lambda in [0.0, 0.5, 30.0] {
        for has_bias in [false, true] {
            let readout = Ridge::new(lambda).unwrap().bias(has_bias).fit(x.view(), y.view()).unwrap();
            // Where the cost is least, its gradients are zero: λW = EᵀX with the errors E, and ΣE = 0.
            let errors = &y - &readout.predict(x.view());
            let slope = lambda * &readout.weight - errors.t().dot(&x);
            assert!(slope.iter().all(|d: &f64| d.abs() < 1e-10), "{slope}");
            let sums = errors.sum_axis(Axis(0));
            assert!(if has_bias {
                sums.iter().all(|s| s.abs() < 1e-10)
            } else {
                readout.bias == array![0.0, 0.0]
            });
        }
    }
    let single =
        Ridge::new(0.5).unwrap().fit(x.mapv(|x| x as f32).view(), y.mapv(|y| y as f32).view()).unwrap();
    let double = Ridge::new(0.5).unwrap().fit(x.view(), y.view()).unwrap();
    assert!((&single.weight.mapv(f64::from) - &double.weight).iter().all(|d| d.abs() < 1e-6));
}

#[test]
fn ridge_says_why_there_is_no_readout() {
    assert_eq!(Ridge::new(-0.1).unwrap_err().to_string(), "Ridge: lambda must lie in [0, ∞), got -0.1");
    assert!(Ridge::new(f64::NAN).is_err());
    let y = Array2::<f64>::ones((5, 1));
    let ridge = Ridge::new(0.0).unwrap();
    let said = |x: &Array2<f64>| ridge.fit(x.view(), y.view()).unwrap_err().to_string();
    let twice = Array2::from_shape_fn((5, 3), |(i, j)| {
        ((i * i) as f64).sin() * if j == 2 { 3.0 } else { 1.0 + (i * j) as f64 }
    });
    assert!(
        said(&twice).starts_with("ridge: the matrix is not positive definite at column 2 (pivot "),
        "{}",
        said(&twice)
    );
    let loose = Ridge::new(1e-3).unwrap();
    assert!(loose.fit(twice.view(), y.view()).is_ok());
    let mut not_finite = Array2::from_shape_fn((5, 2), |(i, j)| (i * (j + 1)) as f64);
    not_finite[[3, 1]] = f64::NAN;
    assert!(said(&not_finite).contains("pivot NaN"), "{}", said(&not_finite));
    assert_eq!(
        ridge.fit(Array2::ones((4, 2)).view(), y.view()).unwrap_err().to_string(),
        "ridge: expected as many rows of inputs as of targets and at least one, got shapes (4, 2) and (5, 1)"
    );
}
