//! One training run: the loop over steps, and going back to the last good parameters.

use std::sync::Arc;
use std::time::Instant;

use nn_core::{Arena, Mode, Real, Step, Streams};
use nn_data::{Batches, Dataset};
use nn_graph::{NonFinite, Plan, Plans};
use nn_layers::Network;
use nn_optim::Optimizer;
use nn_regularize::{Constraint, OnParams};

use crate::evaluate::{Tally, evaluate_with, plan_for, run_batch, tally_batch};
use crate::objective::choose;
use crate::progress::Display;
use crate::{EpochRecord, History, TrainError, Trainer};

/// Steps between copies of the parameters and the optimizer. After a failure the steps since the last copy are
/// computed again, which gives the same bits, so that a step need not copy anything.
const SNAPSHOT_INTERVAL: u64 = 64;

/// A run of a trainer on a network and its training data.
pub(crate) struct Session<'a, F: Real> {
    trainer: &'a Trainer<F>,
    network: &'a mut Network<F>,
    data: &'a Dataset<F>,
    batches: Batches,
    optimizer: Optimizer<F>,
    constraints: Vec<OnParams<Arc<dyn Constraint<F>>>>,
    gradient: Arena<F>,
    /// The point at which the rule wants the gradient, where that is not at the parameters.
    ahead: Option<Arena<F>>,
    plans: Plans<F>,
    validation_plans: Plans<F>,
    streams: Streams,
    snapshot: Snapshot<F>,
}

/// The state before a step.
struct Snapshot<F: Real> {
    step: u64,
    params: Arena<F>,
    optimizer: Optimizer<F>,
}

impl<'a, F: Real> Session<'a, F> {
    /// Prepares a run; records the plan of a full batch, so that what does not fit is found before the first step.
    pub(crate) fn new(
        trainer: &'a Trainer<F>,
        network: &'a mut Network<F>,
        data: &'a Dataset<F>,
    ) -> Result<Self, TrainError> {
        let streams = Streams::new(trainer.seed);
        let mut batches = Batches::new(data.len(), trainer.batch_size)?.shuffled(streams);
        if trainer.drop_last {
            batches = batches.drop_last();
        }
        let params = network.params().clone();
        let gradient = Arena::zeros(Arc::clone(params.layout()));
        let mut optimizer = trainer.optimizer.clone();
        optimizer.fix_layout(params.layout())?;
        trainer.objective.check(params.layout())?;
        let constrain = |(constraint, pattern): &(Arc<dyn Constraint<F>>, Option<String>)| {
            choose(Arc::clone(constraint), params.layout(), pattern.as_deref())
        };
        let constraints = trainer.constraints.iter().map(constrain).collect::<Result<_, _>>()?;
        let ahead = optimizer.rule().look_ahead().map(|_| gradient.clone());
        let snapshot = Snapshot { step: 0, params, optimizer: optimizer.clone() };
        let (plans, validation_plans) = (Plans::new(), Plans::new());
        let mut session = Session {
            trainer,
            network,
            data,
            batches,
            optimizer,
            constraints,
            gradient,
            ahead,
            plans,
            validation_plans,
            streams,
            snapshot,
        };
        session.plan(trainer.batch_size.min(data.len()))?;
        Ok(session)
    }

    /// All epochs.
    pub(crate) fn run(mut self, validation: Option<&Dataset<F>>) -> Result<History, TrainError> {
        let per_epoch = self.batches.len() as u64;
        let mut display = Display::new(self.trainer.progress, self.trainer.epochs * per_epoch);
        let mut history = History { warnings: self.warnings(), ..History::default() };
        display.warn(&history.warnings);
        let mut batches = self.batches.clone();
        for epoch in 0..self.trainer.epochs {
            let (began, mut tally) = (Instant::now(), Tally::default());
            for (i, batch) in batches.epoch(epoch).enumerate() {
                let step = epoch * per_epoch + i as u64;
                let loss = self.gradient(step, batch)?;
                if !loss.is_finite() {
                    return Err(self.recover(step, loss)?);
                }
                self.save_snapshot(step);
                self.update(step, loss)?;
                let data = self.data;
                tally_batch(&mut tally, self.plan(batch.len())?, data)?;
                display.step(step, epoch + 1, batch.len(), || tally.evaluation());
            }
            let duration = began.elapsed();
            let record = EpochRecord {
                epoch: epoch + 1,
                train: tally.evaluation(),
                validation: validation.map(|data| self.validate(data)).transpose()?,
                learning_rate: self.optimizer.learning_rate(),
                duration,
            };
            display.epoch(&record);
            history.epochs.push(record);
        }
        Ok(history)
    }

    fn warnings(&self) -> Vec<String> {
        let (rule, batch, samples) = (self.optimizer.rule(), self.trainer.batch_size, self.data.len());
        let misfed = rule.full_batch_only() && batch < samples;
        let warning = || {
            let rule = rule.name();
            format!("{rule} works on the whole training set, but a batch is {batch} of {samples} samples")
        };
        misfed.then(warning).into_iter().collect()
    }

    fn validate(&mut self, data: &Dataset<F>) -> Result<crate::Evaluation, TrainError> {
        evaluate_with(self.network, &self.trainer.objective, data, &mut self.validation_plans)
    }

    /// The plan for a batch of this size, recorded when it is asked for the first time.
    fn plan(&mut self, batch: usize) -> Result<&mut Plan<F>, TrainError> {
        let Session { trainer, network, data, plans, .. } = self;
        plans.get(batch, Mode::Train, || Ok(plan_for(network, &trainer.objective, data, batch, Mode::Train)?))
    }

    fn at(&self, step: u64) -> Step {
        Step { mode: Mode::Train, streams: self.streams, index: step, node: 0 }
    }

    /// The loss of a step and, if it is finite, its gradient.
    fn gradient(&mut self, step: u64, batch: &[usize]) -> Result<F, TrainError> {
        let at = self.at(step);
        let Session { trainer, network, data, plans, gradient, optimizer, ahead, .. } = self;
        let record = || plan_for(network, &trainer.objective, data, batch.len(), Mode::Train);
        let plan = plans.get(batch.len(), Mode::Train, record)?;
        let params = match ahead {
            Some(ahead) => {
                optimizer.look_ahead(network.params(), ahead);
                &*ahead
            }
            None => network.params(),
        };
        run_batch(plan, params, data, batch, &at)?;
        let loss = plan.cost(params);
        if loss.is_finite() {
            plan.backward(params, gradient, &at);
        }
        Ok(loss)
    }

    fn update(&mut self, step: u64, loss: F) -> Result<(), TrainError> {
        let epochs = step as f64 / self.batches.len() as f64;
        if let Some(schedule) = &self.trainer.schedule {
            self.optimizer.set_learning_rate(schedule.at(epochs))?;
        }
        if let Some(hyperparameters) = &self.trainer.hyperparameters {
            (hyperparameters.0)(epochs, &mut self.optimizer)?;
        }
        self.optimizer.step_with_cost(self.network.params_mut(), &self.gradient, loss.to_f64());
        self.constraints.iter().for_each(|constraint| constraint.apply(self.network.params_mut()));
        Ok(())
    }

    /// Copies parameters and optimizer before every 64th update. Its loss is finite.
    fn save_snapshot(&mut self, step: u64) {
        if step > 0 && step.is_multiple_of(SNAPSHOT_INTERVAL) {
            self.snapshot.step = step;
            self.snapshot.params.as_mut_slice().copy_from_slice(self.network.params().as_slice());
            self.snapshot.optimizer.clone_from(&self.optimizer);
        }
    }

    /// After a loss that is not finite: finds where that began, and puts back the parameters of the step before by
    /// computing the steps since the last snapshot again.
    fn recover(&mut self, failed: u64, loss: F) -> Result<TrainError, TrainError> {
        let (per_epoch, at) = (self.batches.len() as u64, self.at(failed));
        let error = |step: u64, first| TrainError::NonFinite {
            step,
            epoch: step / per_epoch + 1,
            loss: loss.to_f64(),
            first,
        };
        let batch = self.batch(failed);
        let Session { network, plans, trainer, data, ahead, .. } = self;
        let record = || plan_for(network, &trainer.objective, data, batch.len(), Mode::Train);
        let plan = plans.get(batch.len(), Mode::Train, record)?;
        let found = plan.find_non_finite(ahead.as_ref().unwrap_or(network.params()), &at)?;
        let first =
            found.unwrap_or(NonFinite::Operation { path: String::new(), op: self.trainer.objective.name() });
        if failed == 0 {
            return Ok(error(failed, first));
        }
        let last_good = failed - 1;
        self.network.params_mut().as_mut_slice().copy_from_slice(self.snapshot.params.as_slice());
        self.optimizer.clone_from(&self.snapshot.optimizer);
        for step in self.snapshot.step..=last_good {
            let batch = self.batch(step);
            let loss = self.gradient(step, &batch)?;
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
