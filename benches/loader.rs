//! What a mini-batch costs the thread that trains: copied from memory, and augmented here or in the background.
//!
//! "Background" computes nothing between the batches, so it shows the rate of one worker, not the time waited in
//! training. Throughput counts the samples, and the bytes that are read and written at least.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array1, Array2};
use nn_train::core::Streams;
use nn_train::data::{Augment, Augmented, Batches, Dataset, Loader, Source};

const SAMPLES: usize = 4096;
const BATCH: usize = 64;
const PIXELS: usize = 28 * 28;

/// All batches of an epoch.
fn epoch(source: &dyn Source<f32>, epoch: u64, workers: usize) {
    const VALID: &str = "samples that are there";
    let batches = Batches::new(SAMPLES, BATCH).expect(VALID).shuffled(Streams::new(1));
    let steps = batches.len() as u64;
    let loader = Loader::new(source, batches).steps(epoch * steps..(epoch + 1) * steps).workers(workers);
    let mut inputs = Array2::zeros((BATCH, PIXELS)).into_dyn();
    let mut targets = Array1::zeros(BATCH).into_dyn();
    let run = loader.run(|prefetcher| {
        while let Some(batch) = prefetcher.next_batch().expect(VALID) {
            batch.write_into(inputs.view_mut(), targets.view_mut()).expect(VALID);
        }
    });
    run.expect("threads can be started");
}

fn loader(criterion: &mut Criterion) {
    let pixel = |(n, i)| ((31 * n + 7 * i) % 97) as f32 / 96.0;
    let labels = Array1::from_shape_fn(SAMPLES, |n| (n % 10) as f32);
    let set =
        Dataset::classification(Array2::from_shape_fn((SAMPLES, PIXELS), pixel), labels, 10).expect("labels");
    let augment = Augment::new().rotation(-15.0..=15.0).and_then(|a| a.elastic(34.0, 4.0)).expect("ranges");
    let augmented = Augmented::with_shape(&set, augment, Streams::new(1), [1, 28, 28]).expect("images");
    let mut group = criterion.benchmark_group("loader");
    group.sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    let bytes = 2 * size_of::<f32>() * SAMPLES * PIXELS;
    group.throughput(Throughput::ElementsAndBytes { elements: SAMPLES as u64, bytes: bytes as u64 });
    let contestants: [(&str, &dyn Source<f32>, usize); 3] = [
        ("copied", &set, 1),
        ("augmented here", &augmented, 0),
        ("augmented in the background", &augmented, 1),
    ];
    for (name, source, workers) in contestants {
        let mut number = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                number += 1;
                epoch(source, number, workers);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, loader);
criterion_main!(benches);
