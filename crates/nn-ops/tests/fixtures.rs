//! Values and gradients of PyTorch 2.15 at random and edge inputs, made by `fixtures/make_operations.py`.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use nn_core::{Op, Real, Step, evaluate};
use nn_ops::*;

/// The operation of a case, the name of which is that of the operation and, after a point, of its inputs.
fn operation<F: Real>(case: &str) -> Box<dyn Op<F>> {
    let (name, inputs) = case.split_once('.').unwrap();
    activation(name).map(|op| Box::new(op) as Box<dyn Op<F>>).unwrap_or_else(|| match name {
        "neg" => Box::new(Neg),
        "abs" => Box::new(Abs),
        "exp" => Box::new(Exp),
        "ln" => Box::new(Ln),
        "sqrt" => Box::new(Sqrt),
        "square" => Box::new(Square),
        "reciprocal" => Box::new(Reciprocal),
        "pow_3" => Box::new(Powf(3.0)),
        "pow_1" => Box::new(Powf(1.0)),
        "pow_0" => Box::new(Powf(0.0)),
        "pow_three_quarters" => Box::new(Powf(0.75)),
        "pow_minus_2" => Box::new(Powf(-2.0)),
        "pow_minus_three_halves" => Box::new(Powf(-1.5)),
        "add_scalar" => Box::new(AddScalar(-0.75)),
        "mul_scalar" => Box::new(MulScalar(-1.5)),
        "clamp" => Box::new(Clamp::new(-0.5, 1.0).unwrap()),
        "clamp_below" => Box::new(Clamp::new(0.25, f64::INFINITY).unwrap()),
        "add" => Box::new(Add),
        "sub" => Box::new(Sub),
        "mul" => Box::new(Mul),
        "div" => Box::new(Div),
        "maximum" => Box::new(Maximum),
        "minimum" => Box::new(Minimum),
        "softmax" => Box::new(Softmax { axis: axis(inputs) }),
        "log_softmax" => Box::new(LogSoftmax { axis: axis(inputs) }),
        _ => reduction(name, inputs).or_else(|| product_or_movement(name)).expect("an operation"),
    })
}

fn activation(name: &str) -> Option<Activation> {
    Some(match name {
        "identity" => Activation::Identity,
        "relu" => Activation::Relu,
        "leaky_relu" => Activation::leaky_relu(0.01).unwrap(),
        "leaky_relu_negative" => Activation::leaky_relu(-0.5).unwrap(),
        "elu" => Activation::elu(0.75).unwrap(),
        "elu_negative" => Activation::elu(-0.75).unwrap(),
        "selu" => Activation::Selu,
        "gelu" => Activation::Gelu,
        "gelu_tanh" => Activation::GeluTanh,
        "silu" => Activation::Silu,
        "softplus" => Activation::Softplus,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        _ => return None,
    })
}

/// The axis after the last underscore.
fn axis(inputs: &str) -> isize {
    inputs.rsplit('_').next().unwrap().parse().unwrap()
}

fn reduction<F: Real>(name: &str, inputs: &str) -> Option<Box<dyn Op<F>>> {
    let (axes, keep_axes) = match inputs {
        "random_012" => (vec![], false),
        "random_1" | "edge_rows" => (vec![1], false),
        "random_02_keep" => (vec![0, -1], true),
        _ => return None,
    };
    Some(match name {
        "sum" => Box::new(Sum { axes, keep_axes }),
        "mean" => Box::new(Mean { axes, keep_axes }),
        "max" => Box::new(Max { axes, keep_axes }),
        "log_sum_exp" => Box::new(LogSumExp { axes, keep_axes }),
        _ => return None,
    })
}

fn product_or_movement<F: Real>(name: &str) -> Option<Box<dyn Op<F>>> {
    let matmul = |transpose_a, transpose_b| Box::new(MatMul { transpose_a, transpose_b });
    let linear = |activation, weight_is_transposed| Box::new(Linear { activation, weight_is_transposed });
    Some(match name {
        "matmul" => matmul(false, false),
        "matmul_t_n" => matmul(true, false),
        "matmul_n_t" => matmul(false, true),
        "matmul_t_t" => matmul(true, true),
        "linear" => linear(Activation::Identity, false),
        "linear_selu" => linear(Activation::Selu, false),
        "linear_in_out" => linear(Activation::Sigmoid, true),
        "reshape" => Box::new(Reshape { shape: vec![4, -1] }),
        "transpose" => Box::new(Transpose { axes: vec![2, 0, 1] }),
        "slice" => Box::new(Slice { axis: 1, start: 1, end: 6, step: 2 }),
        "concat" => Box::new(Concat { axis: -1 }),
        "gather_rows" => Box::new(GatherRows),
        _ => return None,
    })
}

/// The parts of each case.
fn fixtures() -> BTreeMap<&'static str, BTreeMap<&'static str, ArrayD<f64>>> {
    let mut cases: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for line in include_str!("fixtures/operations.csv").lines() {
        let mut fields = line.splitn(4, ',');
        let mut field = || fields.next().unwrap();
        let (case, part, shape, values) = (field(), field(), field(), field());
        let shape: Vec<usize> = shape.split('x').filter_map(|n| n.parse().ok()).collect();
        let values = values.split(',').filter(|x| !x.is_empty()).map(|x| x.parse().unwrap()).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap();
        cases.entry(case).or_default().insert(part, array);
    }
    cases
}

/// The distance of two numbers, relative to the expected one or to 1; that is first rounded to the precision.
fn error<F: Real>(got: F, expected: f64) -> f64 {
    let (got, expected) = (got.to_f64(), F::from_f64(expected).to_f64());
    if got == expected || got.is_nan() && expected.is_nan() {
        return 0.0;
    }
    let error = (got - expected).abs() / expected.abs().max(1.0);
    if error.is_nan() { f64::INFINITY } else { error }
}

/// Where the documentation says that a gradient is another than PyTorch's: NaN at NaN; its limit at an infinity, where
/// PyTorch's is NaN; 0 at an infinity that is a bound.
fn is_another(case: &str, part: &str, at: &[f64], got: f64) -> bool {
    match (case, part) {
        ("abs.edge" | "elu.edge" | "elu_negative.edge" | "selu.edge", "g0") => at[0].is_nan() && got.is_nan(),
        ("clamp_below.edge", "g0") => at[0] == f64::INFINITY && got == 0.0,
        ("gelu_tanh.edge", "g0") => at[0].is_infinite() && got.is_finite(),
        _ => false,
    }
}

/// Compares all cases in one precision; returns the largest error and where it is.
fn compare<F: Real>(tolerance: f64) -> (f64, String) {
    let mut largest = (0.0, String::new());
    let mut failures = vec![];
    for (case, parts) in fixtures() {
        let narrow = |part: &str| parts.get(part).map(|x| x.mapv(F::from_f64));
        let inputs: Vec<ArrayD<F>> = (0..3).map_while(|i| narrow(&format!("x{i}"))).collect();
        let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let (op, step) = (operation::<F>(case), Step::default());
        let mut evaluated = evaluate(&*op, &step, &views).unwrap();
        let gradients = evaluated.backward(&*op, &step, &views, narrow("d").unwrap().view());
        let mut results = vec![("y".to_owned(), &evaluated.output)];
        results.extend(gradients.iter().enumerate().map(|(i, g)| (format!("g{i}"), g)));
        for (part, got) in results {
            let Some(expected) = parts.get(part.as_str()) else { continue };
            assert_eq!(got.shape(), expected.shape(), "{case} {part}");
            for ((index, &got), &expected) in got.indexed_iter().zip(expected) {
                let error = error(got, expected);
                let here = views.iter().filter_map(|x| x.get(index.clone()));
                let at: Vec<f64> = here.map(|x| x.to_f64()).collect();
                if is_another(case, &part, &at, got.to_f64()) {
                    continue;
                }
                if error > tolerance {
                    failures.push(format!("{case} {part} at {at:?}: {got:e}, in PyTorch {expected:e}"));
                }
                if error > largest.0 {
                    largest = (error, format!("{case} {part}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    largest
}

#[test]
fn double_precision() {
    println!("largest error in f64: {:?}", compare::<f64>(1e-10));
}

#[test]
fn single_precision() {
    println!("largest error in f32: {:?}", compare::<f32>(1e-5));
}

#[test]
fn the_fixtures_are_whole() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 122);
    for (case, parts) in fixtures {
        for part in ["x0", "y", "d"] {
            assert!(parts.contains_key(part), "{case} {part}");
        }
        assert!(parts.contains_key("g0") || case == "matmul.empty", "{case}");
    }
}
