//! The crate `gemm` behind a safe function on row-major slices.

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// Whether an operand is read as it lies, or transposed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    AsIs,
    Transposed,
}

/// c ← a·b + beta·c on row-major matrices: `c` is m×n; `a` is m×k, or k×m if it is read transposed; `b` is k×n, or
/// n×k if it is read transposed. One thread.
pub(crate) fn gemm(
    (m, n, k): (usize, usize, usize),
    (a, read_a): (&[f32], Read),
    (b, read_b): (&[f32], Read),
    beta: f32,
    c: &mut [f32],
) {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n, "slices of m×k, k×n and m×n elements");
    let strides = |read, rows: usize, columns: usize| match read {
        Read::AsIs => (1, columns as isize),
        Read::Transposed => (rows as isize, 1),
    };
    let (a_column, a_row) = strides(read_a, m, k);
    let (b_column, b_row) = strides(read_b, k, n);
    // SAFETY: the strides address exactly the elements of the slices, whose lengths were checked above; `c` is
    // borrowed mutably, so it overlaps neither.
    unsafe {
        get_gemm_fn()(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            beta != 0.0,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            beta,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Read, gemm};

    #[test]
    fn reads_both_operands_either_way() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]);
        let mut c = [1.0; 4];
        gemm((2, 2, 3), (&a, Read::AsIs), (&b, Read::AsIs), 0.0, &mut c);
        assert_eq!(c, [5.0, 11.0, 14.0, 23.0]);
        gemm((2, 2, 3), (&a, Read::Transposed), (&b, Read::Transposed), 1.0, &mut c);
        assert_eq!(c, [5.0 + 11.0, 11.0 + 16.0, 14.0 + 14.0, 23.0 + 20.0]);
    }
}
