//! Forward and backward pass of losses, on one thread, beside the bytes that must move: the predictions and targets are
//! read, the gradient of the predictions is written.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{ArrayD, IxDyn};
use nn_bench::passes::Passes;
use nn_bench::single_thread;
use nn_train::core::Op;
use nn_train::loss::{BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy};

/// A loss of predictions against targets, of which no gradient is wanted.
fn passes(loss: impl Op<f32> + 'static, predictions: ArrayD<f32>, targets: ArrayD<f32>) -> Passes {
    Passes::new(loss, vec![predictions, targets]).without_gradient(1)
}

fn loss(criterion: &mut Criterion) {
    let pool = single_thread();
    let (rows, columns) = (256, 1000);
    let array = |shape: &[usize], f: fn(usize) -> f32| {
        let mut i = 0;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            i += 1;
            f(i)
        })
    };
    let logits = || array(&[rows, columns], |i| ((i * 7919 % 1009) as f32 - 504.0) / 100.0);
    let answers = || array(&[rows, columns], |i| (i % 2) as f32);
    let classes = array(&[rows], |i| (i * 37 % 1000) as f32);
    let losses = [
        ("softmax_cross_entropy", passes(SoftmaxCrossEntropy::new(), logits(), classes)),
        (
            "binary_cross_entropy_with_logits",
            passes(BinaryCrossEntropyWithLogits::new(), logits(), answers()),
        ),
        ("mean_squared_error", passes(MeanSquaredError::new(), logits(), answers())),
    ];
    let mut group = criterion.benchmark_group("loss/256x1000");
    group.sample_size(50).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    for (name, mut passes) in losses {
        group.throughput(Throughput::Bytes(2 * passes.bytes_of_input(0) + passes.bytes_of_input(1)));
        group.bench_function(name, |b| pool.install(|| b.iter(|| passes.run())));
    }
    group.finish();
}

criterion_group!(benches, loss);
criterion_main!(benches);
