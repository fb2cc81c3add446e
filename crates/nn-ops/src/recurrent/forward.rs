//! The way through the sequence.

use ndarray::{ArrayView1, ArrayView3, Axis, Ix2, Ix3};
use nn_core::{Memory, Real, View, ViewMut};

use super::cell::Ahead;
use super::sizes::{Forward, Saved, Sizes, columns, columns_mut, matrix, runs, vector};
use super::{Recurrent, States};
use crate::gemm;

#[track_caller]
pub(super) fn run<F: Real>(
    op: &Recurrent,
    inputs: &[View<'_, F>],
    output: ViewMut<'_, F>,
    memory: Memory<'_, F>,
) {
    let sizes = match op.sizes(inputs[0].shape(), inputs[2].shape()) {
        Ok(sizes) => sizes,
        Err(error) => panic!("{error}"),
    };
    let lengths = op.lengths().map(|at| vector(&inputs[at]));
    let mut saved = sizes.carve_saved(memory.saved);
    let work = sizes.carve_forward(memory.scratch);
    let x = inputs[0].clone().into_dimensionality::<Ix3>().expect("sequences have three axes");
    gather(op, &sizes, x, lengths, saved.x);
    multiply_inputs(&sizes, &inputs[1], &mut saved);
    columns_mut(work.weight, sizes.rows(), 0..sizes.rows()).assign(&matrix(&inputs[2]).t());
    join_biases(op, &sizes, inputs, work.bias);
    begin(op, &sizes, inputs, &mut saved);
    for s in 0..sizes.time {
        step(op, &sizes, lengths, s, &mut saved, &work);
    }
    scatter(op, &sizes, lengths, &saved, output);
}

/// Brings the inputs into the order of reading, with zeros beyond the lengths.
fn gather<F: Real>(
    op: &Recurrent,
    sizes: &Sizes,
    x: ArrayView3<'_, F>,
    lengths: Option<ArrayView1<'_, F>>,
    to: &mut [F],
) {
    if sizes.features == 0 {
        return;
    }
    for s in 0..sizes.time {
        let t = op.time(s, sizes);
        let from = x.index_axis(Axis(1), t);
        let mut to = columns_mut(&mut to[sizes.step(s, sizes.features)], sizes.features, 0..sizes.features);
        for (run, is_active) in runs(lengths, sizes.batch, t) {
            let mut to = to.slice_axis_mut(Axis(0), run.clone().into());
            if is_active {
                to.assign(&from.slice_axis(Axis(0), run.into()));
            } else {
                to.fill(F::zero());
            }
        }
    }
}

/// The products of all steps with the input weights.
fn multiply_inputs<F: Real>(sizes: &Sizes, weight: &View<'_, F>, saved: &mut Saved<'_, F>) {
    let (weight, hidden, width) = (matrix(weight), sizes.hidden, sizes.width());
    let first = sizes.batch * hidden;
    let sums = if sizes.cell.works_in_place() { &mut saved.h[first..] } else { &mut *saved.gates };
    if sums.is_empty() {
        return;
    }
    let rows = sums.len() / width;
    let x = ndarray::ArrayView2::from_shape((rows, sizes.features), &*saved.x).expect("a row for each sum");
    for &(gate, sum, count) in sizes.cell.input_parts() {
        let weight = weight.slice_axis(Axis(0), (gate * hidden..(gate + count) * hidden).into());
        let to = columns_mut(sums, width, sum * hidden..(sum + count) * hidden);
        gemm(F::one(), x, weight.t(), F::zero(), to);
    }
}

/// What is added to each sum.
fn join_biases<F: Real>(op: &Recurrent, sizes: &Sizes, inputs: &[View<'_, F>], bias: &mut [F]) {
    bias.fill(F::zero());
    if !op.has_bias {
        return;
    }
    let hidden = sizes.hidden;
    for &(gate, sum, count) in sizes.cell.input_parts() {
        let from = inputs[3].slice_axis(Axis(0), (gate * hidden..(gate + count) * hidden).into());
        bias[sum * hidden..].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
    }
    bias.iter_mut().zip(&inputs[4]).for_each(|(to, &from)| *to += from);
}

/// The state before the first step.
fn begin<F: Real>(op: &Recurrent, sizes: &Sizes, inputs: &[View<'_, F>], saved: &mut Saved<'_, F>) {
    let state = sizes.step(0, sizes.hidden);
    let c = if sizes.cell.has_c() { &mut saved.c[state.clone()] } else { &mut [] };
    let parts = [&mut saved.h[state], c];
    match op.initial() {
        None => parts.into_iter().for_each(|part| part.fill(F::zero())),
        Some(at) => {
            for (part, from) in parts.into_iter().zip(inputs[at].axis_chunks_iter(Axis(1), sizes.hidden)) {
                let from = from.into_dimensionality::<Ix2>().expect("a matrix");
                columns_mut(part, sizes.hidden, 0..sizes.hidden).assign(&from);
            }
        }
    }
}

/// One step: products with the recurrent weights, then the cell.
fn step<F: Real>(
    op: &Recurrent,
    sizes: &Sizes,
    lengths: Option<ArrayView1<'_, F>>,
    s: usize,
    saved: &mut Saved<'_, F>,
    work: &Forward<'_, F>,
) {
    let (hidden, width, rows) = (sizes.hidden, sizes.width(), sizes.rows());
    let kept = sizes.kept();
    let (h_before, h) = neighbours(saved.h, sizes, s);
    let (c_before, c) =
        if sizes.cell.has_c() { neighbours(saved.c, sizes, s) } else { (&[][..], &mut [][..]) };
    let gates = &mut saved.gates[sizes.step(s, kept)];
    {
        let sums = if kept == 0 { &mut *h } else { &mut *gates };
        let mut products = columns_mut(sums, width, 0..rows);
        if width > rows {
            // The product of n with h stands by itself.
            products.slice_axis_mut(Axis(1), (2 * hidden..rows).into()).fill(F::zero());
        }
        let before = columns(h_before, hidden, 0..hidden);
        gemm(F::one(), before, columns(work.weight, rows, 0..rows), F::one(), products);
    }
    for (run, is_active) in runs(lengths, sizes.batch, op.time(s, sizes)) {
        let state = run.start * hidden..run.end * hidden;
        let of_c = if sizes.cell.has_c() { state.clone() } else { 0..0 };
        if is_active {
            let ahead = Ahead {
                gates: &mut gates[run.start * kept..run.end * kept],
                h_before: &h_before[state.clone()],
                h: &mut h[state],
                c_before: &c_before[of_c.clone()],
                c: &mut c[of_c],
            };
            sizes.cell.forward(hidden, work.bias, ahead);
        } else {
            h[state.clone()].copy_from_slice(&h_before[state]);
            c[of_c.clone()].copy_from_slice(&c_before[of_c]);
        }
    }
}

/// The states before and after step `s`.
fn neighbours<'a, F>(states: &'a mut [F], sizes: &Sizes, s: usize) -> (&'a [F], &'a mut [F]) {
    let (before, after) = states.split_at_mut(sizes.step(s, sizes.hidden).end);
    (&before[sizes.step(s, sizes.hidden)], &mut after[..sizes.batch * sizes.hidden])
}

/// Writes the output.
fn scatter<F: Real>(
    op: &Recurrent,
    sizes: &Sizes,
    lengths: Option<ArrayView1<'_, F>>,
    saved: &Saved<'_, F>,
    mut output: ViewMut<'_, F>,
) {
    let hidden = sizes.hidden;
    let states = [&*saved.h, &*saved.c];
    let at = |part: usize, s: usize| columns(&states[part][sizes.step(s, hidden)], hidden, 0..hidden);
    if op.output == States::Last {
        return output.assign(&at(0, sizes.time));
    }
    let parts = if op.output == States::Full { sizes.state() / hidden } else { 1 };
    for part in 0..parts {
        let own = (part * hidden..(part + 1) * hidden).into();
        let mut output = output.slice_axis_mut(Axis(2), own);
        for s in 0..sizes.time {
            let t = op.time(s, sizes);
            let mut to = output.index_axis_mut(Axis(1), t);
            let from = at(part, s + 1);
            for (run, is_active) in runs(lengths, sizes.batch, t) {
                let mut to = to.slice_axis_mut(Axis(0), run.clone().into());
                if is_active {
                    to.assign(&from.slice_axis(Axis(0), run.into()));
                } else {
                    to.fill(F::zero());
                }
            }
        }
        if op.output == States::Full {
            output.index_axis_mut(Axis(1), sizes.time).assign(&at(part, sizes.time));
        }
    }
}
