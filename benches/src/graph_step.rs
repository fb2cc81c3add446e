//! Training steps of the replayed graph.

use nn_train::layers::{Conv2d, MaxPool2d, Recurrent};
use nn_train::prelude::*;

use crate::data::{Batch, initial_weight};
use crate::networks::{LEARNING_RATE, Layer, Loss, Spec, Update};

/// A network with its plan and its optimizer.
pub struct GraphStep {
    network: Network<f32>,
    /// The parameters before the first step.
    initial: Arena<f32>,
    plan: Plan<f32>,
    gradient: Arena<f32>,
    optimizer: Optimizer<f32>,
    update: Update,
    steps: u64,
}

impl GraphStep {
    /// The network with the weights that all contestants begin with.
    pub fn new(spec: Spec) -> Self {
        let module = spec.layers.iter().fold(Sequential::new(), add);
        let mut network = Network::new(module, spec.input, 1).expect("shapes fit");
        initialize(network.params_mut());
        let graph = Graph::new();
        let input: Vec<usize> = [&[spec.batch], spec.input].concat();
        let outputs = network.record(&graph, graph.placeholder("inputs", &input));
        let targets = |shape: &[usize]| graph.placeholder("targets", shape);
        let cost = match spec.loss {
            Loss::CrossEntropy => graph.apply(SoftmaxCrossEntropy::new(), &[outputs, targets(&[spec.batch])]),
            Loss::BinaryCrossEntropy => {
                graph.apply(BinaryCrossEntropyWithLogits::new(), &[outputs, targets(&input)])
            }
            Loss::MeanSquared => graph.apply(MeanSquaredError::new(), &[outputs, targets(&[spec.batch, 1])]),
        };
        let mut plan = graph.training_plan(cost, &[]).expect("shapes fit");
        plan.share_layout(network.params().layout());
        let initial = network.params().clone();
        let (gradient, optimizer) = (initial.clone(), optimizer(spec.update));
        GraphStep { network, initial, plan, gradient, optimizer, update: spec.update, steps: 0 }
    }

    /// One training step; returns the mean loss.
    pub fn step(&mut self, Batch { inputs, targets }: &Batch) -> f32 {
        let lent = [("inputs", inputs.view()), ("targets", targets.view())];
        let step = Step { index: self.steps, ..Step::default() };
        let loss = self.plan.step_on(&lent, self.network.params(), &mut self.gradient, &step);
        self.optimizer.step(self.network.params_mut(), &self.gradient);
        self.steps += 1;
        loss.expect("labels are classes")
    }

    /// Goes back to the state before the first step.
    pub fn reset(&mut self) {
        self.network.params_mut().as_mut_slice().copy_from_slice(self.initial.as_slice());
        self.optimizer = optimizer(self.update);
        self.steps = 0;
    }
}

fn add(network: Sequential<f32>, layer: &Layer) -> Sequential<f32> {
    match *layer {
        Layer::Linear(units) => network.add(Linear::new(units)),
        Layer::Relu => network.add(Activation::Relu),
        Layer::Sigmoid => network.add(Activation::Sigmoid),
        Layer::Tanh => network.add(Activation::Tanh),
        Layer::BatchNorm => network.add(BatchNorm::new()),
        Layer::Dropout(rate) => network.add(Dropout::new(rate).expect("a rate in its range")),
        Layer::Conv { channels, kernel, padding } => {
            network.add(Conv2d::new(channels, kernel).padding(padding))
        }
        Layer::MaxPool(width) => network.add(MaxPool2d::new(width)),
        Layer::Flatten => network.add(Flatten),
        Layer::Rnn(units) => network.add(Recurrent::rnn(units).last()),
        Layer::Lstm(units) => network.add(Recurrent::lstm(units).last()),
    }
}

/// Weights as all contestants have them, biases zero; scales of norms stay one.
fn initialize(params: &mut Arena<f32>) {
    let shapes: Vec<(String, Vec<usize>)> =
        params.iter().map(|(name, values)| (name.to_owned(), values.shape().to_vec())).collect();
    let mut weights = 0;
    for (name, shape) in shapes {
        let mut values = params.get_mut(&name).expect("the name of a parameter");
        if shape.len() > 1 {
            weights += 1;
            values.assign(&initial_weight(weights, &shape));
        } else if name.contains("bias") {
            values.fill(0.0);
        }
    }
}

fn optimizer(update: Update) -> Optimizer<f32> {
    const VALID: &str = "valid hyperparameters";
    let rate = f64::from(LEARNING_RATE);
    match update {
        Update::Sgd => Optimizer::new(Sgd::new(rate).expect(VALID)),
        Update::Momentum => Optimizer::new(Momentum::new(rate, 0.9).expect(VALID)),
        Update::Nesterov => Optimizer::new(Nesterov::new(rate, 0.9).expect(VALID)),
        Update::Adam => Optimizer::new(Adam::new(rate).expect(VALID)),
    }
}
