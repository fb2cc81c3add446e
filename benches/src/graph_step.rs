//! Training steps of the replayed graph.

use ndarray::ArrayView;
use nn_train::init::Zeros;
use nn_train::prelude::*;

use crate::networks::{LEARNING_RATE, Spec, Task, Update};
use crate::{Batch, initial_weight};

/// A network with its plan and its optimizer.
pub struct GraphStep {
    network: Network<f32>,
    plan: Plan<f32>,
    gradient: Arena<f32>,
    optimizer: Optimizer<f32>,
    steps: u64,
}

impl GraphStep {
    /// Begins with the same weights as the straight-line code.
    pub fn new(spec: Spec) -> Self {
        let (hidden, last) = spec.sizes[1..].split_at(spec.sizes.len() - 2);
        let activation = if spec.task == Task::Classify { Activation::Relu } else { Activation::Sigmoid };
        let layer = |width: usize| Linear::new(width).weight_init(Zeros).bias_init(Zeros);
        let module =
            hidden.iter().fold(Sequential::new(), |net, &width| net.add(layer(width)).add(activation));
        let mut network = Network::new(module.add(layer(last[0])), &[spec.sizes[0]], 1).expect("shapes fit");
        for (i, pair) in spec.sizes.windows(2).enumerate() {
            let values = initial_weight(i, pair[1], pair[0]);
            let mut weight =
                network.params_mut().get_mut(&format!("{}.weight", 2 * i)).expect("a weight per layer");
            weight.iter_mut().zip(values).for_each(|(to, from)| *to = from);
        }
        let graph = Graph::new();
        let inputs = graph.placeholder("inputs", &[spec.batch, spec.sizes[0]]);
        let outputs = network.record(&graph, inputs);
        let cost = match spec.task {
            Task::Classify => {
                let targets = graph.placeholder("targets", &[spec.batch]);
                graph.apply(SoftmaxCrossEntropy::new(), &[outputs, targets])
            }
            Task::Autoencode => {
                let targets = graph.placeholder("targets", &[spec.batch, spec.sizes[0]]);
                graph.apply(BinaryCrossEntropyWithLogits::new(), &[outputs, targets])
            }
        };
        let mut plan = graph.training_plan(cost, &[]).expect("shapes fit");
        plan.share_layout(network.params().layout());
        let gradient = network.params().clone();
        GraphStep { network, plan, gradient, optimizer: optimizer(spec.update), steps: 0 }
    }

    /// One training step, the batch copied into the plan; returns the mean loss.
    pub fn step(&mut self, batch: &Batch) -> f32 {
        let [mut inputs, mut targets] = self.plan.inputs_mut(["inputs", "targets"]).expect("both are there");
        inputs.as_slice_mut().expect("contiguous").copy_from_slice(&batch.inputs);
        let shape = targets.raw_dim();
        targets
            .assign(&ArrayView::from_shape(shape, &batch.targets).expect("as many targets as the batch has"));
        let step = Step { index: self.steps, ..Step::default() };
        let loss =
            self.plan.step(self.network.params(), &mut self.gradient, &step).expect("labels are classes");
        self.optimizer.step(self.network.params_mut(), &self.gradient);
        self.steps += 1;
        loss
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
