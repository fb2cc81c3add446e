//! Errors of recording and of replaying.

use std::error::Error;
use std::fmt;

use nn_core::{DuplicateParam, ShapeError, ValueError};

/// What was wrong with a recorded expression.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RecordError {
    /// Shapes that do not suit an operation.
    Shape {
        /// The module in which the operation was recorded, such as `encoder.0`; empty at the top.
        path: String,
        /// The inputs with their names and shapes.
        inputs: Vec<(String, Vec<usize>)>,
        /// What the operation says.
        source: Box<ShapeError>,
    },
    /// A parameter that was declared twice.
    Param(DuplicateParam),
    /// A placeholder that was declared twice.
    DuplicatePlaceholder {
        /// Its name.
        name: String,
    },
    /// A cost that is not one number.
    CostNotScalar {
        /// The name of the expression.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A module or its caller has a complaint of its own.
    Module {
        /// The module's path.
        path: String,
        /// What it says.
        message: String,
    },
}

/// `path: ` or nothing at the top of the network.
fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Shape { path, inputs, source } => {
                write!(f, "{}{source} (inputs:", prefix(path))?;
                for (i, (name, shape)) in inputs.iter().enumerate() {
                    write!(f, "{} `{name}` {shape:?}", if i == 0 { "" } else { "," })?;
                }
                f.write_str(")")
            }
            RecordError::Param(source) => source.fmt(f),
            RecordError::DuplicatePlaceholder { name } => write!(f, "placeholder `{name}` exists already"),
            RecordError::CostNotScalar { name, shape } => {
                write!(f, "the cost must be one number, but `{name}` has shape {shape:?}")
            }
            RecordError::Module { path, message } => write!(f, "{}{message}", prefix(path)),
        }
    }
}

impl Error for RecordError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RecordError::Shape { source, .. } => Some(source),
            RecordError::Param(source) => Some(source),
            _ => None,
        }
    }
}

/// What went wrong when a plan was fed or replayed; nothing was computed from it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RunError {
    /// There is no placeholder of this name.
    UnknownInput {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A placeholder was fed an array of another shape than it was declared with.
    InputShape {
        /// Its name.
        name: String,
        /// The declared shape.
        expected: Vec<usize>,
        /// The shape that came.
        got: Vec<usize>,
    },
    /// An operation refuses a value, such as a class number outside the classes.
    Value {
        /// The module in which the operation was recorded.
        path: String,
        /// What the operation says.
        source: ValueError,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::UnknownInput { name, known } => {
                write!(f, "there is no placeholder `{name}`; there are: {}", known.join(", "))
            }
            RunError::InputShape { name, expected, got } => {
                write!(f, "placeholder `{name}` has shape {expected:?}, got {got:?}")
            }
            RunError::Value { path, source } => write!(f, "{}{source}", prefix(path)),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RunError::Value { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Where infinities or NaN first appear in a forward pass.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NonFinite {
    /// In a parameter.
    Param {
        /// Its name.
        name: String,
    },
    /// In what a placeholder was fed.
    Input {
        /// Its name.
        name: String,
    },
    /// In the output of an operation whose inputs are finite.
    Operation {
        /// The module in which it was recorded; empty at the top.
        path: String,
        /// The operation.
        op: &'static str,
    },
    /// In a gradient: that of this parameter is the first.
    Gradient {
        /// The name of the parameter.
        name: String,
    },
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NonFinite::Param { name } => write!(f, "parameter `{name}`"),
            NonFinite::Input { name } => write!(f, "input `{name}`"),
            NonFinite::Operation { path, op } if path.is_empty() => write!(f, "operation {op}"),
            NonFinite::Operation { path, op } => write!(f, "operation {op} of module `{path}`"),
            NonFinite::Gradient { name } => write!(f, "the gradient of parameter `{name}`"),
        }
    }
}
