//! The values of hyperparameters by name.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ParamError;

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

    /// The whole number, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => write!(f, "null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
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
/// Any struct that serde reads and writes can be had from them, and they from it:
///
/// ```
/// use nn_tune::Params;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Hyperparameters {
///     learning_rate: f64,
///     units: usize,
///     units_2: Option<usize>,
/// }
///
/// let params = Params::new().with("learning_rate", 0.1).with("units", 32_i64);
/// let hyperparameters: Hyperparameters = params.to()?;
/// assert_eq!((hyperparameters.units, hyperparameters.units_2), (32, None));
/// assert_eq!(Params::from(&hyperparameters)?, params);
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

    /// The value of a hyperparameter.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The value of a hyperparameter as whatever serde makes of it: a number, a name, an enum.
    ///
    /// # Errors
    /// When there is none of that name, or it is nothing of the kind.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, ParamError> {
        let value = self.value(name).ok_or_else(|| ParamError::Unknown {
            name: name.to_owned(),
            expected: self.values.keys().cloned().collect(),
        })?;
        serde_json::to_value(value).and_then(serde_json::from_value).map_err(|error| ParamError::Kind {
            name: name.to_owned(),
            value: value.clone(),
            reason: error.to_string(),
        })
    }

    /// A struct with these values as fields.
    ///
    /// # Errors
    /// When a field is missing, or a value does not suit it.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, ParamError> {
        serde_json::to_value(self)
            .and_then(serde_json::from_value)
            .map_err(|error| ParamError::Struct { reason: error.to_string() })
    }

    /// The fields of a struct; those that are `None` are left out.
    ///
    /// # Errors
    /// When it is no struct or map, or a field is neither a number nor a name nor a truth value.
    pub fn from<T: Serialize>(hyperparameters: &T) -> Result<Self, ParamError> {
        let value = serde_json::to_value(hyperparameters)
            .map_err(|error| ParamError::Struct { reason: error.to_string() })?;
        let mut params: Params = serde_json::from_value(value)
            .map_err(|error| ParamError::Struct { reason: error.to_string() })?;
        params.values.retain(|_, value| *value != Value::Null);
        Ok(params)
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
