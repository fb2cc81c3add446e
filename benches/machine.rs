//! What the machine can do: fused multiply-adds on registers, and the bandwidth of the memory, on one thread and on two.
//! `cargo xtask bench` states the other benchmarks as shares of these.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn_bench::peak::MultiplyAdd;
use nn_bench::stream::Update;

fn machine(criterion: &mut Criterion) {
    // Long enough that to wake the threads takes no part of the time.
    let chains = MultiplyAdd::new(1 << 20);
    let mut update = Update::new(20_000_000);
    for threads in [1, 2] {
        let pool = nn_bench::threads(threads);
        let mut group = criterion.benchmark_group(format!("machine/{threads}"));
        group
            .sample_size(20)
            .measurement_time(Duration::from_secs(1))
            .warm_up_time(Duration::from_millis(500));
        group.throughput(Throughput::Elements(threads as u64 * chains.flops()));
        group.bench_function("multiply_add", |b| {
            pool.install(|| b.iter(|| rayon::broadcast(|_| chains.run())))
        });
        group.throughput(Throughput::Bytes(update.bytes()));
        group.bench_function("memory", |b| pool.install(|| b.iter(|| update.run())));
        group.finish();
    }
}

criterion_group!(benches, machine);
criterion_main!(benches);
