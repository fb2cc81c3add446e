//! Forward and backward pass of losses, on one thread, beside the bytes that must move: the predictions and targets are
//! read, the gradient of the predictions is written.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{ArrayD, IxDyn};
use nn_bench::single_thread;
use nn_train::core::{Grad, Io, Memory, Op, Step};
use nn_train::loss::{BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy};

/// The buffers of one loss.
struct Run {
    loss: Box<dyn Op<f32>>,
    inputs: [ArrayD<f32>; 2],
    output: ArrayD<f32>,
    gradient: ArrayD<f32>,
    saved: Vec<f32>,
    scratch: Vec<f32>,
}

impl Run {
    fn new(loss: Box<dyn Op<f32>>, inputs: [ArrayD<f32>; 2]) -> Self {
        let outline = loss.infer(&[inputs[0].shape(), inputs[1].shape()]).expect("shapes that fit");
        let zeros = |shape: &[usize]| ArrayD::zeros(IxDyn(shape));
        Run {
            output: zeros(&outline.shape),
            gradient: zeros(inputs[0].shape()),
            saved: vec![0.0; outline.saved],
            scratch: vec![0.0; outline.scratch],
            loss,
            inputs,
        }
    }

    fn bytes(&self) -> u64 {
        ((2 * self.inputs[0].len() + self.inputs[1].len()) * size_of::<f32>()) as u64
    }

    fn step(&mut self) {
        let Run { loss, inputs, output, gradient, saved, scratch } = self;
        let views = [inputs[0].view(), inputs[1].view()];
        let step = Step::default();
        loss.forward(&step, &views, output.view_mut(), Memory { saved, scratch });
        let kept = views.map(Some);
        let d_output = ArrayD::ones(output.raw_dim());
        let mut gradients = [Grad::Overwrite(gradient.view_mut()), Grad::Skip];
        let memory = Memory { saved, scratch };
        loss.backward(&step, &Io::new(&kept, None), memory, d_output.view(), &mut gradients);
    }
}

fn loss(criterion: &mut Criterion) {
    let pool = single_thread();
    let (rows, columns) = (256, 1000);
    let array = |shape: &[usize], f: fn(usize) -> f32| {
        let mut i = 0;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            i += 1;
            f(i)
        })
    };
    let logits = || array(&[rows, columns], |i| ((i * 7919 % 1009) as f32 - 504.0) / 100.0);
    let answers = || array(&[rows, columns], |i| (i % 2) as f32);
    let classes = array(&[rows], |i| (i * 37 % 1000) as f32);
    let losses: [(&str, Run); 3] = [
        ("softmax_cross_entropy", Run::new(Box::new(SoftmaxCrossEntropy::new()), [logits(), classes])),
        (
            "binary_cross_entropy_with_logits",
            Run::new(Box::new(BinaryCrossEntropyWithLogits::new()), [logits(), answers()]),
        ),
        ("mean_squared_error", Run::new(Box::new(MeanSquaredError::new()), [logits(), answers()])),
    ];
    let mut group = criterion.benchmark_group("loss/256x1000");
    group.sample_size(50).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    for (name, mut run) in losses {
        group.throughput(Throughput::Bytes(run.bytes()));
        group.bench_function(name, |b| pool.install(|| b.iter(|| run.step())));
    }
    group.finish();
}

criterion_group!(benches, loss);
criterion_main!(benches);
