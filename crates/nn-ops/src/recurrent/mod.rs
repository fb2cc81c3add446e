//! Recurrent layers over whole sequences.

mod backward;
mod cell;
mod forward;
mod product;
mod sizes;
mod weights;

use std::num::NonZeroUsize;

use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, ValueError, View, ViewMut};

pub use cell::Cell;
use sizes::Sizes;

use crate::operation::Body;

/// A recurrent layer over whole sequences: h₁ … h_T from x₁ … x_T and h₀.
///
/// What a [`Cell`] computes in one step is said there; the backward pass is back-propagation through time. The weights
/// are packed once for all steps, and groups of samples go through the sequence one after another, or on several
/// threads; their gradients of the weights are added up in a fixed order. The bits do not depend on the number of threads, nor does a sample's state on the
/// other samples.
///
/// Inputs, in this order, with G = 1 gate for the plain cells, 4 (i, f, g, o) for LSTM, 3 (r, z, n) for GRU:
///
/// | input | shape | there if |
/// |---|---|---|
/// | x | `[batch, time, features]`, at least one step | always |
/// | weight_ih | `[G·hidden, features]`, at least one unit | always |
/// | weight_hh | `[G·hidden, hidden]` | always |
/// | bias_ih, bias_hh | `[G·hidden]` | [`has_bias`](Self::has_bias) |
/// | initial state | `[batch, hidden]`; LSTM `[batch, 2·hidden]`: h₀, c₀ | [`has_initial`](Self::has_initial); else 0 |
/// | lengths | `[batch]`, whole numbers from 1 to `time` | [`has_lengths`](Self::has_lengths) |
///
/// The output is what [`output`](Self::output) says.
///
/// **Lengths.** Beyond its length a sample has no steps: its state is held, the output there is zero, and what x holds
/// there is not read, as if the sequence had gone through PyTorch's `pack_padded_sequence`. Lengths carry no gradient.
/// A length that is not a whole number from 1 to `time` is an error before anything is written.
///
/// ```
/// use ndarray::{Array, array};
/// use nn_core::{Step, evaluate};
/// use nn_ops::{Cell, Recurrent};
///
/// // hₜ = tanh(xₜ + ½hₜ₋₁), for two samples, the second of which has only one step.
/// let op = Recurrent { has_bias: false, has_lengths: true, ..Recurrent::new(Cell::Tanh) };
/// let x = array![[[1.0], [2.0]], [[3.0], [f64::NAN]]].into_dyn();
/// let (weight_ih, weight_hh) = (array![[1.0]].into_dyn(), array![[0.5]].into_dyn());
/// let lengths = array![2.0, 1.0].into_dyn();
/// let inputs = [x.view(), weight_ih.view(), weight_hh.view(), lengths.view()];
/// let mut h = evaluate(&op, &Step::default(), &inputs)?;
/// let first = f64::tanh(1.0);
/// let expected = array![[[first], [f64::tanh(2.0 + 0.5 * first)]], [[f64::tanh(3.0)], [0.0]]].into_dyn();
/// assert!((&h.output - &expected).iter().all(|d| d.abs() < 1e-15));
///
/// let gradients = h.backward(&op, &Step::default(), &inputs, Array::ones(h.output.raw_dim()).view());
/// assert_eq!(gradients[0][[1, 1, 0]], 0.0); // the padding has no gradient
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
///
/// # Source
/// `torch.nn.RNN`, `torch.nn.LSTM` and `torch.nn.GRU` with `batch_first=True`; Werbos 1990, "Backpropagation through
/// time: what it does and how to do it".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recurrent {
    /// What is computed in one step.
    pub cell: Cell,
    /// What is the output; by default all states.
    pub output: States,
    /// Whether the sequence is read from its end, each sample from its own; outputs stay where their inputs are.
    pub is_reversed: bool,
    /// The gradient is cut every so many steps: it does not pass from step k·i to the step before it (counted from 0 in
    /// the order of reading), while the state does, as if each k steps were trained by themselves. By default never.
    pub truncate: Option<NonZeroUsize>,
    /// Whether there are biases; by default yes.
    pub has_bias: bool,
    /// Whether the initial state is given; by default it is zero.
    pub has_initial: bool,
    /// Whether the lengths are given; by default every sample has all steps.
    pub has_lengths: bool,
}

/// Which states of a [`Recurrent`] layer are its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum States {
    /// h of every step, zero beyond a sample's length: `[batch, time, hidden]`.
    #[default]
    Sequence,
    /// h after the last step of each sample: `[batch, hidden]`.
    Last,
    /// The whole state: h of every step as in [`States::Sequence`], then the state after the last step of each sample,
    /// from which a later call goes on: `[batch, time + 1, hidden]`. For LSTM `[batch, time + 1, 2·hidden]`: h, then c.
    Full,
}

impl Recurrent {
    /// All states of this cell, with biases, from state zero, over samples of equal length.
    pub fn new(cell: Cell) -> Self {
        Recurrent {
            cell,
            output: States::Sequence,
            is_reversed: false,
            truncate: None,
            has_bias: true,
            has_initial: false,
            has_lengths: false,
        }
    }

    /// The position of the initial state among the inputs, if it is there.
    fn initial(&self) -> Option<usize> {
        self.has_initial.then_some(if self.has_bias { 5 } else { 3 })
    }

    /// The position of the lengths among the inputs, if they are there.
    fn lengths(&self) -> Option<usize> {
        self.has_lengths.then(|| self.count() - 1)
    }

    /// The number of inputs.
    fn count(&self) -> usize {
        3 + 2 * usize::from(self.has_bias) + usize::from(self.has_initial) + usize::from(self.has_lengths)
    }

    /// The time of step `s` in the order of reading.
    fn time(&self, s: usize, sizes: &Sizes) -> usize {
        if self.is_reversed { sizes.time - 1 - s } else { s }
    }

    fn input_error(&self, input: usize, expected: String, got: &[usize]) -> ShapeError {
        ShapeError::Input { op: self.cell.name(), input, expected, got: got.to_vec() }
    }

    /// Demands that an input has this shape.
    fn expect(
        &self,
        inputs: &[&[usize]],
        input: usize,
        what: &str,
        shape: &[usize],
    ) -> Result<(), ShapeError> {
        if inputs[input] == shape {
            return Ok(());
        }
        Err(self.input_error(input, format!("{what} of shape {shape:?}"), inputs[input]))
    }

    /// The sizes that the first three inputs have.
    fn sizes(&self, x: &[usize], weight_hh: &[usize]) -> Result<Sizes, ShapeError> {
        let &[batch, time, features] = x else {
            return Err(self.input_error(0, "sequences [batch, time, features]".to_owned(), x));
        };
        if time == 0 {
            return Err(self.input_error(0, "sequences of at least one step".to_owned(), x));
        }
        let gates = self.cell.gates();
        match *weight_hh {
            [rows, hidden] if hidden > 0 && rows == gates * hidden => {
                Ok(Sizes { cell: self.cell, batch, time, features, hidden })
            }
            _ => {
                let rows = if gates == 1 { String::new() } else { format!("{gates}·") };
                let expected = format!("weights [{rows}hidden, hidden] with at least one hidden unit");
                Err(self.input_error(2, expected, weight_hh))
            }
        }
    }
}

/// The number of threads among which the samples are divided.
fn threads(sizes: &Sizes) -> usize {
    if sizes.is_shared() { rayon::current_num_threads() } else { 1 }
}

impl<F: Real> Body<F> for Recurrent {
    fn name(&self) -> &'static str {
        self.cell.name()
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        if inputs.len() != self.count() {
            let (op, expected, got) = (self.cell.name(), self.count(), inputs.len());
            return Err(ShapeError::Arity { op, expected, got });
        }
        let sizes = self.sizes(inputs[0], inputs[2])?;
        let Sizes { batch, time, features, hidden, .. } = sizes;
        self.expect(inputs, 1, "input weights", &[sizes.rows(), features])?;
        if self.has_bias {
            self.expect(inputs, 3, "a bias", &[sizes.rows()])?;
            self.expect(inputs, 4, "a bias", &[sizes.rows()])?;
        }
        if let Some(at) = self.initial() {
            self.expect(inputs, at, "an initial state", &[batch, sizes.state()])?;
        }
        if let Some(at) = self.lengths() {
            self.expect(inputs, at, "lengths", &[batch])?;
        }
        let shape = match self.output {
            States::Sequence => vec![batch, time, hidden],
            States::Last => vec![batch, hidden],
            States::Full => vec![batch, time + 1, sizes.state()],
        };
        let outline = Outline::new(shape, inputs.len()).saved(sizes.saved()).scratch(sizes.scratch());
        let outline = outline.flops(sizes.flops()).reads_inputs(&[1, 2]);
        Ok(match self.lengths() {
            Some(at) => outline.reads_inputs(&[at]),
            None => outline,
        })
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        let Some(at) = self.lengths() else { return Ok(()) };
        let time = inputs[0].shape()[1];
        let is_length = |x: F| x >= F::one() && x <= F::from_usize(time) && x == x.floor();
        match inputs[at].iter().position(|&x| !is_length(x)) {
            None => Ok(()),
            Some(sample) => Err(ValueError {
                op: self.cell.name(),
                input: at,
                index: vec![sample],
                value: inputs[at][[sample]].to_f64(),
                expected: format!("a length, a whole number from 1 to {time}"),
            }),
        }
    }

    fn has_check(&self) -> bool {
        self.has_lengths
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        forward::run(self, inputs, output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        backward::run(self, io, memory, &d_output, d_inputs);
    }
}
