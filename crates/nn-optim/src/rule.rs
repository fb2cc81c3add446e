//! What an update rule is.

use std::fmt::Debug;

use nn_core::{RangeError, Real, check_range};

use crate::Pass;

/// The most slots that a rule may have.
pub const MAX_SLOTS: usize = 4;

/// What a rule is told about the step that it computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context {
    /// The number t of the step, from 1.
    pub step: u64,
    /// The learning rate of this step.
    pub learning_rate: f64,
}

/// An update rule: the hyperparameters, the names of the slots, and one elementwise function.
///
/// A slot is a buffer as long as the parameters that the rule keeps from step to step, such as a momentum. Slots
/// begin at zero. [`Optimizer`](crate::Optimizer) owns them, the step count and the current learning rate; a rule
/// holds what does not change.
///
/// [`update`](Rule::update) computes in `f64` what is the same for all elements, such as a bias correction, and
/// then hands one closure to [`Pass::each`], which runs it over all elements in one pass over memory.
///
/// # Example
/// A rule of one's own: w ← w − α·sign(g).
///
/// ```
/// use nn_core::Real;
/// use nn_optim::{Context, Optimizer, Pass, Rule};
///
/// #[derive(Debug)]
/// struct SignSgd;
///
/// impl<F: Real> Rule<F> for SignSgd {
///     fn name(&self) -> &'static str {
///         "SignSgd"
///     }
///     fn slots(&self) -> &'static [&'static str] {
///         &[]
///     }
///     fn learning_rate(&self) -> f64 {
///         0.1
///     }
///     fn update(&self, context: Context, pass: Pass<'_, F>) {
///         let rate = F::from_f64(context.learning_rate);
///         pass.each(#[inline(always)] move |w, g: F, []| (w - rate * g.sign(), []));
///     }
/// }
///
/// let mut w = [1.0f32, 2.0, 3.0];
/// Optimizer::new(SignSgd).step(&mut w, &[5.0, 0.0, -7.0]);
/// assert_eq!(w, [0.9, 2.0, 3.1]);
/// ```
pub trait Rule<F: Real>: Debug + Send + Sync {
    /// The name, under which state is saved.
    fn name(&self) -> &'static str;

    /// The names of the slots, at most [`MAX_SLOTS`], as PyTorch names them where it has them.
    fn slots(&self) -> &'static [&'static str];

    /// The learning rate that the rule was made with.
    fn learning_rate(&self) -> f64;

    /// Updates parameters and slots by [`Pass::each`], which must be called exactly once.
    fn update(&self, context: Context, pass: Pass<'_, F>);
}

impl<F: Real, R: Rule<F> + ?Sized> Rule<F> for Box<R> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn slots(&self) -> &'static [&'static str] {
        (**self).slots()
    }

    fn learning_rate(&self) -> f64 {
        (**self).learning_rate()
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        (**self).update(context, pass);
    }
}

/// Refuses a learning rate outside [0, ∞).
pub(crate) fn check_learning_rate(owner: &'static str, rate: f64) -> Result<(), RangeError> {
    check_range(owner, "learning_rate", rate, "[0, ∞)", (0.0..f64::INFINITY).contains(&rate))
}

/// Refuses a decay factor, such as a momentum, outside [0, 1).
pub(crate) fn check_factor(owner: &'static str, field: &'static str, factor: f64) -> Result<(), RangeError> {
    check_range(owner, field, factor, "[0, 1)", (0.0..1.0).contains(&factor))
}
