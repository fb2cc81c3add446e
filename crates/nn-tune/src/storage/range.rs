//! Distributions, and values of them, as Optuna writes them.

use super::json::Json;
use crate::{Distribution, Value};

/// The text of a distribution.
pub(crate) fn write(distribution: &Distribution) -> String {
    let (name, attributes) = match distribution {
        Distribution::Float { low, high, step, log } => {
            let [low, high] = [*low, *high].map(Json::float);
            let step = step.map_or(Json::Null, Json::float);
            let attributes = [("step", step), ("low", low), ("high", high), ("log", Json::Bool(*log))];
            ("FloatDistribution", Json::map(attributes))
        }
        Distribution::Int { low, high, step, log } => {
            let [low, high, step] = [low, high, step].map(Json::int);
            let attributes = [("log", Json::Bool(*log)), ("step", step), ("low", low), ("high", high)];
            ("IntDistribution", Json::map(attributes))
        }
        Distribution::Categorical { choices } => {
            let choices = choices.iter().map(choice).collect();
            ("CategoricalDistribution", Json::map([("choices", Json::List(choices))]))
        }
    };
    Json::map([("name", Json::text(name)), ("attributes", attributes)]).to_string()
}

fn choice(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(x) => Json::Bool(*x),
        Value::Int(x) => Json::int(x),
        Value::Float(x) => Json::float(*x),
        Value::Text(x) => Json::text(x),
    }
}

/// A value in the way in which trials keep it: of choices, which one.
pub(super) fn internal(distribution: &Distribution, value: &Value) -> Json {
    match (distribution, value) {
        (Distribution::Categorical { choices }, _) => {
            let same = |other: &Value| other == value || is_nan(other) && is_nan(value);
            choices.iter().position(same).map_or(Json::Null, Json::int)
        }
        (_, value) => choice(value),
    }
}

/// Whether a value is no number, which Python has as a choice.
pub(crate) fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Float(x) if x.is_nan())
}

/// The distribution of a text. Names of before Optuna 3 are read too.
pub(crate) fn read(text: &str) -> Result<Distribution, String> {
    let value = Json::parse(text)?;
    let wrong = || format!("no distribution of Optuna up to 5.0: {text}");
    let Json::Map(map) = &value else { return Err(wrong()) };
    let find = |map: &[(String, Json)], name: &str| {
        map.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    let (Some(Json::Text(name)), Some(Json::Map(attributes))) = (find(map, "name"), find(map, "attributes"))
    else {
        return Err(wrong());
    };
    let get = |name: &str| find(&attributes, name).filter(|value| *value != Json::Null);
    let float = |name: &str| get(name).and_then(|value| value.as_f64());
    let int = |name: &str| get(name).and_then(|value| value.as_i64());
    let log = match (get("log"), name.as_str()) {
        (Some(Json::Bool(log)), _) => log,
        (_, name) => matches!(name, "LogUniformDistribution" | "IntLogUniformDistribution"),
    };
    let known: &[&str] = match name.as_str() {
        "FloatDistribution" | "IntDistribution" => &["low", "high", "log", "step"],
        "UniformDistribution" | "LogUniformDistribution" => &["low", "high"],
        "DiscreteUniformDistribution" => &["low", "high", "q"],
        "IntUniformDistribution" | "IntLogUniformDistribution" => &["low", "high", "step"],
        "CategoricalDistribution" => &["choices"],
        _ => return Err(wrong()),
    };
    if attributes.iter().any(|(key, _)| !known.contains(&&**key)) {
        return Err(wrong());
    }
    let distribution =
        match known {
            ["choices"] => match get("choices") {
                Some(Json::List(choices)) => choices
                    .iter()
                    .map(value_of_choice)
                    .collect::<Option<_>>()
                    .map(|choices| Distribution::Categorical { choices }),
                _ => None,
            },
            _ if name.starts_with("Int") => int("low")
                .zip(int("high"))
                .map(|(low, high)| Distribution::Int { low, high, step: int("step").unwrap_or(1), log }),
            _ => float("low").zip(float("high")).map(|(low, high)| Distribution::Float {
                low,
                high,
                step: float("step").or(float("q")),
                log,
            }),
        };
    distribution.ok_or_else(wrong)
}

fn value_of_choice(choice: &Json) -> Option<Value> {
    Some(match choice {
        Json::Null => Value::Null,
        Json::Bool(x) => Value::Bool(*x),
        Json::Number(token) => match token.parse() {
            Ok(x) => Value::Int(x),
            Err(_) => Value::Float(choice.as_f64()?),
        },
        Json::Text(x) => Value::Text(x.clone()),
        Json::List(_) | Json::Map(_) => return None,
    })
}

/// The value of what trials keep; `None` when it is none of the distribution's kind.
pub(super) fn value(distribution: &Distribution, internal: &Json) -> Option<Value> {
    match distribution {
        Distribution::Float { .. } => internal.as_f64().map(Value::Float),
        // As Python does, towards 0.
        Distribution::Int { .. } => {
            let whole = || internal.as_f64().map(|x| x.trunc() as i64);
            internal.as_i64().or_else(whole).map(Value::Int)
        }
        Distribution::Categorical { choices } => {
            choices.get(usize::try_from(internal.as_i64()?).ok()?).cloned()
        }
    }
}
