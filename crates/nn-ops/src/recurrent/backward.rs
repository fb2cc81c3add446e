//! The way back through the sequence.

use std::ops::{AddAssign, Range};

use ndarray::{ArrayView1, Axis, Ix2};
use nn_core::{Grad, Io, Memory, Real, View, ViewMut};

use super::cell::{Back, LANES, Rows, RowsMut};
use super::product::{Product, Section};
use super::sizes::{Backward, Saved, Sizes, columns, columns_mut, matrix, runs, step_rows, vector};
use super::{Recurrent, States, threads};
use crate::simd::{self, Isa};
use crate::slices::{add_into, join};

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
    let sizes = Sizes::from_saved(op.cell, d_output.shape()[0], shape, memory.saved.len());
    let saved = sizes.carve_saved(memory.saved);
    let (packed, mut work) = sizes.carve_backward(memory.scratch);
    let isa = simd::current();
    sizes.pack_back(isa, [&matrix(&weight_ih), &matrix(&weight_hh)], packed);
    let way = Way {
        op,
        sizes,
        isa,
        lengths: op.lengths().map(|at| vector(&io.input(at))),
        sections: sizes.sections_back(),
        packed,
        saved: &saved,
        d_output,
        wants_weights: d_inputs[1..3].iter().any(Grad::is_needed),
        wants_initial: op.initial().is_some_and(|at| d_inputs[at].is_needed()),
        accumulates: matches!(d_inputs[0], Grad::Accumulate(_)),
    };
    let (dx, d_weights) = d_inputs.split_at_mut(1);
    let dx = dx[0].target().map(|(target, _)| target).filter(|target| !target.is_empty());
    way.groups(0..sizes.groups(), threads(&sizes), work.all(), dx);
    if way.wants_weights {
        if sizes.adds_up() {
            add_up(work.products, sizes.products());
        } else {
            sizes.multiply_all(work.dz, &saved.xh[..saved.xh.len() - LANES], work.products);
        }
        sizes.weights(&work.products[..sizes.products()], &mut d_weights[..2]);
    }
    if op.has_bias {
        add_up(work.sums, sizes.width());
        sizes.biases(&work.sums[..sizes.width()], &mut d_weights[2..4]);
    }
    if let Some(at) = op.initial() {
        way.initial(&work, &mut d_inputs[at]);
    }
    if let Some((mut target, false)) = op.lengths().and_then(|at| d_inputs[at].target()) {
        target.fill(F::zero());
    }
}

/// Adds to the first part, of so many elements, all others in turn.
fn add_up<F: Real>(parts: &mut [F], len: usize) {
    let (first, others) = parts.split_at_mut(len);
    others.chunks_exact(len).for_each(|part| add_into(part, first));
}

/// What the groups have in common.
struct Way<'a, F: Real> {
    op: &'a Recurrent,
    sizes: Sizes,
    isa: Isa,
    lengths: Option<ArrayView1<'a, F>>,
    sections: [Section; 2],
    packed: &'a [F],
    saved: &'a Saved<'a, F>,
    d_output: &'a View<'a, F>,
    wants_weights: bool,
    wants_initial: bool,
    /// Whether the gradient of the inputs is added to what is there.
    accumulates: bool,
}

impl<F: Real> Way<'_, F> {
    /// Takes these groups through the sequence, on up to `threads` threads.
    fn groups(
        &self,
        groups: Range<usize>,
        threads: usize,
        mut work: Backward<'_, F>,
        dx: Option<ViewMut<'_, F>>,
    ) {
        let sizes = &self.sizes;
        let samples = sizes.first_sample(groups.start)..sizes.first_sample(groups.end);
        if groups.len() == 1 {
            return Group { way: self, samples, work, dx }.run();
        }
        let middle = groups.start + groups.len() / 2;
        let at = sizes.first_sample(middle) - samples.start;
        let [left, right] = work.split_at(sizes, groups.len() / 2, at);
        let (left_dx, right_dx) = dx.map(|dx| dx.split_at(Axis(0), at)).unzip();
        // The last groups come first: what the forward pass left of them may still be in the cache.
        join(
            threads > 1,
            || self.groups(middle..groups.end, threads - threads / 2, right, right_dx),
            || self.groups(groups.start..middle, threads / 2, left, left_dx),
        );
    }

    /// The products of the gradients of a step's sums with the weights of x (0) or of h (1).
    fn multiply(&self, section: usize, dz: &[F], (y, y_row): (&mut [F], usize), adds: bool, next: [&[F]; 3]) {
        let wide = self.sizes.wide();
        let product = Product {
            section: &self.sections[section],
            packed: self.packed,
            rows: dz.len() / wide,
            x: dz,
            x_row: wide,
            y,
            y_row,
            adds,
            next,
        };
        product.run(self.isa);
    }

    /// The gradient of the initial state.
    fn initial(&self, work: &Backward<'_, F>, grad: &mut Grad<'_, F>) {
        let Some((mut target, accumulate)) = grad.target() else { return };
        let (hidden, units) = (self.sizes.hidden, self.sizes.units());
        for (from, mut to) in
            [&*work.dh, &*work.dc].into_iter().zip(target.axis_chunks_iter_mut(Axis(1), hidden))
        {
            let from = columns(from, units, 0..hidden);
            if accumulate {
                to += &from;
            } else {
                to.assign(&from);
            }
        }
    }
}

/// Samples that go through the sequence together.
struct Group<'a, 'w, F: Real> {
    way: &'a Way<'w, F>,
    samples: Range<usize>,
    work: Backward<'a, F>,
    dx: Option<ViewMut<'a, F>>,
}

impl<'a, F: Real> Group<'a, '_, F> {
    fn run(mut self) {
        self.begin();
        let Sizes { time, .. } = self.way.sizes;
        let chunk = self.way.sizes.chunk();
        let mut end = time;
        for s in (0..time).rev() {
            self.step(s);
            if s.is_multiple_of(chunk) {
                self.add_products(s..end);
                end = s;
            }
        }
    }

    /// What these steps, whose gradients are kept, add to the gradients of the weights.
    fn add_products(&mut self, steps: Range<usize>) {
        let Way { sizes, saved, .. } = self.way;
        if sizes.adds_up() && self.way.wants_weights {
            let xh = self.saved(saved.xh, sizes.time, steps.start, sizes.row());
            let rows = (steps.len() * self.samples.len(), &*self.work.dz, xh);
            sizes.add_products(self.way.isa, rows, self.work.products);
        }
    }

    /// Where the gradients of the sums of step `s` are kept.
    fn kept(&self, s: usize) -> Range<usize> {
        let sizes = &self.way.sizes;
        step_rows(self.samples.len(), s % sizes.chunk(), sizes.wide())
    }

    /// The gradient of the state after the last step.
    fn begin(&mut self) {
        let Sizes { hidden, time, .. } = self.way.sizes;
        self.work.sums.fill(F::zero());
        self.work.dh.fill(F::zero());
        self.work.dc.fill(F::zero());
        self.work.products.fill(F::zero());
        let parts = match self.way.op.output {
            States::Sequence => 0,
            States::Last => 1,
            States::Full => self.way.sizes.state() / hidden,
        };
        for part in 0..parts {
            self.add_output(part, time, 0..self.samples.len());
        }
    }

    /// Adds the gradient of the output at time `t` to that of a part of the state of these samples.
    fn add_output(&mut self, part: usize, t: usize, run: Range<usize>) {
        let Sizes { hidden, .. } = self.way.sizes;
        let units = self.way.sizes.units();
        let samples = self.samples.start + run.start..self.samples.start + run.end;
        let from = self.way.d_output.slice_axis(Axis(0), samples.into());
        let own = (part * hidden..(part + 1) * hidden).into();
        let from = match self.way.op.output {
            States::Last => from,
            _ => from.slice_axis_move(Axis(2), own).index_axis_move(Axis(1), t),
        };
        let to = if part == 0 { &mut *self.work.dh } else { &mut *self.work.dc };
        columns_mut(&mut to[run.start * units..run.end * units], units, 0..hidden)
            .add_assign(&from.into_dimensionality::<Ix2>().expect("a matrix"));
    }

    /// What the forward pass left of this group in a buffer with so many rows of `width` for each sample, from the rows
    /// of step `s` on.
    fn saved<'b>(&self, buffer: &'b [F], rows: usize, s: usize, width: usize) -> &'b [F] {
        &buffer[(self.samples.start * rows + self.samples.len() * s) * width..]
    }

    /// Step `s`: what its output adds to the gradient; the gradients of its sums, its inputs, and the state before.
    fn step(&mut self, s: usize) {
        let Way { op, sizes, lengths, .. } = self.way;
        let t = op.time(s, sizes);
        let parts = match op.output {
            States::Last => 0,
            States::Sequence => 1,
            States::Full => sizes.state() / sizes.hidden,
        };
        let adds = sizes.cell.passes_on() || lengths.is_some();
        let mut is_active = false;
        for (run, active) in runs(*lengths, self.samples.clone(), t) {
            is_active |= active;
            if active {
                for part in 0..parts {
                    self.add_output(part, t, run.clone());
                }
                self.cell(s, run.clone());
                if adds && !sizes.cell.passes_on() {
                    self.work.dh[run.start * sizes.units()..run.end * sizes.units()].fill(F::zero());
                }
            } else {
                let wide = sizes.wide();
                let kept = self.kept(s);
                let dz = &mut self.work.dz[kept];
                dz[run.start * wide..run.end * wide].fill(F::zero());
            }
        }
        self.inputs(s, t);
        if s > 0 && op.truncate.is_some_and(|k| s.is_multiple_of(k.get())) {
            self.work.dh.fill(F::zero());
            self.work.dc.fill(F::zero());
        } else if is_active && (s > 0 || self.way.wants_initial) {
            let (kept, next) = (self.kept(s), self.next(s));
            let Backward { dz, dh, .. } = &mut self.work;
            self.way.multiply(1, &dz[kept], (dh, sizes.units()), adds, next);
        }
    }

    /// What the step before step `s` will read.
    fn next(&self, s: usize) -> [&'a [F]; 3] {
        let Way { sizes, saved, .. } = self.way;
        let part = |buffer, rows, s: usize, width| {
            let of_step = self.samples.len() * width;
            &self.saved(buffer, rows, s, width)[..of_step]
        };
        let (before, time) = (s.saturating_sub(1), sizes.time);
        let of_h = if sizes.cell.works_in_place() { s } else { before };
        [
            part(saved.gates, time, before, sizes.kept()),
            part(saved.xh, time, of_h, sizes.row()),
            part(saved.c, time + 1, before, sizes.units_of_c()),
        ]
    }

    /// The gradients of the sums of step `s` for some of the samples, and of c before it.
    fn cell(&mut self, s: usize, run: Range<usize>) {
        let Way { sizes, saved, .. } = self.way;
        let (units, row, own) = (sizes.units(), sizes.row(), self.kept(s));
        let (kept, of_c, wide) = (sizes.kept(), sizes.units_of_c(), sizes.wide());
        let rows = |data, stride| Rows { data, stride };
        let at = |buffer, rows, s, width| &self.saved(buffer, rows, s, width)[run.start * width..];
        let xh = |s| rows(&at(saved.xh, sizes.time, s, row)[sizes.x_width()..], row);
        let h = match s + 1 == sizes.time {
            true => rows(at(saved.last, 1, 0, units), units),
            false => xh(s + 1),
        };
        let c = |s| rows(at(saved.c, sizes.time + 1, s, of_c), of_c);
        let (gates, h_before) = (rows(at(saved.gates, sizes.time, s, kept), kept), xh(s));
        let (c_before, c) = (c(s), c(s + 1));
        let Backward { dz, dh, dc, sums, .. } = &mut self.work;
        let dz = &mut dz[own];
        sizes.cell.backward(Back {
            samples: run.len(),
            units,
            gates,
            h_before,
            h,
            c_before,
            c,
            dh: RowsMut { data: &mut dh[run.start * units..], stride: units },
            dc: RowsMut { data: &mut dc[run.start * of_c..], stride: of_c },
            dz: RowsMut { data: &mut dz[run.start * wide..], stride: wide },
            sums,
        });
    }

    /// The gradient of the inputs of step `s`, at time `t`.
    fn inputs(&mut self, s: usize, t: usize) {
        let (sizes, kept) = (&self.way.sizes, self.kept(s));
        let Some(target) = &mut self.dx else { return };
        let Backward { dz, dx, .. } = &mut self.work;
        self.way.multiply(0, &dz[kept], (dx, sizes.x_width()), false, [&[]; 3]);
        let from = columns(dx, sizes.x_width(), 0..sizes.features);
        let mut target = target.index_axis_mut(Axis(1), t);
        if self.way.accumulates {
            target += &from;
        } else {
            target.assign(&from);
        }
    }
}
