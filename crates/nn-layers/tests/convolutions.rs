//! Convolution layers: parameters, shapes, and what is said of settings that do not fit.

use ndarray::ArrayD;
use nn_core::{Mode, Step};
use nn_graph::Graph;
use nn_init::{Constant, Zeros};
use nn_layers::{
    Activation, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Flatten, Linear, Module, Network,
    Sequential, SpectralNorm,
};

fn shapes(module: impl Module<f64> + 'static, input: &[usize]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let network = Network::new(module, input, 1).unwrap();
    let params = network.params().iter().map(|(_, w)| w.shape().to_vec()).collect();
    (params, network.output_shape().to_vec())
}

#[test]
fn parameters_and_outputs_have_the_shapes_of_pytorch() {
    let plain = shapes(Conv2d::new(8, 5).padding(2), &[1, 28, 28]);
    assert_eq!(plain, (vec![vec![8, 1, 5, 5], vec![8]], vec![8, 28, 28]));
    let all = Conv2d::new(6, [3, 2]).stride([2, 3]).padding([1, 0]).dilation([1, 2]).groups(2).bias(false);
    assert_eq!(shapes(all, &[4, 10, 12]), (vec![vec![6, 2, 3, 2]], vec![6, 5, 4]));
    let depthwise = shapes(Conv1d::new(4, 3).groups(4), &[4, 9]);
    assert_eq!(depthwise, (vec![vec![4, 1, 3], vec![4]], vec![4, 7]));
    let same = shapes(Conv2d::new(2, [4, 3]).dilation([1, 2]).same_padding(), &[1, 6, 7]);
    assert_eq!(same.1, [2, 6, 7]);
    let up = ConvTranspose2d::new(6, 3).stride(2).padding(1).output_padding([1, 0]).groups(2);
    assert_eq!(shapes(up, &[4, 5, 6]), (vec![vec![4, 3, 3, 3], vec![6]], vec![6, 10, 11]));
    let dilated = shapes(ConvTranspose1d::new(2, 3).dilation(4), &[5, 6]);
    assert_eq!(dilated, (vec![vec![5, 2, 3], vec![2]], vec![2, 14]));
}

#[test]
fn the_vectors_of_a_spectral_norm_are_as_long_as_its_axis_and_the_others() {
    let transform = SpectralNorm::new().axis(1);
    let module = ConvTranspose1d::new(6, 3).bias(false).weight_transform(transform);
    assert_eq!(shapes(module, &[4, 5]), (vec![vec![4, 6, 3], vec![6], vec![12]], vec![6, 7]));
}

#[test]
fn initial_values_fill_the_range_of_pytorch() {
    fn check(module: impl Module<f32> + 'static, fan_in: f32) {
        let network = Network::new(module, &[8, 9, 9], 3).unwrap();
        let bound = 1.0 / fan_in.sqrt();
        for (name, values) in network.params().iter() {
            let largest = values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(largest <= bound && largest > 0.8 * bound, "{name}: {largest} of {bound}");
        }
    }
    check(Conv2d::new(40, 3).groups(2), 36.0);
    // The fan of a transposed convolution counts its outputs, as in PyTorch.
    check(ConvTranspose2d::new(40, 3).groups(2), 180.0);
}

#[test]
fn what_does_not_fit_is_reported_with_the_path() {
    fn says(module: impl Module<f64> + 'static, part: &str) {
        let network = Sequential::new().add(Activation::Relu).add(module);
        let message = Network::new(network, &[4, 8, 8], 1).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains('1'), "{message}");
    }
    says(Conv2d::new(3, 9), "the kernel, which spans 9 along axis 2, is larger than the padded input, 8");
    says(Conv2d::new(3, 3).stride(0), "stride and dilation must be at least 1");
    says(Conv2d::new(3, 3).dilation([1, 0]), "stride and dilation must be at least 1");
    says(Conv2d::new(3, 3).groups(2), "2 groups must divide 4 input and 3 output channels");
    says(Conv2d::new(3, 3).groups(0), "0 groups must divide");
    says(Conv2d::new(0, 3), "a weight that has elements");
    says(Conv2d::new(3, [3, 0]), "a weight that has elements");
    says(Conv2d::new(3, 3).same_padding().stride(2), "needs stride 1");
    says(Conv1d::new(3, 3), "conv1d: expected an input [batch, channels, length]");
    says(ConvTranspose2d::new(6, 3).groups(3), "3 groups must divide 4 input");
    says(ConvTranspose2d::new(3, 3).stride(0), "stride and dilation must be at least 1");
    says(ConvTranspose2d::new(3, 3).output_padding(1), "the output padding, 1");
    says(ConvTranspose2d::new(3, 3).padding(5), "leaves nothing of the output's 10");
}

/// A network of every kind learns to give back a constant.
#[test]
fn a_network_of_convolutions_learns() {
    let layers = Sequential::new()
        .add(Conv2d::new(4, 3).same_padding().weight_init(nn_init::He::normal()).bias_init(Zeros))
        .add(Activation::Relu)
        .add(ConvTranspose2d::new(2, 2).stride(2).bias_init(Constant::new(0.1).unwrap()))
        .add(Flatten)
        .add(Linear::new(1));
    let mut network = Network::<f64>::new(layers, &[2, 4, 4], 5).unwrap();
    let graph = Graph::for_mode(Mode::Train);
    let output = network.record(&graph, graph.placeholder("x", &[3, 2, 4, 4]));
    let mut plan = graph.training_plan((output - 1.0).square().mean(&[]), &[]).unwrap();
    let x =
        ArrayD::from_shape_fn(vec![3, 2, 4, 4], |i| ((i[0] * 7 + i[1] * 5 + i[2] * 3 + i[3]) as f64).sin());
    plan.feed("x", x.view()).unwrap();
    assert!(plan.operations().all(|name| name != "relu"), "the activation is applied by the convolution");
    let mut gradient = network.params().clone();
    let mut costs = vec![];
    for index in 0..60 {
        plan.step(network.params(), &mut gradient, &Step { index, ..Step::default() }).unwrap();
        costs.push(plan.cost(network.params()));
        for (w, g) in network.params_mut().as_mut_slice().iter_mut().zip(gradient.as_slice()) {
            *w -= 0.05 * g;
        }
    }
    assert!(costs[59] < 1e-3 * costs[0], "{costs:?}");
}
