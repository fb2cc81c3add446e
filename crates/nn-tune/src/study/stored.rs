//! Whether a study that is stored is the one that is asked for.

use std::collections::BTreeMap;

use crate::storage::{Operation, Owner, StudyRecord, range};
use crate::{Direction, Distribution, Space, StudyError};

/// Where a study keeps its space: the distribution of each hyperparameter.
const SPACE: &str = "nn_tune:space";

/// Checks that trials of a space can join a study, and says what is then to be noted of it.
pub(super) fn join(
    number: u64,
    record: &StudyRecord,
    direction: Direction,
    space: &Space,
) -> Result<Option<Operation>, StudyError> {
    let other =
        |expected: String, got: String| StudyError::Other { study: record.name.clone(), expected, got };
    if record.directions != [direction] {
        let names: Vec<String> = record.directions.iter().map(Direction::to_string).collect();
        return Err(other(format!("to {direction} one objective"), format!("to {}", names.join(", to "))));
    }
    let stored = distributions(record)?;
    let own = space.parameters().iter().map(|parameter| (&parameter.name, parameter.domain.distribution()));
    let own: BTreeMap<&String, Distribution> = own.collect();
    for (name, distribution) in &own {
        if let Some(stored) = stored.get(*name).filter(|stored| !stored.is_compatible(distribution)) {
            return Err(other(format!("`{name}` as {distribution}"), format!("{stored}")));
        }
    }
    let is_shared = stored.keys().any(|name| own.contains_key(name));
    if !stored.is_empty() && !own.is_empty() && !is_shared {
        let [own, stored] = [own.into_keys().collect::<Vec<_>>(), stored.keys().collect()];
        return Err(other(format!("one with some of {own:?}"), format!("only {stored:?}")));
    }
    let mut noted = match record.system_attributes.get(SPACE) {
        Some(serde_json::Value::Object(noted)) => noted.clone(),
        _ => serde_json::Map::new(),
    };
    let before = noted.len();
    let mut is_new = false;
    for (name, distribution) in own {
        let text = serde_json::Value::String(range::write(&distribution));
        is_new |= noted.insert(name.clone(), text.clone()) != Some(text);
    }
    is_new |= noted.len() != before;
    let (owner, key, value) = (Owner::System, SPACE.to_owned(), serde_json::Value::Object(noted));
    Ok(is_new.then_some(Operation::StudyAttribute { study: number, owner, key, value }))
}

/// What is known of a study's hyperparameters: from its note, and from its trials, which are all that Python leaves.
fn distributions(record: &StudyRecord) -> Result<BTreeMap<String, Distribution>, StudyError> {
    let mut stored = BTreeMap::new();
    for trial in record.trials.iter().rev() {
        stored.extend(trial.distributions.iter().map(|(name, d)| (name.clone(), d.clone())));
    }
    if let Some(serde_json::Value::Object(noted)) = record.system_attributes.get(SPACE) {
        for (name, text) in noted {
            let text = text.as_str().unwrap_or_default();
            let distribution = range::read(text).map_err(|got| StudyError::Other {
                study: record.name.clone(),
                expected: format!("a distribution of `{name}`"),
                got,
            })?;
            stored.insert(name.clone(), distribution);
        }
    }
    Ok(stored)
}
