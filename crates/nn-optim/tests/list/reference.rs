//! The formulas of the papers and of the documentation of PyTorch, Optax and Keras, for one parameter.

use super::{Scalar, cost};

/// L2 weight decay, before everything else.
pub(crate) fn coupled(decay: f64, mut rule: Scalar) -> Scalar {
    Box::new(move |t, w, g| rule(t, w, g + decay * w))
}

/// Decoupled weight decay, with the rate.
pub(crate) fn decoupled(rate: f64, decay: f64, mut rule: Scalar) -> Scalar {
    Box::new(move |t, w, g| rule(t, w - rate * decay * w, g))
}

/// The documentation of torch.optim.SGD.
pub(crate) fn torch_sgd(rate: f64, mu: f64, tau: f64, nesterov: bool) -> Scalar {
    let mut buffer: Option<f64> = None;
    Box::new(move |_, w, g| {
        let b = match buffer {
            None => g,
            Some(b) => mu * b + (1.0 - tau) * g,
        };
        buffer = Some(b);
        w - rate * if nesterov { g + mu * b } else { b }
    })
}

/// The documentation of keras.optimizers.SGD; without Nesterov, Sutskever et al. 2013, equations 1 to 4, too.
pub(crate) fn keras_sgd(rate: f64, mu: f64, nesterov: bool) -> Scalar {
    let mut velocity = 0.0;
    Box::new(move |_, w, g| {
        velocity = mu * velocity - rate * g;
        if nesterov { w + mu * velocity - rate * g } else { w + velocity }
    })
}

/// The average Σ βᵗ⁻ⁱ(1 − β)gᵢ as a sum over all gradients, divided by the sum of its weights where corrected.
pub(crate) fn exponential(rate: f64, beta: f64, corrected: bool) -> Scalar {
    let mut gradients = Vec::new();
    Box::new(move |_, w, g| {
        gradients.push(g);
        let weights = (0..gradients.len() as i32).map(|age| (1.0 - beta) * beta.powi(age));
        let sum: f64 = weights.clone().zip(gradients.iter().rev()).map(|(weight, g)| weight * g).sum();
        w - rate * if corrected { sum / weights.sum::<f64>() } else { sum }
    })
}

/// Duchi et al. 2011 as in torch.optim.Adagrad (ε outside the root) and in Keras and Optax (inside).
pub(crate) fn adagrad(rate: f64, kappa: f64, initial: f64, epsilon: f64, inside: bool) -> Scalar {
    let mut sum = initial;
    Box::new(move |t, w, g| {
        sum += g * g;
        let root = if inside { (sum + epsilon).sqrt() } else { sum.sqrt() + epsilon };
        w - rate / (1.0 + f64::from(t - 1) * kappa) * g / root
    })
}

/// Zeiler 2012, algorithm 1.
pub(crate) fn adadelta(rate: f64, rho: f64, epsilon: f64) -> Scalar {
    let (mut squares, mut steps) = (0.0, 0.0);
    Box::new(move |_, w, g| {
        squares = rho * squares + (1.0 - rho) * g * g;
        let delta = -f64::sqrt(steps + epsilon) / f64::sqrt(squares + epsilon) * g;
        steps = rho * steps + (1.0 - rho) * delta * delta;
        w + rate * delta
    })
}

/// The settings of RMSprop.
pub(crate) struct RmsSettings {
    pub(crate) rho: f64,
    pub(crate) epsilon: f64,
    pub(crate) mu: f64,
    pub(crate) centred: bool,
    pub(crate) inside: bool,
}

/// The documentation of torch.optim.RMSprop (ε outside the root), of Keras and Optax (inside).
pub(crate) fn rmsprop(rate: f64, settings: RmsSettings) -> Scalar {
    let RmsSettings { rho, epsilon, mu, centred, inside } = settings;
    let (mut squares, mut mean, mut buffer) = (0.0, 0.0, 0.0);
    Box::new(move |_, w, g| {
        squares = rho * squares + (1.0 - rho) * g * g;
        mean = rho * mean + (1.0 - rho) * g;
        let s: f64 = if centred { squares - mean * mean } else { squares };
        let root = if inside { (s + epsilon).sqrt() } else { s.max(0.0).sqrt() + epsilon };
        buffer = mu * buffer + g / root;
        w - rate * buffer
    })
}

/// m and v of Adam, corrected.
fn moments(betas: [f64; 2]) -> impl FnMut(i32, f64) -> [f64; 2] {
    let [mut m, mut v] = [0.0; 2];
    move |t, g| {
        m = betas[0] * m + (1.0 - betas[0]) * g;
        v = betas[1] * v + (1.0 - betas[1]) * g * g;
        [m / (1.0 - betas[0].powi(t)), v / (1.0 - betas[1].powi(t))]
    }
}

/// The documentation of torch.optim.Adam; AMSGrad takes the maximum over the v that is not corrected.
pub(crate) fn adam(rate: f64, betas: [f64; 2], epsilon: f64, amsgrad: bool) -> Scalar {
    let (mut moments, mut largest) = (moments(betas), 0.0f64);
    Box::new(move |t, w, g| {
        let [m, v] = moments(t, g);
        let correction = 1.0 - betas[1].powi(t);
        largest = largest.max(v * correction);
        let v = if amsgrad { largest / correction } else { v };
        w - rate * m / (v.sqrt() + epsilon)
    })
}

/// As [`adam`] with AMSGrad, but the maximum is over the corrected v, as in optax.amsgrad.
pub(crate) fn optax_amsgrad(rate: f64, betas: [f64; 2], epsilon: f64) -> Scalar {
    let (mut moments, mut largest) = (moments(betas), 0.0f64);
    Box::new(move |t, w, g| {
        let [m, v] = moments(t, g);
        largest = largest.max(v);
        w - rate * m / (largest.sqrt() + epsilon)
    })
}

/// Kingma and Ba 2015, end of section 2, as in keras.optimizers.Adam.
pub(crate) fn keras_adam(rate: f64, betas: [f64; 2], epsilon: f64) -> Scalar {
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, w, g| {
        m += (g - m) * (1.0 - betas[0]);
        v += (g * g - v) * (1.0 - betas[1]);
        let alpha = rate * (1.0 - betas[1].powi(t)).sqrt() / (1.0 - betas[0].powi(t));
        w - alpha * m / (f64::sqrt(v) + epsilon)
    })
}

/// Kingma and Ba 2015, algorithm 2, with ε in the maximum as in PyTorch, or beside it as in Keras.
pub(crate) fn adamax(rate: f64, betas: [f64; 2], epsilon: f64, keras: bool) -> Scalar {
    let (mut moments, mut u) = (moments(betas), 0.0f64);
    Box::new(move |t, w, g| {
        let [m, _] = moments(t, g);
        u = (betas[1] * u).max(if keras { g.abs() } else { g.abs() + epsilon });
        w - rate * m / if keras { u + epsilon } else { u }
    })
}

/// The documentation of torch.optim.NAdam; of Optax with no warm-up.
pub(crate) fn nadam(rate: f64, betas: [f64; 2], epsilon: f64, psi: Option<f64>) -> Scalar {
    let mu = move |t: i32| match psi {
        Some(psi) => betas[0] * (1.0 - 0.5 * 0.96f64.powf(f64::from(t) * psi)),
        None => betas[0],
    };
    let (mut m, mut v) = (0.0, 0.0);
    Box::new(move |t, w, g| {
        m = betas[0] * m + (1.0 - betas[0]) * g;
        v = betas[1] * v + (1.0 - betas[1]) * g * g;
        let product = |last: i32| (1..=last).map(mu).product::<f64>();
        let m_hat = mu(t + 1) * m / (1.0 - product(t + 1)) + (1.0 - mu(t)) * g / (1.0 - product(t));
        w - rate * m_hat / (f64::sqrt(v / (1.0 - betas[1].powi(t))) + epsilon)
    })
}

/// The documentation of torch.optim.RAdam with ε beside the uncorrected √v, or of Optax with it beside √v̂.
pub(crate) fn radam(rate: f64, betas: [f64; 2], epsilon: f64, optax: bool) -> Scalar {
    let mut moments = moments(betas);
    let limit = 2.0 / (1.0 - betas[1]) - 1.0;
    Box::new(move |t, w, g| {
        let [m, v] = moments(t, g);
        let correction = 1.0 - betas[1].powi(t);
        let rho = limit - 2.0 * f64::from(t) * betas[1].powi(t) / correction;
        if rho <= 5.0 {
            return w - rate * m;
        }
        let r = ((rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho)).sqrt();
        let raw = (v * correction).sqrt();
        let l = if optax { 1.0 / (v.sqrt() + epsilon) } else { correction.sqrt() / (raw + epsilon) };
        w - rate * m * r * l
    })
}

/// What Rprop does after a change of sign.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Turn {
    Undo,
    UndoWhereCostRises,
    Move,
    Stay,
}

/// Igel and Hüsken 2003: Rprop⁺, iRprop⁺, Rprop⁻ and iRprop⁻.
pub(crate) fn rprop(first: f64, factors: [f64; 2], sizes: [f64; 2], turn: Turn) -> Scalar {
    let (mut before, mut size, mut change) = (0.0f64, first, 0.0);
    let sign = |g: f64| if g == 0.0 { 0.0 } else { g.signum() };
    Box::new(move |t, w, g| {
        let product = before * g;
        before = g;
        if product > 0.0 {
            size = f64::min(size * factors[1], sizes[1]);
        }
        if product < 0.0 {
            size = f64::max(size * factors[0], sizes[0]);
            if turn != Turn::Move {
                before = 0.0;
                let undone = match turn {
                    Turn::UndoWhereCostRises => cost(t as usize) > cost(t as usize - 1),
                    _ => turn == Turn::Undo,
                };
                change = if undone { -change } else { 0.0 };
                return w + change;
            }
        }
        size = size.clamp(sizes[0], sizes[1]);
        change = -sign(g) * size;
        w + change
    })
}

/// Chen et al. 2023, algorithm 2.
pub(crate) fn lion(rate: f64, betas: [f64; 2], decay: f64) -> Scalar {
    let mut m = 0.0;
    Box::new(move |_, w, g| {
        let c: f64 = betas[0] * m + (1.0 - betas[0]) * g;
        m = betas[1] * m + (1.0 - betas[1]) * g;
        let sign = if c == 0.0 { 0.0 } else { c.signum() };
        w - rate * (sign + decay * w)
    })
}

/// Xie et al. 2022, algorithm 1, with the paper's β (1 − β of the rule), and the bias correction of the authors.
pub(crate) fn adan(rate: f64, betas: [f64; 3], epsilon: f64, decay: f64) -> Scalar {
    let [b1, b2, b3] = betas;
    let (mut m, mut v, mut n, mut before) = (0.0, 0.0, 0.0, None);
    let correction = |b: f64, t: i32| 1.0 - (1.0 - b).powi(t);
    Box::new(move |t, w, g| {
        let difference = g - before.unwrap_or(g);
        before = Some(g);
        m = (1.0 - b1) * m + b1 * g;
        v = (1.0 - b2) * v + b2 * difference;
        n = (1.0 - b3) * n + b3 * (g + (1.0 - b2) * difference).powi(2);
        let eta = rate / (f64::sqrt(n / correction(b3, t)) + epsilon);
        let direction = m / correction(b1, t) + (1.0 - b2) * v / correction(b2, t);
        (w - eta * direction) / (1.0 + decay * rate)
    })
}
