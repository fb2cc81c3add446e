//! What can be told to a model while it trains.

use std::fmt;
use std::str::FromStr;

/// What can be told to a model while it trains.
///
/// As text: `learning_rate = 0.01`, `learning_rate *= 0.5`, `learning_rate /= 2`, `learning_rate = schedule`, `snapshot
/// NAME`, `roll back` (to the best), `roll back NAME`, `stop`.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A hyperparameter gets a value, whatever its schedule says.
    Set {
        /// The hyperparameter.
        name: String,
        /// Its value.
        to: f64,
    },
    /// A hyperparameter is multiplied; its schedule goes on, multiplied.
    Multiply {
        /// The hyperparameter.
        name: String,
        /// The factor.
        by: f64,
    },
    /// A hyperparameter goes back to its schedule.
    Schedule {
        /// The hyperparameter.
        name: String,
    },
    /// The model is kept under a name.
    Snapshot {
        /// The name.
        name: String,
    },
    /// The model goes back to a snapshot, or to the best epoch so far.
    RollBack {
        /// The snapshot.
        to: Option<String>,
    },
    /// Training ends.
    Stop,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Set { name, to } => write!(f, "{name} = {to}"),
            Command::Multiply { name, by } => write!(f, "{name} *= {by}"),
            Command::Schedule { name } => write!(f, "{name} = schedule"),
            Command::Snapshot { name } => write!(f, "snapshot {name}"),
            Command::RollBack { to: None } => write!(f, "roll back"),
            Command::RollBack { to: Some(name) } => write!(f, "roll back {name}"),
            Command::Stop => write!(f, "stop"),
        }
    }
}

impl FromStr for Command {
    type Err = String;

    /// # Errors
    /// Says what was expected.
    fn from_str(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["stop"] => return Ok(Command::Stop),
            ["roll", "back"] => return Ok(Command::RollBack { to: None }),
            ["roll", "back", name] => return Ok(Command::RollBack { to: Some(name.to_owned()) }),
            ["snapshot", name] => return Ok(Command::Snapshot { name: name.to_owned() }),
            _ => {}
        }
        let Some((left, right)) = line.split_once('=') else {
            return Err("expected `NAME = NUMBER`, `NAME *= NUMBER`, `NAME /= NUMBER`, `NAME = schedule`, \
                        `snapshot NAME`, `roll back`, `roll back NAME` or `stop`"
                .to_owned());
        };
        let (left, right) = (left.trim_end(), right.trim());
        let (name, sign) = match left.strip_suffix(['*', '/']) {
            Some(name) => (name.trim_end().to_owned(), left.as_bytes()[left.len() - 1]),
            None => (left.to_owned(), b'='),
        };
        if sign == b'=' && right == "schedule" {
            return Ok(Command::Schedule { name });
        }
        let number = right.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| format!("`{name}`: expected a finite number, got `{right}`"))?;
        match sign {
            b'=' => Ok(Command::Set { name, to: number }),
            b'/' if number == 0.0 => Err(format!("`{name}`: cannot be divided by 0")),
            b'/' => Ok(Command::Multiply { name, by: 1.0 / number }),
            _ => Ok(Command::Multiply { name, by: number }),
        }
    }
}
