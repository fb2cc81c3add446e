//! Structs from the values of hyperparameters.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::Value;
use crate::ParamError;

/// A struct with these fields.
pub(super) fn fields<T: DeserializeOwned>(values: &BTreeMap<String, Value>) -> Result<T, ParamError> {
    let fields = values.iter().map(|(name, value)| (name.as_str(), Field { name, value }));
    T::deserialize(MapDeserializer::new(fields))
}

/// One value, which errors name.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a Value,
}

impl Field<'_> {
    /// An error of the value's.
    fn name<T>(self, result: Result<T, ParamError>) -> Result<T, ParamError> {
        result.map_err(|error| match error {
            ParamError::Struct { reason } => {
                ParamError::Kind { name: self.name.to_owned(), value: self.value.clone(), reason }
            }
            named => named,
        })
    }

    /// As the visitor of a whole number sees it, which may be written as 1.0.
    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.value.as_i64() {
            Some(value) => self.name(visitor.visit_i64(value)),
            None => self.deserialize_any(visitor),
        }
    }
}

impl<'de> IntoDeserializer<'de, ParamError> for Field<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = ParamError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.name(match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
        })
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.whole(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.value {
            Value::Null => self.name(visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        let Value::Text(variant) = self.value else {
            return self.name(Err(de::Error::custom(format_args!("expected a name of {name}"))));
        };
        self.name(visitor.visit_enum(variant.as_str().into_deserializer()))
    }

    /// A hyperparameter that is tuned and not used is a mistake.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ParamError> {
        self.name(Err(de::Error::custom("there is no field for it")))
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier
    }
}

impl de::Error for ParamError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        ParamError::Struct { reason: reason.to_string() }
    }

    fn missing_field(name: &'static str) -> Self {
        ParamError::Missing { name: name.to_owned() }
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        let expected = expected.iter().map(|&name| name.to_owned()).collect();
        ParamError::Unknown { name: name.to_owned(), expected }
    }
}
