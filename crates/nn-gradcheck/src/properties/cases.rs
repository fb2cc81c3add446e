//! Cases of operations that take arrays of any shape.

use nn_core::Op;
use proptest::prelude::{BoxedStrategy, Strategy};

use super::Case;
use crate::strategies::{laid, shapes, within};

/// Cases of an operation on one array: of any shape with up to three axes, in any memory layout, with elements in ±2.
///
/// `op` makes the operation. For one with kinks or a smaller domain take
/// [`strategies::away_from`](crate::strategies::away_from) or [`strategies::within`](within).
pub fn unary<O: Op<f64> + Op<f32> + 'static>(op: impl Fn() -> O + 'static) -> BoxedStrategy<Case> {
    shapes(0..=3, 4)
        .prop_flat_map(|shape| laid(within(shape, -2.0, 2.0)))
        .prop_map(move |x| Case::new(op(), vec![x]))
        .boxed()
}

/// Cases of an operation on two arrays of the same shape; the rest as for [`unary`].
pub fn binary<O: Op<f64> + Op<f32> + 'static>(op: impl Fn() -> O + 'static) -> BoxedStrategy<Case> {
    let array = |shape: &Vec<usize>| laid(within(shape.clone(), -2.0, 2.0));
    shapes(0..=3, 4)
        .prop_flat_map(move |shape| (array(&shape), array(&shape)))
        .prop_map(move |(a, b)| Case::new(op(), vec![a, b]))
        .boxed()
}
