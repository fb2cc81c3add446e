//! Descriptions as maps of a kind and settings, in JSON and other formats that say of what type a value is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use crate::description::{Description, KIND, Setting, brief};

/// The most settings that a module may have in a file.
const MOST_SETTINGS: usize = 256;

impl Serialize for Description {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.settings.len()))?;
        map.serialize_entry(KIND, &self.kind)?;
        for (name, value) in &self.settings {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Setting::Flag(flag) => serializer.serialize_bool(*flag),
            Setting::Whole(number) => serializer.serialize_u64(*number),
            Setting::Real(number) if number.is_finite() => serializer.serialize_f64(*number),
            Setting::Real(number) => {
                Err(S::Error::custom(format_args!("expected a finite number as setting, got {number}")))
            }
            Setting::Text(text) => serializer.serialize_str(text),
            Setting::List(list) => list.serialize(serializer),
            Setting::Description(description) => description.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Description {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfModule)
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfSetting)
    }
}

struct OfModule;

impl<'de> Visitor<'de> for OfModule {
    type Value = Description;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a module: a map of its `kind` and its settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Description, A::Error> {
        let mut kind: Option<String> = None;
        let mut settings: Vec<(String, Setting)> = vec![];
        while let Some(name) = map.next_key::<String>()? {
            if settings.len() == MOST_SETTINGS {
                return Err(A::Error::custom(format_args!("expected at most {MOST_SETTINGS} settings")));
            }
            let is_kind = name == KIND;
            if (is_kind && kind.is_some()) || settings.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(format_args!("`{}` stands there twice", brief(&name))));
            }
            if is_kind {
                kind = Some(map.next_value()?);
            } else {
                settings.push((name, map.next_value()?));
            }
        }
        let kind = kind.ok_or_else(|| A::Error::missing_field(KIND))?;
        Ok(Description { kind, settings })
    }
}

struct OfSetting;

impl<'de> Visitor<'de> for OfSetting {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting: true, false, a number, a text, a list or a module")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Setting, E> {
        Ok(Setting::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Setting, E> {
        Ok(Setting::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Setting, E> {
        Ok(u64::try_from(number).map_or(Setting::Real(number as f64), Setting::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Setting, E> {
        Ok(Setting::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Setting, E> {
        Ok(Setting::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Setting, A::Error> {
        let mut list = vec![];
        while let Some(value) = sequence.next_element()? {
            list.push(value);
        }
        Ok(Setting::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Setting, A::Error> {
        OfModule.visit_map(map).map(Setting::Description)
    }
}
