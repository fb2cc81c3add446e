//! The list of all operations, and the checks that every one of them must pass: its gradient and the properties of
//! `nn_gradcheck::properties` over random shapes and memory layouts, and the same bits on any number of threads.

use crate::convolutions;
use crate::sequences;
use crate::windows;

use std::panic::AssertUnwindSafe;

use ndarray::{ArrayD, IxDyn};
use nn_core::{Op, Step, evaluate, shape};
use nn_gradcheck::properties::{Case, prove};
use nn_gradcheck::strategies::{
    Laid, Layout, away_from, broadcastable, distinct, indices, laid, shapes, within,
};
use nn_ops::*;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

/// An operation of the list.
struct Entry {
    /// Its type, and which of its variants.
    name: &'static str,
    /// Random cases: small arrays, away from kinks.
    cases: BoxedStrategy<Case>,
    /// Cases large enough to be worked on by several threads.
    large: Vec<Case>,
}

/// All operations of this crate.
fn table() -> Vec<Entry> {
    let mut table = binary();
    table.extend(unary());
    table.extend(activations());
    table.extend(rows());
    table.extend(reductions());
    table.extend(movements());
    table.extend(products());
    table.extend(convolved());
    table.extend(pools());
    table.extend(recurrents());
    table
}

/// Proves the entries with these names and gives the names of those that fail.
fn failures(names: &[&'static str]) -> Vec<&'static str> {
    let entries = table().into_iter().filter(|entry| names.contains(&entry.name));
    let fails = |entry: Entry| {
        let proven = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let proof = prove(entry.name, entry.cases);
            println!("{proof}");
            assert!(proof.cases >= 64, "{proof}");
        }));
        proven.is_err().then_some(entry.name)
    };
    entries.filter_map(fails).collect()
}

#[test]
fn gradients_and_properties() {
    let names: Vec<&str> = table().iter().map(|entry| entry.name).collect();
    let (left, right) = names.split_at(names.len() / 2);
    let failed = std::thread::scope(|scope| {
        let left = scope.spawn(|| failures(left));
        let right = failures(right);
        [left.join().unwrap(), right].concat()
    });
    assert!(failed.is_empty(), "these fail, for reasons above: {failed:?}");
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, two, three) = (pool(1), pool(2), pool(3));
    for Entry { name, large, .. } in table() {
        for case in large {
            let expected = one.install(|| case.bits());
            for pool in [&two, &three] {
                assert!(pool.install(|| case.bits()) == expected, "{name} depends on the number of threads");
            }
        }
    }
}

fn entry<O: Op<f64> + Op<f32> + Clone + 'static>(
    name: &'static str,
    cases: impl Strategy<Value = Case> + 'static,
    ops: &[O],
    large: &[Laid],
) -> Entry {
    let large = ops.iter().map(|op| Case::new(op.clone(), large.to_vec())).collect();
    Entry { name, cases: cases.boxed(), large }
}

/// A row-major array with elements from 0.5 to 1.5 in no particular order.
fn numbers(shape: &[usize]) -> Laid {
    let number = |i: usize| 0.5 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as f64 / (1u64 << 20) as f64;
    let values = (0..shape::size(shape)).map(number).collect();
    Laid::new(ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().view(), Layout::C)
}

/// Two arrays that broadcast; all differences between their elements are at least 0.1.
fn apart(a: Vec<usize>, b: Vec<usize>) -> impl Strategy<Value = Vec<Laid>> {
    let shifted = distinct(b, 0.2).prop_map(|b| b + 0.2);
    (laid(distinct(a, 0.2)), laid(shifted)).prop_map(|(a, b)| vec![a, b])
}

fn binary() -> Vec<Entry> {
    fn cases<O, S>(op: O, inputs: fn(Vec<usize>, Vec<usize>) -> S) -> impl Strategy<Value = Case>
    where
        O: Op<f64> + Op<f32> + Clone + 'static,
        S: Strategy<Value = Vec<Laid>>,
    {
        let inputs = broadcastable(0..=4, 4).prop_flat_map(move |(a, b)| inputs(a, b));
        inputs.prop_map(move |inputs| Case::new(op.clone(), inputs))
    }
    let any = |a: Vec<usize>, b: Vec<usize>| {
        (laid(within(a, -3.0, 3.0)), laid(within(b, -3.0, 3.0))).prop_map(|(a, b)| vec![a, b])
    };
    let divisor = |a: Vec<usize>, b: Vec<usize>| {
        (laid(within(a, -3.0, 3.0)), laid(away_from(b, &[0.0], 0.5, 3.0))).prop_map(|(a, b)| vec![a, b])
    };
    let large = [numbers(&[400, 700]), numbers(&[400, 1])];
    vec![
        entry("Add", cases(Add, any), &[Add], &large),
        entry("Sub", cases(Sub, any), &[Sub], &large),
        entry("Mul", cases(Mul, any), &[Mul], &large),
        entry("Div", cases(Div, divisor), &[Div], &large),
        entry("Maximum", cases(Maximum, apart), &[Maximum], &large),
        entry("Minimum", cases(Minimum, apart), &[Minimum], &large),
    ]
}

/// Cases of an operation that has one input and takes every shape, whose kinks are avoided.
fn elementwise<O: Op<f64> + Op<f32> + Clone + 'static>(
    name: &'static str,
    op: O,
    low: f64,
    high: f64,
    kinks: &'static [f64],
) -> Entry {
    let values = move |shape| {
        let middle = (low + high) / 2.0;
        let kinks: Vec<f64> = kinks.iter().map(|kink| kink - middle).collect();
        laid(away_from(shape, &kinks, 0.05, high - middle).prop_map(move |x| x + middle))
    };
    let inputs = shapes(0..=4, 5).prop_flat_map(values);
    let case = op.clone();
    entry(name, inputs.prop_map(move |x| Case::new(case.clone(), vec![x])), &[op], &[numbers(&[300, 1000])])
}

fn unary() -> Vec<Entry> {
    let clamp = Clamp::new(-0.5, 1.0).unwrap();
    vec![
        elementwise("Neg", Neg, -3.0, 3.0, &[]),
        elementwise("Abs", Abs, -3.0, 3.0, &[0.0]),
        elementwise("Exp", Exp, -3.0, 3.0, &[]),
        elementwise("Ln", Ln, 0.3, 4.0, &[]),
        elementwise("Sqrt", Sqrt, 0.3, 4.0, &[]),
        elementwise("Square", Square, -3.0, 3.0, &[]),
        elementwise("Reciprocal, positive", Reciprocal, 0.5, 4.0, &[]),
        elementwise("Reciprocal, negative", Reciprocal, -4.0, -0.5, &[]),
        elementwise("Powf(3)", Powf(3.0), -2.0, 2.0, &[]),
        elementwise("Powf(1)", Powf(1.0), -2.0, 2.0, &[]),
        elementwise("Powf(0)", Powf(0.0), -2.0, 2.0, &[]),
        elementwise("Powf(-1.5)", Powf(-1.5), 0.5, 3.0, &[]),
        elementwise("AddScalar", AddScalar(-0.7), -3.0, 3.0, &[]),
        elementwise("MulScalar", MulScalar(-0.7), -3.0, 3.0, &[]),
        elementwise("Clamp", clamp, -3.0, 3.0, &[-0.5, 1.0]),
        elementwise("Clamp from below", Clamp::new(0.25, f64::INFINITY).unwrap(), -3.0, 3.0, &[0.25]),
    ]
}

fn activations() -> Vec<Entry> {
    let activation = |name, activation: Activation, kinks| elementwise(name, activation, -4.0, 4.0, kinks);
    vec![
        activation("Activation::Identity", Activation::Identity, &[]),
        activation("Activation::Relu", Activation::Relu, &[0.0]),
        activation("Activation::LeakyRelu", Activation::LeakyRelu { slope: 0.01 }, &[0.0]),
        activation("Activation::LeakyRelu, negative", Activation::LeakyRelu { slope: -0.3 }, &[0.0]),
        activation("Activation::Elu", Activation::Elu { alpha: 0.8 }, &[0.0]),
        activation("Activation::Elu, negative", Activation::Elu { alpha: -0.8 }, &[0.0]),
        activation("Activation::Selu", Activation::Selu, &[0.0]),
        activation("Activation::Gelu", Activation::Gelu, &[]),
        activation("Activation::GeluTanh", Activation::GeluTanh, &[]),
        activation("Activation::Silu", Activation::Silu, &[]),
        activation("Activation::Softplus", Activation::Softplus, &[]),
        elementwise("Activation::Softplus, large", Activation::Softplus, 15.0, 25.0, &[20.0]),
        activation("Activation::Sigmoid", Activation::Sigmoid, &[]),
        activation("Activation::Tanh", Activation::Tanh, &[]),
    ]
}

/// A shape with at least one axis, and one of its axes, counted from the front or from the back.
fn shape_and_axis() -> impl Strategy<Value = (Vec<usize>, isize)> {
    let axis = |shape: &Vec<usize>, at: Index, back: bool| {
        let axis = at.index(shape.len()) as isize;
        if back { axis - shape.len() as isize } else { axis }
    };
    (shapes(1..=4, 5), any::<Index>(), any::<bool>())
        .prop_map(move |(shape, at, back)| (shape.clone(), axis(&shape, at, back)))
}

fn rows() -> Vec<Entry> {
    fn cases<O: Op<f64> + Op<f32> + 'static>(op: fn(isize) -> O) -> impl Strategy<Value = Case> {
        let input = |(shape, axis)| (laid(within(shape, -3.0, 3.0)), Just(axis));
        shape_and_axis().prop_flat_map(input).prop_map(move |(x, axis)| Case::new(op(axis), vec![x]))
    }
    let softmax = |axis| Softmax { axis };
    let log_softmax = |axis| LogSoftmax { axis };
    let large = [numbers(&[400, 700])];
    vec![
        entry("Softmax", cases(softmax), &[softmax(-1), softmax(0)], &large),
        entry("LogSoftmax", cases(log_softmax), &[log_softmax(-1), log_softmax(0)], &large),
    ]
}

/// A shape, some of its axes in any order, and whether to keep them.
fn shape_and_axes() -> impl Strategy<Value = (Vec<usize>, Vec<isize>, bool)> {
    let axes = |shape: Vec<usize>| {
        let all: Vec<isize> = (0..shape.len() as isize).collect();
        (Just(shape), subsequence(all.clone(), 0..=all.len()).prop_shuffle(), any::<bool>(), any::<bool>())
    };
    shapes(0..=4, 5).prop_flat_map(axes).prop_map(|(shape, axes, keep, back)| {
        let count = shape.len() as isize;
        (shape, axes.iter().map(|axis| if back { axis - count } else { *axis }).collect(), keep)
    })
}

fn reductions() -> Vec<Entry> {
    type Make<O> = fn(Vec<isize>, bool) -> O;
    fn cases<O: Op<f64> + Op<f32> + 'static>(op: Make<O>) -> impl Strategy<Value = Case> {
        let input = |(shape, axes, keep)| (laid(within(shape, -3.0, 3.0)), Just((axes, keep)));
        shape_and_axes()
            .prop_flat_map(input)
            .prop_map(move |(x, (axes, keep))| Case::new(op(axes, keep), vec![x]))
    }
    // There is no maximum of no elements, and a kink where two are equal.
    let input = |(shape, axes, keep): (Vec<usize>, Vec<isize>, bool)| {
        let shape = shape.iter().map(|&n| n.max(1)).collect();
        (laid(distinct(shape, 0.1)), Just(Max { axes, keep_axes: keep }))
    };
    let max = shape_and_axes().prop_flat_map(input).prop_map(|(x, op)| Case::new(op, vec![x]));
    let sum: Make<Sum> = |axes, keep_axes| Sum { axes, keep_axes };
    let mean: Make<Mean> = |axes, keep_axes| Mean { axes, keep_axes };
    let log_sum_exp: Make<LogSumExp> = |axes, keep_axes| LogSumExp { axes, keep_axes };
    let large = [numbers(&[40, 70, 100])];
    vec![
        entry("Sum", cases(sum), &[sum(vec![], false), sum(vec![-1], false), sum(vec![0], true)], &large),
        entry("Mean", cases(mean), &[mean(vec![], false), mean(vec![1], false)], &large),
        entry("Max", max, &[Max { axes: vec![0, 2], keep_axes: false }], &large),
        entry("LogSumExp", cases(log_sum_exp), &[log_sum_exp(vec![-1], true)], &large),
    ]
}

fn movements() -> Vec<Entry> {
    let large = [numbers(&[400, 700])];
    vec![
        entry("Reshape", reshapes(), &[Reshape { shape: vec![-1, 100] }], &large),
        entry("Transpose", transposes(), &[Transpose { axes: vec![1, 0] }], &large),
        entry("Slice", slices(), &[Slice { axis: 1, start: 3, end: 698, step: 2 }], &large),
        entry("Concat", concats(), &[Concat { axis: 0 }], &[numbers(&[400, 700]), numbers(&[20, 700])]),
        Entry { name: "GatherRows", cases: gathers().boxed(), large: vec![large_gather()] },
        Entry { name: "EmbeddingLookup", cases: embeddings().boxed(), large: vec![large_lookup()] },
        entry(
            "AttentionWeights",
            attention(),
            &[AttentionWeights { scale: 0.3, causal: true }],
            &[numbers(&[4, 8, 50, 60])],
        ),
    ]
}

fn reshapes() -> impl Strategy<Value = Case> {
    let case = |shape: Vec<usize>| {
        let same: Vec<isize> = shape.iter().map(|&n| n as isize).collect();
        let reversed: Vec<isize> = same.iter().rev().copied().collect();
        let mut longer = vec![1];
        longer.extend(&same);
        longer.push(1);
        let mut inferred = reversed.clone();
        if let (Some(last), true) = (inferred.last_mut(), shape::size(&shape) > 0) {
            *last = -1;
        }
        let size = shape::size(&shape) as isize;
        let shapes = vec![same, reversed, longer, inferred, vec![-1], vec![size], vec![1, size]];
        (laid(within(shape, -3.0, 3.0)), select(shapes))
    };
    shapes(0..=4, 4).prop_flat_map(case).prop_map(|(x, shape)| Case::new(Reshape { shape }, vec![x]))
}

fn transposes() -> impl Strategy<Value = Case> {
    let case = |shape: Vec<usize>| {
        let axes: Vec<usize> = (0..shape.len()).collect();
        (laid(within(shape, -3.0, 3.0)), Just(axes).prop_shuffle())
    };
    shapes(0..=4, 4).prop_flat_map(case).prop_map(|(x, axes)| Case::new(Transpose { axes }, vec![x]))
}

fn slices() -> impl Strategy<Value = Case> {
    let case = |(shape, axis): (Vec<usize>, isize)| {
        let len = shape[axis.rem_euclid(shape.len() as isize) as usize];
        let slice = (0..=len, 0..=len, 1..=3usize).prop_map(move |(a, b, step)| Slice {
            axis,
            start: a.min(b),
            end: a.max(b),
            step,
        });
        (laid(within(shape, -3.0, 3.0)), slice)
    };
    shape_and_axis().prop_flat_map(case).prop_map(|(x, slice)| Case::new(slice, vec![x]))
}

fn concats() -> impl Strategy<Value = Case> {
    let case = |((shape, axis), lengths): ((Vec<usize>, isize), Vec<usize>)| {
        let at = axis.rem_euclid(shape.len() as isize) as usize;
        let part = |&length: &usize| {
            let mut shape = shape.clone();
            shape[at] = length;
            laid(within(shape, -3.0, 3.0))
        };
        (lengths.iter().map(part).collect::<Vec<_>>(), Just(axis))
    };
    (shape_and_axis(), prop::collection::vec(0..4usize, 1..=4))
        .prop_flat_map(case)
        .prop_map(|(parts, axis)| Case::new(Concat { axis }, parts))
}

fn gathers() -> impl Strategy<Value = Case> {
    let case = |(mut table, numbers): (Vec<usize>, Vec<usize>)| {
        table[0] = table[0].max(1);
        let numbers = laid(indices(numbers, table[0]));
        (laid(within(table, -3.0, 3.0)), numbers)
    };
    (shapes(1..=3, 5), shapes(0..=3, 3))
        .prop_flat_map(case)
        .prop_map(|(table, numbers)| Case::new(GatherRows, vec![table, numbers]).constant(&[1]))
}

fn large_gather() -> Case {
    let rows = (0..2000).map(|i| f64::from(i * 37 % 50)).collect();
    let rows = Laid::new(ArrayD::from_shape_vec(IxDyn(&[2000]), rows).unwrap().view(), Layout::C);
    Case::new(GatherRows, vec![numbers(&[50, 700]), rows]).constant(&[1])
}

fn embeddings() -> impl Strategy<Value = Case> {
    let case = |([rows, width], numbers): ([usize; 2], Vec<usize>)| {
        let numbers = laid(indices(numbers, rows));
        (laid(within(vec![rows, width], -3.0, 3.0)), numbers)
    };
    let sizes = [1..5usize, 1..5usize];
    (sizes, shapes(0..=3, 3)).prop_flat_map(case).prop_map(|(table, numbers)| {
        let lookup = EmbeddingLookup { padding_idx: None };
        Case::new(lookup, vec![table, numbers]).constant(&[1])
    })
}

fn large_lookup() -> Case {
    let numbers_of = |i: usize| (i * 37 % 50) as f64;
    let rows = (0..2000).map(numbers_of).collect();
    let rows = Laid::new(ArrayD::from_shape_vec(IxDyn(&[40, 50]), rows).unwrap().view(), Layout::C);
    let lookup = EmbeddingLookup { padding_idx: Some(7) };
    Case::new(lookup, vec![numbers(&[50, 700]), rows]).constant(&[1])
}

/// Scores of up to three queries and keys; a mask leaves out some keys, but never all.
fn attention() -> impl Strategy<Value = Case> {
    let sizes = [1..=2usize, 1..=2, 1..=3, 1..=4];
    let inputs = |(shape, causal, masked): ([usize; 4], bool, bool)| {
        let mask = within(vec![shape[0], shape[3]], 0.0, 1.6).prop_map(move |mut mask| {
            mask.mapv_inplace(f64::floor);
            mask.index_axis_mut(ndarray::Axis(1), 0).fill(0.0);
            masked.then_some(mask)
        });
        (laid(within(shape.to_vec(), -3.0, 3.0)), mask, Just(causal))
    };
    (sizes, any::<bool>(), any::<bool>()).prop_flat_map(inputs).prop_map(|(scores, mask, causal)| {
        let mask = mask.map(|mask| Laid::new(mask.view(), Layout::Fortran));
        let inputs: Vec<Laid> = std::iter::once(scores).chain(mask).collect();
        let constant = if inputs.len() == 2 { vec![1] } else { vec![] };
        Case::new(AttentionWeights { scale: 0.7, causal }, inputs).constant(&constant)
    })
}

fn products() -> Vec<Entry> {
    let smooth = [Activation::Identity, Activation::Sigmoid, Activation::Tanh, Activation::Softplus];
    let kinked = [Activation::Relu, Activation::LeakyRelu { slope: 0.1 }, Activation::Selu];
    let op = |activation| Linear { activation, weight_is_transposed: false };
    let large = [numbers(&[600, 300]), numbers(&[500, 300]), numbers(&[500])];
    let product = MatMul { transpose_a: false, transpose_b: true };
    vec![
        entry("MatMul", matmuls(), &[product], &large[..2]),
        entry("Linear, smooth", linears(&smooth, 0.0), &[op(Activation::Tanh)], &large),
        entry("Linear, kinked", linears(&kinked, 0.05), &[op(Activation::Relu)], &large),
    ]
}

fn pools() -> Vec<Entry> {
    let (one, two) = ([numbers(&[40, 70, 100])], [numbers(&[20, 30, 28, 30])]);
    let overlapping = MaxPool::<2>::new(3).stride(2).padding(1);
    vec![
        entry("MaxPool, 1 axis", windows::max::<1>(), &[MaxPool::<1>::new(3).stride(2)], &one),
        entry("MaxPool, 2 axes", windows::max::<2>(), &[MaxPool::<2>::new(2), overlapping], &two),
        entry("AvgPool, 1 axis", windows::average::<1>(), &[AvgPool::<1>::new(2)], &one),
        entry("AvgPool, 2 axes", windows::average::<2>(), &[AvgPool::<2>::new([2, 3]).padding(1)], &two),
        entry("AdaptiveMaxPool, 1 axis", windows::adaptive_max::<1>(), &[AdaptiveMaxPool::<1>::new(7)], &one),
        entry("AdaptiveMaxPool, 2 axes", windows::adaptive_max::<2>(), &[AdaptiveMaxPool::<2>::new(1)], &two),
        entry(
            "AdaptiveAvgPool, 1 axis",
            windows::adaptive_average::<1>(),
            &[AdaptiveAvgPool::<1>::new(1)],
            &one,
        ),
        entry(
            "AdaptiveAvgPool, 2 axes",
            windows::adaptive_average::<2>(),
            &[AdaptiveAvgPool::<2>::new(5)],
            &two,
        ),
    ]
}

fn recurrents() -> Vec<Entry> {
    let leaky = Cell::Leaky { leak: 0.3 };
    let cells = [
        ("Recurrent, tanh", Cell::Tanh),
        ("Recurrent, ReLU", Cell::Relu),
        ("Recurrent, leaky", leaky),
        ("Recurrent, LSTM", Cell::Lstm),
        ("Recurrent, GRU", Cell::Gru),
    ];
    let entry = |(name, cell)| {
        let large = [[150, 6, 40, 70], [20, 3, 40, 350]];
        let large = large.map(|sizes| sequences::large(Recurrent::new(cell), sizes, numbers)).into();
        Entry { name, cases: sequences::recurrent(cell), large }
    };
    cells.map(entry).into()
}

fn convolved() -> Vec<Entry> {
    use convolutions::{convolutions, transposed};

    let image = [numbers(&[5, 12, 20, 30]), numbers(&[12, 4, 3, 5]), numbers(&[12])];
    let line = [numbers(&[5, 20, 200]), numbers(&[20, 20, 5]), numbers(&[20])];
    let plane =
        Conv::<2> { groups: 3, activation: Activation::Relu, padding: [[1, 1]; 2], ..Conv::default() };
    let larger = ConvTranspose::<2> { groups: 3, stride: [2, 1], ..ConvTranspose::default() };
    vec![
        entry("Conv<1>", convolutions::<1>(), &[Conv::<1>::default()], &line),
        entry("Conv<2>", convolutions::<2>(), &[plane], &image),
        entry("ConvTranspose<1>", transposed::<1>(), &[ConvTranspose::<1>::default()], &line),
        entry("ConvTranspose<2>", transposed::<2>(), &[larger], &image),
    ]
}

fn matmuls() -> impl Strategy<Value = Case> {
    let case = |(leading, [m, k, n], [a, b], shared): (Vec<usize>, [usize; 3], [bool; 2], bool)| {
        let shape = |leading: &[usize], rows, columns, transposed| {
            let matrix = if transposed { [columns, rows] } else { [rows, columns] };
            leading.iter().copied().chain(matrix).collect::<Vec<usize>>()
        };
        let left = shape(&leading, m, k, a);
        let right = shape(if shared { &[] } else { &leading }, k, n, b);
        let inputs = (laid(within(left, -2.0, 2.0)), laid(within(right, -2.0, 2.0)));
        (inputs, Just(MatMul { transpose_a: a, transpose_b: b }))
    };
    let sizes = prop::array::uniform3(prop_oneof![1 => Just(0), 9 => 1..=5usize]);
    (shapes(0..=2, 3), sizes, any::<[bool; 2]>(), any::<bool>())
        .prop_flat_map(case)
        .prop_map(|((a, b), op)| Case::new(op, vec![a, b]))
}

/// Linear layers with these activations, no argument of which comes closer to 0 than `margin`.
fn linears(activations: &[Activation], margin: f64) -> impl Strategy<Value = Case> + use<> {
    let inputs = |(mut x, out, transposed, bias, activation): (Vec<usize>, usize, bool, bool, Activation)| {
        let features = *x.last().unwrap();
        let weight = if transposed { vec![features, out] } else { vec![out, features] };
        if x.len() > 3 {
            x.truncate(3);
            x[2] = features;
        }
        let bias = laid(within(vec![out], -1.0, 1.0)).prop_map(move |b| bias.then_some(b));
        let inputs = (laid(within(x, -2.0, 2.0)), laid(within(weight, -1.0, 1.0)), bias);
        (inputs, Just(Linear { activation, weight_is_transposed: transposed }))
    };
    let far_enough = move |linear: &Linear, inputs: &[Laid]| {
        let identity = Linear { activation: Activation::Identity, ..*linear };
        let views: Vec<_> = inputs.iter().map(Laid::view).collect();
        let sums = evaluate(&identity, &Step::default(), &views).unwrap().output;
        sums.iter().all(|z| z.abs() >= margin)
    };
    (shapes(1..=4, 4), 0..5usize, any::<bool>(), any::<bool>(), select(activations.to_vec()))
        .prop_flat_map(inputs)
        .prop_map(|((x, w, b), linear)| (linear, [x, w].into_iter().chain(b).collect::<Vec<_>>()))
        .prop_filter("an argument of the activation is near its kink", move |(linear, inputs)| {
            far_enough(linear, inputs)
        })
        .prop_map(|(linear, inputs)| Case::new(linear, inputs))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Broadcasting an array B and summing over what was repeated Bᵀ are adjoint: ⟨Bx, y⟩ = ⟨x, Bᵀy⟩; and each is
    /// the other's backward pass.
    #[test]
    fn broadcasting_and_summing_are_adjoint(
        (y, axes) in shape_and_axes().prop_flat_map(|(shape, axes, _)| (laid(within(shape, -1.0, 1.0)), Just(axes))),
        seed in 0.0..1.0f64,
    ) {
        let step = Step::default();
        let sum = Sum { axes, keep_axes: true };
        let y = y.view();
        let mut summed = evaluate(&sum, &step, &[y.view()]).unwrap();
        let mut angle = seed;
        let x = ArrayD::from_shape_simple_fn(summed.output.raw_dim(), || {
            angle += 1.0;
            angle.sin()
        });
        let zeros = ArrayD::zeros(y.raw_dim());
        let inputs = [x.view(), zeros.view()];
        let mut broadcast = evaluate(&Add, &step, &inputs).unwrap();

        let left = (&broadcast.output * &y).sum();
        let right = (&x * &summed.output).sum();
        prop_assert!((left - right).abs() < 1e-12, "{} and {}", left, right);
        let back = &broadcast.backward(&Add, &step, &inputs, y.view())[0];
        prop_assert!((back - &summed.output).iter().all(|d| d.abs() < 1e-12));
        let back = &summed.backward(&sum, &step, &[y.view()], x.view())[0];
        prop_assert_eq!(back, &broadcast.output);
    }
}

/// It has no gradient to be proven, but all else.
#[test]
fn sequence_lengths_have_the_properties() {
    let cases = (0..=3usize, 0..=4usize, 0..=2usize).prop_flat_map(|(batch, time, features)| {
        let shape = vec![batch, time, features];
        prop::collection::vec(select(vec![0.0, 1.5, 1.5]), shape::size(&shape))
            .prop_flat_map(move |values| laid(Just(ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap())))
    });
    let op = SequenceLengths { padding_value: 1.5 };
    prove("SequenceLengths", cases.prop_map(move |x| Case::new(op, vec![x]).constant(&[0])));
}
