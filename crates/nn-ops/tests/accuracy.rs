//! The errors that the documentation states for softmax and reductions, in units in the last place of the result or of
//! the sum of absolute values, measured against double precision.

use ndarray::{Array2, ArrayD, Axis, IxDyn};
use nn_core::{Memory, Op, Step};
use nn_ops::{LogSoftmax, LogSumExp, Mean, Softmax, Sum, dot, gemm, sum, sum_squares};

const LENGTHS: [usize; 9] = [1, 7, 31, 32, 100, 1000, 4096, 20_000, 300_000];

/// Numbers from `low` to `high`, another row of them for each seed.
fn numbers(length: usize, seed: u64, (low, high): (f32, f32)) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        low + (high - low) * ((state >> 40) as f32 / (1u64 << 24) as f32)
    };
    (0..length).map(|_| next()).collect()
}

/// The distance from `exact` in units in the last place of a number of this size.
fn ulps(got: f32, exact: f64, size: f64) -> f64 {
    let size = size.abs() as f32;
    let unit = f64::from(size.next_up()) - f64::from(size);
    (f64::from(got) - exact).abs() / unit
}

fn run(op: &dyn Op<f32>, x: &ArrayD<f32>) -> ArrayD<f32> {
    let outline = op.infer(&[x.shape()]).unwrap();
    let (mut saved, mut scratch) = (vec![0.0; outline.saved], vec![0.0; outline.scratch]);
    let mut output = ArrayD::zeros(IxDyn(&outline.shape));
    let memory = Memory { saved: &mut saved, scratch: &mut scratch };
    op.forward(&Step::default(), &[x.view()], output.view_mut(), memory);
    output
}

/// The error of a sum with this many terms, in units of the sum of their absolute values.
fn bound(terms: usize) -> f64 {
    1.0 + (terms.max(1) as f64).log2() / 2.0
}

#[test]
fn sums_of_slices() {
    for length in LENGTHS {
        for seed in 0..20 {
            let range = if seed % 2 == 0 { (0.0, 1.0) } else { (-1.0, 1.0) };
            let (x, y) = (numbers(length, seed, range), numbers(length, seed + 100, range));
            let double = |x: f32| f64::from(x);
            let absolute: f64 = x.iter().map(|&x| double(x).abs()).sum();
            let check = |name: &str, got: f32, exact: f64, size: f64| {
                let error = ulps(got, exact, size);
                assert!(error <= bound(length), "{name} of {length}: {error} ULP");
            };
            check("sum", sum(&x), x.iter().map(|&x| double(x)).sum(), absolute);
            let squares: f64 = x.iter().map(|&x| double(x) * double(x)).sum();
            check("sum of squares", sum_squares(&x), squares, squares);
            let products = || x.iter().zip(&y).map(|(&x, &y)| double(x) * double(y));
            check("dot", dot(&x, &y), products().sum(), products().map(f64::abs).sum());
        }
    }
}

#[test]
fn sums_along_axes() {
    for (rows, cols) in [(3, 5), (1, 1000), (1000, 1), (100, 40), (2000, 33), (40, 5000)] {
        let x = Array2::from_shape_vec((rows, cols), numbers(rows * cols, 1, (-1.0, 1.0))).unwrap();
        for axis in 0..2 {
            let terms = x.len_of(Axis(axis));
            let sums = run(&Sum { axes: vec![axis as isize], keep_axes: false }, &x.clone().into_dyn());
            let means = run(&Mean { axes: vec![axis as isize], keep_axes: false }, &x.clone().into_dyn());
            for ((lane, &sum), &mean) in x.lanes(Axis(axis)).into_iter().zip(&sums).zip(&means) {
                let exact: f64 = lane.iter().map(|&x| f64::from(x)).sum();
                let absolute: f64 = lane.iter().map(|&x| f64::from(x).abs()).sum();
                let n = terms as f64;
                let errors = (ulps(sum, exact, absolute), ulps(mean, exact / n, absolute / n));
                assert!(errors.0 <= bound(terms), "sum of {terms} along {axis}: {} ULP", errors.0);
                assert!(errors.1 <= 1.0 + bound(terms), "mean of {terms} along {axis}: {} ULP", errors.1);
            }
        }
    }
}

#[test]
fn softmax_and_its_logarithm() {
    let mut worst = [0.0f64; 3];
    for length in LENGTHS {
        for (seed, spread) in (0..12).zip([0.1f32, 1.0, 5.0, 20.0].into_iter().cycle()) {
            let x = numbers(length, seed, (-spread, spread));
            let largest = x.iter().fold(f32::MIN, |a, &b| a.max(b));
            let total: f64 = x.iter().map(|&x| (f64::from(x) - f64::from(largest)).exp()).sum();
            let exact: Vec<f64> =
                x.iter().map(|&x| (f64::from(x) - f64::from(largest)) - total.ln()).collect();
            let x = ArrayD::from_shape_vec(vec![1, length], x).unwrap();
            for (i, &y) in run(&Softmax::default(), &x).iter().enumerate() {
                let below = f64::from(largest - x[[0, i]]);
                worst[0] = worst[0].max(ulps(y, exact[i].exp(), exact[i].exp()) - below);
            }
            for (i, &y) in run(&LogSoftmax::default(), &x).iter().enumerate() {
                let size = exact[i].abs().max(f64::from(largest - x[[0, i]])).max(1.0);
                worst[1] = worst[1].max(ulps(y, exact[i], size));
            }
            let y = run(&LogSumExp { axes: vec![1], keep_axes: false }, &x)[[0]];
            let exact = f64::from(largest) + total.ln();
            worst[2] = worst[2].max(ulps(y, exact, exact.abs().max(f64::from(largest.abs())).max(1.0)));
        }
    }
    assert!(worst[0] <= 4.0 && worst[1] <= 2.0 && worst[2] <= 2.0, "{worst:?}");
}

#[test]
fn products_of_matrices() {
    for (m, k, n) in [(5, 3, 4), (20, 100, 30), (64, 784, 10), (40, 3000, 50)] {
        let matrix = |rows, cols, seed| {
            Array2::from_shape_vec((rows, cols), numbers(rows * cols, seed, (-1.0, 1.0))).unwrap()
        };
        let (a, b) = (matrix(m, k, 3), matrix(k, n, 4));
        let mut c = Array2::zeros((m, n));
        gemm(1.0, a.view(), b.view(), 0.0, c.view_mut());
        let (a, b) = (a.mapv(f64::from), b.mapv(f64::from));
        let (exact, absolute) = (a.dot(&b), a.mapv(f64::abs).dot(&b.mapv(f64::abs)));
        for ((&c, &exact), &absolute) in c.iter().zip(&exact).zip(&absolute) {
            let error = ulps(c, exact, absolute);
            assert!(error <= (k as f64).sqrt() / 2.0 + 1.0, "{k} terms: {error} ULP");
        }
    }
}
