//! The lengths of sequences that are filled up.

use ndarray::{Axis, Ix3};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use crate::operation::Body;
use crate::shapes::arity;

/// The length of each sample's sequence: the number of its steps up to the last of which any feature is another number
/// than `padding_value`; 0 where there is none.
///
/// Shapes: `[batch, time, features]` to `[batch]`. The gradient is 0.
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::SequenceLengths;
///
/// let x = array![[[1.0], [0.0], [3.0]], [[4.0], [0.0], [0.0]]].into_dyn();
/// let lengths = evaluate(&SequenceLengths { padding_value: 0.0 }, &Step::default(), &[x.view()])?.output;
/// assert_eq!(lengths, array![3.0, 1.0].into_dyn());
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
///
/// Source: as `keras.layers.Masking`, of the steps at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SequenceLengths {
    /// What the sequences are filled up with; by default 0.
    pub padding_value: f64,
}

impl<F: Real> Body<F> for SequenceLengths {
    fn name(&self) -> &'static str {
        "sequence_lengths"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let op = "sequence_lengths";
        arity(op, 1, inputs)?;
        let &[batch, _, _] = inputs[0] else {
            let expected = "sequences [batch, time, features]".to_owned();
            return Err(ShapeError::Input { op, input: 0, expected, got: inputs[0].to_vec() });
        };
        Ok(Outline::new(vec![batch], 1))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let padding = F::from_f64(self.padding_value);
        let x = inputs[0].view().into_dimensionality::<Ix3>().expect("sequences have three axes");
        for (x, to) in x.outer_iter().zip(&mut output) {
            let is_step = |t: &usize| x.index_axis(Axis(0), *t).iter().any(|&x| x != padding);
            let last = (0..x.len_of(Axis(0))).rev().find(is_step);
            *to = F::from_usize(last.map_or(0, |last| last + 1));
        }
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        _: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        if let Some((mut target, false)) = d_inputs[0].target() {
            target.fill(F::zero());
        }
    }
}
