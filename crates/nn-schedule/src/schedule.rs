//! What a schedule is.

use std::fmt::Debug;
use std::sync::Arc;

use nn_core::RangeError;

use crate::{Clamp, HoldAfter, InEpochs, LowerAtEnd, Product, Repeat, Staircase, Sum, Then, Warmup};

/// A hyperparameter as a function of time.
///
/// Time t is 0 at the first step and counts steps or epochs, as the caller likes: a schedule that decays per epoch
/// is asked for `at(2.5)` in the middle of the third, or is turned by [`in_epochs`](Schedule::in_epochs) into one
/// that counts steps. Since the value depends on t alone, a run that is resumed goes on with the right value.
///
/// A number is a schedule too, the constant one; [`from_fn`](crate::from_fn) makes one of a closure. The methods
/// compose: each takes the schedule and gives a new one. The trait can be an object, and so can every composition.
pub trait Schedule: Debug + Send + Sync {
    /// The value at the finite time t; a negative t counts as 0.
    fn at(&self, t: f64) -> f64;

    /// This schedule, which counts epochs, as one that counts steps: its value at step s is that at s divided by
    /// `steps_per_epoch`, in [1, ∞).
    ///
    /// ```
    /// use nn_schedule::{Exponential, Schedule};
    ///
    /// # fn main() -> Result<(), nn_core::RangeError> {
    /// let rate = Exponential::new(0.1, 0.25)?.in_epochs(100)?;
    /// assert_eq!((rate.at(0.0), rate.at(50.0), rate.at(100.0)), (0.1, 0.05, 0.025));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `steps_per_epoch` is 0.
    fn in_epochs(self, steps_per_epoch: usize) -> Result<InEpochs<Self>, RangeError>
    where
        Self: Sized,
    {
        InEpochs::new(self, steps_per_epoch)
    }

    /// This schedule while t < `steps`, then `next`, which begins there at its own time 0.
    ///
    /// In a chain every joint counts from the very beginning: `a.then(10.0, b)?.then(30.0, c)?` gives b 20 steps.
    /// As PyTorch's `SequentialLR` with the joints as milestones.
    ///
    /// ```
    /// use nn_schedule::{Exponential, Schedule};
    ///
    /// # fn main() -> Result<(), nn_core::RangeError> {
    /// let rate = 0.1.then(3.0, Exponential::new(0.4, 0.5)?)?;
    /// assert_eq!([2.0, 3.0, 4.0].map(|t| rate.at(t)), [0.1, 0.4, 0.2]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `steps` is outside [0, ∞).
    fn then<B: Schedule>(self, steps: f64, next: B) -> Result<Then<Self, B>, RangeError>
    where
        Self: Sized,
    {
        Then::new(self, steps, next)
    }

    /// A linear warm-up before this schedule: s(0)·(f + (1 − f)·t/`steps`) while t < `steps`, then s(t − `steps`).
    ///
    /// The first step has f·s(0), where f is `start_factor`; the value s(0) is reached at t = `steps`, where the
    /// schedule begins at its own time 0. With f = 0 the first step does nothing; f = 1/`steps` ramps over the first
    /// `steps` steps from s(0)/`steps`.
    ///
    /// ```
    /// use nn_schedule::{Exponential, Schedule};
    ///
    /// # fn main() -> Result<(), nn_core::RangeError> {
    /// let rate = Exponential::new(0.8, 0.5)?.warmup(4.0, 0.25)?;
    /// assert_eq!([0.0, 2.0, 4.0, 5.0].map(|t| rate.at(t)), [0.2, 0.5, 0.8, 0.4]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `steps` is outside [0, ∞) or `start_factor` outside [0, 1].
    ///
    /// # Source
    /// Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2 (gradual warmup).
    fn warmup(self, steps: f64, start_factor: f64) -> Result<Warmup<Self>, RangeError>
    where
        Self: Sized,
    {
        Warmup::linear(self, steps, start_factor)
    }

    /// A constant warm-up before this schedule: `factor`·s(0) while t < `steps`, then s(t − `steps`).
    ///
    /// # Errors
    /// When `steps` is outside [0, ∞) or `factor` outside [0, 1].
    ///
    /// # Source
    /// He et al. 2016, "Deep residual learning for image recognition", section 4.2 (0.01 before 0.1).
    fn warmup_constant(self, steps: f64, factor: f64) -> Result<Warmup<Self>, RangeError>
    where
        Self: Sized,
    {
        Warmup::constant(self, steps, factor)
    }

    /// The product with another schedule at the same time; a number scales. As chaining schedulers in PyTorch.
    fn product<B: Schedule>(self, other: B) -> Product<Self, B>
    where
        Self: Sized,
    {
        Product::new(self, other)
    }

    /// The sum with another schedule at the same time; a number shifts.
    fn sum<B: Schedule>(self, other: B) -> Sum<Self, B>
    where
        Self: Sized,
    {
        Sum::new(self, other)
    }

    /// The values of this schedule, brought into [`min`, `max`].
    ///
    /// # Errors
    /// When `min` is not finite or `max` outside [`min`, ∞).
    fn clamp(self, min: f64, max: f64) -> Result<Clamp<Self>, RangeError>
    where
        Self: Sized,
    {
        Clamp::new(self, min, max)
    }

    /// The first `period` of this schedule over and over: s(t mod `period`).
    ///
    /// # Errors
    /// When `period` is outside (0, ∞).
    fn repeat(self, period: f64) -> Result<Repeat<Self>, RangeError>
    where
        Self: Sized,
    {
        Repeat::new(self, period)
    }

    /// This schedule with a value that changes only every `every`: s(⌊t/`every`⌋·`every`).
    ///
    /// `staircase(1.0)` on a schedule in epochs keeps the value during each epoch, as Keras' `staircase=True`.
    ///
    /// # Errors
    /// When `every` is outside (0, ∞).
    fn staircase(self, every: f64) -> Result<Staircase<Self>, RangeError>
    where
        Self: Sized,
    {
        Staircase::new(self, every)
    }

    /// This schedule until t = `end`, then its value there: s(min(t, `end`)).
    ///
    /// # Errors
    /// When `end` is outside [0, ∞).
    fn hold_after(self, end: f64) -> Result<HoldAfter<Self>, RangeError>
    where
        Self: Sized,
    {
        HoldAfter::new(self, end)
    }

    /// This schedule, lowered to at most `value` for the last `last` of `total` updates: min(s(t), `value`) from
    /// t = `total` − `last` on.
    ///
    /// With `value` 0.9 and `last` 1,000 the finish of the momentum in Sutskever et al. 2013, section 3, after which
    /// a run with a momentum near 1 settles.
    ///
    /// ```
    /// use nn_schedule::{Schedule, SutskeverMomentum};
    ///
    /// # fn main() -> Result<(), nn_core::RangeError> {
    /// let momentum = SutskeverMomentum::new(0.99)?.lower_at_end(0.9, 1000.0, 50_000.0)?;
    /// assert_eq!([48_999.0, 49_000.0].map(|t| momentum.at(t)), [0.99, 0.9]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When `value` is not finite, `total` outside [0, ∞) or `last` outside [0, `total`].
    fn lower_at_end(self, value: f64, last: f64, total: f64) -> Result<LowerAtEnd<Self>, RangeError>
    where
        Self: Sized,
    {
        LowerAtEnd::new(self, value, last, total)
    }
}

impl Schedule for f64 {
    fn at(&self, _t: f64) -> f64 {
        *self
    }
}

impl<S: Schedule + ?Sized> Schedule for &S {
    fn at(&self, t: f64) -> f64 {
        (**self).at(t)
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn at(&self, t: f64) -> f64 {
        (**self).at(t)
    }
}

impl<S: Schedule + ?Sized> Schedule for Arc<S> {
    fn at(&self, t: f64) -> f64 {
        (**self).at(t)
    }
}
