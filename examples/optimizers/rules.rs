//! The rules, made from a learning rate; all else as by default.

use nn_train::core::RangeError;
use nn_train::optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Adan, ExponentialMomentum, Lamb, Lars, Lion, Momentum, NAdam,
    Nesterov, RAdam, RmsProp, Rprop, Rule, Sgd, ShiftedNesterov,
};

type Made = Result<Box<dyn Rule<f64>>, RangeError>;

/// A rule that takes part.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) rule: fn(f64) -> Made,
}

pub(crate) const RULES: &[Contestant] = &[
    Contestant { name: "SGD", rule: |rate| Ok(Box::new(Sgd::new(rate)?)) },
    Contestant { name: "Momentum", rule: |rate| Ok(Box::new(Momentum::new(rate, 0.9)?)) },
    Contestant {
        name: "Momentum, averaged",
        rule: |rate| Ok(Box::new(ExponentialMomentum::new(rate, 0.9)?)),
    },
    Contestant { name: "Nesterov", rule: |rate| Ok(Box::new(Nesterov::new(rate, 0.9)?)) },
    Contestant { name: "Nesterov, shifted", rule: |rate| Ok(Box::new(ShiftedNesterov::new(rate, 0.9)?)) },
    Contestant { name: "Adagrad", rule: |rate| Ok(Box::new(Adagrad::new(rate)?)) },
    Contestant { name: "Adadelta", rule: |rate| Ok(Box::new(Adadelta::new(rate)?)) },
    Contestant { name: "RMSprop", rule: |rate| Ok(Box::new(RmsProp::new(rate)?)) },
    Contestant { name: "RMSprop, centred", rule: |rate| Ok(Box::new(RmsProp::new(rate)?.centred())) },
    Contestant { name: "Adam", rule: |rate| Ok(Box::new(Adam::new(rate)?)) },
    Contestant { name: "AMSGrad", rule: |rate| Ok(Box::new(Adam::new(rate)?.amsgrad())) },
    Contestant { name: "AdamW", rule: |rate| Ok(Box::new(AdamW::new(rate)?)) },
    Contestant { name: "Adamax", rule: |rate| Ok(Box::new(Adamax::new(rate)?)) },
    Contestant { name: "NAdam", rule: |rate| Ok(Box::new(NAdam::new(rate)?)) },
    Contestant { name: "RAdam", rule: |rate| Ok(Box::new(RAdam::new(rate)?)) },
    Contestant { name: "Adan", rule: |rate| Ok(Box::new(Adan::new(rate)?)) },
    Contestant { name: "Lion", rule: |rate| Ok(Box::new(Lion::new(rate)?)) },
    Contestant { name: "Rprop", rule: |rate| Ok(Box::new(Rprop::new(rate)?)) },
    Contestant { name: "Rprop+", rule: |rate| Ok(Box::new(Rprop::plus(rate)?)) },
    Contestant { name: "Rprop−", rule: |rate| Ok(Box::new(Rprop::minus(rate)?)) },
    Contestant { name: "iRprop+", rule: |rate| Ok(Box::new(Rprop::improved_plus(rate)?)) },
    Contestant { name: "LAMB", rule: |rate| Ok(Box::new(Lamb::new(rate)?)) },
    Contestant { name: "LARS", rule: |rate| Ok(Box::new(Lars::new(rate)?)) },
];
