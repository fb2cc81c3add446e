//! Records as lines of Optuna's journal.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::json::Json;
use super::{Operation, Owner, Record, range, time};
use crate::{Direction, Distribution, Params, Trial, TrialState, Value};

/// The fields of each operation, besides `op_code` and `worker_id`.
const FIELDS: [&[&str]; 10] = [
    &["study_name", "directions"],
    &["study_id"],
    &["study_id", "user_attr"],
    &["study_id", "system_attr"],
    &[
        "study_id",
        "datetime_start",
        "datetime_complete",
        "state",
        "value",
        "values",
        "distributions",
        "params",
        "user_attrs",
        "system_attrs",
        "intermediate_values",
    ],
    &["trial_id", "param_name", "param_value_internal", "distribution"],
    &["trial_id", "state", "values", "datetime_start", "datetime_complete"],
    &["trial_id", "step", "intermediate_value"],
    &["trial_id", "user_attr"],
    &["trial_id", "system_attr"],
];

/// What Rustuna discards; Optuna passes over it.
const DISCARD_TRIALS: i64 = 10;

const STATES: [TrialState; 5] =
    [TrialState::Running, TrialState::Complete, TrialState::Pruned, TrialState::Failed, TrialState::Waiting];

type Attributes = BTreeMap<String, serde_json::Value>;

/// The record of a line, without its end; `None` for one that changes nothing.
pub(super) fn read(line: &[u8]) -> Result<Option<Record>, String> {
    let text = str::from_utf8(line).map_err(|error| format!("no UTF-8: {error}"))?;
    let Json::Map(map) = Json::parse(text)? else {
        return Err("no record: expected a map".to_owned());
    };
    let code = field(&map, "op_code")?.as_i64().ok_or("`op_code`: expected a whole number")?;
    if code == DISCARD_TRIALS {
        return Ok(None);
    }
    let known = usize::try_from(code).ok().and_then(|code| FIELDS.get(code));
    let known = known
        .ok_or_else(|| format!("there is no operation {code} up to Optuna 5.0: is it of a newer format?"))?;
    let fields = Fields { code, map: &map };
    if let Some((key, _)) = map.iter().find(|(key, _)| !(is_common(key) || known.contains(&&**key))) {
        return Err(format!(
            "operation {code} has no field `{key}` up to Optuna 5.0: is it of a newer format?"
        ));
    }
    let worker = fields.text("worker_id")?;
    Ok(Some(Record { worker, operation: fields.operation()? }))
}

fn is_common(key: &str) -> bool {
    matches!(key, "op_code" | "worker_id")
}

fn field<'a>(map: &'a [(String, Json)], name: &str) -> Result<&'a Json, String> {
    let found = map.iter().rev().find(|(key, _)| key == name);
    found.map(|(_, value)| value).ok_or_else(|| format!("`{name}` is missing"))
}

/// The fields of a record.
struct Fields<'a> {
    code: i64,
    map: &'a [(String, Json)],
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Result<&Json, String> {
        field(self.map, name).map_err(|error| format!("operation {}: {error}", self.code))
    }

    /// A field that may be left out or null.
    fn optional(&self, name: &str) -> Option<&Json> {
        field(self.map, name).ok().filter(|value| **value != Json::Null)
    }

    fn wrong(&self, name: &str, expected: &str, got: &Json) -> String {
        format!("operation {}: `{name}`: expected {expected}, got {got}", self.code)
    }

    fn text(&self, name: &str) -> Result<String, String> {
        match self.get(name)? {
            Json::Text(text) => Ok(text.clone()),
            other => Err(self.wrong(name, "a text", other)),
        }
    }

    fn id(&self, name: &str) -> Result<u64, String> {
        let value = self.get(name)?;
        let id = value.as_i64().and_then(|id| u64::try_from(id).ok());
        id.ok_or_else(|| self.wrong(name, "a whole number from 0", value))
    }

    fn operation(&self) -> Result<Operation, String> {
        Ok(match self.code {
            0 => Operation::CreateStudy { name: self.text("study_name")?, directions: self.directions()? },
            1 => Operation::DeleteStudy { study: self.id("study_id")? },
            2 | 3 => {
                let (owner, key, value) = self.attribute(self.code == 2)?;
                Operation::StudyAttribute { study: self.id("study_id")?, owner, key, value }
            }
            4 => {
                let (study, trial) = (self.id("study_id")?, Box::new(self.trial()?));
                Operation::CreateTrial { study, trial }
            }
            5 => {
                let (trial, name) = (self.id("trial_id")?, self.text("param_name")?);
                let distribution = self.distribution(&name, self.get("distribution")?)?;
                let value = self.value(&name, &distribution, self.get("param_value_internal")?)?;
                Operation::SetParam { trial, name, value, distribution }
            }
            6 => {
                let state = self.state("state")?;
                let at = match state {
                    TrialState::Running => Some(self.get_time("datetime_start")?),
                    TrialState::Waiting => None,
                    _ => Some(self.get_time("datetime_complete")?),
                };
                Operation::SetState { trial: self.id("trial_id")?, state, values: self.values("values")?, at }
            }
            7 => {
                let value = self.number("intermediate_value")?;
                Operation::Intermediate { trial: self.id("trial_id")?, step: self.id("step")?, value }
            }
            _ => {
                let (owner, key, value) = self.attribute(self.code == 8)?;
                Operation::TrialAttribute { trial: self.id("trial_id")?, owner, key, value }
            }
        })
    }

    fn directions(&self) -> Result<Vec<Direction>, String> {
        let value = self.get("directions")?;
        let direction = |value: &Json| match value.as_i64() {
            Some(1) => Some(Direction::Minimize),
            Some(2) => Some(Direction::Maximize),
            _ => None,
        };
        let directions = match value {
            Json::List(list) => list.iter().map(direction).collect(),
            _ => None,
        };
        directions.ok_or_else(|| self.wrong("directions", "a list of 1 and 2", value))
    }

    /// A map of one.
    fn attribute(&self, of_user: bool) -> Result<(Owner, String, serde_json::Value), String> {
        let (owner, name) = if of_user { (Owner::User, "user_attr") } else { (Owner::System, "system_attr") };
        match self.get(name)? {
            Json::Map(map) if map.len() == 1 => Ok((owner, map[0].0.clone(), map[0].1.to_serde())),
            other => Err(self.wrong(name, "a map of one", other)),
        }
    }

    fn state(&self, name: &str) -> Result<TrialState, String> {
        let value = self.get(name)?;
        let state = value.as_i64().and_then(|state| STATES.get(usize::try_from(state).ok()?));
        state.copied().ok_or_else(|| self.wrong(name, "a state from 0 to 4", value))
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        let value = self.get(name)?;
        value.as_f64().ok_or_else(|| self.wrong(name, "a number", value))
    }

    fn values(&self, name: &str) -> Result<Option<Vec<f64>>, String> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        let numbers = match value {
            Json::List(list) => list.iter().map(Json::as_f64).collect(),
            _ => None,
        };
        numbers.map(Some).ok_or_else(|| self.wrong(name, "a list of numbers", value))
    }

    fn time(&self, name: &str) -> Result<Option<SystemTime>, String> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        let time = match value {
            Json::Text(text) => time::parse(text),
            _ => None,
        };
        time.map(Some).ok_or_else(|| self.wrong(name, "a date and time", value))
    }

    fn get_time(&self, name: &str) -> Result<SystemTime, String> {
        self.time(name)?.ok_or_else(|| format!("operation {}: `{name}` is missing", self.code))
    }

    fn map(&self, name: &str) -> Result<&[(String, Json)], String> {
        match self.optional(name) {
            None => Ok(&[]),
            Some(Json::Map(map)) => Ok(map),
            Some(other) => Err(self.wrong(name, "a map", other)),
        }
    }

    fn attributes(&self, name: &str) -> Result<Attributes, String> {
        Ok(self.map(name)?.iter().map(|(key, value)| (key.clone(), value.to_serde())).collect())
    }

    fn distribution(&self, name: &str, value: &Json) -> Result<Distribution, String> {
        let Json::Text(text) = value else {
            return Err(self.wrong(name, "a distribution as text", value));
        };
        range::read(text).map_err(|error| format!("operation {}: `{name}`: {error}", self.code))
    }

    fn value(&self, name: &str, distribution: &Distribution, value: &Json) -> Result<Value, String> {
        range::value(distribution, value)
            .ok_or_else(|| self.wrong(name, &format!("a value of {}", range::write(distribution)), value))
    }

    fn trial(&self) -> Result<Trial, String> {
        let mut distributions = BTreeMap::new();
        for (name, value) in self.map("distributions")? {
            distributions.insert(name.clone(), self.distribution(name, value)?);
        }
        let mut params = Params::new();
        for (name, value) in self.map("params")? {
            let distribution = distributions.get(name);
            let distribution =
                distribution.ok_or_else(|| format!("operation 4: `{name}` has no distribution"))?;
            params.insert(name, self.value(name, distribution, value)?);
        }
        let mut intermediate = BTreeMap::new();
        for (step, value) in self.map("intermediate_values")? {
            let entry = step.parse().ok().zip(value.as_f64());
            let (step, value) = entry.ok_or_else(|| self.wrong(step, "a step from 0 and a number", value))?;
            intermediate.insert(step, value);
        }
        let state = match self.optional("state") {
            None => TrialState::Running,
            Some(_) => self.state("state")?,
        };
        let one = self.optional("value").map(|_| self.number("value")).transpose()?;
        self.get("datetime_start")?;
        Ok(Trial {
            params,
            distributions,
            values: one.map(|value| vec![value]).or(self.values("values")?),
            intermediate,
            started: self.time("datetime_start")?,
            ended: self.time("datetime_complete")?,
            user_attributes: self.attributes("user_attrs")?,
            system_attributes: self.attributes("system_attrs")?,
            ..Trial::new(state)
        })
    }
}

/// The line of a record, with its end.
pub(super) fn write(record: &Record) -> String {
    let (code, fields) = fields(&record.operation);
    let common = [("op_code", Json::int(code)), ("worker_id", Json::text(&record.worker))];
    let mut line = Json::map(common.into_iter().chain(fields)).to_string();
    line.push('\n');
    line
}

fn fields(operation: &Operation) -> (usize, Vec<(&'static str, Json)>) {
    match operation {
        Operation::CreateStudy { name, directions } => {
            let number = |direction: &Direction| Json::int(1 + u8::from(*direction == Direction::Maximize));
            let directions = Json::List(directions.iter().map(number).collect());
            (0, vec![("study_name", Json::text(name)), ("directions", directions)])
        }
        Operation::DeleteStudy { study } => (1, vec![("study_id", Json::int(study))]),
        Operation::StudyAttribute { study, owner, key, value } => {
            let (name, attribute) = attribute(*owner, key, value);
            (
                2 + usize::from(*owner == Owner::System),
                vec![("study_id", Json::int(study)), (name, attribute)],
            )
        }
        Operation::CreateTrial { study, trial } => (4, trial_fields(*study, trial)),
        Operation::SetParam { trial, name, value, distribution } => {
            let fields = vec![
                ("trial_id", Json::int(trial)),
                ("param_name", Json::text(name)),
                ("param_value_internal", range::internal(distribution, value)),
                ("distribution", Json::text(range::write(distribution))),
            ];
            (5, fields)
        }
        Operation::SetState { trial, state, values, at } => {
            let mut fields = vec![
                ("trial_id", Json::int(trial)),
                ("state", Json::int(number(*state))),
                ("values", values.as_deref().map_or(Json::Null, numbers)),
            ];
            let at = Json::text(time::format(at.unwrap_or_else(time::now)));
            match state {
                TrialState::Running => fields.push(("datetime_start", at)),
                TrialState::Waiting => {}
                _ => fields.push(("datetime_complete", at)),
            }
            (6, fields)
        }
        Operation::Intermediate { trial, step, value } => {
            let value = ("intermediate_value", Json::float(*value));
            (7, vec![("trial_id", Json::int(trial)), ("step", Json::int(step)), value])
        }
        Operation::TrialAttribute { trial, owner, key, value } => {
            let (name, attribute) = attribute(*owner, key, value);
            (
                8 + usize::from(*owner == Owner::System),
                vec![("trial_id", Json::int(trial)), (name, attribute)],
            )
        }
    }
}

fn number(state: TrialState) -> usize {
    STATES.iter().position(|other| *other == state).unwrap_or(0)
}

fn numbers(values: &[f64]) -> Json {
    Json::List(values.iter().map(|value| Json::float(*value)).collect())
}

fn attribute(owner: Owner, key: &str, value: &serde_json::Value) -> (&'static str, Json) {
    let name = if owner == Owner::User { "user_attr" } else { "system_attr" };
    (name, Json::map([(key, Json::from_serde(value))]))
}

fn trial_fields(study: u64, trial: &Trial) -> Vec<(&'static str, Json)> {
    let attributes = |attributes: &Attributes| {
        Json::map(attributes.iter().map(|(key, value)| (key, Json::from_serde(value))))
    };
    let time = |time: SystemTime| Json::text(time::format(time));
    // Optuna wants one objective in `value`, and several in `values`.
    let [value, values] = match trial.values.as_deref() {
        Some([value]) => [Json::float(*value), Json::Null],
        Some(values) => [Json::Null, numbers(values)],
        None => [Json::Null, Json::Null],
    };
    let distributions = trial.distributions.iter().map(|(name, d)| (name, Json::text(range::write(d))));
    let internal = |(name, value)| Some((name, range::internal(trial.distributions.get(name)?, value)));
    let steps = trial.intermediate.iter().map(|(step, value)| (step.to_string(), Json::float(*value)));
    let mut fields = vec![
        ("study_id", Json::int(study)),
        ("datetime_start", trial.started.map_or(Json::Null, time)),
        ("state", Json::int(number(trial.state))),
        ("value", value),
        ("values", values),
        ("distributions", Json::map(distributions)),
        ("params", Json::map(trial.params.iter().filter_map(internal))),
        ("user_attrs", attributes(&trial.user_attributes)),
        ("system_attrs", attributes(&trial.system_attributes)),
        ("intermediate_values", Json::map(steps)),
    ];
    fields.extend(trial.ended.map(|ended| ("datetime_complete", time(ended))));
    fields
}
