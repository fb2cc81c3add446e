//! Whole training steps on one thread, `f32`, all data in memory: the replayed graph beside straight-line code over
//! the crate `gemm`.
//!
//! The two alternate, step by step in blocks, so that a noisy machine harms both alike; criterion then times each.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nn_bench::graph_step::GraphStep;
use nn_bench::networks::ALL;
use nn_bench::straight_line::StraightLine;
use std::time::Duration;

fn train_step(criterion: &mut Criterion) {
    let pool = nn_bench::single_thread();
    for spec in ALL {
        let data = nn_bench::Data::new(&spec);
        let mut group = criterion.benchmark_group(format!("train_step/{}", spec.name));
        group.throughput(Throughput::Elements(spec.flops()));
        group.sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
        let mut graph = GraphStep::new(spec);
        group.bench_function(BenchmarkId::from_parameter("graph"), |b| {
            pool.install(|| b.iter(|| graph.step(&data)));
        });
        let mut straight = StraightLine::new(spec, nn_bench::initial_weight);
        group.bench_function(BenchmarkId::from_parameter("prototype"), |b| {
            b.iter(|| straight.step(&data.inputs, &data.targets));
        });
        group.finish();
    }
}

criterion_group!(benches, train_step);
criterion_main!(benches);
