//! Spectral normalisation.

use ndarray::{Array1, ArrayRef, Axis, Dimension, Ix0};
use nn_core::{
    Grad, Io, Memory, Mode, Op, Outline, RangeError, Real, ShapeError, Step, Streams, View, ViewMut,
    check_range,
};
use nn_ops::{dot, simd::dispatch, sum_squares};
use rand::RngExt;

use crate::eager::{Normalized, borrow};
use crate::kernel::{elements, standard, write_each};

const NAME: &str = "spectral_norm";
/// Iterations with which a random start becomes a useful one, as in PyTorch.
const START: usize = 15;

/// Spectral normalisation of a weight, as `torch.nn.utils.parametrizations.spectral_norm`.
///
/// Ŵ = W/σ with σ = uᵀWv, where W is taken as the matrix `[h, w]` of one axis by all others, and u and v come near to
/// its first left and right singular vectors, so that the largest singular value of Ŵ comes near to 1. In training, u
/// and v are moved on by power iteration before they are used: u ← Wv/‖Wv‖, then v ← Wᵀu/‖Wᵀu‖; in evaluation they stay.
///
/// - Inputs: W of at least 2 axes; u `[h]`, v `[w]`.
/// - Output: the shape of W.
/// - Gradient: dW = (dŴ − ⟨dŴ, Ŵ⟩·uvᵀ)/σ; u and v are constants to it.
/// - **The last two "gradients"** are, in training, what an update is to *subtract* from u and v: old less new. They are
///   no gradients, and an optimizer applies them at rate 1. In evaluation they are 0.
/// - `axis`: that of the outputs, 0 by default (1 for transposed convolutions). `iterations`: at least 1, the default.
///   `epsilon`: the least norm that is divided by in the iteration, 1e-12 by default, in (0, ∞).
///
/// A weight of zeros gives NaN (0/0), as in PyTorch; so do NaN and infinities. A weight without elements gives an empty
/// output.
///
/// ```
/// use ndarray::array;
/// use nn_core::Streams;
/// use nn_norm::SpectralNorm;
///
/// let w = array![[3.0, 0.0], [0.0, 1.0]];
/// let norm = SpectralNorm::new();
/// let mut vectors = norm.start(&w, &Streams::new(1)).unwrap();
/// let y = norm.train(&w, &mut vectors).unwrap().output;
/// assert!((y - array![[1.0, 0.0], [0.0, 1.0 / 3.0]]).iter().all(|d: &f64| d.abs() < 1e-9));
/// ```
///
/// # Source
/// Miyato, Kataoka, Koyama, Yoshida 2018, "Spectral normalization for generative adversarial networks", algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectralNorm {
    axis: usize,
    iterations: usize,
    epsilon: f64,
}

/// The vectors of the power iteration, which are kept from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct SingularVectors<F> {
    /// On the left, one element for each output.
    pub u: Array1<F>,
    /// On the right, one element for each input.
    pub v: Array1<F>,
}

impl Default for SpectralNorm {
    fn default() -> Self {
        SpectralNorm { axis: 0, iterations: 1, epsilon: 1e-12 }
    }
}

impl SpectralNorm {
    /// With outputs along the first axis, one iteration per step, and ε = 1e-12.
    pub fn new() -> Self {
        Self::default()
    }

    /// With outputs along another axis.
    #[must_use]
    pub fn axis(self, axis: usize) -> Self {
        SpectralNorm { axis, ..self }
    }

    /// With another number of iterations per step.
    ///
    /// # Errors
    /// When `iterations` is 0.
    pub fn iterations(self, iterations: usize) -> Result<Self, RangeError> {
        check_range("SpectralNorm", "iterations", iterations as f64, "[1, ∞)", iterations >= 1)?;
        Ok(SpectralNorm { iterations, ..self })
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is not positive, infinite or NaN.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        let inside = epsilon > 0.0 && epsilon.is_finite();
        check_range("SpectralNorm", "epsilon", epsilon, "(0, ∞)", inside)?;
        Ok(SpectralNorm { epsilon, ..self })
    }

    /// The axis of the outputs.
    pub fn get_axis(&self) -> usize {
        self.axis
    }

    /// The number of iterations per step.
    pub fn get_iterations(&self) -> usize {
        self.iterations
    }

    /// ε.
    pub fn get_epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Random vectors from the stream `spectral_norm`, improved by 15 iterations on this weight.
    ///
    /// # Errors
    /// When the weight has fewer than 2 axes, or lacks the axis of the outputs.
    pub fn start<F: Real, D: Dimension>(
        &self,
        weight: &ArrayRef<F, D>,
        streams: &Streams,
    ) -> Result<SingularVectors<F>, ShapeError> {
        let [h, w] = self.extents(weight.shape())?;
        let mut rng = streams.rng(NAME, 0);
        let mut normal = || {
            let (radius, angle): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
            F::from_f64((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos())
        };
        let mut vectors: Vec<F> = (0..h + w).map(|_| normal()).collect();
        let (u, v) = vectors.split_at_mut(h);
        self.normalize(v);
        let weight = weight.view().into_dyn();
        let matrix = self.matrix(weight);
        let matrix = standard(&matrix);
        (0..START).for_each(|_| self.iterate(elements(&matrix), u, v));
        Ok(SingularVectors { u: Array1::from(u.to_vec()), v: Array1::from(v.to_vec()) })
    }

    /// Normalises a plain weight after moving the vectors on.
    ///
    /// # Errors
    /// When the vectors do not suit the weight.
    pub fn train<'a, F: Real, D: Dimension>(
        &self,
        weight: &'a ArrayRef<F, D>,
        vectors: &mut SingularVectors<F>,
    ) -> Result<Normalized<'a, F, D, Ix0, 0>, ShapeError> {
        let normalized = self.run(weight, vectors, Mode::Train)?;
        let (u, rest) = normalized.saved().split_at(vectors.u.len());
        vectors.u.iter_mut().zip(u).for_each(|(to, &from)| *to = from);
        vectors.v.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
        Ok(normalized)
    }

    /// Normalises a plain weight with the vectors as they are.
    ///
    /// # Errors
    /// When the vectors do not suit the weight.
    pub fn eval<'a, F: Real, D: Dimension>(
        &self,
        weight: &'a ArrayRef<F, D>,
        vectors: &SingularVectors<F>,
    ) -> Result<Normalized<'a, F, D, Ix0, 0>, ShapeError> {
        self.run(weight, vectors, Mode::Eval)
    }

    fn run<'a, F: Real, D: Dimension>(
        &self,
        weight: &'a ArrayRef<F, D>,
        vectors: &SingularVectors<F>,
        mode: Mode,
    ) -> Result<Normalized<'a, F, D, Ix0, 0>, ShapeError> {
        let (u, v) = (vectors.u.clone().into_dyn(), vectors.v.clone().into_dyn());
        Normalized::new(*self, Step { mode, ..Step::default() }, vec![borrow(weight), u.into(), v.into()])
    }

    /// The matrix that a weight is taken as: h by w.
    fn extents(&self, shape: &[usize]) -> Result<[usize; 2], ShapeError> {
        if shape.len() < 2 {
            let (expected, got) = ("a weight of at least 2 axes".to_owned(), shape.to_vec());
            return Err(ShapeError::Input { op: NAME, input: 0, expected, got });
        }
        match shape.get(self.axis) {
            None => Err(ShapeError::Axis { op: NAME, axis: self.axis, shape: shape.to_vec() }),
            Some(&h) => {
                let others = shape.iter().enumerate().filter(|&(axis, _)| axis != self.axis);
                Ok([h, others.map(|(_, len)| len).product()])
            }
        }
    }

    /// The axis of the outputs first, then the others in their order.
    fn matrix<'a, F: Real>(&self, weight: View<'a, F>) -> View<'a, F> {
        let axes = weight.ndim();
        let order: Vec<usize> =
            std::iter::once(self.axis).chain((0..axes).filter(|&a| a != self.axis)).collect();
        weight.permuted_axes(order)
    }

    /// x ← x/max(‖x‖, ε).
    fn normalize<F: Real>(&self, x: &mut [F]) {
        let norm = sum_squares(x).sqrt().max(F::from_f64(self.epsilon));
        x.iter_mut().for_each(|x| *x /= norm);
    }

    /// One step of the power iteration on a matrix of rows as long as `v`.
    fn iterate<F: Real>(&self, matrix: &[F], u: &mut [F], v: &mut [F]) {
        if matrix.is_empty() {
            return;
        }
        for (u, row) in u.iter_mut().zip(matrix.chunks_exact(v.len())) {
            *u = dot(row, v);
        }
        self.normalize(u);
        v.fill(F::zero());
        for (&u, row) in u.iter().zip(matrix.chunks_exact(v.len())) {
            dispatch(
                #[inline(always)]
                || v.iter_mut().zip(row).for_each(|(v, w)| *v += u * *w),
            );
        }
        self.normalize(v);
    }
}

impl<F: Real> Op<F> for SpectralNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let &[weight, u, v] = inputs else {
            return Err(ShapeError::Arity { op: NAME, expected: 3, got: inputs.len() });
        };
        let [h, w] = self.extents(weight)?;
        for (input, got, wanted) in [(1, u, h), (2, v, w)] {
            if got != [wanted] {
                let (expected, got) = (format!("a vector of {wanted} elements"), got.to_vec());
                return Err(ShapeError::Input { op: NAME, input, expected, got });
            }
        }
        Ok(Outline::new(weight, 3).saved(h + w + 1).reads_inputs(&[0, 1, 2]).moves(&[1, 2]))
    }

    /// Saves u, v and σ.
    fn forward(
        &self,
        step: &Step,
        inputs: &[View<'_, F>],
        mut output: ViewMut<'_, F>,
        memory: Memory<'_, F>,
    ) {
        let (u, rest) = memory.saved.split_at_mut(inputs[1].len());
        let (v, sigma) = rest.split_at_mut(inputs[2].len());
        u.iter_mut().zip(&inputs[1]).for_each(|(to, &from)| *to = from);
        v.iter_mut().zip(&inputs[2]).for_each(|(to, &from)| *to = from);
        sigma[0] = F::zero();
        if inputs[0].is_empty() {
            return;
        }
        let matrix = self.matrix(inputs[0].view());
        let matrix = standard(&matrix);
        let matrix = elements(&matrix);
        if step.mode == Mode::Train {
            (0..self.iterations).for_each(|_| self.iterate(matrix, u, v));
        }
        sigma[0] = u.iter().zip(matrix.chunks_exact(v.len())).map(|(&u, row)| u * dot(row, v)).sum();
        let sigma = sigma[0];
        output.zip_mut_with(&inputs[0], |y, &w| *y = w / sigma);
    }

    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let (weight, old) = (io.input(0), [io.input(1), io.input(2)]);
        let (u, rest) = memory.saved.split_at(old[0].len());
        let (v, sigma) = rest.split_at(old[1].len());
        let dy = self.matrix(d_output);
        if let (Some((dw, accumulate)), false) = (d_inputs[0].target(), weight.is_empty()) {
            let inverse = F::one() / sigma[0];
            let (w, dy) = (self.matrix(weight), standard(&dy));
            let along = dot(elements(&standard(&w)), elements(&dy)) * inverse;
            let order: Vec<usize> =
                std::iter::once(self.axis).chain((0..w.ndim()).filter(|&a| a != self.axis)).collect();
            let mut dw = dw.permuted_axes(order);
            let rows = dw.axis_iter_mut(Axis(0)).zip(elements(&dy).chunks_exact(v.len())).zip(u);
            for ((mut dw, dy), &u) in rows {
                let factor = u * along;
                for ((to, &dy), &v) in dw.iter_mut().zip(dy).zip(v) {
                    let gradient = (dy - factor * v) * inverse;
                    *to = if accumulate { *to + gradient } else { gradient };
                }
            }
        }
        for (i, (new, old)) in [u, v].into_iter().zip(&old).enumerate() {
            let old: Vec<F> = old.iter().copied().collect();
            let moved = step.mode == Mode::Train;
            write_each(&mut d_inputs[i + 1], |k| if moved { old[k] - new[k] } else { F::zero() });
        }
    }
}
