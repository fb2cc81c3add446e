//! What an optimizer must keep to go on later with the same bits.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use nn_core::{Arena, ParamLayout, Real, UnmatchedPattern};

use crate::MAX_SCALARS;

/// The state of an [`Optimizer`](crate::Optimizer): all that it needs, beside the rule and its hyperparameters, to
/// go on as if it had not stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct State<F: Real> {
    /// The name of the rule.
    pub rule: String,
    /// The number of steps taken.
    pub step: u64,
    /// The current learning rate.
    pub learning_rate: f64,
    /// The scalars by name; those of the k-th group with a rule of its own have `.k` at the end, k from 1.
    pub scalars: BTreeMap<String, f64>,
    /// The slots by name, each with the names and shapes of the parameters; none before the first step of an
    /// optimizer that was not told its layout.
    pub slots: BTreeMap<String, Arena<F>>,
}

/// State that does not belong to the optimizer which was to load it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StateError {
    /// The state of another rule.
    Rule {
        /// The optimizer's rule.
        expected: &'static str,
        /// The rule of the state.
        got: String,
    },
    /// A slot that the rule has and the state does not.
    MissingSlot {
        /// The slot.
        slot: &'static str,
    },
    /// A slot that the state has and the rule does not.
    ExtraSlot {
        /// The slot.
        slot: String,
    },
    /// A scalar that the rule has and the state does not.
    MissingScalar {
        /// The scalar.
        scalar: String,
    },
    /// A scalar that the state has and the rule does not.
    ExtraScalar {
        /// The scalar.
        scalar: String,
    },
    /// A parameter that the optimizer has and the state does not.
    MissingParam {
        /// The slot.
        slot: String,
        /// The parameter.
        name: String,
    },
    /// A parameter that the state has and the optimizer does not.
    ExtraParam {
        /// The slot.
        slot: String,
        /// The parameter.
        name: String,
    },
    /// A parameter of another shape.
    Shape {
        /// The slot.
        slot: String,
        /// The parameter.
        name: String,
        /// Its shape in the optimizer.
        expected: Vec<usize>,
        /// Its shape in the state.
        got: Vec<usize>,
    },
    /// A parameter group of the optimizer that the parameters of the state do not have.
    Group(UnmatchedPattern),
    /// A learning rate outside [0, ∞).
    LearningRate {
        /// Its value.
        got: f64,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::Rule { expected, got } => {
                write!(f, "optimizer state is of rule `{got}`, expected `{expected}`")
            }
            StateError::MissingSlot { slot } => write!(f, "optimizer state lacks slot `{slot}`"),
            StateError::ExtraSlot { slot } => {
                write!(f, "optimizer state has slot `{slot}`, which the rule does not have")
            }
            StateError::MissingScalar { scalar } => write!(f, "optimizer state lacks scalar `{scalar}`"),
            StateError::ExtraScalar { scalar } => {
                write!(f, "optimizer state has scalar `{scalar}`, which the rule does not have")
            }
            StateError::MissingParam { slot, name } => {
                write!(f, "slot `{slot}` of the optimizer state lacks parameter `{name}`")
            }
            StateError::ExtraParam { slot, name } => {
                write!(f, "slot `{slot}` of the optimizer state has an unknown parameter `{name}`")
            }
            StateError::Shape { slot, name, expected, got } => {
                write!(
                    f,
                    "slot `{slot}` of the optimizer state has shape {got:?} for parameter `{name}`, \
                     expected {expected:?}"
                )
            }
            StateError::Group(error) => write!(f, "optimizer state: {error}"),
            StateError::LearningRate { got } => {
                write!(f, "optimizer state: learning_rate must lie in [0, ∞), got {got}")
            }
        }
    }
}

impl Error for StateError {}

impl From<UnmatchedPattern> for StateError {
    fn from(error: UnmatchedPattern) -> Self {
        StateError::Group(error)
    }
}

/// The name under which a scalar of the rule at this position is saved.
pub(crate) fn scalar_name(name: &str, position: usize) -> String {
    if position == 0 { name.to_owned() } else { format!("{name}.{position}") }
}

/// The scalars of each of `rules` rules, in the order of their names.
pub(crate) fn ordered_scalars(
    names: &'static [&'static str],
    rules: usize,
    scalars: &BTreeMap<String, f64>,
) -> Result<Vec<[f64; MAX_SCALARS]>, StateError> {
    let mut ordered = vec![[0.0; MAX_SCALARS]; rules];
    for (position, values) in ordered.iter_mut().enumerate() {
        for (name, value) in names.iter().zip(values) {
            let scalar = scalar_name(name, position);
            *value = *scalars.get(&scalar).ok_or(StateError::MissingScalar { scalar })?;
        }
    }
    let is_known = |scalar: &str| {
        (0..rules).any(|position| names.iter().any(|name| scalar_name(name, position) == scalar))
    };
    match scalars.keys().find(|scalar| !is_known(scalar)) {
        Some(scalar) => Err(StateError::ExtraScalar { scalar: scalar.clone() }),
        None => Ok(ordered),
    }
}

/// Checks that the slots are those of the rule.
pub(crate) fn check_slots<F: Real>(
    names: &'static [&'static str],
    slots: &BTreeMap<String, Arena<F>>,
) -> Result<(), StateError> {
    if let Some(slot) = names.iter().find(|&&name| !slots.contains_key(name)) {
        return Err(StateError::MissingSlot { slot });
    }
    match slots.keys().find(|slot| !names.contains(&slot.as_str())) {
        Some(slot) => Err(StateError::ExtraSlot { slot: slot.clone() }),
        None => Ok(()),
    }
}

/// Checks that a slot has the parameters of `expected`, in whatever order.
pub(crate) fn check_layout(slot: &str, expected: &ParamLayout, got: &ParamLayout) -> Result<(), StateError> {
    let slot = slot.to_owned();
    for spec in expected.params() {
        let name = spec.name.clone();
        match got.find(&spec.name) {
            None => return Err(StateError::MissingParam { slot, name }),
            Some(found) if found.shape != spec.shape => {
                let (expected, got) = (spec.shape.clone(), found.shape.clone());
                return Err(StateError::Shape { slot, name, expected, got });
            }
            Some(_) => {}
        }
    }
    match got.params().iter().find(|spec| expected.find(&spec.name).is_none()) {
        Some(spec) => Err(StateError::ExtraParam { slot, name: spec.name.clone() }),
        None => Ok(()),
    }
}
