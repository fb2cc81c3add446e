//! Operations whose hyperparameters follow a schedule.

use std::fmt;
use std::sync::Arc;

use nn_core::{Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, ValueError, View, ViewMut};

/// An operation whose hyperparameter, such as the rate of dropout, is a function of the number of the step.
///
/// y = op_t(x), and its gradient that of op_t, where t is `Step::index`: the operation is made anew in each forward and
/// backward pass. It is a function of the [`Step`] like all others, goes on after a resume where it was, and has the draws
/// of the operation itself: at the same step, a smaller rate drops a part of what a greater one drops.
///
/// - Input, output and mode: those of the operation; its shapes and its name must be the same at all steps.
/// - `at`: any pure function of t from 0, such as a schedule of `nn-schedule`.
/// - Out of range: [`new`](Self::new) refuses a function whose value at step 0 the operation refuses;
///   [`valid_until`](Self::valid_until) looks at all steps of a run beforehand. A step beyond at which the value is
///   out of range panics, naming the hyperparameter, its value, its range and the step. Nothing is clamped.
///
/// Eagerly, on plain arrays, [`at`](Self::at) gives the operation of a step. In a graph it is an operation as any other,
/// and a scheduled module of `nn-layers` is a module.
///
/// ```
/// use ndarray::Array1;
/// use nn_core::{Step, Streams};
/// use nn_regularize::{Dropout, Scheduled};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// // From 0 to 0.5 over 1000 steps, then 0.5 (Morerio et al. 2017, "Curriculum dropout").
/// let dropout = Scheduled::new(|t| Dropout::new((t as f64 / 2000.0).min(0.5)))?.valid_until(5000)?;
/// assert_eq!((dropout.at(0).rate(), dropout.at(500).rate(), dropout.at(9999).rate()), (0.0, 0.25, 0.5));
///
/// let x = Array1::from_elem(10_000, 3.0);
/// let step = |index| Step { streams: Streams::new(42), index, ..Step::default() };
/// assert_eq!(dropout.at(0).apply(&step(0), &x), x);
/// let y = dropout.at(500).apply(&step(500), &x);
/// assert!(y.iter().all(|&y| y == 0.0 || y == 4.0));
///
/// let rising = Scheduled::new(|t| Dropout::new(t as f64 / 1000.0))?;
/// let message = rising.valid_until(2000).unwrap_err().to_string();
/// assert_eq!(message, "Dropout: rate must lie in [0, 1], got 1.001");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Scheduled<O> {
    at: Arc<Make<O>>,
    first: O,
}

/// Makes the operation of a step.
type Make<O> = dyn Fn(u64) -> Result<O, RangeError> + Send + Sync;

impl<O> Scheduled<O> {
    /// With a function that makes the operation of step t, such as `|t| Dropout::new(schedule.at(t as f64))`.
    ///
    /// # Errors
    /// When the hyperparameter at step 0 is out of its range.
    pub fn new(
        at: impl Fn(u64) -> Result<O, RangeError> + Send + Sync + 'static,
    ) -> Result<Self, RangeError> {
        let first = at(0)?;
        Ok(Scheduled { at: Arc::new(at), first })
    }

    /// Looks at the steps before `steps`, so that none of them can panic.
    ///
    /// # Errors
    /// When the hyperparameter at one of them is out of its range.
    pub fn valid_until(self, steps: u64) -> Result<Self, RangeError> {
        (0..steps).try_for_each(|t| (self.at)(t).map(drop))?;
        Ok(self)
    }

    /// The operation of step t.
    ///
    /// # Panics
    /// When the hyperparameter is out of its range.
    #[track_caller]
    pub fn at(&self, t: u64) -> O {
        (self.at)(t).unwrap_or_else(|error| panic!("step {t}: {error}"))
    }
}

impl<O: fmt::Debug> fmt::Debug for Scheduled<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled").field("first", &self.first).finish_non_exhaustive()
    }
}

impl<F: Real, O: Op<F>> Op<F> for Scheduled<O> {
    fn name(&self) -> &'static str {
        self.first.name()
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        self.first.infer(inputs)
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        self.first.check(inputs)
    }

    fn has_check(&self) -> bool {
        self.first.has_check()
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        self.at(step.index).forward(step, inputs, output, memory);
    }

    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        self.at(step.index).backward(step, io, memory, d_output, d_inputs);
    }
}
