//! How the working memory of a recurrent layer is laid out.
//!
//! Everything lies in the order of reading: step after step, within a step sample after sample. So a step is one
//! contiguous piece, and all steps together are the rows of one matrix.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, Ix1, Ix2};
use nn_core::{Real, View};

use super::cell::Cell;

/// The sizes of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) cell: Cell,
    pub(super) batch: usize,
    pub(super) time: usize,
    pub(super) features: usize,
    pub(super) hidden: usize,
}

/// What the forward pass leaves for the backward pass.
pub(super) struct Saved<'a, F> {
    /// The inputs, `[time·batch, features]`, zero beyond the lengths.
    pub(super) x: &'a mut [F],
    /// What the cell keeps of each step, `[time·batch, kept]`.
    pub(super) gates: &'a mut [F],
    /// h before each step and after the last, `[(time + 1)·batch, hidden]`.
    pub(super) h: &'a mut [F],
    /// c likewise, if the cell has it.
    pub(super) c: &'a mut [F],
}

/// Working memory of the forward pass.
pub(super) struct Forward<'a, F> {
    /// weight_hhᵀ, `[hidden, rows]`.
    pub(super) weight: &'a mut [F],
    /// What is added to the products, `[width]`.
    pub(super) bias: &'a mut [F],
}

/// Working memory of the backward pass.
pub(super) struct Backward<'a, F> {
    /// The gradients of the sums before the activations, `[time·batch, width]`.
    pub(super) dz: &'a mut [F],
    /// The gradients of the inputs, `[time·batch, features]`.
    pub(super) dx: &'a mut [F],
    /// The gradient of the state between two steps, `[batch, hidden]`, and that of c, if the cell has it.
    pub(super) dh: &'a mut [F],
    pub(super) dc: &'a mut [F],
    /// The sum of `dz` over all rows, `[width]`, and over those of one step.
    pub(super) sums: &'a mut [F],
    pub(super) step_sums: &'a mut [F],
}

impl Sizes {
    /// The rows of the weights.
    pub(super) fn rows(&self) -> usize {
        self.cell.gates() * self.hidden
    }

    /// Sums that a step computes for each sample.
    pub(super) fn width(&self) -> usize {
        self.cell.sums() * self.hidden
    }

    /// Numbers that are kept of each step and sample beside the state.
    pub(super) fn kept(&self) -> usize {
        if self.cell.works_in_place() { 0 } else { self.width() }
    }

    /// Numbers in the state of a sample.
    pub(super) fn state(&self) -> usize {
        if self.cell.has_c() { 2 * self.hidden } else { self.hidden }
    }

    /// Where the numbers of step `s` lie in a buffer of `width` numbers for each step and sample.
    pub(super) fn step(&self, s: usize, width: usize) -> Range<usize> {
        s * self.batch * width..(s + 1) * self.batch * width
    }

    fn saved_parts(&self) -> [usize; 4] {
        let (rows, c) = (self.time * self.batch, usize::from(self.cell.has_c()));
        let states = (self.time + 1) * self.batch * self.hidden;
        [rows * self.features, rows * self.kept(), states, c * states]
    }

    /// The sizes of a layer of which `saved` elements were kept; the number of steps is 0 for an empty batch.
    pub(super) fn from_saved(cell: Cell, batch: usize, [features, hidden]: [usize; 2], saved: usize) -> Self {
        let sizes = Sizes { cell, batch, time: 0, features, hidden };
        let [none, one] = [0, 1].map(|time| Sizes { time, ..sizes }.saved());
        Sizes { time: (saved - none).checked_div(one - none).unwrap_or(0), ..sizes }
    }

    fn forward_parts(&self) -> [usize; 2] {
        [self.hidden * self.rows(), self.width()]
    }

    fn backward_parts(&self) -> [usize; 6] {
        let (rows, c) = (self.time * self.batch, usize::from(self.cell.has_c()));
        let (width, state) = (self.width(), self.batch * self.hidden);
        [rows * width, rows * self.features, state, c * state, width, width]
    }

    /// Elements that the forward pass leaves for the backward pass.
    pub(super) fn saved(&self) -> usize {
        self.saved_parts().iter().sum()
    }

    /// Elements of working memory.
    pub(super) fn scratch(&self) -> usize {
        self.forward_parts().iter().sum::<usize>().max(self.backward_parts().iter().sum())
    }

    /// Additions and multiplications of the products on the way forward.
    pub(super) fn flops(&self) -> usize {
        2 * self.time * self.batch * self.rows() * (self.features + self.hidden)
    }

    pub(super) fn carve_saved<'a, F>(&self, memory: &'a mut [F]) -> Saved<'a, F> {
        let [x, gates, h, c] = carve(memory, self.saved_parts());
        Saved { x, gates, h, c }
    }

    pub(super) fn carve_forward<'a, F>(&self, memory: &'a mut [F]) -> Forward<'a, F> {
        let [weight, bias] = carve(memory, self.forward_parts());
        Forward { weight, bias }
    }

    pub(super) fn carve_backward<'a, F>(&self, memory: &'a mut [F]) -> Backward<'a, F> {
        let [dz, dx, dh, dc, sums, step_sums] = carve(memory, self.backward_parts());
        Backward { dz, dx, dh, dc, sums, step_sums }
    }
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

/// An input that is a matrix.
pub(super) fn matrix<'a, F: Real>(view: &View<'a, F>) -> ArrayView2<'a, F> {
    view.clone().into_dimensionality::<Ix2>().expect("a matrix")
}

/// An input that is a vector.
pub(super) fn vector<'a, F: Real>(view: &View<'a, F>) -> ArrayView1<'a, F> {
    view.clone().into_dimensionality::<Ix1>().expect("a vector")
}

/// The samples in runs of those that have a step at time `t` and those that have none, in turn.
pub(super) fn runs<F: Real>(
    lengths: Option<ArrayView1<'_, F>>,
    batch: usize,
    t: usize,
) -> impl Iterator<Item = (Range<usize>, bool)> + '_ {
    let mut first = 0;
    std::iter::from_fn(move || {
        if first == batch {
            return None;
        }
        let is_active = |sample: usize| lengths.is_none_or(|lengths| lengths[sample] > F::from_usize(t));
        let active = is_active(first);
        let end = match lengths {
            None => batch,
            Some(_) => (first + 1..batch).find(|&i| is_active(i) != active).unwrap_or(batch),
        };
        let run = first..end;
        first = end;
        Some((run, active))
    })
}
