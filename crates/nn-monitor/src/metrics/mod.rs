//! Metrics: numbers that say how good outputs are, summed up batch by batch.

mod accuracy;
mod cases;
mod confusion;
mod mean;
mod perplexity;
mod precision_recall;
mod regression;
mod roc_auc;
mod top_k;

use std::fmt::Debug;

use ndarray::{ArrayBase, Data, Dimension};
use nn_core::{EvaluateError, Real, View};

pub use accuracy::Accuracy;
pub use confusion::ConfusionMatrix;
pub use mean::Mean;
pub use perplexity::Perplexity;
pub use precision_recall::{Average, ClassScore};
pub use regression::{Mae, Mse, R2};
pub use roc_auc::RocAuc;
pub use top_k::TopK;

/// A number that sums up all samples since the last [`reset`](Score::reset).
pub trait Score: Debug + Send + Sync {
    /// Its name, such as `accuracy`.
    fn name(&self) -> &str;

    /// The value over all samples so far; NaN where it is not defined, as before the first one.
    fn value(&self) -> f64;

    /// Forgets all samples.
    fn reset(&mut self);

    /// Whether more is better: of accuracy it is, of errors it is not.
    fn larger_is_better(&self) -> bool;
}

/// A [`Score`] of outputs against targets, which takes them in batch by batch.
///
/// The value does not depend on how the samples were divided into batches. It is a trait object, so that
/// metrics of many kinds stand in one list.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::{Accuracy, Metric, Mse, Score};
///
/// let mut metrics: Vec<Box<dyn Metric<f32>>> = vec![Box::new(Accuracy::new()), Box::new(Mse::new())];
/// let (outputs, targets) = (array![0.9f32, -0.2].into_dyn(), array![1.0, 1.0].into_dyn());
/// for metric in &mut metrics {
///     metric.update(&outputs.view(), &targets.view())?;
/// }
/// assert_eq!((metrics[0].name(), metrics[0].value()), ("accuracy", 0.5));
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
pub trait Metric<F: Real>: Score {
    /// Takes in a batch.
    ///
    /// # Errors
    /// When the shapes do not suit the metric or a target is no class; nothing of the batch is counted then.
    fn update(&mut self, outputs: &View<'_, F>, targets: &View<'_, F>) -> Result<(), EvaluateError>;

    /// As [`update`](Metric::update), for arrays with any fixed number of axes.
    ///
    /// # Errors
    /// As [`update`](Metric::update).
    fn update_arrays<S, T, D, E>(
        &mut self,
        outputs: &ArrayBase<S, D>,
        targets: &ArrayBase<T, E>,
    ) -> Result<(), EvaluateError>
    where
        Self: Sized,
        S: Data<Elem = F>,
        T: Data<Elem = F>,
        D: Dimension,
        E: Dimension,
    {
        self.update(&outputs.view().into_dyn(), &targets.view().into_dyn())
    }
}
