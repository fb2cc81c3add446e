//! One step: loss, gradient and update; and going back to the last good parameters.

use nn_core::{Arena, Mode, Real, Step, ViewMut};
use nn_data::DataError;
use nn_graph::{NonFinite, Plan};
use nn_optim::{Accumulate, Optimizer};

use super::Session;
use crate::TrainError;
use crate::evaluate::{INPUTS, TARGETS, plan_for};

/// Steps between copies of the parameters and the optimizer. After a failure the steps since the last copy are
/// computed again, which gives the same bits, so that a step need not copy anything.
const SNAPSHOT_INTERVAL: u64 = 64;

/// The state before a step.
pub(super) struct Snapshot<F: Real> {
    pub(super) step: u64,
    pub(super) params: Arena<F>,
    pub(super) optimizer: Optimizer<F>,
    pub(super) accumulate: Option<Accumulate<F>>,
}

impl<F: Real> Session<'_, F> {
    /// The plan for a batch of this size, recorded when it is asked for the first time.
    pub(super) fn plan(&mut self, batch: usize) -> Result<&mut Plan<F>, TrainError> {
        let Session { trainer, network, data, plans, .. } = self;
        plans
            .get(batch, Mode::Train, || Ok(plan_for(network, &trainer.objective, *data, batch, Mode::Train)?))
    }

    fn at(&self, step: u64) -> Step {
        Step { mode: Mode::Train, streams: self.streams, index: step, node: 0 }
    }

    /// The loss of a step on so many samples, which are written into the inputs and targets of the plan, and if it is
    /// finite its gradient.
    pub(super) fn gradient(
        &mut self,
        step: u64,
        samples: usize,
        write: impl FnOnce(ViewMut<'_, F>, ViewMut<'_, F>) -> Result<(), DataError>,
    ) -> Result<F, TrainError> {
        let at = self.at(step);
        let Session { trainer, network, data, plans, gradient, optimizer, ahead, .. } = self;
        let record = || plan_for(network, &trainer.objective, *data, samples, Mode::Train);
        let plan = plans.get(samples, Mode::Train, record)?;
        let params = match ahead {
            Some(ahead) => {
                optimizer.look_ahead(network.params(), ahead);
                &*ahead
            }
            None => network.params(),
        };
        let [inputs, targets] = plan.inputs_mut([INPUTS, TARGETS])?;
        write(inputs, targets)?;
        plan.forward(params, &at)?;
        let loss = plan.cost(params);
        if loss.is_finite() {
            plan.backward(params, gradient, &at);
        }
        Ok(loss)
    }

    /// Changes the parameters by the gradient, if it is time.
    pub(super) fn update(&mut self, step: u64, loss: F) -> Result<(), TrainError> {
        if !self.accumulate_gradient(step) {
            return Ok(());
        }
        if let Some(clip) = &self.trainer.clip {
            clip.apply(&mut self.gradient);
        }
        let epochs = step as f64 / self.batches.len() as f64;
        if let Some(schedule) = &self.trainer.schedule {
            self.optimizer.set_learning_rate(schedule.at(epochs))?;
        }
        if let Some(hyperparameters) = &self.trainer.hyperparameters {
            (hyperparameters.0)(epochs, &mut self.optimizer)?;
        }
        self.optimizer.step_with_cost(self.network.params_mut(), &self.gradient, loss.to_f64());
        self.constraints.iter().for_each(|constraint| constraint.apply(self.network.params_mut()));
        if let Some(averaging) = &mut self.averaging {
            averaging.update(self.network.params());
        }
        Ok(())
    }

    /// Whether the gradient, now the mean of those accumulated, is to be used: with every k-th batch, and with the last
    /// of an epoch.
    fn accumulate_gradient(&mut self, step: u64) -> bool {
        let Some(accumulate) = &mut self.accumulate else { return true };
        let ends_epoch = (step + 1).is_multiple_of(self.batches.len() as u64);
        let is_full = accumulate.add(&self.gradient).map(|mean| copy(mean, &mut self.gradient)).is_some();
        is_full || ends_epoch && accumulate.finish().map(|mean| copy(mean, &mut self.gradient)).is_some()
    }

    /// Copies parameters and optimizer before every 64th update. Its loss is finite.
    pub(super) fn save_snapshot(&mut self, step: u64) {
        if step > self.snapshot.step && step.is_multiple_of(SNAPSHOT_INTERVAL) {
            self.snapshot.step = step;
            copy(self.network.params(), &mut self.snapshot.params);
            self.snapshot.optimizer.clone_from(&self.optimizer);
            self.snapshot.accumulate.clone_from(&self.accumulate);
        }
    }

    /// After a loss that is not finite: finds where that began, and puts back the parameters of the step before by
    /// computing the steps since the last snapshot again.
    pub(super) fn recover(&mut self, failed: u64, loss: F) -> Result<TrainError, TrainError> {
        let (per_epoch, at) = (self.batches.len() as u64, self.at(failed));
        let error = |step: u64, first| TrainError::NonFinite {
            step,
            epoch: step / per_epoch + 1,
            loss: loss.to_f64(),
            first,
        };
        let batch = self.batch(failed);
        let Session { network, plans, trainer, data, ahead, .. } = self;
        let record = || plan_for(network, &trainer.objective, *data, batch.len(), Mode::Train);
        let plan = plans.get(batch.len(), Mode::Train, record)?;
        let found = plan.find_non_finite(ahead.as_ref().unwrap_or(network.params()), &at)?;
        let first =
            found.unwrap_or(NonFinite::Operation { path: String::new(), op: self.trainer.objective.name() });
        if failed == self.snapshot.step {
            return Ok(error(failed, first));
        }
        let last_good = failed - 1;
        copy(&self.snapshot.params, self.network.params_mut());
        self.optimizer.clone_from(&self.snapshot.optimizer);
        self.accumulate.clone_from(&self.snapshot.accumulate);
        for step in self.snapshot.step..=last_good {
            let (data, batch, epoch) = (self.data, self.batch(step), step / per_epoch);
            let loss = self.gradient(step, batch.len(), |inputs, targets| {
                data.gather(Some(epoch), &batch, inputs, targets)
            })?;
            if step < last_good {
                self.update(step, loss)?;
            }
        }
        Ok(match self.gradient.first_non_finite() {
            Some(name) => error(last_good, NonFinite::Gradient { name: name.to_owned() }),
            None => error(failed, first),
        })
    }

    /// The samples of a step.
    fn batch(&self, step: u64) -> Vec<usize> {
        let mut batches = self.batches.clone();
        let per_epoch = batches.len() as u64;
        let mut epoch = batches.epoch(step / per_epoch);
        epoch.nth((step % per_epoch) as usize).expect("a step of the epoch").to_vec()
    }
}

fn copy<F: Real>(from: &Arena<F>, to: &mut Arena<F>) {
    to.as_mut_slice().copy_from_slice(from.as_slice());
}
