//! What an update rule is.

use std::fmt::Debug;

use nn_core::{ParamSpec, RangeError, Real, check_range};

use crate::Pass;

/// The most slots that a rule may have.
pub const MAX_SLOTS: usize = 4;

/// The most scalars that a rule may have.
pub const MAX_SCALARS: usize = 2;

/// Where weight decay λ acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// The L2 penalty ½λ‖w‖²: g ← g + λ·w before the rule sees the gradient.
    Coupled,
    /// Decoupled decay: w ← (1 − α·λ)·w before the rule sees the parameter, with the gradient left as it is.
    ///
    /// # Source
    /// Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2, with the rate α in it as in
    /// PyTorch.
    Decoupled,
    /// The rule itself applies it, from [`Context::weight_decay`].
    Inside,
}

/// What a rule is told about the step that it computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context {
    /// The number t of the step, from 1.
    pub step: u64,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// The weight decay λ where the rule itself applies it ([`Decay::Inside`]), otherwise 0.
    pub weight_decay: f64,
    /// The scalars of [`Rule::scalars`], advanced to this step; those beyond are 0.
    pub scalars: [f64; MAX_SCALARS],
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

    /// The weight of the past in the direction of a step, µ or β₁, for those who record it; none by default.
    fn momentum_factor(&self) -> Option<f64> {
        None
    }

    /// The weight decay λ that the rule was made with, for the driver to apply; 0 by default.
    ///
    /// [`Optimizer::weight_decay`](crate::Optimizer::weight_decay) and parameter groups override it.
    fn weight_decay(&self) -> f64 {
        0.0
    }

    /// Where weight decay acts with this rule; coupled by default.
    fn decay(&self) -> Decay {
        Decay::Coupled
    }

    /// The names of the scalars, at most [`MAX_SCALARS`], that the rule keeps from step to step beside the slots,
    /// such as a product of momenta; none by default. They are saved with the state.
    fn scalars(&self) -> &'static [&'static str] {
        &[]
    }

    /// Advances the scalars to step `step`, before the update of this step.
    ///
    /// They are 0 before step 1, in which a rule sets what it wants to begin with.
    fn advance(&self, _step: u64, _scalars: &mut [f64]) {}

    /// Whether a step needs the cost at the parameters; `false` by default.
    ///
    /// [`Optimizer::step_with_cost`](crate::Optimizer::step_with_cost) hands it to [`take_cost`](Rule::take_cost); a step
    /// without it panics.
    fn needs_cost(&self) -> bool {
        false
    }

    /// Takes the cost at the parameters before the update of this step, where one is given, into the scalars, which have
    /// been [advanced](Rule::advance); by default it does nothing.
    fn take_cost(&self, _cost: f64, _scalars: &mut [f64]) {}

    /// Whether the rule works on gradients of the full batch alone, and goes astray on mini-batches that change from step
    /// to step; `false` by default.
    ///
    /// No optimizer can tell the ones from the others by their numbers: a training loop asks, and warns or refuses.
    fn full_batch_only(&self) -> bool {
        false
    }

    /// The position of the slot v and the factor µ where the rule wants the gradient at w + µ·v in place of w, for
    /// [`Optimizer::look_ahead`](crate::Optimizer::look_ahead); `None` by default.
    fn look_ahead(&self) -> Option<(usize, f64)> {
        None
    }

    /// Whether [`update`](Rule::update) must be called for each parameter tensor alone, as rules need that take
    /// norms ([`Pass::norms`]) or look at the shape ([`Pass::shape`]); `false` by default.
    ///
    /// Otherwise one call may have many parameters, and the padding between them, in one run.
    fn per_tensor(&self) -> bool {
        false
    }

    /// Whether the rule can step a parameter of this shape; `true` by default.
    ///
    /// [`Optimizer::fix_layout`](crate::Optimizer::fix_layout) panics where it cannot and no group excludes it.
    fn accepts(&self, _param: &ParamSpec) -> bool {
        true
    }

    /// The elements of memory that [`update`](Rule::update) works in for this parameter, beside the slots; 0 by default.
    ///
    /// The driver keeps as many as the largest parameter needs, and hands them out by [`Pass::scratch`]. Only rules
    /// [per tensor](Rule::per_tensor) have them.
    fn scratch(&self, _param: &ParamSpec) -> usize {
        0
    }

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

    fn momentum_factor(&self) -> Option<f64> {
        (**self).momentum_factor()
    }

    fn weight_decay(&self) -> f64 {
        (**self).weight_decay()
    }

    fn decay(&self) -> Decay {
        (**self).decay()
    }

    fn scalars(&self) -> &'static [&'static str] {
        (**self).scalars()
    }

    fn advance(&self, step: u64, scalars: &mut [f64]) {
        (**self).advance(step, scalars);
    }

    fn needs_cost(&self) -> bool {
        (**self).needs_cost()
    }

    fn take_cost(&self, cost: f64, scalars: &mut [f64]) {
        (**self).take_cost(cost, scalars);
    }

    fn full_batch_only(&self) -> bool {
        (**self).full_batch_only()
    }

    fn look_ahead(&self) -> Option<(usize, f64)> {
        (**self).look_ahead()
    }

    fn per_tensor(&self) -> bool {
        (**self).per_tensor()
    }

    fn accepts(&self, param: &ParamSpec) -> bool {
        (**self).accepts(param)
    }

    fn scratch(&self, param: &ParamSpec) -> usize {
        (**self).scratch(param)
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        (**self).update(context, pass);
    }
}

/// Refuses a learning rate outside [0, ∞).
pub(crate) fn check_learning_rate(owner: &'static str, rate: f64) -> Result<(), RangeError> {
    check_range(owner, "learning_rate", rate, "[0, ∞)", (0.0..f64::INFINITY).contains(&rate))
}

/// Refuses a weight decay outside [0, ∞).
pub(crate) fn check_weight_decay(owner: &'static str, weight_decay: f64) -> Result<(), RangeError> {
    check_range(owner, "weight_decay", weight_decay, "[0, ∞)", (0.0..f64::INFINITY).contains(&weight_decay))
}

/// Refuses a decay factor, such as a momentum, outside [0, 1).
pub(crate) fn check_factor(owner: &'static str, field: &'static str, factor: f64) -> Result<(), RangeError> {
    check_range(owner, field, factor, "[0, 1)", (0.0..1.0).contains(&factor))
}
