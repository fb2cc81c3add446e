//! The end of an epoch, and that of the run.

use nn_core::Real;
use nn_regularize::Observation;

use super::Session;
use crate::evaluate::{Evaluation, Tally, evaluate_with};
use crate::progress::Display;
use crate::{Control, EpochRecord, Event, History, TrainError, estimate_statistics};

/// Values of metrics by name.
type Metrics = Vec<(String, f64)>;

/// What early stopping may look at.
const LOSS: &str = "loss";
const ACCURACY: &str = "accuracy";

impl<F: Real> Session<'_, F> {
    /// Validates, keeps what is best, and records the epoch.
    pub(super) fn finish_epoch(&mut self, display: &mut Display) -> Result<Control, TrainError> {
        let (validation, metrics) = self.validate()?;
        let record = EpochRecord {
            epoch: self.epoch() + 1,
            train: self.position.tally.evaluation(),
            validation,
            learning_rate: self.optimizer.learning_rate(),
            duration: self.position.duration,
            metrics,
        };
        let is_best = self.observe(&record);
        self.record_epoch(&record)?;
        display.epoch(&record);
        self.position.epochs.push(record);
        self.position.tally = Tally::default();
        self.position.duration = Default::default();
        let is_last = self.position.stopped || self.epoch() == self.trainer.epochs;
        if is_best {
            self.save_best()?;
        }
        if is_last || self.trainer.checkpoints.as_ref().is_some_and(|c| c.is_due_after_epoch(self.epoch())) {
            self.save_checkpoint()?;
        }
        let record = self.position.epochs.last().expect("just recorded");
        Ok(self.tell(&Event::Epoch { record, network: self.network }))
    }

    /// Loss, accuracy and metrics on the validation samples, of the average of the weights where there is one.
    fn validate(&mut self) -> Result<(Option<Evaluation>, Metrics), TrainError> {
        let Some(data) = self.validation else { return Ok((None, vec![])) };
        let mut metrics: Vec<_> = self.trainer.metrics.iter().map(|make| (make.0)()).collect();
        self.swap_average();
        let Session { network, trainer, validation_plans, .. } = self;
        let evaluation =
            evaluate_with(network, &trainer.objective, data, validation_plans, |outputs, targets| {
                metrics.iter_mut().try_for_each(|metric| metric.update(outputs, targets))
            });
        self.swap_average();
        let values = metrics.iter().map(|metric| (metric.name().to_owned(), metric.value()));
        Ok((Some(evaluation?), values.collect()))
    }

    /// Puts the average of the weights in their place, or back.
    pub(super) fn swap_average(&mut self) {
        if let Some(averaging) = &mut self.averaging {
            averaging.swap(self.network.params_mut());
        }
    }

    /// Whether an epoch is the best so far; early stopping keeps its weights.
    fn observe(&mut self, record: &EpochRecord) -> bool {
        let Some(mut stopping) = self.stopping else { return self.has_lowest_loss(record) };
        let metric = self.watched(record).expect("checked before the first step");
        let observation = stopping.observe(metric);
        self.position.stopping = Some(stopping.state());
        self.stopping = Some(stopping);
        self.position.stopped = observation == Observation::Stop;
        if observation != Observation::Improved {
            return false;
        }
        self.swap_average();
        self.best.keep(self.network.params().as_slice());
        self.swap_average();
        true
    }

    fn has_lowest_loss(&self, record: &EpochRecord) -> bool {
        let loss = |record: &EpochRecord| record.validation.map(|validation| validation.loss);
        let lowest = self.position.epochs.iter().filter_map(loss).fold(f64::INFINITY, f64::min);
        loss(record).is_some_and(|loss| loss < lowest)
    }

    /// The metric that early stopping looks at.
    fn watched(&self, record: &EpochRecord) -> Option<f64> {
        let watch = self.trainer.stopping.as_ref()?;
        let validation = record.validation.as_ref()?;
        match watch.metric.as_str() {
            LOSS => Some(validation.loss),
            ACCURACY => validation.accuracy,
            name => record.metrics.iter().find(|(metric, _)| metric == name).map(|&(_, value)| value),
        }
    }

    /// Whether there will be the metric that early stopping looks at.
    pub(super) fn check_watched(&self) -> Result<(), TrainError> {
        let Some(watch) = &self.trainer.stopping else { return Ok(()) };
        let Some(data) = self.validation else { return Err(TrainError::NoValidation) };
        let mut metrics = vec![LOSS];
        metrics.extend(data.classes().map(|_| ACCURACY));
        let mut metrics: Vec<String> = metrics.into_iter().map(str::to_owned).collect();
        metrics.extend(self.trainer.metrics.iter().map(|make| (make.0)().name().to_owned()));
        if metrics.contains(&watch.metric) {
            return Ok(());
        }
        Err(TrainError::Metric { metric: watch.metric.clone(), expected: metrics.join(", ") })
    }

    /// Leaves the network with its best weights, or with their average, or as it is.
    pub(super) fn finish(mut self, warnings: Vec<String>, control: Control) -> Result<History, TrainError> {
        if !self.best.restore(self.network.params_mut().as_mut_slice()) {
            self.swap_average();
        }
        if self.trainer.estimate_statistics {
            estimate_statistics(self.network, self.data)?;
        }
        self.end_recorder(control)?;
        let history = History { epochs: std::mem::take(&mut self.position.epochs), warnings };
        self.tell(&Event::End { history: &history, network: self.network });
        Ok(history)
    }
}
