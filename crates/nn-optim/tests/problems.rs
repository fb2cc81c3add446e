//! Functions to descend on, with the gradients of `fixtures/make_optim.py`, to the order of their sums.

use nn_core::Real;

/// The cost at a point, and the gradient there.
pub(crate) type Function<F> = fn(&[F]) -> (F, Vec<F>);

/// A function with a starting point.
pub(crate) struct Problem<F: Real> {
    pub(crate) name: &'static str,
    pub(crate) function: Function<F>,
    pub(crate) start: Vec<F>,
}

pub(crate) fn problems<F: Real>() -> [Problem<F>; 3] {
    let start = |values: &[f64]| values.iter().map(|&x| F::from_f64(x)).collect();
    [
        Problem { name: "quadratic", function: quadratic, start: start(&[1.0, -1.0, 0.5]) },
        Problem { name: "rosenbrock", function: rosenbrock, start: start(&[-1.2, 1.0]) },
        Problem {
            name: "mlp",
            function: mlp,
            start: start(&[
                0.5, -0.75, 0.25, 1.0, -0.5, 0.625, 0.125, -0.25, 0.375, 0.75, -0.875, 0.5, -0.125,
            ]),
        },
    ]
}

/// ½(x² + 10·y² + 100·z²).
fn quadratic<F: Real>(w: &[F]) -> (F, Vec<F>) {
    let g = vec![w[0], F::from_f64(10.0) * w[1], F::from_f64(100.0) * w[2]];
    (F::from_f64(0.5) * (0..3).map(|i| g[i] * w[i]).sum::<F>(), g)
}

/// (1 − x)² + 100·(y − x²)².
fn rosenbrock<F: Real>(w: &[F]) -> (F, Vec<F>) {
    let (x, y, c) = (w[0], w[1], F::from_f64);
    let (near, far) = (c(1.0) - x, y - x * x);
    (near * near + c(100.0) * far * far, vec![-c(2.0) * near - c(400.0) * x * far, c(200.0) * far])
}

/// Two inputs, three hidden units z/√(1 + z²), one output; half the squared error on exclusive or.
fn mlp<F: Real>(w: &[F]) -> (F, Vec<F>) {
    let (zero, one) = (F::zero(), F::one());
    let (mut cost, mut g) = (zero, vec![zero; 13]);
    for [a, b, y] in [[zero, zero, zero], [zero, one, one], [one, zero, one], [one, one, zero]] {
        let z = [0, 1, 2].map(|j| w[2 * j] * a + w[2 * j + 1] * b + w[6 + j]);
        let r = z.map(|z| (one + z * z).sqrt());
        let h = [0, 1, 2].map(|j| z[j] / r[j]);
        let error = w[9] * h[0] + w[10] * h[1] + w[11] * h[2] + w[12] - y;
        for j in 0..3 {
            let back = error * w[9 + j] / (r[j] * r[j] * r[j]);
            g[2 * j] += back * a;
            g[2 * j + 1] += back * b;
            g[6 + j] += back;
            g[9 + j] += error * h[j];
        }
        g[12] += error;
        cost += F::from_f64(0.5) * error * error;
    }
    (cost, g)
}
