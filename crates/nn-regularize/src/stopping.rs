//! Early stopping.

use nn_core::{RangeError, Real, check_range};

/// Stops when a metric has not improved for so many epochs in a row.
///
/// A metric m improves on the best b when m < b − δ (or m > b + δ where more is better); then it is the new best, and
/// the count of epochs without improvement is 0. When that count reaches the patience, it is time to stop.
///
/// | setting | default | range |
/// |-|-|-|
/// | `patience` | | at least 1 |
/// | [`min_delta`](Self::min_delta) δ | 0 | \[0, ∞) |
/// | [`maximize`](Self::maximize) | lower is better | |
/// | [`warm_up`](Self::warm_up), epochs at the beginning that count for nothing | 0 | |
///
/// NaN never improves, and after NaN alone there is no best.
///
/// ```
/// use nn_regularize::{BestWeights, EarlyStopping, Observation};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut stopping = EarlyStopping::new(2)?;
/// let mut best = BestWeights::new();
/// let mut w = vec![0.0f32];
/// for (epoch, loss) in [0.9, 0.5, 0.7, 0.6, 0.1].into_iter().enumerate() {
///     w[0] = epoch as f32; // an epoch of training
///     if stopping.observe(loss) == Observation::Improved {
///         best.keep(&w);
///     }
///     if stopping.should_stop() {
///         break;
///     }
/// }
/// assert!(best.restore(&mut w));
/// assert_eq!((w[0], stopping.best(), stopping.best_epoch()), (1.0, Some(0.5), Some(1)));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Prechelt 1998, "Early stopping — but when?", criterion UP, with one validation per epoch;
/// `keras.callbacks.EarlyStopping`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    patience: u64,
    min_delta: f64,
    maximize: bool,
    warm_up: u64,
    state: StoppingState,
}

/// What an [`EarlyStopping`] has seen, to be saved with a run and given to [`resume`](EarlyStopping::resume).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StoppingState {
    /// The epochs seen.
    pub epochs: u64,
    /// The best metric; none before the first that counts and is not NaN.
    pub best: Option<f64>,
    /// The epoch of the best metric, from 0.
    pub best_epoch: Option<u64>,
    /// The epochs in a row that did not improve.
    pub waited: u64,
}

/// What [`EarlyStopping::observe`] makes of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The epoch belongs to the warm-up.
    WarmUp,
    /// The metric is the best so far: the moment to keep the weights.
    Improved,
    /// It is not, as in those epochs before it of which this is the number, itself included.
    Waiting(u64),
    /// It is time to stop.
    Stop,
}

impl EarlyStopping {
    /// Stops after so many epochs in a row without improvement.
    ///
    /// # Errors
    /// When the patience is 0.
    pub fn new(patience: u64) -> Result<Self, RangeError> {
        check_range("EarlyStopping", "patience", patience as f64, "[1, ∞)", patience >= 1)?;
        let state = StoppingState::default();
        Ok(EarlyStopping { patience, min_delta: 0.0, maximize: false, warm_up: 0, state })
    }

    /// Sets by how much a metric must be better than the best.
    ///
    /// # Errors
    /// When δ is outside \[0, ∞).
    pub fn min_delta(self, min_delta: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&min_delta);
        check_range("EarlyStopping", "min_delta", min_delta, "[0, ∞)", inside)?;
        Ok(EarlyStopping { min_delta, ..self })
    }

    /// Higher is better, as for accuracy.
    #[must_use]
    pub fn maximize(self) -> Self {
        EarlyStopping { maximize: true, ..self }
    }

    /// Sets the number of epochs at the beginning that count for nothing, neither as best nor as without improvement.
    #[must_use]
    pub fn warm_up(self, epochs: u64) -> Self {
        EarlyStopping { warm_up: epochs, ..self }
    }

    /// Goes on from a saved state.
    #[must_use]
    pub fn resume(self, state: StoppingState) -> Self {
        EarlyStopping { state, ..self }
    }

    /// Takes in the metric of another epoch.
    pub fn observe(&mut self, metric: f64) -> Observation {
        let epoch = self.state.epochs;
        self.state.epochs += 1;
        if epoch < self.warm_up {
            return Observation::WarmUp;
        }
        if self.improves(metric) {
            self.state.best = Some(metric);
            self.state.best_epoch = Some(epoch);
            self.state.waited = 0;
            return Observation::Improved;
        }
        self.state.waited += 1;
        if self.should_stop() { Observation::Stop } else { Observation::Waiting(self.state.waited) }
    }

    fn improves(&self, metric: f64) -> bool {
        match self.state.best {
            None => !metric.is_nan(),
            Some(best) if self.maximize => metric > best + self.min_delta,
            Some(best) => metric < best - self.min_delta,
        }
    }

    /// Whether it is time to stop.
    pub fn should_stop(&self) -> bool {
        self.state.waited >= self.patience
    }

    /// The best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.state.best
    }

    /// The epoch of the best metric, from 0.
    pub fn best_epoch(&self) -> Option<u64> {
        self.state.best_epoch
    }

    /// What was seen, to be saved.
    pub fn state(&self) -> StoppingState {
        self.state
    }
}

/// A copy of the best weights so far, to go back to.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BestWeights<F> {
    values: Option<Vec<F>>,
}

impl<F: Real> BestWeights<F> {
    /// Without weights yet.
    pub fn new() -> Self {
        BestWeights { values: None }
    }

    /// Keeps a copy of these weights, such as `Arena::as_slice` with its running statistics. Memory is taken once.
    pub fn keep(&mut self, w: &[F]) {
        let values = self.values.get_or_insert_default();
        values.clear();
        values.extend_from_slice(w);
    }

    /// The weights kept last.
    pub fn get(&self) -> Option<&[F]> {
        self.values.as_deref()
    }

    /// Writes the weights kept last over `w`; false where none were kept, and then `w` is left as it is.
    ///
    /// # Panics
    /// When their number differs.
    #[track_caller]
    pub fn restore(&self, w: &mut [F]) -> bool {
        let Some(values) = &self.values else { return false };
        let (kept, got) = (values.len(), w.len());
        assert_eq!(kept, got, "best weights: {kept} were kept, {got} are to be restored");
        w.copy_from_slice(values);
        true
    }
}
