//! What is to be tuned.

use std::fmt;
use std::ops::{RangeFrom, RangeInclusive};

use crate::{Domain, ParamError, Params, Scale, SpaceError, Value};

/// The hyperparameters that are to be tuned, each with its range and scale.
///
/// Some are there only when others have certain values ([`when`](Space::when)). A condition looks at those before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    parameters: Vec<Parameter>,
    /// The conditions on what is added now.
    conditions: Vec<(String, Condition)>,
}

/// A hyperparameter of a space.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its values.
    pub domain: Domain,
    /// It is there when all of these hold of hyperparameters before it.
    pub conditions: Vec<(String, Condition)>,
}

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
            Condition::OneOf(values) => values.contains(value),
        }
    }

    /// Whether some value of a domain is so.
    fn can_hold(&self, domain: &Domain) -> bool {
        match (domain, self) {
            (_, Condition::OneOf(values)) => values.iter().any(|value| domain.contains(value)),
            (Domain::Float { high, .. }, Condition::AtLeast(low)) => high >= low,
            (Domain::Float { low, high, .. }, Condition::Between(from, to)) => low <= to && from <= high,
            (Domain::Int { high, .. }, Condition::AtLeast(low)) => *high as f64 >= *low,
            (Domain::Int { low, high, .. }, Condition::Between(from, to)) => {
                *low as f64 <= *to && *from <= *high as f64
            }
            (Domain::PowersOfTwo { .. } | Domain::Choice { .. }, _) => {
                (0..domain.cardinality().unwrap_or(0)).any(|i| self.holds(&domain.nth(i)))
            }
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

impl Space {
    /// Nothing yet.
    pub fn new() -> Self {
        Space::default()
    }

    /// A number from `low` to `high`, each equally likely.
    ///
    /// # Errors
    /// When a bound is not finite, `low` ≥ `high`, or the name is taken.
    pub fn uniform(self, name: &str, low: f64, high: f64) -> Result<Self, SpaceError> {
        self.float(name, low, high, Scale::Linear, None)
    }

    /// One of `low`, `low` + `step`, …, `high`, each equally likely.
    ///
    /// # Errors
    /// As [`uniform`](Space::uniform), and when `step` is not above 0 or does not divide the range.
    pub fn uniform_step(self, name: &str, low: f64, high: f64, step: f64) -> Result<Self, SpaceError> {
        self.float(name, low, high, Scale::Linear, Some(step))
    }

    /// A number 10^r from `low` to `high`, each order of magnitude equally likely: for learning rates and decay.
    ///
    /// # Errors
    /// As [`uniform`](Space::uniform), and when `low` is not above 0.
    pub fn log_uniform(self, name: &str, low: f64, high: f64) -> Result<Self, SpaceError> {
        self.float(name, low, high, Scale::Log, None)
    }

    /// A number 1 − 10^r from `low` to `high`, each order of magnitude of its distance to 1 equally likely: for momentum
    /// and its like, of which 0.9 to 0.999 is r from −1 to −3.
    ///
    /// # Errors
    /// As [`uniform`](Space::uniform), and when `high` is not below 1.
    pub fn one_minus_log_uniform(self, name: &str, low: f64, high: f64) -> Result<Self, SpaceError> {
        self.float(name, low, high, Scale::OneMinusLog, None)
    }

    /// A whole number from `low` to `high`, each equally likely.
    ///
    /// # Errors
    /// When `low` ≥ `high`, or the name is taken.
    pub fn integer(self, name: &str, low: i64, high: i64) -> Result<Self, SpaceError> {
        self.int(name, low, high, Scale::Linear, 1)
    }

    /// One of `low`, `low` + `step`, …, `high`, each equally likely.
    ///
    /// # Errors
    /// As [`integer`](Space::integer), and when `step` is below 1 or does not divide the range.
    pub fn integer_step(self, name: &str, low: i64, high: i64, step: i64) -> Result<Self, SpaceError> {
        self.int(name, low, high, Scale::Linear, step)
    }

    /// A whole number from `low` to `high`, each order of magnitude equally likely: for numbers of units.
    ///
    /// # Errors
    /// As [`integer`](Space::integer), and when `low` is below 1.
    pub fn log_integer(self, name: &str, low: i64, high: i64) -> Result<Self, SpaceError> {
        self.int(name, low, high, Scale::Log, 1)
    }

    /// A power of two from `low` to `high`, each equally likely: for batch sizes.
    ///
    /// # Errors
    /// When a bound is no power of two, `low` ≥ `high`, or the name is taken.
    pub fn powers_of_two(self, name: &str, low: i64, high: i64) -> Result<Self, SpaceError> {
        let power = |x: i64| u64::try_from(x).ok().filter(|x| x.is_power_of_two()).map(u64::ilog2);
        match (power(low), power(high)) {
            (Some(low), Some(high)) if low < high => self.add(name, Domain::PowersOfTwo { low, high }),
            _ => Err(range(name, "powers of two, the lowest first", format!("{low} to {high}"))),
        }
    }

    /// One of these.
    ///
    /// # Errors
    /// When there are none or two are the same, or the name is taken.
    pub fn choice<V: Into<Value>>(
        self,
        name: &str,
        choices: impl IntoIterator<Item = V>,
    ) -> Result<Self, SpaceError> {
        let choices: Vec<Value> = choices.into_iter().map(Into::into).collect();
        if choices.is_empty() {
            return Err(range(name, "at least one choice", "none".to_owned()));
        }
        if let Some(twice) = (1..choices.len()).find(|&i| choices[..i].contains(&choices[i])) {
            return Err(range(name, "choices that differ", format!("{} twice", choices[twice])));
        }
        self.add(name, Domain::Choice { choices })
    }

    /// Yes or no.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn boolean(self, name: &str) -> Result<Self, SpaceError> {
        self.choice(name, [false, true])
    }

    /// Hyperparameters that are there only when another has a certain value: `when("layers", 3.., |space| …)`.
    ///
    /// # Errors
    /// Those of `add`, and when there is no hyperparameter `name` before, or it is never so.
    pub fn when(
        mut self,
        name: &str,
        condition: impl Into<Condition>,
        add: impl FnOnce(Self) -> Result<Self, SpaceError>,
    ) -> Result<Self, SpaceError> {
        let condition = condition.into();
        let Some(parameter) = self.parameter(name) else {
            return Err(SpaceError::Unknown {
                name: name.to_owned(),
                expected: self.parameters.iter().map(|parameter| parameter.name.clone()).collect(),
            });
        };
        if !condition.can_hold(&parameter.domain) {
            return Err(SpaceError::Never { name: name.to_owned(), condition: condition.to_string() });
        }
        self.conditions.push((name.to_owned(), condition));
        let mut space = add(self)?;
        space.conditions.pop();
        Ok(space)
    }

    fn float(
        self,
        name: &str,
        low: f64,
        high: f64,
        scale: Scale,
        step: Option<f64>,
    ) -> Result<Self, SpaceError> {
        let got = || match step {
            Some(step) => format!("{low} to {high} in steps of {step}"),
            None => format!("{low} to {high}"),
        };
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(range(name, "finite bounds, the lowest first", got()));
        }
        if scale == Scale::Log && low <= 0.0 {
            return Err(range(name, "bounds above 0, for a logarithmic scale", got()));
        }
        if scale == Scale::OneMinusLog && high >= 1.0 {
            return Err(range(name, "bounds below 1, for a logarithmic scale of 1 − x", got()));
        }
        if let Some(step) = step {
            let steps = (high - low) / step;
            if !(step > 0.0 && (steps - steps.round()).abs() <= 1e-8 * steps.max(1.0)) {
                return Err(range(name, "a step above 0 that divides the range", got()));
            }
        }
        self.add(name, Domain::Float { low, high, scale, step })
    }

    fn int(self, name: &str, low: i64, high: i64, scale: Scale, step: i64) -> Result<Self, SpaceError> {
        let got = || format!("{low} to {high} in steps of {step}");
        if low >= high || high.checked_sub(low).is_none() {
            return Err(range(name, "bounds, the lowest first", got()));
        }
        if scale == Scale::Log && low < 1 {
            return Err(range(name, "bounds above 0, for a logarithmic scale", got()));
        }
        if step < 1 || (high - low) % step != 0 {
            return Err(range(name, "a step above 0 that divides the range", got()));
        }
        self.add(name, Domain::Int { low, high, scale, step })
    }

    fn add(mut self, name: &str, domain: Domain) -> Result<Self, SpaceError> {
        if self.parameter(name).is_some() {
            return Err(SpaceError::Duplicate { name: name.to_owned() });
        }
        let conditions = self.conditions.clone();
        self.parameters.push(Parameter { name: name.to_owned(), domain, conditions });
        Ok(self)
    }

    /// The hyperparameters, in the order in which they were added.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The hyperparameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// A point of the space: `choose` is asked for each hyperparameter that is there, given those before it.
    pub fn point(&self, mut choose: impl FnMut(&Parameter, &Params) -> Value) -> Params {
        let mut params = Params::new();
        for parameter in &self.parameters {
            if parameter.is_active(&params) {
                let value = choose(parameter, &params);
                params.insert(&parameter.name, value);
            }
        }
        params
    }

    /// That these are values of the space: each that is there has a value in its range, and there are no others.
    ///
    /// # Errors
    /// Names the first that is not so.
    pub fn check(&self, params: &Params) -> Result<(), ParamError> {
        for (name, _) in params.iter() {
            if !self.parameter(name).is_some_and(|parameter| parameter.is_active(params)) {
                let active = self.parameters.iter().filter(|parameter| parameter.is_active(params));
                return Err(ParamError::Unknown {
                    name: name.to_owned(),
                    expected: active.map(|parameter| parameter.name.clone()).collect(),
                });
            }
        }
        for Parameter { name, domain, .. } in self.parameters.iter().filter(|p| p.is_active(params)) {
            match params.value(name) {
                None => return Err(ParamError::Missing { name: name.clone() }),
                Some(value) if !domain.contains(value) => {
                    let (name, expected, value) = (name.clone(), domain.to_string(), value.clone());
                    return Err(ParamError::Outside { name, expected, value });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

impl Parameter {
    /// Whether it is there, given the values of those before it.
    pub fn is_active(&self, params: &Params) -> bool {
        let holds = |(name, condition): &(String, Condition)| {
            params.value(name).is_some_and(|value| condition.holds(value))
        };
        self.conditions.iter().all(holds)
    }
}

fn range(name: &str, expected: &str, got: String) -> SpaceError {
    SpaceError::Range { name: name.to_owned(), expected: expected.to_owned(), got }
}
