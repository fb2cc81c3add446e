//! Errors of shapes, values and hyperparameters: each names the thing, what was expected and what came.

use std::error::Error;
use std::fmt;

/// Shapes that do not suit an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShapeError {
    /// The wrong number of inputs.
    Arity {
        /// The operation.
        op: &'static str,
        /// How many inputs it takes.
        expected: usize,
        /// How many it was given.
        got: usize,
    },
    /// One input has a shape that the operation cannot take.
    Input {
        /// The operation.
        op: &'static str,
        /// Position of the input, from 0.
        input: usize,
        /// What it must look like.
        expected: String,
        /// Its shape.
        got: Vec<usize>,
    },
    /// Two inputs do not fit each other.
    Mismatch {
        /// The operation.
        op: &'static str,
        /// What is required of the two.
        expected: String,
        /// Shape of the first.
        left: Vec<usize>,
        /// Shape of the second.
        right: Vec<usize>,
    },
    /// An axis that the input does not have.
    Axis {
        /// The operation.
        op: &'static str,
        /// The axis asked for.
        axis: usize,
        /// Shape of the input.
        shape: Vec<usize>,
    },
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShapeError::Arity { op, expected, got } => {
                write!(f, "{op}: expected {expected} inputs, got {got}")
            }
            ShapeError::Input { op, input, expected, got } => {
                write!(f, "{op}: input {input} must be {expected}, got shape {got:?}")
            }
            ShapeError::Mismatch { op, expected, left, right } => {
                write!(f, "{op}: shapes {left:?} and {right:?} do not fit: {expected}")
            }
            ShapeError::Axis { op, axis, shape } => {
                write!(f, "{op}: axis {axis} is out of range for shape {shape:?} with {} axes", shape.len())
            }
        }
    }
}

impl Error for ShapeError {}

/// A value that an operation cannot take, found before anything was written.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueError {
    /// The operation.
    pub op: &'static str,
    /// Position of the input, from 0.
    pub input: usize,
    /// Where in the input the value stands.
    pub index: Vec<usize>,
    /// The value.
    pub value: f64,
    /// What was expected there, such as `a class from 0 to 9`.
    pub expected: String,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ValueError { op, input, index, value, expected } = self;
        write!(f, "{op}: input {input} holds {value} at {index:?}, expected {expected}")
    }
}

impl Error for ValueError {}

/// What [`evaluate`](crate::evaluate) may object to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The shapes do not suit the operation.
    Shape(ShapeError),
    /// A value does not suit the operation.
    Value(ValueError),
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvaluateError::Shape(e) => e.fmt(f),
            EvaluateError::Value(e) => e.fmt(f),
        }
    }
}

impl Error for EvaluateError {}

impl From<ShapeError> for EvaluateError {
    fn from(e: ShapeError) -> Self {
        EvaluateError::Shape(e)
    }
}

impl From<ValueError> for EvaluateError {
    fn from(e: ValueError) -> Self {
        EvaluateError::Value(e)
    }
}

/// A hyperparameter outside its range, found when it was set.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeError {
    /// What it belongs to, such as `Adam`.
    pub owner: &'static str,
    /// The hyperparameter, such as `beta1`.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// The range that it must lie in, in the usual notation: `[0, 1)`.
    pub range: &'static str,
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RangeError { owner, field, value, range } = self;
        write!(f, "{owner}: {field} must lie in {range}, got {value}")
    }
}

impl Error for RangeError {}

/// `Ok` where `inside` holds, else the [`RangeError`] that says so. NaN is outside every range.
///
/// # Errors
/// When `inside` is false or `value` is NaN.
pub fn check_range(
    owner: &'static str,
    field: &'static str,
    value: f64,
    range: &'static str,
    inside: bool,
) -> Result<(), RangeError> {
    if inside && !value.is_nan() { Ok(()) } else { Err(RangeError { owner, field, value, range }) }
}
