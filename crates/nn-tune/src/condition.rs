//! When a hyperparameter is there.

use std::fmt;
use std::ops::{RangeFrom, RangeInclusive};

use crate::domain::STEP_TOLERANCE;
use crate::{Domain, Value};

/// What another hyperparameter must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A number of at least this.
    AtLeast(f64),
    /// A number from this to that.
    Between(f64, f64),
    /// One of these.
    OneOf(Vec<Value>),
}

impl Condition {
    /// Whether a value is so.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Condition::AtLeast(low) => value.as_f64().is_some_and(|x| x >= *low),
            Condition::Between(low, high) => value.as_f64().is_some_and(|x| (*low..=*high).contains(&x)),
            Condition::OneOf(values) => values.iter().any(|one| one.is_same(value)),
        }
    }

    /// Whether some value of a domain is so.
    pub(crate) fn can_hold(&self, domain: &Domain) -> bool {
        let (from, to) = match *self {
            Condition::OneOf(ref values) => return values.iter().any(|value| domain.contains(value)),
            Condition::AtLeast(from) => (from, f64::INFINITY),
            Condition::Between(from, to) => (from, to),
        };
        match (domain, domain.cardinality()) {
            (&Domain::Float { low, high, .. }, None) => from <= to && low <= to && from <= high,
            (&Domain::Int { low, step, .. }, Some(count)) => {
                // The first value that is large enough is the only one to be looked at.
                let (low, step) = (i128::from(low), i128::from(step));
                let first =
                    ((from.ceil() as i128).saturating_sub(low).max(0)).saturating_add(step - 1) / step;
                u64::try_from(first).is_ok_and(|first| first < count && self.holds(&domain.nth(first)))
            }
            (Domain::Float { .. }, Some(count)) => {
                let [low, high] = domain.bounds().unwrap_or_default();
                let steps = (from - low) / (high - low) * (count - 1) as f64;
                let first = (steps - STEP_TOLERANCE).ceil().max(0.0);
                first <= (count - 1) as f64 && self.holds(&domain.nth((first as u64).min(count - 1)))
            }
            _ => (0..domain.cardinality().unwrap_or(0)).any(|i| self.holds(&domain.nth(i))),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::AtLeast(low) => write!(f, "at least {low}"),
            Condition::Between(low, high) => write!(f, "from {low} to {high}"),
            Condition::OneOf(values) => {
                let names: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "one of {}", names.join(", "))
            }
        }
    }
}

impl From<RangeFrom<i64>> for Condition {
    fn from(range: RangeFrom<i64>) -> Self {
        Condition::AtLeast(range.start as f64)
    }
}

impl From<RangeInclusive<i64>> for Condition {
    fn from(range: RangeInclusive<i64>) -> Self {
        Condition::Between(*range.start() as f64, *range.end() as f64)
    }
}

impl From<RangeFrom<f64>> for Condition {
    fn from(range: RangeFrom<f64>) -> Self {
        Condition::AtLeast(range.start)
    }
}

impl From<RangeInclusive<f64>> for Condition {
    fn from(range: RangeInclusive<f64>) -> Self {
        Condition::Between(*range.start(), *range.end())
    }
}

impl From<bool> for Condition {
    fn from(value: bool) -> Self {
        Condition::OneOf(vec![value.into()])
    }
}

impl From<&str> for Condition {
    fn from(value: &str) -> Self {
        Condition::OneOf(vec![value.into()])
    }
}

impl<V: Into<Value>, const N: usize> From<[V; N]> for Condition {
    fn from(values: [V; N]) -> Self {
        Condition::OneOf(values.into_iter().map(Into::into).collect())
    }
}
