//! The list of all rules, each with its formula written a second time.

mod reference;
mod tensors;

use nn_core::Real;
use nn_optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Adan, ExponentialMomentum, Lamb, Lars, Lion, Momentum, NAdam,
    Nesterov, RAdam, RmsProp, Rprop, Rule, Sgd, ShiftedNesterov,
};
use reference::{
    RmsSettings, Turn, adadelta, adagrad, adam, adamax, adan, coupled, decoupled, exponential, keras_adam,
    keras_sgd, lion, nadam, optax_amsgrad, radam, rmsprop, rprop, torch_sgd,
};
use tensors::{TensorMember, lamb, lars};

/// A rule written for one parameter, as the reference documents it: from t, w and g to the new w.
pub(crate) type Scalar = Box<dyn FnMut(i32, f64, f64) -> f64>;

/// A rule with settings, made anew at each call for a learning rate, and its second form for a learning rate and a
/// weight decay.
pub(crate) struct Member<F: Real> {
    pub(crate) name: &'static str,
    pub(crate) rule: fn(f64) -> Box<dyn Rule<F>>,
    pub(crate) reference: fn(f64, f64) -> Scalar,
    /// The learning rates with which it descends on the three problems.
    pub(crate) rates: [f64; 3],
}

/// The cost told to a rule at step t, as its second form knows it too: without pattern, rising and falling.
pub(crate) fn cost(t: usize) -> f64 {
    (1.7 * t as f64).sin()
}

/// Rates for steps in proportion to the gradient.
const PLAIN: [f64; 3] = [0.01, 5e-4, 0.2];
/// Rates for the same with momentum.
const HEAVY: [f64; 3] = [5e-3, 1e-4, 0.05];
/// Rates for steps about as long as the rate.
const SCALED: [f64; 3] = [0.05, 0.02, 0.05];
/// Rates for steps that are at first in proportion to the gradient and then about as long as the rate.
const UNRECTIFIED: [f64; 3] = [0.01, 1e-3, 0.05];
/// Rates for steps that become shorter of themselves.
const FADING: [f64; 3] = [0.5, 0.5, 0.5];
/// Rates for steps that begin very short.
const CRAWLING: [f64; 3] = [10.0, 10.0, 10.0];

type Settings<F> = (&'static str, [f64; 3], fn(f64) -> Box<dyn Rule<F>>, fn(f64, f64) -> Scalar);

/// Every rule of the crate, with default and with other settings.
pub(crate) fn members<F: Real>() -> Vec<Member<F>> {
    let families = [gradients(), squares(), adams(), adam_kin(), signs()];
    let member = |(name, rates, rule, reference)| Member { name, rule, reference, rates };
    families.into_iter().flatten().map(member).collect()
}

/// Rules whose step is proportional to the gradient.
fn gradients<F: Real>() -> Vec<Settings<F>> {
    vec![
        ("Sgd", PLAIN, |a| Box::new(Sgd::new(a).unwrap()), |a, d| coupled(d, torch_sgd(a, 0.0, 0.0, false))),
        (
            "Momentum",
            HEAVY,
            |a| Box::new(Momentum::new(a, 0.9).unwrap()),
            |a, d| coupled(d, torch_sgd(a, 0.9, 0.0, false)),
        ),
        (
            "Momentum, dampened",
            HEAVY,
            |a| Box::new(Momentum::new(a, 0.8).unwrap().dampening(0.3).unwrap()),
            |a, d| coupled(d, torch_sgd(a, 0.8, 0.3, false)),
        ),
        (
            "Momentum::keras",
            HEAVY,
            |a| Box::new(Momentum::keras(a, 0.9).unwrap()),
            |a, d| coupled(d, keras_sgd(a, 0.9, false)),
        ),
        (
            "ExponentialMomentum",
            PLAIN,
            |a| Box::new(ExponentialMomentum::new(a, 0.9).unwrap()),
            |a, d| coupled(d, exponential(a, 0.9, false)),
        ),
        (
            "ExponentialMomentum, corrected",
            PLAIN,
            |a| Box::new(ExponentialMomentum::new(a, 0.8).unwrap().corrected()),
            |a, d| coupled(d, exponential(a, 0.8, true)),
        ),
        (
            "Nesterov",
            HEAVY,
            |a| Box::new(Nesterov::new(a, 0.9).unwrap()),
            |a, d| coupled(d, torch_sgd(a, 0.9, 0.0, true)),
        ),
        (
            "Nesterov::keras",
            HEAVY,
            |a| Box::new(Nesterov::keras(a, 0.9).unwrap()),
            |a, d| coupled(d, keras_sgd(a, 0.9, true)),
        ),
        (
            "ShiftedNesterov",
            HEAVY,
            |a| Box::new(ShiftedNesterov::new(a, 0.9).unwrap()),
            |a, d| coupled(d, keras_sgd(a, 0.9, false)),
        ),
    ]
}

/// Rules that divide by the root of a sum or mean of squares.
fn squares<F: Real>() -> Vec<Settings<F>> {
    vec![
        (
            "Adagrad",
            FADING,
            |a| Box::new(Adagrad::new(a).unwrap()),
            |a, d| coupled(d, adagrad(a, 0.0, 0.0, 1e-10, false)),
        ),
        (
            "Adagrad, other settings",
            FADING,
            |a| {
                let rule = Adagrad::new(a).unwrap().rate_decay(0.01).unwrap();
                Box::new(rule.initial_sum(0.5).unwrap().epsilon(1e-2).unwrap())
            },
            |a, d| coupled(d, adagrad(a, 0.01, 0.5, 1e-2, false)),
        ),
        (
            "Adagrad::keras",
            FADING,
            |a| Box::new(Adagrad::keras(a).unwrap()),
            |a, d| coupled(d, adagrad(a, 0.0, 0.1, 1e-7, true)),
        ),
        (
            "Adadelta",
            CRAWLING,
            |a| Box::new(Adadelta::new(a).unwrap()),
            |a, d| coupled(d, adadelta(a, 0.9, 1e-6)),
        ),
        (
            "Adadelta, other settings",
            FADING,
            |a| Box::new(Adadelta::new(a).unwrap().rho(0.8).unwrap().epsilon(1e-2).unwrap()),
            |a, d| coupled(d, adadelta(a, 0.8, 1e-2)),
        ),
        (
            "RmsProp",
            SCALED,
            |a| Box::new(RmsProp::new(a).unwrap()),
            |a, d| coupled(d, rmsprop(a, rms(0.99, 1e-8, 0.0, false, false))),
        ),
        (
            "RmsProp, with momentum",
            SCALED,
            |a| {
                let rule = RmsProp::new(a).unwrap().decay_factor(0.9).unwrap();
                Box::new(rule.momentum(0.8).unwrap())
            },
            |a, d| coupled(d, rmsprop(a, rms(0.9, 1e-8, 0.8, false, false))),
        ),
        (
            "RmsProp, centred",
            SCALED,
            |a| Box::new(RmsProp::new(a).unwrap().epsilon(0.1).unwrap().centred()),
            |a, d| coupled(d, rmsprop(a, rms(0.99, 0.1, 0.0, true, false))),
        ),
        (
            "RmsProp::keras, centred, with momentum",
            SCALED,
            |a| {
                let rule = RmsProp::keras(a).unwrap().epsilon(0.1).unwrap();
                Box::new(rule.momentum(0.5).unwrap().centred())
            },
            |a, d| coupled(d, rmsprop(a, rms(0.9, 0.1, 0.5, true, true))),
        ),
        (
            "RmsProp::optax",
            SCALED,
            |a| Box::new(RmsProp::optax(a).unwrap().epsilon(1e-4).unwrap()),
            |a, d| coupled(d, rmsprop(a, rms(0.9, 1e-4, 0.0, false, true))),
        ),
    ]
}

fn rms(rho: f64, epsilon: f64, mu: f64, centred: bool, inside: bool) -> RmsSettings {
    RmsSettings { rho, epsilon, mu, centred, inside }
}

/// Adam, with coupled and decoupled decay.
fn adams<F: Real>() -> Vec<Settings<F>> {
    vec![
        (
            "Adam",
            SCALED,
            |a| Box::new(Adam::new(a).unwrap()),
            |a, d| coupled(d, adam(a, [0.9, 0.999], 1e-8, false)),
        ),
        (
            "Adam, other settings",
            SCALED,
            |a| {
                let rule = Adam::new(a).unwrap().beta1(0.5).unwrap();
                Box::new(rule.beta2(0.7).unwrap().epsilon(0.1).unwrap())
            },
            |a, d| coupled(d, adam(a, [0.5, 0.7], 0.1, false)),
        ),
        (
            "Adam, AMSGrad",
            SCALED,
            |a| Box::new(Adam::new(a).unwrap().beta2(0.9).unwrap().amsgrad()),
            |a, d| coupled(d, adam(a, [0.9, 0.9], 1e-8, true)),
        ),
        (
            "Adam::optax, AMSGrad",
            SCALED,
            |a| Box::new(Adam::optax(a).unwrap().beta2(0.9).unwrap().amsgrad()),
            |a, d| coupled(d, optax_amsgrad(a, [0.9, 0.9], 1e-8)),
        ),
        (
            "Adam::keras",
            SCALED,
            |a| Box::new(Adam::keras(a).unwrap().epsilon(1e-3).unwrap()),
            |a, d| coupled(d, keras_adam(a, [0.9, 0.999], 1e-3)),
        ),
        (
            "AdamW",
            SCALED,
            |a| Box::new(AdamW::new(a).unwrap()),
            |a, d| decoupled(a, d, adam(a, [0.9, 0.999], 1e-8, false)),
        ),
        (
            "AdamW, AMSGrad",
            SCALED,
            |a| {
                let rule = AdamW::new(a).unwrap().beta1(0.5).unwrap().beta2(0.7).unwrap();
                Box::new(rule.epsilon(1e-2).unwrap().amsgrad())
            },
            |a, d| decoupled(a, d, adam(a, [0.5, 0.7], 1e-2, true)),
        ),
        (
            "AdamW::keras",
            SCALED,
            |a| Box::new(AdamW::keras(a).unwrap()),
            |a, d| decoupled(a, d, keras_adam(a, [0.9, 0.999], 1e-7)),
        ),
    ]
}

/// What was made from Adam.
fn adam_kin<F: Real>() -> Vec<Settings<F>> {
    vec![
        (
            "Adamax",
            SCALED,
            |a| Box::new(Adamax::new(a).unwrap()),
            |a, d| coupled(d, adamax(a, [0.9, 0.999], 1e-8, false)),
        ),
        (
            "Adamax::keras, other settings",
            SCALED,
            |a| {
                let rule = Adamax::keras(a).unwrap().beta1(0.5).unwrap();
                Box::new(rule.beta2(0.7).unwrap().epsilon(0.1).unwrap())
            },
            |a, d| coupled(d, adamax(a, [0.5, 0.7], 0.1, true)),
        ),
        (
            "NAdam",
            SCALED,
            |a| Box::new(NAdam::new(a).unwrap()),
            |a, d| coupled(d, nadam(a, [0.9, 0.999], 1e-8, Some(4e-3))),
        ),
        (
            "NAdam::keras, other settings",
            SCALED,
            |a| {
                let rule = NAdam::keras(a).unwrap().beta1(0.5).unwrap();
                Box::new(rule.beta2(0.7).unwrap().epsilon(0.1).unwrap())
            },
            |a, d| coupled(d, nadam(a, [0.5, 0.7], 0.1, Some(1.0))),
        ),
        (
            "NAdam::optax",
            SCALED,
            |a| Box::new(NAdam::optax(a).unwrap()),
            |a, d| coupled(d, nadam(a, [0.9, 0.999], 1e-8, None)),
        ),
        (
            "RAdam",
            UNRECTIFIED,
            |a| Box::new(RAdam::new(a).unwrap()),
            |a, d| coupled(d, radam(a, [0.9, 0.999], 1e-8, false)),
        ),
        (
            "RAdam::optax, other settings",
            UNRECTIFIED,
            |a| {
                let rule = RAdam::optax(a).unwrap().beta1(0.5).unwrap();
                Box::new(rule.beta2(0.8).unwrap().epsilon(0.1).unwrap())
            },
            |a, d| coupled(d, radam(a, [0.5, 0.8], 0.1, true)),
        ),
        ("Adan", SCALED, |a| Box::new(Adan::new(a).unwrap()), |a, d| adan(a, [0.02, 0.08, 0.01], 1e-8, d)),
        (
            "Adan, other settings",
            SCALED,
            |a| {
                let rule = Adan::new(a).unwrap().beta1(0.9).unwrap().beta2(0.7).unwrap();
                Box::new(rule.beta3(0.95).unwrap().epsilon(1e-2).unwrap())
            },
            |a, d| adan(a, [0.1, 0.3, 0.05], 1e-2, d),
        ),
    ]
}

/// Rules that take only the sign.
fn signs<F: Real>() -> Vec<Settings<F>> {
    vec![
        ("Lion", SCALED, |a| Box::new(Lion::new(a).unwrap()), |a, d| lion(a, [0.9, 0.99], d)),
        (
            "Lion, other settings",
            SCALED,
            |a| Box::new(Lion::new(a).unwrap().beta1(0.5).unwrap().beta2(0.8).unwrap()),
            |a, d| lion(a, [0.5, 0.8], d),
        ),
        (
            "Rprop",
            SCALED,
            |a| Box::new(Rprop::new(a).unwrap()),
            |a, d| coupled(d, rprop(a, [0.5, 1.2], [1e-6, 50.0], Turn::Stay)),
        ),
        (
            "Rprop, other settings",
            SCALED,
            |a| {
                let rule = Rprop::new(a).unwrap().factors(0.4, 1.3).unwrap();
                Box::new(rule.step_sizes(1e-5, 0.1).unwrap())
            },
            |a, d| coupled(d, rprop(a, [0.4, 1.3], [1e-5, 0.1], Turn::Stay)),
        ),
        (
            "Rprop::plus",
            SCALED,
            |a| Box::new(Rprop::plus(a).unwrap()),
            |a, d| coupled(d, rprop(a, [0.5, 1.2], [1e-6, 50.0], Turn::Undo)),
        ),
        (
            "Rprop::improved_plus",
            SCALED,
            |a| Box::new(Rprop::improved_plus(a).unwrap()),
            |a, d| coupled(d, rprop(a, [0.5, 1.2], [1e-6, 50.0], Turn::UndoWhereCostRises)),
        ),
        (
            "Rprop::improved_plus, other settings",
            SCALED,
            |a| {
                let rule = Rprop::improved_plus(a).unwrap().factors(0.4, 1.3).unwrap();
                Box::new(rule.step_sizes(1e-5, 0.1).unwrap())
            },
            |a, d| coupled(d, rprop(a, [0.4, 1.3], [1e-5, 0.1], Turn::UndoWhereCostRises)),
        ),
        (
            "Rprop::minus",
            SCALED,
            |a| Box::new(Rprop::minus(a).unwrap()),
            |a, d| coupled(d, rprop(a, [0.5, 1.2], [1e-6, 50.0], Turn::Move)),
        ),
    ]
}

/// Every rule that sees whole parameters, with default and with other settings.
pub(crate) fn tensor_members<F: Real>() -> Vec<TensorMember<F>> {
    vec![
        TensorMember {
            name: "Lamb",
            rule: || Box::new(Lamb::new(0.01).unwrap()),
            reference: |decay| lamb(0.01, [0.9, 0.999, 1e-6], decay),
        },
        TensorMember {
            name: "Lamb, other settings",
            rule: || {
                let lamb = Lamb::new(0.02).unwrap().beta1(0.5).unwrap().beta2(0.7).unwrap();
                Box::new(lamb.epsilon(0.1).unwrap())
            },
            reference: |decay| lamb(0.02, [0.5, 0.7, 0.1], decay),
        },
        TensorMember {
            name: "Lars",
            rule: || Box::new(Lars::new(4.0).unwrap()),
            reference: |decay| lars(4.0, 0.9, 1e-3, decay),
        },
        TensorMember {
            name: "Lars, other settings",
            rule: || {
                let lars = Lars::new(0.5).unwrap().momentum(0.5).unwrap();
                Box::new(lars.trust_coefficient(0.02).unwrap())
            },
            reference: |decay| lars(0.5, 0.5, 0.02, decay),
        },
    ]
}

/// The name of a rule, and what makes it.
pub(crate) type Named<F> = (&'static str, fn() -> Box<dyn Rule<F>>);

/// The rules for matrices alone, which their own tests hold against their formulas. They take no weight decay here.
#[cfg(feature = "muon")]
pub(crate) fn matrix_rules<F: Real>() -> Vec<Named<F>> {
    vec![("Muon", || Box::new(nn_optim::Muon::default().weight_decay(0.0).unwrap()))]
}

#[cfg(not(feature = "muon"))]
pub(crate) fn matrix_rules<F: Real>() -> Vec<Named<F>> {
    Vec::new()
}
