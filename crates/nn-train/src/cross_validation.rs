//! Training on one division of the data after another.

use nn_core::Real;
use nn_data::{Fold, Source, Subset};
use nn_graph::{Plans, RecordError};
use nn_layers::Network;
use rayon::prelude::*;

use crate::evaluate::evaluate_with;
use crate::{Evaluation, History, TrainError, Trainer};

/// What each fold of a cross-validation came to.
#[derive(Clone, Debug)]
pub struct CrossValidation {
    /// Loss and accuracy on the validation part of each fold, of the network as training left it.
    pub evaluations: Vec<Evaluation>,
    /// What happened in each fold.
    pub histories: Vec<History>,
}

impl CrossValidation {
    /// Mean and standard deviation of the losses; the latter with n − 1.
    pub fn loss(&self) -> (f64, f64) {
        moments(self.evaluations.iter().map(|evaluation| evaluation.loss))
    }

    /// Mean and standard deviation of the accuracies, where there are classes.
    pub fn accuracy(&self) -> Option<(f64, f64)> {
        let all: Option<Vec<f64>> = self.evaluations.iter().map(|evaluation| evaluation.accuracy).collect();
        all.map(|all| moments(all.into_iter()))
    }
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares: f64 = values.map(|x| (x - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

impl<F: Real> Trainer<F> {
    /// Trains a network on each fold, in parallel, and evaluates it on the rest. Checkpoints and monitoring, which are of
    /// one run, are left out.
    ///
    /// ```
    /// use nn_train::data::stratified_k_fold;
    /// use nn_train::prelude::*;
    ///
    /// let digits = nn_train::data::digits::load::<f32>();
    /// let folds = stratified_k_fold(&digits.labels().unwrap(), 5, Streams::new(1))?;
    /// let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-2)?).epochs(3);
    /// let make = |fold| Network::new(Sequential::new().add(Linear::new(10)), &[64], fold as u64);
    /// let result = trainer.cross_validate(&folds, make, &digits)?;
    /// let (mean, deviation) = result.accuracy().unwrap();
    /// assert!(mean > 0.9 && deviation < 0.05, "{mean} ± {deviation}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first of a fold that cannot be trained or evaluated.
    pub fn cross_validate(
        &self,
        folds: &[Fold],
        make: impl Fn(usize) -> Result<Network<F>, RecordError> + Sync,
        data: &dyn Source<F>,
    ) -> Result<CrossValidation, TrainError> {
        let trainer = self.for_one_of_many();
        let one = |(i, fold): (usize, &Fold)| {
            let train = Subset::new(data, fold.train.clone())?;
            let validation = Subset::new(data, fold.validation.clone())?;
            let mut network = make(i)?;
            let history = trainer.fit(&mut network, &train, Some(&validation))?;
            let mut plans = Plans::new();
            let evaluation =
                evaluate_with(&network, &trainer.objective, &validation, &mut plans, |_, _| Ok(()))?;
            Ok((evaluation, history))
        };
        let all = folds.par_iter().enumerate().map(one).collect::<Result<Vec<_>, TrainError>>()?;
        let (evaluations, histories) = all.into_iter().unzip();
        Ok(CrossValidation { evaluations, histories })
    }
}
