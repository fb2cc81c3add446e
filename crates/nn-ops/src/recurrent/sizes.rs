//! How the working memory of a recurrent layer is laid out.
//!
//! The samples of a batch are divided into groups, which have nothing to do with each other until the gradients of the
//! weights are summed. Everything lies group after group, within a group in the order of reading step after step,
//! within a step sample after sample. So a group is one contiguous piece of every buffer, which a thread may have for
//! itself, and all steps of all samples are the rows of one matrix.
//!
//! Units are filled up with zeros to whole vectors: [`LANES`] numbers.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, Ix1, Ix2};
use nn_core::{Real, View};

use super::cell::{Cell, LANES};

/// Samples in a group: two of the largest tiles of a product share what they read of the weights.
const GROUP: usize = 28;
/// Groups of the largest batches, the samples of which are more.
const GROUPS: usize = 16;
/// Rows, of all samples of some steps, that add to the gradients of the weights together: few enough for the caches.
const CHUNK: usize = 160;
/// Multiplications of a pass from which on it is worth a second thread.
const PARALLEL: usize = 1 << 22;
/// Elements of the gradients of the weights up to which that is done: such as fit the second cache.
const CACHED: usize = 1 << 17;

/// The sizes of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) cell: Cell,
    pub(super) batch: usize,
    pub(super) time: usize,
    pub(super) features: usize,
    pub(super) hidden: usize,
}

/// What the forward pass leaves for the backward pass, of some groups.
pub(super) struct Saved<'a, F> {
    /// x of each step, zero beyond the lengths, and h before it: rows of [`Sizes::row`].
    pub(super) xh: &'a mut [F],
    /// h after the last step, rows of [`Sizes::units`].
    pub(super) last: &'a mut [F],
    /// What the cell keeps of each step, rows of [`Sizes::kept`].
    pub(super) gates: &'a mut [F],
    /// c before each step and after the last, if the cell has it; rows of [`Sizes::units`].
    pub(super) c: &'a mut [F],
}

/// Working memory of the backward pass, of some groups.
pub(super) struct Backward<'a, F> {
    /// The gradients of the sums before the activations of [`Sizes::chunk`] steps, rows of [`Sizes::wide`].
    pub(super) dz: &'a mut [F],
    /// The gradient of the state between two steps, and that of c, if the cell has it; rows of [`Sizes::units`].
    pub(super) dh: &'a mut [F],
    pub(super) dc: &'a mut [F],
    /// The gradient of the inputs of a step, rows of [`Sizes::x_width`].
    pub(super) dx: &'a mut [F],
    /// For each group the sums of the columns of `dz`.
    pub(super) sums: &'a mut [F],
    /// The products that give the gradients of the weights, for each group if it [`adds_up`](Sizes::adds_up).
    pub(super) products: &'a mut [F],
}

/// Elements from one row of `width` elements to the next: such that the rows of a tile do not compete for the same few
/// sets of the first cache.
fn spread(width: usize) -> usize {
    if width.is_multiple_of(256) { width + LANES } else { width }
}

impl Sizes {
    /// The rows of the weights.
    pub(super) fn rows(&self) -> usize {
        self.cell.gates() * self.hidden
    }

    /// Units, filled up to whole vectors.
    pub(super) fn units(&self) -> usize {
        self.hidden.next_multiple_of(LANES)
    }

    /// Sums that a step computes for each sample.
    pub(super) fn width(&self) -> usize {
        self.cell.sums() * self.units()
    }

    /// Elements from the sums of one sample to those of the next.
    pub(super) fn wide(&self) -> usize {
        spread(self.width())
    }

    /// Features, filled up to whole vectors.
    pub(super) fn x_width(&self) -> usize {
        self.features.next_multiple_of(LANES)
    }

    /// Elements from one row of x and h to the next.
    pub(super) fn row(&self) -> usize {
        spread(self.x_width() + self.units())
    }

    /// Where x lies in such a row: just before h.
    pub(super) fn of_x(&self) -> Range<usize> {
        self.x_width() - self.features..self.x_width()
    }

    /// Where h lies in such a row.
    pub(super) fn of_h(&self) -> Range<usize> {
        self.x_width()..self.x_width() + self.hidden
    }

    /// Numbers that are kept of each step and sample beside the state.
    pub(super) fn kept(&self) -> usize {
        if self.cell.works_in_place() { 0 } else { self.wide() }
    }

    /// Numbers in the state of a sample.
    pub(super) fn state(&self) -> usize {
        if self.cell.has_c() { 2 * self.hidden } else { self.hidden }
    }

    /// Units of c, if the cell has it.
    pub(super) fn units_of_c(&self) -> usize {
        if self.cell.has_c() { self.units() } else { 0 }
    }

    /// The number of groups: a function of the sizes alone, and even where several threads share them.
    pub(super) fn groups(&self) -> usize {
        let groups = self.batch.div_ceil(GROUP).clamp(1, GROUPS);
        if self.is_shared() && self.batch > GROUP / 2 { groups.next_multiple_of(2) } else { groups }
    }

    /// Whether the samples are worth a second thread.
    pub(super) fn is_shared(&self) -> bool {
        self.flops() >= 2 * PARALLEL
    }

    /// Steps whose gradients are kept: few, if each group of samples adds them to gradients of the weights of its own
    /// while they are in the cache, and all, if there is one product over all.
    pub(super) fn chunk(&self) -> usize {
        let samples = self.batch.div_ceil(self.groups()).max(1);
        if self.adds_up() { (CHUNK / samples).clamp(1, self.time.max(1)) } else { self.time }
    }

    /// Whether each group of samples has gradients of the weights of its own.
    pub(super) fn adds_up(&self) -> bool {
        self.products() <= CACHED
    }

    /// The first sample of a group.
    pub(super) fn first_sample(&self, group: usize) -> usize {
        self.batch * group / self.groups()
    }

    fn saved_parts(&self) -> [usize; 4] {
        let (batch, steps) = (self.batch, self.time * self.batch);
        // A vector read at the end of a row may reach beyond.
        [
            steps * self.row() + LANES,
            batch * self.units(),
            steps * self.kept(),
            (steps + batch) * self.units_of_c(),
        ]
    }

    /// The sizes of a layer of which `saved` elements were kept; the number of steps is 0 for an empty batch.
    pub(super) fn from_saved(cell: Cell, batch: usize, [features, hidden]: [usize; 2], saved: usize) -> Self {
        let sizes = Sizes { cell, batch, time: 0, features, hidden };
        let [none, one] = [0, 1].map(|time| Sizes { time, ..sizes }.saved());
        Sizes { time: (saved - none).checked_div(one - none).unwrap_or(0), ..sizes }
    }

    fn backward_parts(&self) -> [usize; 6] {
        let (batch, sums) = (self.batch, self.groups() * self.width());
        let (dh, dc) = (batch * self.units(), batch * self.units_of_c());
        let products = self.products() * if self.adds_up() { self.groups() } else { 1 };
        [self.chunk() * batch * self.wide(), dh, dc, batch * self.x_width(), sums, products]
    }

    /// Elements that the forward pass leaves for the backward pass.
    pub(super) fn saved(&self) -> usize {
        self.saved_parts().iter().sum()
    }

    /// Elements of working memory; some are left over where the memory does not begin with a cache line.
    pub(super) fn scratch(&self) -> usize {
        let back: usize = self.backward_parts().iter().sum();
        LANES + self.packed() + self.width().max(back)
    }

    /// Additions and multiplications of the products on the way forward.
    pub(super) fn flops(&self) -> usize {
        2 * self.time * self.batch * self.rows() * (self.features + self.hidden)
    }

    pub(super) fn carve_saved<'a, F>(&self, memory: &'a mut [F]) -> Saved<'a, F> {
        let [xh, last, gates, c] = carve(memory, self.saved_parts());
        Saved { xh, last, gates, c }
    }

    /// The packed weights, and the bias.
    pub(super) fn carve_forward<'a, F>(&self, memory: &'a mut [F]) -> [&'a mut [F]; 2] {
        let lengths = [line(memory), self.packed(), self.width()];
        let [_, packed, bias] = carve(memory, lengths);
        [packed, bias]
    }

    /// The packed weights, and the rest.
    pub(super) fn carve_backward<'a, F>(&self, memory: &'a mut [F]) -> (&'a mut [F], Backward<'a, F>) {
        let lengths = [line(memory), self.packed(), self.backward_parts().iter().sum()];
        let [_, packed, rest] = carve(memory, lengths);
        let [dz, dh, dc, dx, sums, products] = carve(rest, self.backward_parts());
        (packed, Backward { dz, dh, dc, dx, sums, products })
    }
}

impl<F> Saved<'_, F> {
    /// The same memory, borrowed for less long, of these samples, which lie in the groups that `self` begins with, and
    /// of those behind.
    pub(super) fn split_at(&mut self, sizes: &Sizes, samples: usize) -> [Saved<'_, F>; 2] {
        let steps = samples * sizes.time;
        let (xh, xh_behind) = self.xh.split_at_mut(steps * sizes.row());
        let (last, last_behind) = self.last.split_at_mut(samples * sizes.units());
        let (gates, gates_behind) = self.gates.split_at_mut(steps * sizes.kept());
        let (c, c_behind) = self.c.split_at_mut((steps + samples) * sizes.units_of_c());
        [
            Saved { xh, last, gates, c },
            Saved { xh: xh_behind, last: last_behind, gates: gates_behind, c: c_behind },
        ]
    }
}

impl<F> Backward<'_, F> {
    /// The same memory, borrowed for less long.
    pub(super) fn all(&mut self) -> Backward<'_, F> {
        let Backward { dz, dh, dc, dx, sums, products } = self;
        Backward { dz, dh, dc, dx, sums, products }
    }

    /// As [`Saved::split_at`].
    pub(super) fn split_at(&mut self, sizes: &Sizes, groups: usize, samples: usize) -> [Backward<'_, F>; 2] {
        let (dz, dz_behind) = self.dz.split_at_mut(samples * sizes.chunk() * sizes.wide());
        let (dh, dh_behind) = self.dh.split_at_mut(samples * sizes.units());
        let (dc, dc_behind) = self.dc.split_at_mut(samples * sizes.units_of_c());
        let (dx, dx_behind) = self.dx.split_at_mut(samples * sizes.x_width());
        let (sums, sums_behind) = self.sums.split_at_mut(groups * sizes.width());
        let own = if sizes.adds_up() { groups * sizes.products() } else { 0 };
        let (products, products_behind) = self.products.split_at_mut(own);
        [
            Backward { dz, dh, dc, dx, sums, products },
            Backward {
                dz: dz_behind,
                dh: dh_behind,
                dc: dc_behind,
                dx: dx_behind,
                sums: sums_behind,
                products: products_behind,
            },
        ]
    }
}

/// Elements before the first that begins a cache line; at most [`LANES`].
fn line<F>(memory: &[F]) -> usize {
    memory.as_ptr().align_offset(64).min(LANES)
}

/// Cuts a buffer into parts of these lengths.
fn carve<F, const N: usize>(memory: &mut [F], lengths: [usize; N]) -> [&mut [F]; N] {
    let mut rest = memory;
    lengths.map(|length| {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(length);
        rest = behind;
        part
    })
}

/// A slice as a matrix of rows of `width` elements, of which only these columns are seen.
pub(super) fn columns<F>(slice: &[F], width: usize, columns: Range<usize>) -> ArrayView2<'_, F> {
    let rows = slice.len() / width;
    let matrix = ArrayView2::from_shape((rows, width), slice).expect("whole rows");
    matrix.slice_axis_move(Axis(1), columns.into())
}

/// As [`columns`], for writing.
pub(super) fn columns_mut<F>(slice: &mut [F], width: usize, columns: Range<usize>) -> ArrayViewMut2<'_, F> {
    let rows = slice.len() / width;
    let matrix = ArrayViewMut2::from_shape((rows, width), slice).expect("whole rows");
    matrix.slice_axis_move(Axis(1), columns.into())
}

/// Where the rows of step `s`, one for each sample of a group, lie in a buffer of it.
pub(super) fn step_rows(samples: usize, s: usize, width: usize) -> Range<usize> {
    s * samples * width..(s + 1) * samples * width
}

/// An input that is a matrix.
pub(super) fn matrix<'a, F: Real>(view: &View<'a, F>) -> ArrayView2<'a, F> {
    view.clone().into_dimensionality::<Ix2>().expect("a matrix")
}

/// An input that is a vector.
pub(super) fn vector<'a, F: Real>(view: &View<'a, F>) -> ArrayView1<'a, F> {
    view.clone().into_dimensionality::<Ix1>().expect("a vector")
}

/// These samples in runs of those that have a step at time `t` and those that have none, in turn, counted from the
/// first of them.
pub(super) fn runs<F: Real>(
    lengths: Option<ArrayView1<'_, F>>,
    samples: Range<usize>,
    t: usize,
) -> impl Iterator<Item = (Range<usize>, bool)> + '_ {
    let (mut first, count) = (0, samples.len());
    std::iter::from_fn(move || {
        if first == count {
            return None;
        }
        let is_active =
            |i: usize| lengths.is_none_or(|lengths| lengths[samples.start + i] > F::from_usize(t));
        let active = is_active(first);
        let end = match lengths {
            None => count,
            Some(_) => (first + 1..count).find(|&i| is_active(i) != active).unwrap_or(count),
        };
        let run = first..end;
        first = end;
        Some((run, active))
    })
}
