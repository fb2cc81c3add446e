//! The values of hyperparameters by name.

mod deserialize;
mod serialize;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ParamError;
use deserialize::Field;

/// One value of a hyperparameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing: a choice of its own.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A name.
    Text(String),
}

impl Value {
    /// The number, where it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Value::Int(value) => Some(value as f64),
            Value::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The whole number, where it is one, also when it is written as 1.0.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Value::Int(value) => Some(value),
            Value::Float(value) => whole(value),
            _ => None,
        }
    }

    /// Whether both are equal, or the same number: 1 and 1.0.
    pub fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (&Value::Int(whole), &Value::Float(x)) | (&Value::Float(x), &Value::Int(whole)) => {
                x == whole as f64
            }
            _ => self == other,
        }
    }
}

/// The whole number that a number is, unless it is too large to be told from its neighbours.
fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() <= 2.0_f64.powi(53)).then_some(x as i64)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => write!(f, "null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            // Without rows of zeros.
            Value::Float(value) if *value != 0.0 && !(1e-4..1e16).contains(&value.abs()) => {
                write!(f, "{value:e}")
            }
            Value::Float(value) => write!(f, "{value}"),
            Value::Text(value) => write!(f, "{value}"),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Int(value.into())
    }
}

impl From<f32> for Value {
    /// The number that is written the same: 0.1, not 0.10000000149011612.
    fn from(value: f32) -> Self {
        Value::Float(value.to_string().parse().unwrap_or_else(|_| value.into()))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

/// The values of hyperparameters by name.
///
/// Any struct of numbers, truth values and enums without fields that serde reads and writes can be had from them, and
/// they from it; an `Option` is `None` where a hyperparameter is not there:
///
/// ```
/// use nn_tune::Params;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// #[serde(rename_all = "snake_case")]
/// enum Activation { Relu, Tanh }
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Hyperparameters {
///     learning_rate: f64,
///     activation: Activation,
///     units: usize,
///     units_2: Option<usize>,
/// }
///
/// let params = Params::new().with("learning_rate", 0.1).with("activation", "tanh").with("units", 32);
/// let hyperparameters: Hyperparameters = params.to()?;
/// let expected =
///     Hyperparameters { learning_rate: 0.1, activation: Activation::Tanh, units: 32, units_2: None };
/// assert_eq!(hyperparameters, expected);
/// assert_eq!(Params::from(&hyperparameters)?, params);
///
/// let error = params.with("units", 0.5).to::<Hyperparameters>().unwrap_err();
/// assert_eq!(error.to_string(), "`units` is 0.5: invalid type: floating point `0.5`, expected usize");
/// # Ok::<(), nn_tune::ParamError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params {
    values: BTreeMap<String, Value>,
}

impl Params {
    /// None yet.
    pub fn new() -> Self {
        Params::default()
    }

    /// With one more, or another value of one.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds one, or another value of one.
    pub fn insert(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Takes one out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// The value of a hyperparameter.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The value of a hyperparameter as whatever serde makes of it: a number, a name, an enum.
    ///
    /// # Errors
    /// When there is none of that name, or it is nothing of the kind.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, ParamError> {
        let (name, value) = self.values.get_key_value(name).ok_or_else(|| ParamError::Unknown {
            name: name.to_owned(),
            expected: self.values.keys().cloned().collect(),
        })?;
        T::deserialize(Field { name, value })
    }

    /// A struct with these values as fields. A whole number may be written as 32.0, any number as 1.
    ///
    /// # Errors
    /// When a field is missing, a value does not suit it, or there is no field for a value.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, ParamError> {
        deserialize::fields(&self.values)
    }

    /// The fields of a struct; those that are `None` are left out.
    ///
    /// # Errors
    /// When it is no struct or map, or a field is neither a number nor a name nor a truth value.
    pub fn from<T: Serialize + ?Sized>(hyperparameters: &T) -> Result<Self, ParamError> {
        serialize::fields(hyperparameters).map(|values| Params { values })
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
