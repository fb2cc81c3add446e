//! Several networks that are asked together.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::ArrayD;
use nn_core::{Real, Step, View, evaluate};
use nn_data::Source;
use nn_graph::RecordError;
use nn_layers::Network;
use nn_ops::Softmax;
use rayon::prelude::*;
use thiserror::Error;

use crate::{Control, Event, History, TrainError, Trainer};

/// Networks of the same inputs and outputs, whose predictions are averaged.
///
/// ```
/// use nn_train::prelude::*;
/// use nn_train::Ensemble;
///
/// let digits = nn_train::data::digits::load::<f32>();
/// let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-2)?).epochs(2).progress(Progress::Silent);
/// let make = |seed| Network::new(Sequential::new().add(Linear::new(10)), &[64], seed);
/// let (mut ensemble, histories) = Ensemble::train(3, make, &trainer, &digits, None)?;
/// let probabilities = ensemble.probabilities(&digits.inputs().view())?;
/// assert_eq!((histories.len(), probabilities.shape()), (3, &[1797, 10][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// Hansen and Salamon 1990, "Neural network ensembles"; for snapshots Huang et al. 2017, "Snapshot ensembles: train 1,
/// get M for free".
#[derive(Debug)]
pub struct Ensemble<F: Real> {
    networks: Vec<Network<F>>,
}

impl<F: Real> Ensemble<F> {
    /// Of these networks.
    ///
    /// # Errors
    /// When there are none, or their inputs or outputs differ in shape.
    pub fn new(networks: Vec<Network<F>>) -> Result<Self, EnsembleError> {
        let Some(first) = networks.first() else { return Err(EnsembleError::Empty) };
        let shapes = |network: &Network<F>| [network.input_shape().to_vec(), network.output_shape().to_vec()];
        let expected = shapes(first);
        match networks.iter().position(|network| shapes(network) != expected) {
            None => Ok(Ensemble { networks }),
            Some(number) => Err(EnsembleError::Shape { number, got: shapes(&networks[number]), expected }),
        }
    }

    /// Trains `count` networks on the same data in parallel: the i-th is made with the seed of the trainer + i, and
    /// trained with it. Checkpoints and monitoring, which are of one run, are left out.
    ///
    /// # Errors
    /// The first of a network that cannot be made or trained.
    ///
    /// # Panics
    /// When `count` is 0.
    pub fn train(
        count: usize,
        make: impl Fn(u64) -> Result<Network<F>, RecordError> + Sync,
        trainer: &Trainer<F>,
        train: &dyn Source<F>,
        validation: Option<&dyn Source<F>>,
    ) -> Result<(Self, Vec<History>), TrainError> {
        assert!(count > 0, "an ensemble of no networks");
        let trainer = trainer.for_one_of_many();
        let one = |i: usize| {
            let seed = trainer.seed.wrapping_add(i as u64);
            let mut network = make(seed)?;
            let history = trainer.clone().seed(seed).fit(&mut network, train, validation)?;
            Ok((network, history))
        };
        let trained: Vec<_> = (0..count).into_par_iter().map(one).collect::<Result<_, TrainError>>()?;
        let (networks, histories) = trained.into_iter().unzip();
        Ok((Ensemble { networks }, histories))
    }

    /// Trains one network, and takes a copy of it after every so many epochs: with a cyclic learning rate
    /// ([`WarmRestarts`](nn_schedule::WarmRestarts)) at the end of each cycle.
    ///
    /// # Errors
    /// When the network cannot be made or trained, or there are fewer epochs than that.
    ///
    /// # Panics
    /// When `every` is 0.
    pub fn snapshots(
        every: u64,
        make: impl Fn(u64) -> Result<Network<F>, RecordError>,
        trainer: &Trainer<F>,
        train: &dyn Source<F>,
        validation: Option<&dyn Source<F>>,
    ) -> Result<(Self, History), TrainError> {
        assert!(every > 0, "snapshots after every 0 epochs");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let taking = Arc::clone(&taken);
        let trainer = trainer.clone().on_event(move |event| {
            if let Event::Epoch { record, network } = event
                && record.epoch.is_multiple_of(every)
            {
                taking.lock().unwrap_or_else(PoisonError::into_inner).push(network.params().clone());
            }
            Control::Continue
        });
        let history = trainer.fit(&mut make(trainer.seed)?, train, validation)?;
        let taken = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
        let with = |params| {
            let mut network = make(trainer.seed)?;
            *network.params_mut() = params;
            Ok(network)
        };
        let networks = taken.into_iter().map(with).collect::<Result<_, TrainError>>()?;
        Ok((Self::new(networks)?, history))
    }

    /// The networks.
    pub fn networks(&self) -> &[Network<F>] {
        &self.networks
    }

    /// The mean of the outputs, for inputs `[samples, …]`: for regression.
    ///
    /// # Errors
    /// When the shape of a sample is not the networks'.
    pub fn predict(&mut self, inputs: &View<'_, F>) -> Result<ArrayD<F>, TrainError> {
        self.mean(inputs, Ok)
    }

    /// The mean of the probabilities, softmax over the last axis of the outputs, for inputs `[samples, …]`: for
    /// classification.
    ///
    /// # Errors
    /// When the shape of a sample is not the networks'.
    pub fn probabilities(&mut self, inputs: &View<'_, F>) -> Result<ArrayD<F>, TrainError> {
        self.mean(inputs, |outputs| {
            Ok(evaluate(&Softmax::default(), &Step::default(), &[outputs.view()])?.output)
        })
    }

    fn mean(
        &mut self,
        inputs: &View<'_, F>,
        change: impl Fn(ArrayD<F>) -> Result<ArrayD<F>, TrainError> + Sync,
    ) -> Result<ArrayD<F>, TrainError> {
        let predict = |network: &mut Network<F>| change(network.predict(inputs)?);
        let all: Vec<ArrayD<F>> = self.networks.par_iter_mut().map(predict).collect::<Result<_, _>>()?;
        let count = F::from_usize(all.len());
        let mut outputs = all.into_iter();
        let mut sum = outputs.next().expect("an ensemble has a network");
        outputs.for_each(|output| sum += &output);
        Ok(sum.mapv_into(|x| x / count))
    }
}

/// Networks that are no ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnsembleError {
    /// There are none.
    #[error("ensemble: expected at least one network, got none")]
    Empty,
    /// Another shape of inputs or outputs than those of the first.
    #[error(
        "ensemble: network {number} has inputs and outputs {got:?}, expected those of the first, {expected:?}"
    )]
    Shape {
        /// The number of the network, from 0.
        number: usize,
        /// The shapes of its inputs and outputs.
        got: [Vec<usize>; 2],
        /// Those of the first.
        expected: [Vec<usize>; 2],
    },
}
