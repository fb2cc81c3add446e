//! Summaries of networks.

use crate::list;

use list::list;
use nn_core::Role;
use nn_graph::Var;
use nn_init::Ones;
use nn_layers::{
    Activation, BatchNorm, Conv2d, Dropout, Flatten, LayerNorm, Linear, MaxPool2d, ModelSummary, Module,
    Network, Residual, Scope, Sequential,
};

fn summary(module: impl Module<f32> + 'static, input: &[usize]) -> ModelSummary {
    Network::new(module, input, 1).unwrap().summary().unwrap()
}

/// Path, kind, output shape, parameters and FLOPs of each row.
fn rows(summary: &ModelSummary) -> Vec<(&str, &str, &[usize], usize, u64)> {
    let rows = summary.rows.iter();
    rows.map(|row| (&*row.path, &*row.kind, &*row.output_shape, row.parameters(), row.flops)).collect()
}

#[test]
fn a_network_of_two_layers_has_its_known_size() {
    let module = Sequential::new().add(Linear::new(128)).add(Activation::Relu).add(Linear::new(10));
    let summary = summary(module, &[784]);
    let expected: [(&str, &str, &[usize], usize, u64); 3] = [
        ("0", "Linear", &[128], 784 * 128 + 128, 2 * 784 * 128),
        ("1", "ReLU", &[128], 0, 128),
        ("2", "Linear", &[10], 128 * 10 + 10, 2 * 128 * 10),
    ];
    assert_eq!(rows(&summary), expected);
    assert_eq!((summary.trained, summary.not_trained, summary.bytes), (101_770, 0, 407_080));
    assert_eq!((summary.flops, &summary.input_shape[..]), (203_392, &[784][..]));
}

#[test]
fn a_convolutional_network_has_its_known_size_and_is_printed_in_80_columns() {
    let block = Sequential::new().add(Conv2d::new(8, 3).padding(1)).add(BatchNorm::new());
    let module = Sequential::new()
        .add(Conv2d::new(8, 3).padding(1))
        .add(Residual::new(block.add(Activation::Relu)))
        .add(MaxPool2d::new(2))
        .add(Dropout::new(0.5).unwrap())
        .add(Flatten)
        .add(Linear::new(10));
    let summary = summary(module, &[1, 28, 28]);
    let (plane, image) = (784, [8usize, 28, 28]);
    let expected: [(&str, &str, &[usize], usize, u64); 9] = [
        ("0", "Conv2d", &image, 8 * 9 + 8, 2 * 9 * 8 * plane),
        ("1", "Residual", &image, 0, 8 * plane),
        ("1.0", "Conv2d", &image, 8 * 8 * 9 + 8, 2 * 8 * 9 * 8 * plane),
        ("1.1", "BatchNorm", &image, 4 * 8 + 1, 8 * plane),
        ("1.2", "ReLU", &image, 0, 8 * plane),
        ("2", "MaxPool2d", &[8, 14, 14], 0, 8 * plane),
        ("3", "Dropout", &[8, 14, 14], 0, 0),
        ("4", "Flatten", &[1568], 0, 0),
        ("5", "Linear", &[10], 1568 * 10 + 10, 2 * 1568 * 10),
    ];
    assert_eq!(rows(&summary), expected);
    assert_eq!((summary.trained, summary.not_trained), (80 + 584 + 16 + 15_690, 17));
    let table = "\
layer                            output                parameters          FLOPs
--------------------------------------------------------------------------------
input                            [–, 1, 28, 28]
0    Conv2d                      [–, 8, 28, 28]                80        112,896
1    Residual                    [–, 8, 28, 28]                 0          6,272
1.0  Conv2d                      [–, 8, 28, 28]               584        903,168
1.1  BatchNorm                   [–, 8, 28, 28]                33          6,272
1.2  ReLU                        [–, 8, 28, 28]                 0          6,272
2    MaxPool2d                   [–, 8, 14, 14]                 0          6,272
3    Dropout                     [–, 8, 14, 14]                 0              0
4    Flatten                     [–, 1568]                      0              0
5    Linear                      [–, 10]                   15,690         31,360
--------------------------------------------------------------------------------
16,387 parameters (65,548 bytes), 17 of them not trained
1,072,512 FLOPs per sample
";
    assert_eq!(summary.to_string(), table);
}

/// A module of a user's own with a parameter, and a module under a name.
#[derive(Debug)]
struct Scaled<M>(M);

impl<M: Module<f32>> Module<f32> for Scaled<M> {
    fn record<'g>(&self, scope: &Scope<'g, f32>, input: Var<'g, f32>) -> Var<'g, f32> {
        let inside = scope.submodule("a_submodule_with_a_name_of_great_length", &self.0, input);
        inside * scope.param("scale", &[], Role::Weight, Ones)
    }
}

#[test]
fn a_module_of_ones_own_has_what_its_submodules_have_not() {
    let network = summary(Sequential::new().add(Scaled(Linear::new(3))).add(Scaled(Flatten)), &[5]);
    let [long, second] = ["0", "1"].map(|path| format!("{path}.a_submodule_with_a_name_of_great_length"));
    let expected: [(&str, &str, &[usize], usize, u64); 4] = [
        ("0", "Scaled", &[3], 1, 3),
        (&long, "Linear", &[3], 18, 30),
        ("1", "Scaled", &[3], 1, 3),
        (&second, "Flatten", &[3], 0, 0),
    ];
    assert_eq!(rows(&network), expected);
    let text = network.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("\n…_a_name_of_great_length  Linear "), "{text}");
    let alone = summary(LayerNorm::new(), &[4]);
    assert_eq!(rows(&alone)[..], [("", "LayerNorm", &[4][..], 8, 4)]);
}

#[test]
fn rows_add_up_to_the_network() {
    for (name, module, _) in list() {
        let network = Network::new(Sequential::new().add(Linear::new(5)).add(module), &[4, 5], 1).unwrap();
        let summary = network.summary().unwrap();
        let sum = |part: fn(&nn_layers::LayerRow) -> usize| summary.rows.iter().map(part).sum::<usize>();
        assert_eq!(sum(|row| row.trained), summary.trained, "{name}");
        assert_eq!(sum(|row| row.not_trained), summary.not_trained, "{name}");
        assert_eq!(sum(|row| row.flops as usize) as u64, summary.flops, "{name}");
        assert_eq!(summary.trained + summary.not_trained, network.params().layout().count(), "{name}");
        assert_eq!(summary.rows.last().unwrap().output_shape, network.output_shape(), "{name}");
    }
}
