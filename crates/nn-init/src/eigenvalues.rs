//! Eigenvalues of real matrices that need not be symmetric.

use ndarray::ArrayView2;
use nn_core::Real;

use crate::orthogonal::{dot, reflect, reflector};

/// The spectral radius: the largest modulus of an eigenvalue, complex ones too.
///
/// ρ(A) = max |λᵢ|. The states of a recurrent network h ← A·h grow or shrink as ρ(A)ᵗ in the long run. An empty matrix
/// has spectral radius 0; the result is NaN where an element is infinite or NaN.
///
/// Shapes: `[n, n]`. Computed in `f64`; the error is that of a matrix that differs from A by about 10⁻¹⁵·‖A‖. It takes
/// about 15·n³ operations: milliseconds for n = 100, seconds for n = 1000.
///
/// ```
/// use ndarray::array;
/// use nn_init::spectral_radius;
///
/// // A rotation by 90° and a stretch by 2: the eigenvalues are ±2i.
/// assert_eq!(spectral_radius(array![[0.0, -2.0], [2.0, 0.0]].view()), 2.0);
/// ```
///
/// # Panics
/// When the matrix is not square.
///
/// # Source
/// Reduction to Hessenberg form and Francis's double-shift QR steps: Golub and Van Loan, "Matrix computations",
/// algorithms 7.4.2, 7.5.1 and 7.5.2.
#[track_caller]
pub fn spectral_radius<F: Real>(matrix: ArrayView2<'_, F>) -> f64 {
    let (n, columns) = matrix.dim();
    assert_eq!(n, columns, "spectral radius: expected a square matrix, got shape {:?}", matrix.shape());
    radius(matrix.iter().map(|x| x.to_f64()).collect(), n)
}

/// The spectral radius of a matrix given row by row.
pub(crate) fn radius(mut a: Vec<f64>, n: usize) -> f64 {
    let largest = a.iter().fold(0.0, |m: f64, &x| Real::max(m, x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return if largest == 0.0 { 0.0 } else { f64::NAN };
    }
    a.iter_mut().for_each(|x| *x /= largest);
    let moduli = eigenvalues(a, n).into_iter().map(|[re, im]| re.hypot(im));
    largest * moduli.fold(0.0, Real::max)
}

/// All eigenvalues, as real and imaginary part, of a matrix with finite elements.
fn eigenvalues(mut a: Vec<f64>, n: usize) -> Vec<[f64; 2]> {
    hessenberg(&mut a, n);
    let norm = dot(&a, &a).sqrt();
    let mut values = Vec::with_capacity(n);
    let (mut end, mut steps) = (n, 0);
    while end > 0 {
        let start = start_of_block(&a, n, end, norm);
        match end - start {
            1 => values.push([a[start * n + start], 0.0]),
            2 => values.extend(of_two(trailing(&a, n, end))),
            // Never seen: on average two steps suffice for an eigenvalue.
            _ if steps == MOST_STEPS => return vec![[f64::NAN; 2]],
            _ => {
                steps += 1;
                francis_step(&mut a, n, start, end, steps % 10 == 0);
                continue;
            }
        }
        (end, steps) = (start, 0);
    }
    values
}

/// Steps without an eigenvalue found, after which the search is given up.
const MOST_STEPS: usize = 300;

/// Makes all elements below the first subdiagonal zero, by a similarity transformation.
fn hessenberg(a: &mut [f64], n: usize) {
    let mut v = vec![0.0; n];
    let mut w = vec![0.0; n];
    for k in 0..n.saturating_sub(2) {
        let v = &mut v[k + 1..];
        v.iter_mut().enumerate().for_each(|(i, v)| *v = a[(k + 1 + i) * n + k]);
        let (_, scale) = reflector(v);
        // From the left: rows k + 1 and below, where columns before k are zero already.
        let w = &mut w[k..];
        w.fill(0.0);
        for (i, v) in v.iter().enumerate() {
            let row = &a[(k + 1 + i) * n + k..][..n - k];
            w.iter_mut().zip(row).for_each(|(w, x)| *w += scale * v * x);
        }
        for (i, v) in v.iter().enumerate() {
            let row = &mut a[(k + 1 + i) * n + k..][..n - k];
            row.iter_mut().zip(&*w).for_each(|(x, w)| *x -= v * w);
        }
        for i in k + 2..n {
            a[i * n + k] = 0.0;
        }
        // From the right: columns k + 1 and after.
        a.chunks_exact_mut(n).for_each(|row| reflect(v, scale, &mut row[k + 1..]));
    }
}

/// Where the last block without a negligible subdiagonal element begins, of the rows before `end`.
fn start_of_block(a: &[f64], n: usize, end: usize, norm: f64) -> usize {
    let negligible = |i: usize| {
        let beside = a[(i - 1) * n + i - 1].abs() + a[i * n + i].abs();
        let scale = if beside == 0.0 { norm } else { beside };
        a[i * n + i - 1].abs() <= f64::EPSILON * scale
    };
    (1..end).rev().find(|&i| negligible(i)).unwrap_or(0)
}

/// The last two rows and columns before `end`.
fn trailing(a: &[f64], n: usize, end: usize) -> [f64; 4] {
    let i = end - 2;
    [a[i * n + i], a[i * n + i + 1], a[(i + 1) * n + i], a[(i + 1) * n + i + 1]]
}

/// The eigenvalues of a matrix of two rows.
fn of_two([a, b, c, d]: [f64; 4]) -> [[f64; 2]; 2] {
    let half = 0.5 * (a - d);
    let square = half * half + b * c;
    if square < 0.0 {
        let (re, im) = (d + half, (-square).sqrt());
        return [[re, im], [re, -im]];
    }
    let far = half + square.sqrt().copysign(half);
    let near = if far == 0.0 { 0.0 } else { -b * c / far };
    [[d + far, 0.0], [d + near, 0.0]]
}

/// One implicit QR step with two shifts on the rows from `start` to before `end`, three at least.
///
/// The shifts are the eigenvalues of the last two rows and columns, or arbitrary ones to break a cycle.
fn francis_step(a: &mut [f64], n: usize, start: usize, end: usize, exceptional: bool) {
    let [p, q, r, s] = trailing(a, n, end);
    let (mut sum, mut product) = (p + s, p * s - q * r);
    if exceptional {
        let size = r.abs() + a[(end - 2) * n + end - 3].abs();
        (sum, product) = (1.5 * size, size * size);
    }
    let at = |i: usize, j: usize| a[(start + i) * n + start + j];
    let mut x = [
        at(0, 0) * at(0, 0) + at(0, 1) * at(1, 0) - sum * at(0, 0) + product,
        at(1, 0) * (at(0, 0) + at(1, 1) - sum),
        at(1, 0) * at(2, 1),
    ];
    for k in start..end - 1 {
        let size = 3.min(end - k);
        let v = &mut x[..size];
        let largest = v.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        if largest > 0.0 {
            v.iter_mut().for_each(|x| *x /= largest);
        }
        let (_, scale) = reflector(v);
        reflect_rows(a, n, k, k.saturating_sub(1).max(start)..end, v, scale);
        if k > start {
            (1..size).for_each(|i| a[(k + i) * n + k - 1] = 0.0);
        }
        for row in a[start * n..end.min(k + 4) * n].chunks_exact_mut(n) {
            let row = &mut row[k..k + size];
            let factor = scale * row.iter().zip(&*v).map(|(x, v)| x * v).sum::<f64>();
            row.iter_mut().zip(&*v).for_each(|(x, v)| *x -= factor * v);
        }
        for (i, x) in x.iter_mut().enumerate().take(end - 1 - k) {
            *x = a[(k + 1 + i) * n + k];
        }
    }
}

/// Applies a reflection from the left to as many rows as v has elements, three or two, from `k` on.
fn reflect_rows(a: &mut [f64], n: usize, k: usize, columns: std::ops::Range<usize>, v: &[f64], scale: f64) {
    let (first, rest) = a[k * n..].split_at_mut(n);
    let (second, rest) = rest.split_at_mut(n);
    let (first, second) = (&mut first[columns.clone()], &mut second[columns.clone()]);
    if let &[v0, v1, v2] = v {
        let third = &mut rest[columns];
        for ((x, y), z) in first.iter_mut().zip(second).zip(third) {
            let factor = scale * (v0 * *x + v1 * *y + v2 * *z);
            (*x, *y, *z) = (*x - factor * v0, *y - factor * v1, *z - factor * v2);
        }
    } else {
        for (x, y) in first.iter_mut().zip(second) {
            let factor = scale * (v[0] * *x + v[1] * *y);
            (*x, *y) = (*x - factor * v[0], *y - factor * v[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::eigenvalues;

    /// Eigenvalues by real part, then by imaginary part.
    fn sorted(a: &[f64], n: usize) -> Vec<[f64; 2]> {
        let mut values = eigenvalues(a.to_vec(), n);
        values.sort_by(|a, b| {
            let key = |x: f64| (x * 1e6).round();
            key(a[0]).total_cmp(&key(b[0])).then(a[1].total_cmp(&b[1]))
        });
        values
    }

    /// A name, a matrix and its eigenvalues.
    type Case = (&'static str, Vec<f64>, Vec<[f64; 2]>);

    #[test]
    fn known_eigenvalues() {
        let root = 0.75f64.sqrt();
        #[rustfmt::skip]
        let table: [Case; 7] = [
            ("nothing", vec![], vec![]),
            ("one", vec![-3.0], vec![[-3.0, 0.0]]),
            ("two real", vec![1.0, 2.0, 3.0, 4.0],
                vec![[2.5 - 8.25f64.sqrt(), 0.0], [2.5 + 8.25f64.sqrt(), 0.0]]),
            ("triangular", vec![1.0, 5.0, 7.0, 0.0, 2.0, -4.0, 0.0, 0.0, 3.0],
                vec![[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]),
            // A cyclic shift, on which unshifted and double-shifted steps stand still: the cube roots of 1.
            ("cycle", vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
                vec![[-0.5, -root], [-0.5, root], [1.0, 0.0]]),
            // The companion matrix of (x − 1)(x − 2)(x² + 4).
            ("companion", vec![3.0, -6.0, 12.0, -8.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                vec![[0.0, -2.0], [0.0, 2.0], [1.0, 0.0], [2.0, 0.0]]),
            ("zero", vec![0.0; 9], vec![[0.0, 0.0]; 3]),
        ];
        for (name, matrix, expected) in table {
            let found = sorted(&matrix, expected.len());
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found[0] - expected[0]).hypot(found[1] - expected[1]);
                assert!(error < 1e-13, "{name}: {found:?} for {expected:?}");
            }
        }
    }

    #[test]
    fn roots_of_one() {
        // The cyclic shift of n elements, whose eigenvalues all have modulus 1.
        for n in 3..40 {
            let mut shift = vec![0.0; n * n];
            (0..n).for_each(|i| shift[i * n + (i + 1) % n] = 1.0);
            let found = eigenvalues(shift, n);
            assert_eq!(found.len(), n);
            for [re, im] in found {
                assert!((re.hypot(im) - 1.0).abs() < 1e-13, "{n}: {re} {im}");
                let turns = n as f64 * im.atan2(re) / std::f64::consts::TAU;
                assert!((turns - turns.round()).abs() < 1e-11, "{n}: {re} {im}");
            }
        }
    }
}
