//! What the operations on rows share: their outline, their forward and backward pass.

use nn_core::{Grad, Io, Memory, Outline, RangeError, Real, ShapeError, View, ViewMut, check_range};

use crate::kernel::{elements, standard, write_each, write_gradient, write_output};
use crate::rows::{Kept, Rows};

/// The default ε of all norms but RMS norm and spectral norm.
pub(crate) const EPSILON: f64 = 1e-5;

/// Checks ε.
pub(crate) fn check_epsilon(owner: &'static str, epsilon: f64) -> Result<f64, RangeError> {
    check_range(owner, "epsilon", epsilon, "[0, ∞)", epsilon >= 0.0 && epsilon.is_finite())?;
    Ok(epsilon)
}

/// Checks that there are from `1` to `most` inputs, and returns the first.
pub(crate) fn first_input<'a>(
    op: &'static str,
    most: usize,
    inputs: &[&'a [usize]],
) -> Result<&'a [usize], ShapeError> {
    match inputs.first() {
        Some(first) if inputs.len() <= most => Ok(first),
        _ => Err(ShapeError::Arity { op, expected: most, got: inputs.len() }),
    }
}

/// Checks the shape of scale and shift, the inputs from the second on.
pub(crate) fn check_affine(
    op: &'static str,
    inputs: &[&[usize]],
    wanted: &[usize],
    what: &str,
) -> Result<(), ShapeError> {
    match inputs[1..].iter().find(|&&shape| shape != wanted) {
        None => Ok(()),
        Some(shape) => {
            let expected = format!("scale and shift have {what}, {wanted:?}");
            Err(ShapeError::Mismatch { op, expected, left: inputs[0].to_vec(), right: shape.to_vec() })
        }
    }
}

/// The outline of a norm on rows.
pub(crate) fn outline(rows: Rows, inputs: &[&[usize]]) -> Outline {
    let affine = inputs.len() > 1;
    let reads: &[usize] = if affine { &[0, 1] } else { &[0] };
    let scratch = if affine { rows.partials() } else { 0 };
    Outline::new(inputs[0], inputs.len()).saved(2 * rows.count()).scratch(scratch).reads_inputs(reads)
}

/// Normalises x, the first input, and scales and shifts it by the other inputs.
pub(crate) fn forward<F: Real>(
    rows: Rows,
    epsilon: f64,
    inputs: &[View<'_, F>],
    output: ViewMut<'_, F>,
    memory: Memory<'_, F>,
) {
    let (x, affine) = (standard(&inputs[0]), [1, 2].map(|i| inputs.get(i).map(standard)));
    let affine = affine.each_ref().map(|a| a.as_ref().map(elements));
    let (mean, rstd) = memory.saved.split_at_mut(rows.count());
    write_output(output, |y| rows.forward(elements(&x), affine, epsilon, y, [mean, rstd]));
}

/// The gradients of all inputs.
pub(crate) fn backward<F: Real>(
    rows: Rows,
    io: &Io<'_, '_, F>,
    memory: Memory<'_, F>,
    d_output: &View<'_, F>,
    d_inputs: &mut [Grad<'_, F>],
) {
    let (x, scale) = (io.input(0), (d_inputs.len() > 1).then(|| io.input(1)));
    let (x, dy, scale) = (standard(&x), standard(d_output), scale.as_ref().map(standard));
    let (mean, rstd) = memory.saved.split_at(rows.count());
    let (d_x, d_affine) = d_inputs.split_first_mut().expect("a norm has an input");
    let mut partials = d_affine.iter().any(Grad::is_needed).then_some(memory.scratch);
    write_gradient(d_x, |dx| {
        let (dx, accumulate) = dx.map_or((None, false), |(dx, accumulate)| (Some(dx), accumulate));
        let (inputs, kept) = ([elements(&x), elements(&dy)], Kept { mean, rstd });
        rows.backward(inputs, scale.as_ref().map(elements), kept, dx, accumulate, partials.as_deref_mut());
    });
    if let Some(partials) = partials {
        for (which, gradient) in d_affine.iter_mut().enumerate() {
            write_each(gradient, |c| rows.total(partials, which, c));
        }
    }
}
