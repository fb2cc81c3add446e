//! The range of a hyperparameter as a study stores it.

use std::fmt;

use crate::Value;
use crate::storage::range::is_nan;

/// The range of a hyperparameter as a study stores it: what Optuna knows. The scale on which it is looked for is that of
/// the [`Domain`](crate::Domain).
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Numbers from `low` to `high`.
    Float {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
        /// Only multiples of this above `low`.
        step: Option<f64>,
        /// On a logarithmic scale.
        log: bool,
    },
    /// Whole numbers from `low` to `high`.
    Int {
        /// The lowest.
        low: i64,
        /// The highest.
        high: i64,
        /// Only multiples of this above `low`.
        step: i64,
        /// On a logarithmic scale.
        log: bool,
    },
    /// One of these.
    Categorical {
        /// The choices.
        choices: Vec<Value>,
    },
}

impl Distribution {
    /// Whether trials of both can be of one study, as in Optuna: both are of the same kind and scale, and the choices are
    /// the same. Bounds and steps may differ.
    pub fn is_compatible(&self, other: &Distribution) -> bool {
        match (self, other) {
            (Distribution::Float { log, .. }, Distribution::Float { log: other, .. })
            | (Distribution::Int { log, .. }, Distribution::Int { log: other, .. }) => log == other,
            (Distribution::Categorical { choices }, Distribution::Categorical { choices: others }) => {
                let same = |(a, b): (&Value, &Value)| a.is_same(b) || is_nan(a) && is_nan(b);
                choices.len() == others.len() && choices.iter().zip(others).all(same)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = |log: &bool| if *log { " (log)" } else { "" };
        match self {
            Distribution::Float { low, high, step, log: l } => {
                let [low, high] = [*low, *high].map(Value::Float);
                write!(f, "a number from {low} to {high}{}", log(l))?;
                step.map_or(Ok(()), |step| write!(f, " in steps of {}", Value::Float(step)))
            }
            Distribution::Int { low, high, step: 1, log: l } => {
                write!(f, "a whole number from {low} to {high}{}", log(l))
            }
            Distribution::Int { low, high, step, .. } => {
                write!(f, "a whole number from {low} to {high} in steps of {step}")
            }
            Distribution::Categorical { choices } => {
                let names: Vec<String> = choices.iter().map(Value::to_string).collect();
                write!(f, "one of {}", names.join(", "))
            }
        }
    }
}
