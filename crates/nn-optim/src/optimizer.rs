//! The driver: from a rule to steps.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use nn_core::{Arena, ParamLayout, RangeError, Real, check_range};

use crate::rule::check_learning_rate;
use crate::state::{check_layout, check_slots};
use crate::{Context, MAX_SLOTS, Pass, Rule, State, StateError, Values, ValuesMut};

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
    step: u64,
    memory: Option<Memory<F>>,
}

/// What depends on the layout of the parameters.
#[derive(Clone, Debug)]
struct Memory<F: Real> {
    layout: Arc<ParamLayout>,
    /// Runs of trained parameters that nothing but padding separates.
    spans: Vec<Range<usize>>,
    slots: Vec<Arena<F>>,
}

impl<F: Real> Memory<F> {
    fn new(layout: Arc<ParamLayout>, slots: usize) -> Self {
        let mut spans: Vec<Range<usize>> = Vec::new();
        let mut adjoins = false;
        for spec in layout.params() {
            match spans.last_mut() {
                Some(span) if adjoins && spec.role.is_trained() => span.end = spec.range().end,
                _ if spec.role.is_trained() => spans.push(spec.range()),
                _ => {}
            }
            adjoins = spec.role.is_trained();
        }
        let slots = (0..slots).map(|_| Arena::zeros(Arc::clone(&layout))).collect();
        Memory { layout, spans, slots }
    }

    fn update(
        &mut self,
        rule: &dyn Rule<F>,
        context: Context,
        w: &mut [F],
        g: &[F],
        (scale, decay): (f64, f64),
    ) {
        let used = self.slots.len();
        for span in &self.spans {
            let mut slots: [&mut [F]; MAX_SLOTS] = Default::default();
            for (slot, arena) in slots.iter_mut().zip(&mut self.slots) {
                *slot = &mut arena.as_mut_slice()[span.clone()];
            }
            let (w, g) = (&mut w[span.clone()], &g[span.clone()]);
            rule.update(context, Pass::new(w, g, slots, used, scale, decay));
        }
    }
}

impl<F: Real> Optimizer<F> {
    /// An optimizer whose slots are made at the first step, for the shape that it meets there.
    ///
    /// # Panics
    /// When the rule has more than [`MAX_SLOTS`] slots.
    #[track_caller]
    pub fn new(rule: impl Rule<F> + 'static) -> Self {
        assert!(rule.slots().len() <= MAX_SLOTS, "{} has more than {MAX_SLOTS} slots", rule.name());
        let learning_rate = rule.learning_rate();
        Optimizer { rule: Arc::new(rule), learning_rate, weight_decay: 0.0, step: 0, memory: None }
    }

    /// An optimizer for the parameters of this layout.
    ///
    /// # Panics
    /// When the rule has more than [`MAX_SLOTS`] slots.
    #[track_caller]
    pub fn for_layout(rule: impl Rule<F> + 'static, layout: &Arc<ParamLayout>) -> Self {
        let mut optimizer = Self::new(rule);
        optimizer.memory = Some(optimizer.memory_for(Arc::clone(layout)));
        optimizer
    }

    /// Sets coupled weight decay λ, the L2 penalty ½λ‖w‖²: g ← g + λ·w before the rule sees it. 0 by default.
    ///
    /// It applies to all trained parameters, biases too, as PyTorch's `weight_decay` does.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&weight_decay);
        check_range(self.rule.name(), "weight_decay", weight_decay, "[0, ∞)", inside)?;
        Ok(Optimizer { weight_decay, ..self })
    }

    /// The rule.
    pub fn rule(&self) -> &dyn Rule<F> {
        &*self.rule
    }

    /// The current learning rate.
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

    /// The number of steps taken.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Moves the parameters `w` one step, given their gradient `g`.
    ///
    /// # Panics
    /// When the shapes of `w` and `g` differ, or are not those of the steps before.
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
        let Optimizer { rule, memory, .. } = self;
        let memory = memory.get_or_insert_with(|| Memory::new(w.layout(), rule.slots().len()));
        check_fit(rule.name(), &memory.layout, "parameters", w);
        check_fit(rule.name(), &memory.layout, "gradients", g);
        self.step += 1;
        let context = Context { step: self.step, learning_rate: self.learning_rate };
        let (g, decay) = (g.read(), self.weight_decay);
        w.modify(&mut |w| memory.update(&**rule, context, w, &g, (scale, decay)));
    }

    fn memory_for(&self, layout: Arc<ParamLayout>) -> Memory<F> {
        Memory::new(layout, self.rule.slots().len())
    }

    /// A copy of the state, to be saved.
    pub fn state(&self) -> State<F> {
        let arenas = self.memory.iter().flat_map(|memory| &memory.slots);
        let names = self.rule.slots().iter().map(|&name| name.to_owned());
        State {
            rule: self.rule.name().to_owned(),
            step: self.step,
            learning_rate: self.learning_rate,
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
    /// When the state is of another rule, or a slot or parameter is missing, too many or of another shape; the
    /// optimizer is then as it was.
    pub fn load_state(&mut self, state: &State<F>) -> Result<(), StateError> {
        let State { rule, step, learning_rate, slots } = state;
        if rule != self.rule.name() {
            return Err(StateError::Rule { expected: self.rule.name(), got: rule.clone() });
        }
        check_learning_rate(self.rule.name(), *learning_rate)
            .map_err(|e| StateError::LearningRate { got: e.value })?;
        let memory = self.load_slots(*step, slots)?;
        (self.memory, self.step, self.learning_rate) = (memory, *step, *learning_rate);
        Ok(())
    }

    fn load_slots(
        &self,
        step: u64,
        slots: &BTreeMap<String, Arena<F>>,
    ) -> Result<Option<Memory<F>>, StateError> {
        let own = self.memory.as_ref().map(|memory| &memory.layout);
        if step == 0 && slots.is_empty() {
            return Ok(own.map(|layout| self.memory_for(Arc::clone(layout))));
        }
        check_slots(self.rule.slots(), slots)?;
        let Some(layout) = own.or(slots.values().next().map(Arena::layout)) else {
            return Ok(None);
        };
        for (slot, arena) in slots {
            check_layout(slot, layout, arena.layout())?;
        }
        let mut memory = self.memory_for(Arc::clone(layout));
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
