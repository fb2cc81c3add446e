//! Batch norm and layer norm, forward and backward, on one thread.
//!
//! Throughput counts the bytes that must move: the forward pass reads x and writes y, the backward pass reads x and dy
//! and writes dx.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn_bench::passes::{Passes, numbers};
use nn_bench::single_thread;
use nn_norm::{BatchNorm, GroupNorm, LayerNorm, RmsNorm};
use nn_train::core::Op;

/// A norm of arrays of these shapes.
fn passes(op: impl Op<f32> + 'static, shapes: &[&[usize]]) -> Passes {
    Passes::new(op, shapes.iter().map(|shape| numbers(shape)).collect())
}

fn norm(criterion: &mut Criterion) {
    let x: &[usize] = &[256, 1024];
    let images: &[usize] = &[32, 64, 28, 28];
    let (c, of_images, one): (&[usize], &[usize], &[usize]) = (&[1024], &[64], &[]);
    let groups = GroupNorm::new(8).expect("eight groups");
    let contestants = [
        ("batch_norm/256x1024", passes(BatchNorm::new(), &[x, c, c, c, c, one])),
        ("layer_norm/256x1024", passes(LayerNorm::new(), &[x, c, c])),
        ("rms_norm/256x1024", passes(RmsNorm::new(), &[x, c])),
        (
            "batch_norm/32x64x28x28",
            passes(BatchNorm::new(), &[images, of_images, of_images, of_images, of_images, one]),
        ),
        ("group_norm/32x64x28x28", passes(groups, &[images, of_images, of_images])),
    ];
    let pool = single_thread();
    let mut group = criterion.benchmark_group("norm");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    for (name, mut passes) in contestants {
        group.throughput(Throughput::Bytes(5 * passes.bytes_of_input(0)));
        group.bench_function(name, |b| pool.install(|| b.iter(|| passes.run())));
    }
    group.finish();
}

criterion_group!(benches, norm);
criterion_main!(benches);
