//! One training run: its state, and the loop over epochs and steps.

mod epoch;
mod recorder;
mod saving;
mod step;
mod watch;

use std::sync::Arc;
use std::time::Instant;

use nn_core::shape::size;
use nn_core::{Arena, Real, Streams};
use nn_data::{Batches, Loader, Prefetcher, Source};
use nn_graph::Plans;
use nn_layers::Network;
use nn_optim::{Accumulate, Optimizer};
use nn_regularize::{BestWeights, Constraint, EarlyStopping, OnParams};

use crate::averaging::Averaging;
use crate::checkpoint::{Position, Settings};
use crate::evaluate::tally_batch;
use crate::objective::choose;
use crate::progress::Display;
use crate::{Control, Event, History, TrainError, Trainer};
use recorder::Recorder;
use step::Snapshot;

/// Bytes of batches that are prepared ahead.
const AHEAD: usize = 1 << 24;
/// Batches that are prepared ahead at most.
const MOST_AHEAD: usize = 16;

/// A run of a trainer on a network and its data.
pub(crate) struct Session<'a, F: Real> {
    trainer: &'a Trainer<F>,
    network: &'a mut Network<F>,
    data: &'a dyn Source<F>,
    validation: Option<&'a dyn Source<F>>,
    batches: Batches,
    optimizer: Optimizer<F>,
    accumulate: Option<Accumulate<F>>,
    averaging: Option<Averaging<F>>,
    constraints: Vec<OnParams<Arc<dyn Constraint<F>>>>,
    stopping: Option<EarlyStopping>,
    best: BestWeights<F>,
    gradient: Arena<F>,
    /// The point at which the rule wants the gradient, where that is not at the parameters.
    ahead: Option<Arena<F>>,
    plans: Plans<F>,
    validation_plans: Plans<F>,
    streams: Streams,
    snapshot: Snapshot<F>,
    settings: Settings,
    position: Position,
    recorder: Option<Recorder>,
    /// The share of the time in which steps waited for data.
    waited: f64,
}

impl<'a, F: Real> Session<'a, F> {
    /// Prepares a run; records the plan of a full batch, so that what does not fit is found before the first step.
    pub(crate) fn new(
        trainer: &'a Trainer<F>,
        network: &'a mut Network<F>,
        data: &'a dyn Source<F>,
        validation: Option<&'a dyn Source<F>>,
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
        let accumulate = trainer.accumulate.clone();
        let snapshot =
            Snapshot { step: 0, params, optimizer: optimizer.clone(), accumulate: accumulate.clone() };
        let settings = settings(trainer, data.len());
        let mut session = Session {
            trainer,
            network,
            data,
            validation,
            batches,
            optimizer,
            accumulate,
            averaging: trainer.averaging.clone(),
            constraints,
            stopping: trainer.stopping.as_ref().map(|watch| watch.stopping),
            best: BestWeights::new(),
            gradient,
            ahead,
            plans: Plans::new(),
            validation_plans: Plans::new(),
            streams,
            snapshot,
            settings,
            position: Position::default(),
            recorder: None,
            waited: 0.0,
        };
        session.check_watched()?;
        session.plan(trainer.batch_size.min(data.len()))?;
        session.resume()?;
        session.open_recorder()?;
        Ok(session)
    }

    /// All epochs.
    pub(crate) fn run(mut self) -> Result<History, TrainError> {
        let (epochs, per_epoch) = (self.trainer.epochs, self.batches.len() as u64);
        let mut display = Display::new(self.trainer.progress, epochs * per_epoch);
        let warnings = self.warnings();
        display.warn(&warnings);
        let (network, step) = (&*self.network, self.position.step);
        let mut control = self.tell(&Event::Begin { network, step, steps_per_epoch: per_epoch, epochs });
        if control == Control::Continue {
            let loader = self.loader().steps(step..epochs * per_epoch);
            control = loader.run(|prefetcher| self.run_epochs(prefetcher, &mut display))??;
        }
        if control == Control::Stop {
            self.save_checkpoint()?;
        }
        self.finish(warnings, control)
    }

    /// Prepares batches on half as many threads as train, so many ahead that a pause of theirs is not noticed.
    fn loader(&self) -> Loader<'a, F> {
        let sample = size(self.data.input_shape()) + size(self.data.target_shape());
        let batch = size_of::<F>() * sample * self.batches.batch_size();
        let ahead = (AHEAD / batch.max(1)).clamp(2, MOST_AHEAD);
        let workers = rayon::current_num_threads().div_ceil(2);
        Loader::new(self.data, self.batches.clone()).workers(workers).ahead(ahead)
    }

    /// The epochs that have not been done yet.
    fn run_epochs(
        &mut self,
        prefetcher: &mut Prefetcher<'_, F>,
        display: &mut Display,
    ) -> Result<Control, TrainError> {
        let mut control = Control::Continue;
        while control == Control::Continue && !self.position.stopped && self.epoch() < self.trainer.epochs {
            control = self.run_epoch(prefetcher, display)?;
            if control == Control::Continue {
                control = self.finish_epoch(display)?;
            }
        }
        self.waited = prefetcher.times().share_waited();
        Ok(control)
    }

    /// The epoch to be done next or going on, from 0.
    fn epoch(&self) -> u64 {
        self.position.epochs.len() as u64
    }

    /// The steps of an epoch that have not been done yet.
    fn run_epoch(
        &mut self,
        prefetcher: &mut Prefetcher<'_, F>,
        display: &mut Display,
    ) -> Result<Control, TrainError> {
        let end = (self.epoch() + 1) * self.batches.len() as u64;
        while self.position.step < end {
            let (began, step) = (Instant::now(), self.position.step);
            let batch = prefetcher.next_batch()?.expect("there are as many batches as steps");
            let samples = batch.samples.len();
            let loss = self.gradient(step, samples, |inputs, targets| batch.write_into(inputs, targets))?;
            if !loss.is_finite() {
                return Err(self.recover(step, loss)?);
            }
            self.save_snapshot(step);
            self.update(step, loss)?;
            let has_classes = self.data.classes().is_some();
            let mut tally = self.position.tally;
            tally_batch(&mut tally, self.plan(samples)?, has_classes)?;
            self.position.tally = tally;
            self.position.step += 1;
            self.position.duration += began.elapsed();
            display.step(step, self.epoch() + 1, samples, || tally.evaluation());
            if self.after_step(step, loss)? == Control::Stop {
                return Ok(Control::Stop);
            }
        }
        Ok(Control::Continue)
    }

    /// What is to be done after a step, beside training.
    fn after_step(&mut self, step: u64, loss: F) -> Result<Control, TrainError> {
        self.record_step(step, loss)?;
        let is_last = (step + 1).is_multiple_of(self.batches.len() as u64);
        if !is_last && self.trainer.checkpoints.as_ref().is_some_and(|c| c.is_due_after_step(step + 1)) {
            self.save_checkpoint()?;
        }
        Ok(self.tell(&Event::Step {
            step,
            epoch: self.epoch(),
            loss: loss.to_f64(),
            learning_rate: self.optimizer.learning_rate(),
            gradient: &self.gradient,
            network: self.network,
        }))
    }

    /// Calls those who want to be told.
    fn tell(&self, event: &Event<'_, F>) -> Control {
        let mut control = Control::Continue;
        for callback in &self.trainer.callbacks {
            if (callback.0)(event) == Control::Stop {
                control = Control::Stop;
            }
        }
        control
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
}

/// What must be the same for a run to go on.
fn settings<F: Real>(trainer: &Trainer<F>, samples: usize) -> Settings {
    Settings {
        scalar: F::NAME.to_owned(),
        seed: trainer.seed,
        batch_size: trainer.batch_size,
        samples,
        drop_last: trainer.drop_last,
        accumulate: trainer.accumulate.as_ref().map_or(1, Accumulate::batches),
        loss: trainer.objective.name().to_owned(),
    }
}
