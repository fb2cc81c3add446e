//! The gradient check of a whole network.

use std::sync::Arc;

use nn_core::{Arena, Mode, Op, Step};
use nn_data::Source;
use nn_gradcheck::{GradCheck, Report};
use nn_layers::Network;

use crate::TrainError;

use crate::evaluate::{plan_for, run_batch};
use crate::objective::Objective;

/// Compares the derived gradient of a network's loss on `data`, taken as one batch, with central differences, for
/// every parameter.
///
/// It costs two forward passes per number in the parameters: take a small batch.
///
/// ```
/// use nn_train::prelude::*;
///
/// let digits = nn_train::data::digits::load::<f64>().select(&[0, 1, 2])?;
/// let module = Sequential::new().add(Linear::new(3)).add(Activation::Tanh).add(Linear::new(10));
/// let mut network = Network::new(module, &[64], 1)?;
/// let report = check_gradient(&GradCheck::new(), &mut network, SoftmaxCrossEntropy::new(), &digits)?;
/// println!("{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the data do not suit the network or the loss.
pub fn check_gradient(
    check: &GradCheck,
    network: &mut Network<f64>,
    loss: impl Op<f64> + 'static,
    data: &dyn Source<f64>,
) -> Result<Report, TrainError> {
    check_objective(check, network, &Objective::new(loss), data)
}

/// As [`check_gradient`], with penalties.
pub(crate) fn check_objective(
    check: &GradCheck,
    network: &mut Network<f64>,
    objective: &Objective<f64>,
    data: &dyn Source<f64>,
) -> Result<Report, TrainError> {
    objective.check(network.params().layout())?;
    let mut plan = plan_for(network, objective, data, data.len(), Mode::Train)?;
    let samples: Vec<usize> = (0..data.len()).collect();
    let mut gradient = Arena::zeros(Arc::clone(network.params().layout()));
    run_batch(&mut plan, network.params(), data, &samples, &Step::default())?;
    plan.backward(network.params(), &mut gradient, &Step::default());
    Ok(check.check_arena(network.params_mut(), &gradient, |params| {
        plan.forward(params, &Step::default()).expect("the same values were accepted before");
        plan.cost(params)
    }))
}
