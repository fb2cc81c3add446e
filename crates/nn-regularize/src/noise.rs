//! Normal noise: multiplied as Gaussian dropout, or added.

use ndarray::{Array, ArrayRef, Dimension};
use nn_core::{
    Grad, Io, Memory, Mode, Op, Outline, RangeError, Real, ShapeError, Step, StreamRng, View, ViewMut,
    check_range,
};

use crate::mask::one_input;
use crate::normal::Normals;
use crate::stretches::{self, copy, map_grad, map_in_place};

/// Gaussian dropout: in training, each element is multiplied by normal noise of mean 1 and variance r/(1 − r).
///
/// yᵢ = xᵢ·(1 + σzᵢ) with σ = √(r/(1 − r)) and zᵢ from N(0, 1); ∂yᵢ/∂xᵢ = 1 + σzᵢ. In evaluation y = x. The noise has the
/// mean and the variance of the factor of [`Dropout`](crate::Dropout) with the same rate.
///
/// - Input and output: any one shape.
/// - `rate` r in \[0, 1); 0 is the identity.
/// - z is drawn with 32 bits: |z| is at most 6.34. NaN stays NaN, and infinite elements infinite.
///
/// # Source
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, "Dropout: a simple way to prevent neural networks
/// from overfitting", section 10; `keras.layers.GaussianDropout`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianDropout {
    rate: f64,
}

impl GaussianDropout {
    /// With the variance of dropout with this rate.
    ///
    /// # Errors
    /// When it is outside \[0, 1).
    pub fn new(rate: f64) -> Result<Self, RangeError> {
        check_range("GaussianDropout", "rate", rate, "[0, 1)", (0.0..1.0).contains(&rate))?;
        Ok(GaussianDropout { rate })
    }

    /// The rate r.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The standard deviation of the factor, √(r/(1 − r)).
    pub fn deviation(&self) -> f64 {
        (self.rate / (1.0 - self.rate)).sqrt()
    }

    /// The output for a plain array.
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, x: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, x)
    }

    /// The gradient with respect to the input, from that with respect to the output of [`apply`](Self::apply) at the
    /// same step.
    pub fn gradient<F: Real, D: Dimension>(&self, step: &Step, d_output: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::gradient(self, step, d_output)
    }

    fn pass<F: Real>(&self, step: &Step, x: &View<'_, F>, target: &mut Grad<'_, F>) {
        if step.mode == Mode::Eval {
            return copy(x, target);
        }
        let normals = Normals::new(&step.rng("gaussian_dropout"));
        let deviation = F::from_f64(self.deviation());
        map_grad(
            x,
            target,
            #[inline(always)]
            |first, x, y| {
                normals.map(
                    first,
                    x,
                    y,
                    #[inline(always)]
                    move |x, z| x * (F::one() + deviation * z),
                );
            },
        );
    }
}

/// Normal noise that is added to inputs or activations in training; to weights or gradients, in place, at any time.
///
/// yᵢ = xᵢ + σzᵢ with zᵢ from N(0, 1); ∂yᵢ/∂xᵢ = 1. In evaluation y = x.
///
/// - Input and output: any one shape.
/// - `deviation` σ in \[0, ∞); 0 is the identity.
/// - z is drawn with 32 bits: |z| is at most 6.34. NaN stays NaN, and infinite elements infinite.
///
/// ```
/// use ndarray::Array1;
/// use nn_core::{Step, Streams};
/// use nn_regularize::GaussianNoise;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let noise = GaussianNoise::new(0.1)?;
/// let mut w = Array1::<f64>::zeros(10_000);
/// noise.add(&Streams::new(42).rng("weight noise", 7), &mut w);
/// assert!(w.mean().unwrap().abs() < 0.005 && (w.std(0.0) - 0.1).abs() < 0.005);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Bishop 1995, "Training with noise is equivalent to Tikhonov regularization"; on weights, Graves, Mohamed and Hinton
/// 2013, "Speech recognition with deep recurrent neural networks"; `keras.layers.GaussianNoise`. For noise on gradients
/// that fades with the steps see `GradientNoise` of `nn-optim`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNoise {
    deviation: f64,
}

impl GaussianNoise {
    /// With this standard deviation.
    ///
    /// # Errors
    /// When it is outside \[0, ∞).
    pub fn new(deviation: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&deviation);
        check_range("GaussianNoise", "deviation", deviation, "[0, ∞)", inside)?;
        Ok(GaussianNoise { deviation })
    }

    /// The standard deviation σ.
    pub fn deviation(&self) -> f64 {
        self.deviation
    }

    /// The output for a plain array.
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, x: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, x)
    }

    /// Adds noise from the beginning of this stream to an array in place, such as a weight or its gradient.
    pub fn add<F: Real, D: Dimension>(&self, rng: &StreamRng, w: &mut ArrayRef<F, D>) {
        let (normals, deviation) = (Normals::new(rng), F::from_f64(self.deviation));
        map_in_place(
            w.view_mut().into_dyn(),
            #[inline(always)]
            |first, x, y| add_noise(normals, deviation, first, x, y),
        );
    }
}

#[inline(always)]
fn add_noise<F: Real>(normals: Normals, deviation: F, first: usize, x: &[F], y: &mut [F]) {
    normals.map(
        first,
        x,
        y,
        #[inline(always)]
        move |x, z| x + deviation * z,
    );
}

impl<F: Real> Op<F> for GaussianDropout {
    fn name(&self) -> &'static str {
        "gaussian_dropout"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(one_input("gaussian_dropout", inputs)?, 1))
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        self.pass(step, &inputs[0], &mut Grad::Overwrite(output));
    }

    fn backward(
        &self,
        step: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        self.pass(step, &d_output, &mut d_inputs[0]);
    }
}

impl<F: Real> Op<F> for GaussianNoise {
    fn name(&self) -> &'static str {
        "gaussian_noise"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(one_input("gaussian_noise", inputs)?, 1))
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let output = &mut Grad::Overwrite(output);
        if step.mode == Mode::Eval {
            return copy(&inputs[0], output);
        }
        let normals = Normals::new(&step.rng("gaussian_noise"));
        let deviation = F::from_f64(self.deviation);
        map_grad(
            &inputs[0],
            output,
            #[inline(always)]
            |first, x, y| add_noise(normals, deviation, first, x, y),
        );
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        copy(&d_output, &mut d_inputs[0]);
    }
}
