//! The list of all rules, each with its formula written a second time.

use nn_core::Real;
use nn_optim::{Adam, Momentum, Nesterov, Rule, Sgd};

/// A rule written for one parameter, as the reference documents it: from t, w and g to the new w.
pub(crate) type Scalar = Box<dyn FnMut(i32, f64, f64) -> f64>;

/// A rule with settings, made anew at each call, and its second form.
pub(crate) struct Member<F: Real> {
    pub(crate) name: &'static str,
    pub(crate) rule: fn() -> Box<dyn Rule<F>>,
    pub(crate) reference: fn() -> Scalar,
}

/// Every rule of the crate, with default and with other settings; all have the learning rate 0.01.
pub(crate) fn members<F: Real>() -> Vec<Member<F>> {
    vec![
        Member {
            name: "Sgd",
            rule: || Box::new(Sgd::new(0.01).unwrap()),
            reference: || Box::new(|_, w, g| w - 0.01 * g),
        },
        Member {
            name: "Momentum",
            rule: || Box::new(Momentum::new(0.01, 0.9).unwrap()),
            reference: || torch_sgd(0.9, 0.0, false),
        },
        Member {
            name: "Momentum, dampened",
            rule: || Box::new(Momentum::new(0.01, 0.8).unwrap().dampening(0.3).unwrap()),
            reference: || torch_sgd(0.8, 0.3, false),
        },
        Member {
            name: "Nesterov",
            rule: || Box::new(Nesterov::new(0.01, 0.9).unwrap()),
            reference: || torch_sgd(0.9, 0.0, true),
        },
        Member {
            name: "Adam",
            rule: || Box::new(Adam::new(0.01).unwrap()),
            reference: || adam(0.9, 0.999, 1e-8),
        },
        Member {
            name: "Adam, other settings",
            rule: || {
                let adam = Adam::new(0.01).unwrap().beta1(0.5).unwrap();
                Box::new(adam.beta2(0.7).unwrap().epsilon(0.1).unwrap())
            },
            reference: || adam(0.5, 0.7, 0.1),
        },
    ]
}

/// The documentation of torch.optim.SGD.
fn torch_sgd(mu: f64, tau: f64, nesterov: bool) -> Scalar {
    let mut buffer: Option<f64> = None;
    Box::new(move |_, w, g| {
        let b = match buffer {
            None => g,
            Some(b) => mu * b + (1.0 - tau) * g,
        };
        buffer = Some(b);
        w - 0.01 * if nesterov { g + mu * b } else { b }
    })
}

/// The documentation of torch.optim.Adam.
fn adam(beta1: f64, beta2: f64, epsilon: f64) -> Scalar {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, w, g| {
        m = beta1 * m + (1.0 - beta1) * g;
        v = beta2 * v + (1.0 - beta2) * g * g;
        let m_hat = m / (1.0 - beta1.powi(t));
        let v_hat: f64 = v / (1.0 - beta2.powi(t));
        w - 0.01 * m_hat / (v_hat.sqrt() + epsilon)
    })
}
