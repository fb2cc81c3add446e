//! Working memory, cut into pieces, and samples that are written where they belong.

use ndarray::ArrayViewMut3;
use nn_core::Real;

/// Elements to which the beginning of each piece is rounded up: a cache line of `f32`.
const GRAIN: usize = 16;

/// Hands out pieces of a slice, one after another.
pub(super) struct Pieces<'a, F>(pub(super) &'a mut [F]);

impl<'a, F: Real> Pieces<'a, F> {
    /// Elements that a piece of this length takes up.
    pub(super) fn size(len: usize) -> usize {
        len.next_multiple_of(GRAIN)
    }

    pub(super) fn take(&mut self, len: usize) -> &'a mut [F] {
        let (piece, rest) = std::mem::take(&mut self.0).split_at_mut(Self::size(len));
        self.0 = rest;
        &mut piece[..len]
    }

    /// A piece for whole numbers, which takes up as much as one of numbers does.
    pub(super) fn take_indices(&mut self, len: usize) -> &'a mut [u32] {
        let piece = self.take(len);
        const { assert!(align_of::<F>() >= align_of::<u32>() && size_of::<F>() >= size_of::<u32>()) }
        // SAFETY: the piece is as long and as aligned as the indices need, every pattern of bits is a number of either
        // kind, and it is borrowed for as long as the indices are.
        unsafe { std::slice::from_raw_parts_mut(piece.as_mut_ptr().cast::<u32>(), len) }
    }
}

/// Has a sample written to `target`, or added to it; `spare`, which has room for one, serves where that is not done in
/// place.
pub(super) fn write_sample<F: Real>(
    mut target: ArrayViewMut3<'_, F>,
    accumulate: bool,
    spare: &mut [F],
    write: impl FnOnce(&mut [F]),
) {
    match target.as_slice_mut() {
        Some(target) if !accumulate => write(target),
        _ => {
            write(spare);
            for (to, &mut from) in target.iter_mut().zip(spare) {
                *to = if accumulate { *to + from } else { from };
            }
        }
    }
}
