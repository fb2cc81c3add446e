//! The networks whose training steps are measured.

/// What follows each hidden layer, and the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// ReLU, softmax cross-entropy.
    Classify,
    /// Sigmoid, binary cross-entropy with the input as target.
    Autoencode,
}

/// How the parameters are updated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// w − lr·g.
    Sgd,
    /// v ← 0.9·v + g; w − lr·v.
    Momentum,
    /// v ← 0.9·v + g; w − lr·(g + 0.9·v).
    Nesterov,
    /// Adam with PyTorch's defaults.
    Adam,
}

/// A fully connected network and how it is trained.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name in tables.
    pub name: &'static str,
    /// Width of the input and of each layer.
    pub sizes: &'static [usize],
    /// Samples in a batch.
    pub batch: usize,
    /// Activation and loss.
    pub task: Task,
    /// Update rule.
    pub update: Update,
}

/// The learning rate of all of them.
pub const LEARNING_RATE: f32 = 1e-3;

/// All networks.
pub const ALL: [Spec; 4] = [
    Spec { name: "mlp_small32", sizes: &[784, 30, 10], batch: 32, task: Task::Classify, update: Update::Sgd },
    Spec { name: "mlp_small", sizes: &[784, 128, 10], batch: 64, task: Task::Classify, update: Update::Adam },
    Spec {
        name: "mlp_big",
        sizes: &[784, 1024, 1024, 10],
        batch: 256,
        task: Task::Classify,
        update: Update::Momentum,
    },
    Spec {
        name: "autoencoder",
        sizes: &[784, 1000, 500, 250, 30, 250, 500, 1000, 784],
        batch: 200,
        task: Task::Autoencode,
        update: Update::Nesterov,
    },
];

impl Spec {
    /// Multiply-adds of the matrix products of one step, times two: forward, weight gradient, and input gradient
    /// of all layers but the first.
    pub fn flops(&self) -> u64 {
        let layers = self.sizes.windows(2).map(|pair| (2 * self.batch * pair[0] * pair[1]) as u64);
        layers.enumerate().map(|(i, product)| product * if i == 0 { 2 } else { 3 }).sum()
    }
}
