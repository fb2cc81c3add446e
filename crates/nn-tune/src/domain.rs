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
    /// Where a number stands on the scale.
    pub fn forward(self, x: f64) -> f64 {
        match self {
            Scale::Linear => x,
            Scale::Log => x.ln(),
            Scale::OneMinusLog => -(1.0 - x).ln(),
        }
    }

    /// The number that stands there.
    pub fn backward(self, y: f64) -> f64 {
        match self {
            Scale::Linear => y,
            Scale::Log => y.exp(),
            Scale::OneMinusLog => 1.0 - (-y).exp(),
        }
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
        /// Only multiples of this above `low`.
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
                Some(((high - low) / step).round() as u64 + 1)
            }
            Domain::Int { low, high, step, .. } => Some((high.abs_diff(low)) / step.unsigned_abs() + 1),
            Domain::PowersOfTwo { low, high } => Some(u64::from(high - low) + 1),
            Domain::Choice { ref choices } => Some(choices.len() as u64),
        }
    }

    /// The i-th value of one that is no continuum, counted from 0 at the lowest.
    ///
    /// # Panics
    /// When the values are a continuum, or there are no more than `i`.
    pub fn nth(&self, i: u64) -> Value {
        assert!(self.cardinality().is_some_and(|count| i < count), "no value {i} in {self}");
        match *self {
            Domain::Float { low, high, step, .. } => {
                Value::Float((low + step.unwrap_or(0.0) * i as f64).min(high))
            }
            Domain::Int { low, step, .. } => Value::Int(low + step * i as i64),
            Domain::PowersOfTwo { low, .. } => Value::Int(1 << (u64::from(low) + i)),
            Domain::Choice { ref choices } => choices[i as usize].clone(),
        }
    }

    /// The value at a place between 0 and 1 of its scale: of a uniform draw, a draw of the domain.
    ///
    /// Each of several values has an equal part of the scale around it, so that linear whole numbers are equally
    /// likely; of whole numbers on a logarithmic scale, x has the part from x − ½ to x + ½ (of `step` 1).
    pub fn from_unit(&self, u: f64) -> Value {
        let u = u.clamp(0.0, 1.0);
        match *self {
            Domain::Float { low, high, scale, step: None } => {
                let [from, to] = [scale.forward(low), scale.forward(high)];
                Value::Float(scale.backward(from + u * (to - from)).clamp(low, high))
            }
            Domain::Int { low, high, scale: scale @ Scale::Log, step } => {
                let half = 0.5 * step as f64;
                let [from, to] = [scale.forward(low as f64 - half), scale.forward(high as f64 + half)];
                let x = scale.backward(from + u * (to - from));
                let steps = ((x - low as f64) / step as f64).round() as i64;
                Value::Int((low + steps * step).clamp(low, high))
            }
            _ => {
                let count = self.cardinality().unwrap_or(1);
                self.nth(((u * count as f64) as u64).min(count - 1))
            }
        }
    }

    /// The place of a value between 0 and 1 of its scale, the middle of its part where there are several values:
    /// `from_unit` goes back. `None` for a value outside.
    pub fn to_unit(&self, value: &Value) -> Option<f64> {
        if !self.contains(value) {
            return None;
        }
        let x = value.as_f64();
        match *self {
            Domain::Float { low, high, scale, step: None } => {
                let [from, to] = [scale.forward(low), scale.forward(high)];
                x.map(|x| ((scale.forward(x) - from) / (to - from)).clamp(0.0, 1.0))
            }
            Domain::Int { low, high, scale: scale @ Scale::Log, step } => {
                let half = 0.5 * step as f64;
                let [from, to] = [scale.forward(low as f64 - half), scale.forward(high as f64 + half)];
                x.map(|x| (scale.forward(x) - from) / (to - from))
            }
            _ => {
                let count = self.cardinality()?;
                Some((self.position(value)? as f64 + 0.5) / count as f64)
            }
        }
    }

    /// Which of several values it is, counted from 0 at the lowest; `None` for one outside, or of a continuum.
    pub fn position(&self, value: &Value) -> Option<u64> {
        match *self {
            Domain::Float { low, high, step: Some(step), .. } => {
                let steps = ((value.as_f64()? - low) / step).round();
                let near = (low + steps * step - value.as_f64()?).abs() <= 1e-8 * step;
                (near && (0.0..=(high - low) / step + 1e-8).contains(&steps)).then_some(steps as u64)
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
                choices.iter().position(|choice| choice == value).map(|place| place as u64)
            }
        }
    }

    /// Whether a value is one of these.
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
                Distribution::Int { low, high, step, log: scale == Scale::Log }
            }
            Domain::PowersOfTwo { low, high } => {
                Distribution::Int { low: 1 << low, high: 1 << high, step: 1, log: true }
            }
            Domain::Choice { ref choices } => Distribution::Categorical { choices: choices.clone() },
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Float { low, high, scale, step } => {
                write!(f, "a number from {low} to {high}")?;
                match scale {
                    Scale::Linear => {}
                    Scale::Log => write!(f, " (log)")?,
                    Scale::OneMinusLog => write!(f, " (log of 1 − x)")?,
                }
                step.map_or(Ok(()), |step| write!(f, " in steps of {step}"))
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
