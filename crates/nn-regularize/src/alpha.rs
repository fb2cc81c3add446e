//! Dropout that keeps the mean 0 and the variance 1 of self-normalising networks.

use ndarray::{Array, ArrayRef, Dimension};
use nn_core::{Grad, Io, Memory, Mode, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut};

use crate::grouped::{CHANNEL, CHANNELS};
use crate::mask::{Mask, Rate, by_group, one_input};
use crate::stretches::{self, copy, map_grad};

/// −λα of SELU, the value to which it falls for large negative inputs.
const SATURATED: f64 = -1.758_099_340_847_376_6;

/// Alpha dropout, for SELU: in training, an element becomes α′ = −1.758… with probability r, and then all are moved and
/// scaled so that mean 0 and variance 1 are kept.
///
/// yᵢ = a·(xᵢmᵢ + α′(1 − mᵢ)) + b with q = 1 − r, a = 1/√(q(1 + rα′²)), b = −a·r·α′; ∂yᵢ/∂xᵢ = a·mᵢ. In evaluation
/// y = x.
///
/// - Input and output: any one shape.
/// - `rate` r in \[0, 1\]: 0 is the identity, 1 gives zeros, as in PyTorch. It is rounded to a multiple of 2⁻¹⁶ as that
///   of [`Dropout`](crate::Dropout); a and b are those of the rounded rate.
/// - A dropped element is a·α′ + b whatever it was, also where it was infinite or NaN.
///
/// ```
/// use nn_regularize::AlphaDropout;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (a, b) = AlphaDropout::new(0.5)?.coefficients();
/// assert!((a - 0.8864053).abs() < 1e-6 && (b - 0.7791944).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Klambauer, Unterthiner, Mayr and Hochreiter 2017, "Self-normalizing neural networks", section "New dropout
/// technique"; `torch.nn.AlphaDropout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlphaDropout {
    rate: Rate,
}

impl AlphaDropout {
    /// Drops with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn new(rate: f64) -> Result<Self, RangeError> {
        Ok(AlphaDropout { rate: Rate::new("AlphaDropout", "rate", rate)? })
    }

    /// The probability with which an element is dropped, a multiple of 2⁻¹⁶.
    pub fn rate(&self) -> f64 {
        self.rate.drop()
    }

    /// The scale a and the shift b; both 0 for a rate of 1.
    pub fn coefficients(&self) -> (f64, f64) {
        coefficients(self.rate)
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
}

/// [`AlphaDropout`] of whole channels: y = a·x + b in those that are kept, a·α′ + b in those that are dropped, with the
/// a, b and α′ of [`AlphaDropout`]; ∂y/∂x = a and 0. In evaluation y = x.
///
/// - Input and output: `[samples, channels, …]`.
/// - `rate` in \[0, 1\], default, resolution, and what becomes of NaN, as for [`AlphaDropout`].
///
/// # Source
/// `torch.nn.FeatureAlphaDropout`; Klambauer, Unterthiner, Mayr and Hochreiter 2017, "Self-normalizing neural networks".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeatureAlphaDropout {
    rate: Rate,
}

impl FeatureAlphaDropout {
    /// Drops channels with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn new(rate: f64) -> Result<Self, RangeError> {
        Ok(FeatureAlphaDropout { rate: Rate::new("FeatureAlphaDropout", "rate", rate)? })
    }

    /// The probability with which a channel is dropped, a multiple of 2⁻¹⁶.
    pub fn rate(&self) -> f64 {
        self.rate.drop()
    }

    /// The scale a and the shift b; both 0 for a rate of 1.
    pub fn coefficients(&self) -> (f64, f64) {
        coefficients(self.rate)
    }

    /// The output for a plain array.
    ///
    /// # Panics
    /// When it has fewer than two axes.
    #[track_caller]
    pub fn apply<F: Real, D: Dimension>(&self, step: &Step, x: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::apply(self, step, x)
    }

    /// The gradient with respect to the input, from that with respect to the output of [`apply`](Self::apply) at the
    /// same step.
    ///
    /// # Panics
    /// When it has fewer than two axes.
    #[track_caller]
    pub fn gradient<F: Real, D: Dimension>(&self, step: &Step, d_output: &ArrayRef<F, D>) -> Array<F, D> {
        stretches::gradient(self, step, d_output)
    }
}

fn coefficients(rate: Rate) -> (f64, f64) {
    if rate.drops_all() {
        return (0.0, 0.0);
    }
    let (drop, keep) = (rate.drop(), rate.keep());
    let a = 1.0 / (keep * (1.0 + drop * SATURATED * SATURATED)).sqrt();
    (a, -a * drop * SATURATED)
}

/// A kept element becomes `scale`·x + `shift`, a dropped one `dropped`.
#[derive(Clone, Copy)]
struct Affine<F> {
    scale: F,
    shift: F,
    dropped: F,
}

impl<F: Real> Affine<F> {
    fn of_values(rate: Rate) -> Self {
        let (a, b) = coefficients(rate);
        Affine { scale: F::from_f64(a), shift: F::from_f64(b), dropped: F::from_f64(a * SATURATED + b) }
    }

    fn of_gradients(rate: Rate) -> Self {
        Affine { scale: F::from_f64(coefficients(rate).0), shift: F::zero(), dropped: F::zero() }
    }

    #[inline(always)]
    fn kept(self, x: F) -> F {
        self.scale * x + self.shift
    }

    /// Element by element.
    fn elements(self, mask: Mask, x: &View<'_, F>, target: &mut Grad<'_, F>) {
        map_grad(
            x,
            target,
            #[inline(always)]
            |first, x, y| {
                mask.select(
                    first,
                    x,
                    y,
                    #[inline(always)]
                    move |x| self.kept(x),
                    self.dropped,
                );
            },
        );
    }

    /// Channel by channel; `keep` has room for all of them.
    fn channels(self, mask: Mask, x: &View<'_, F>, target: &mut Grad<'_, F>, keep: &mut [F]) {
        if x.is_empty() {
            return;
        }
        let (groups, inner) = CHANNEL.groups(x.shape());
        mask.fill(&mut keep[..groups]);
        let keep = &*keep;
        map_grad(
            x,
            target,
            #[inline(always)]
            |first, x, y| {
                by_group(
                    first,
                    inner,
                    keep,
                    x,
                    y,
                    #[inline(always)]
                    move |x, kept| if kept { self.kept(x) } else { self.dropped },
                );
            },
        );
    }
}

impl<F: Real> Op<F> for AlphaDropout {
    fn name(&self) -> &'static str {
        "alpha_dropout"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(one_input("alpha_dropout", inputs)?, 1))
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let output = &mut Grad::Overwrite(output);
        if step.mode == Mode::Eval {
            return copy(&inputs[0], output);
        }
        let mask = Mask::new(&step.rng("alpha_dropout"), self.rate);
        Affine::of_values(self.rate).elements(mask, &inputs[0], output);
    }

    fn backward(
        &self,
        step: &Step,
        _: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        if step.mode == Mode::Eval {
            return copy(&d_output, &mut d_inputs[0]);
        }
        let mask = Mask::new(&step.rng("alpha_dropout"), self.rate);
        Affine::of_gradients(self.rate).elements(mask, &d_output, &mut d_inputs[0]);
    }
}

impl<F: Real> Op<F> for FeatureAlphaDropout {
    fn name(&self) -> &'static str {
        "feature_alpha_dropout"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let shape = one_input("feature_alpha_dropout", inputs)?;
        Ok(Outline::new(shape, 1).scratch(CHANNEL.check("feature_alpha_dropout", CHANNELS, shape)?))
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let output = &mut Grad::Overwrite(output);
        if step.mode == Mode::Eval {
            return copy(&inputs[0], output);
        }
        let mask = Mask::new(&step.rng("feature_alpha_dropout"), self.rate);
        Affine::of_values(self.rate).channels(mask, &inputs[0], output, memory.scratch);
    }

    fn backward(
        &self,
        step: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        if step.mode == Mode::Eval {
            return copy(&d_output, &mut d_inputs[0]);
        }
        let mask = Mask::new(&step.rng("feature_alpha_dropout"), self.rate);
        Affine::of_gradients(self.rate).channels(mask, &d_output, &mut d_inputs[0], memory.scratch);
    }
}
