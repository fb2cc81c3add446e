//! A small network with a backward pass written by hand, and the errors that such passes have.

use ndarray::{Array1, Array2, ArrayD, Axis, Ix1, Ix2};

/// The number of samples, m.
pub(crate) const SAMPLES: usize = 6;
/// The strength of the L2 penalty.
pub(crate) const LAMBDA: f64 = 0.12;
/// The names of the parameters.
pub(crate) const NAMES: [&str; 4] = ["w1", "b1", "w2", "b2"];

/// An error in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// All is right.
    None,
    /// dW2 is twice too large.
    TwiceW2,
    /// db1 is averaged with 4/m instead of 1/m.
    FourOverM,
    /// The division of dW1 by m is missing.
    NoMeanW1,
    /// The sign of db2 is wrong.
    SignB2,
    /// The derivative of the penalty on W2 is missing.
    NoPenaltyW2,
    /// dW1 is the transpose of what it should be.
    TransposedW1,
    /// The last row of dW2 is not written.
    RowW2,
    /// db1 is not computed at all.
    NoB1,
}

/// Four inputs → four tanh units → softmax over three classes.
///
/// J = −(1/m)·Σ log p(class) + λ/(2m)·(‖W1‖² + ‖W2‖²)
pub(crate) struct Network {
    /// The inputs, a row per sample.
    x: Array2<f64>,
    /// The classes, one-hot.
    t: Array2<f64>,
    /// W1 [4, 4], b1 [4], W2 [3, 4], b2 [3].
    pub(crate) params: Vec<ArrayD<f64>>,
}

/// The values between input and cost.
struct Forward {
    /// tanh(x·W1ᵀ + b1)
    tanh: Array2<f64>,
    /// The same after dropout.
    hidden: Array2<f64>,
    /// The probabilities of the classes.
    p: Array2<f64>,
}

impl Network {
    /// A network with fixed parameters and six fixed samples.
    pub(crate) fn new() -> Self {
        let wave = |scale: f64, phase: f64| {
            move |(i, j): (usize, usize)| scale * (phase + 2.3 * i as f64 + 1.1 * (j * j) as f64).sin()
        };
        let bias = |n: usize, phase: f64| Array1::from_shape_fn(n, |i| 0.3 * (phase + 1.7 * i as f64).cos());
        let params = vec![
            Array2::from_shape_fn((4, 4), wave(0.8, 0.4)).into_dyn(),
            bias(4, 0.1).into_dyn(),
            Array2::from_shape_fn((3, 4), wave(0.9, 1.3)).into_dyn(),
            bias(3, 0.9).into_dyn(),
        ];
        let t = Array2::from_shape_fn((SAMPLES, 3), |(i, c)| if i % 3 == c { 1.0 } else { 0.0 });
        Network { x: Array2::from_shape_fn((SAMPLES, 4), wave(1.2, 2.0)), t, params }
    }

    /// A mask that keeps every hidden unit.
    pub(crate) fn keep_all() -> Array2<f64> {
        Array2::ones((SAMPLES, 4))
    }

    /// A dropout mask that keeps each hidden unit with probability ½; `uniform` draws from [0, 1).
    pub(crate) fn dropout(mut uniform: impl FnMut() -> f64) -> Array2<f64> {
        Array2::from_shape_simple_fn((SAMPLES, 4), || if uniform() < 0.5 { 2.0 } else { 0.0 })
    }

    fn forward(&self, params: &[ArrayD<f64>], mask: &Array2<f64>) -> Forward {
        let (w1, b1, w2, b2) =
            (matrix(&params[0]), vector(&params[1]), matrix(&params[2]), vector(&params[3]));
        let tanh = (self.x.dot(&w1.t()) + &b1).mapv(f64::tanh);
        let hidden = &tanh * mask;
        let e = (hidden.dot(&w2.t()) + &b2).mapv(f64::exp);
        let p = &e / &e.sum_axis(Axis(1)).insert_axis(Axis(1));
        Forward { tanh, hidden, p }
    }

    /// The cost without the penalty.
    pub(crate) fn loss(&self, params: &[ArrayD<f64>], mask: &Array2<f64>) -> f64 {
        let p = self.forward(params, mask).p;
        -(&self.t * &p.ln()).sum() / SAMPLES as f64
    }

    /// The cost J.
    pub(crate) fn cost(&self, params: &[ArrayD<f64>], mask: &Array2<f64>) -> f64 {
        let squares = params[0].iter().chain(&params[2]).map(|w| w * w).sum::<f64>();
        self.loss(params, mask) + LAMBDA / (2.0 * SAMPLES as f64) * squares
    }

    /// The gradient of J by hand, with an error; in the order of the parameters.
    pub(crate) fn gradient(&self, mask: &Array2<f64>, bug: Bug) -> Vec<ArrayD<f64>> {
        let m = SAMPLES as f64;
        let Forward { tanh, hidden, p } = self.forward(&self.params, mask);
        let (w1, w2) = (matrix(&self.params[0]), matrix(&self.params[2]));

        let dz2 = p - &self.t;
        let mut dw2 = dz2.t().dot(&hidden) / m;
        let mut db2 = dz2.sum_axis(Axis(0)) / m;
        let dz1 = dz2.dot(&w2) * mask * (1.0 - &tanh * &tanh);
        let mut dw1 = dz1.t().dot(&self.x) / m;
        let mut db1 = dz1.sum_axis(Axis(0)) / m;
        dw1 += &(LAMBDA / m * &w1);
        if bug != Bug::NoPenaltyW2 {
            dw2 += &(LAMBDA / m * &w2);
        }

        match bug {
            Bug::None | Bug::NoPenaltyW2 => {}
            Bug::TwiceW2 => dw2 *= 2.0,
            Bug::FourOverM => db1 *= 4.0,
            Bug::NoMeanW1 => dw1 *= m,
            Bug::SignB2 => db2 *= -1.0,
            Bug::TransposedW1 => dw1 = dw1.t().to_owned(),
            Bug::RowW2 => dw2.row_mut(2).fill(0.0),
            Bug::NoB1 => db1.fill(0.0),
        }
        vec![dw1.into_dyn(), db1.into_dyn(), dw2.into_dyn(), db2.into_dyn()]
    }
}

fn matrix(x: &ArrayD<f64>) -> Array2<f64> {
    x.view().into_dimensionality::<Ix2>().expect("a matrix").to_owned()
}

fn vector(x: &ArrayD<f64>) -> Array1<f64> {
    x.view().into_dimensionality::<Ix1>().expect("a vector").to_owned()
}
