//! Loss and accuracy of a network on a data set.

use std::fmt;

use nn_core::{Arena, EvaluateError, Mode, Op, Real, Step, View};
use nn_data::Source;
use nn_graph::{Graph, Plan, Plans, RecordError};
use nn_layers::Network;
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::objective::Objective;

/// Mean loss and accuracy over a data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The mean loss over the samples.
    #[serde(with = "crate::checkpoint::number")]
    pub loss: f64,
    /// The fraction of samples whose largest output is that of their class, where the targets are classes.
    pub accuracy: Option<f64>,
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {:.4}", self.loss)?;
        self.accuracy.map_or(Ok(()), |accuracy| write!(f, " acc {:>6.2} %", 100.0 * accuracy))
    }
}

/// Sums up the batches of a pass over a data set, exactly also where batches are uneven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    #[serde(with = "crate::checkpoint::number")]
    loss: f64,
    correct: usize,
    samples: usize,
    has_classes: bool,
}

impl Tally {
    /// Adds a batch: its mean loss and, for classes, its outputs `[batch, classes]` and labels.
    pub(crate) fn add<F: Real>(&mut self, loss: F, outputs: &View<'_, F>, labels: Option<&View<'_, F>>) {
        let samples = outputs.shape().first().copied().unwrap_or(0);
        self.loss += loss.to_f64() * samples as f64;
        self.samples += samples;
        if let Some(labels) = labels {
            self.has_classes = true;
            let hit =
                |(row, label): (ndarray::ArrayView1<'_, F>, &F)| F::from_usize(argmax(row.iter())) == *label;
            self.correct += outputs
                .rows()
                .into_iter()
                .zip(labels)
                .filter(|(row, label)| hit((row.view(), label)))
                .count();
        }
    }

    pub(crate) fn evaluation(&self) -> Evaluation {
        let samples = self.samples.max(1) as f64;
        let accuracy = self.has_classes.then(|| self.correct as f64 / samples);
        Evaluation { loss: self.loss / samples, accuracy }
    }
}

/// The position of the largest number; of equals the first.
pub(crate) fn argmax<'a, F: Real>(numbers: impl Iterator<Item = &'a F>) -> usize {
    let mut best = (0, None);
    for (i, &x) in numbers.enumerate() {
        if best.1.is_none_or(|y| x > y) {
            best = (i, Some(x));
        }
    }
    best.0
}

/// The names of the placeholders of a network with its loss.
pub(crate) const INPUTS: &str = "inputs";
pub(crate) const TARGETS: &str = "targets";

/// A plan for a batch of samples like those of `data`, which keeps the outputs and the loss; in training mode with
/// the gradient.
pub(crate) fn plan_for<F: Real>(
    network: &Network<F>,
    objective: &Objective<F>,
    data: &dyn Source<F>,
    batch: usize,
    mode: Mode,
) -> Result<Plan<F>, RecordError> {
    let with_batch = |shape: &[usize]| [&[batch], shape].concat();
    let graph = Graph::for_mode(mode);
    let inputs = graph.placeholder(INPUTS, &with_batch(data.input_shape()));
    let targets = graph.placeholder(TARGETS, &with_batch(data.target_shape()));
    let outputs = network.record(&graph, inputs);
    let cost = objective.record(&graph, outputs, targets);
    let mut plan = match mode {
        Mode::Train => graph.training_plan(cost, &[outputs, cost])?,
        Mode::Eval => graph.forward_plan(&[outputs, cost])?,
    };
    plan.share_layout(network.params().layout());
    Ok(plan)
}

/// The most samples that are evaluated at once.
const EVALUATION_BATCH: usize = 256;

/// Mean loss and accuracy of a network on a data set, in evaluation mode.
///
/// `loss` must be a mean over samples, as [`SoftmaxCrossEntropy::new`](nn_loss::SoftmaxCrossEntropy::new) is.
///
/// # Errors
/// When the data do not suit the network or the loss.
pub fn evaluate<F: Real>(
    network: &Network<F>,
    loss: impl Op<F> + 'static,
    data: &dyn Source<F>,
) -> Result<Evaluation, TrainError> {
    evaluate_with(network, &Objective::new(loss), data, &mut Plans::new(), |_, _| Ok(()))
}

/// As [`evaluate`], with plans that are kept from call to call; `look` is shown the outputs and targets of each batch.
pub(crate) fn evaluate_with<F: Real>(
    network: &Network<F>,
    objective: &Objective<F>,
    data: &dyn Source<F>,
    plans: &mut Plans<F>,
    mut look: impl FnMut(&View<'_, F>, &View<'_, F>) -> Result<(), EvaluateError>,
) -> Result<Evaluation, TrainError> {
    let mut tally = Tally::default();
    let samples: Vec<usize> = (0..data.len()).collect();
    for batch in samples.chunks(EVALUATION_BATCH) {
        let plan = plans
            .get(batch.len(), Mode::Eval, || plan_for(network, objective, data, batch.len(), Mode::Eval))?;
        run_batch(plan, network.params(), data, batch, &Step::default())?;
        tally_batch(&mut tally, plan, data.classes().is_some())?;
        look(&plan.output(0), &plan.input(TARGETS)?)?;
    }
    Ok(tally.evaluation())
}

/// Gathers a batch, as it is by itself, into the plan and runs it forward.
pub(crate) fn run_batch<F: Real>(
    plan: &mut Plan<F>,
    params: &Arena<F>,
    data: &dyn Source<F>,
    batch: &[usize],
    step: &Step,
) -> Result<(), TrainError> {
    let [inputs, targets] = plan.inputs_mut([INPUTS, TARGETS])?;
    data.gather(None, batch, inputs, targets)?;
    Ok(plan.forward(params, step)?)
}

/// Adds the loss and accuracy of the batch that the plan has just run.
pub(crate) fn tally_batch<F: Real>(
    tally: &mut Tally,
    plan: &Plan<F>,
    has_classes: bool,
) -> Result<(), TrainError> {
    let loss = *plan.output(1).first().expect("a loss is one number");
    let labels = if has_classes { Some(plan.input(TARGETS)?) } else { None };
    tally.add(loss, &plan.output(0), labels.as_ref());
    Ok(())
}
