//! Losses that compare two arrays of one shape, element by element.

use nn_core::{Outline, Real, ShapeError, View, ViewMut};
use nn_ops::simd::dispatch;

use crate::Reduction;
use crate::reduction::{check_inputs, write_losses};

/// Elements that are worked on together.
const TILE: usize = 512;

/// Two inputs of one shape; as many elements are saved.
pub(crate) fn outline(
    op: &'static str,
    reduction: Reduction,
    inputs: &[&[usize]],
) -> Result<Outline, ShapeError> {
    check_inputs(op, inputs)?;
    if inputs[0] != inputs[1] {
        let (left, right) = (inputs[0].to_vec(), inputs[1].to_vec());
        let expected = "predictions and targets have the same shape".to_owned();
        return Err(ShapeError::Mismatch { op, expected, left, right });
    }
    Ok(Outline::new(reduction.shape(inputs[0]), 2).saved(inputs[0].iter().product()))
}

/// Computes the losses and reduces them into `output`.
///
/// `f` maps an element of each input to its loss and to what is saved for the backward pass. Elements are taken in
/// logical order whatever the memory layout, and summed in an order that depends on their number alone.
///
/// # Panics
/// When the shapes are not those that [`outline`] accepts.
#[track_caller]
#[inline(always)]
pub(crate) fn forward<F: Real>(
    reduction: Reduction,
    inputs: &[View<'_, F>],
    mut output: ViewMut<'_, F>,
    saved: &mut [F],
    f: impl Fn(F, F) -> (F, F),
) {
    let (a, b) = (&inputs[0], &inputs[1]);
    assert_eq!(a.shape(), b.shape(), "predictions and targets have the same shape");
    assert_eq!(reduction.shape(a.shape()), output.shape(), "shape of the output");
    let (count, mut total, mut start) = (a.len(), 0.0, 0);
    let mut losses = [F::zero(); TILE];
    let mut each = output.iter_mut();
    for_tiles(a, b, |a, b| {
        let losses = &mut losses[..a.len()];
        tile(a, b, losses, &mut saved[start..start + a.len()], &f);
        start += a.len();
        if reduction == Reduction::None {
            write_losses(losses, &mut each);
        } else {
            total += nn_ops::sum(losses).to_f64();
        }
    });
    if reduction != Reduction::None {
        output.fill(reduction.finish(total, count));
    }
}

#[inline(always)]
fn tile<F: Real>(a: &[F], b: &[F], losses: &mut [F], saved: &mut [F], f: &impl Fn(F, F) -> (F, F)) {
    let len = losses.len();
    let (a, b, saved) = (&a[..len], &b[..len], &mut saved[..len]);
    dispatch(
        #[inline(always)]
        move || {
            for i in 0..len {
                (losses[i], saved[i]) = f(a[i], b[i]);
            }
        },
    );
}

/// Calls `visit` on successive stretches of two arrays of one shape, in logical order.
#[inline(always)]
fn for_tiles<F: Real>(a: &View<'_, F>, b: &View<'_, F>, mut visit: impl FnMut(&[F], &[F])) {
    if let (Some(a), Some(b)) = (a.as_slice(), b.as_slice()) {
        for (a, b) in a.chunks(TILE).zip(b.chunks(TILE)) {
            visit(a, b);
        }
        return;
    }
    let (mut left, mut right) = ([F::zero(); TILE], [F::zero(); TILE]);
    let mut pairs = a.iter().zip(b);
    let mut rest = a.len();
    while rest > 0 {
        let len = rest.min(TILE);
        for ((left, right), (&a, &b)) in left[..len].iter_mut().zip(&mut right).zip(&mut pairs) {
            (*left, *right) = (a, b);
        }
        visit(&left[..len], &right[..len]);
        rest -= len;
    }
}
