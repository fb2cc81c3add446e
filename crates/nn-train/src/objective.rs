//! The cost J: the loss, and the penalties on parameters.

use std::sync::Arc;

use nn_core::{Op, ParamLayout, ParamSpec, Real};
use nn_graph::{Graph, Var};
use nn_regularize::{OnParams, UnmatchedPattern};

/// What is minimised: J = the mean loss over the samples + the penalties on parameters.
#[derive(Clone, Debug)]
pub(crate) struct Objective<F: Real> {
    loss: Arc<dyn Op<F>>,
    penalties: Vec<Term<F>>,
}

/// A penalty, and the pattern of the parameters that it is on; all weights where there is none.
#[derive(Clone, Debug)]
struct Term<F: Real> {
    penalty: Arc<dyn Op<F>>,
    pattern: Option<String>,
}

impl<F: Real> Objective<F> {
    /// A loss without penalties.
    pub(crate) fn new(loss: impl Op<F> + 'static) -> Self {
        Objective { loss: Arc::new(loss), penalties: vec![] }
    }

    /// Adds a penalty.
    pub(crate) fn add(&mut self, penalty: impl Op<F> + 'static, pattern: Option<&str>) {
        self.penalties.push(Term { penalty: Arc::new(penalty), pattern: pattern.map(str::to_owned) });
    }

    /// The name of the loss.
    pub(crate) fn name(&self) -> &'static str {
        self.loss.name()
    }

    /// Whether the parameters are there that penalties are on.
    pub(crate) fn check(&self, layout: &Arc<ParamLayout>) -> Result<(), UnmatchedPattern> {
        self.penalties.iter().try_for_each(|term| term.chosen(layout).map(drop))
    }

    /// Records the cost, in a graph in which the network stands already.
    pub(crate) fn record<'g>(
        &self,
        graph: &'g Graph<F>,
        outputs: Var<'g, F>,
        targets: Var<'g, F>,
    ) -> Var<'g, F> {
        let mut cost = graph.apply(Arc::clone(&self.loss), &[outputs, targets]);
        let layout = Arc::new(graph.layout());
        for term in &self.penalties {
            for spec in term.chosen(&layout).into_iter().flatten() {
                let param = graph.find_param(&spec.name).expect("stands in the layout of the graph");
                cost = cost + graph.apply(Arc::clone(&term.penalty), &[param]);
            }
        }
        cost
    }
}

impl<F: Real> Term<F> {
    fn chosen(&self, layout: &Arc<ParamLayout>) -> Result<Vec<ParamSpec>, UnmatchedPattern> {
        let chosen = choose((), layout, self.pattern.as_deref())?;
        let specs = chosen.names().filter_map(|name| layout.find(name)).cloned();
        Ok(specs.collect())
    }
}

/// The parameters that match a pattern, or all weights.
pub(crate) fn choose<P>(
    what: P,
    layout: &Arc<ParamLayout>,
    pattern: Option<&str>,
) -> Result<OnParams<P>, UnmatchedPattern> {
    match pattern {
        Some(pattern) => OnParams::named(what, layout, pattern),
        None => Ok(OnParams::weights(what, layout)),
    }
}
