//! The core of all losses that compare arrays of one shape, element by element.
//!
//! Such a loss is the function of one element and its derivatives ([`Elementwise`]); what is common to them stands
//! here: shapes, memory layouts, reductions, and loops that vectorise. Elements are taken in logical order whatever
//! the layout, and summed in an order that depends on their number alone. Nothing is saved for the backward pass,
//! which computes the derivatives from the inputs.

use std::array;

use ndarray::iter::{Iter, IterMut};
use ndarray::{ArrayD, IxDyn};
use nn_core::shape::size;
use nn_core::{Grad, Io, Outline, Real, ShapeError, View, ViewMut};
use nn_ops::simd::dispatch;

use crate::Reduction;
use crate::reduction::{check_inputs, write_losses};

/// Elements that are worked on together.
const TILE: usize = 512;

/// A loss lᵢ = f(xᵢ₀, xᵢ₁, …) of N numbers: the inputs of the operation, and after them its constants.
///
/// Implementations mark [`loss`](Self::loss) and [`slopes`](Self::slopes) `#[inline(always)]`, so that they vectorise.
pub(crate) trait Elementwise<const N: usize> {
    /// The name of the operation.
    const NAME: &'static str;

    /// The loss of one element, from its numbers and their [`stage`](Self::stage).
    fn loss<F: Real>(&self, x: [F; N], stage: F) -> F;

    /// Its derivatives with respect to each number.
    fn slopes<F: Real>(&self, x: [F; N], stage: F) -> [F; N];

    /// What both begin with, where it is long; it has a loop of its own, since of short loops the processor has more
    /// elements in flight.
    #[inline(always)]
    fn stage<F: Real>(&self, _: [F; N]) -> F {
        F::zero()
    }

    /// Whether there is such a beginning.
    const STAGED: bool = false;

    /// Arrays that are broadcast to the shape of the inputs, the last of the N numbers; `None` stands for ones.
    fn constants(&self) -> [Option<&ArrayD<f64>>; 2] {
        [None; 2]
    }

    /// How many of the N numbers are constants.
    const CONSTANTS: usize = 0;

    /// What the mean divides the sum by.
    fn divisor(&self, shape: &[usize]) -> usize {
        size(shape)
    }
}

/// Inputs of one shape, none empty, to which the constants can be broadcast.
pub(crate) fn outline<L: Elementwise<N>, const N: usize>(
    loss: &L,
    reduction: Reduction,
    inputs: &[&[usize]],
) -> Result<Outline, ShapeError> {
    let (op, count) = (L::NAME, N - L::CONSTANTS);
    check_inputs(op, count, inputs)?;
    let mismatch = |right: &[usize], expected: &str| {
        let (left, right) = (inputs[0].to_vec(), right.to_vec());
        Err(ShapeError::Mismatch { op, expected: expected.to_owned(), left, right })
    };
    if let Some(other) = inputs.iter().find(|&shape| shape != &inputs[0]) {
        return mismatch(other, "predictions and targets have the same shape");
    }
    for weights in loss.constants().into_iter().flatten() {
        if weights.broadcast(inputs[0]).is_none() {
            return mismatch(weights.shape(), "weights can be broadcast to the predictions");
        }
    }
    let all: Vec<usize> = (0..count).collect();
    Ok(Outline::new(reduction.shape(inputs[0]), count).reads_inputs(&all))
}

/// Computes the losses and reduces them into `output`.
///
/// # Panics
/// When the shapes are not those that [`outline`] accepts.
#[track_caller]
#[inline(always)]
pub(crate) fn forward<F: Real, L: Elementwise<N>, const N: usize>(
    loss: &L,
    reduction: Reduction,
    inputs: &[View<'_, F>],
    mut output: ViewMut<'_, F>,
) {
    let shape = inputs[0].shape();
    assert_eq!(reduction.shape(shape), output.shape(), "{}: shape of the output", L::NAME);
    let mut tiles = Tiles::new(loss, inputs);
    let (count, mut total) = (size(shape), 0.0);
    let (mut losses, mut stages) = ([F::zero(); TILE], [F::zero(); TILE]);
    let mut each = output.iter_mut();
    for start in (0..count).step_by(TILE) {
        let losses = &mut losses[..TILE.min(count - start)];
        let x = tiles.at(start, losses.len());
        let stages = stage(loss, x, &mut stages[..losses.len()]);
        map(
            x,
            [stages],
            losses,
            #[inline(always)]
            |x, [stage]| loss.loss(x, if L::STAGED { stage } else { F::zero() }),
        );
        if reduction == Reduction::None {
            write_losses(losses, &mut each);
        } else {
            total += nn_ops::sum(losses).to_f64();
        }
    }
    if reduction != Reduction::None {
        output.fill(reduction.finish(total, loss.divisor(shape) as f64));
    }
}

/// Computes the gradients of the inputs from that of the output.
///
/// # Panics
/// When the shapes are not those of the forward pass.
#[track_caller]
#[inline(always)]
pub(crate) fn backward<F: Real, L: Elementwise<N>, const N: usize>(
    loss: &L,
    reduction: Reduction,
    io: &Io<'_, '_, F>,
    d_output: &View<'_, F>,
    d_inputs: &mut [Grad<'_, F>],
) {
    let inputs: [View<'_, F>; N] = array::from_fn(|k| io.input(k.min(N - L::CONSTANTS - 1)));
    let inputs = &inputs[..N - L::CONSTANTS];
    let factor = reduction.weight(loss.divisor(inputs[0].shape()) as f64);
    for (k, d_input) in d_inputs.iter_mut().enumerate() {
        if let Some((target, accumulate)) = d_input.target() {
            match k {
                0 => slope::<F, L, N, 0>(loss, inputs, factor, d_output, target, accumulate),
                1 => slope::<F, L, N, 1>(loss, inputs, factor, d_output, target, accumulate),
                _ => slope::<F, L, N, 2>(loss, inputs, factor, d_output, target, accumulate),
            }
        }
    }
}

/// Writes the gradient of input K.
#[track_caller]
#[inline(always)]
fn slope<F: Real, L: Elementwise<N>, const N: usize, const K: usize>(
    loss: &L,
    inputs: &[View<'_, F>],
    factor: F,
    d_output: &View<'_, F>,
    mut target: ViewMut<'_, F>,
    accumulate: bool,
) {
    assert_eq!(inputs[K].shape(), target.shape(), "{}: shape of the gradient of input {K}", L::NAME);
    let count = target.len();
    let mut tiles = Tiles::new(loss, inputs);
    let mut d = match d_output.first() {
        Some(&d) if d_output.ndim() == 0 => Elements::Same(d),
        _ => Elements::of(d_output),
    };
    let [mut d_buffer, mut values, mut stages] = [[F::zero(); TILE]; 3];
    let mut sink = Sink::new(&mut target);
    for start in (0..count).step_by(TILE) {
        let values = &mut values[..TILE.min(count - start)];
        let x = tiles.at(start, values.len());
        d.load(&mut d_buffer[..values.len()]);
        let d = d.tile(&d_buffer, start, values.len());
        let stages = stage(loss, x, &mut stages[..values.len()]);
        map(
            x,
            [stages, d],
            values,
            #[inline(always)]
            |x, [stage, d]| loss.slopes(x, if L::STAGED { stage } else { F::zero() })[K] * (factor * d),
        );
        sink.write(start, values, accumulate);
    }
}

/// The beginnings of a tile.
#[inline(always)]
fn stage<'a, F: Real, L: Elementwise<N>, const N: usize>(
    loss: &L,
    x: [&[F]; N],
    stages: &'a mut [F],
) -> &'a [F] {
    if L::STAGED {
        map(
            x,
            [],
            stages,
            #[inline(always)]
            |x, []| loss.stage(x),
        );
    }
    stages
}

/// `output[i] = f([x[0][i], x[1][i], …], [y[0][i], …])`.
#[inline(always)]
fn map<F: Real, const N: usize, const M: usize>(
    x: [&[F]; N],
    y: [&[F]; M],
    output: &mut [F],
    f: impl Fn([F; N], [F; M]) -> F,
) {
    dispatch(
        #[inline(always)]
        move || {
            // Cut to one length here, where the loop is compiled, so that no bounds are left to check.
            let len = output.len();
            let (x, y) = (x.map(|x| &x[..len]), y.map(|y| &y[..len]));
            for i in 0..len {
                output[i] = f(array::from_fn(|k| x[k][i]), array::from_fn(|k| y[k][i]));
            }
        },
    );
}

/// The elements of an array in logical order.
enum Elements<'a, F: Real> {
    /// They lie in this order in memory.
    Slice(&'a [F]),
    /// They lie otherwise.
    Any(Iter<'a, F, IxDyn>),
    /// They are weights.
    Weights(Iter<'a, f64, IxDyn>),
    /// They are all the same.
    Same(F),
}

impl<'a, F: Real> Elements<'a, F> {
    fn of(view: &'a View<'_, F>) -> Self {
        match view.as_slice() {
            Some(slice) => Elements::Slice(slice),
            None => Elements::Any(view.iter()),
        }
    }

    /// Moves the next elements into a buffer, unless they lie in order anyway.
    #[inline(always)]
    fn load(&mut self, buffer: &mut [F]) {
        match self {
            Elements::Slice(_) => {}
            Elements::Any(rest) => buffer.iter_mut().zip(rest).for_each(|(to, &x)| *to = x),
            Elements::Weights(rest) => buffer.iter_mut().zip(rest).for_each(|(to, &x)| *to = F::from_f64(x)),
            Elements::Same(x) => buffer.fill(*x),
        }
    }

    /// The elements from `start` on, which were loaded into the buffer.
    #[inline(always)]
    fn tile<'b>(&'b self, buffer: &'b [F; TILE], start: usize, len: usize) -> &'b [F] {
        match self {
            Elements::Slice(slice) => &slice[start..start + len],
            _ => &buffer[..len],
        }
    }
}

/// Successive stretches of all arrays that a loss reads.
struct Tiles<'a, F: Real, const N: usize> {
    sources: [Elements<'a, F>; N],
    buffers: [[F; TILE]; N],
}

impl<'a, F: Real, const N: usize> Tiles<'a, F, N> {
    #[track_caller]
    fn new<L: Elementwise<N>>(loss: &'a L, inputs: &'a [View<'_, F>]) -> Self {
        let (shape, constants) = (inputs[0].shape(), loss.constants());
        let sources = array::from_fn(|k| match inputs.get(k) {
            Some(input) => {
                assert_eq!(input.shape(), shape, "{}: the inputs have one shape", L::NAME);
                Elements::of(input)
            }
            None => match constants[k - inputs.len()] {
                None => Elements::Same(F::one()),
                Some(weights) => match weights.broadcast(shape) {
                    Some(weights) => Elements::Weights(weights.into_iter()),
                    None => panic!("{}: weights {:?} for {shape:?}", L::NAME, weights.shape()),
                },
            },
        });
        Tiles { sources, buffers: [[F::zero(); TILE]; N] }
    }

    #[inline(always)]
    fn at(&mut self, start: usize, len: usize) -> [&[F]; N] {
        for (source, buffer) in self.sources.iter_mut().zip(&mut self.buffers) {
            source.load(&mut buffer[..len]);
        }
        array::from_fn(|k| self.sources[k].tile(&self.buffers[k], start, len))
    }
}

/// Where a gradient goes, in logical order.
enum Sink<'a, F: Real> {
    Slice(&'a mut [F]),
    Any(IterMut<'a, F, IxDyn>),
}

impl<'a, F: Real> Sink<'a, F> {
    fn new(target: &'a mut ViewMut<'_, F>) -> Self {
        if target.is_standard_layout() {
            return Sink::Slice(target.as_slice_mut().expect("standard layout is one slice"));
        }
        Sink::Any(target.iter_mut())
    }

    #[inline(always)]
    fn write(&mut self, start: usize, values: &[F], accumulate: bool) {
        match self {
            Sink::Slice(slice) => {
                let slice = &mut slice[start..start + values.len()];
                if accumulate {
                    slice.iter_mut().zip(values).for_each(|(t, &v)| *t += v);
                } else {
                    slice.copy_from_slice(values);
                }
            }
            Sink::Any(rest) => {
                for (&v, t) in values.iter().zip(rest) {
                    *t = if accumulate { *t + v } else { v };
                }
            }
        }
    }
}
