//! Dropout and its relatives, forward and backward, on one thread.
//!
//! Throughput counts the bytes that must move: the forward pass reads x and writes y, the backward pass reads dy and
//! writes dx. Masks are drawn anew in each pass, without memory.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{ArrayD, IxDyn};
use nn_bench::single_thread;
use nn_regularize::{AlphaDropout, Dropout, GaussianDropout, SpatialDropout};
use nn_train::core::{Grad, Io, Memory, Op, Step};

/// An operation with all memory that its passes need.
struct Passes {
    op: Box<dyn Op<f32>>,
    x: ArrayD<f32>,
    y: ArrayD<f32>,
    dx: ArrayD<f32>,
    scratch: Vec<f32>,
    step: Step,
}

impl Passes {
    fn new(op: impl Op<f32> + 'static, shape: &[usize]) -> Self {
        let outline = op.infer(&[shape]).expect("the shape suits the operation");
        let x = ArrayD::from_elem(IxDyn(shape), 1.5);
        let (y, dx, scratch) = (x.clone(), x.clone(), vec![0.0; outline.scratch]);
        Passes { op: Box::new(op), x, y, dx, scratch, step: Step::default() }
    }

    fn bytes(&self) -> u64 {
        (4 * self.x.len() * size_of::<f32>()) as u64
    }

    fn run(&mut self) {
        self.step.index += 1;
        let memory = Memory { saved: &mut [], scratch: &mut self.scratch };
        self.op.forward(&self.step, &[self.x.view()], self.y.view_mut(), memory);
        let memory = Memory { saved: &mut [], scratch: &mut self.scratch };
        let mut targets = [Grad::Overwrite(self.dx.view_mut())];
        self.op.backward(&self.step, &Io::new(&[None], None), memory, self.x.view(), &mut targets);
    }
}

fn dropout(criterion: &mut Criterion) {
    const VALID: &str = "a rate in its range";
    let images: &[usize] = &[32, 64, 28, 28];
    let mut contestants = [
        ("dropout/256x1024", Passes::new(Dropout::new(0.5).expect(VALID), &[256, 1024])),
        ("alpha/256x1024", Passes::new(AlphaDropout::new(0.5).expect(VALID), &[256, 1024])),
        ("gaussian/256x1024", Passes::new(GaussianDropout::new(0.5).expect(VALID), &[256, 1024])),
        ("spatial/32x64x28x28", Passes::new(SpatialDropout::new(0.5).expect(VALID), images)),
    ];
    let pool = single_thread();
    let mut group = criterion.benchmark_group("dropout");
    group.sample_size(50).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    for (name, passes) in &mut contestants {
        group.throughput(Throughput::Bytes(passes.bytes()));
        group.bench_function(*name, |b| pool.install(|| b.iter(|| passes.run())));
    }
    group.finish();
}

criterion_group!(benches, dropout);
criterion_main!(benches);
