//! The driver: from a rule to steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use nn_core::{Arena, ParamLayout, ParamSpec, RangeError, Real, UnmatchedPattern};

use crate::groups::{Group, is_stepped, spans};
use crate::memory::{Driven, Memory, Step, check_kind};
use crate::rule::{check_learning_rate, check_weight_decay};
use crate::state::{check_layout, check_slots, ordered_scalars, scalar_name};
use crate::{Context, Decay, MAX_SCALARS, MAX_SLOTS, Rule, State, StateError, Values, ValuesMut, elements};

/// Steps parameters by a [`Rule`]: owns the slots, the step count, the learning rate and the weight decay.
///
/// It steps plain slices and vectors, `ndarray` arrays in any memory layout (at full speed where elements lie in
/// standard order, else through a copy), and an [`Arena`] with all parameters of a network, in one pass over memory.
/// One optimizer serves one array or one arena; the first step, or [`for_layout`](Optimizer::for_layout), fixes
/// which names and shapes.
///
/// Running statistics ([`Role::RunningStatistic`](nn_core::Role)) are not trained: a step subtracts their place in the
/// gradients from them as it is, w ← w − g, whatever the rule, the learning rate, the decay, the scale and the settings
/// of groups, unless a group [excludes](Group::excluded) them.
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
    /// The rule, and then those of groups.
    rules: Vec<Driven<F>>,
    learning_rate: f64,
    weight_decay: f64,
    decay: Decay,
    groups: Vec<Group>,
    step: u64,
    /// The cost for the next step.
    cost: Option<f64>,
    memory: Option<Memory<F>>,
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
            rules: vec![Driven::new(rule)],
            groups: Vec::new(),
            step: 0,
            cost: None,
            memory: None,
        }
    }

    /// An optimizer for the parameters of this layout.
    ///
    /// Since groups may be added that exclude parameters, whether the rule [accepts](Rule::accepts) all is seen at the
    /// first step, or when [`fix_layout`](Optimizer::fix_layout) is called after them.
    ///
    /// # Panics
    /// When the rule has more than [`MAX_SLOTS`] slots or [`MAX_SCALARS`] scalars.
    #[track_caller]
    pub fn for_layout(rule: impl Rule<F> + 'static, layout: &Arc<ParamLayout>) -> Self {
        let mut optimizer = Self::new(rule);
        optimizer.memory = Some(optimizer.memory_for(Arc::clone(layout)).expect("there are no groups yet"));
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
        check_weight_decay(self.rule().name(), weight_decay)?;
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
            memory.spans = spans(&memory.layout, &self.groups, self.rules[0].rule.per_tensor())?;
        }
        Ok(self)
    }

    /// Adds a parameter group with a rule of its own: of the same kind as the optimizer's, but with other hyperparameters,
    /// such as another momentum or other β.
    ///
    /// The learning rate and the weight decay of this rule do not count: those of parameters in the group are the
    /// optimizer's, or as the group says.
    ///
    /// ```
    /// use nn_optim::{Group, Momentum, Optimizer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut layout = nn_core::ParamLayout::new();
    /// # layout.add("body.weight", &[2], nn_core::Role::Weight)?;
    /// # layout.add("head.weight", &[2], nn_core::Role::Weight)?;
    /// # let layout = std::sync::Arc::new(layout);
    /// let optimizer = Optimizer::<f32>::for_layout(Momentum::new(0.1, 0.9)?, &layout)
    ///     .group_with_rule(Group::named("head.*").learning_rate_factor(2.0)?, Momentum::new(0.1, 0.5)?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`group`](Optimizer::group).
    ///
    /// # Panics
    /// When it is a rule of another kind, with another name, other slots or other scalars.
    #[track_caller]
    pub fn group_with_rule(
        mut self,
        group: Group,
        rule: impl Rule<F> + 'static,
    ) -> Result<Self, UnmatchedPattern> {
        check_kind(self.rule(), &rule);
        let group = group.with_rule(self.rules.len());
        self.rules.push(Driven::new(rule));
        self.group(group)
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
    /// When the optimizer has another layout already, or the rule [does not accept](Rule::accepts) a parameter that it is
    /// to step.
    #[track_caller]
    pub fn fix_layout(&mut self, layout: &Arc<ParamLayout>) -> Result<(), UnmatchedPattern> {
        match &self.memory {
            Some(memory) if memory.layout != *layout => {
                let (expected, got) = (describe(&memory.layout), describe(layout));
                panic!("{}: the optimizer steps {expected}, but the layout is {got}", self.rule().name());
            }
            Some(_) => {}
            None => self.memory = Some(self.memory_for(Arc::clone(layout))?),
        }
        if let Some(param) =
            layout.params().iter().find(|param| self.steps_param(param) && !self.rule().accepts(param))
        {
            let (rule, ParamSpec { name, shape, .. }) = (self.rule().name(), param);
            panic!("{rule} cannot step parameter `{name}` of shape {shape:?}; exclude it by a group");
        }
        Ok(())
    }

    /// The layout of the parameters, where it is known.
    pub fn layout(&self) -> Option<&Arc<ParamLayout>> {
        self.memory.as_ref().map(|memory| &memory.layout)
    }

    /// Whether steps move this parameter: it is trained, and no group excludes it.
    pub fn steps_param(&self, param: &ParamSpec) -> bool {
        is_stepped(param, &self.groups)
    }

    /// The rule.
    pub fn rule(&self) -> &dyn Rule<F> {
        &*self.rules[0].rule
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
        check_learning_rate(self.rule().name(), learning_rate)?;
        self.learning_rate = learning_rate;
        Ok(())
    }

    /// Sets the weight decay of the steps to come, save where a parameter group has one of its own.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn set_weight_decay(&mut self, weight_decay: f64) -> Result<(), RangeError> {
        check_weight_decay(self.rule().name(), weight_decay)?;
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
        self.rules[0].replace(rule);
    }

    /// As [`set_rule`](Optimizer::set_rule), for the k-th group that was added
    /// [with a rule](Optimizer::group_with_rule), k from 0.
    ///
    /// # Panics
    /// When it is another rule, or there is no such group.
    #[track_caller]
    pub fn set_group_rule(&mut self, k: usize, rule: impl Rule<F> + 'static) {
        let groups = self.rules.len() - 1;
        assert!(k < groups, "group {k} has no rule of its own: {groups} groups have");
        self.rules[k + 1].replace(rule);
    }

    /// The number of steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Moves the parameters `w` one step, given their gradient `g`.
    ///
    /// # Panics
    /// When the shapes of `w` and `g` differ, or are not those of the steps before; at the first step, when no trained
    /// parameter matches the pattern of a group; when the rule [needs the cost](Rule::needs_cost) and was not given it.
    #[track_caller]
    pub fn step<W, G>(&mut self, w: &mut W, g: &G)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        self.step_scaled(w, g, 1.0);
    }

    /// As [`step`](Optimizer::step), with the cost at `w`, of which `g` is the gradient, for rules that
    /// [need it](Rule::needs_cost); others leave it unused, so that one loop serves all.
    ///
    /// # Panics
    /// As [`step`](Optimizer::step).
    #[track_caller]
    pub fn step_with_cost<W, G>(&mut self, w: &mut W, g: &G, cost: f64)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        self.set_cost(cost);
        self.step(w, g);
    }

    /// Gives the next step, of whatever form, the cost at its parameters, as
    /// [`step_with_cost`](Optimizer::step_with_cost) does. It counts for one step, and is not part of the state.
    pub fn set_cost(&mut self, cost: f64) {
        self.cost = Some(cost);
    }

    /// Writes the point at which the rule wants the gradient of the next step into `ahead`: w + µ·v with the velocity v for
    /// [`ShiftedNesterov`](crate::ShiftedNesterov), each parameter with the µ of its group; `w` itself for rules without
    /// a [look-ahead](Rule::look_ahead), for parameters that are not stepped, and before the first step.
    ///
    /// `w` stays as it is, so that nothing has to be taken back; `ahead` may hold anything. Nothing is allocated once
    /// the layout is known, elements in standard order provided.
    ///
    /// # Panics
    /// When the shapes of `w` and `ahead` differ, or are not those of the steps before.
    #[track_caller]
    pub fn look_ahead<W, A>(&self, w: &W, ahead: &mut A)
    where
        W: Values<Elem = F> + ?Sized,
        A: ValuesMut<Elem = F> + ?Sized,
    {
        let layout = self.layout().map_or_else(|| w.layout(), Arc::clone);
        check_fit(self.rule().name(), &layout, "parameters", w);
        check_fit(self.rule().name(), &layout, "values of the point ahead", ahead);
        let (w, memory) = (w.read(), self.memory.as_ref());
        ahead.modify(&mut |ahead| {
            elements::copy(ahead, &w);
            for (memory, span) in
                memory.iter().flat_map(|memory| memory.spans.iter().map(move |s| (memory, s)))
            {
                let rule = span.settings.map(|settings| &self.rules[settings.rule].rule);
                if let Some((slot, factor)) = rule.and_then(|rule| rule.look_ahead()) {
                    let (factor, velocity) = (F::from_f64(factor), memory.slots[slot].as_slice());
                    elements::combine(
                        &mut ahead[span.range.clone()],
                        &velocity[span.range.clone()],
                        #[inline(always)]
                        move |w, v| w + factor * v,
                    );
                }
            }
        });
    }

    /// As [`step`](Optimizer::step), with the gradient multiplied by `scale` on the way, for example to clip its norm.
    ///
    /// Neither weight decay nor what is subtracted from running statistics is scaled.
    ///
    /// # Panics
    /// As [`step`](Optimizer::step), and when `scale` is not finite.
    #[track_caller]
    pub fn step_scaled<W, G>(&mut self, w: &mut W, g: &G, scale: f64)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        assert!(scale.is_finite(), "{}: the gradient's scale is {scale}", self.rule().name());
        let cost = self.cost.take();
        let Optimizer { rules, memory, groups, .. } = self;
        let rule = Arc::clone(&rules[0].rule);
        assert!(cost.is_some() || !rule.needs_cost(), "{} needs the cost: step_with_cost", rule.name());
        let memory = memory.get_or_insert_with(|| match Memory::new(w.layout(), &*rule, groups) {
            Ok(memory) => memory,
            Err(error) => panic!("{}: {error}", rule.name()),
        });
        check_fit(rule.name(), &memory.layout, "parameters", w);
        check_fit(rule.name(), &memory.layout, "gradients", g);
        self.step += 1;
        rules.iter_mut().for_each(|driven| driven.advance(self.step, cost));
        let context = Context {
            step: self.step,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            scalars: [0.0; MAX_SCALARS],
        };
        let (g, step) = (g.read(), Step { context, decay: self.decay, scale });
        w.modify(&mut |w| memory.update(rules, &step, w, &g));
    }

    fn memory_for(&self, layout: Arc<ParamLayout>) -> Result<Memory<F>, UnmatchedPattern> {
        Memory::new(layout, self.rule(), &self.groups)
    }

    /// A copy of the state, to be saved.
    pub fn state(&self) -> State<F> {
        let arenas = self.memory.iter().flat_map(|memory| &memory.slots);
        let names = self.rule().slots().iter().map(|&name| name.to_owned());
        let named = |(position, driven): (usize, &Driven<F>)| {
            let names = driven.rule.scalars().iter().map(move |name| scalar_name(name, position));
            names.zip(driven.scalars).collect::<Vec<_>>()
        };
        State {
            rule: self.rule().name().to_owned(),
            step: self.step,
            learning_rate: self.learning_rate,
            scalars: self.rules.iter().enumerate().flat_map(named).collect(),
            slots: names.zip(arenas.cloned()).collect(),
        }
    }

    /// The slots by name, without copying them; none before the first step where the layout is not known.
    pub fn slots(&self) -> impl Iterator<Item = (&'static str, &Arena<F>)> {
        let arenas = self.memory.iter().flat_map(|memory| &memory.slots);
        self.rule().slots().iter().copied().zip(arenas)
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
        if rule != self.rule().name() {
            return Err(StateError::Rule { expected: self.rule().name(), got: rule.clone() });
        }
        check_learning_rate(self.rule().name(), *learning_rate)
            .map_err(|e| StateError::LearningRate { got: e.value })?;
        let scalars = ordered_scalars(self.rule().scalars(), self.rules.len(), scalars)?;
        let memory = self.load_slots(*step, slots)?;
        (self.memory, self.step, self.learning_rate) = (memory, *step, *learning_rate);
        self.rules.iter_mut().zip(scalars).for_each(|(driven, scalars)| driven.scalars = scalars);
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
        check_slots(self.rule().slots(), slots)?;
        let Some(layout) = own.or(slots.values().next().map(Arena::layout)) else {
            return Ok(None);
        };
        for (slot, arena) in slots {
            check_layout(slot, layout, arena.layout())?;
        }
        let mut memory = self.memory_for(Arc::clone(layout))?;
        for (slot, own) in self.rule().slots().iter().zip(&mut memory.slots) {
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
