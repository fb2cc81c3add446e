//! Whole training steps on one thread, `f32`, all data in memory, the mean loss read in every step: the replayed graph
//! beside straight-line code, which multiplies by the crate `gemm` (`prototype`) or by `nn-ops` (`straight_line`).

use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use nn_bench::graph_step::GraphStep;
use nn_bench::networks::{ALL, Spec};
use nn_bench::straight_line::{Product, StraightLine};
use nn_bench::{Batch, Data};

fn train_step(criterion: &mut Criterion) {
    for spec in ALL {
        let mut group = criterion.benchmark_group(format!("train_step/{}", spec.name));
        group.throughput(Throughput::Elements(spec.flops()));
        group.sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
        let mut graph = GraphStep::new(spec);
        measure(&mut group, spec, "graph", |batch| graph.step(batch));
        for (name, product) in [("prototype", Product::GemmCrate), ("straight_line", Product::NnOps)] {
            let mut straight = StraightLine::new(spec, product);
            measure(&mut group, spec, name, |batch| straight.step(batch));
        }
        group.finish();
    }
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    spec: Spec,
    name: &str,
    mut step: impl FnMut(&Batch) -> f32 + Send,
) {
    let mut data = Data::new(&spec);
    group.bench_function(name, |b| nn_bench::single_thread().install(|| b.iter(|| step(data.take_next()))));
}

criterion_group!(benches, train_step);
criterion_main!(benches);
