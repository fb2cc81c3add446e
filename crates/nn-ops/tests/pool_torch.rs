//! Values and gradients of poolings and embeddings against those of PyTorch, made by `fixtures/make_pool.py`; and what
//! they say of settings that are impossible.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};
use nn_core::{Op, Real, Step, evaluate};
use nn_ops::{
    AdaptiveAvgPool, AdaptiveMaxPool, AttentionWeights, AvgPool, AvgPool1d, AvgPool2d, EmbeddingLookup,
    MaxPool, MaxPool1d, MaxPool2d,
};

const FIXTURE: &str = include_str!("fixtures/pool.csv");

/// The arrays of a case, by name.
type Arrays = HashMap<&'static str, ArrayD<f64>>;

fn cases() -> Vec<(&'static str, Arrays)> {
    let mut cases: Vec<(&str, Arrays)> = vec![];
    for line in FIXTURE.lines() {
        let [case, name, shape, elements] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let shape: Vec<usize> = shape.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let is_result = matches!(name, "y" | "dx");
        let number =
            |x: &str| if is_result { x.parse().unwrap() } else { f64::from(x.parse::<f32>().unwrap()) };
        let array = ArrayD::from_shape_vec(IxDyn(&shape), elements.split_whitespace().map(number).collect());
        if cases.last().is_none_or(|last| last.0 != case) {
            cases.push((case, Arrays::new()));
        }
        cases.last_mut().unwrap().1.insert(name, array.unwrap());
    }
    cases
}

/// The numbers of a setting: one for all axes, or one for each.
fn numbers<const D: usize>(setting: &str) -> [usize; D] {
    let numbers: Vec<usize> = setting.split('x').map(|n| n.parse().unwrap()).collect();
    std::array::from_fn(|axis| numbers[axis % numbers.len()])
}

fn max<const D: usize>(fields: &[&str]) -> MaxPool<D> {
    let [kernel, stride, padding, dilation] = [1, 2, 3, 4].map(|i| numbers::<D>(fields[i]));
    let pool = MaxPool::new(kernel).stride(stride).padding(padding).dilation(dilation);
    pool.ceil_mode(fields[5] == "True")
}

fn average<const D: usize>(fields: &[&str]) -> AvgPool<D> {
    let [kernel, stride, padding] = [1, 2, 3].map(|i| numbers::<D>(fields[i]));
    let pool = AvgPool::new(kernel).stride(stride).padding(padding).ceil_mode(fields[4] == "True");
    pool.count_include_pad(fields[5] == "True")
}

fn operation<F: Real>(case: &str) -> Box<dyn Op<F>> {
    let fields: Vec<&str> = case.split(' ').collect();
    match fields[0].trim_end_matches("_ties") {
        "max1d" => Box::new(max::<1>(&fields)),
        "max2d" => Box::new(max::<2>(&fields)),
        "avg1d" => Box::new(average::<1>(&fields)),
        "avg2d" => Box::new(average::<2>(&fields)),
        "adaptive_max1d" => Box::new(AdaptiveMaxPool::<1>::new(numbers(fields[1]))),
        "adaptive_max2d" => Box::new(AdaptiveMaxPool::<2>::new(numbers(fields[1]))),
        "adaptive_avg1d" => Box::new(AdaptiveAvgPool::<1>::new(numbers(fields[1]))),
        "adaptive_avg2d" => Box::new(AdaptiveAvgPool::<2>::new(numbers(fields[1]))),
        "embedding" => Box::new(EmbeddingLookup { padding_idx: fields[2].parse().ok() }),
        other => panic!("unknown operation {other}"),
    }
}

fn check<F: Real>(tolerance: f64) {
    let cases = cases();
    assert_eq!(cases.len(), 93);
    for (case, arrays) in cases {
        let op = operation::<F>(case);
        let cast = |name| arrays.get(name).map(|array: &ArrayD<f64>| array.mapv(F::from_f64));
        let inputs: Vec<ArrayD<F>> = ["x", "numbers"].into_iter().filter_map(cast).collect();
        let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let mut y = evaluate(&*op, &Step::default(), &views).unwrap();
        let dy = cast("dy").unwrap();
        let dx = y.backward(&*op, &Step::default(), &views, dy.view()).remove(0);
        for (name, got) in [("y", &y.output), ("dx", &dx)] {
            let expected = &arrays[name];
            assert_eq!(got.shape(), expected.shape(), "{case}, {name}");
            for (a, b) in got.iter().zip(expected) {
                let a = a.to_f64();
                assert!((a - b).abs() <= tolerance, "{case}, {name}, {}: {a:e} instead of {b:e}", F::NAME);
            }
        }
    }
}

#[test]
fn in_double_precision() {
    check::<f64>(1e-13);
}

#[test]
fn in_single_precision() {
    check::<f32>(1e-6);
}

#[test]
fn impossible_settings_are_refused_together_with_the_shape() {
    let refusal = |op: &dyn Op<f32>, shape: &[usize]| op.infer(&[shape]).unwrap_err().to_string();
    let (line, plane, far) = ([2, 3, 9], [2, 3, 4, 9], 1 << (usize::BITS - 1));
    for (op, shape, said) in [
        (&MaxPool1d::new(0) as &dyn Op<f32>, &line[..], "at least 1, not 0, 0 and 1"),
        (&MaxPool2d::new(2).stride([1, 0]), &plane, "at least 1, not 2, 0 and 1"),
        (&MaxPool1d::new(2).dilation(0), &line, "at least 1, not 2, 2 and 0"),
        (&MaxPool2d::new(3).padding([0, 2]), &plane, "at most half the kernel of 3, not 2"),
        (&AvgPool2d::new([5, 2]), &plane, "at least as long as the kernel of 5, with padding; axis of 4"),
        (&MaxPool1d::new(2).dilation(4).padding(2), &[2, 3, 1], "no window holds padding alone"),
        (&MaxPool1d::new(3).dilation(far), &line, "at least as long as the kernel of"),
        (&AvgPool1d::new(3).padding(far), &line, "at most half the kernel of 3"),
        (&AvgPool1d::new(2), &plane, "[batch, channels, length]"),
        (&AvgPool2d::new(2), &[2, 3, 0, 4], "[batch, channels, height, width], the last not 0"),
        (&AdaptiveMaxPool::<2>::new([1, 0]), &plane, "at least 1 window, not 0"),
        (&AdaptiveAvgPool::<1>::new(0), &line, "at least 1 window, not 0"),
    ] {
        let message = refusal(op, shape);
        assert!(message.starts_with(op.name()) && message.contains(said), "{message}");
    }
    let once = MaxPool1d::new(2).stride(far).ceil_mode(true);
    assert_eq!(Op::<f32>::infer(&once, &[&line]).unwrap().shape, [2, 3, 1]);
}

#[test]
fn nan_is_larger_than_every_number() {
    for at in 0..16 {
        let mut x = ArrayD::from_elem(IxDyn(&[1, 1, 4, 4]), f32::NEG_INFINITY);
        x[[0, 0, at / 4, at % 4]] = f32::NAN;
        for pool in [MaxPool2d::new(2), MaxPool2d::new(2).padding(1)] {
            let mut y = evaluate(&pool, &Step::default(), &[x.view()]).unwrap();
            assert_eq!(y.output.iter().filter(|y| y.is_nan()).count(), 1, "{at}");
            let ones = ArrayD::ones(y.output.raw_dim());
            let dx = y.backward(&pool, &Step::default(), &[x.view()], ones.view()).remove(0);
            assert_eq!((dx[[0, 0, at / 4, at % 4]], dx.sum()), (1.0, ones.sum()), "{at}");
        }
    }
}

#[test]
fn long_rows_are_pooled_in_parts() {
    // 2 × 2 windows go through buffers of 512 columns.
    let x = ArrayD::from_shape_fn(IxDyn(&[1, 1, 5, 1403]), |i| ((i[2] * 1403 + i[3]) * 7919 % 10_007) as f64);
    let place = |i: usize, j: usize| {
        [x[[0, 0, i, j]], x[[0, 0, i, j + 1]], x[[0, 0, i + 1, j]], x[[0, 0, i + 1, j + 1]]]
    };
    let step = Step::default();
    let mut largest = evaluate(&MaxPool2d::new(2), &step, &[x.view()]).unwrap();
    let mean = evaluate(&AvgPool2d::new(2), &step, &[x.view()]).unwrap();
    assert_eq!(largest.output.shape(), [1, 1, 2, 701]);
    for (index, &y) in largest.output.indexed_iter() {
        let four = place(2 * index[2], 2 * index[3]);
        assert_eq!(y, four.into_iter().fold(0.0, f64::max), "{index:?}");
        assert_eq!(mean.output[&index], four.iter().sum::<f64>() / 4.0, "{index:?}");
    }
    let dy = largest.output.clone();
    let dx = largest.backward(&MaxPool2d::new(2), &step, &[x.view()], dy.view()).remove(0);
    assert_eq!((dx.sum(), dx.iter().filter(|d| **d != 0.0).count()), (dy.sum(), dy.len()));
    assert!(dx.iter().zip(&x).all(|(d, x)| *d == 0.0 || d == x));
}

#[test]
fn embeddings_and_masks_are_checked_before_anything_is_written() {
    let table = ArrayD::<f32>::zeros(vec![4, 2]);
    let lookup = EmbeddingLookup { padding_idx: None };
    for (number, shown) in [(4.0, "4"), (-1.0, "-1"), (0.5, "0.5"), (f32::NAN, "NaN")] {
        let mut numbers = ArrayD::zeros(vec![2, 3]);
        numbers[[1, 2]] = number;
        let message =
            evaluate(&lookup, &Step::default(), &[table.view(), numbers.view()]).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("embedding: input 1 holds {shown} at [1, 2], expected a row number from 0 to 3")
        );
    }
    let lookup = EmbeddingLookup { padding_idx: Some(4) };
    let message = Op::<f32>::infer(&lookup, &[&[4, 2], &[5]]).unwrap_err().to_string();
    assert!(message.contains("a table that has the row 4 of the padding"), "{message}");

    let weights = AttentionWeights { scale: 1.0, causal: true };
    let scores = ArrayD::from_shape_fn(vec![2, 1, 3, 3], |i| (i[2] * 3 + i[3]) as f32);
    let run = |mask: [f32; 6]| {
        let mask = ArrayD::from_shape_vec(vec![2, 3], mask.to_vec()).unwrap();
        evaluate(&weights, &Step::default(), &[scores.view(), mask.view()])
    };
    let message = run([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap_err().to_string();
    assert!(message.contains("at [1], expected 0 for at least one key of the sequence"), "{message}");
    let message = run([0.0, 0.0, 0.0, 0.5, 1.0, 0.0]).unwrap_err().to_string();
    assert!(message.contains("holds 0.5 at [1, 0], expected 0 or 1"), "{message}");
    // The first query of the second sequence sees no key: its weights are 0, not NaN.
    let y = run([0.0, 0.0, 0.0, 1.0, 0.0, 0.0]).unwrap().output;
    let sums: Vec<f32> = y.rows().into_iter().map(|row| row.sum()).collect();
    assert!(sums.iter().zip([1.0, 1.0, 1.0, 0.0, 1.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{sums:?}");
}
