//! The values of hyperparameters from structs.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::{Error, Impossible, Serialize, SerializeMap, SerializeStruct, Serializer};

use super::Value;
use crate::ParamError;

/// The fields of a struct or a map.
pub(super) fn fields<T: Serialize + ?Sized>(
    hyperparameters: &T,
) -> Result<BTreeMap<String, Value>, ParamError> {
    match hyperparameters.serialize(Parts)? {
        Part::Fields(fields) => Ok(fields),
        Part::Nothing => Err(ParamError::custom("expected a struct, got nothing")),
        Part::Value(value) => Err(ParamError::custom(format_args!("expected a struct, got {value}"))),
    }
}

/// What serde knows of a thing.
enum Part {
    Nothing,
    Value(Value),
    Fields(BTreeMap<String, Value>),
}

/// Takes things apart.
struct Parts;

/// The fields so far.
#[derive(Default)]
struct Fields {
    fields: BTreeMap<String, Value>,
    /// The name of the next one, of a map.
    name: String,
}

impl Fields {
    fn insert<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), ParamError> {
        let error = |reason| ParamError::Struct { reason: format!("`{name}`: {reason}") };
        match value.serialize(Parts) {
            Ok(Part::Nothing) => {}
            Ok(Part::Value(value)) => {
                self.fields.insert(name.to_owned(), value);
            }
            Ok(Part::Fields(_)) => return Err(error(format!("{EXPECTED}, got a struct"))),
            Err(ParamError::Struct { reason }) => return Err(error(reason)),
            Err(named) => return Err(named),
        }
        Ok(())
    }
}

const EXPECTED: &str = "expected a number, a name or a truth value";

fn no_value<T>(got: &str) -> Result<T, ParamError> {
    Err(ParamError::custom(format_args!("{EXPECTED}, got {got}")))
}

fn whole<T: TryInto<i64> + fmt::Display + Copy>(value: T) -> Result<Part, ParamError> {
    let whole = value.try_into().map_err(|_| {
        ParamError::custom(format_args!("expected a whole number of at most {}, got {value}", i64::MAX))
    })?;
    Ok(Part::Value(Value::Int(whole)))
}

impl Serializer for Parts {
    type Ok = Part;
    type Error = ParamError;
    type SerializeSeq = Impossible<Part, ParamError>;
    type SerializeTuple = Impossible<Part, ParamError>;
    type SerializeTupleStruct = Impossible<Part, ParamError>;
    type SerializeTupleVariant = Impossible<Part, ParamError>;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Part, ParamError>;

    fn serialize_bool(self, value: bool) -> Result<Part, ParamError> {
        Ok(Part::Value(value.into()))
    }

    fn serialize_i8(self, value: i8) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_i16(self, value: i16) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_i32(self, value: i32) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_i64(self, value: i64) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_u16(self, value: u16) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_u32(self, value: u32) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_u64(self, value: u64) -> Result<Part, ParamError> {
        whole(value)
    }

    fn serialize_f32(self, value: f32) -> Result<Part, ParamError> {
        Ok(Part::Value(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result<Part, ParamError> {
        Ok(Part::Value(value.into()))
    }

    fn serialize_char(self, value: char) -> Result<Part, ParamError> {
        Ok(Part::Value(value.to_string().into()))
    }

    fn serialize_str(self, value: &str) -> Result<Part, ParamError> {
        Ok(Part::Value(value.into()))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Part, ParamError> {
        no_value("bytes")
    }

    fn serialize_none(self) -> Result<Part, ParamError> {
        Ok(Part::Nothing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Part, ParamError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Part, ParamError> {
        Ok(Part::Nothing)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Part, ParamError> {
        Ok(Part::Nothing)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Part, ParamError> {
        Ok(Part::Value(variant.into()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Part, ParamError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Part, ParamError> {
        no_value("an enum with fields")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, ParamError> {
        no_value("a sequence")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, ParamError> {
        no_value("a tuple")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, ParamError> {
        no_value("a tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ParamError> {
        no_value("an enum with fields")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields, ParamError> {
        Ok(Fields::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, ParamError> {
        Ok(Fields::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ParamError> {
        no_value("an enum with fields")
    }
}

impl SerializeStruct for Fields {
    type Ok = Part;
    type Error = ParamError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ParamError> {
        self.insert(name, value)
    }

    fn end(self) -> Result<Part, ParamError> {
        Ok(Part::Fields(self.fields))
    }
}

impl SerializeMap for Fields {
    type Ok = Part;
    type Error = ParamError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ParamError> {
        match key.serialize(Parts)? {
            Part::Value(Value::Text(name)) => self.name = name,
            _ => return Err(ParamError::custom("expected names as the keys of a map")),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ParamError> {
        let name = std::mem::take(&mut self.name);
        self.insert(&name, value)
    }

    fn end(self) -> Result<Part, ParamError> {
        Ok(Part::Fields(self.fields))
    }
}

impl Error for ParamError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        ParamError::Struct { reason: reason.to_string() }
    }
}
