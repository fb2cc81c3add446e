//! The rules, made from a learning rate; all else as by default.

use nn_train::core::RangeError;
use nn_train::optim::{Adam, Momentum, Nesterov, Rule, Sgd};

type Made = Result<Box<dyn Rule<f64>>, RangeError>;

/// A rule that takes part.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) rule: fn(f64) -> Made,
}

pub(crate) const RULES: &[Contestant] = &[
    Contestant { name: "SGD", rule: |rate| Ok(Box::new(Sgd::new(rate)?)) },
    Contestant { name: "Momentum", rule: |rate| Ok(Box::new(Momentum::new(rate, 0.9)?)) },
    Contestant { name: "Nesterov", rule: |rate| Ok(Box::new(Nesterov::new(rate, 0.9)?)) },
    Contestant { name: "Adam", rule: |rate| Ok(Box::new(Adam::new(rate)?)) },
];
