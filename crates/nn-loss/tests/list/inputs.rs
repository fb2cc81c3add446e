//! Random inputs of losses, in any memory layout and away from kinks.

use std::ops::{Range, RangeInclusive};

use ndarray::{ArrayD, Axis, IxDyn};
use nn_core::shape;
use nn_gradcheck::strategies::{
    Laid, Layout, away_from, distinct, filled_with, indices, layout, shapes, within,
};
use proptest::collection::vec;
use proptest::prelude::*;

type Arrays = BoxedStrategy<Vec<Laid>>;

/// A row-major array with elements from `low` to `high` in no particular order.
pub(crate) fn numbers(shape: &[usize], low: f64, high: f64) -> Laid {
    let number = |i: usize| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as f64 / (1u64 << 20) as f64;
    let values = (0..shape::size(shape)).map(|i| low + (high - low) * number(i)).collect();
    Laid::new(ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().view(), Layout::C)
}

/// A row-major vector.
pub(crate) fn floats(values: &[f64]) -> Laid {
    Laid::new(ArrayD::from_shape_vec(IxDyn(&[values.len()]), values.to_vec()).unwrap().view(), Layout::C)
}

/// Lays each array into memory in any way.
fn lay(arrays: impl Strategy<Value = Vec<ArrayD<f64>>> + 'static) -> Arrays {
    (arrays, vec(layout(), 4))
        .prop_map(|(arrays, layouts)| {
            arrays.iter().zip(layouts).map(|(array, layout)| Laid::new(array.view(), layout)).collect()
        })
        .boxed()
}

/// Arrays that are drawn independently, each in any layout.
pub(crate) fn laid_all(arrays: Vec<BoxedStrategy<ArrayD<f64>>>) -> Arrays {
    lay(arrays)
}

/// Shapes that hold at least one element.
pub(crate) fn not_empty() -> impl Strategy<Value = Vec<usize>> {
    shapes(0..=4, 5).prop_map(|shape| shape.iter().map(|&n| n.max(1)).collect())
}

/// Shapes `[m, C]` and `[m, C, d…]`.
pub(crate) fn places(classes: RangeInclusive<usize>) -> impl Strategy<Value = Vec<usize>> {
    let short = (1..=4usize, classes.clone(), vec(1..=3usize, 1..=2));
    let long = (1..=40usize, classes, Just(vec![]));
    prop_oneof![short, long].prop_map(|(m, c, places)| [vec![m, c], places].concat())
}

/// The shape of the classes.
fn of_places(shape: &[usize]) -> Vec<usize> {
    [&shape[..1], &shape[2..]].concat()
}

/// Logits and classes.
pub(crate) fn classified(classes: RangeInclusive<usize>, range: Range<f64>) -> Arrays {
    let inputs = move |shape: Vec<usize>| {
        let classes = indices(of_places(&shape), shape[1]);
        laid_all(vec![within(shape, range.start, range.end), classes])
    };
    places(classes).prop_flat_map(inputs).boxed()
}

/// Scores and classes. No two scores lie near 0.2 or 1 apart: they lie around even multiples of 0.2.
pub(crate) fn scores(classes: usize) -> Arrays {
    (1..=12usize)
        .prop_flat_map(move |m| laid_all(vec![distinct(vec![m, classes], 0.2), indices(vec![m], classes)]))
        .boxed()
}

/// −1 and 1.
pub(crate) fn signed(shape: Vec<usize>) -> BoxedStrategy<ArrayD<f64>> {
    filled_with(shape, prop_oneof![Just(-1.0), Just(1.0)])
}

/// Predictions and targets of which no difference lies near a kink.
pub(crate) fn differing(kinks: &'static [f64]) -> Arrays {
    let inputs = |shape: Vec<usize>| {
        let differences = away_from(shape.clone(), kinks, 0.05, 4.0);
        (differences, within(shape, -2.0, 2.0)).prop_map(|(d, t)| vec![&t + &d, t])
    };
    lay(not_empty().prop_flat_map(inputs))
}

/// Probabilities `[m, C, d…]`.
pub(crate) fn masks() -> Arrays {
    let shape = (1..=3usize, 1..=3usize, vec(1..=4usize, 1..=2));
    shape
        .prop_flat_map(|(m, c, places)| {
            let shape = [vec![m, c], places].concat();
            let answer = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0];
            laid_all(vec![within(shape.clone(), 0.1, 1.0), filled_with(shape, answer)])
        })
        .boxed()
}

/// Pairs of vectors with −1 or 1, not short, and of no cosine near the margin.
pub(crate) fn embedded(margin: f64) -> Arrays {
    let far = move |x: &ArrayD<f64>, y: &ArrayD<f64>| {
        x.rows().into_iter().zip(y.rows()).all(|(x, y)| {
            let lengths = (x.dot(&x) * y.dot(&y)).sqrt();
            let cosine = x.dot(&y) / lengths;
            // Of parallel vectors, the gradient is 0.
            lengths > 0.25 && (cosine - margin).abs() > 0.01 && cosine.abs() < 0.99
        })
    };
    let inputs = move |shape: Vec<usize>| {
        let each = shape[..shape.len() - 1].to_vec();
        (within(shape.clone(), -2.0, 2.0), within(shape, -2.0, 2.0), signed(each))
            .prop_filter("a kink", move |(x, y, _)| far(x, y))
            .prop_map(|(x, y, t)| vec![x, y, t])
    };
    lay((vec(1..=3usize, 0..=2), 2..=5usize)
        .prop_map(|(each, d)| [each, vec![d]].concat())
        .prop_flat_map(inputs))
}

/// ‖x − y‖ₚ along the last axis.
fn distances(x: &ArrayD<f64>, y: &ArrayD<f64>, p: f64) -> ArrayD<f64> {
    (x - y).mapv(|d| d.abs().powf(p)).sum_axis(Axis(x.ndim() - 1)).mapv(|s| s.powf(1.0 / p))
}

/// Anchors, positives and negatives, with no kink of the triplet loss near.
pub(crate) fn triplets() -> Arrays {
    let smooth = |x: &[ArrayD<f64>]| {
        [1.0, 1.5, 2.0, 3.0].into_iter().all(|p| {
            let near = distances(&x[0], &x[1], p);
            let (far, swapped) = (distances(&x[0], &x[2], p), distances(&x[1], &x[2], p));
            let tie = (&far - &swapped).iter().any(|d| d.abs() < 0.01);
            !tie && [far, swapped].iter().all(|far| (&near - far + 1.0).iter().all(|d| d.abs() > 0.01))
        })
    };
    let inputs = move |shape: Vec<usize>| {
        distinct([vec![3], shape].concat(), 0.1)
            .prop_map(|all| all.outer_iter().map(|x| x.to_owned()).collect::<Vec<_>>())
            .prop_filter("a kink", move |x| smooth(x))
    };
    lay((1..=3usize, 1..=4usize).prop_map(|(m, d)| vec![m, d]).prop_flat_map(inputs))
}

/// Inputs of CTC with classes from 0 to 3, of which neither 0 nor 3 is a label; `possible` if no target is too long.
pub(crate) fn ctc_inputs(possible: bool) -> Arrays {
    let inputs = move |(frames, cases, longest): (usize, usize, usize)| {
        let frames = if possible { 2 * longest + frames } else { frames };
        let fewest = if possible { 2 * longest } else { 0 };
        let label = prop_oneof![Just(1.0), Just(2.0)];
        let whole = |low: usize, high: usize| (low..=high).prop_map(|n| n as f64);
        let log_probs = within(vec![frames, cases, 4], -3.0, -0.1);
        let targets = filled_with(vec![cases, longest], label);
        let (lengths, labels) =
            (filled_with(vec![cases], whole(fewest, frames)), filled_with(vec![cases], whole(0, longest)));
        laid_all(vec![log_probs, targets, lengths, labels])
    };
    (1..=5usize, 1..=3usize, 1..=3usize).prop_flat_map(inputs).boxed()
}
