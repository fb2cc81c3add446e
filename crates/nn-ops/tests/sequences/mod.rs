//! Random cases of recurrent layers.

use ndarray::{Array1, ArrayD};
use nn_core::{Step, evaluate};
use nn_gradcheck::properties::Case;
use nn_gradcheck::strategies::{Laid, Layout, away_from, filled_with, laid};
use nn_ops::{Cell, Recurrent, States};
use proptest::prelude::*;
use proptest::sample::select;

/// Any combination of settings but for truncation, whose gradient is not that of differences.
fn settings(cell: Cell) -> impl Strategy<Value = Recurrent> {
    let output = select(vec![States::Sequence, States::Last, States::Full]);
    (output, any::<[bool; 4]>()).prop_map(
        move |(output, [is_reversed, has_bias, has_initial, has_lengths])| Recurrent {
            output,
            is_reversed,
            has_bias,
            has_initial,
            has_lengths,
            ..Recurrent::new(cell)
        },
    )
}

/// The shapes of the inputs.
fn shapes(op: &Recurrent, [batch, time, features, hidden]: [usize; 4]) -> Vec<Vec<usize>> {
    let rows = op.cell.gates() * hidden;
    let state = if op.cell.has_c() { 2 * hidden } else { hidden };
    let mut shapes = vec![vec![batch, time, features], vec![rows, features], vec![rows, hidden]];
    if op.has_bias {
        shapes.extend([vec![rows], vec![rows]]);
    }
    if op.has_initial {
        shapes.push(vec![batch, state]);
    }
    if op.has_lengths {
        shapes.push(vec![batch]);
    }
    shapes
}

/// Inputs of these shapes; the last are the lengths if the layer has them.
fn inputs(op: Recurrent, sizes: [usize; 4]) -> impl Strategy<Value = (Recurrent, Vec<Laid>)> {
    let shapes = shapes(&op, sizes);
    let last = shapes.len() - 1;
    let arrays: Vec<BoxedStrategy<Laid>> = shapes
        .into_iter()
        .enumerate()
        .map(|(i, shape)| match op.has_lengths && i == last {
            true => laid(filled_with(shape, (1..=sizes[1]).prop_map(|length| length as f64))),
            // Products of many small numbers would leave gradients that are lost in rounding.
            false => laid(away_from(shape, &[0.0], 0.2, 1.0)),
        })
        .collect();
    (Just(op), arrays)
}

/// Layers of this cell of random sizes, with up to 4 samples, steps and features, and up to 5 units.
pub(crate) fn recurrent(cell: Cell) -> BoxedStrategy<Case> {
    let sizes = (prop_oneof![1 => Just(0), 9 => 1..=4usize], 1..=4usize, 0..=4usize, 1..=5usize);
    (settings(cell), sizes)
        .prop_flat_map(|(op, (batch, time, features, hidden))| inputs(op, [batch, time, features, hidden]))
        .prop_filter("a sum is near the kink", |(op, inputs)| op.cell != Cell::Relu || is_far(op, inputs))
        .prop_map(|(op, inputs)| {
            let lengths = inputs.len() - 1;
            let case = Case::new(op, inputs);
            if op.has_lengths { case.constant(&[lengths]) } else { case }
        })
        .boxed()
}

/// Whether no sum is near zero: the same units are positive when all sums are moved up and when they are moved down.
fn is_far(op: &Recurrent, inputs: &[Laid]) -> bool {
    let positive = |shift: f64| {
        let mut arrays: Vec<_> = inputs.iter().map(Laid::to_array).collect();
        if op.has_bias {
            arrays[3] += shift;
        } else {
            let bias = ArrayD::from_elem(vec![arrays[2].shape()[0]], shift / 2.0);
            arrays.splice(3..3, [bias.clone(), bias]);
        }
        let moved = Recurrent { output: States::Sequence, has_bias: true, ..*op };
        let views: Vec<_> = arrays.iter().map(|x| x.view()).collect();
        evaluate(&moved, &Step::default(), &views).unwrap().output.mapv(|h| h > 0.0)
    };
    positive(0.03) == positive(-0.03)
}

/// A case whose samples several threads share: of few weights, of which each group of samples has gradients of its own,
/// or of many.
pub(crate) fn large(op: Recurrent, sizes: [usize; 4], numbers: fn(&[usize]) -> Laid) -> Case {
    let op = Recurrent { has_lengths: true, ..op };
    let mut inputs: Vec<Laid> = shapes(&op, sizes).iter().map(|shape| numbers(shape)).collect();
    let lengths = Array1::from_shape_fn(sizes[0], |i| (1 + i % sizes[1]) as f64);
    let last = inputs.len() - 1;
    inputs[last] = Laid::new(lengths.into_dyn().view(), Layout::C);
    Case::new(op, inputs).constant(&[last])
}
