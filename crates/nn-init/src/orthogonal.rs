//! Matrices that keep lengths.

use nn_core::{RangeError, StreamRng};

use crate::draw::standard_normal;
use crate::initializer::{check_size, refuse};
use crate::{Gain, Initializer};

/// Orthogonal initialisation: a random orthogonal matrix times the gain.
///
/// W·Wᵀ = gain²·I where there are no more rows than columns, else Wᵀ·W = gain²·I. The matrix is the Q of the QR
/// decomposition of a matrix of standard normal numbers, each column times the sign of its element on the diagonal of
/// R: only so is it uniformly distributed over all orthogonal matrices.
///
/// Shapes: `[out, in, k…]`, taken as a matrix of out rows. The gain is [`Gain::Linear`], 1, unless set. It takes
/// about 4·m·n² operations for n ≤ m, about a second for 1024×1024.
///
/// ```
/// use ndarray::Array2;
/// use nn_core::Streams;
/// use nn_init::{InitializerExt, Orthogonal};
///
/// let w: Array2<f64> = Orthogonal::new().array([20, 50], &Streams::new(1), "w");
/// assert!((w.dot(&w.t()) - Array2::<f64>::eye(20)).iter().all(|x| x.abs() < 1e-14));
/// ```
///
/// # Source
/// Saxe, McClelland and Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
/// networks"; the signs: Mezzadri 2007, "How to generate random matrices from the classical compact groups". PyTorch
/// `orthogonal_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orthogonal {
    gain: Gain,
}

impl Orthogonal {
    /// With gain 1.
    pub fn new() -> Self {
        Orthogonal { gain: Gain::Linear }
    }

    /// Sets the gain, for the activation that follows.
    ///
    /// # Errors
    /// When a parameter of the gain is out of its range.
    pub fn gain(self, gain: Gain) -> Result<Self, RangeError> {
        gain.check("Orthogonal")?;
        Ok(Orthogonal { gain })
    }
}

impl Default for Orthogonal {
    fn default() -> Self {
        Orthogonal::new()
    }
}

impl Initializer for Orthogonal {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        check_size(shape, out);
        if shape.len() < 2 {
            refuse("orthogonal", "a weight [out, in, …] of at least two axes", shape);
        }
        if out.is_empty() {
            return;
        }
        let rows = shape[0];
        let columns = out.len() / rows;
        let mut q: Vec<f64> = (0..out.len()).map(|_| standard_normal(rng)).collect();
        orthonormalize(&mut q, rows.max(columns));
        let gain = self.gain.value();
        if rows <= columns {
            out.iter_mut().zip(q).for_each(|(to, from)| *to = gain * from);
        } else {
            for (j, column) in q.chunks_exact(rows).enumerate() {
                column.iter().enumerate().for_each(|(i, x)| out[i * columns + j] = gain * x);
            }
        }
    }
}

/// Replaces vectors, one after the other and no more than their length, by Q of their QR decomposition with a positive
/// diagonal of R: by Householder's reflections (Golub and Van Loan, "Matrix computations", algorithms 5.2.1 and 5.1.4).
fn orthonormalize(vectors: &mut [f64], length: usize) {
    let count = vectors.len() / length;
    let mut signs = vec![1.0; count];
    let mut scales = vec![0.0; count];
    for k in 0..count {
        let (done, rest) = vectors.split_at_mut((k + 1) * length);
        let v = &mut done[k * length + k..];
        (signs[k], scales[k]) = reflector(v);
        for other in rest.chunks_exact_mut(length) {
            reflect(v, scales[k], &mut other[k..]);
        }
    }
    for k in (0..count).rev() {
        let (done, rest) = vectors.split_at_mut((k + 1) * length);
        let v = &mut done[k * length..];
        for other in rest.chunks_exact_mut(length) {
            other[k] = 0.0;
            reflect(&v[k..], scales[k], &mut other[k..]);
        }
        let first = v[k];
        v[..k].fill(0.0);
        v[k..].iter_mut().for_each(|x| *x *= -scales[k] * first);
        v[k] += 1.0;
    }
    for (vector, sign) in vectors.chunks_exact_mut(length).zip(signs) {
        vector.iter_mut().for_each(|x| *x *= sign);
    }
}

/// Turns x into v so that (I − scale·v·vᵀ)·x = r·e₁; gives the sign of r, and the scale, which is 0 for no x to speak of.
pub(crate) fn reflector(x: &mut [f64]) -> (f64, f64) {
    let norm = dot(x, x).sqrt();
    if norm < 1e-140 {
        return (1.0, 0.0);
    }
    let sign = if x[0] > 0.0 { -1.0 } else { 1.0 };
    // ‖v‖² = 2·norm·(norm + |x₀|).
    let scale = 1.0 / (norm * (norm + x[0].abs()));
    x[0] -= sign * norm;
    (sign, scale)
}

/// Replaces x by (I − scale·v·vᵀ)·x.
pub(crate) fn reflect(v: &[f64], scale: f64, x: &mut [f64]) {
    let factor = scale * dot(v, x);
    x.iter_mut().zip(v).for_each(|(x, v)| *x -= factor * v);
}

/// Σ aᵢ·bᵢ in eight partial sums, so that it vectorises; the order does not depend on the machine.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}
