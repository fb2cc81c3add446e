//! The matrix product.

mod drive;
mod pack;
mod tile;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::any::TypeId;
use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, Axis, ShapeBuilder};
use nn_core::Real;

use crate::simd::{self, Isa};
use drive::{Done, Problem, run};
pub(crate) use tile::{HALF, POINTERS, SHARE};
pub(crate) use vector::{MulAdd, Portable, Simd};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// Multiplications from which on a product is worth a second thread.
pub(crate) const PARALLEL: usize = 1 << 20;

/// The matrix product C ← alpha·A·B + beta·C.
///
/// `a` is m × k, `b` is k × n, `c` is m × n, each with any strides: a transposed operand is a transposed view, and
/// costs no copy of its own. With `beta` = 0, `c` is overwritten and never read, so it may hold anything. With k = 0
/// the product is zero and `c` is scaled by `beta`.
///
/// The memory that a product works in is kept by each thread, so that calling it again allocates nothing. Large
/// products run on the threads of the current rayon pool. An element of the result depends on its row of `a`, its
/// column of `b`, and the instruction set, and on nothing else: the bits are the same on any number of threads, and
/// the same when rows or columns are computed apart. Each is within 1 + ½√k ULP of Σ|aᵢₚbₚⱼ| in `f32`, as measured
/// with random factors.
///
/// # Panics
/// When the shapes do not fit.
///
/// # Example
/// ```
/// use ndarray::array;
/// use nn_ops::gemm;
///
/// let a = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
/// let b = array![[1.0, -1.0]];
/// let mut c = array![[10.0], [20.0], [30.0]];
/// gemm(1.0, a.view(), b.t(), 0.5, c.view_mut());
/// assert_eq!(c, array![[4.0], [9.0], [14.0]]);
/// ```
///
/// # Source
/// The blocking and packing follow Goto, van de Geijn 2008, "Anatomy of high-performance matrix multiplication"; a
/// factor that is used too seldom to be worth packing is read where it lies.
#[track_caller]
pub fn gemm<F: Real>(alpha: F, a: ArrayView2<'_, F>, b: ArrayView2<'_, F>, beta: F, c: ArrayViewMut2<'_, F>) {
    multiply((alpha, beta), a, b, c, None::<&fn(usize, usize, ArrayViewMut2<'_, F>)>, false);
}

/// As [`gemm`], on this thread alone.
#[track_caller]
pub(crate) fn gemm_alone<F: Real>(
    alpha: F,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    beta: F,
    c: ArrayViewMut2<'_, F>,
) {
    multiply((alpha, beta), a, b, c, None::<&fn(usize, usize, ArrayViewMut2<'_, F>)>, true);
}

/// The matrix product C ← alpha·A·B + beta·C, followed by work on the elements while they are in the cache.
///
/// `epilogue` is called with blocks of C that are done, as (first row, first column, block). The blocks cover C, and
/// each element belongs to exactly one. How C is cut into blocks depends on shapes, machine and threads, and calls
/// may come from several threads at once; so what the epilogue does to an element may depend on the element's place
/// and value, but not on the block it came in.
///
/// A linear layer adds its bias and applies its activation here, in the pass that computed the product.
///
/// # Panics
/// When the shapes do not fit.
///
/// # Example
/// ```
/// use ndarray::{Array2, array};
/// use nn_ops::gemm_with;
///
/// let (x, w, bias) = (array![[1.0, 2.0]], array![[3.0, 4.0], [-5.0, 1.0]], [0.5, 0.25]);
/// let mut y = Array2::zeros((1, 2));
/// gemm_with(1.0, x.view(), w.t(), 0.0, y.view_mut(), |_, first_col, mut block| {
///     for ((_, j), y) in block.indexed_iter_mut() {
///         *y = f64::max(*y + bias[first_col + j], 0.0);
///     }
/// });
/// assert_eq!(y, array![[11.5, 0.0]]);
/// ```
#[track_caller]
pub fn gemm_with<F: Real, E>(
    alpha: F,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    beta: F,
    c: ArrayViewMut2<'_, F>,
    epilogue: E,
) where
    E: Fn(usize, usize, ArrayViewMut2<'_, F>) + Sync,
{
    multiply((alpha, beta), a, b, c, Some(&epilogue), false);
}

#[track_caller]
fn multiply<F: Real, E>(
    (alpha, beta): (F, F),
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut c: ArrayViewMut2<'_, F>,
    epilogue: Option<&E>,
    alone: bool,
) where
    E: Fn(usize, usize, ArrayViewMut2<'_, F>) + Sync,
{
    let ((m, k), (k_of_b, n)) = (a.dim(), b.dim());
    assert!(
        k == k_of_b && c.dim() == (m, n),
        "matmul: {:?} · {:?} does not fit into {:?}",
        a.shape(),
        b.shape(),
        c.shape()
    );
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if beta == F::zero() {
            c.fill(F::zero());
        } else {
            c.mapv_inplace(|x| beta * x);
        }
        if let Some(epilogue) = epilogue {
            epilogue(0, 0, c);
        }
        return;
    }
    // The stride of an axis with one element is arbitrary: 1 is the most convenient.
    let stride = |stride: isize, length: usize| if length == 1 { 1 } else { stride };
    let problem = Problem {
        rows: m,
        cols: n,
        k,
        alone,
        alpha,
        beta,
        a: a.as_ptr(),
        a_row: stride(a.strides()[0], m),
        a_k: stride(a.strides()[1], k),
        b: b.as_ptr(),
        b_k: stride(b.strides()[0], k),
        b_col: stride(b.strides()[1], n),
        c: c.as_mut_ptr(),
        c_row: stride(c.strides()[0], m),
        c_col: stride(c.strides()[1], n),
    };
    match epilogue {
        None => start(&problem, None),
        Some(epilogue) => {
            let block = |rows: Range<usize>, cols: Range<usize>| {
                let first = (rows.start, cols.start);
                // SAFETY: the blocks lie in C and are disjoint, and nothing else uses C while the epilogue runs.
                let block = unsafe { view(&problem, rows, cols) };
                epilogue(first.0, first.1, block);
            };
            start(&problem, Some(&block));
        }
    }
}

/// A block of C.
///
/// # Safety
/// The block must lie in C, and nothing else may use it while the view lives.
unsafe fn view<'a, F: Real>(p: &Problem<F>, rows: Range<usize>, cols: Range<usize>) -> ArrayViewMut2<'a, F> {
    let (m, n) = (rows.len(), cols.len());
    // A view is made with strides that are positive; axes that run backwards are turned round afterwards.
    let first = |range: &Range<usize>, stride: isize| {
        let index = if stride < 0 { range.end - 1 } else { range.start };
        index as isize * stride
    };
    let shape = (m, n).strides((p.c_row.unsigned_abs(), p.c_col.unsigned_abs()));
    // SAFETY: the pointer is that of the element with the lowest address; all else as the caller vouches.
    let mut block = unsafe {
        let at = p.c.offset(first(&rows, p.c_row) + first(&cols, p.c_col));
        ArrayViewMut2::from_shape_ptr(shape, at)
    };
    for (axis, stride) in [p.c_row, p.c_col].into_iter().enumerate() {
        if stride < 0 {
            block.invert_axis(Axis(axis));
        }
    }
    block
}

/// Chooses the scalar.
fn start<F: Real>(p: &Problem<F>, done: Option<&Done<'_>>) {
    let p = std::ptr::from_ref(p);
    // SAFETY: `F` is the type that the pointer is cast to, so the problem is read as what it is.
    unsafe {
        if TypeId::of::<F>() == TypeId::of::<f32>() {
            start_single(&*p.cast::<Problem<f32>>(), done);
        } else {
            start_double(&*p.cast::<Problem<f64>>(), done);
        }
    }
}

/// Not generic, so that it is compiled here, once, and not again in each crate that multiplies.
fn start_single(p: &Problem<f32>, done: Option<&Done<'_>>) {
    start_real(p, done);
}

/// As [`start_single`].
fn start_double(p: &Problem<f64>, done: Option<&Done<'_>>) {
    start_real(p, done);
}

/// Chooses the instruction set.
#[cfg(target_arch = "x86_64")]
fn start_real<T: Real + MulAdd>(p: &Problem<T>, done: Option<&Done<'_>>)
where
    x86::Avx512: Simd<T>,
    x86::Avx2: Simd<T>,
{
    // SAFETY: `current` returns only sets that the machine has; the pointers come from views of these shapes.
    unsafe {
        match simd::current() {
            Isa::Avx512 => start_on::<T, x86::Avx512>(p, done),
            Isa::Avx2 => start_on::<T, x86::Avx2>(p, done),
            Isa::Baseline => start_on::<T, Portable>(p, done),
        }
    }
}

/// There is but the portable version.
#[cfg(not(target_arch = "x86_64"))]
fn start_real<T: Real + MulAdd>(p: &Problem<T>, done: Option<&Done<'_>>) {
    // SAFETY: the portable version runs everywhere; the pointers come from views of these shapes.
    unsafe { start_on::<T, Portable>(p, done) }
}

/// Chooses between C = A·B and Cᵀ = Bᵀ·Aᵀ, and the number of threads.
///
/// # Safety
/// The machine must have the instruction set, the pointers must be valid, and C must not overlap A or B.
unsafe fn start_on<T: Real, S: Simd<T>>(p: &Problem<T>, done: Option<&Done<'_>>) {
    let work = p.rows * p.cols * p.k;
    let parts =
        if p.alone || work < PARALLEL { 1 } else { rayon::current_num_threads().min(work / (PARALLEL / 2)) };
    let q = p.transposed();
    // SAFETY: as the caller vouches.
    unsafe {
        if p.cost::<S>() <= q.cost::<S>() {
            run::<T, S>(p, 0..p.rows, 0..p.cols, parts, done);
        } else {
            let swapped = |rows: Range<usize>, cols: Range<usize>| {
                done.into_iter().for_each(|f| f(cols.clone(), rows.clone()));
            };
            run::<T, S>(&q, 0..q.rows, 0..q.cols, parts, done.map(|_| &swapped as &Done<'_>));
        }
    }
}
