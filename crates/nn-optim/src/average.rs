//! Averages of the weights: exponential, and over the last part of training.

use nn_core::{Arena, ExponentialAverage, RangeError, Real, check_range};

use crate::buffer::{check_fit, copy_of, exchange, move_towards, write_into};
use crate::{BufferState, StateError, Values, ValuesMut};

/// The exponentially weighted average of the weights, with bias correction.
///
/// V ← β·V + (1 − β)·w after each step, read as V/(1 − βᵗ): see [`ExponentialAverage`]. β lies in [0, 1); 0.999 is
/// usual, which averages about 1,000 steps. Running statistics are not averaged but copied.
///
/// ```
/// use nn_optim::Ema;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (mut w, mut ema) = ([1.0f64, 4.0], Ema::new(0.5)?);
/// ema.update(&w);
/// w = [4.0, 1.0];
/// ema.update(&w);
/// ema.swap(&mut w); // evaluate with the average …
/// assert_eq!(w, [3.0, 2.0]);
/// ema.swap(&mut w); // … and go on training
/// assert_eq!(w, [4.0, 1.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging", for averages of the iterates; Kingma
/// and Ba 2015, "Adam: a method for stochastic optimization", section 7.2, for this one. The usual uncorrected form
/// begins at the initial weights instead, which then keep a share of βᵗ.
#[derive(Clone, Debug)]
pub struct Ema<F: Real> {
    beta: f64,
    average: Option<ExponentialAverage<Arena<F>>>,
}

impl<F: Real> Ema<F> {
    const NAME: &'static str = "Ema";

    /// With this β.
    ///
    /// # Errors
    /// When β is outside [0, 1).
    pub fn new(beta: f64) -> Result<Self, RangeError> {
        check_range(Self::NAME, "beta", beta, "[0, 1)", (0.0..1.0).contains(&beta))?;
        Ok(Ema { beta, average: None })
    }

    /// The number of updates.
    pub fn count(&self) -> u64 {
        self.average.as_ref().map_or(0, ExponentialAverage::count)
    }

    /// The average; none before the first update.
    pub fn average(&self) -> Option<&Arena<F>> {
        self.average.as_ref().map(ExponentialAverage::<Arena<F>>::value)
    }

    /// Takes in the weights, after a step.
    ///
    /// # Panics
    /// When their shapes are not those of the updates before.
    #[track_caller]
    pub fn update<W: Values<Elem = F> + ?Sized>(&mut self, w: &W) {
        match &mut self.average {
            Some(average) => {
                check_fit(Self::NAME, Arena::layout(average.value()), w);
                let share = average.next_share();
                move_towards(average.value_mut(), w, F::from_f64(share));
            }
            None => self.average = resume(self.beta, 1, copy_of(w)),
        }
    }

    /// Copies the average into the weights; they stay as they are before the first update.
    ///
    /// # Panics
    /// When their shapes are not those of the updates.
    #[track_caller]
    pub fn apply<W: ValuesMut<Elem = F> + ?Sized>(&self, w: &mut W) {
        apply(Self::NAME, self.average(), w);
    }

    /// Exchanges the average and the weights; a second call undoes it. Nothing happens before the first update.
    ///
    /// # Panics
    /// When their shapes are not those of the updates.
    #[track_caller]
    pub fn swap<W: ValuesMut<Elem = F> + ?Sized>(&mut self, w: &mut W) {
        swap(Self::NAME, self.average.as_mut().map(ExponentialAverage::value_mut), w);
    }

    /// A copy of the state, to be saved.
    pub fn state(&self) -> BufferState<F> {
        BufferState::new(Self::NAME, self.count(), self.average())
    }

    /// Goes on from a saved state, made with the same β.
    ///
    /// # Errors
    /// When the state is of something else, or a parameter is missing, too many or of another shape; nothing is loaded
    /// then.
    pub fn load_state(&mut self, state: &BufferState<F>) -> Result<(), StateError> {
        let average = state.load(Self::NAME, "average", self.average().map(Arena::layout))?;
        let average = average.filter(|_| state.count > 0);
        self.average = average.and_then(|average| resume(self.beta, state.count, average));
        Ok(())
    }
}

/// The average from here on; β has been checked.
fn resume<F: Real>(beta: f64, count: u64, value: Arena<F>) -> Option<ExponentialAverage<Arena<F>>> {
    ExponentialAverage::resume(beta, count, value).ok()
}

/// Stochastic weight averaging: the mean of the weights after step s and every k-th step from there on.
///
/// w̄ ← w̄ + (w − w̄)/n with the n-th of these weights. Running statistics are not averaged but copied; after training,
/// networks with batch normalisation need theirs computed anew for the averaged weights.
///
/// | parameter | meaning | range |
/// |-|-|-|
/// | s, `start` | the first step whose weights count, from 1 | [1, ∞) |
/// | k, `every` | the paper takes one epoch | [1, ∞) |
///
/// ```
/// use nn_optim::Swa;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (mut w, mut swa) = ([0.0f32], Swa::new(2, 3)?);
/// for step in 1..=9 {
///     w = [step as f32];
///     swa.update(&w);
/// }
/// swa.apply(&mut w);
/// assert_eq!(w, [5.0]); // the mean of 2, 5 and 8
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Izmailov, Podoprikhin, Garipov, Vetrov and Wilson 2018, "Averaging weights leads to wider optima and better
/// generalization", algorithm 1; `torch.optim.swa_utils.AveragedModel`.
#[derive(Clone, Debug)]
pub struct Swa<F: Real> {
    start: u64,
    every: u64,
    step: u64,
    average: Option<Arena<F>>,
}

impl<F: Real> Swa<F> {
    const NAME: &'static str = "Swa";

    /// The mean from step `start` on, of the weights after every `every`-th step.
    ///
    /// # Errors
    /// When either is 0.
    pub fn new(start: u64, every: u64) -> Result<Self, RangeError> {
        check_range(Self::NAME, "start", start as f64, "[1, ∞)", start > 0)?;
        check_range(Self::NAME, "every", every as f64, "[1, ∞)", every > 0)?;
        Ok(Swa { start, every, step: 0, average: None })
    }

    /// The number of weights in the mean, n.
    pub fn count(&self) -> u64 {
        (self.step + 1).checked_sub(self.start).map_or(0, |past| past.div_ceil(self.every))
    }

    /// The mean; none before step `start`.
    pub fn average(&self) -> Option<&Arena<F>> {
        self.average.as_ref()
    }

    /// Takes in the weights; to be called after every step.
    ///
    /// # Panics
    /// When their shapes are not those of the updates before.
    #[track_caller]
    pub fn update<W: Values<Elem = F> + ?Sized>(&mut self, w: &W) {
        if let Some(average) = &self.average {
            check_fit(Self::NAME, Arena::layout(average), w);
        }
        let before = self.count();
        self.step += 1;
        let count = self.count();
        if count > before {
            let average = self.average.get_or_insert_with(|| Arena::zeros(w.layout()));
            move_towards(average, w, F::from_f64(1.0 / count as f64));
        }
    }

    /// Copies the mean into the weights; they stay as they are before step `start`.
    ///
    /// # Panics
    /// When their shapes are not those of the updates.
    #[track_caller]
    pub fn apply<W: ValuesMut<Elem = F> + ?Sized>(&self, w: &mut W) {
        apply(Self::NAME, self.average(), w);
    }

    /// Exchanges the mean and the weights; a second call undoes it. Nothing happens before step `start`.
    ///
    /// # Panics
    /// When their shapes are not those of the updates.
    #[track_caller]
    pub fn swap<W: ValuesMut<Elem = F> + ?Sized>(&mut self, w: &mut W) {
        swap(Self::NAME, self.average.as_mut(), w);
    }

    /// A copy of the state, to be saved; its count is that of the steps.
    pub fn state(&self) -> BufferState<F> {
        BufferState::new(Self::NAME, self.step, self.average())
    }

    /// Goes on from a saved state, made with the same settings.
    ///
    /// # Errors
    /// When the state is of something else, lacks the mean though its steps reach `start`, or a parameter is missing,
    /// too many or of another shape; nothing is loaded then.
    pub fn load_state(&mut self, state: &BufferState<F>) -> Result<(), StateError> {
        let early = state.count < self.start;
        let checked = BufferState { count: if early { 0 } else { state.count }, ..state.clone() };
        let average = checked.load(Self::NAME, "average", self.average().map(Arena::layout))?;
        (self.average, self.step) = (average.filter(|_| !early), state.count);
        Ok(())
    }
}

#[track_caller]
fn apply<W: ValuesMut + ?Sized>(owner: &str, average: Option<&Arena<W::Elem>>, w: &mut W) {
    if let Some(average) = average {
        check_fit(owner, Arena::layout(average), w);
        write_into(average, w, |_| true);
    }
}

#[track_caller]
fn swap<W: ValuesMut + ?Sized>(owner: &str, average: Option<&mut Arena<W::Elem>>, w: &mut W) {
    if let Some(average) = average {
        check_fit(owner, Arena::layout(average), w);
        exchange(average, w);
    }
}
