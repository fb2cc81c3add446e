//! The eigenvalues and eigenvectors of symmetric matrices.

/// A symmetric matrix as B·diag(λ)·Bᵀ: the eigenvalues, and B by rows, whose columns are the eigenvectors.
///
/// The matrix is given by its rows; of each pair of equal elements the mean counts.
///
/// # Source
/// Jacobi's method by rows: Golub and Van Loan, "Matrix Computations", 4th edition, algorithm 8.5.3.
pub(super) fn eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let at = |i: usize, j: usize| i * n + j;
    let mut a: Vec<f64> = (0..n * n).map(|k| 0.5 * (matrix[k] + matrix[at(k % n, k / n)])).collect();
    let mut b: Vec<f64> = (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect();
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..50 {
        let beside: f64 = (0..n * n).filter(|k| k / n != k % n).map(|k| a[k] * a[k]).sum();
        if beside.partial_cmp(&(1e-30 * total)) != Some(std::cmp::Ordering::Greater) {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if let Some((c, s)) = rotation(a[at(p, p)], a[at(p, q)], a[at(q, q)]) {
                    for k in 0..n {
                        (a[at(k, p)], a[at(k, q)]) = turn(c, s, a[at(k, p)], a[at(k, q)]);
                        (b[at(k, p)], b[at(k, q)]) = turn(c, s, b[at(k, p)], b[at(k, q)]);
                    }
                    for k in 0..n {
                        (a[at(p, k)], a[at(q, k)]) = turn(c, s, a[at(p, k)], a[at(q, k)]);
                    }
                }
            }
        }
    }
    ((0..n).map(|i| a[at(i, i)]).collect(), b)
}

fn turn(c: f64, s: f64, x: f64, y: f64) -> (f64, f64) {
    (c * x - s * y, s * x + c * y)
}

/// Cosine and sine of the turn that makes the element beside the diagonal zero.
fn rotation(app: f64, apq: f64, aqq: f64) -> Option<(f64, f64)> {
    if apq == 0.0 {
        return None;
    }
    let tau = (aqq - app) / (2.0 * apq);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    Some((c, t * c))
}

#[cfg(test)]
mod tests {
    use nn_core::Streams;
    use rand::RngExt;

    use super::eigen;

    #[test]
    fn a_known_matrix() {
        let (mut values, _) = eigen(&[2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0], 3);
        values.sort_by(f64::total_cmp);
        let root = 2_f64.sqrt();
        for (got, expected) in values.iter().zip([2.0 - root, 2.0, 2.0 + root]) {
            assert!((got - expected).abs() < 1e-14, "{values:?}");
        }
    }

    #[test]
    fn the_factors_multiply_to_the_matrix_and_are_orthogonal() {
        let mut rng = Streams::new(1).rng("matrix", 0);
        for n in 1..12 {
            let half: Vec<f64> = (0..n * n).map(|_| rng.random::<f64>() - 0.5).collect();
            let a: Vec<f64> = (0..n * n).map(|k| half[k] + half[k % n * n + k / n]).collect();
            let (values, b) = eigen(&a, n);
            for i in 0..n {
                for j in 0..n {
                    let product: f64 = (0..n).map(|k| b[i * n + k] * values[k] * b[j * n + k]).sum();
                    assert!((product - a[i * n + j]).abs() < 1e-13, "n = {n}: {product} at {i}, {j}");
                    let dot: f64 = (0..n).map(|k| b[i * n + k] * b[j * n + k]).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-13, "n = {n}: {dot} at {i}, {j}");
                }
            }
        }
    }
}
