//! The training of a small network, in plain Rust.

use nn_core::Streams;
use nn_tune::{Space, SpaceError};
use rand::RngExt;

/// Points of the training set, and as many of the validation set.
const POINTS: usize = 128;
const EPOCHS: usize = 10;

/// Two interlocking half circles with noise, which a network with one hidden layer is to tell apart.
pub(crate) struct Training {
    /// Two coordinates and the class, 0 or 1.
    points: Vec<[f64; 3]>,
}

/// The hyperparameters, in the order of the space.
struct Hyperparameters {
    learning_rate: f64,
    momentum: f64,
    batch_size: usize,
    units: usize,
    decay: f64,
    /// The standard deviation of the first weights.
    scale: f64,
}

/// Of each hidden unit: two weights, bias, outgoing weight; last the bias of the output.
type Weights = Vec<f64>;

impl Training {
    /// The points, always the same.
    pub(crate) fn new() -> Self {
        let mut rng = Streams::new(0).rng("points", 0);
        let mut noise = || 0.6 * (rng.random::<f64>() + rng.random::<f64>() - 1.0);
        let points = (0..2 * POINTS).map(|i| {
            let class = i % 2;
            let angle = std::f64::consts::PI * (i / 2) as f64 / POINTS as f64;
            let [x, y] = match class {
                0 => [angle.cos(), angle.sin()],
                _ => [1.0 - angle.cos(), 0.5 - angle.sin()],
            };
            [x + noise() - 0.5, y + noise() - 0.25, class as f64]
        });
        Training { points: points.collect() }
    }

    /// The hyperparameters.
    pub(crate) fn space() -> Result<Space, SpaceError> {
        Space::new()
            .log_uniform("learning_rate", 1e-4, 10.0)?
            .one_minus_log_uniform("momentum", 0.5, 0.999)?
            .powers_of_two("batch_size", 4, 64)?
            .log_integer("units", 2, 32)?
            .log_uniform("decay", 1e-6, 0.1)?
            .log_uniform("scale", 0.1, 3.0)
    }

    /// The mean cross-entropy on the validation set after training, at most 10.
    pub(crate) fn loss(&self, numbers: &[f64]) -> f64 {
        let hyperparameters = Hyperparameters {
            learning_rate: numbers[0],
            momentum: numbers[1],
            batch_size: numbers[2] as usize,
            units: numbers[3] as usize,
            decay: numbers[4],
            scale: numbers[5],
        };
        let weights = self.train(&hyperparameters);
        // Neighbours lie on both sides of the split: of each four points, two are for training.
        let losses = self.split(1).map(|point| {
            let (z, _) = output(&weights, point);
            let margin = if point[2] > 0.5 { z } else { -z };
            if margin > 0.0 { (-margin).exp().ln_1p() } else { margin.exp().ln_1p() - margin }
        });
        let loss = losses.sum::<f64>() / POINTS as f64;
        if loss < 10.0 { loss } else { 10.0 }
    }

    /// The training set, 0, or the validation set, 1.
    fn split(&self, part: usize) -> impl Iterator<Item = &[f64; 3]> {
        self.points.iter().enumerate().filter(move |(i, _)| i / 2 % 2 == part).map(|(_, point)| point)
    }

    fn train(&self, hyperparameters: &Hyperparameters) -> Weights {
        let streams = Streams::new(1);
        let mut rng = streams.rng("weights", 0);
        let mut uniform = || hyperparameters.scale * 3_f64.sqrt() * (2.0 * rng.random::<f64>() - 1.0);
        let mut weights: Weights = (0..=4 * hyperparameters.units).map(|_| uniform()).collect();
        let mut velocity = vec![0.0; weights.len()];
        let mut points: Vec<&[f64; 3]> = self.split(0).collect();
        for epoch in 0..EPOCHS {
            let mut rng = streams.rng("shuffle", epoch as u64);
            for i in (1..points.len()).rev() {
                points.swap(i, rng.random_range(0..=i));
            }
            for batch in points.chunks(hyperparameters.batch_size) {
                let gradient = gradient(&weights, batch);
                for ((w, v), g) in weights.iter_mut().zip(&mut velocity).zip(gradient) {
                    *v = hyperparameters.momentum * *v
                        - hyperparameters.learning_rate * (g + hyperparameters.decay * *w);
                    *w += *v;
                }
            }
        }
        weights
    }
}

/// The output before the logistic function, and the activations of the hidden units.
fn output(weights: &[f64], point: &[f64; 3]) -> (f64, Vec<f64>) {
    let units = weights.chunks_exact(4);
    let bias = units.remainder()[0];
    let hidden: Vec<f64> =
        units.clone().map(|unit| (unit[0] * point[0] + unit[1] * point[1] + unit[2]).tanh()).collect();
    (units.zip(&hidden).map(|(unit, h)| unit[3] * h).sum::<f64>() + bias, hidden)
}

/// The gradient of the mean cross-entropy of a batch.
fn gradient(weights: &[f64], batch: &[&[f64; 3]]) -> Weights {
    let mut gradient = vec![0.0; weights.len()];
    for &point in batch {
        let (z, hidden) = output(weights, point);
        let error = (1.0 / (1.0 + (-z).exp()) - point[2]) / batch.len() as f64;
        for ((g, unit), h) in gradient.chunks_exact_mut(4).zip(weights.chunks_exact(4)).zip(hidden) {
            let back = error * unit[3] * (1.0 - h * h);
            g[0] += back * point[0];
            g[1] += back * point[1];
            g[2] += back;
            g[3] += error * h;
        }
        if let Some(bias) = gradient.last_mut() {
            *bias += error;
        }
    }
    gradient
}
