//! Training by one call.

use std::fmt;
use std::sync::Arc;

use nn_core::{Op, RangeError, Real};
use nn_data::Source;
use nn_gradcheck::{GradCheck, Report};
use nn_layers::Network;
use nn_monitor::Metric;
use nn_optim::{Accumulate, Optimizer, Rule};
use nn_regularize::{Constraint, EarlyStopping, Penalty};
use nn_schedule::Schedule;

use crate::averaging::Averaging;
use crate::checkpoint::Checkpoints;
use crate::clip::Clip;
use crate::event::Callback;
use crate::gradient::check_objective;
use crate::monitoring::MakeMetric;
use crate::objective::Objective;
use crate::session::Session;
use crate::{Control, Event, History, Monitor, Progress, TrainError};

/// Trains a network: mini-batches, shuffled in each epoch; forward and backward pass; update; validation.
///
/// The same seed gives the same parameters to the bit, on any number of threads. What it is composed of
/// ([`Batches`](nn_data::Batches), [`Plan`](nn_graph::Plan), [`Optimizer`], [`Schedule`]) serves a loop of one's own
/// just as well.
///
/// | setting | default |
/// |---|---|
/// | [`epochs`](Trainer::epochs) | 10 |
/// | [`batch_size`](Trainer::batch_size) | 64 |
/// | [`seed`](Trainer::seed) | 0 |
/// | [`schedule`](Trainer::schedule) | the learning rate of the rule, constant |
/// | [`hyperparameters`](Trainer::hyperparameters) | those of the rule, constant |
/// | [`penalty`](Trainer::penalty) | none |
/// | [`constraint`](Trainer::constraint) | none |
/// | [`threads`](Trainer::threads) | rayon's global pool: all cores |
/// | [`clip`](Trainer::clip) | no |
/// | [`accumulate`](Trainer::accumulate) | no |
/// | [`average`](Trainer::average) | no |
/// | [`estimate_statistics`](Trainer::estimate_statistics) | no |
/// | [`early_stopping`](Trainer::early_stopping) | no |
/// | [`checkpoints`](Trainer::checkpoints) | none |
/// | [`metric`](Trainer::metric) | loss, and accuracy where there are classes |
/// | [`monitor`](Trainer::monitor) | no |
/// | [`on_event`](Trainer::on_event) | nobody is told |
/// | [`progress`](Trainer::progress) | a bar in a terminal, a line per epoch |
///
/// ```
/// use nn_train::prelude::*;
///
/// let [train, test] = nn_train::data::digits::load::<f32>().split_stratified([0.8, 0.2], Streams::new(1))?;
/// let scaler = Standardizer::per_set(&train)?;
/// let (train, test) = (scaler.apply(train)?, scaler.apply(test)?);
/// let module = Sequential::new().add(Linear::new(32)).add(Activation::Relu).add(Linear::new(10));
/// let mut network = Network::new(module, &[64], 1)?;
/// let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-3)?).epochs(3).progress(Progress::Silent);
/// let history = trainer.fit(&mut network, &train, Some(&test))?;
/// assert!(history.last().unwrap().validation.unwrap().accuracy.unwrap() > 0.8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trainer<F: Real> {
    pub(crate) objective: Objective<F>,
    pub(crate) optimizer: Optimizer<F>,
    pub(crate) schedule: Option<Arc<dyn Schedule>>,
    pub(crate) hyperparameters: Option<Hyperparameters<F>>,
    /// Each with the pattern of the parameters that it is on; all weights where there is none.
    pub(crate) constraints: Vec<(Arc<dyn Constraint<F>>, Option<String>)>,
    pub(crate) epochs: u64,
    pub(crate) batch_size: usize,
    pub(crate) drop_last: bool,
    pub(crate) seed: u64,
    pub(crate) threads: Option<usize>,
    pub(crate) progress: Progress,
    pub(crate) clip: Option<Clip>,
    pub(crate) accumulate: Option<Accumulate<F>>,
    pub(crate) averaging: Option<Averaging<F>>,
    pub(crate) estimate_statistics: bool,
    pub(crate) stopping: Option<Watch>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) callbacks: Vec<Callback<F>>,
    pub(crate) metrics: Vec<MakeMetric<F>>,
    pub(crate) monitor: Option<Monitor>,
}

/// Early stopping, and the metric that it looks at.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) stopping: EarlyStopping,
    pub(crate) metric: String,
}

type Set<F> = dyn Fn(f64, &mut Optimizer<F>) -> Result<(), RangeError> + Send + Sync;

/// What sets hyperparameters before a step.
#[derive(Clone)]
pub(crate) struct Hyperparameters<F: Real>(pub(crate) Arc<Set<F>>);

impl<F: Real> fmt::Debug for Hyperparameters<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hyperparameters(..)")
    }
}

impl<F: Real> Trainer<F> {
    /// Trains with this loss, a mean over the samples of a batch, and this update rule.
    pub fn new(loss: impl Op<F> + 'static, rule: impl Rule<F> + 'static) -> Self {
        Self::with_optimizer(loss, Optimizer::new(rule))
    }

    /// Trains with an optimizer that has settings of its own, such as weight decay.
    pub fn with_optimizer(loss: impl Op<F> + 'static, optimizer: Optimizer<F>) -> Self {
        Trainer {
            objective: Objective::new(loss),
            optimizer,
            schedule: None,
            hyperparameters: None,
            constraints: vec![],
            epochs: 10,
            batch_size: 64,
            drop_last: false,
            seed: 0,
            threads: None,
            progress: Progress::default(),
            clip: None,
            accumulate: None,
            averaging: None,
            estimate_statistics: false,
            stopping: None,
            checkpoints: None,
            callbacks: vec![],
            metrics: vec![],
            monitor: None,
        }
    }

    /// How often all training samples are seen.
    #[must_use]
    pub fn epochs(self, epochs: u64) -> Self {
        Trainer { epochs, ..self }
    }

    /// Samples in a mini-batch, at least 1; the last batch of an epoch may be shorter.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Self {
        Trainer { batch_size, ..self }
    }

    /// Leaves out the last batch of an epoch where it is shorter than the others.
    #[must_use]
    pub fn drop_last(self) -> Self {
        Trainer { drop_last: true, ..self }
    }

    /// The seed of shuffling and of all random operations.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Trainer { seed, ..self }
    }

    /// The learning rate as a function of time in epochs: step s of n in an epoch e, all from 0, asks for the value
    /// at e + s/n.
    #[must_use]
    pub fn schedule(self, schedule: impl Schedule + 'static) -> Self {
        Trainer { schedule: Some(Arc::new(schedule)), ..self }
    }

    /// Sets any hyperparameter of the optimizer before each step, as a function of time in epochs (see
    /// [`schedule`](Trainer::schedule)); training stops where it returns an error.
    ///
    /// ```
    /// use nn_train::optim::Nesterov;
    /// use nn_train::prelude::*;
    /// use nn_train::schedule::SutskeverMomentum;
    ///
    /// let momentum = SutskeverMomentum::new(0.99)?;
    /// let trainer = Trainer::<f32>::new(SoftmaxCrossEntropy::new(), Nesterov::new(0.01, 0.5)?).hyperparameters(
    ///     move |t, optimizer| {
    ///         optimizer.set_rule(Nesterov::new(0.01, momentum.at(100.0 * t))?);
    ///         optimizer.set_weight_decay(1e-4 * t.min(1.0))
    ///     },
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hyperparameters(
        self,
        set: impl Fn(f64, &mut Optimizer<F>) -> Result<(), RangeError> + Send + Sync + 'static,
    ) -> Self {
        Trainer { hyperparameters: Some(Hyperparameters(Arc::new(set))), ..self }
    }

    /// Adds a penalty on all weights to the cost, for example [`L2`](nn_regularize::L2).
    ///
    /// It is part of what is reported, as the loss of training and of validation, so that the curve falls as it should.
    #[must_use]
    pub fn penalty(mut self, penalty: impl Penalty<F> + Op<F> + 'static) -> Self {
        self.objective.add(penalty, None);
        self
    }

    /// As [`penalty`](Self::penalty), on the trained parameters whose names match a pattern, in which `*` stands for
    /// anything.
    #[must_use]
    pub fn penalty_on(mut self, pattern: &str, penalty: impl Penalty<F> + Op<F> + 'static) -> Self {
        self.objective.add(penalty, Some(pattern));
        self
    }

    /// Puts all weights back into a set after each update, for example [`MaxNorm`](nn_regularize::MaxNorm).
    #[must_use]
    pub fn constraint(mut self, constraint: impl Constraint<F> + 'static) -> Self {
        self.constraints.push((Arc::new(constraint), None));
        self
    }

    /// As [`constraint`](Self::constraint), on the trained parameters whose names match a pattern.
    #[must_use]
    pub fn constraint_on(mut self, pattern: &str, constraint: impl Constraint<F> + 'static) -> Self {
        self.constraints.push((Arc::new(constraint), Some(pattern.to_owned())));
        self
    }

    /// Trains on this many threads. It changes the time, not the result.
    ///
    /// Default: those of rayon's global pool; one less where samples take time to prepare (augmentation, images). Such
    /// samples are prepared on threads besides, half as many as those that train.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Trainer { threads: Some(threads), ..self }
    }

    /// What is shown.
    #[must_use]
    pub fn progress(self, progress: Progress) -> Self {
        Trainer { progress, ..self }
    }

    /// Keeps the gradient small before each update: [`ClipValue`](nn_optim::ClipValue),
    /// [`ClipNorm`](nn_optim::ClipNorm) or [`ClipGlobalNorm`](nn_optim::ClipGlobalNorm).
    #[must_use]
    pub fn clip(self, clip: impl Into<Clip>) -> Self {
        Trainer { clip: Some(clip.into()), ..self }
    }

    /// Updates with the mean gradient of several batches, and at the end of an epoch with that of those left over.
    #[must_use]
    pub fn accumulate(self, accumulate: Accumulate<F>) -> Self {
        Trainer { accumulate: Some(accumulate), ..self }
    }

    /// Averages the weights after each update: [`Ema`](nn_optim::Ema) or [`Swa`](nn_optim::Swa). With the average the
    /// network is validated, and left after training.
    #[must_use]
    pub fn average(self, averaging: impl Into<Averaging<F>>) -> Self {
        Trainer { averaging: Some(averaging.into()), ..self }
    }

    /// After training gathers the running statistics of batch norms anew, exactly over all training samples, with the
    /// weights that the network is left with. An average of weights wants it.
    #[must_use]
    pub fn estimate_statistics(self) -> Self {
        Trainer { estimate_statistics: true, ..self }
    }

    /// Stops when the validation loss has not improved for a while, and leaves the network with the weights of the best
    /// epoch.
    #[must_use]
    pub fn early_stopping(self, stopping: EarlyStopping) -> Self {
        self.early_stopping_on("loss", stopping)
    }

    /// As [`early_stopping`](Self::early_stopping), by another metric of the validation samples: `accuracy`, or the name of a
    /// [`metric`](Self::metric). Where more
    /// is better, say so to [`EarlyStopping::maximize`].
    #[must_use]
    pub fn early_stopping_on(self, metric: &str, stopping: EarlyStopping) -> Self {
        Trainer { stopping: Some(Watch { stopping, metric: metric.to_owned() }), ..self }
    }

    /// Writes checkpoints, from which training can go on to the same bits.
    #[must_use]
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Self {
        Trainer { checkpoints: Some(checkpoints), ..self }
    }

    /// Evaluates a metric on the validation samples too, after each epoch.
    #[must_use]
    pub fn metric(mut self, metric: impl Metric<F> + Clone + 'static) -> Self {
        self.metrics.push(MakeMetric(Arc::new(move || Box::new(metric.clone()))));
        self
    }

    /// Records the run: curves, a report, and more.
    #[must_use]
    pub fn monitor(self, monitor: Monitor) -> Self {
        Trainer { monitor: Some(monitor), ..self }
    }

    /// Calls a function of one's own on each [`Event`]; several are called in turn.
    ///
    /// ```
    /// use nn_train::prelude::*;
    /// use nn_train::{Control, Event};
    ///
    /// let trainer = Trainer::<f32>::new(SoftmaxCrossEntropy::new(), Adam::new(1e-3)?).on_event(|event| match event {
    ///     Event::Epoch { record, .. } if record.train.loss < 0.01 => Control::Stop,
    ///     _ => Control::Continue,
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_event(mut self, call: impl Fn(&Event<'_, F>) -> Control + Send + Sync + 'static) -> Self {
        self.callbacks.push(Callback(Arc::new(call)));
        self
    }

    /// The steps of an epoch over so many samples.
    pub(crate) fn steps_per_epoch(&self, samples: usize) -> u64 {
        let batches = samples / self.batch_size.max(1);
        let has_shorter =
            !samples.is_multiple_of(self.batch_size.max(1)) && (!self.drop_last || batches == 0);
        batches as u64 + u64::from(has_shorter)
    }

    /// The same without what belongs to one run alone.
    pub(crate) fn for_one_of_many(&self) -> Self {
        Trainer { checkpoints: None, monitor: None, progress: Progress::Silent, ..self.clone() }
    }

    /// The same without what stops, saves, averages, shows or tells.
    pub(crate) fn bare(&self) -> Self {
        Trainer {
            averaging: None,
            estimate_statistics: false,
            stopping: None,
            checkpoints: None,
            callbacks: vec![],
            monitor: None,
            progress: Progress::Silent,
            ..self.clone()
        }
    }

    /// Trains the network.
    ///
    /// # Errors
    /// Before the first step: when the data do not suit the network or the loss, have no samples, the batch size is 0,
    /// a pattern matches no parameter, or a checkpoint cannot be gone on from. Later: when a checkpoint cannot be written; when the loss becomes infinite or NaN ([`TrainError::NonFinite`]);
    /// the network then has the parameters of the last step whose loss and gradient were finite.
    pub fn fit(
        &self,
        network: &mut Network<F>,
        train: &dyn Source<F>,
        validation: Option<&dyn Source<F>>,
    ) -> Result<History, TrainError> {
        check("training", network, train)?;
        if let Some(validation) = validation {
            check("validation", network, validation)?;
        }
        let mut run = || Session::new(self, network, train, validation)?.run();
        let free = || rayon::current_num_threads().saturating_sub(1).max(1);
        let Some(threads) = self.threads.or_else(|| (!train.is_quick()).then(free)) else {
            // Inside the pool from the start, so that no step has to enter it.
            return if rayon::current_num_threads() > 1 { rayon::scope(|_| run()) } else { run() };
        };
        let failed = |e: rayon::ThreadPoolBuildError| TrainError::Threads { threads, message: e.to_string() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(failed)?;
        pool.install(run)
    }
}

impl Trainer<f64> {
    /// Compares the derived gradient of the cost, penalties included, on `data`, taken as one batch, with numerical
    /// differences; see [`check_gradient`](crate::check_gradient).
    ///
    /// # Errors
    /// When the data do not suit the network or the loss, or a pattern matches no parameter.
    pub fn check_gradient(
        &self,
        check: &GradCheck,
        network: &mut Network<f64>,
        data: &dyn Source<f64>,
    ) -> Result<Report, TrainError> {
        check_objective(check, network, &self.objective, data)
    }
}

fn check<F: Real>(set: &'static str, network: &Network<F>, data: &dyn Source<F>) -> Result<(), TrainError> {
    if data.input_shape() != network.input_shape() {
        let (expected, got) = (network.input_shape().to_vec(), data.input_shape().to_vec());
        return Err(TrainError::InputShape { set, expected, got });
    }
    match (data.classes(), network.output_shape()) {
        (Some(classes), &[outputs]) if classes > outputs => Err(TrainError::Classes { classes, outputs }),
        _ => Ok(()),
    }
}
