//! Replaying a training step allocates nothing, on one thread and on two.

use std::alloc::System;

use nn_train::core::AlignedVec;
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

/// The allocations of 20 steps (forward, backward, update) after as many to warm up.
fn allocations(
    widths: &[usize],
    batch: usize,
    after: impl Module<f32> + Copy + 'static,
    loss: impl Op<f32> + 'static,
    rule: impl Rule<f32> + 'static,
) -> usize {
    let hidden = &widths[1..widths.len() - 1];
    let module = hidden.iter().fold(Sequential::new(), |net, &width| net.add(Linear::new(width)).add(after));
    let module = module.add(Linear::new(widths[widths.len() - 1]));
    let mut network = Network::new(module, &[widths[0]], 1).unwrap();
    let graph = Graph::new();
    let x = graph.placeholder("x", &[batch, widths[0]]);
    let is_autoencoder = widths[0] == widths[widths.len() - 1];
    let y = if is_autoencoder { x } else { graph.placeholder("y", &[batch]) };
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
    run(0..20);
    let region = Region::new(GLOBAL);
    run(20..40);
    region.change().allocations
}

/// All measurements stand in one test, since the counter counts the whole process.
#[test]
fn replaying_a_training_step_allocates_nothing() {
    let region = Region::new(GLOBAL);
    drop(AlignedVec::new(0.0f32, 1000));
    assert_eq!(region.change().allocations, 1, "the counter counts");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let counts = pool.install(|| {
            let classes = SoftmaxCrossEntropy::new;
            [
                allocations(&[784, 30, 10], 32, Activation::Relu, classes(), Sgd::new(0.1).unwrap()),
                allocations(&[784, 128, 10], 64, Activation::Relu, classes(), Adam::new(1e-3).unwrap()),
                allocations(
                    &[784, 512, 512, 10],
                    256,
                    Activation::Gelu,
                    classes(),
                    Momentum::new(0.1, 0.9).unwrap(),
                ),
                allocations(
                    &[784, 100, 30, 100, 784],
                    200,
                    Activation::Sigmoid,
                    BinaryCrossEntropyWithLogits::new(),
                    Nesterov::new(0.1, 0.9).unwrap(),
                ),
                allocations(&[784, 256, 128, 10], 128, Normalized, classes(), Adam::new(1e-3).unwrap()),
                allocations(
                    &[8, 20, 3, 1, 8],
                    64,
                    Activation::Tanh,
                    MeanSquaredError::new(),
                    Sgd::new(0.1).unwrap(),
                ),
            ]
        });
        assert_eq!(counts, [0; 6], "allocations of 20 steps with {threads} threads");
    }
}
