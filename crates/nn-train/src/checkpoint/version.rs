//! The version of a text in the metadata.

use serde::Deserialize;

use super::CheckpointProblem;

/// The text, if there is one and it is not newer than what is understood.
pub(super) fn checked<'a>(
    text: &'a str,
    what: &'static str,
    newest: u64,
) -> Result<&'a str, CheckpointProblem> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    if text.is_empty() {
        return Err(CheckpointProblem::Lacks { wanted: what });
    }
    let failed = |error: serde_json::Error| CheckpointProblem::Text { what, message: error.to_string() };
    match serde_json::from_str(text).map_err(failed)? {
        Version { version } if version > newest => Err(CheckpointProblem::Version { got: version, newest }),
        _ => Ok(text),
    }
}
