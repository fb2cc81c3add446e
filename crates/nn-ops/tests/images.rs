//! Convolutions and poolings of images as large as usual ones, of which whole vectors are read and written, against
//! plain loops, on every instruction set, for both scalars and for any number of threads.
//!
//! All in one test, since the instruction set is one for the whole process.

use ndarray::{ArrayD, IxDyn};
use nn_core::{Op, Real, Step, evaluate};
use nn_ops::simd::{Isa, best, force};
use nn_ops::{Conv, MaxPool2d};

/// Numbers between −1 and 1 that look random.
fn numbers<F: Real>(shape: &[usize], seed: u64) -> ArrayD<F> {
    let mut state = seed | 1;
    ArrayD::from_shape_fn(IxDyn(shape), |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        F::from_f64((state >> 40) as f64 / f64::from(1 << 23) - 1.0)
    })
}

/// The output of an operation, and the gradients of its inputs.
fn run<F: Real>(op: &dyn Op<F>, inputs: &[ArrayD<F>], dy: &ArrayD<F>) -> Vec<ArrayD<F>> {
    let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    let mut evaluated = evaluate(op, &Step::default(), &views).expect("shapes fit");
    let gradients = evaluated.backward(op, &Step::default(), &views, dy.view());
    [vec![evaluated.output], gradients].concat()
}

fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(work)
}

/// (input and output channels of a group, groups), (samples, height, width), (kernel, stride, padding, dilation)
type Image = ([usize; 3], [usize; 3], [usize; 4]);

const IMAGES: [Image; 14] = [
    ([1, 8, 1], [3, 28, 28], [5, 1, 2, 1]),
    ([8, 16, 1], [3, 14, 14], [5, 1, 2, 1]),
    ([1, 24, 1], [3, 17, 20], [5, 1, 0, 1]),
    ([3, 7, 1], [3, 17, 15], [3, 2, 1, 1]),
    ([1, 1, 6], [3, 16, 16], [3, 1, 1, 1]),
    ([2, 6, 2], [3, 12, 19], [3, 1, 2, 2]),
    ([4, 5, 1], [3, 21, 9], [4, 3, 2, 2]),
    ([3, 33, 1], [3, 9, 9], [3, 1, 0, 1]),
    ([2, 12, 1], [3, 8, 8], [1, 1, 0, 1]),
    // With many channels and a kernel of 3 × 3 there are fewer multiplications.
    ([64, 56, 1], [3, 11, 14], [3, 1, 1, 1]),
    ([62, 76, 1], [2, 9, 12], [3, 1, 0, 1]),
    ([64, 64, 1], [1, 5, 6], [3, 1, 3, 1]),
    ([48, 64, 1], [40, 4, 4], [3, 1, 1, 1]),
    ([320, 336, 1], [3, 6, 8], [3, 1, 1, 1]),
];

fn convolution([_, _, groups]: [usize; 3], [_, stride, padding, dilation]: [usize; 4]) -> Conv<2> {
    let (stride, dilation) = ([stride; 2], [dilation; 2]);
    Conv { stride, dilation, padding: [[padding; 2]; 2], groups, ..Conv::default() }
}

/// Output and gradients of a convolution by its definition.
fn in_plain_loops(
    (channels, [_, height, width], sizes): Image,
    [x, w, b]: &[ArrayD<f64>; 3],
    dy: &ArrayD<f64>,
) -> [ArrayD<f64>; 4] {
    let ([from, to, _], [kernel, stride, padding, dilation]) = (channels, sizes);
    let (mut y, mut dx) = (ArrayD::zeros(dy.raw_dim()), ArrayD::zeros(x.raw_dim()));
    let (mut dw, mut db) = (ArrayD::zeros(w.raw_dim()), ArrayD::zeros(b.raw_dim()));
    for (at, &dy) in dy.indexed_iter() {
        let [n, o, row, col] = [0, 1, 2, 3].map(|axis| at[axis]);
        y[[n, o, row, col]] += b[[o]];
        db[[o]] += dy;
        for (c, i, j) in
            (0..from).flat_map(|c| (0..kernel).flat_map(move |i| (0..kernel).map(move |j| (c, i, j))))
        {
            let (r, s) = (row * stride + i * dilation, col * stride + j * dilation);
            if (padding..padding + height).contains(&r) && (padding..padding + width).contains(&s) {
                let (at, weight) = ([n, o / to * from + c, r - padding, s - padding], [o, c, i, j]);
                y[[n, o, row, col]] += x[at] * w[weight];
                dx[at] += dy * w[weight];
                dw[weight] += dy * x[at];
            }
        }
    }
    [y, dx, dw, db]
}

/// Compares all results with what is expected, and those on several threads with those on one.
fn check<F: Real>(
    image: Image,
    inputs: &[ArrayD<f64>; 3],
    dy: &ArrayD<f64>,
    expected: &[ArrayD<f64>],
    tolerance: f64,
) {
    let op = convolution(image.0, image.2);
    let (inputs, dy) = (inputs.each_ref().map(|x| x.mapv(F::from_f64)), dy.mapv(F::from_f64));
    let got = on_threads(1, || run::<F>(&op, &inputs, &dy));
    for (what, (got, expected)) in ["y", "dx", "dw", "db"].iter().zip(got.iter().zip(expected)) {
        let limit = tolerance * expected.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        let wrong = got.iter().zip(expected).find(|(got, x)| (got.to_f64() - **x).abs() > limit);
        assert_eq!(wrong, None, "{what} of {image:?}");
    }
    let others = on_threads(3, || run::<F>(&op, &inputs, &dy));
    assert!(got == others, "{image:?} depends on the number of threads");
}

fn convolutions() {
    for image in IMAGES {
        let ([from, to, groups], [samples, height, width], [kernel, ..]) = image;
        let x = numbers(&[samples, groups * from, height, width], 1);
        let inputs = [x, numbers(&[groups * to, from, kernel, kernel], 2), numbers(&[groups * to], 3)];
        let shapes: Vec<_> = inputs.iter().map(ArrayD::shape).collect();
        let outline = Op::<f64>::infer(&convolution(image.0, image.2), &shapes).expect("shapes fit");
        let dy = numbers(&outline.shape, 4);
        let expected = in_plain_loops(image, &inputs, &dy);
        for isa in sets() {
            assert_eq!(force(isa), isa);
            check::<f32>(image, &inputs, &dy, &expected, 1e-4);
            check::<f64>(image, &inputs, &dy, &expected, 1e-12);
        }
    }
}

/// Few different numbers, so that many are equal, and one that is none.
fn poolings<F: Real>() {
    for [height, width] in
        [[2, 2], [3, 5], [4, 14], [7, 9], [28, 28], [24, 24], [6, 33], [5, 18], [4, 600], [2, 1031]]
    {
        let mut x = numbers::<F>(&[2, 3, height, width], 5).mapv(|x| (x * F::from_f64(3.0)).floor());
        x[[1, 1, 1, 0]] = F::NAN;
        let dy = numbers::<F>(&[2, 3, height / 2, width / 2], 6);
        let got = run::<F>(&MaxPool2d::new(2), &[x.clone()], &dy);
        let mut dx = ArrayD::zeros(x.raw_dim());
        for (at, &dy) in dy.indexed_iter() {
            let [n, c, row, col] = [0, 1, 2, 3].map(|axis| at[axis]);
            let mut place = [n, c, 2 * row, 2 * col];
            for (i, j) in [(0, 1), (1, 0), (1, 1)] {
                let other = [n, c, 2 * row + i, 2 * col + j];
                if x[other] > x[place] || x[other].is_nan() {
                    place = other;
                }
            }
            let y = got[0][[n, c, row, col]];
            assert!(y == x[place] || y.is_nan() && x[place].is_nan(), "{height}×{width}: {y} at {at:?}");
            dx[place] = dy;
        }
        assert!(got[1] == dx, "the gradient of {height}×{width}");
    }
}

/// The sets of instructions that this machine has.
fn sets() -> impl Iterator<Item = Isa> {
    [Isa::Baseline, Isa::Avx2, Isa::Avx512].into_iter().filter(|&isa| isa <= best())
}

#[test]
fn images_of_usual_sizes() {
    convolutions();
    for isa in sets() {
        assert_eq!(force(isa), isa);
        poolings::<f32>();
        poolings::<f64>();
    }
}
