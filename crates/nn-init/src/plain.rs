//! Initialisers that do not look at the shape.

use nn_core::{RangeError, StreamRng, check_range};

use crate::Initializer;
use crate::draw::{standard_normal, unit};
use crate::initializer::each;

/// All elements zero, of any shape: biases. Source: `torch.nn.init.zeros_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zeros;

impl Initializer for Zeros {
    #[track_caller]
    fn draw(&self, shape: &[usize], _rng: &mut StreamRng, out: &mut [f64]) {
        each(shape, out, || 0.0);
    }
}

/// All elements one, of any shape: the scales of a normalisation. Source: `torch.nn.init.ones_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ones;

impl Initializer for Ones {
    #[track_caller]
    fn draw(&self, shape: &[usize], _rng: &mut StreamRng, out: &mut [f64]) {
        each(shape, out, || 1.0);
    }
}

/// All elements equal to one finite value, of any shape. Source: `torch.nn.init.constant_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant {
    value: f64,
}

impl Constant {
    /// With this value, which must be finite.
    ///
    /// # Errors
    /// When it is not.
    pub fn new(value: f64) -> Result<Self, RangeError> {
        check_finite("Constant", "value", value)?;
        Ok(Constant { value })
    }

    /// With a value that is known to be finite.
    pub(crate) fn known(value: f64) -> Self {
        Constant { value }
    }
}

impl Initializer for Constant {
    #[track_caller]
    fn draw(&self, shape: &[usize], _rng: &mut StreamRng, out: &mut [f64]) {
        each(shape, out, || self.value);
    }
}

/// The normal distribution N(µ, σ²), with density exp(−(w − µ)²/2σ²)/(σ√2π), on weights of any shape.
///
/// µ in (−∞, ∞), σ in [0, ∞). Source: `torch.nn.init.normal_`.
///
/// The default is the standard normal distribution, µ = 0 and σ = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    mean: f64,
    std: f64,
}

impl Normal {
    /// With mean µ, in (−∞, ∞), and standard deviation σ, in [0, ∞).
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn new(mean: f64, std: f64) -> Result<Self, RangeError> {
        check_finite("Normal", "mean", mean)?;
        check_range("Normal", "std", std, "[0, ∞)", (0.0..f64::INFINITY).contains(&std))?;
        Ok(Normal { mean, std })
    }

    /// With mean 0 and a standard deviation that is known to be sound.
    pub(crate) fn centred(std: f64) -> Self {
        Normal { mean: 0.0, std }
    }
}

impl Default for Normal {
    fn default() -> Self {
        Normal { mean: 0.0, std: 1.0 }
    }
}

impl Initializer for Normal {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        each(shape, out, || self.mean + self.std * standard_normal(rng));
    }
}

/// The uniform distribution between two bounds, of mean (low + high)/2 and variance (high − low)²/12, on weights of any
/// shape.
///
/// Both bounds are finite, and `low` ≤ `high`. Source: `torch.nn.init.uniform_`.
///
/// The default is from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniform {
    low: f64,
    high: f64,
}

impl Uniform {
    /// From `low`, in (−∞, ∞), to `high`, in [low, ∞).
    ///
    /// # Errors
    /// When one of them is out of its range.
    pub fn new(low: f64, high: f64) -> Result<Self, RangeError> {
        check_finite("Uniform", "low", low)?;
        check_range("Uniform", "high", high, "[low, ∞)", (low..f64::INFINITY).contains(&high))?;
        Ok(Uniform { low, high })
    }
}

impl Default for Uniform {
    fn default() -> Self {
        Uniform { low: 0.0, high: 1.0 }
    }
}

impl Initializer for Uniform {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        each(shape, out, || {
            let u = unit(rng);
            self.low * (1.0 - u) + self.high * u
        });
    }
}

pub(crate) fn check_finite(owner: &'static str, field: &'static str, value: f64) -> Result<(), RangeError> {
    check_range(owner, field, value, "(-∞, ∞)", value.is_finite())
}
