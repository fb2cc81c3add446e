//! The learning-rate range test.

use std::sync::{Arc, Mutex, PoisonError};

use nn_core::{ExponentialAverage, RangeError, Real, check_range};
use nn_data::Source;
use nn_layers::Network;
use nn_schedule::Schedule;

use crate::{Control, Event, TrainError, Trainer};

/// Finds a learning rate: trains for a while with a rate that grows from step to step by the same factor, and watches
/// the loss.
///
/// | setting | default |
/// |---|---|
/// | rates | 10⁻⁶ to 1 |
/// | [`steps`](RateFinder::steps) | 100 |
/// | [`smoothing`](RateFinder::smoothing) | 0.9 |
///
/// It ends early when the smoothed loss exceeds four times its minimum, or is not finite.
///
/// ```
/// use nn_train::prelude::*;
/// use nn_train::RateFinder;
///
/// let digits = nn_train::data::digits::load::<f32>();
/// let mut network = Network::new(Sequential::new().add(Linear::new(10)), &[64], 1)?;
/// let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Sgd::new(0.1)?);
/// let curve = RateFinder::new(1e-6, 1.0)?.run(&trainer, &mut network, &digits)?;
/// let rate = curve.suggestion().unwrap();
/// assert!((1e-5..1.0).contains(&rate), "{rate}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// Smith 2017, "Cyclical learning rates for training neural networks", section 3.3; the suggestion is as fastai's
/// `steep`, but less of a step than of a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateFinder {
    low: f64,
    high: f64,
    steps: u64,
    smoothing: f64,
}

/// Spans in which the fall of the loss is measured, so that noise does not count.
const SPANS: usize = 10;
/// The smoothed loss, in multiples of its minimum, at which the test ends.
const DIVERGED: f64 = 4.0;

impl RateFinder {
    /// From the rate `low` to the rate `high`.
    ///
    /// # Errors
    /// When `low` is outside (0, ∞) or `high` outside (low, ∞).
    pub fn new(low: f64, high: f64) -> Result<Self, RangeError> {
        let name = "RateFinder";
        check_range(name, "low", low, "(0, ∞)", low > 0.0 && low.is_finite())?;
        check_range(name, "high", high, "(low, ∞)", high > low && high.is_finite())?;
        Ok(RateFinder { low, high, steps: 100, smoothing: 0.9 })
    }

    /// Sets the number of steps.
    ///
    /// # Errors
    /// When there are fewer than 2.
    pub fn steps(self, steps: u64) -> Result<Self, RangeError> {
        check_range("RateFinder", "steps", steps as f64, "[2, ∞)", steps >= 2)?;
        Ok(RateFinder { steps, ..self })
    }

    /// Sets the weight β of the past in the exponentially weighted average of the loss, which is bias-corrected.
    ///
    /// # Errors
    /// When β is outside [0, 1).
    pub fn smoothing(self, beta: f64) -> Result<Self, RangeError> {
        check_range("RateFinder", "smoothing", beta, "[0, 1)", (0.0..1.0).contains(&beta))?;
        Ok(RateFinder { smoothing: beta, ..self })
    }

    /// Runs the test with the loss, rule and batches of a trainer; the network is afterwards as it was.
    ///
    /// # Errors
    /// Those of [`Trainer::fit`], but for a loss that is not finite, which ends the test.
    pub fn run<F: Real>(
        &self,
        trainer: &Trainer<F>,
        network: &mut Network<F>,
        train: &dyn Source<F>,
    ) -> Result<RateCurve, TrainError> {
        let before = network.params().clone();
        let average = ExponentialAverage::new(self.smoothing).expect("the range has been checked");
        let watched = Arc::new(Mutex::new(Watched { points: vec![], average, lowest: f64::INFINITY }));
        let result = self.trainer(trainer, train.len(), Arc::clone(&watched)).fit(network, train, None);
        *network.params_mut() = before;
        match result {
            Ok(_) | Err(TrainError::NonFinite { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(RateCurve { points: std::mem::take(&mut watched.points) })
    }

    /// The trainer with growing rates, which writes down what it sees.
    fn trainer<F: Real>(
        self,
        trainer: &Trainer<F>,
        samples: usize,
        watched: Arc<Mutex<Watched>>,
    ) -> Trainer<F> {
        let per_epoch = trainer.steps_per_epoch(samples);
        let span = (self.steps - 1) as f64 / per_epoch as f64;
        let trainer = trainer.bare().epochs(self.steps.div_ceil(per_epoch));
        let trainer = trainer.schedule(Growing { low: self.low, ratio: self.high / self.low, span });
        trainer.on_event(move |event| {
            let Event::Step { step, loss, learning_rate, .. } = event else { return Control::Continue };
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            let has_diverged = watched.add(*learning_rate, *loss);
            if has_diverged || step + 1 == self.steps { Control::Stop } else { Control::Continue }
        })
    }
}

/// What the test has seen so far.
struct Watched {
    points: Vec<RatePoint>,
    average: ExponentialAverage,
    /// The lowest smoothed loss.
    lowest: f64,
}

impl Watched {
    /// Adds a step; whether the loss has diverged.
    fn add(&mut self, rate: f64, loss: f64) -> bool {
        self.average.update(loss);
        let smoothed = self.average.value().unwrap_or(loss);
        self.points.push(RatePoint { rate, loss, smoothed });
        self.lowest = self.lowest.min(smoothed);
        smoothed > DIVERGED * self.lowest
    }
}

/// One step of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePoint {
    /// The learning rate.
    pub rate: f64,
    /// The loss of the batch before the step.
    pub loss: f64,
    /// The bias-corrected average of the losses up to here.
    pub smoothed: f64,
}

/// The loss as a function of the learning rate.
#[derive(Clone, Debug, PartialEq)]
pub struct RateCurve {
    /// In the order of the rates.
    pub points: Vec<RatePoint>,
}

impl RateCurve {
    /// The rate around which the smoothed loss falls most, in spans of a tenth of the logarithms of the rates, where it
    /// falls at all.
    pub fn suggestion(&self) -> Option<f64> {
        let width = self.points.len() / SPANS + 1;
        let slope = |window: &[RatePoint]| window[width].smoothed - window[0].smoothed;
        let steepest = self.points.windows(width + 1).min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
        (slope(steepest) < 0.0).then_some(steepest[width / 2].rate)
    }
}

/// Rates that grow by the same factor in each step.
#[derive(Clone, Copy, Debug)]
struct Growing {
    low: f64,
    ratio: f64,
    /// The time in epochs from the lowest rate to the highest.
    span: f64,
}

impl Schedule for Growing {
    fn at(&self, t: f64) -> f64 {
        self.low * self.ratio.powf(t / self.span)
    }
}
