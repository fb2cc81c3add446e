//! Dropout and its relatives, forward and backward, on one thread.
//!
//! Throughput counts the bytes that must move: the forward pass reads x and writes y, the backward pass reads dy and
//! writes dx. Masks are drawn anew in each pass, without memory.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn_bench::passes::{Passes, numbers};
use nn_bench::single_thread;
use nn_regularize::{AlphaDropout, Dropout, GaussianDropout, SpatialDropout};

fn dropout(criterion: &mut Criterion) {
    const VALID: &str = "a rate in its range";
    let (matrix, images) = (numbers(&[256, 1024]), numbers(&[32, 64, 28, 28]));
    let mut contestants = [
        ("dropout/256x1024", Passes::new(Dropout::new(0.5).expect(VALID), vec![matrix.clone()])),
        ("alpha/256x1024", Passes::new(AlphaDropout::new(0.5).expect(VALID), vec![matrix.clone()])),
        ("gaussian/256x1024", Passes::new(GaussianDropout::new(0.5).expect(VALID), vec![matrix.clone()])),
        ("spatial/32x64x28x28", Passes::new(SpatialDropout::new(0.5).expect(VALID), vec![images])),
    ];
    let pool = single_thread();
    let mut group = criterion.benchmark_group("dropout");
    group.sample_size(50).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    for (name, passes) in &mut contestants {
        group.throughput(Throughput::Bytes(4 * passes.bytes_of_input(0)));
        group.bench_function(*name, |b| pool.install(|| b.iter(|| passes.run())));
    }
    group.finish();
}

criterion_group!(benches, dropout);
criterion_main!(benches);
