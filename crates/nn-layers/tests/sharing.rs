//! Weights that two modules share, tables of vectors, and what is said of modules that do not fit.

use ndarray::{Array2, ArrayD, Ix2, array};
use nn_core::{Arena, Step};
use nn_graph::Graph;
use nn_layers::{
    Activation, AdaptiveAvgPool2d, AvgPool1d, Embedding, GlobalAvgPool, GlobalMaxPool, Linear, MaxPool2d,
    Module, MultiHeadAttention, Network, PositionalEmbedding, PositionalEncoding, Sequential, TiedLinear,
};

fn autoencoder(decoder: impl Module<f64> + 'static) -> Network<f64> {
    let module = Sequential::new().add(Linear::new(3)).add(Activation::Tanh).add(decoder);
    Network::new(module, &[5], 1).unwrap()
}

/// The gradient of the mean squared error of a reconstruction.
fn gradient(network: &Network<f64>, params: &Arena<f64>) -> Arena<f64> {
    let graph = Graph::new();
    let x = graph.placeholder("x", &[4, 5]);
    let cost = (network.record(&graph, x) - x).square().mean(&[]);
    let mut plan = graph.training_plan(cost, &[]).unwrap();
    let inputs = ArrayD::from_shape_fn(vec![4, 5], |i| ((i[0] * 5 + i[1]) as f64).sin());
    plan.feed("x", inputs.view()).unwrap();
    let mut gradient = params.clone();
    plan.step(params, &mut gradient, &Step::default()).unwrap();
    gradient
}

fn matrix(arena: &Arena<f64>, name: &str) -> Array2<f64> {
    arena.get(name).unwrap().to_owned().into_dimensionality::<Ix2>().unwrap()
}

#[test]
fn a_tied_weight_exists_once_and_its_gradient_is_the_sum_of_both_uses() {
    let tied = autoencoder(TiedLinear::new("0.weight"));
    assert_eq!(tied.params().layout().count(), 3 * 5 + 3 + 5);
    let free = autoencoder(Linear::new(5));
    let mut params = free.params().clone();
    for name in ["0.weight", "0.bias", "2.bias"] {
        params.get_mut(name).unwrap().assign(&tied.params().get(name).unwrap());
    }
    params.get_mut("2.weight").unwrap().assign(&matrix(tied.params(), "0.weight").t());
    let (of_tied, of_free) = (gradient(&tied, tied.params()), gradient(&free, &params));
    let sum = matrix(&of_free, "0.weight") + matrix(&of_free, "2.weight").t();
    assert!((matrix(&of_tied, "0.weight") - sum).iter().all(|d| d.abs() < 1e-15));
    for name in ["0.bias", "2.bias"] {
        assert_eq!(of_tied.get(name), of_free.get(name), "{name}");
    }
}

#[test]
fn an_output_layer_shares_the_table_of_an_embedding() {
    let output = TiedLinear::new("0.weight").transposed(false).bias(false);
    let module = Sequential::new().add(Embedding::new(7, 4).padding_idx(2)).add(output);
    let mut network = Network::<f64>::new(module, &[3], 1).unwrap();
    assert_eq!((network.params().layout().count(), network.output_shape()), (28, &[3, 7][..]));
    let table = matrix(network.params(), "0.weight");
    assert!(table.row(2).iter().all(|&w| w == 0.0) && table.row(1).iter().all(|&w| w != 0.0));
    let y = network.predict(&array![[6.0, 0.0, 2.0]].into_dyn().view()).unwrap();
    let scores = table.dot(&table.t());
    for (place, word) in [6, 0, 2].into_iter().enumerate() {
        assert!((0..7).all(|other| (y[[0, place, other]] - scores[[word, other]]).abs() < 1e-13), "{word}");
    }
}

#[test]
fn errors_name_the_module_and_what_there_is() {
    fn said(module: impl Module<f32> + 'static, input: &[usize]) -> String {
        let module = Sequential::new().add(Activation::Tanh).add(module);
        Network::new(Sequential::new().add(Linear::new(6)).add(module), input, 1).unwrap_err().to_string()
    }
    let cases = [
        (
            said(TiedLinear::new("encoder.weight"), &[4]),
            "1.1: tied_linear: no module before declares the parameter `encoder.weight`; there are: 0.weight, 0.bias",
        ),
        (said(TiedLinear::new("0.bias"), &[4]), "1.1: tied_linear: expected an input [batch, …, in]"),
        (said(TiedLinear::new("0.weight").transposed(false), &[4]), "got shape [2, 6] and `0.weight` [6, 4]"),
        (
            said(MultiHeadAttention::new(4), &[3, 5]),
            "1.1: multi_head_attention: expected a query whose 6 elements 4 heads",
        ),
        (
            said(MultiHeadAttention::new(0), &[3, 5]),
            "1.1: multi_head_attention: expected a query whose 6 elements 0 heads",
        ),
        (
            said(MultiHeadAttention::new(2), &[0, 5]),
            "1.1: multi_head_attention: expected sequences that are not empty",
        ),
        (
            said(MultiHeadAttention::new(2), &[5]),
            "1.1: multi_head_attention: expected three inputs [batch, length, …]",
        ),
        (
            said(PositionalEncoding, &[5]),
            "1.1: positional_encoding: expected an input [batch, length, d], got shape [2, 6]",
        ),
        (
            said(PositionalEmbedding::new(3), &[4, 5]),
            "1.1: positional_embedding: expected sequences of at most 3",
        ),
        (
            said(MaxPool2d::new(7), &[3, 8, 5]),
            "1.1: max_pool2d: input 0 must be at least as long as the kernel of 7",
        ),
        (
            said(MaxPool2d::new(2).stride(0), &[3, 8, 5]),
            "1.1: max_pool2d: input 0 must be pooled with kernel, stride",
        ),
        (
            said(AvgPool1d::new(2).padding(2), &[3, 5]),
            "1.1: avg_pool1d: input 0 must be pooled with a padding of at most",
        ),
        (
            said(AdaptiveAvgPool2d::new(1), &[3, 5]),
            "1.1: adaptive_avg_pool2d: input 0 must be [batch, channels, height,",
        ),
        (
            said(GlobalAvgPool, &[5]),
            "1.1: global_avg_pool: expected an input [batch, channels, …, places], got shape [2, 6]",
        ),
        (said(GlobalMaxPool, &[5]), "1.1: global_max_pool: expected an input"),
        (
            said(Embedding::new(0, 3), &[5]),
            "1.1: embedding: expected at least one vector and one element, got 0 and 3",
        ),
        (
            said(Embedding::new(4, 3).padding_idx(4), &[5]),
            "1.1: embedding: padding_idx must be below 4, got 4",
        ),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}
