//! The way through the sequence.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis, Ix2, Ix3};
use nn_core::{Memory, Real, View, ViewMut};

use super::cell::{Ahead, Rows, RowsMut};
use super::product::{Product, Section};
use super::sizes::{Saved, Sizes, columns, columns_mut, matrix, runs, step_rows, vector};
use super::{Recurrent, States, threads};
use crate::simd::{self, Isa};
use crate::slices::join;

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
    let [packed, bias] = sizes.carve_forward(memory.scratch);
    bias.fill(F::zero());
    if op.has_bias {
        sizes.join_biases([&inputs[3], &inputs[4]], bias);
    }
    let isa = simd::current();
    sizes.pack(isa, [&matrix(&inputs[1]), &matrix(&inputs[2])], bias, packed);
    let way = Way {
        op,
        sizes,
        isa,
        lengths: op.lengths().map(|at| vector(&inputs[at])),
        x: inputs[0].clone().into_dimensionality::<Ix3>().expect("sequences have three axes"),
        initial: op.initial().map(|at| inputs[at].clone()),
        sections: sizes.sections(),
        packed,
    };
    way.groups(0..sizes.groups(), threads(&sizes), sizes.carve_saved(memory.saved), output);
}

/// What the groups have in common.
struct Way<'a, F: Real> {
    op: &'a Recurrent,
    sizes: Sizes,
    isa: Isa,
    lengths: Option<ArrayView1<'a, F>>,
    x: ArrayView3<'a, F>,
    initial: Option<View<'a, F>>,
    sections: [Section; 3],
    packed: &'a [F],
}

impl<F: Real> Way<'_, F> {
    /// Takes these groups through the sequence, on up to `threads` threads.
    fn groups(&self, groups: Range<usize>, threads: usize, mut saved: Saved<'_, F>, output: ViewMut<'_, F>) {
        let sizes = &self.sizes;
        let samples = sizes.first_sample(groups.start)..sizes.first_sample(groups.end);
        if samples.is_empty() {
            return;
        }
        if groups.len() == 1 {
            return Group { way: self, samples, saved }.run(output);
        }
        let middle = groups.start + groups.len() / 2;
        let at = sizes.first_sample(middle) - samples.start;
        let [left, right] = saved.split_at(sizes, at);
        let (left_output, right_output) = output.split_at(Axis(0), at);
        join(
            threads > 1,
            || self.groups(groups.start..middle, threads / 2, left, left_output),
            || self.groups(middle..groups.end, threads - threads / 2, right, right_output),
        );
    }
}

/// Samples that go through the sequence together.
struct Group<'a, 'w, F: Real> {
    way: &'a Way<'w, F>,
    samples: Range<usize>,
    saved: Saved<'a, F>,
}

impl<F: Real> Group<'_, '_, F> {
    fn run(mut self, mut output: ViewMut<'_, F>) {
        let time = self.way.sizes.time;
        self.begin();
        for s in 0..time {
            self.gather(s);
            self.step(s);
            self.scatter(s, &mut output);
        }
        match self.way.op.output {
            States::Sequence => {}
            States::Last => output.assign(&self.state(0, time - 1)),
            States::Full => {
                let mut to = output.index_axis_move(Axis(1), time);
                for (part, mut to) in to.axis_chunks_iter_mut(Axis(1), self.way.sizes.hidden).enumerate() {
                    to.assign(&self.state(part, time - 1));
                }
            }
        }
    }

    /// The state before the first step.
    fn begin(&mut self) {
        let sizes = self.way.sizes;
        let (units, hidden) = (sizes.units(), sizes.hidden);
        let rows = |width| step_rows(self.samples.len(), 0, width);
        let (h, c) = (rows(sizes.row()), rows(sizes.units_of_c()));
        let mut h = columns_mut(&mut self.saved.xh[h], sizes.row(), sizes.x_width()..sizes.x_width() + units);
        let c = &mut self.saved.c[c];
        h.fill(F::zero());
        c.fill(F::zero());
        if let Some(initial) = &self.way.initial {
            let from = initial.slice_axis(Axis(0), self.samples.clone().into());
            let from = from.into_dimensionality::<Ix2>().expect("a matrix");
            let (of_h, of_c) = from.split_at(Axis(1), hidden);
            h.slice_axis_mut(Axis(1), (..hidden).into()).assign(&of_h);
            if sizes.cell.has_c() {
                columns_mut(c, units, 0..hidden).assign(&of_c);
            }
        }
    }

    /// Brings the inputs into the order of reading, with zeros beyond the lengths, and around them: the products over
    /// all steps read whole vectors.
    fn gather(&mut self, s: usize) {
        let Way { op, sizes, lengths, x, .. } = self.way;
        if sizes.features == 0 {
            return;
        }
        let (of_x, t) = (sizes.of_x(), op.time(s, sizes));
        let x = x.index_axis(Axis(1), t);
        let rows = step_rows(self.samples.len(), s, sizes.row());
        let rows = self.saved.xh[rows].chunks_exact_mut(sizes.row());
        for (sample, row) in self.samples.clone().zip(rows) {
            let (head, to) = row[..of_x.end].split_at_mut(of_x.start);
            head.iter_mut().for_each(|x| *x = F::zero());
            let is_active = lengths.is_none_or(|lengths| lengths[sample] > F::from_usize(t));
            match x.index_axis(Axis(0), sample).to_slice() {
                Some(from) if is_active => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
                None if is_active => columns_mut(to, to.len(), 0..to.len()).row_mut(0).assign(&x.row(sample)),
                _ => to.fill(F::zero()),
            }
            row[of_x.end + sizes.units()..].fill(F::zero());
        }
    }

    /// One step: the products with all weights, then the cell.
    fn step(&mut self, s: usize) {
        let Way { op, sizes, isa, lengths, sections, packed, .. } = self.way;
        let (samples, units, row) = (self.samples.len(), sizes.units(), sizes.row());
        let (kept, units_of_c) = (sizes.kept(), sizes.units_of_c());
        let (before, after) = self.saved.xh.split_at_mut(samples * row * (s + 1));
        let before = &before[samples * row * s..];
        let (h, h_row) = match s + 1 == sizes.time {
            true => (&mut *self.saved.last, units),
            false => (&mut after[sizes.x_width()..], row),
        };
        let (c_before, c) = self.saved.c.split_at_mut(samples * units_of_c * (s + 1));
        let c_before = &c_before[samples * units_of_c * s..];
        let gates = &mut self.saved.gates[step_rows(samples, s, kept)];
        let runs = || runs(*lengths, self.samples.clone(), op.time(s, sizes));
        if runs().any(|(_, is_active)| is_active) {
            let (sums, width) = if kept == 0 { (&mut *h, h_row) } else { (&mut *gates, kept) };
            for section in sections {
                let product = Product {
                    section,
                    packed,
                    rows: samples,
                    x: before,
                    x_row: row,
                    y: &mut *sums,
                    y_row: width,
                    adds: false,
                    next: [&[]; 3],
                };
                product.run(*isa);
            }
        }
        let h_before = &before[sizes.x_width()..];
        for (run, is_active) in runs() {
            let of_c = run.start * units_of_c;
            if is_active {
                sizes.cell.forward(Ahead {
                    samples: run.len(),
                    units,
                    gates: RowsMut { data: &mut gates[run.start * kept..], stride: kept },
                    h_before: Rows { data: &h_before[run.start * row..], stride: row },
                    h: RowsMut { data: &mut h[run.start * h_row..], stride: h_row },
                    c_before: Rows { data: &c_before[of_c..], stride: units },
                    c: RowsMut { data: &mut c[of_c..], stride: units },
                });
                continue;
            }
            for i in run {
                h[i * h_row..][..units].copy_from_slice(&h_before[i * row..][..units]);
                let of_c = i * units_of_c..(i + 1) * units_of_c;
                c[of_c.clone()].copy_from_slice(&c_before[of_c]);
            }
        }
    }

    /// A part of the state after step `s`: h, or c.
    fn state(&self, part: usize, s: usize) -> ArrayView2<'_, F> {
        let sizes = &self.way.sizes;
        let (samples, x, hidden) = (self.samples.len(), sizes.x_width(), sizes.hidden);
        if part == 1 {
            columns(&self.saved.c[step_rows(samples, s + 1, sizes.units())], sizes.units(), 0..hidden)
        } else if s + 1 == sizes.time {
            columns(self.saved.last, sizes.units(), 0..hidden)
        } else {
            columns(&self.saved.xh[step_rows(samples, s + 1, sizes.row())], sizes.row(), x..x + hidden)
        }
    }

    /// Writes the output of step `s`.
    fn scatter(&self, s: usize, output: &mut ViewMut<'_, F>) {
        let Way { op, sizes, lengths, .. } = self.way;
        let parts = match op.output {
            States::Last => return,
            States::Sequence => 1,
            States::Full => sizes.state() / sizes.hidden,
        };
        let t = op.time(s, sizes);
        for part in 0..parts {
            let own = (part * sizes.hidden..(part + 1) * sizes.hidden).into();
            let mut to = output.index_axis_mut(Axis(1), t);
            let mut to = to.slice_axis_mut(Axis(1), own);
            let from = self.state(part, s);
            for (run, is_active) in runs(*lengths, self.samples.clone(), t) {
                let mut to = to.slice_axis_mut(Axis(0), run.clone().into());
                if is_active {
                    to.assign(&from.slice_axis(Axis(0), run.into()));
                } else {
                    to.fill(F::zero());
                }
            }
        }
    }
}
