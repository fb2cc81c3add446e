//! Planes of channels as rows of channels, and back.

use nn_core::Real;

use crate::dispatch::Work;
use crate::gemm::Simd;

/// `to[j·to_row + i] = from[i·from_row + j]` for `i` below `rows` and `j` below `cols`.
pub(super) struct Transposition<'a, T> {
    pub(super) from: &'a [T],
    pub(super) from_row: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) to: &'a mut [T],
    pub(super) to_row: usize,
}

impl<'a, T: Real> Work<T> for Transposition<'a, T> {
    type For<U: Real> = Transposition<'a, U>;

    unsafe fn run_on<S: Simd<T>>(self) {
        let Transposition { from, from_row, rows, cols, to, to_row } = self;
        if rows * cols == 0 {
            return;
        }
        assert!((rows - 1) * from_row + cols <= from.len(), "elements for all rows");
        assert!((cols - 1) * to_row + rows <= to.len(), "room for all columns");
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        // SAFETY: the caller vouches for the instruction set; all elements exist, and squares at the ends begin early
        // enough to lie within.
        unsafe {
            S::enter(
                #[inline(always)]
                || {
                    if rows < S::LANES || cols < S::LANES {
                        for (i, j) in (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))) {
                            *to.add(j * to_row + i) = *from.add(i * from_row + j);
                        }
                        return;
                    }
                    for j in (0..cols).step_by(S::LANES).map(|j| j.min(cols - S::LANES)) {
                        for i in (0..rows).step_by(S::LANES).map(|i| i.min(rows - S::LANES)) {
                            let (from, to) = (from.add(i * from_row + j), to.add(j * to_row + i));
                            S::transpose(from, from_row as isize, to, to_row as isize);
                        }
                    }
                },
            );
        }
    }
}
