//! What a run tells its sinks.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nn_core::{Arena, Real};
use nn_monitor::{
    At, ConfusionMatrix, CsvSink, Histogram, JsonlSink, Quantity, Report, RunEnd, RunStart, Sample, Sink,
    SinkError, TensorBoardSink, replay,
};
use nn_optim::global_norm;

use crate::{EpochRecord, Monitor};

/// The share of the time of training that sampling may take.
const BUDGET: f64 = 0.0075;
/// The time that it may take besides, spread over the run.
const GRACE: Duration = Duration::from_millis(12);
/// About as many points has a curve over the steps of a run.
const POINTS: u64 = 1000;
/// Of so many points one has the norm of the gradient, whatever that costs.
const NORMS: u64 = 8;

/// The sinks of a run, and the time that they have taken.
pub(super) struct Recorder {
    sinks: Vec<Box<dyn Sink>>,
    shared: Vec<Arc<Mutex<dyn Sink>>>,
    began: Instant,
    spent: Duration,
    /// Steps of the run.
    steps: u64,
    /// Steps between two points of a curve.
    every: u64,
    per_epoch: u64,
}

/// What is known of a step.
pub(super) struct StepRecord<'a, F: Real> {
    pub(super) step: u64,
    pub(super) loss: f64,
    pub(super) learning_rate: f64,
    pub(super) momentum: Option<f64>,
    pub(super) gradient: &'a Arena<F>,
}

impl Recorder {
    /// Opens the sinks; those of a run of which `done` steps are done go on. `columns` are the scalars of an epoch.
    pub(super) fn new(
        monitor: &Monitor,
        columns: &[&str],
        [steps, per_epoch, done]: [u64; 3],
    ) -> Result<Self, SinkError> {
        let mut sinks: Vec<Box<dyn Sink>> = vec![];
        if let Some(folder) = &monitor.folder {
            sinks = files(folder, columns, done)?;
            let events = folder.join("tensorboard");
            if monitor.tensorboard && done > 0 {
                sinks.push(Box::new(TensorBoardSink::resume(&events, done)?));
            } else if monitor.tensorboard {
                sinks.push(Box::new(TensorBoardSink::create(&events)?));
            }
        }
        let (shared, every) = (monitor.sinks.clone(), (steps / POINTS).max(1));
        let (began, spent) = (Instant::now(), Duration::ZERO);
        Ok(Recorder { sinks, shared, began, spent, steps, every, per_epoch })
    }

    /// The moment after so many steps.
    pub(super) fn at(&self, steps: u64) -> At {
        At::new(steps, steps as f64 / self.per_epoch as f64)
    }

    /// Tells all sinks, and counts the time.
    fn tell(&mut self, tell: impl Fn(&mut dyn Sink) -> Result<(), SinkError>) -> Result<(), SinkError> {
        let began = Instant::now();
        let own = self.sinks.iter_mut().try_for_each(|sink| tell(sink.as_mut()));
        let told = own.and_then(|()| {
            self.shared
                .iter()
                .try_for_each(|sink| tell(&mut *sink.lock().unwrap_or_else(PoisonError::into_inner)))
        });
        self.spent += began.elapsed();
        told
    }

    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        self.tell(|sink| sink.scalar(at, name, value))
    }

    /// Whether sampling has taken so little time that more can be taken after so many steps.
    pub(super) fn has_time(&self, done: u64) -> bool {
        let grace = GRACE.mul_f64(done as f64 / self.steps.max(1) as f64);
        self.spent < grace + self.began.elapsed().mul_f64(BUDGET)
    }

    /// Runs what is only done for the sinks, and counts the time.
    pub(super) fn timed<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let result = f();
        self.spent += began.elapsed();
        result
    }

    /// Counts time that something was done for the sinks beyond what they count themselves.
    pub(super) fn add(&mut self, time: Duration) {
        self.spent += time;
    }

    pub(super) fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        self.tell(|sink| sink.start(run))
    }

    /// Whether a step is one of those that are told of.
    pub(super) fn wants(&self, step: u64) -> bool {
        step.is_multiple_of(self.every)
    }

    pub(super) fn step<F: Real>(&mut self, record: &StepRecord<'_, F>) -> Result<(), SinkError> {
        let at = self.at(record.step + 1);
        self.scalar(at, "train/batch_loss", record.loss)?;
        self.scalar(at, "learning_rate", record.learning_rate)?;
        if let Some(momentum) = record.momentum {
            self.scalar(at, "momentum", momentum)?;
        }
        if self.has_time(record.step) || record.step.is_multiple_of(NORMS * self.every) {
            let norm = self.timed(|| global_norm(record.gradient));
            self.scalar(at, "gradient_norm", norm)?;
        }
        Ok(())
    }

    /// The scalars of an epoch by the names of [`columns`].
    pub(super) fn epoch(&mut self, steps: u64, record: &EpochRecord) -> Result<(), SinkError> {
        let at = self.at(steps);
        for (name, value) in scalars(record) {
            self.scalar(at, &name, value)?;
        }
        self.tell(|sink| sink.flush())
    }

    /// The distribution of numbers.
    pub(super) fn histogram<F: Real>(
        &mut self,
        steps: u64,
        quantity: Quantity,
        name: &str,
        values: &[F],
    ) -> Result<(), SinkError> {
        let at = self.at(steps);
        let histogram = self.timed(|| Histogram::exponential(values));
        self.tell(|sink| sink.histogram(at, quantity, name, &histogram))
    }

    pub(super) fn confusion(
        &mut self,
        steps: u64,
        matrix: &ConfusionMatrix,
        classes: &[String],
    ) -> Result<(), SinkError> {
        let at = self.at(steps);
        self.tell(|sink| sink.confusion(at, matrix, classes))
    }

    pub(super) fn worst_samples(&mut self, steps: u64, samples: &[Sample]) -> Result<(), SinkError> {
        let at = self.at(steps);
        self.tell(|sink| sink.worst_samples(at, samples))
    }

    pub(super) fn end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        self.tell(|sink| sink.end(end))?;
        self.tell(|sink| sink.flush())
    }

    /// The share of the time since the run began that the sinks, and what is only done for them, have taken.
    pub(super) fn share(&self) -> f64 {
        self.spent.as_secs_f64() / self.began.elapsed().as_secs_f64()
    }

    /// Since the run, or this part of it, began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// The files of a folder but for TensorBoard's.
fn files(folder: &Path, columns: &[&str], done: u64) -> Result<Vec<Box<dyn Sink>>, SinkError> {
    let (log, table) = (folder.join("log.jsonl"), folder.join("epochs.csv"));
    let mut report = Report::to_file(folder.join("report.html"));
    if done == 0 || !log.exists() {
        return Ok(vec![
            Box::new(JsonlSink::create(log)?),
            Box::new(CsvSink::create(table, columns)?),
            Box::new(report),
        ]);
    }
    replay(&log, done, &mut report)?;
    Ok(vec![
        Box::new(JsonlSink::resume(log, done)?),
        Box::new(CsvSink::resume(table, columns, done)?),
        Box::new(report),
    ])
}

/// The scalars of an epoch, by name.
fn scalars(record: &EpochRecord) -> Vec<(String, f64)> {
    let mut all = vec![("train/loss".to_owned(), record.train.loss)];
    all.extend(record.train.accuracy.map(|accuracy| ("train/accuracy".to_owned(), accuracy)));
    if let Some(validation) = &record.validation {
        all.push(("validation/loss".to_owned(), validation.loss));
        all.extend(validation.accuracy.map(|accuracy| ("validation/accuracy".to_owned(), accuracy)));
    }
    all.extend(record.metrics.iter().map(|(name, value)| (format!("validation/{name}"), *value)));
    all.push(("seconds_per_epoch".to_owned(), record.duration.as_secs_f64()));
    all
}
