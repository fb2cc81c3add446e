//! What an optimizer holds: rules with their scalars, and the slots for a layout; and one update of all parameters.

use std::sync::Arc;

use nn_core::{Arena, ParamLayout, Real, UnmatchedPattern};

use crate::groups::{Group, Settings, Span, spans};
use crate::pass::Blend;
use crate::{Context, Decay, MAX_SCALARS, MAX_SLOTS, Pass, Rule, elements};

/// A rule with the scalars that it keeps.
#[derive(Clone, Debug)]
pub(crate) struct Driven<F: Real> {
    pub(crate) rule: Arc<dyn Rule<F>>,
    pub(crate) scalars: [f64; MAX_SCALARS],
}

impl<F: Real> Driven<F> {
    pub(crate) fn new(rule: impl Rule<F> + 'static) -> Self {
        Driven { rule: Arc::new(rule), scalars: [0.0; MAX_SCALARS] }
    }

    /// Replaces the rule by one of its kind.
    #[track_caller]
    pub(crate) fn replace(&mut self, rule: impl Rule<F> + 'static) {
        check_kind(&*self.rule, &rule);
        self.rule = Arc::new(rule);
    }

    /// The scalars of this step.
    pub(crate) fn advance(&mut self, step: u64, cost: Option<f64>) {
        let scalars = &mut self.scalars[..self.rule.scalars().len()];
        self.rule.advance(step, scalars);
        if let Some(cost) = cost {
            self.rule.take_cost(cost, scalars);
        }
    }
}

#[track_caller]
pub(crate) fn check_kind<F: Real>(expected: &dyn Rule<F>, got: &dyn Rule<F>) {
    let kind = |rule: &dyn Rule<F>| (rule.name(), rule.slots(), rule.scalars());
    let (expected, got) = (kind(expected), kind(got));
    assert!(expected == got, "the optimizer's rule is {}, which {} cannot replace", expected.0, got.0);
}

/// What depends on the layout of the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Memory<F: Real> {
    pub(crate) layout: Arc<ParamLayout>,
    pub(crate) spans: Vec<Span>,
    pub(crate) slots: Vec<Arena<F>>,
    /// What [`Rule::scratch`] asks for, made when it is first needed.
    scratch: Vec<F>,
}

/// One step, as it is for all parameters.
pub(crate) struct Step {
    /// The weight decay of the context is that of the optimizer, wherever it acts; it has no scalars.
    pub(crate) context: Context,
    pub(crate) decay: Decay,
    /// Factor of the gradient.
    pub(crate) scale: f64,
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
    pub(crate) fn new(
        layout: Arc<ParamLayout>,
        rule: &dyn Rule<F>,
        groups: &[Group],
    ) -> Result<Self, UnmatchedPattern> {
        let spans = spans(&layout, groups, rule.per_tensor())?;
        let slots = rule.slots().iter().map(|_| Arena::zeros(Arc::clone(&layout))).collect();
        Ok(Memory { layout, spans, slots, scratch: Vec::new() })
    }

    /// Makes room for what the rules work in.
    fn fit_scratch(&mut self, rules: &[Driven<F>]) {
        if rules[0].rule.per_tensor() {
            let stepped = self.spans.iter().filter_map(|span| Some((span.first, span.settings?)));
            let needed = stepped
                .map(|(first, settings)| rules[settings.rule].rule.scratch(&self.layout.params()[first]));
            let needed = needed.max().unwrap_or(0);
            self.scratch.resize(needed.max(self.scratch.len()), F::zero());
        }
    }

    pub(crate) fn update(&mut self, rules: &[Driven<F>], step: &Step, w: &mut [F], g: &[F]) {
        let used = self.slots.len();
        self.fit_scratch(rules);
        for Span { range, first, settings } in &self.spans {
            let (w, g) = (&mut w[range.clone()], &g[range.clone()]);
            let Some(settings) = settings else {
                elements::combine(
                    w,
                    g,
                    #[inline(always)]
                    |w, g| w - g,
                );
                continue;
            };
            let Driven { rule, scalars } = &rules[settings.rule];
            let mut slots: [&mut [F]; MAX_SLOTS] = Default::default();
            for (slot, arena) in slots.iter_mut().zip(&mut self.slots) {
                *slot = &mut arena.as_mut_slice()[range.clone()];
            }
            let (context, blend) = step.with(*settings);
            let context = Context { scalars: *scalars, ..context };
            let tensor = rule.per_tensor().then(|| &self.layout.params()[*first]);
            rule.update(context, Pass::new(w, g, slots, used, blend, tensor, &mut self.scratch));
        }
    }
}
