//! The way back through the sequence.

use std::ops::{AddAssign, Range};

use ndarray::{ArrayView1, ArrayView2, Axis, Ix1, Ix2, Ix3};
use nn_core::{Grad, Io, Memory, Real, View};

use super::cell::Back;
use super::sizes::{Backward, Saved, Sizes, columns, columns_mut, matrix, runs, vector};
use super::{Recurrent, States};
use crate::gemm;
use crate::simd::dispatch;
use crate::slices::update;

#[track_caller]
pub(super) fn run<F: Real>(
    op: &Recurrent,
    io: &Io<'_, '_, F>,
    memory: Memory<'_, F>,
    d_output: &View<'_, F>,
    d_inputs: &mut [Grad<'_, F>],
) {
    let (weight_ih, weight_hh) = (io.input(1), io.input(2));
    let shape = [weight_ih.shape()[1], weight_hh.shape()[1]];
    let way = Way {
        op,
        sizes: Sizes::from_saved(op.cell, d_output.shape()[0], shape, memory.saved.len()),
        lengths: op.lengths().map(|at| vector(&io.input(at))),
        weight_hh: matrix(&weight_hh),
        d_output,
    };
    let sizes = way.sizes;
    let saved = sizes.carve_saved(memory.saved);
    let mut work = sizes.carve_backward(memory.scratch);
    let wants_bias = op.has_bias && (d_inputs[3].is_needed() || d_inputs[4].is_needed());
    let wants_initial = op.initial().is_some_and(|at| d_inputs[at].is_needed());
    way.begin(&mut work);
    for s in (0..sizes.time).rev() {
        way.step(s, &saved, &mut work, wants_initial);
        if wants_bias {
            sum_rows(&work.dz[sizes.step(s, sizes.width())], work.step_sums, work.sums);
        }
    }
    way.inputs(&matrix(&weight_ih), &mut work, &mut d_inputs[0]);
    way.input_weights(&saved, &work, &mut d_inputs[1]);
    way.recurrent_weights(&saved, &work, &mut d_inputs[2]);
    if op.has_bias {
        way.biases(work.sums, &mut d_inputs[3..5]);
    }
    if let Some(at) = op.initial() {
        way.initial(&work, &mut d_inputs[at]);
    }
    if let Some((mut target, false)) = op.lengths().and_then(|at| d_inputs[at].target()) {
        target.fill(F::zero());
    }
}

/// What the steps of the way back have in common.
struct Way<'a, 'v, F: Real> {
    op: &'a Recurrent,
    sizes: Sizes,
    lengths: Option<ArrayView1<'v, F>>,
    weight_hh: ArrayView2<'v, F>,
    d_output: &'a View<'a, F>,
}

impl<F: Real> Way<'_, '_, F> {
    /// The gradient of the state after the last step.
    fn begin(&self, work: &mut Backward<'_, F>) {
        let hidden = self.sizes.hidden;
        work.sums.fill(F::zero());
        let parts: [&mut [F]; 2] = [work.dh, work.dc];
        for (part, to) in parts.into_iter().enumerate() {
            let own = (part * hidden..(part + 1) * hidden).into();
            let from = match self.op.output {
                States::Full if !to.is_empty() => {
                    let last = self.d_output.len_of(Axis(1)) - 1;
                    Some(self.d_output.slice_axis(Axis(2), own).index_axis_move(Axis(1), last))
                }
                States::Last if part == 0 => Some(self.d_output.view()),
                _ => None,
            };
            match from {
                None => to.fill(F::zero()),
                Some(from) => {
                    let from = from.into_dimensionality::<Ix2>().expect("a matrix");
                    columns_mut(to, hidden, 0..hidden).assign(&from);
                }
            }
        }
    }

    /// Step `s`: what its output adds to the gradient, the gradients of its sums, and that of the state before.
    fn step(&self, s: usize, saved: &Saved<'_, F>, work: &mut Backward<'_, F>, wants_initial: bool) {
        let (sizes, hidden) = (&self.sizes, self.sizes.hidden);
        let (width, kept) = (sizes.width(), sizes.kept());
        let dz = &mut work.dz[sizes.step(s, width)];
        let gates = &saved.gates[sizes.step(s, kept)];
        let (before, after) = (sizes.step(s, hidden), sizes.step(s + 1, hidden));
        let of_c = |states: &Range<usize>| if sizes.cell.has_c() { states.clone() } else { 0..0 };
        let (c_before, c) = (&saved.c[of_c(&before)], &saved.c[of_c(&after)]);
        let (h_before, h) = (&saved.h[before], &saved.h[after]);
        let adds = sizes.cell.passes_on() || self.lengths.is_some();
        if self.op.output == States::Last {
            flush(work.dh);
            flush(work.dc);
        }
        let t = self.op.time(s, sizes);
        for (run, is_active) in runs(self.lengths, sizes.batch, t) {
            let dz = &mut dz[run.start * width..run.end * width];
            if !is_active {
                dz.fill(F::zero());
                continue;
            }
            let states = run.start * hidden..run.end * hidden;
            let dh = &mut work.dh[states.clone()];
            let dc = &mut work.dc[of_c(&states)];
            self.add_output(t, run.clone(), dh, dc);
            let back = Back {
                gates: &gates[run.start * kept..run.end * kept],
                h_before: &h_before[states.clone()],
                h: &h[states.clone()],
                c_before: &c_before[of_c(&states)],
                c: &c[of_c(&states)],
                dh: &mut *dh,
                dc,
                dz,
            };
            sizes.cell.backward(hidden, back);
            if adds && !sizes.cell.passes_on() {
                dh.fill(F::zero());
            }
        }
        if s > 0 && self.op.truncate.is_some_and(|k| s.is_multiple_of(k.get())) {
            work.dh.fill(F::zero());
            work.dc.fill(F::zero());
        } else if s > 0 || wants_initial {
            let sums = columns(dz, width, 0..sizes.rows());
            let beta = if adds { F::one() } else { F::zero() };
            gemm(F::one(), sums, self.weight_hh, beta, columns_mut(work.dh, hidden, 0..hidden));
        }
    }

    /// Adds the gradient of the output at time `t` of these samples to that of their states.
    fn add_output(&self, t: usize, run: Range<usize>, dh: &mut [F], dc: &mut [F]) {
        let hidden = self.sizes.hidden;
        let parts = match self.op.output {
            States::Last => return,
            States::Sequence => 1,
            States::Full => self.sizes.state() / hidden,
        };
        for (part, to) in [dh, dc].into_iter().enumerate().take(parts) {
            let own = (part * hidden..(part + 1) * hidden).into();
            let from = self.d_output.slice_axis(Axis(2), own).index_axis_move(Axis(1), t);
            let from = from.slice_axis_move(Axis(0), run.clone().into());
            columns_mut(to, hidden, 0..hidden)
                .add_assign(&from.into_dimensionality::<Ix2>().expect("a matrix"));
        }
    }

    /// The gradient of the inputs.
    fn inputs(&self, weight_ih: &ArrayView2<'_, F>, work: &mut Backward<'_, F>, grad: &mut Grad<'_, F>) {
        let Some((target, accumulate)) = grad.target() else { return };
        let mut target = target.into_dimensionality::<Ix3>().expect("sequences have three axes");
        if target.is_empty() {
            return;
        }
        let Sizes { features, hidden, .. } = self.sizes;
        let mut beta = F::zero();
        for &(gate, sum, count) in self.sizes.cell.input_parts() {
            let sums = columns(work.dz, self.sizes.width(), sum * hidden..(sum + count) * hidden);
            let weight = weight_ih.slice_axis(Axis(0), (gate * hidden..(gate + count) * hidden).into());
            gemm(F::one(), sums, weight, beta, columns_mut(work.dx, features, 0..features));
            beta = F::one();
        }
        for s in 0..self.sizes.time {
            let mut to = target.index_axis_mut(Axis(1), self.op.time(s, &self.sizes));
            let from = columns(&work.dx[self.sizes.step(s, features)], features, 0..features);
            if accumulate {
                to += &from;
            } else {
                to.assign(&from);
            }
        }
    }

    /// The gradient of the input weights: one product over all steps for each part.
    fn input_weights(&self, saved: &Saved<'_, F>, work: &Backward<'_, F>, grad: &mut Grad<'_, F>) {
        let beta = grad.beta();
        let Some((target, _)) = grad.target() else { return };
        let mut target = target.into_dimensionality::<Ix2>().expect("the weights are a matrix");
        let Sizes { features, hidden, time, batch, .. } = self.sizes;
        let x = ArrayView2::from_shape((time * batch, features), &*saved.x).expect("a row for each sum");
        for &(gate, sum, count) in self.sizes.cell.input_parts() {
            let sums = columns(work.dz, self.sizes.width(), sum * hidden..(sum + count) * hidden);
            let to = target.slice_axis_mut(Axis(0), (gate * hidden..(gate + count) * hidden).into());
            gemm(F::one(), sums.t(), x, beta, to);
        }
    }

    /// The gradient of the recurrent weights: one product over all steps.
    fn recurrent_weights(&self, saved: &Saved<'_, F>, work: &Backward<'_, F>, grad: &mut Grad<'_, F>) {
        let beta = grad.beta();
        let Some((target, _)) = grad.target() else { return };
        let target = target.into_dimensionality::<Ix2>().expect("the weights are a matrix");
        let Sizes { hidden, time, .. } = self.sizes;
        let sums = columns(work.dz, self.sizes.width(), 0..self.sizes.rows());
        let before = columns(&saved.h[..self.sizes.step(time, hidden).start], hidden, 0..hidden);
        gemm(F::one(), sums.t(), before, beta, target);
    }

    /// The gradients of the biases, from the sums over all rows.
    fn biases(&self, sums: &[F], grads: &mut [Grad<'_, F>]) {
        let (hidden, cell) = (self.sizes.hidden, self.sizes.cell);
        let of_h = [(0, 0, cell.gates())];
        for (grad, parts) in grads.iter_mut().zip([cell.input_parts(), &of_h[..]]) {
            let Some((target, accumulate)) = grad.target() else { continue };
            let mut target = target.into_dimensionality::<Ix1>().expect("a bias is a vector");
            for &(gate, sum, count) in parts {
                let from = &sums[sum * hidden..(sum + count) * hidden];
                let to = target.slice_axis_mut(Axis(0), (gate * hidden..(gate + count) * hidden).into());
                for (to, &sum) in to.into_iter().zip(from) {
                    *to = if accumulate { *to + sum } else { sum };
                }
            }
        }
    }

    /// The gradient of the initial state.
    fn initial(&self, work: &Backward<'_, F>, grad: &mut Grad<'_, F>) {
        let Some((mut target, accumulate)) = grad.target() else { return };
        let hidden = self.sizes.hidden;
        for (from, mut to) in
            [&*work.dh, &*work.dc].into_iter().zip(target.axis_chunks_iter_mut(Axis(1), hidden))
        {
            let from = columns(from, hidden, 0..hidden);
            if accumulate {
                to += &from;
            } else {
                to.assign(&from);
            }
        }
    }
}

/// Makes zero of what is nearly subnormal. A gradient that comes from the last step only shrinks from step to step, and
/// arithmetic on subnormal numbers is many times slower.
fn flush<F: Real>(gradient: &mut [F]) {
    let least = F::MIN_POSITIVE / F::EPSILON;
    update(
        gradient,
        #[inline(always)]
        move |d| if d.abs() < least { F::zero() } else { d },
    );
}

/// Adds the sums of the columns of these rows to `sums`.
fn sum_rows<F: Real>(rows: &[F], step_sums: &mut [F], sums: &mut [F]) {
    dispatch(
        #[inline(always)]
        move || {
            let width = sums.len();
            step_sums.fill(F::zero());
            for row in rows.chunks_exact(width) {
                add(row, step_sums);
            }
            add(step_sums, sums);
        },
    );
}

/// `to += row`.
#[inline(always)]
fn add<F: Real>(row: &[F], to: &mut [F]) {
    to.iter_mut().zip(row).for_each(|(to, &x)| *to += x);
}
