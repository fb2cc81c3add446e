//! The list of all operations, and the checks that every one of them must pass: its gradient and the properties of
//! `nn_gradcheck::properties` over random shapes and memory layouts, and the same bits on any number of threads.

use ndarray::{ArrayD, IxDyn};
use nn_core::{Mode, Op, Step, Streams, shape};
use nn_gradcheck::properties::{Case, prove};
use nn_gradcheck::strategies::{Laid, Layout, away_from, laid, shapes, within};
use nn_regularize::*;
use proptest::prelude::*;
use proptest::sample::select;

/// An operation of the list.
struct Entry {
    /// Its type, and which of its variants.
    name: &'static str,
    /// Random cases: small arrays, in training and evaluation, away from kinks.
    cases: BoxedStrategy<Case>,
    /// A case large enough to be worked on by several threads.
    large: Case,
}

/// All operations of this crate.
fn table() -> Vec<Entry> {
    vec![
        random("Dropout", 0, |rate| Dropout::new(rate).unwrap()),
        relu_dropout("ReluDropout"),
        random("DropConnect", 0, |rate| DropConnect::new(rate).unwrap()),
        random("SpatialDropout", 2, |rate| SpatialDropout::new(rate).unwrap()),
        random("StochasticDepth", 1, |rate| StochasticDepth::new(rate).unwrap()),
        random("AlphaDropout", 0, |rate| AlphaDropout::new(rate).unwrap()),
        random("FeatureAlphaDropout", 2, |rate| FeatureAlphaDropout::new(rate).unwrap()),
        random("GaussianDropout", 0, |rate| GaussianDropout::new(0.9 * rate).unwrap()),
        random("GaussianNoise", 0, |rate| GaussianNoise::new(3.0 * rate).unwrap()),
        random("Scheduled", 0, |rate| {
            Scheduled::new(move |t| Dropout::new(rate / (1 + t % 3) as f64)).unwrap()
        }),
        penalty("L1", 0, |lambda| L1::new(lambda).unwrap()),
        penalty("L2", 0, |lambda| L2::new(lambda).unwrap()),
        penalty("ElasticNet", 0, |lambda| ElasticNet::new(lambda, 0.7).unwrap()),
        penalty("GroupLasso, rows", 1, |lambda| GroupLasso::new(lambda).unwrap()),
        penalty("GroupLasso, columns", 2, |l| GroupLasso::new(l).unwrap().groups(Groups::Columns)),
        penalty("GroupLasso, whole", 0, |l| GroupLasso::new(l).unwrap().groups(Groups::Whole)),
    ]
}

/// An operation that draws random numbers, with a rate from 0 to 1, on arrays of at least so many axes.
fn random<O: Op<f64> + Op<f32> + 'static>(
    name: &'static str,
    axes: usize,
    op: impl Fn(f64) -> O + Copy + 'static,
) -> Entry {
    let inputs = shapes(axes..=4, 5).prop_flat_map(|shape| laid(within(shape, -3.0, 3.0)));
    let rates = select(&[0.0, 0.1, 0.5, 0.5, 0.75, 1.0]);
    let modes = prop_oneof![4 => Just(Mode::Train), 1 => Just(Mode::Eval)];
    let cases =
        (inputs, rates, modes, any::<u64>(), 0..9u64).prop_map(move |(x, rate, mode, index, node)| {
            Case::new(op(rate), vec![x]).step(Step { mode, streams: Streams::new(1), index, node })
        });
    Entry { name, cases: cases.boxed(), large: Case::new(op(0.3), vec![numbers(&[700, 900])]) }
}

/// ReLU with dropout, on arrays of any number of axes, away from 0.
fn relu_dropout(name: &'static str) -> Entry {
    let op = |rate| ReluDropout::from(Dropout::new(rate).unwrap());
    let inputs = shapes(0..=4, 5).prop_flat_map(|shape| laid(away_from(shape, &[0.0], 0.1, 3.0)));
    let rates = select(&[0.0, 0.1, 0.5, 0.5, 0.75, 1.0]);
    let modes = prop_oneof![4 => Just(Mode::Train), 1 => Just(Mode::Eval)];
    let cases = (inputs, rates, modes, any::<u64>()).prop_map(move |(x, rate, mode, index)| {
        Case::new(op(rate), vec![x]).step(Step { mode, streams: Streams::new(1), index, node: 0 })
    });
    Entry { name, cases: cases.boxed(), large: Case::new(op(0.3), vec![numbers(&[700, 900])]) }
}

/// A penalty with a coefficient, on weights of at least so many axes.
fn penalty<O: Op<f64> + Op<f32> + 'static>(
    name: &'static str,
    axes: usize,
    op: impl Fn(f64) -> O + Copy + 'static,
) -> Entry {
    let inputs = shapes(axes..=4, 5).prop_flat_map(|shape| laid(away_from(shape, &[0.0], 0.1, 3.0)));
    let cases = (inputs, 0.1..2.0f64).prop_map(move |(w, lambda)| Case::new(op(lambda), vec![w]));
    Entry { name, cases: cases.boxed(), large: Case::new(op(0.3), vec![numbers(&[700, 900])]) }
}

/// A row-major array with elements from 0 to 1 in no particular order.
fn numbers(shape: &[usize]) -> Laid {
    let number = |i: usize| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as f64 / (1u64 << 20) as f64;
    let values = (0..shape::size(shape)).map(number).collect();
    Laid::new(ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().view(), Layout::C)
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
    let (one, two, three) = (pool(1), pool(2), pool(3));
    for Entry { name, large, .. } in table() {
        let expected = one.install(|| large.bits());
        for pool in [&two, &three] {
            assert!(pool.install(|| large.bits()) == expected, "{name} depends on the number of threads");
        }
    }
}
