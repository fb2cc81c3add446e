//! Batch norm and layer norm, forward and backward, on one thread.
//!
//! Throughput counts the bytes that must move: the forward pass reads x and writes y, the backward pass reads x and dy
//! and writes dx.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{ArrayD, IxDyn};
use nn_bench::single_thread;
use nn_norm::{BatchNorm, GroupNorm, LayerNorm, RmsNorm};
use nn_train::core::{Grad, Io, Memory, Op, Step};

/// An operation with all memory that its passes need.
struct Passes {
    op: Box<dyn Op<f32>>,
    inputs: Vec<ArrayD<f32>>,
    gradients: Vec<ArrayD<f32>>,
    output: ArrayD<f32>,
    d_output: ArrayD<f32>,
    saved: Vec<f32>,
    scratch: Vec<f32>,
}

impl Passes {
    fn new(op: impl Op<f32> + 'static, shapes: &[&[usize]]) -> Self {
        let outline = op.infer(shapes).expect("the shapes suit the norm");
        let mut state = 0u32;
        let mut array = |shape: &[usize]| {
            ArrayD::from_shape_simple_fn(IxDyn(shape), || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32
            })
        };
        let inputs: Vec<_> = shapes.iter().map(|shape| array(shape)).collect();
        let d_output = array(&outline.shape);
        let (gradients, output) = (inputs.clone(), d_output.clone());
        let (saved, scratch) = (vec![0.0; outline.saved], vec![0.0; outline.scratch]);
        Passes { op: Box::new(op), inputs, gradients, output, d_output, saved, scratch }
    }

    fn bytes(&self) -> u64 {
        (5 * self.output.len() * size_of::<f32>()) as u64
    }

    fn run(&mut self) {
        let step = Step::default();
        let views: Vec<_> = self.inputs.iter().map(|x| x.view()).collect();
        let memory = Memory { saved: &mut self.saved, scratch: &mut self.scratch };
        self.op.forward(&step, &views, self.output.view_mut(), memory);
        let kept: Vec<_> = views.into_iter().map(Some).collect();
        let mut targets: Vec<_> = self.gradients.iter_mut().map(|g| Grad::Overwrite(g.view_mut())).collect();
        let memory = Memory { saved: &mut self.saved, scratch: &mut self.scratch };
        self.op.backward(&step, &Io::new(&kept, None), memory, self.d_output.view(), &mut targets);
    }
}

fn norm(criterion: &mut Criterion) {
    let x: &[usize] = &[256, 1024];
    let images: &[usize] = &[32, 64, 28, 28];
    let (c, of_images, one): (&[usize], &[usize], &[usize]) = (&[1024], &[64], &[]);
    let groups = GroupNorm::new(8).expect("eight groups");
    let contestants = [
        ("batch_norm/256x1024", Passes::new(BatchNorm::new(), &[x, c, c, c, c, one])),
        ("layer_norm/256x1024", Passes::new(LayerNorm::new(), &[x, c, c])),
        ("rms_norm/256x1024", Passes::new(RmsNorm::new(), &[x, c])),
        (
            "batch_norm/32x64x28x28",
            Passes::new(BatchNorm::new(), &[images, of_images, of_images, of_images, of_images, one]),
        ),
        ("group_norm/32x64x28x28", Passes::new(groups, &[images, of_images, of_images])),
    ];
    let pool = single_thread();
    let mut group = criterion.benchmark_group("norm");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    for (name, mut passes) in contestants {
        group.throughput(Throughput::Bytes(passes.bytes()));
        group.bench_function(name, |b| pool.install(|| b.iter(|| passes.run())));
    }
    group.finish();
}

criterion_group!(benches, norm);
criterion_main!(benches);
