//! Running statistics gathered anew.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use nn_core::{Arena, Mode, Real, Role, Step, Streams};
use nn_data::Source;
use nn_graph::{Graph, Plan, Plans, RecordError};
use nn_layers::{Network, Scope};
use nn_norm::Statistics;

use crate::TrainError;
use crate::evaluate::INPUTS;

/// Samples that go through at once.
const BATCH: usize = 256;

/// Gathers the running mean and variance of every batch norm anew, exactly over all samples, with the weights as they
/// are.
///
/// It is wanted after weights have been averaged, and where the batches of training were small. Samples are not
/// augmented; dropout is as in training, as `torch.optim.swa_utils.update_bn` has it. A network without batch norm
/// stays as it is.
///
/// # Errors
/// When the samples do not suit the network or cannot be read; the network is then as it was.
pub fn estimate_statistics<F: Real>(
    network: &mut Network<F>,
    data: &dyn Source<F>,
) -> Result<(), TrainError> {
    let mut params = network.params().clone();
    let layout = Arc::clone(params.layout());
    let statistics: Vec<_> = layout
        .params()
        .iter()
        .filter(|spec| spec.role == Role::RunningStatistic)
        .map(nn_core::ParamSpec::range)
        .collect();
    if statistics.is_empty() {
        return Ok(());
    }
    for spec in layout.params().iter().filter(|spec| spec.name.ends_with("num_batches_tracked")) {
        params.as_mut_slice()[spec.range()].fill(F::zero());
    }
    let mut changes = Arena::zeros(layout);
    let mut plans = Plans::new();
    // A last batch of one sample would have no variance: the samples are divided evenly.
    let samples: Vec<usize> = (0..data.len()).collect();
    let batch = samples.len().div_ceil(samples.len().div_ceil(BATCH));
    for (i, samples) in samples.chunks(batch).enumerate() {
        let plan: &mut Plan<F> =
            plans.get(samples.len(), Mode::Train, || plan(network, data, samples.len()))?;
        let mut targets =
            ArrayD::from_elem(IxDyn(&with_batch(samples.len(), data.target_shape())), F::zero());
        data.gather(None, samples, plan.input_mut(INPUTS)?, targets.view_mut())?;
        let step = Step { mode: Mode::Train, streams: Streams::new(0), index: i as u64, node: 0 };
        plan.step(&params, &mut changes, &step)?;
        for range in &statistics {
            let (values, changes) =
                (&mut params.as_mut_slice()[range.clone()], &changes.as_slice()[range.clone()]);
            values.iter_mut().zip(changes).for_each(|(value, &change)| *value -= change);
        }
    }
    *network.params_mut() = params;
    Ok(())
}

/// A pass that gathers. What is minimised does not matter: only what running statistics are moved by is looked at.
fn plan<F: Real>(network: &Network<F>, data: &dyn Source<F>, batch: usize) -> Result<Plan<F>, RecordError> {
    let graph = Graph::for_mode(Mode::Train);
    let inputs = graph.placeholder(INPUTS, &with_batch(batch, data.input_shape()));
    let outputs = network.module().record(&Scope::gathering(&graph, Statistics::Pooled), inputs);
    let mut plan = graph.training_plan(outputs.sum(&[]), &[])?;
    plan.share_layout(network.params().layout());
    Ok(plan)
}

fn with_batch(batch: usize, shape: &[usize]) -> Vec<usize> {
    [&[batch], shape].concat()
}
