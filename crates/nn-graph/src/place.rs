//! Places: where in the buffers of a plan a value, a gradient or working memory lies.

use std::mem;
use std::ops::Range;

use nn_core::{AlignedVec, Real, View, ViewMut};
use nn_ops::Layout;

use crate::plan::Input;

/// Which buffer a value or gradient lies in.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Slot(usize),
    /// A placeholder's array: the caller's, where it was lent, else the plan's own.
    Input(usize),
    /// A range of the parameters' buffer, or of their gradients'.
    Param(Range<usize>),
    Constant(usize),
}

/// A value or gradient: a buffer, and where its elements lie there.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) place: Place,
    pub(crate) layout: Layout,
}

impl Spot {
    pub(crate) fn view_of<'a, F: Real>(&self, data: &'a [F]) -> View<'a, F> {
        self.layout.view(data)
    }

    pub(crate) fn view_mut_of<'a, F: Real>(&self, data: &'a mut [F]) -> ViewMut<'a, F> {
        self.layout.view_mut(data)
    }

    pub(crate) fn view<'a, F: Real>(&self, buffers: &Buffers<'a, F>) -> View<'a, F> {
        match &self.place {
            Place::Slot(slot) => self.view_of(&buffers.slots[*slot]),
            Place::Input(i) => self.view_of(buffers.input(*i)),
            Place::Param(range) => self.view_of(&buffers.params[range.clone()]),
            Place::Constant(i) => self.view_of(&buffers.constants[*i]),
        }
    }
}

/// All that an operation can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffers<'a, F: Real> {
    pub(crate) slots: &'a [AlignedVec<F>],
    pub(crate) inputs: &'a [Input<F>],
    /// For each placeholder the elements that the caller lends for this run; or nothing at all.
    pub(crate) lent: &'a [Option<&'a [F]>],
    pub(crate) params: &'a [F],
    pub(crate) constants: &'a [AlignedVec<F>],
}

impl<'a, F: Real> Buffers<'a, F> {
    fn input(&self, i: usize) -> &'a [F] {
        self.lent.get(i).copied().flatten().unwrap_or(&self.inputs[i].buffer)
    }
}

/// Working memory: the first `len` elements of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) slot: usize,
    pub(crate) len: usize,
}

/// A buffer taken out of its slot for the time of one operation, so that it can be written while others are read.
pub(crate) fn take<F: Real>(slots: &mut [AlignedVec<F>], room: Option<Room>) -> AlignedVec<F> {
    room.map_or_else(AlignedVec::default, |room| mem::take(&mut slots[room.slot]))
}

pub(crate) fn put_back<F: Real>(slots: &mut [AlignedVec<F>], room: Option<Room>, buffer: AlignedVec<F>) {
    if let Some(room) = room {
        slots[room.slot] = buffer;
    }
}

/// The elements of a buffer that the operation asked for.
pub(crate) fn cut<F>(buffer: &mut [F], room: Option<Room>) -> &mut [F] {
    &mut buffer[..room.map_or(0, |room| room.len)]
}
