//! The values that a hyperparameter can take, and the scale on which it is looked for.

use std::fmt;

use crate::{Distribution, Value};

/// The scale on which numbers are looked for: equal distances on it are equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// x itself.
    Linear,
    /// ln x: for what matters by its order of magnitude, such as a learning rate; x = 10^r.
    Log,
    /// ln(1 − x): for what matters by its distance to 1, such as momentum; 1 − x = 10^r.
    OneMinusLog,
}

impl Scale {
    /// Where a number stands on the scale. It grows with the number.
    pub fn forward(self, x: f64) -> f64 {
        match self {
            Scale::Linear => x,
            Scale::Log => x.ln(),
            Scale::OneMinusLog => -(-x).ln_1p(),
        }
    }

    /// The number that stands there.
    pub fn backward(self, y: f64) -> f64 {
        match self {
            Scale::Linear => y,
            Scale::Log => y.exp(),
            Scale::OneMinusLog => -(-y).exp_m1(),
        }
    }

    /// The number at a place between 0 and 1 of the way from one to another.
    fn between(self, low: f64, high: f64, u: f64) -> f64 {
        let [from, to] = [self.forward(low), self.forward(high)];
        match u {
            0.0 => low,
            1.0 => high,
            _ => self.backward(from + u * (to - from)).clamp(low, high),
        }
    }

    /// How much of the way from one number to another is behind a third: from 0 to 1.
    fn fraction(self, low: f64, high: f64, x: f64) -> f64 {
        let [from, to] = [self.forward(low), self.forward(high)];
        let u = (self.forward(x) - from) / (to - from);
        // Two large numbers can be one on a logarithmic scale.
        if u.is_nan() { 0.5 } else { u.clamp(0.0, 1.0) }
    }
}

/// The values that a hyperparameter can take.
///
/// A [`Space`](crate::Space) makes them, and checks their bounds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Domain {
    /// Numbers from `low` to `high`.
    Float {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
        /// The scale.
        scale: Scale,
        /// Only multiples of this above `low`.
        step: Option<f64>,
    },
    /// Whole numbers from `low` to `high`.
    Int {
        /// The lowest.
        low: i64,
        /// The highest, a multiple of `step` above `low`.
        high: i64,
        /// The scale: linear or logarithmic.
        scale: Scale,
        /// Only multiples of this above `low`. On a logarithmic scale, `low` is not below it.
        step: i64,
    },
    /// 2^`low`, …, 2^`high`, each equally likely.
    PowersOfTwo {
        /// The exponent of the lowest.
        low: u32,
        /// The exponent of the highest.
        high: u32,
    },
    /// One of these.
    Choice {
        /// The choices, all different.
        choices: Vec<Value>,
    },
}

impl Domain {
    /// How many values there are, unless they are a continuum.
    pub fn cardinality(&self) -> Option<u64> {
        match *self {
            Domain::Float { step: None, .. } => None,
            Domain::Float { low, high, step: Some(step), .. } => {
                Some((((high - low) / step).round() as u64).saturating_add(1))
            }
            Domain::Int { low, high, step, .. } => {
                Some((high.abs_diff(low) / step.unsigned_abs()).saturating_add(1))
            }
            Domain::PowersOfTwo { low, high } => Some(u64::from(high - low) + 1),
            Domain::Choice { ref choices } => Some(choices.len() as u64),
        }
    }

    /// The i-th value of one that is no continuum, counted from 0 at the lowest.
    ///
    /// A number in steps has no more decimals than `low` and `step` have: 0.3, not 0.30000000000000004.
    ///
    /// # Panics
    /// When the values are a continuum, or there are no more than `i`.
    #[track_caller]
    pub fn nth(&self, i: u64) -> Value {
        let count = self.cardinality().unwrap_or(0);
        assert!(i < count, "no value {i} in {self}");
        match *self {
            Domain::Float { high, .. } if i + 1 == count => Value::Float(high),
            Domain::Float { low, high, step, .. } => {
                let step = step.unwrap_or(0.0);
                let decimals = decimals(low).max(decimals(step));
                let x = low + step * i as f64;
                Value::Float(format!("{x:.decimals$}").parse().unwrap_or(x).clamp(low, high))
            }
            Domain::Int { low, step, .. } => Value::Int(low.wrapping_add_unsigned(i * step.unsigned_abs())),
            Domain::PowersOfTwo { low, .. } => Value::Int(1 << (u64::from(low) + i)),
            Domain::Choice { ref choices } => choices[i as usize].clone(),
        }
    }

    /// The value at a place between 0 and 1 of its scale: of a uniform draw, a draw of the domain.
    ///
    /// Each of several values has an equal part of the scale around it, so that linear whole numbers are equally
    /// likely; of whole numbers on a logarithmic scale, x has the part from x − ½ to x + ½ (of `step` 1). A place
    /// below 0 or above 1 counts as 0 or 1.
    ///
    /// # Panics
    /// When `u` is NaN.
    #[track_caller]
    pub fn from_unit(&self, u: f64) -> Value {
        assert!(!u.is_nan(), "a place between 0 and 1 of {self}, got NaN");
        let u = u.clamp(0.0, 1.0);
        match *self {
            Domain::Float { low, high, scale, step: None } => Value::Float(scale.between(low, high, u)),
            Domain::Int { low, high, scale: scale @ Scale::Log, step } => {
                let [from, to] = outer_bounds(low, high, step);
                let steps = ((scale.between(from, to, u) - low as f64) / step as f64).round() as u64;
                self.nth(steps.min(high.abs_diff(low) / step.unsigned_abs()))
            }
            _ => {
                let count = self.cardinality().unwrap_or(1);
                // Of very many values, the last is not a product.
                self.nth(if u < 1.0 { ((u * count as f64) as u64).min(count - 1) } else { count - 1 })
            }
        }
    }

    /// The place of a value between 0 and 1 of its scale, the middle of its part where there are several values:
    /// `from_unit` goes back, exactly where there are fewer than 2⁴⁰ values.
    ///
    /// A number between two steps, as another study may have it, has its place too. `None` for a value outside.
    pub fn to_unit(&self, value: &Value) -> Option<f64> {
        if let Domain::Choice { choices } = self {
            return Some((self.position(value)? as f64 + 0.5) / choices.len() as f64);
        }
        let x = value.as_f64()?;
        let [low, high] = self.bounds()?;
        if !(low..=high).contains(&x) {
            return None;
        }
        let count = self.cardinality().unwrap_or(1) as f64;
        Some(match *self {
            Domain::Float { scale, step: None, .. } => scale.fraction(low, high, x),
            Domain::Int { low, high, scale: Scale::Log, step } => {
                let [from, to] = outer_bounds(low, high, step);
                Scale::Log.fraction(from, to, x)
            }
            Domain::PowersOfTwo { .. } => ((x / low).log2() + 0.5) / count,
            // Whole numbers beyond 2⁵³ are told apart by their position.
            _ => match self.position(value) {
                Some(position) => (position as f64 + 0.5) / count,
                None => ((x - low) / (high - low) * (count - 1.0) + 0.5) / count,
            },
        })
    }

    /// The part between 0 and 1 of the scale that [`from_unit`](Domain::from_unit) takes to a value: from here to there.
    /// `None` for a value outside, and in a continuum, where a value is a point.
    pub fn part(&self, value: &Value) -> Option<[f64; 2]> {
        let position = self.position(value)? as f64;
        if let Domain::Int { low, high, scale: scale @ Scale::Log, step } = *self {
            let [from, to] = outer_bounds(low, high, step);
            let edge = |position: f64| scale.fraction(from, to, from + position * step as f64);
            return Some([edge(position), edge(position + 1.0)]);
        }
        let count = self.cardinality()? as f64;
        Some([position / count, (position + 1.0) / count])
    }

    /// The lowest and the highest of numbers; `None` of choices.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        match *self {
            Domain::Float { low, high, .. } => Some([low, high]),
            Domain::Int { low, high, .. } => Some([low as f64, high as f64]),
            Domain::PowersOfTwo { low, high } => Some([low, high].map(|power| (1_u64 << power) as f64)),
            Domain::Choice { .. } => None,
        }
    }

    /// Which of several values it is, counted from 0 at the lowest; `None` for one outside, or of a continuum.
    pub fn position(&self, value: &Value) -> Option<u64> {
        match *self {
            Domain::Float { low, high, step: Some(step), .. } => {
                let steps = (value.as_f64()? - low) / step;
                let inside = (0.0..=((high - low) / step).round()).contains(&steps.round());
                (inside && (steps - steps.round()).abs() <= STEP_TOLERANCE).then_some(steps.round() as u64)
            }
            Domain::Float { step: None, .. } => None,
            Domain::Int { low, high, step, .. } => {
                let x = value.as_i64()?;
                let inside = (low..=high).contains(&x) && x.abs_diff(low).is_multiple_of(step.unsigned_abs());
                inside.then(|| x.abs_diff(low) / step.unsigned_abs())
            }
            Domain::PowersOfTwo { low, high } => {
                let x = u64::try_from(value.as_i64()?).ok().filter(|x| x.is_power_of_two())?;
                (low..=high).contains(&x.ilog2()).then(|| u64::from(x.ilog2() - low))
            }
            Domain::Choice { ref choices } => {
                choices.iter().position(|choice| choice.is_same(value)).map(|place| place as u64)
            }
        }
    }

    /// The value of the domain that is the same as this one: of its kind (a number given as 1 is 1.0 here), and on its
    /// step. `None` for a value outside.
    pub fn fit(&self, value: &Value) -> Option<Value> {
        match *self {
            Domain::Float { low, high, step: None, .. } => {
                value.as_f64().filter(|x| (low..=high).contains(x)).map(Value::Float)
            }
            _ => self.position(value).map(|i| self.nth(i)),
        }
    }

    /// Whether a value is one of these. Numbers are the same whichever way they are written: 1 and 1.0.
    pub fn contains(&self, value: &Value) -> bool {
        match *self {
            Domain::Float { low, high, step: None, .. } => {
                value.as_f64().is_some_and(|x| (low..=high).contains(&x))
            }
            _ => self.position(value).is_some(),
        }
    }

    /// As a study stores it.
    pub fn distribution(&self) -> Distribution {
        match *self {
            Domain::Float { low, high, scale, step } => {
                Distribution::Float { low, high, step, log: scale == Scale::Log }
            }
            Domain::Int { low, high, scale, step } => {
                // There is no distribution that is logarithmic and in steps.
                Distribution::Int { low, high, step, log: scale == Scale::Log && step == 1 }
            }
            Domain::PowersOfTwo { low, high } => {
                Distribution::Int { low: 1 << low, high: 1 << high, step: 1, log: true }
            }
            Domain::Choice { ref choices } => Distribution::Categorical { choices: choices.clone() },
        }
    }
}

/// How far from a step, in steps, a number may be.
pub(crate) const STEP_TOLERANCE: f64 = 1e-8;

/// How many decimals a number is written with.
pub(crate) fn decimals(x: f64) -> usize {
    x.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

/// Where the part of the lowest whole number begins and that of the highest ends.
fn outer_bounds(low: i64, high: i64, step: i64) -> [f64; 2] {
    let half = 0.5 * step as f64;
    [low as f64 - half, high as f64 + half]
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Float { low, high, scale, step } => {
                let [low, high] = [low, high].map(|&x| Value::Float(x));
                write!(f, "a number from {low} to {high}")?;
                match scale {
                    Scale::Linear => {}
                    Scale::Log => write!(f, " (log)")?,
                    Scale::OneMinusLog => write!(f, " (log of 1 − x)")?,
                }
                step.map_or(Ok(()), |step| write!(f, " in steps of {}", Value::Float(step)))
            }
            Domain::Int { low, high, scale, step } => {
                write!(f, "a whole number from {low} to {high}")?;
                if *scale == Scale::Log {
                    write!(f, " (log)")?;
                }
                if *step == 1 { Ok(()) } else { write!(f, " in steps of {step}") }
            }
            Domain::PowersOfTwo { low, high } => {
                write!(f, "a power of two from {} to {}", 1_u64 << low, 1_u64 << high)
            }
            Domain::Choice { choices } => {
                let names: Vec<String> = choices.iter().map(Value::to_string).collect();
                write!(f, "one of {}", names.join(", "))
            }
        }
    }
}
