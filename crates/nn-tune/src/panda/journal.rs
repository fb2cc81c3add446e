//! Decisions and their effects, written down.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Command, Decision, PandaError};

/// A file with a JSON object a line.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    pub(super) fn open(path: PathBuf) -> Result<Self, PandaError> {
        match OpenOptions::new().create(true).append(true).open(&path) {
            Ok(file) => Ok(Journal { path, file }),
            Err(source) => Err(PandaError { path, action: "cannot be opened", source }),
        }
    }

    pub(super) fn decision(&mut self, decision: &Decision) -> Result<(), PandaError> {
        let mut line = json!({
            "time": seconds(),
            "epoch": decision.epoch,
            "by": decision.by,
            "command": decision.command.to_string(),
            "objective": decision.before,
        });
        if let Some((from, to)) = decision.change {
            let [from, to] = match decision.command {
                Command::RollBack { .. } => [from, to].map(|epoch| json!(epoch as u64)),
                _ => [from, to].map(|value| json!(value)),
            };
            (line["from"], line["to"]) = (from, to);
        }
        self.write(&line)
    }

    pub(super) fn refusal(
        &mut self,
        epoch: u64,
        by: &str,
        line: &str,
        reason: &str,
    ) -> Result<(), PandaError> {
        let command = line.trim();
        self.write(&json!({
            "time": seconds(), "epoch": epoch, "by": by, "command": command, "refused": reason,
        }))
    }

    /// What came of the decision of this number, counted from 0.
    pub(super) fn effect(&mut self, number: usize, decision: &Decision) -> Result<(), PandaError> {
        let (epoch, after) = decision.after.unwrap_or((decision.epoch, decision.before));
        self.write(&json!({
            "time": seconds(), "epoch": epoch, "effect_of": number, "before": decision.before, "after": after,
        }))
    }

    fn write(&mut self, line: &Value) -> Result<(), PandaError> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|source| PandaError { path: self.path.clone(), action: "cannot be written", source })
    }
}

/// Since 1970.
fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
