//! Initialisers whose variance depends on the fans of the weight.

use nn_core::{RangeError, StreamRng, check_range};

use crate::draw::{standard_normal, unit};
use crate::initializer::each;
use crate::truncated::{Interval, STD_AT_TWO_SIGMA};
use crate::{Fans, Gain, Initializer};

/// The distribution of weights with mean 0 whose standard deviation comes from the fans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// Uniform on ±√3·σ.
    Uniform,
    /// Normal, N(0, σ²).
    Normal,
    /// Normal, truncated at two of its standard deviations and widened so that σ is what is left:
    /// N(0, (σ/0.8796)²) on ±2σ/0.8796. The default of Keras and JAX.
    TruncatedNormal,
}

impl Distribution {
    /// Draws with standard deviation `std`; that of a uniform distribution on ±b is b/√3.
    #[track_caller]
    fn draw(self, std: f64, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        match self {
            Distribution::Uniform => {
                let bound = 3.0f64.sqrt() * std;
                each(shape, out, || bound * (2.0 * unit(rng) - 1.0));
            }
            Distribution::Normal => each(shape, out, || std * standard_normal(rng)),
            Distribution::TruncatedNormal => {
                let (interval, std) = (Interval::new(-2.0, 2.0), std / STD_AT_TWO_SIGMA);
                each(shape, out, || std * interval.draw(rng));
            }
        }
    }
}

/// What variance scaling divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FanMode {
    /// fan_in, which keeps the variance of the forward pass.
    FanIn,
    /// fan_out, which keeps the variance of the backward pass.
    FanOut,
    /// (fan_in + fan_out)/2.
    FanAvg,
    /// √(fan_in·fan_out).
    FanGeoAvg,
}

impl FanMode {
    fn of(self, Fans { fan_in, fan_out }: Fans) -> f64 {
        let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
        match self {
            FanMode::FanIn => fan_in,
            FanMode::FanOut => fan_out,
            FanMode::FanAvg => (fan_in + fan_out) / 2.0,
            FanMode::FanGeoAvg => (fan_in * fan_out).sqrt(),
        }
    }
}

/// Variance scaling: the variance is scale/n, where n is one of the fans or a mean of them.
///
/// σ = √(scale/n). [`Xavier`], [`He`] and [`LeCun`] are the cases that have names.
///
/// ```
/// use ndarray::Array2;
/// use nn_core::Streams;
/// use nn_init::{Distribution, FanMode, He, InitializerExt, VarianceScaling};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let scaling = VarianceScaling::new(2.0, FanMode::FanIn, Distribution::Normal)?;
/// let streams = Streams::new(1);
/// let (w, he): (Array2<f32>, Array2<f32>) =
///     (scaling.array([8, 50], &streams, "w"), He::normal().array([8, 50], &streams, "w"));
/// assert_eq!(w, he);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Keras `VarianceScaling`, JAX `variance_scaling`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VarianceScaling {
    scale: f64,
    mode: FanMode,
    distribution: Distribution,
}

impl VarianceScaling {
    /// With a scale in (0, ∞).
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn new(scale: f64, mode: FanMode, distribution: Distribution) -> Result<Self, RangeError> {
        check_range("VarianceScaling", "scale", scale, "(0, ∞)", scale > 0.0 && scale.is_finite())?;
        Ok(VarianceScaling { scale, mode, distribution })
    }
}

impl Default for VarianceScaling {
    /// Scale 1, fan_in, truncated normal: the defaults of Keras.
    fn default() -> Self {
        let (mode, distribution) = (FanMode::FanIn, Distribution::TruncatedNormal);
        VarianceScaling { scale: 1.0, mode, distribution }
    }
}

impl Initializer for VarianceScaling {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let std = self.scale.sqrt() / self.mode.of(fans(shape)).sqrt();
        self.distribution.draw(std, shape, rng, out);
    }
}

/// The fans of a shape.
#[track_caller]
pub(crate) fn fans(shape: &[usize]) -> Fans {
    Fans::of(shape).unwrap_or_else(|e| panic!("{e}"))
}

/// Xavier or Glorot initialisation: the variance is gain²·2/(fan_in + fan_out).
///
/// Uniform: bound gain·√(6/(fan_in + fan_out)). Normal: σ = gain·√(2/(fan_in + fan_out)). The gain is
/// [`Gain::Linear`], 1, unless set. The formulas are those of PyTorch's `xavier_uniform_` and `xavier_normal_`, the
/// truncated normal form is Keras's `GlorotNormal`.
///
/// # Source
/// Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equation 16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xavier {
    distribution: Distribution,
    gain: Gain,
}

impl Xavier {
    /// Uniformly distributed.
    pub fn uniform() -> Self {
        Xavier { distribution: Distribution::Uniform, gain: Gain::Linear }
    }

    /// Normally distributed.
    pub fn normal() -> Self {
        Xavier { distribution: Distribution::Normal, gain: Gain::Linear }
    }

    /// Normally distributed, truncated at two standard deviations; the variance is that after truncation, as in Keras.
    pub fn truncated_normal() -> Self {
        Xavier { distribution: Distribution::TruncatedNormal, gain: Gain::Linear }
    }

    /// Sets the gain, for the activation that follows.
    ///
    /// # Errors
    /// When a parameter of the gain is out of its range.
    pub fn gain(self, gain: Gain) -> Result<Self, RangeError> {
        gain.check("Xavier")?;
        Ok(Xavier { gain, ..self })
    }
}

impl Initializer for Xavier {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let Fans { fan_in, fan_out } = fans(shape);
        let std = self.gain.value() * (2.0 / (fan_in + fan_out) as f64).sqrt();
        self.distribution.draw(std, shape, rng, out);
    }
}

/// He or Kaiming initialisation: the variance is gain²/fan.
///
/// Uniform: bound gain·√(3/fan). Normal: σ = gain/√fan. The gain is [`Gain::Relu`], √2, and the fan is fan_in (which
/// keeps the variance of the forward pass) unless set. The formulas and defaults are those of PyTorch's
/// `kaiming_uniform_` and `kaiming_normal_`, the truncated normal form is Keras's `HeNormal`. Its slope a is
/// [`Gain::LeakyRelu`].
///
/// # Source
/// He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers", equations 10 and 14.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct He {
    distribution: Distribution,
    gain: Gain,
    mode: FanMode,
}

impl He {
    /// Uniformly distributed.
    pub fn uniform() -> Self {
        He { distribution: Distribution::Uniform, gain: Gain::Relu, mode: FanMode::FanIn }
    }

    /// Normally distributed.
    pub fn normal() -> Self {
        He { distribution: Distribution::Normal, ..He::uniform() }
    }

    /// Normally distributed, truncated at two standard deviations; the variance is that after truncation, as in Keras.
    pub fn truncated_normal() -> Self {
        He { distribution: Distribution::TruncatedNormal, ..He::uniform() }
    }

    /// Sets the gain, for the activation that follows.
    ///
    /// # Errors
    /// When a parameter of the gain is out of its range.
    pub fn gain(self, gain: Gain) -> Result<Self, RangeError> {
        gain.check("He")?;
        Ok(He { gain, ..self })
    }

    /// Takes fan_out, which keeps the variance of the backward pass.
    #[must_use]
    pub fn fan_out(self) -> Self {
        He { mode: FanMode::FanOut, ..self }
    }
}

impl Initializer for He {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let std = self.gain.value() / self.mode.of(fans(shape)).sqrt();
        self.distribution.draw(std, shape, rng, out);
    }
}

/// LeCun initialisation: the variance is 1/fan_in.
///
/// Uniform: bound √(3/fan_in). Normal: σ = 1/√fan_in. The normal form is the one for self-normalising networks with
/// SELU; the truncated normal form is Keras's `LecunNormal`.
///
/// # Source
/// LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp", equation 16; Klambauer, Unterthiner, Mayr and Hochreiter
/// 2017, "Self-normalizing neural networks".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeCun {
    distribution: Distribution,
}

impl LeCun {
    /// Uniformly distributed.
    pub fn uniform() -> Self {
        LeCun { distribution: Distribution::Uniform }
    }

    /// Normally distributed.
    pub fn normal() -> Self {
        LeCun { distribution: Distribution::Normal }
    }

    /// Normally distributed, truncated at two standard deviations; the variance is that after truncation, as in Keras.
    pub fn truncated_normal() -> Self {
        LeCun { distribution: Distribution::TruncatedNormal }
    }
}

impl Initializer for LeCun {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let std = 1.0 / (fans(shape).fan_in as f64).sqrt();
        self.distribution.draw(std, shape, rng, out);
    }
}

/// Uniform on ±1/√fan_in: what PyTorch gives its linear and convolution layers by default, weight and bias.
///
/// PyTorch writes it `kaiming_uniform_(a=√5)`. A bias does not know its fan: take [`FanInUniform::of`], with the
/// fan_in of its weight. Source: `reset_parameters` of `torch.nn.Linear`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FanInUniform {
    fan_in: Option<usize>,
}

impl FanInUniform {
    /// For weights, which have a fan_in of their own.
    pub fn new() -> Self {
        Self::default()
    }

    /// For a bias whose weight has this fan_in, in [1, ∞).
    ///
    /// # Errors
    /// When it is 0.
    pub fn of(fan_in: usize) -> Result<Self, RangeError> {
        check_range("FanInUniform", "fan_in", fan_in as f64, "[1, ∞)", fan_in >= 1)?;
        Ok(FanInUniform { fan_in: Some(fan_in) })
    }
}

impl Initializer for FanInUniform {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let fan_in = self.fan_in.unwrap_or_else(|| fans(shape).fan_in);
        let bound = 1.0 / (fan_in as f64).sqrt();
        each(shape, out, || bound * (2.0 * unit(rng) - 1.0));
    }
}
