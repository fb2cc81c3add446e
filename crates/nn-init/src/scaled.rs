//! Initialisers whose variance depends on the fans of the weight.

use nn_core::{RangeError, StreamRng, check_range};

use crate::draw::{standard_normal, unit};
use crate::initializer::each;
use crate::{Fans, Gain, Initializer};

/// The family of distributions with mean 0; the standard deviation comes from the fans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Uniform,
    Normal,
}

impl Family {
    /// Draws with standard deviation `std`; that of a uniform distribution on ±b is b/√3.
    #[track_caller]
    fn draw(self, std: f64, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        match self {
            Family::Uniform => {
                let bound = 3.0f64.sqrt() * std;
                each(shape, out, || bound * (2.0 * unit(rng) - 1.0));
            }
            Family::Normal => each(shape, out, || std * standard_normal(rng)),
        }
    }
}

#[track_caller]
fn fans(shape: &[usize]) -> Fans {
    Fans::of(shape).unwrap_or_else(|e| panic!("{e}"))
}

/// Xavier or Glorot initialisation: the variance is gain²·2/(fan_in + fan_out).
///
/// Uniform: bound gain·√(6/(fan_in + fan_out)). Normal: σ = gain·√(2/(fan_in + fan_out)). The gain is
/// [`Gain::Linear`], 1, unless set. The formulas are those of PyTorch's `xavier_uniform_` and `xavier_normal_`; Keras
/// truncates its `GlorotNormal` at two standard deviations.
///
/// # Source
/// Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equation 16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xavier {
    family: Family,
    gain: Gain,
}

impl Xavier {
    /// Uniformly distributed.
    pub fn uniform() -> Self {
        Xavier { family: Family::Uniform, gain: Gain::Linear }
    }

    /// Normally distributed.
    pub fn normal() -> Self {
        Xavier { family: Family::Normal, gain: Gain::Linear }
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
        self.family.draw(std, shape, rng, out);
    }
}

/// He or Kaiming initialisation: the variance is gain²/fan.
///
/// Uniform: bound gain·√(3/fan). Normal: σ = gain/√fan. The gain is [`Gain::Relu`], √2, and the fan is fan_in (which
/// keeps the variance of the forward pass) unless set. The formulas and defaults are those of PyTorch's
/// `kaiming_uniform_` and `kaiming_normal_`; Keras truncates its `HeNormal` at two standard deviations.
///
/// # Source
/// He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers", equations 10 and 14.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct He {
    family: Family,
    gain: Gain,
    by_fan_out: bool,
}

impl He {
    /// Uniformly distributed.
    pub fn uniform() -> Self {
        He { family: Family::Uniform, gain: Gain::Relu, by_fan_out: false }
    }

    /// Normally distributed.
    pub fn normal() -> Self {
        He { family: Family::Normal, ..He::uniform() }
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
        He { by_fan_out: true, ..self }
    }
}

impl Initializer for He {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let Fans { fan_in, fan_out } = fans(shape);
        let fan = if self.by_fan_out { fan_out } else { fan_in };
        let std = self.gain.value() / (fan as f64).sqrt();
        self.family.draw(std, shape, rng, out);
    }
}

/// LeCun initialisation: the variance is 1/fan_in.
///
/// Uniform: bound √(3/fan_in). Normal: σ = 1/√fan_in. The normal form is the one for self-normalising networks with
/// SELU. Keras truncates its `LecunNormal` at two standard deviations.
///
/// # Source
/// LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp", equation 16; Klambauer, Unterthiner, Mayr and Hochreiter
/// 2017, "Self-normalizing neural networks".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeCun {
    family: Family,
}

impl LeCun {
    /// Uniformly distributed.
    pub fn uniform() -> Self {
        LeCun { family: Family::Uniform }
    }

    /// Normally distributed.
    pub fn normal() -> Self {
        LeCun { family: Family::Normal }
    }
}

impl Initializer for LeCun {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        let std = 1.0 / (fans(shape).fan_in as f64).sqrt();
        self.family.draw(std, shape, rng, out);
    }
}

/// Uniform on ±1/√fan_in: what PyTorch gives its linear and convolution layers by default, weight and bias.
///
/// PyTorch writes it `kaiming_uniform_(a=√5)`. A bias does not know its fan: take [`FanInUniform::of`], with the
/// fan_in of its weight.
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
