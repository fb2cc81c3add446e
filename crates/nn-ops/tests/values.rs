//! The forward pass of every operation but the products against a naive formula, over random shapes and memory
//! layouts. (`gradients.rs` proves the backward passes.)

use ndarray::{ArrayD, Axis, IxDyn, Zip, concatenate};
use nn_core::{Memory, Op, Real, Step, View};
use nn_gradcheck::strategies::{Laid, Layout};
use nn_ops::*;
use proptest::prelude::*;

/// A linear congruential generator (Knuth's MMIX constants), enough to choose test inputs.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A whole number below `n`; 0 for `n` = 0.
    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n.max(1)
    }

    /// Numbers between −2 and 2.
    fn array(&mut self, shape: &[usize]) -> ArrayD<f64> {
        ArrayD::from_shape_simple_fn(IxDyn(shape), || self.next() as f64 / (1u64 << 29) as f64 - 2.0)
    }

    /// One in three is row-major.
    fn layout(&mut self) -> Layout {
        if self.below(3) == 0 { Layout::C } else { Layout::ALL[self.below(Layout::ALL.len())] }
    }

    /// The numbers below `n` in random order.
    fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            numbers.swap(i, self.below(i + 1));
        }
        numbers
    }
}

/// An operation, inputs for it, and what it must give.
struct Case {
    label: String,
    op: Box<dyn Op<f64>>,
    inputs: Vec<ArrayD<f64>>,
    expected: ArrayD<f64>,
}

fn case(op: impl Op<f64> + 'static, inputs: Vec<ArrayD<f64>>, expected: ArrayD<f64>) -> Case {
    Case { label: format!("{op:?}"), op: Box::new(op), inputs, expected }
}

/// A function of one number and an operation that is to compute it.
type Unary = (Box<dyn Op<f64>>, fn(f64) -> f64);

/// Functions that take any number but 0.
fn unary_anywhere() -> Vec<Unary> {
    vec![
        (Box::new(Neg), |x| -x),
        (Box::new(Abs), f64::abs),
        (Box::new(Exp), f64::exp),
        (Box::new(Square), |x| x * x),
        (Box::new(Reciprocal), |x| 1.0 / x),
        (Box::new(Powf(2.0)), |x| x * x),
        (Box::new(Powf(0.0)), |_| 1.0),
        (Box::new(AddScalar(-0.5)), |x| x - 0.5),
        (Box::new(MulScalar(3.0)), |x| 3.0 * x),
        (Box::new(Clamp::new(-1.0, 0.3).unwrap()), |x| x.clamp(-1.0, 0.3)),
        (Box::new(Activation::Identity), |x| x),
        (Box::new(Activation::Relu), |x| x.max(0.0)),
        (Box::new(Activation::leaky_relu(0.01).unwrap()), |x| x.max(0.01 * x)),
        (Box::new(Activation::leaky_relu(-0.5).unwrap()), |x| if x > 0.0 { x } else { -0.5 * x }),
        (Box::new(Activation::elu(1.0).unwrap()), |x| if x > 0.0 { x } else { x.exp() - 1.0 }),
        (Box::new(Activation::elu(-0.7).unwrap()), |x| if x > 0.0 { x } else { -0.7 * (x.exp() - 1.0) }),
        (Box::new(Activation::Selu), |x| {
            1.0507009873554805 * if x > 0.0 { x } else { 1.6732632423543772 * (x.exp() - 1.0) }
        }),
        (Box::new(Activation::Gelu), |x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt()))),
        (Box::new(Activation::GeluTanh), |x| {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }),
        (Box::new(Activation::Silu), |x| x / (1.0 + (-x).exp())),
        (Box::new(Activation::Softplus), |x| x.exp().ln_1p()),
        (Box::new(Activation::Sigmoid), |x| 1.0 / (1.0 + (-x).exp())),
        (Box::new(Activation::Tanh), f64::tanh),
    ]
}

fn unary_positive() -> Vec<Unary> {
    vec![(Box::new(Ln), f64::ln), (Box::new(Sqrt), f64::sqrt), (Box::new(Powf(-1.5)), |x| x.powf(-1.5))]
}

/// The error function by its power series, which is exact enough up to |x| = 3.
fn erf(x: f64) -> f64 {
    let (mut term, mut total) = (x, x);
    for n in 1..80 {
        term *= -x * x / n as f64;
        total += term / (2 * n + 1) as f64;
    }
    total * std::f64::consts::FRAC_2_SQRT_PI
}

fn unary_cases(shape: &[usize], rng: &mut Lcg) -> Vec<Case> {
    let away_from_zero = |x: f64| x + 0.1 * x.signum();
    let x = rng.array(shape).mapv(away_from_zero);
    let positive = x.mapv(|x| x.abs() + 0.2);
    let with = |x: &ArrayD<f64>, (op, f): Unary| {
        let label = format!("{op:?}");
        Case { label, op, inputs: vec![x.clone()], expected: x.mapv(f) }
    };
    let anywhere = unary_anywhere().into_iter().map(|u| with(&x, u));
    let positive = unary_positive().into_iter().map(|u| with(&positive, u));
    anywhere.chain(positive).collect()
}

/// `shape` with some axes set to 1, or leading axes left out.
fn narrowed(shape: &[usize], rng: &mut Lcg) -> Vec<usize> {
    let dropped = rng.below(shape.len() + 1) * rng.below(2);
    shape[dropped..].iter().map(|&len| if rng.below(3) == 0 { 1 } else { len }).collect()
}

fn binary_cases(shape: &[usize], rng: &mut Lcg) -> Vec<Case> {
    type Binary = (Box<dyn Op<f64>>, fn(f64, f64) -> f64);
    let table: Vec<Binary> = vec![
        (Box::new(Add), |x, y| x + y),
        (Box::new(Sub), |x, y| x - y),
        (Box::new(Mul), |x, y| x * y),
        (Box::new(Div), |x, y| x / y),
        (Box::new(Maximum), f64::max),
        (Box::new(Minimum), f64::min),
    ];
    let mut cases = Vec::new();
    for (op, f) in table {
        let narrow = narrowed(shape, rng);
        let (mut left, mut right) = (shape.to_vec(), narrow);
        if rng.below(2) == 0 {
            std::mem::swap(&mut left, &mut right);
        }
        let x = rng.array(&left);
        let y = rng.array(&right).mapv(|y| y + 0.3 * y.signum());
        let full = IxDyn(&nn_core::shape::broadcast(&left, &right).unwrap());
        let expected = Zip::from(x.broadcast(full.clone()).unwrap())
            .and(y.broadcast(full).unwrap())
            .map_collect(|&x, &y| f(x, y));
        let label = format!("{op:?} {left:?} {right:?}");
        cases.push(Case { label, op, inputs: vec![x, y], expected });
    }
    cases
}

/// Reduces the axes one after another, the last first.
fn fold_axes(x: &ArrayD<f64>, axes: &[usize], f: fn(&[f64]) -> f64, keep: bool) -> ArrayD<f64> {
    let mut y = x.clone();
    for &axis in axes.iter().rev() {
        y = y.map_axis(Axis(axis), |line| f(&line.to_vec()));
        if keep {
            y = y.insert_axis(Axis(axis));
        }
    }
    y
}

fn log_sum_exp(x: &[f64]) -> f64 {
    x.iter().map(|x| x.exp()).sum::<f64>().ln()
}

fn reduction_cases(shape: &[usize], rng: &mut Lcg) -> Vec<Case> {
    let x = rng.array(shape);
    let mut chosen: Vec<usize> = (0..shape.len()).filter(|_| rng.below(2) == 0).collect();
    let mut axes: Vec<isize> = chosen.iter().map(|&a| a as isize).collect();
    if chosen.is_empty() {
        chosen = (0..shape.len()).collect();
    } else if rng.below(2) == 0 {
        axes.iter_mut().for_each(|a| *a -= shape.len() as isize);
    }
    let keep_axes = rng.below(2) == 0;
    let count: usize = chosen.iter().map(|&a| shape[a]).product();
    let fold = |f: fn(&[f64]) -> f64| fold_axes(&x, &chosen, f, keep_axes);
    let total = fold(|line| line.iter().sum());
    let mut cases = vec![
        case(Sum { axes: axes.clone(), keep_axes }, vec![x.clone()], total.clone()),
        case(Mean { axes: axes.clone(), keep_axes }, vec![x.clone()], total / count as f64),
    ];
    if !chosen.is_empty() {
        cases.push(case(LogSumExp { axes: axes.clone(), keep_axes }, vec![x.clone()], fold(log_sum_exp)));
    }
    if count > 0 {
        let max = fold(|line| line.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        cases.push(case(Max { axes, keep_axes }, vec![x.clone()], max));
    }
    cases
}

fn softmax_cases(shape: &[usize], rng: &mut Lcg) -> Vec<Case> {
    if shape.is_empty() {
        return Vec::new();
    }
    let x = rng.array(shape);
    let axis = rng.below(shape.len());
    let given = if rng.below(2) == 0 { axis as isize } else { axis as isize - shape.len() as isize };
    let lse = fold_axes(&x, &[axis], log_sum_exp, true);
    let log = &x - &lse;
    vec![
        case(Softmax { axis: given }, vec![x.clone()], log.mapv(f64::exp)),
        case(LogSoftmax { axis: given }, vec![x], log),
    ]
}

fn movement_cases(shape: &[usize], rng: &mut Lcg) -> Vec<Case> {
    let x = rng.array(shape);
    let size: usize = shape.iter().product();
    let flat = ArrayD::from_shape_vec(IxDyn(&[size]), x.iter().copied().collect()).unwrap();
    let mut cases = vec![case(Reshape { shape: vec![-1] }, vec![x.clone()], flat)];
    let axes = rng.permutation(shape.len());
    let moved = x.clone().permuted_axes(IxDyn(&axes));
    cases.push(case(Transpose { axes }, vec![x.clone()], moved));
    if shape.is_empty() {
        return cases;
    }
    let axis = rng.below(shape.len());
    let (start, step) = (rng.below(shape[axis] + 1), 1 + rng.below(3));
    let end = start + rng.below(shape[axis] - start + 1);
    let picked: Vec<usize> = (start..end).step_by(step).collect();
    let slice = Slice { axis: axis as isize, start, end, step };
    cases.push(case(slice, vec![x.clone()], x.select(Axis(axis), &picked)));

    let mut other = shape.to_vec();
    other[axis] = rng.below(4);
    let parts = vec![x.clone(), rng.array(&other), rng.array(shape)];
    let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
    let joined = concatenate(Axis(axis), &views).unwrap();
    cases.push(case(Concat { axis: axis as isize }, parts, joined));

    if shape[0] > 0 {
        let numbers: Vec<usize> = (0..6).map(|_| rng.below(shape[0])).collect();
        let mut gathered = vec![2, 3];
        gathered.extend(&shape[1..]);
        let expected = x.select(Axis(0), &numbers).into_shape_with_order(gathered).unwrap();
        let numbers = numbers.iter().map(|&n| n as f64).collect();
        let numbers = ArrayD::from_shape_vec(IxDyn(&[2, 3]), numbers).unwrap();
        cases.push(case(GatherRows, vec![x, numbers], expected));
    }
    cases
}

fn all_cases(shape: &[usize], rng: &mut Lcg) -> Vec<Case> {
    let families = [unary_cases, binary_cases, reduction_cases, softmax_cases, movement_cases];
    families.into_iter().flat_map(|family| family(shape, rng)).collect()
}

fn assert_close(what: &str, got: &View<'_, f64>, expected: &View<'_, f64>, tolerance: f64) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    for ((place, &g), &e) in got.indexed_iter().zip(expected) {
        let same = g == e || g.is_nan() && e.is_nan() || (g - e).abs() <= tolerance * (1.0 + e.abs());
        assert!(same, "{what}: {g} at {place:?}, expected {e}");
    }
}

/// Forward on C-ordered copies.
fn forward<F: Real>(op: &dyn Op<F>, inputs: &[ArrayD<F>]) -> ArrayD<F> {
    let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    nn_core::evaluate(op, &Step::default(), &views).unwrap().output
}

/// Runs forward with inputs and output in random layouts.
fn check(case: &Case, rng: &mut Lcg) {
    let Case { label, op, inputs, expected } = case;
    let shapes: Vec<&[usize]> = inputs.iter().map(ndarray::ArrayBase::shape).collect();
    let outline = op.infer(&shapes).unwrap();
    assert_eq!(outline.shape, expected.shape(), "{label}");
    let laid: Vec<_> = inputs.iter().map(|x| Laid::new(x.view(), rng.layout())).collect();
    let views: Vec<_> = laid.iter().map(Laid::view).collect();
    let mut saved = vec![f64::NAN; outline.saved];
    let mut scratch = vec![f64::NAN; outline.scratch];
    let mut output = Laid::filled(expected.shape(), f64::NAN, rng.layout());
    let memory = Memory { saved: &mut saved, scratch: &mut scratch };
    op.forward(&Step::default(), &views, output.view_mut(), memory);
    assert_close(label, &output.view(), &expected.view(), 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    /// Small shapes of 0 to 5 axes, some of them empty.
    #[test]
    fn small_arrays(shape in prop::collection::vec(0usize..5, 0..=5), seed: u64) {
        let mut rng = Lcg(seed);
        for case in all_cases(&shape, &mut rng) {
            check(&case, &mut rng);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6) })]

    /// Rows and columns longer than the kernels' buffers and blocks, and arrays that threads share.
    #[test]
    fn long_rows_and_columns(rows in 1usize..150, columns in 1usize..1400, seed: u64) {
        let mut rng = Lcg(seed);
        for case in all_cases(&[rows, columns], &mut rng) {
            check(&case, &mut rng);
        }
    }
}

/// `f32` gives what `f64` gives, to its own precision.
#[test]
fn single_precision() {
    let mut rng = Lcg(11);
    let x = rng.array(&[7, 33]);
    let x32 = x.mapv(|x| x as f32);
    for ((op, _), op32) in unary_anywhere().into_iter().zip(single_precision_operations()) {
        let inputs = [x32.mapv(f64::from)];
        let (y, y32) = (forward(&*op, &inputs), forward(&*op32, std::slice::from_ref(&x32)));
        assert_close(&format!("{op:?}"), &y32.mapv(f64::from).view(), &y.view(), 2e-6);
    }
}

/// The operations of [`unary_anywhere`].
fn single_precision_operations() -> Vec<Box<dyn Op<f32>>> {
    vec![
        Box::new(Neg),
        Box::new(Abs),
        Box::new(Exp),
        Box::new(Square),
        Box::new(Reciprocal),
        Box::new(Powf(2.0)),
        Box::new(Powf(0.0)),
        Box::new(AddScalar(-0.5)),
        Box::new(MulScalar(3.0)),
        Box::new(Clamp { min: -1.0, max: 0.3 }),
        Box::new(Activation::Identity),
        Box::new(Activation::Relu),
        Box::new(Activation::LeakyRelu { slope: 0.01 }),
        Box::new(Activation::LeakyRelu { slope: -0.5 }),
        Box::new(Activation::Elu { alpha: 1.0 }),
        Box::new(Activation::Elu { alpha: -0.7 }),
        Box::new(Activation::Selu),
        Box::new(Activation::Gelu),
        Box::new(Activation::GeluTanh),
        Box::new(Activation::Silu),
        Box::new(Activation::Softplus),
        Box::new(Activation::Sigmoid),
        Box::new(Activation::Tanh),
    ]
}
