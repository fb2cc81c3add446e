//! One step of each update rule, on one thread and on two, beside the bandwidth of the memory measured in the same run.
//!
//! Throughput counts the bytes that a rule must move: parameters, gradient and slots are read, parameters and slots are
//! written. `triad` is that of STREAM (McCalpin 1995), a ← b + s·c, over arrays of the same size in all; its stores to an
//! array that was not read make the memory fetch that array too, uncounted. `update`, a ← a + s·b, writes where it read,
//! as optimizers do.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn_bench::stream::{Triad, Update};
use nn_train::optim::{Adam, AdamW, Lion, Momentum, Optimizer, RmsProp, Rule, Sgd};

type Contestant = (&'static str, fn() -> Box<dyn Rule<f32>>);

const VALID: &str = "valid hyperparameters";

const RULES: &[Contestant] = &[
    ("sgd", || Box::new(Sgd::new(1e-3).expect(VALID))),
    ("momentum", || Box::new(Momentum::new(1e-3, 0.9).expect(VALID))),
    ("rmsprop", || Box::new(RmsProp::new(1e-3).expect(VALID))),
    ("lion", || Box::new(Lion::new(1e-3).expect(VALID))),
    ("adam", || Box::new(Adam::new(1e-3).expect(VALID))),
    ("adamw", || Box::new(AdamW::new(1e-3).expect(VALID))),
];

fn optim(criterion: &mut Criterion) {
    for (size, count) in [("1e5", 100_000), ("1e7", 10_000_000)] {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let mut group = criterion.benchmark_group(format!("optim/{size}/{threads}"));
            group
                .sample_size(20)
                .measurement_time(Duration::from_secs(2))
                .warm_up_time(Duration::from_secs(1));
            // As many bytes as Adam needs: parameters, gradient, two slots.
            let mut triad = Triad::new(4 * count);
            group.throughput(Throughput::Bytes(triad.bytes()));
            group.bench_function("triad", |b| pool.install(|| b.iter(|| triad.run())));
            drop(triad);
            let mut update = Update::new(4 * count);
            group.throughput(Throughput::Bytes(update.bytes()));
            group.bench_function("update", |b| pool.install(|| b.iter(|| update.run())));
            drop(update);
            for (name, rule) in RULES {
                let (mut w, g) = (vec![1.0f32; count], vec![1e-3f32; count]);
                let slots = rule().slots().len();
                let bytes = ((3 + 2 * slots) * count * size_of::<f32>()) as u64;
                group.throughput(Throughput::ElementsAndBytes { elements: count as u64, bytes });
                let mut optimizer = Optimizer::new(rule());
                group.bench_function(*name, |b| pool.install(|| b.iter(|| optimizer.step(&mut w, &g))));
            }
            group.finish();
        }
    }
}

criterion_group!(benches, optim);
criterion_main!(benches);
