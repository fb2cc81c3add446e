//! The range of a hyperparameter as a study stores it.

use crate::Value;

/// The range of a hyperparameter as a study stores it: what Optuna knows. The scale on which it is looked for is that of
/// the [`Domain`](crate::Domain).
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Numbers from `low` to `high`.
    Float {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
        /// Only multiples of this above `low`.
        step: Option<f64>,
        /// On a logarithmic scale.
        log: bool,
    },
    /// Whole numbers from `low` to `high`.
    Int {
        /// The lowest.
        low: i64,
        /// The highest.
        high: i64,
        /// Only multiples of this above `low`.
        step: i64,
        /// On a logarithmic scale.
        log: bool,
    },
    /// One of these.
    Categorical {
        /// The choices.
        choices: Vec<Value>,
    },
}
