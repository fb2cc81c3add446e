//! The matrix product as an operation.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, Ix2};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut, shape};

use crate::gemm::{PARALLEL, gemm};
use crate::operation::Body;
use crate::rows::fold;
use crate::slices::join;

/// C = A·B, for one pair of matrices or a batch of them.
///
/// Inputs: a `[…, m, k]` and b `[k, n]`, or b with the same leading axes as a, `[…, k, n]`; output `[…, m, n]`.
/// A transposed operand is read where it lies.
///
/// Backward: dA = dC·Bᵀ and dB = Aᵀ·dC, summed over the leading axes where B has none.
///
/// Source: as `torch.matmul` for operands of two axes and more, without its broadcasting of leading axes.
///
/// # Example
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::MatMul;
///
/// let (x, w) = (array![[1.0, 2.0]].into_dyn(), array![[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]].into_dyn());
/// let product = MatMul { transpose_a: false, transpose_b: true };
/// let y = evaluate(&product, &Step::default(), &[x.view(), w.view()]).unwrap();
/// assert_eq!(y.output, array![[11.0, 17.0, 23.0]].into_dyn());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatMul {
    /// Whether a is given as `[…, k, m]`.
    pub transpose_a: bool,
    /// Whether b is given as `[…, n, k]`.
    pub transpose_b: bool,
}

const NAME: &str = "matmul";

impl<F: Real> Body<F> for MatMul {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let [a, b] = *inputs else {
            return Err(ShapeError::Arity { op: NAME, expected: 2, got: inputs.len() });
        };
        let (batch, m, k) = split(0, a, self.transpose_a)?;
        let (batch_of_b, k_of_b, n) = split(1, b, self.transpose_b)?;
        let mismatch = |expected: String| {
            Err(ShapeError::Mismatch { op: NAME, expected, left: a.to_vec(), right: b.to_vec() })
        };
        if k != k_of_b {
            return mismatch(format!("the first has {k} columns, the second {k_of_b} rows{}", self.note()));
        }
        if !batch_of_b.is_empty() && batch_of_b != batch {
            return mismatch("the second must be a matrix or have the leading axes of the first".to_owned());
        }
        let result = [batch, &[m, n]].concat();
        let flops = shape::size(&result).saturating_mul(2 * k);
        Ok(Outline::new(result, 2).reads_inputs(&[0, 1]).flops(flops))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        self.forward_into(&inputs[0], &inputs[1], output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let [d_a, d_b] = d_inputs else { panic!("{NAME}: expected 2 gradients, got {}", d_inputs.len()) };
        let beta = d_a.beta();
        if let Some((target, _)) = d_a.target() {
            self.backward_a(&d_output, &io.input(1), beta, target);
        }
        let beta = d_b.beta();
        if let Some((target, _)) = d_b.target() {
            self.backward_b(&io.input(0), &d_output, beta, target);
        }
    }
}

impl MatMul {
    /// C ← A·B.
    fn forward_into<F: Real>(&self, a: &View<'_, F>, b: &View<'_, F>, mut c: ViewMut<'_, F>) {
        if self.can_fold(a, b) {
            match fold(c) {
                Ok(c) => return gemm(F::one(), folded(a), oriented(b, self.transpose_b), F::zero(), c),
                Err(original) => c = original,
            }
        }
        if a.ndim() == 2 {
            let (a, b) = (oriented(a, self.transpose_a), oriented(b, self.transpose_b));
            return gemm(F::one(), a, b, F::zero(), matrix_mut(c));
        }
        let work = c.len() * b.shape()[b.ndim() - if self.transpose_b { 1 } else { 2 }];
        for_entries(c, 0, work, &|i, target| {
            self.forward_into(&a.index_axis(Axis(0), i), &part(b, a.ndim(), i), target);
        });
    }

    /// dA ← dC·Bᵀ + beta·dA.
    fn backward_a<F: Real>(&self, d_c: &View<'_, F>, b: &View<'_, F>, beta: F, mut d_a: ViewMut<'_, F>) {
        if self.can_fold(d_c, b) {
            match fold(d_a) {
                Ok(d_a) => return gemm(F::one(), folded(d_c), oriented(b, !self.transpose_b), beta, d_a),
                Err(original) => d_a = original,
            }
        }
        if d_c.ndim() == 2 {
            let target = oriented_mut(d_a, self.transpose_a);
            return gemm(F::one(), oriented(d_c, false), oriented(b, !self.transpose_b), beta, target);
        }
        let work = d_a.len() * d_c.shape()[d_c.ndim() - 1];
        for_entries(d_a, 0, work, &|i, target| {
            self.backward_a(&d_c.index_axis(Axis(0), i), &part(b, d_c.ndim(), i), beta, target);
        });
    }

    /// dB ← Aᵀ·dC + beta·dB, summed over the leading axes that B does not have.
    fn backward_b<F: Real>(&self, a: &View<'_, F>, d_c: &View<'_, F>, beta: F, mut d_b: ViewMut<'_, F>) {
        if a.ndim() == 2 {
            let target = oriented_mut(d_b, self.transpose_b);
            return gemm(F::one(), oriented(a, !self.transpose_a), oriented(d_c, false), beta, target);
        }
        if d_b.ndim() == 2 && !self.transpose_a && a.is_standard_layout() && d_c.is_standard_layout() {
            let target = oriented_mut(d_b, self.transpose_b);
            return gemm(F::one(), folded(a).reversed_axes(), folded(d_c), beta, target);
        }
        let entry = |i: usize| (a.index_axis(Axis(0), i), d_c.index_axis(Axis(0), i));
        if d_b.ndim() > 2 {
            let work = d_b.len() * d_c.shape()[d_c.ndim() - 2];
            return for_entries(d_b, 0, work, &|i, target| {
                let (a, d_c) = entry(i);
                self.backward_b(&a, &d_c, beta, target);
            });
        }
        if a.shape()[0] == 0 && beta == F::zero() {
            d_b.fill(F::zero());
        }
        for i in 0..a.shape()[0] {
            let (a, d_c) = entry(i);
            self.backward_b(&a, &d_c, if i > 0 { F::one() } else { beta }, d_b.view_mut());
        }
    }

    /// Whether the leading axes of `left` can be taken as rows of one matrix, which the matrix `right` multiplies.
    fn can_fold<F: Real>(&self, left: &View<'_, F>, right: &View<'_, F>) -> bool {
        left.ndim() > 2 && right.ndim() == 2 && !self.transpose_a && left.is_standard_layout()
    }

    fn note(&self) -> &'static str {
        match (self.transpose_a, self.transpose_b) {
            (false, false) => "",
            (true, false) => ", the first transposed",
            (false, true) => ", the second transposed",
            (true, true) => ", both transposed",
        }
    }
}

/// Leading axes, rows and columns of an operand.
fn split(input: usize, shape: &[usize], transposed: bool) -> Result<(&[usize], usize, usize), ShapeError> {
    match *shape {
        [ref batch @ .., rows, cols] if transposed => Ok((batch, cols, rows)),
        [ref batch @ .., rows, cols] => Ok((batch, rows, cols)),
        _ => {
            let expected = "an array with at least two axes".to_owned();
            Err(ShapeError::Input { op: NAME, input, expected, got: shape.to_vec() })
        }
    }
}

/// Runs `run` for each entry of the first axis, numbered from `first`, on several threads where all of them together
/// take `work` multiplications that are worth it.
fn for_entries<F: Real>(
    mut target: ViewMut<'_, F>,
    first: usize,
    work: usize,
    run: &(impl Fn(usize, ViewMut<'_, F>) + Sync),
) {
    let count = target.shape()[0];
    if count > 1 && work >= PARALLEL {
        let half = count / 2;
        let (left, right) = target.split_at(Axis(0), half);
        join(
            true,
            || for_entries(left, first, work / count * half, run),
            || for_entries(right, first + half, work / count * (count - half), run),
        );
        return;
    }
    for i in 0..count {
        run(first + i, target.index_axis_mut(Axis(0), i));
    }
}

/// Entry `i` of the first leading axis of `b`, or all of it where it has not the `axes` of the other operand.
fn part<'a, F: Real>(b: &'a View<'_, F>, axes: usize, i: usize) -> View<'a, F> {
    if b.ndim() == axes { b.index_axis(Axis(0), i) } else { b.view() }
}

fn oriented<'a, F: Real>(x: &'a View<'_, F>, transposed: bool) -> ArrayView2<'a, F> {
    let x = x.view().into_dimensionality::<Ix2>().expect("a matrix");
    if transposed { x.reversed_axes() } else { x }
}

fn matrix_mut<F: Real>(x: ViewMut<'_, F>) -> ArrayViewMut2<'_, F> {
    x.into_dimensionality::<Ix2>().expect("a matrix")
}

fn oriented_mut<F: Real>(x: ViewMut<'_, F>, transposed: bool) -> ArrayViewMut2<'_, F> {
    if transposed { matrix_mut(x).reversed_axes() } else { matrix_mut(x) }
}

/// An array in standard layout as one matrix.
fn folded<'a, F: Real>(x: &'a View<'_, F>) -> ArrayView2<'a, F> {
    fold(x.view()).expect("an array in standard layout")
}
