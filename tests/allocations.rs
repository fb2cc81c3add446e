//! Replaying a training step allocates nothing, on one thread and on two.

use std::alloc::System;

use nn_train::core::AlignedVec;
use nn_train::layers::{AvgPool2d, Conv2d, MaxPool2d, Recurrent, Reshape};
use nn_train::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Batch norm, ReLU and dropout.
#[derive(Clone, Copy, Debug)]
struct Normalized;

impl Module<f32> for Normalized {
    fn record<'g>(&self, scope: &Scope<'g, f32>, input: Var<'g, f32>) -> Var<'g, f32> {
        let normalized = scope.submodule("norm", &BatchNorm::new(), input);
        scope.submodule("dropout", &Dropout::new(0.2).unwrap(), normalized.relu())
    }
}

/// Layers of these widths with the same after each but the last.
fn dense(widths: &[usize], after: impl Module<f32> + Copy + 'static) -> Sequential<f32> {
    let (last, hidden) = widths.split_last().unwrap();
    let layer = |net: Sequential<f32>, &width: &usize| net.add(Linear::new(width)).add(after);
    hidden.iter().fold(Sequential::new(), layer).add(Linear::new(*last))
}

/// Two convolutions with pooling, and one hidden layer.
fn convolutional(
    [first, second]: [Conv2d; 2],
    hidden: usize,
    pooling: impl Module<f32> + Copy + 'static,
) -> Sequential<f32> {
    let net = Sequential::new().add(Reshape::new([1, 28, 28]));
    let net = net.add(first).add(Activation::Relu).add(pooling);
    let net = net.add(second).add(Activation::Relu).add(pooling);
    net.add(Flatten).add(Linear::new(hidden)).add(Activation::Relu).add(Linear::new(10))
}

/// The allocations of 10 steps (forward, backward, update) after as many to warm up; on several threads, the least of
/// four steps that follow one another.
fn allocations(
    module: Sequential<f32>,
    shape: &[usize],
    target: &[usize],
    loss: impl Op<f32> + 'static,
    rule: impl Rule<f32> + 'static,
) -> usize {
    let mut network = Network::new(module, &shape[1..], 1).unwrap();
    let graph = Graph::new();
    let (x, y) = (graph.placeholder("x", shape), graph.placeholder("y", target));
    let cost = graph.apply(loss, &[network.record(&graph, x), y]);
    let mut plan = graph.training_plan(cost, &[]).unwrap();
    plan.share_layout(network.params().layout());
    plan.input_mut("x").unwrap().fill(0.5);
    let mut gradient = network.params().clone();
    let mut optimizer = Optimizer::for_layout(rule, network.params().layout());
    let mut run = |steps: std::ops::Range<u64>| {
        for index in steps {
            plan.step(network.params(), &mut gradient, &Step { index, ..Step::default() }).unwrap();
            optimizer.step(network.params_mut(), &gradient);
        }
    };
    run(0..10);
    let mut count = |steps| {
        let region = Region::new(GLOBAL);
        run(steps);
        region.change().allocations
    };
    if rayon::current_num_threads() == 1 {
        return count(10..20);
    }
    // After a pause between two steps, which other processes can cause, idle threads are asked anew to look out for
    // work; that allocates. Some steps follow one another without.
    let counts: Vec<usize> = (10..50).map(|step| count(step..step + 1)).collect();
    counts.windows(4).map(|steps| steps.iter().sum()).min().unwrap()
}

/// Each network of the race (`benches/src/networks.rs`) and some others, and its allocations.
fn all() -> Vec<(&'static str, usize)> {
    let classes = SoftmaxCrossEntropy::new;
    let adam = || Adam::new(1e-3).unwrap();
    let relu = |widths: &[usize]| dense(widths, Activation::Relu);
    let ae = dense(&[1000, 500, 250, 30, 250, 500, 1000, 784], Activation::Sigmoid);
    let lenet = [Conv2d::new(8, 5).padding(2), Conv2d::new(16, 5).padding(2)];
    let lenet = convolutional(lenet, 128, MaxPool2d::new(2));
    let cnn_fast = convolutional([Conv2d::new(24, 5), Conv2d::new(32, 3)], 256, MaxPool2d::new(2));
    let strided = [Conv2d::new(8, 5).stride(2), Conv2d::new(16, 3)];
    let strided = convolutional(strided, 20, AvgPool2d::new(2));
    let many_channels = [Conv2d::new(32, 3).padding(1), Conv2d::new(48, 3).padding(1)];
    let many_channels = convolutional(many_channels, 4, MaxPool2d::new(2));
    let rnn = Sequential::new().add(Recurrent::rnn(100).last()).add(Linear::new(1));
    let lstm = Sequential::new().add(Recurrent::lstm(128).last()).add(Linear::new(10));
    let gru = Recurrent::gru(20).padding_value(0.0).unwrap();
    let gru = Sequential::new().add(gru).add(Flatten).add(Linear::new(10));
    let momentum = Momentum::new(0.1, 0.9).unwrap();
    let nesterov = || Nesterov::new(0.1, 0.9).unwrap();
    let (sgd, mean_squared) = (|| Sgd::new(0.1).unwrap(), MeanSquaredError::new);
    let cross_entropy = BinaryCrossEntropyWithLogits::new();
    vec![
        ("mlp_small32", allocations(relu(&[30, 10]), &[32, 784], &[32], classes(), sgd())),
        ("mlp_small", allocations(relu(&[128, 10]), &[64, 784], &[64], classes(), adam())),
        (
            "mlp_mid_bn",
            allocations(dense(&[256, 128, 10], Normalized), &[128, 784], &[128], classes(), adam()),
        ),
        ("mlp_big", allocations(relu(&[1024, 1024, 10]), &[256, 784], &[256], classes(), momentum)),
        ("gelu", allocations(dense(&[512, 10], Activation::Gelu), &[256, 784], &[256], classes(), sgd())),
        ("ae", allocations(ae, &[200, 784], &[200, 784], cross_entropy, nesterov())),
        ("lenet", allocations(lenet, &[64, 784], &[64], classes(), adam())),
        ("cnn_fast", allocations(cnn_fast, &[256, 784], &[256], classes(), adam())),
        ("strided", allocations(strided, &[64, 784], &[64], classes(), adam())),
        ("many_channels", allocations(many_channels, &[8, 784], &[8], classes(), adam())),
        ("rnn", allocations(rnn, &[100, 80, 2], &[100, 1], mean_squared(), nesterov())),
        ("lstm", allocations(lstm, &[32, 50, 64], &[32], classes(), adam())),
        ("gru", allocations(gru, &[8, 10, 5], &[8], classes(), adam())),
        (
            "tiny",
            allocations(dense(&[20, 3, 1], Activation::Tanh), &[64, 2], &[64, 1], mean_squared(), sgd()),
        ),
    ]
}

/// All measurements stand in one test, since the counter counts the whole process.
#[test]
fn replaying_a_training_step_allocates_nothing() {
    let region = Region::new(GLOBAL);
    drop(AlignedVec::new(0.0f32, 1000));
    assert_eq!(region.change().allocations, 1, "the counter counts");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let counts = pool.install(all);
        let allocating: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
        assert!(allocating.is_empty(), "allocations with {threads} threads: {allocating:?}");
    }
}
