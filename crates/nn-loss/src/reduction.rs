//! How the losses of the single cases become one cost, and what that does to the gradient.

use nn_core::{Real, ShapeError, shape::size};

/// How the losses of the single cases (or elements) become the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean, a scalar; the default, as in PyTorch.
    #[default]
    Mean,
    /// Their sum, a scalar.
    Sum,
    /// Each by itself.
    None,
}

impl Reduction {
    /// The shape of the output, where `each` is that of the losses before they are reduced.
    pub(crate) fn shape(self, each: &[usize]) -> &[usize] {
        if self == Reduction::None { each } else { &[] }
    }

    /// The derivative of the output by each loss, where the mean divides by `divisor`; 0 for a mean over nothing.
    pub(crate) fn weight<F: Real>(self, divisor: f64) -> F {
        match self {
            Reduction::Mean if divisor == 0.0 => F::zero(),
            Reduction::Mean => F::one() / F::from_f64(divisor),
            _ => F::one(),
        }
    }

    /// The scalar output, from the sum of the losses; a mean over nothing is 0.
    pub(crate) fn finish<F: Real>(self, total: f64, divisor: f64) -> F {
        F::from_f64(match self {
            Reduction::Mean if divisor == 0.0 => 0.0,
            Reduction::Mean => total / divisor,
            _ => total,
        })
    }
}

/// Refuses another number of inputs, and an empty batch: its mean is 0/0.
pub(crate) fn check_inputs(op: &'static str, expected: usize, inputs: &[&[usize]]) -> Result<(), ShapeError> {
    if inputs.len() != expected {
        return Err(ShapeError::Arity { op, expected, got: inputs.len() });
    }
    match inputs.iter().position(|shape| size(shape) == 0) {
        None => Ok(()),
        Some(input) => {
            let (expected, got) = ("a batch that is not empty".to_owned(), inputs[input].to_vec());
            Err(ShapeError::Input { op, input, expected, got })
        }
    }
}

/// Writes the losses of consecutive cases, in logical order, into an array of any memory layout.
pub(crate) fn write_losses<'o, F: Real>(losses: &[F], output: &mut impl Iterator<Item = &'o mut F>) {
    for (output, &loss) in output.by_ref().take(losses.len()).zip(losses) {
        *output = loss;
    }
}
