//! Convolutions with kernels of 3 × 3, forward and backward, on one thread and on two.
//!
//! Throughput counts the arithmetic of the definition, which is more than what the layers with many channels do: their
//! share of the machine's peak may be above 100 %.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn_bench::passes::{Passes, numbers};
use nn_train::ops::Conv;

/// Samples, channels of input and output, height and width.
const LAYERS: [[usize; 4]; 6] = [
    [64, 16, 16, 32],
    [64, 24, 32, 12],
    [32, 64, 64, 28],
    [32, 128, 128, 14],
    [32, 256, 256, 14],
    [32, 512, 512, 7],
];

fn conv(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let pool = nn_bench::threads(threads);
        let mut group = criterion.benchmark_group(format!("conv/{threads}"));
        group.sample_size(20).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
        for [samples, from, to, side] in LAYERS {
            let inputs =
                vec![numbers(&[samples, from, side, side]), numbers(&[to, from, 3, 3]), numbers(&[to])];
            let mut passes = Passes::new(Conv::<2> { padding: [[1, 1]; 2], ..Conv::default() }, inputs);
            let products = samples * to * side * side * from * 9;
            group.throughput(Throughput::Elements(3 * 2 * products as u64));
            let name = format!("{samples}x{from}x{side}x{side} to {to}");
            group.bench_function(name, |b| pool.install(|| b.iter(|| passes.run())));
        }
        group.finish();
    }
}

criterion_group!(benches, conv);
criterion_main!(benches);
