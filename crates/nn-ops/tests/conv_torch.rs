//! Convolutions against those of PyTorch, made by `fixtures/make_conv.py`.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};
use nn_core::{Op, Real, Step, evaluate};
use nn_ops::simd::{Isa, force};
use nn_ops::{Conv, ConvTranspose};

const FIXTURE: &str = include_str!("fixtures/conv.csv");

type Arrays = HashMap<&'static str, ArrayD<f64>>;

fn cases() -> Vec<(&'static str, Arrays)> {
    let mut cases: Vec<(&str, Arrays)> = vec![];
    for line in FIXTURE.lines() {
        let [case, name, shape, elements] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let shape: Vec<usize> = shape.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let given = matches!(name, "x" | "w" | "b" | "dy");
        let number = |x: &str| if given { f64::from(x.parse::<f32>().unwrap()) } else { x.parse().unwrap() };
        let array = ArrayD::from_shape_vec(IxDyn(&shape), elements.split_whitespace().map(number).collect());
        if cases.last().is_none_or(|last| last.0 != case) {
            cases.push((case, Arrays::new()));
        }
        cases.last_mut().unwrap().1.insert(name, array.unwrap());
    }
    cases
}

/// The operation of a case; `kernel` is the shape of the weight's elements.
fn operation<F: Real>(case: &str, kernel: &[usize]) -> Box<dyn Op<F>> {
    let fields: Vec<&str> = case.split(' ').collect();
    match fields[0] {
        "conv1d" => Box::new(convolution::<1>(&fields, kernel)),
        "conv2d" => Box::new(convolution::<2>(&fields, kernel)),
        "conv_transpose1d" => Box::new(transposed::<1>(&fields)),
        "conv_transpose2d" => Box::new(transposed::<2>(&fields)),
        name => panic!("unknown operation {name}"),
    }
}

/// The numbers of a field, one for each axis, or the same for all.
fn numbers<const D: usize>(field: &str) -> [usize; D] {
    let numbers: Vec<usize> = field.split('x').map(|n| n.parse().unwrap()).collect();
    std::array::from_fn(|axis| numbers[axis.min(numbers.len() - 1)])
}

fn convolution<const D: usize>(fields: &[&str], kernel: &[usize]) -> Conv<D> {
    let dilation = numbers::<D>(fields[4]);
    let padding = if fields.get(6) == Some(&"same") {
        std::array::from_fn(|axis| Conv::<D>::same_padding(kernel[axis], dilation[axis]))
    } else {
        numbers::<D>(fields[2]).map(|zeros| [zeros; 2])
    };
    let groups = fields[5].parse().unwrap();
    Conv { stride: numbers(fields[1]), padding, dilation, groups, ..Conv::default() }
}

fn transposed<const D: usize>(fields: &[&str]) -> ConvTranspose<D> {
    ConvTranspose {
        stride: numbers(fields[1]),
        padding: numbers(fields[2]),
        output_padding: numbers(fields[3]),
        dilation: numbers(fields[4]),
        groups: fields[5].parse().unwrap(),
        ..ConvTranspose::default()
    }
}

/// Demands agreement to `tolerance`, relative to the largest element.
fn same<F: Real>(what: &str, got: &ArrayD<F>, expected: &ArrayD<f64>, tolerance: f64) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    for (a, b) in got.iter().zip(expected) {
        let a = a.to_f64();
        assert!((a - b).abs() <= tolerance * largest, "{what}, {}: {a:e} instead of {b:e}", F::NAME);
    }
}

fn check<F: Real>(tolerance: f64) {
    let cases = cases();
    assert_eq!(cases.len(), 13);
    for (case, arrays) in &cases {
        let op = operation::<F>(case, &arrays["w"].shape()[2..]);
        let inputs: Vec<ArrayD<F>> =
            ["x", "w", "b"].iter().filter_map(|name| arrays.get(name)).map(|a| a.mapv(F::from_f64)).collect();
        let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let step = Step::default();
        let mut evaluated = evaluate(&*op, &step, &views).unwrap();
        same(&format!("{case}: y"), &evaluated.output, &arrays["y"], tolerance);
        let dy = arrays["dy"].mapv(F::from_f64);
        let gradients = evaluated.backward(&*op, &step, &views, dy.view());
        for (name, gradient) in ["dx", "dw", "db"].iter().zip(&gradients) {
            same(&format!("{case}: {name}"), gradient, &arrays[name], tolerance);
        }
    }
}

/// On each instruction set, by which vectors and tiles differ. All in one test, since it is one for the whole process.
#[test]
fn values_and_gradients_are_those_of_torch() {
    for isa in [Isa::Baseline, Isa::Avx2, Isa::Avx512] {
        force(isa);
        check::<f64>(1e-10);
        check::<f32>(1e-5);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let says = |op: &dyn Op<f64>, shapes: &[&[usize]], part: &str| {
        let message = op.infer(shapes).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    let plain = Conv::<2>::default();
    let (x, w): (&[usize], &[usize]) = (&[2, 4, 8, 8], &[6, 4, 3, 3]);
    says(&plain, &[&[2, 4, 8], w], "conv2d: input 0 must be an array [samples, channels, height, width]");
    says(&plain, &[x, &[6, 4]], "conv2d: input 1 must be a weight");
    let wide = Conv::<2> { padding: [[1 << 17, 0]; 2], ..plain };
    says(&wide, &[x, w], "a sample of at most 4294901759 elements with the zeros around it");
    assert!(Op::<f64>::infer(&plain, &[&[4, 512, 14, 14], &[512, 512, 3, 3]]).is_ok());
    says(&plain, &[x, w, &[4]], "a bias of shape [6]");
    says(&plain, &[x, &[6, 3, 3, 3]], "the weight is for 3 input channels, not 4");
    says(
        &plain,
        &[x, &[6, 4, 3, 9]],
        "the kernel, which spans 9 along axis 3, is larger than the padded input, 8",
    );
    says(&Conv::<2> { dilation: [4, 1], ..plain }, &[x, w], "spans 9 along axis 2");
    says(
        &Conv::<2> { stride: [1, 0], ..plain },
        &[x, w],
        "stride and dilation must be at least 1, got stride [1, 0]",
    );
    says(&Conv::<2> { dilation: [0, 1], ..plain }, &[x, w], "and dilation [0, 1]");
    says(&Conv::<2> { groups: 4, ..plain }, &[x, &[6, 1, 3, 3]], "4 groups must divide 4 input and 6 output");
    says(&Conv::<2> { groups: 0, ..plain }, &[x, w], "0 groups must divide");
    let wider = Conv::<2> { padding: [[0, 0], [0, 1]], ..plain };
    assert_eq!(Op::<f64>::infer(&wider, &[x, &[6, 4, 3, 9]]).unwrap().shape, [2, 6, 6, 1]);

    let up = ConvTranspose::<2>::default();
    says(&up, &[x, w], "the weight is for 6 input channels, not 4");
    says(&ConvTranspose::<2> { output_padding: [1, 0], ..up }, &[x, &[4, 6, 3, 3]], "the output padding, 1,");
    let far = 1 << (usize::BITS - 1);
    says(&Conv::<2> { dilation: [far, 1], ..plain }, &[x, w], "is larger than the padded input, 8");
    says(&Conv::<2> { padding: [[far, far], [0, 0]], ..plain }, &[x, w], "a sample of at most");
    says(&Conv::<2> { padding: [[far, 0]; 2], stride: [far; 2], ..plain }, &[x, w], "a sample of at most");
    says(&Conv::<2> { groups: far, ..plain }, &[x, &[6, 2, 3, 3]], "groups must divide");
    for up in [ConvTranspose { stride: [far, 1], ..up }, ConvTranspose { dilation: [1, far], ..up }] {
        says(&up, &[x, &[4, 6, 3, 3]], "a sample of at most");
    }
    says(
        &ConvTranspose::<2> { padding: [far, 0], ..up },
        &[x, &[4, 6, 3, 3]],
        "leaves nothing of the output's",
    );
    says(&ConvTranspose::<2> { groups: far, ..up }, &[x, &[4, 2, 3, 3]], "groups must divide");
    says(
        &ConvTranspose::<2> { padding: [0, 5], ..up },
        &[x, &[4, 6, 3, 3]],
        "leaves nothing of the output's 10",
    );
    says(&ConvTranspose::<2> { groups: 3, ..up }, &[x, &[4, 6, 3, 3]], "3 groups must divide 4 input");
}
