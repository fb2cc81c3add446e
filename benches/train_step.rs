//! Whole training steps, `f32`, all data in memory, the mean loss read in every step, on one thread and on two: the
//! replayed graph, and on one thread, for plain stacks of linear layers, straight-line code, which multiplies by the
//! crate `gemm` (`prototype`) or by `nn-ops` (`straight_line`).
//!
//! Throughput counts the arithmetic of matrix products and convolutions only.

use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use nn_bench::data::{Batch, Data};
use nn_bench::graph_step::GraphStep;
use nn_bench::networks::{ALL, Spec};
use nn_bench::straight_line::{Product, StraightLine};

fn train_step(criterion: &mut Criterion) {
    for spec in ALL {
        for threads in [1, 2] {
            let mut group = criterion.benchmark_group(format!("train_step/{}/{threads}", spec.name));
            group.throughput(Throughput::Elements(spec.flops()));
            group
                .sample_size(20)
                .measurement_time(Duration::from_secs(2))
                .warm_up_time(Duration::from_secs(1));
            let mut graph = GraphStep::new(spec);
            measure(&mut group, spec, threads, "graph", |batch| graph.step(batch));
            for (name, product) in [("prototype", Product::GemmCrate), ("straight_line", Product::NnOps)] {
                if let Some(mut straight) = StraightLine::new(spec, product).filter(|_| threads == 1) {
                    measure(&mut group, spec, threads, name, |batch| straight.step(batch));
                }
            }
            group.finish();
        }
    }
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    spec: Spec,
    threads: usize,
    name: &str,
    mut step: impl FnMut(&Batch) -> f32 + Send,
) {
    let mut data = Data::new(&spec);
    let pool = nn_bench::threads(threads);
    group.bench_function(name, |b| pool.install(|| b.iter(|| step(data.take_next()))));
}

criterion_group!(benches, train_step);
criterion_main!(benches);
