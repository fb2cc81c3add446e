//! What is to be tuned.

use std::collections::BTreeMap;

use crate::domain::STEP_TOLERANCE;
use crate::{Condition, Domain, ParamError, Params, Preset, Scale, SpaceError, Value};

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

    /// One of `low`, `low` + `step`, …, `high`, each order of magnitude equally likely.
    ///
    /// # Errors
    /// As [`integer_step`](Space::integer_step), and when `low` is below 1 or `step`.
    pub fn log_integer_step(self, name: &str, low: i64, high: i64, step: i64) -> Result<Self, SpaceError> {
        self.int(name, low, high, Scale::Log, step)
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
    /// When there are none, two are the same (1 and 1.0 are), one is NaN, or the name is taken.
    pub fn choice<V: Into<Value>>(
        self,
        name: &str,
        choices: impl IntoIterator<Item = V>,
    ) -> Result<Self, SpaceError> {
        let choices: Vec<Value> = choices.into_iter().map(Into::into).collect();
        if choices.is_empty() {
            return Err(range(name, "at least one choice", "none".to_owned()));
        }
        if choices.iter().any(|choice| !choice.is_same(choice)) {
            return Err(range(name, "choices that can be compared", "NaN".to_owned()));
        }
        let is_second = |&i: &usize| choices[..i].iter().any(|choice| choice.is_same(&choices[i]));
        if let Some(twice) = (1..choices.len()).find(is_second) {
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

    /// One of the usual hyperparameters, under its usual name, in its usual range.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn preset(self, preset: Preset) -> Result<Self, SpaceError> {
        self.add(preset.name(), preset.domain())
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
        if !(high - low).is_finite() {
            return Err(range(name, "bounds whose difference is finite", got()));
        }
        if scale == Scale::Log && low <= 0.0 {
            return Err(range(name, "bounds above 0, for a logarithmic scale", got()));
        }
        if scale == Scale::OneMinusLog && high >= 1.0 {
            return Err(range(name, "bounds below 1, for a logarithmic scale of 1 − x", got()));
        }
        if let Some(step) = step {
            let steps = (high - low) / step;
            if !(step > 0.0 && steps >= 0.5 && (steps - steps.round()).abs() <= STEP_TOLERANCE) {
                return Err(range(name, "a step above 0 that divides the range", got()));
            }
            if step < SMALLEST_STEP * low.abs().max(high.abs()) {
                return Err(range(name, "a step of at least 1e-7 of the bounds", got()));
            }
        }
        self.add(name, Domain::Float { low, high, scale, step })
    }

    fn int(self, name: &str, low: i64, high: i64, scale: Scale, step: i64) -> Result<Self, SpaceError> {
        let got = || match step {
            1 => format!("{low} to {high}"),
            _ => format!("{low} to {high} in steps of {step}"),
        };
        if low >= high {
            return Err(range(name, "bounds, the lowest first", got()));
        }
        if step < 1 || !high.abs_diff(low).is_multiple_of(step.unsigned_abs()) {
            return Err(range(name, "a step above 0 that divides the range", got()));
        }
        if high.abs_diff(low) / step.unsigned_abs() == u64::MAX {
            return Err(range(name, "fewer than 2⁶⁴ values", got()));
        }
        if scale == Scale::Log && low < 1 {
            return Err(range(name, "bounds above 0, for a logarithmic scale", got()));
        }
        if scale == Scale::Log && low < step {
            return Err(range(name, "a lowest bound of at least the step, for a logarithmic scale", got()));
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

    /// A point of the space: `choose` is asked for each hyperparameter that is there, with its number in the space.
    pub(crate) fn point_by_number(&self, mut choose: impl FnMut(usize, &Parameter) -> Value) -> Params {
        let numbers: BTreeMap<&str, usize> =
            self.parameters.iter().map(|p| p.name.as_str()).zip(0..).collect();
        self.point(|parameter, _| choose(numbers[parameter.name.as_str()], parameter))
    }

    /// That these are values of the space: each that is there has a value in its range, and there are no others.
    ///
    /// # Errors
    /// Names the first that is not so.
    pub fn check(&self, params: &Params) -> Result<(), ParamError> {
        self.fit(params).map(drop)
    }

    /// These values, each of the kind of its hyperparameter: where a whole number is expected, 32.0 becomes 32.
    ///
    /// # Errors
    /// Names the first that is missing, outside its range, not there in view of the others, or unknown.
    pub fn fit(&self, params: &Params) -> Result<Params, ParamError> {
        let fitted = self.fit_some(params)?;
        for parameter in &self.parameters {
            let (name, is_given) = (&parameter.name, fitted.value(&parameter.name).is_some());
            match parameter.failing(&fitted) {
                None if !is_given => return Err(ParamError::Missing { name: name.clone() }),
                Some((of, condition)) if is_given => {
                    let (name, of, condition) = (name.clone(), of.clone(), condition.to_string());
                    return Err(ParamError::Inactive { name, of, condition });
                }
                _ => {}
            }
        }
        Ok(fitted)
    }

    /// As [`fit`](Space::fit), but any may be missing.
    ///
    /// # Errors
    /// Names the first that is outside its range, not there in view of the others, or unknown.
    pub fn fit_some(&self, params: &Params) -> Result<Params, ParamError> {
        if let Some((name, _)) = params.iter().find(|(name, _)| self.parameter(name).is_none()) {
            let expected = self.parameters.iter().map(|parameter| parameter.name.clone()).collect();
            return Err(ParamError::Unknown { name: name.to_owned(), expected });
        }
        let mut fitted = Params::new();
        for Parameter { name, domain, conditions } in &self.parameters {
            let Some(value) = params.value(name) else { continue };
            let fails = |(of, condition): &&(String, Condition)| {
                params.value(of).is_some_and(|value| !condition.holds(value))
            };
            if let Some((of, condition)) = conditions.iter().find(fails) {
                let (name, of, condition) = (name.clone(), of.clone(), condition.to_string());
                return Err(ParamError::Inactive { name, of, condition });
            }
            match domain.fit(value) {
                Some(value) => fitted.insert(name, value),
                None => {
                    let (name, expected, value) = (name.clone(), domain.to_string(), value.clone());
                    return Err(ParamError::Outside { name, expected, value });
                }
            }
        }
        Ok(fitted)
    }
}

impl Parameter {
    /// Whether it is there, given the values of those before it.
    pub fn is_active(&self, params: &Params) -> bool {
        self.failing(params).is_none()
    }

    /// The first condition that does not hold.
    fn failing(&self, params: &Params) -> Option<&(String, Condition)> {
        let holds = |(name, condition): &&(String, Condition)| {
            params.value(name).is_some_and(|value| condition.holds(value))
        };
        self.conditions.iter().find(|condition| !holds(condition))
    }
}

/// Smaller steps, as a part of the bounds, are lost in the rounding of numbers.
const SMALLEST_STEP: f64 = 1e-7;

fn range(name: &str, expected: &str, got: String) -> SpaceError {
    SpaceError::Range { name: name.to_owned(), expected: expected.to_owned(), got }
}
