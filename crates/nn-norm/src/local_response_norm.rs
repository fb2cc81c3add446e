//! Local response normalisation.

use ndarray::{ArrayRef, Dimension, Ix0};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range,
};
use nn_ops::simd::dispatch;

use crate::channels::Channels;
use crate::eager::{Normalized, borrow};
use crate::kernel::{elements, join, standard, write_gradient, write_or_add, write_output};
use crate::row_op::first_input;

const NAME: &str = "local_response_norm";

/// Local response normalisation across channels, as `torch.nn.LocalResponseNorm`.
///
/// y_c = x_c/D_c^β with D_c = k + α/n·Σ x_j² over the channels j from c − ⌊n/2⌋ to c + ⌊(n−1)/2⌋ that exist, at the same
/// position of the same case. The sum is divided by n at the borders too.
///
/// - Input: x `[N, C, …]`. Output: the shape of x.
/// - Gradient: dx_i = dy_i/D_i^β − (2αβ/n)·x_i·Σ dy_j·x_j/D_j^(β+1) over the channels j in whose window i lies.
/// - `size`: n, at least 1. `alpha`: α, 1e-4 by default, in [0, ∞). `beta`: β, 0.75 by default, in [0, ∞). `k`: 1 by
///   default, in [0, ∞).
///
/// The paper does not divide by n, and takes k = 2, n = 5, α = 1e-4, β = 0.75: here α = 5e-4. With k = 0, a window of
/// zeros gives NaN (0/0). NaN reaches the channels in whose window it lies, an infinity makes itself NaN and these
/// channels 0. No cases, channels or positions give an empty output.
///
/// ```
/// use ndarray::array;
/// use nn_norm::LocalResponseNorm;
///
/// let norm = LocalResponseNorm::new(3).unwrap().alpha(3.0).unwrap().beta(0.5).unwrap().k(0.0).unwrap();
/// let y = norm.forward(&array![[[3.0], [4.0], [12.0]]]).unwrap().output;
/// let expected = array![[[3.0 / 5.0], [4.0 / 13.0], [12.0 / 160f64.sqrt()]]];
/// assert!((y - expected).iter().all(|d| d.abs() < 1e-15));
/// ```
///
/// # Source
/// Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks", section 3.3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
}

impl LocalResponseNorm {
    /// Over windows of so many channels.
    ///
    /// # Errors
    /// When `size` is 0.
    pub fn new(size: usize) -> Result<Self, RangeError> {
        check_range("LocalResponseNorm", "size", size as f64, "[1, ∞)", size >= 1)?;
        Ok(LocalResponseNorm { size, alpha: 1e-4, beta: 0.75, k: 1.0 })
    }

    /// With another α.
    ///
    /// # Errors
    /// When `alpha` is negative, infinite or NaN.
    pub fn alpha(self, alpha: f64) -> Result<Self, RangeError> {
        Ok(LocalResponseNorm { alpha: not_negative("alpha", alpha)?, ..self })
    }

    /// With another β.
    ///
    /// # Errors
    /// When `beta` is negative, infinite or NaN.
    pub fn beta(self, beta: f64) -> Result<Self, RangeError> {
        Ok(LocalResponseNorm { beta: not_negative("beta", beta)?, ..self })
    }

    /// With another k.
    ///
    /// # Errors
    /// When `k` is negative, infinite or NaN.
    pub fn k(self, k: f64) -> Result<Self, RangeError> {
        Ok(LocalResponseNorm { k: not_negative("k", k)?, ..self })
    }

    /// The number of channels n that are summed over.
    pub fn size(&self) -> usize {
        self.size
    }

    /// α.
    pub fn get_alpha(&self) -> f64 {
        self.alpha
    }

    /// β.
    pub fn get_beta(&self) -> f64 {
        self.beta
    }

    /// k.
    pub fn get_k(&self) -> f64 {
        self.k
    }

    /// Normalises a plain array.
    ///
    /// # Errors
    /// When x has fewer than 2 axes.
    pub fn forward<'a, F: Real, D: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
    ) -> Result<Normalized<'a, F, D, Ix0, 0>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(x)])
    }
}

fn not_negative(field: &'static str, value: f64) -> Result<f64, RangeError> {
    check_range("LocalResponseNorm", field, value, "[0, ∞)", value >= 0.0 && value.is_finite())?;
    Ok(value)
}

/// D^(−β).
#[inline(always)]
fn power<F: Real>(divisor: F, beta: F) -> F {
    (-beta * divisor.ln()).exp()
}

/// The channels, of so many, from `before` before channel `c` to `after` behind it.
fn window(c: usize, channels: usize, before: usize, after: usize) -> std::ops::Range<usize> {
    c.saturating_sub(before)..channels.min(c.saturating_add(after).saturating_add(1))
}

impl LocalResponseNorm {
    fn cases_forward<F: Real>(self, x: Channels<'_, F>, divisor: &mut [F], y: &mut [F]) {
        if x.batch > 1 {
            let at = x.batch / 2;
            let cut = at * x.channels * x.inner;
            let (x0, x1) = halves(x, at);
            let ((divisor0, divisor1), (y0, y1)) = (divisor.split_at_mut(cut), y.split_at_mut(cut));
            return join(
                x.values.len(),
                || self.cases_forward(x0, divisor0, y0),
                || self.cases_forward(x1, divisor1, y1),
            );
        }
        let [alpha, beta, k] = [self.alpha / self.size as f64, self.beta, self.k].map(F::from_f64);
        dispatch(
            #[inline(always)]
            || {
                for c in 0..x.channels {
                    let own = c * x.inner..(c + 1) * x.inner;
                    let divisor = &mut divisor[own.clone()];
                    divisor.fill(F::zero());
                    for j in window(c, x.channels, self.size / 2, (self.size - 1) / 2) {
                        for (sum, x) in divisor.iter_mut().zip(&x.values[j * x.inner..]) {
                            *sum += *x * *x;
                        }
                    }
                    for ((y, x), divisor) in y[own.clone()].iter_mut().zip(&x.values[own]).zip(divisor) {
                        *divisor = *divisor * alpha + k;
                        *y = *x * power(*divisor, beta);
                    }
                }
            },
        );
    }

    fn cases_backward<F: Real>(
        self,
        x: Channels<'_, F>,
        dy: &[F],
        divisor: &[F],
        ratio: &mut [F],
        dx: &mut [F],
        accumulate: bool,
    ) {
        if x.batch > 1 {
            let at = x.batch / 2;
            let cut = at * x.channels * x.inner;
            let ((x0, x1), (dy0, dy1)) = (halves(x, at), dy.split_at(cut));
            let (divisor0, divisor1) = divisor.split_at(cut);
            let ((ratio0, ratio1), (dx0, dx1)) = (ratio.split_at_mut(cut), dx.split_at_mut(cut));
            return join(
                x.values.len(),
                || self.cases_backward(x0, dy0, divisor0, ratio0, dx0, accumulate),
                || self.cases_backward(x1, dy1, divisor1, ratio1, dx1, accumulate),
            );
        }
        let beta = F::from_f64(self.beta);
        let factor = F::from_f64(-2.0 * self.alpha * self.beta / self.size as f64);
        dispatch(
            #[inline(always)]
            || {
                let len = ratio.len();
                let (x_all, dy, divisor, dx) =
                    (&x.values[..len], &dy[..len], &divisor[..len], &mut dx[..len]);
                for i in 0..len {
                    let direct = dy[i] * power(divisor[i], beta);
                    ratio[i] = direct * x_all[i] / divisor[i];
                    dx[i] = if accumulate { dx[i] + direct } else { direct };
                }
                for c in 0..x.channels {
                    let own = c * x.inner..(c + 1) * x.inner;
                    for j in window(c, x.channels, (self.size - 1) / 2, self.size / 2) {
                        let (x, ratio) = (&x_all[own.clone()], &ratio[j * x.inner..(j + 1) * x.inner]);
                        write_or_add(
                            &mut dx[own.clone()],
                            true,
                            #[inline(always)]
                            |i: usize| factor * x[i] * ratio[i],
                        );
                    }
                }
            },
        );
    }
}

/// The cases before `at`, and the others.
fn halves<'a, F: Real>(x: Channels<'a, F>, at: usize) -> (Channels<'a, F>, Channels<'a, F>) {
    let (a, b) = x.values.split_at(at * x.channels * x.inner);
    (Channels { values: a, batch: at, ..x }, Channels { values: b, batch: x.batch - at, ..x })
}

impl<F: Real> Op<F> for LocalResponseNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let shape = first_input(NAME, 1, inputs)?;
        if shape.len() < 2 {
            let (expected, got) = ("an array [N, C, …]".to_owned(), shape.to_vec());
            return Err(ShapeError::Input { op: NAME, input: 0, expected, got });
        }
        let len = shape.iter().product();
        Ok(Outline::new(shape, 1).saved(len).scratch(len).reads_inputs(&[0]))
    }

    /// Saves D.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        if inputs[0].is_empty() {
            return;
        }
        let x = standard(&inputs[0]);
        let x = Channels::new(elements(&x), x.shape());
        write_output(output, |y| self.cases_forward(x, memory.saved, y));
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        if d_output.is_empty() {
            return;
        }
        let x = io.input(0);
        let (x, dy) = (standard(&x), standard(&d_output));
        let x = Channels::new(elements(&x), x.shape());
        write_gradient(&mut d_inputs[0], |dx| {
            if let Some((dx, accumulate)) = dx {
                self.cases_backward(x, elements(&dy), memory.saved, memory.scratch, dx, accumulate);
            }
        });
    }
}
