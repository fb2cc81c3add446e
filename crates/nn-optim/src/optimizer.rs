//! The driver: from a rule to steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use nn_core::{Arena, ParamLayout, RangeError, Real};

use crate::groups::{Group, Settings, Span, UnmatchedPattern, spans};
use crate::pass::Blend;
use crate::rule::{check_learning_rate, check_weight_decay};
use crate::state::{check_layout, check_slots, ordered_scalars};
use crate::{Context, Decay, MAX_SCALARS, MAX_SLOTS, Pass, Rule, State, StateError, Values, ValuesMut};

/// Steps parameters by a [`Rule`]: owns the slots, the step count, the learning rate and the weight decay.
///
/// It steps plain slices and vectors, `ndarray` arrays in any memory layout (at full speed where elements lie in
/// standard order, else through a copy), and an [`Arena`] with all parameters of a network, in one pass over memory.
/// One optimizer serves one array or one arena; the first step, or [`for_layout`](Optimizer::for_layout), fixes
/// which names and shapes. Parameters that are not trained ([`Role::RunningStatistic`](nn_core::Role)) stay as they
/// are.
///
/// Steps after the first allocate nothing, elements in standard order provided. Large passes are shared among the
/// threads of the current rayon pool; the result has the same bits on any number of threads.
///
/// ```
/// use ndarray::array;
/// use nn_optim::{Adam, Optimizer};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut w = array![[3.0f64, -4.0]];
/// let mut adam = Optimizer::new(Adam::new(0.1)?);
/// for _ in 0..300 {
///     let gradient = 2.0 * &w; // of the sum of squares
///     adam.step(&mut w, &gradient);
/// }
/// assert!(w.iter().all(|x| x.abs() < 1e-3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Optimizer<F: Real> {
    rule: Arc<dyn Rule<F>>,
    learning_rate: f64,
    weight_decay: f64,
    decay: Decay,
    groups: Vec<Group>,
    step: u64,
    scalars: [f64; MAX_SCALARS],
    memory: Option<Memory<F>>,
}

/// What depends on the layout of the parameters.
#[derive(Clone, Debug)]
struct Memory<F: Real> {
    layout: Arc<ParamLayout>,
    spans: Vec<Span>,
    slots: Vec<Arena<F>>,
}

/// One step, as it is for all parameters.
struct Step {
    /// The weight decay of the context is that of the optimizer, wherever it acts.
    context: Context,
    decay: Decay,
    /// Factor of the gradient.
    scale: f64,
}

impl Step {
    /// The step as it is for parameters with these settings.
    fn with(&self, settings: Settings) -> (Context, Blend) {
        let learning_rate = self.context.learning_rate * settings.rate_factor;
        let weight_decay = settings.weight_decay.unwrap_or(self.context.weight_decay);
        let (mut coupled, mut keep, mut inside) = (0.0, 1.0, 0.0);
        match settings.decay.unwrap_or(self.decay) {
            Decay::Coupled => coupled = weight_decay,
            Decay::Decoupled => keep = 1.0 - learning_rate * weight_decay,
            Decay::Inside => inside = weight_decay,
        }
        let context = Context { learning_rate, weight_decay: inside, ..self.context };
        (context, Blend { scale: self.scale, decay: coupled, keep })
    }
}

impl<F: Real> Memory<F> {
    fn new(layout: Arc<ParamLayout>, rule: &dyn Rule<F>, groups: &[Group]) -> Result<Self, UnmatchedPattern> {
        let spans = spans(&layout, groups, rule.per_tensor())?;
        let slots = rule.slots().iter().map(|_| Arena::zeros(Arc::clone(&layout))).collect();
        Ok(Memory { layout, spans, slots })
    }

    fn update(&mut self, rule: &dyn Rule<F>, step: &Step, w: &mut [F], g: &[F]) {
        let used = self.slots.len();
        for Span { range, first, settings } in &self.spans {
            let mut slots: [&mut [F]; MAX_SLOTS] = Default::default();
            for (slot, arena) in slots.iter_mut().zip(&mut self.slots) {
                *slot = &mut arena.as_mut_slice()[range.clone()];
            }
            let (w, g) = (&mut w[range.clone()], &g[range.clone()]);
            let (context, blend) = step.with(*settings);
            let tensor = rule.per_tensor().then(|| &self.layout.params()[*first]);
            rule.update(context, Pass::new(w, g, slots, used, blend, tensor));
        }
    }
}

impl<F: Real> Optimizer<F> {
    /// An optimizer whose slots are made at the first step, for the shape that it meets there.
    ///
    /// # Panics
    /// When the rule has more than [`MAX_SLOTS`] slots or [`MAX_SCALARS`] scalars.
    #[track_caller]
    pub fn new(rule: impl Rule<F> + 'static) -> Self {
        assert!(rule.slots().len() <= MAX_SLOTS, "{} has more than {MAX_SLOTS} slots", rule.name());
        let scalars = rule.scalars().len();
        assert!(scalars <= MAX_SCALARS, "{} has more than {MAX_SCALARS} scalars", rule.name());
        Optimizer {
            learning_rate: rule.learning_rate(),
            weight_decay: rule.weight_decay(),
            decay: rule.decay(),
            rule: Arc::new(rule),
            groups: Vec::new(),
            step: 0,
            scalars: [0.0; MAX_SCALARS],
            memory: None,
        }
    }

    /// An optimizer for the parameters of this layout.
    ///
    /// # Panics
    /// When the rule has more than [`MAX_SLOTS`] slots or [`MAX_SCALARS`] scalars.
    #[track_caller]
    pub fn for_layout(rule: impl Rule<F> + 'static, layout: &Arc<ParamLayout>) -> Self {
        let mut optimizer = Self::new(rule);
        optimizer.fix_layout(layout).expect("there are no groups yet");
        optimizer
    }

    /// Sets weight decay λ; by default that of the rule, which is 0 for most.
    ///
    /// It acts as the rule says: most take it coupled, as the L2 penalty ½λ‖w‖²; see [`decay`](Optimizer::decay). It
    /// applies to all trained parameters, biases too, as PyTorch's `weight_decay` does.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay(self.rule.name(), weight_decay)?;
        Ok(Optimizer { weight_decay, ..self })
    }

    /// Sets where weight decay acts; by default as the rule says.
    ///
    /// [`Decay::Inside`] has an effect with rules that apply weight decay themselves; others then have none.
    pub fn decay(self, decay: Decay) -> Self {
        Optimizer { decay, ..self }
    }

    /// Adds a parameter group; it overrides those added before.
    ///
    /// # Errors
    /// When the layout of the parameters is known and no trained parameter matches the group's pattern. Where it is
    /// not known yet, [`fix_layout`](Optimizer::fix_layout) or the first step sees to that.
    pub fn group(mut self, group: Group) -> Result<Self, UnmatchedPattern> {
        self.groups.push(group);
        if let Some(memory) = &mut self.memory {
            memory.spans = spans(&memory.layout, &self.groups, self.rule.per_tensor())?;
        }
        Ok(self)
    }

    /// Turns weight decay off for biases and for the scale and shift of normalisations: the group of these roles.
    pub fn no_decay_on_bias_and_norm(self) -> Self {
        self.group(Group::undecayed_bias_and_norm()).expect("roles need not be there")
    }

    /// Makes the slots for the parameters of this layout now, not at the first step.
    ///
    /// # Errors
    /// When no trained parameter of the layout matches the pattern of a group; the optimizer is then as it was.
    ///
    /// # Panics
    /// When the optimizer has another layout already.
    #[track_caller]
    pub fn fix_layout(&mut self, layout: &Arc<ParamLayout>) -> Result<(), UnmatchedPattern> {
        match &self.memory {
            Some(memory) if memory.layout != *layout => {
                let (expected, got) = (describe(&memory.layout), describe(layout));
                panic!("{}: the optimizer steps {expected}, but the layout is {got}", self.rule.name());
            }
            Some(_) => {}
            None => self.memory = Some(self.memory_for(Arc::clone(layout))?),
        }
        Ok(())
    }

    /// The rule.
    pub fn rule(&self) -> &dyn Rule<F> {
        &*self.rule
    }

    /// The current learning rate, before the factors of groups.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Sets the learning rate of the steps to come.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<(), RangeError> {
        check_learning_rate(self.rule.name(), learning_rate)?;
        self.learning_rate = learning_rate;
        Ok(())
    }

    /// Sets the weight decay of the steps to come, save where a parameter group has one of its own.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn set_weight_decay(&mut self, weight_decay: f64) -> Result<(), RangeError> {
        check_weight_decay(self.rule.name(), weight_decay)?;
        self.weight_decay = weight_decay;
        Ok(())
    }

    /// Replaces the rule by the same rule with other hyperparameters, so that any of them can follow a schedule.
    ///
    /// Slots, scalars and the step count stay, and so do the learning rate and the weight decay: those are the
    /// optimizer's once it is made, and have setters of their own.
    ///
    /// ```
    /// use nn_optim::{Momentum, Optimizer};
    ///
    /// # fn main() -> Result<(), nn_core::RangeError> {
    /// let mut w = [1.0, 1.0];
    /// let mut optimizer = Optimizer::new(Momentum::new(0.01, 0.5)?);
    /// for t in 1..=300 {
    ///     let gradient = w.map(|w| 10.0 * w);
    ///     optimizer.step(&mut w, &gradient);
    ///     optimizer.set_rule(Momentum::new(0.01, 1.0 - 3.0 / (t as f64 + 5.0))?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it is another rule, with another name, other slots or other scalars.
    #[track_caller]
    pub fn set_rule(&mut self, rule: impl Rule<F> + 'static) {
        let kind = |rule: &dyn Rule<F>| (rule.name(), rule.slots(), rule.scalars());
        let (expected, got) = (kind(&*self.rule), kind(&rule));
        assert!(expected == got, "the optimizer's rule is {}, which {} cannot replace", expected.0, got.0);
        self.rule = Arc::new(rule);
    }

    /// The number of steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Moves the parameters `w` one step, given their gradient `g`.
    ///
    /// # Panics
    /// When the shapes of `w` and `g` differ, or are not those of the steps before; at the first step, when no trained
    /// parameter matches the pattern of a group.
    #[track_caller]
    pub fn step<W, G>(&mut self, w: &mut W, g: &G)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        self.step_scaled(w, g, 1.0);
    }

    /// As [`step`](Optimizer::step), with the gradient multiplied by `scale` on the way, for example to clip its norm.
    ///
    /// Weight decay is not scaled.
    ///
    /// # Panics
    /// As [`step`](Optimizer::step), and when `scale` is not finite.
    #[track_caller]
    pub fn step_scaled<W, G>(&mut self, w: &mut W, g: &G, scale: f64)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        assert!(scale.is_finite(), "{}: the gradient's scale is {scale}", self.rule.name());
        let Optimizer { rule, memory, groups, .. } = self;
        let memory = memory.get_or_insert_with(|| match Memory::new(w.layout(), &**rule, groups) {
            Ok(memory) => memory,
            Err(error) => panic!("{}: {error}", rule.name()),
        });
        check_fit(rule.name(), &memory.layout, "parameters", w);
        check_fit(rule.name(), &memory.layout, "gradients", g);
        self.step += 1;
        rule.advance(self.step, &mut self.scalars[..rule.scalars().len()]);
        let context = Context {
            step: self.step,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            scalars: self.scalars,
        };
        let (g, step) = (g.read(), Step { context, decay: self.decay, scale });
        w.modify(&mut |w| memory.update(&**rule, &step, w, &g));
    }

    fn memory_for(&self, layout: Arc<ParamLayout>) -> Result<Memory<F>, UnmatchedPattern> {
        Memory::new(layout, &*self.rule, &self.groups)
    }

    /// A copy of the state, to be saved.
    pub fn state(&self) -> State<F> {
        let arenas = self.memory.iter().flat_map(|memory| &memory.slots);
        let names = self.rule.slots().iter().map(|&name| name.to_owned());
        State {
            rule: self.rule.name().to_owned(),
            step: self.step,
            learning_rate: self.learning_rate,
            scalars: self.rule.scalars().iter().map(|&name| name.to_owned()).zip(self.scalars).collect(),
            slots: names.zip(arenas.cloned()).collect(),
        }
    }

    /// The slots by name, without copying them; none before the first step where the layout is not known.
    pub fn slots(&self) -> impl Iterator<Item = (&'static str, &Arena<F>)> {
        let arenas = self.memory.iter().flat_map(|memory| &memory.slots);
        self.rule.slots().iter().copied().zip(arenas)
    }

    /// Goes on from a saved state. The parameters may stand in another order than here.
    ///
    /// The rule's hyperparameters and the weight decay are not part of the state: build the optimizer with those it
    /// had.
    ///
    /// # Errors
    /// When the state is of another rule, or a slot, scalar or parameter is missing, too many or of another shape; the
    /// optimizer is then as it was.
    pub fn load_state(&mut self, state: &State<F>) -> Result<(), StateError> {
        let State { rule, step, learning_rate, scalars, slots } = state;
        if rule != self.rule.name() {
            return Err(StateError::Rule { expected: self.rule.name(), got: rule.clone() });
        }
        check_learning_rate(self.rule.name(), *learning_rate)
            .map_err(|e| StateError::LearningRate { got: e.value })?;
        let scalars = ordered_scalars(self.rule.scalars(), scalars)?;
        let memory = self.load_slots(*step, slots)?;
        (self.memory, self.step, self.learning_rate) = (memory, *step, *learning_rate);
        self.scalars = scalars;
        Ok(())
    }

    fn load_slots(
        &self,
        step: u64,
        slots: &BTreeMap<String, Arena<F>>,
    ) -> Result<Option<Memory<F>>, StateError> {
        let own = self.memory.as_ref().map(|memory| &memory.layout);
        if step == 0 && slots.is_empty() {
            return Ok(own.map(|layout| self.memory_for(Arc::clone(layout))).transpose()?);
        }
        check_slots(self.rule.slots(), slots)?;
        let Some(layout) = own.or(slots.values().next().map(Arena::layout)) else {
            return Ok(None);
        };
        for (slot, arena) in slots {
            check_layout(slot, layout, arena.layout())?;
        }
        let mut memory = self.memory_for(Arc::clone(layout))?;
        for (slot, own) in self.rule.slots().iter().zip(&mut memory.slots) {
            for (position, spec) in layout.params().iter().enumerate() {
                if let Some(saved) = slots[*slot].get(&spec.name) {
                    own.view_mut(position).assign(&saved);
                }
            }
        }
        Ok(Some(memory))
    }
}

#[track_caller]
fn check_fit<V: Values + ?Sized>(rule: &str, layout: &ParamLayout, what: &str, values: &V) {
    if !values.fits(layout) {
        let (expected, got) = (describe(layout), describe(&values.layout()));
        panic!("{rule}: the optimizer steps {expected}, but the {what} are {got}");
    }
}

/// Names and shapes, for a message.
fn describe(layout: &ParamLayout) -> String {
    let params: Vec<String> =
        layout.params().iter().map(|spec| format!("{}: {:?}", spec.name, spec.shape)).collect();
    params.join(", ")
}
