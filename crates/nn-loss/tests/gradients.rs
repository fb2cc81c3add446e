//! The list of all losses, and the checks that every one of them must pass: its gradient and the properties of
//! `nn_gradcheck::properties` over random shapes and memory layouts, and the same bits on any number of threads.

use ndarray::{ArrayD, IxDyn};
use nn_core::{Op, shape};
use nn_gradcheck::properties::{Case, prove};
use nn_gradcheck::strategies::{Laid, Layout, filled_with, indices, laid, shapes, within};
use nn_loss::{BinaryCrossEntropyWithLogits, MeanSquaredError, Reduction, SoftmaxCrossEntropy};
use proptest::prelude::*;
use proptest::sample::select;

/// A loss of the list.
struct Entry {
    /// Its type.
    name: &'static str,
    /// Random cases: small arrays, with every reduction.
    cases: BoxedStrategy<Case>,
    /// Large cases, one with each reduction.
    large: Vec<Case>,
}

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::None];

/// All losses of this crate.
fn table() -> Vec<Entry> {
    let (softmax, binary, squared) =
        (SoftmaxCrossEntropy::new(), BinaryCrossEntropyWithLogits::new(), MeanSquaredError::new());
    let two = [numbers(&[300, 900]), numbers(&[300, 900])];
    let classes = ArrayD::from_shape_fn(IxDyn(&[900]), |place| (place[0] * 37 % 300) as f64);
    let classified = [numbers(&[900, 300]), Laid::new(classes.view(), Layout::C)];
    vec![
        entry("SoftmaxCrossEntropy", move |r| softmax.reduction(r), logits_and_classes(), &classified, &[1]),
        entry("BinaryCrossEntropyWithLogits", move |r| binary.reduction(r), logits_and_answers(), &two, &[]),
        entry("MeanSquaredError", move |r| squared.reduction(r), two_of_one_shape(), &two, &[]),
    ]
}

fn entry<O: Op<f64> + Op<f32> + 'static>(
    name: &'static str,
    loss: impl Fn(Reduction) -> O + Copy + 'static,
    inputs: impl Strategy<Value = Vec<Laid>> + 'static,
    large: &[Laid],
    constant: &'static [usize],
) -> Entry {
    let case =
        move |inputs: &[Laid], reduction| Case::new(loss(reduction), inputs.to_vec()).constant(constant);
    let large = REDUCTIONS.iter().map(|&reduction| case(large, reduction)).collect();
    let cases = (inputs, select(&REDUCTIONS)).prop_map(move |(inputs, reduction)| case(&inputs, reduction));
    Entry { name, cases: cases.boxed(), large }
}

/// A row-major array with elements from 0 to 1 in no particular order.
fn numbers(shape: &[usize]) -> Laid {
    let number = |i: usize| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as f64 / (1u64 << 20) as f64;
    let values = (0..shape::size(shape)).map(number).collect();
    Laid::new(ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().view(), Layout::C)
}

fn logits_and_classes() -> impl Strategy<Value = Vec<Laid>> {
    (1..=70usize, 1..=6usize)
        .prop_flat_map(|(m, c)| (laid(within(vec![m, c], -4.0, 4.0)), laid(indices(vec![m], c))))
        .prop_map(|(z, classes)| vec![z, classes])
}

/// Shapes that hold at least one element.
fn not_empty() -> impl Strategy<Value = Vec<usize>> {
    shapes(0..=4, 5).prop_map(|shape| shape.iter().map(|&n| n.max(1)).collect())
}

fn logits_and_answers() -> impl Strategy<Value = Vec<Laid>> {
    let answer = || prop_oneof![Just(0.0), Just(1.0), 0.0..1.0];
    let inputs =
        move |shape: Vec<usize>| (laid(within(shape.clone(), -6.0, 6.0)), laid(filled_with(shape, answer())));
    not_empty().prop_flat_map(inputs).prop_map(|(z, t)| vec![z, t])
}

fn two_of_one_shape() -> impl Strategy<Value = Vec<Laid>> {
    let inputs = |shape: Vec<usize>| (laid(within(shape.clone(), -3.0, 3.0)), laid(within(shape, -3.0, 3.0)));
    not_empty().prop_flat_map(inputs).prop_map(|(y, t)| vec![y, t])
}

#[test]
fn gradients_and_properties() {
    for Entry { name, cases, .. } in table() {
        let proof = prove(name, cases);
        println!("{proof}");
        assert!(proof.cases >= 64, "{proof}");
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, two) = (pool(1), pool(2));
    for Entry { name, large, .. } in table() {
        for case in large {
            let expected = one.install(|| case.bits());
            assert!(two.install(|| case.bits()) == expected, "{name} depends on the number of threads");
        }
    }
}
