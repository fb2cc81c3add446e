//! Shapes, names and values of networks, and what is said of shapes that do not fit.

use ndarray::{Array2, ArrayD, Axis};
use nn_core::{Mode, Step};
use nn_graph::Graph;
use nn_init::{Constant, Zeros};
use nn_layers::{Activation, BatchNorm, Flatten, Linear, Module, Network, Scope, Sequential, Statistics};

fn two_layers() -> Sequential<f64> {
    Sequential::new().add(Flatten).add(Linear::new(6)).add(Activation::Tanh).add(Linear::new(3).bias(false))
}

#[test]
fn parameters_are_named_and_shaped_as_in_pytorch() {
    let network = Network::new(two_layers(), &[2, 4], 1).unwrap();
    let params: Vec<_> = network.params().iter().map(|(name, w)| (name, w.shape().to_vec())).collect();
    assert_eq!(params, [("1.weight", vec![6, 8]), ("1.bias", vec![6]), ("3.weight", vec![3, 6])]);
    assert_eq!((network.input_shape(), network.output_shape()), (&[2, 4][..], &[3][..]));
    let nested = Sequential::<f64>::new().add(Sequential::new().add(Linear::new(2))).add(Linear::new(1));
    let network = Network::new(nested, &[3], 1).unwrap();
    let names: Vec<_> = network.params().iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["0.0.weight", "0.0.bias", "1.weight", "1.bias"]);
}

#[test]
fn predictions_are_those_of_the_formula_for_any_number_of_samples() {
    let mut network = Network::new(two_layers(), &[2, 4], 1).unwrap();
    for samples in [0, 1, 5, 256, 600] {
        let x = ArrayD::from_shape_fn(vec![samples, 2, 4], |i| ((i[0] * 31 + i[1] * 7 + i[2]) as f64).sin());
        let y = network.predict(&x.view()).unwrap();
        let matrix =
            |name: &str| network.params().get(name).unwrap().into_dimensionality().unwrap().to_owned();
        let (w1, w3): (Array2<f64>, Array2<f64>) = (matrix("1.weight"), matrix("3.weight"));
        let flat = x.to_shape((samples, 8)).unwrap();
        let hidden = (flat.dot(&w1.t()) + network.params().get("1.bias").unwrap()).mapv(f64::tanh);
        let expected = hidden.into_dimensionality::<ndarray::Ix2>().unwrap().dot(&w3.t());
        assert_eq!(y.shape(), [samples, 3]);
        assert!((y - expected.into_dyn()).iter().all(|d| d.abs() < 1e-12), "{samples} samples");
    }
}

#[test]
fn initial_values_depend_on_the_seed_and_the_name_alone() {
    let values = |module: Sequential<f32>, seed, name: &str| {
        let network = Network::new(module, &[4], seed).unwrap();
        network.params().get(name).unwrap().to_owned()
    };
    let short = || Sequential::new().add(Linear::new(5)).add(Linear::new(5));
    let long =
        || Sequential::new().add(Linear::new(5).weight_init(Zeros)).add(Linear::new(5)).add(Linear::new(1));
    assert_eq!(values(short(), 1, "1.weight"), values(long(), 1, "1.weight"));
    assert_ne!(values(short(), 1, "1.weight"), values(short(), 2, "1.weight"));
    assert_ne!(values(short(), 1, "0.bias"), values(short(), 1, "1.bias"));
    let bound = 0.5; // 1/√4
    assert!(values(short(), 1, "0.weight").iter().all(|w| w.abs() <= bound));
}

#[test]
fn initialisers_can_be_chosen() {
    let layer = Linear::new(2).weight_init(Constant::new(2.0).unwrap()).bias_init(Zeros);
    let mut network = Network::<f32>::new(layer, &[3], 9).unwrap();
    let y = network.predict(&Array2::ones((1, 3)).into_dyn().view()).unwrap();
    assert!(y.iter().all(|&y| y == 6.0));
}

#[test]
fn a_linear_layer_takes_leading_axes() {
    let mut network = Network::<f64>::new(Linear::new(2), &[7, 3], 1).unwrap();
    let x = ArrayD::from_shape_fn(vec![4, 7, 3], |i| (i[0] + 2 * i[1] + 3 * i[2]) as f64);
    let y = network.predict(&x.view()).unwrap();
    assert_eq!(y.shape(), [4, 7, 2]);
    let mut flat = Network::<f64>::new(Linear::new(2), &[3], 1).unwrap();
    let row = flat.predict(&x.index_axis(Axis(0), 2)).unwrap();
    assert_eq!(y.index_axis(Axis(0), 2), row);
}

#[test]
fn errors_name_the_module_and_the_shapes() {
    #[derive(Debug)]
    struct Halves;
    impl nn_layers::Module<f32> for Halves {
        fn record<'g>(
            &self,
            scope: &nn_layers::Scope<'g, f32>,
            input: nn_graph::Var<'g, f32>,
        ) -> nn_graph::Var<'g, f32> {
            let w = scope.param("weight", &[5, 2], nn_core::Role::Weight, Zeros);
            input.linear(w, None)
        }
    }
    let module = Sequential::new().add(Linear::new(4)).add(Halves);
    let message = Network::new(module, &[3], 1).unwrap_err().to_string();
    for part in ["1: linear", "`1.weight` [5, 2]", "[2, 4]"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    let message = Network::<f32>::new(Linear::new(4), &[], 1).unwrap_err().to_string();
    assert_eq!(message, "linear: expected an input [batch, …, in], got shape [2]");
    let message =
        Network::<f32>::new(Sequential::new().add(Linear::new(0)), &[2], 1).unwrap_err().to_string();
    assert_eq!(message, "0: linear: expected at least one input and one unit, got 2 and 0");
    let mut network = Network::<f32>::new(Linear::new(4), &[3], 1).unwrap();
    let message = network.predict(&ArrayD::zeros(vec![2, 5]).view()).unwrap_err().to_string();
    assert_eq!(message, "placeholder `inputs` has shape [2, 3], got [2, 5]");
}

#[test]
fn a_module_records_the_same_parameters_in_each_mode() {
    let network = Network::new(two_layers(), &[2, 4], 1).unwrap();
    for mode in [Mode::Train, Mode::Eval] {
        let graph = Graph::for_mode(mode);
        let y = network.record(&graph, graph.placeholder("x", &[5, 2, 4]));
        let mut plan = graph.forward_plan(&[y]).unwrap();
        assert_eq!(**plan.layout(), **network.params().layout());
        plan.forward(network.params(), &Step::default()).unwrap();
        assert_eq!(plan.operations().collect::<Vec<_>>(), ["linear", "linear"]);
    }
}

#[test]
fn batch_norm_refuses_one_value_per_channel_and_a_pass_can_pool_exactly() {
    let network = Network::<f64>::new(BatchNorm::new(), &[3], 1).unwrap();
    let plan = |batch: usize, gathering: Option<Statistics>| {
        let graph = Graph::for_mode(Mode::Train);
        let input = graph.placeholder("x", &[batch, 3]);
        let scope = match gathering {
            Some(statistics) => Scope::gathering(&graph, statistics),
            None => Scope::new(&graph),
        };
        graph.training_plan(BatchNorm::new().record(&scope, input).square().sum(&[]), &[])
    };
    let message = plan(1, None).unwrap_err().to_string();
    assert!(message.contains("batch_norm") && message.contains("[1, 3]"), "{message}");

    // Two uneven batches, pooled as one set.
    let x = ArrayD::from_shape_fn(vec![7, 3], |i| (i[0] * i[0]) as f64 + i[1] as f64);
    let mut params = network.params().clone();
    for (from, to) in [(0, 3), (3, 7)] {
        let mut plan = plan(to - from, Some(Statistics::Pooled)).unwrap();
        plan.feed("x", x.slice_axis(Axis(0), (from..to).into())).unwrap();
        let mut gradient = params.clone();
        plan.step(&params, &mut gradient, &Step::default()).unwrap();
        for name in ["running_mean", "running_var", "num_batches_tracked"] {
            let delta = gradient.get(name).unwrap().to_owned();
            let mut value = params.get_mut(name).unwrap();
            value -= &delta;
        }
    }
    let close = |name: &str, expected: ArrayD<f64>| {
        let got = params.get(name).unwrap();
        assert!((&got - &expected).iter().all(|d| d.abs() < 1e-12), "{name}: {got} {expected}");
    };
    close("running_mean", x.mean_axis(Axis(0)).unwrap());
    close("running_var", x.var_axis(Axis(0), 1.0));
}
