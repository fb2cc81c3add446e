//! Augmentation of images of MNIST and CIFAR size, on one thread: the time of a batch of 64.
//!
//! Throughput counts the images, and the bytes that are read and written at least.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array4;
use nn_bench::single_thread;
use nn_train::core::Streams;
use nn_train::data::Augment;

const BATCH: usize = 64;

fn augment(criterion: &mut Criterion) {
    const VALID: &str = "parameters in their ranges";
    let affine = || {
        let augment = Augment::new().rotation(-15.0..=15.0)?.scale(0.9..=1.1)?;
        augment.shear(-10.0..=10.0)?.shift(-2.0..=2.0, -2.0..=2.0)
    };
    let contestants = [
        ("flip and crop/3x32x32", [3, 32, 32], Augment::new().horizontal_flip(0.5).map(|a| a.crop(4))),
        ("affine/1x28x28", [1, 28, 28], affine()),
        ("elastic/1x28x28", [1, 28, 28], Augment::new().elastic(34.0, 4.0)),
        ("affine and elastic/1x28x28", [1, 28, 28], affine().and_then(|a| a.elastic(34.0, 4.0))),
        ("affine/3x224x224", [3, 224, 224], affine()),
        (
            "contrast and brightness/3x32x32",
            [3, 32, 32],
            Augment::new().contrast(0.8..=1.2).and_then(|a| a.brightness(-0.1..=0.1)),
        ),
        ("erasing/3x32x32", [3, 32, 32], Augment::new().erasing(0.5, 0.02..=0.4, 0.3..=3.3, 0.0)),
    ];
    let (pool, samples) = (single_thread(), std::array::from_fn::<usize, BATCH, _>(|i| i));
    let mut group = criterion.benchmark_group("augment");
    group.sample_size(30).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    for (name, [channels, height, width], augment) in contestants {
        let bytes = 2 * size_of::<f32>() * BATCH * channels * height * width;
        group.throughput(Throughput::ElementsAndBytes { elements: BATCH as u64, bytes: bytes as u64 });
        let augment = augment.expect(VALID);
        let pixel = |(n, c, i, j)| ((31 * n + 17 * c + 7 * i + 3 * j) % 97) as f32 / 96.0;
        let mut images = Array4::from_shape_fn((BATCH, channels, height, width), pixel);
        let mut epoch = 0;
        group.bench_function(name, |b| {
            pool.install(|| {
                b.iter(|| {
                    epoch += 1;
                    augment.apply(Streams::new(1), epoch, &samples, images.view_mut());
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, augment);
criterion_main!(benches);
