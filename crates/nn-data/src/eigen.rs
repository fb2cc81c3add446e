//! Eigenvalues and eigenvectors of symmetric matrices.
//!
//! Householder reflections make the matrix tridiagonal, QL iterations with implicit shifts make it diagonal. Source:
//! G. H. Golub and C. F. Van Loan (2013), "Matrix Computations", 4th edition, algorithms 8.3.1 and 8.3.3.

/// Iterations for one eigenvalue; two or three are usual.
const MOST_ITERATIONS: usize = 60;

/// The eigenvalues of a symmetric matrix, from the largest to the smallest, and row by row the eigenvectors.
///
/// Each eigenvector has length 1, and its largest element in magnitude is positive. `None` when the iterations do not
/// end, as with numbers that are not finite.
pub(crate) fn symmetric(matrix: &[f64], n: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let Tridiagonal { mut diagonal, mut beside, mut vectors } = tridiagonal(matrix.to_vec(), n);
    for first in 0..n {
        diagonalize(first, &mut diagonal, &mut beside, &mut vectors)?;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let mut sorted = Vec::with_capacity(n * n);
    for &i in &order {
        let vector = &vectors[i * n..(i + 1) * n];
        let largest =
            vector.iter().fold(0.0_f64, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
        sorted.extend(vector.iter().map(|x| x * largest.signum()));
    }
    Some((order.into_iter().map(|i| diagonal[i]).collect(), sorted))
}

/// T = QᵀAQ, with Qᵀ row by row.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// Element i stands beside elements i and i + 1 of the diagonal.
    beside: Vec<f64>,
    vectors: Vec<f64>,
}

/// Reflects one row and column after the other onto its first two elements.
fn tridiagonal(mut a: Vec<f64>, n: usize) -> Tridiagonal {
    let (mut beside, mut betas) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n.saturating_sub(1) {
        let (done, rest) = a.split_at_mut((k + 1) * n);
        // The reflection I − βvvᵀ takes row k, right of the diagonal, to a multiple of (1, 0, …).
        let v = &mut done[k * n + k + 1..];
        let length = norm(v);
        if v[1..].iter().all(|&x| x == 0.0) {
            beside[k] = v[0];
            continue;
        }
        beside[k] = -v[0].signum() * length;
        v[0] -= beside[k];
        let beta = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
        betas[k] = beta;
        // A ← A − vwᵀ − wvᵀ with p = βAv and w = p − (β/2)(pᵀv)v.
        let mut w: Vec<f64> = rest.chunks_exact(n).map(|row| beta * dot(&row[k + 1..], v)).collect();
        let half = 0.5 * beta * dot(&w, v);
        add(&mut w, -half, v);
        for (i, row) in rest.chunks_exact_mut(n).enumerate() {
            let (vi, wi) = (v[i], w[i]);
            for ((x, &vj), &wj) in row[k + 1..].iter_mut().zip(&*v).zip(&w) {
                *x -= vi * wj + wi * vj;
            }
        }
    }
    let diagonal = (0..n).map(|i| a[i * n + i]).collect();
    Tridiagonal { diagonal, beside, vectors: reflections(&a, &betas, n) }
}

/// Qᵀ of the product Q of all reflections, whose vectors stand right of the diagonal.
fn reflections(a: &[f64], betas: &[f64], n: usize) -> Vec<f64> {
    let mut q = vec![0.0; n * n];
    (0..n).for_each(|i| q[i * n + i] = 1.0);
    for k in (0..n.saturating_sub(1)).rev() {
        // Qᵀ ← Qᵀ(I − βvvᵀ): only rows and columns from k + 1 on differ from those of the identity.
        let v = &a[k * n + k + 1..(k + 1) * n];
        for row in q[(k + 1) * n..].chunks_exact_mut(n) {
            let row = &mut row[k + 1..];
            let along = betas[k] * dot(row, v);
            add(row, -along, v);
        }
    }
    q
}

/// Rotates until nothing stands beside element `first` of the diagonal.
fn diagonalize(first: usize, d: &mut [f64], e: &mut [f64], vectors: &mut [f64]) -> Option<()> {
    let n = d.len();
    for _ in 0..MOST_ITERATIONS {
        let small = |i: usize| e[i].abs() <= f64::EPSILON * (d[i].abs() + d[i + 1].abs());
        let last = (first..n - 1).find(|&i| small(i)).unwrap_or(n - 1);
        if last == first {
            return Some(());
        }
        // Wilkinson's shift: the eigenvalue of the first 2×2 block that is nearest to its corner.
        let ratio = (d[first + 1] - d[first]) / (2.0 * e[first]);
        let root = ratio.hypot(1.0);
        let mut g = d[last] - d[first] + e[first] / (ratio + root.copysign(ratio));
        let (mut sin, mut cos, mut shift) = (1.0, 1.0, 0.0);
        let mut ended_early = false;
        for i in (first..last).rev() {
            let (f, b) = (sin * e[i], cos * e[i]);
            let r = f.hypot(g);
            e[i + 1] = r;
            if r == 0.0 {
                d[i + 1] -= shift;
                e[last] = 0.0;
                ended_early = true;
                break;
            }
            (sin, cos) = (f / r, g / r);
            g = d[i + 1] - shift;
            let t = (d[i] - g) * sin + 2.0 * cos * b;
            shift = sin * t;
            d[i + 1] = g + shift;
            g = cos * t - b;
            rotate(&mut vectors[i * n..(i + 2) * n], sin, cos);
        }
        if !ended_early {
            d[first] -= shift;
            e[first] = g;
            e[last] = 0.0;
        }
    }
    None
}

/// Turns two rows, which stand one after the other.
fn rotate(rows: &mut [f64], sin: f64, cos: f64) {
    let (upper, lower) = rows.split_at_mut(rows.len() / 2);
    for (a, b) in upper.iter_mut().zip(lower) {
        (*a, *b) = (cos * *a - sin * *b, sin * *a + cos * *b);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

fn norm(v: &[f64]) -> f64 {
    let largest = v.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    largest * v.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
}

/// to ← to + factor·from.
fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}
