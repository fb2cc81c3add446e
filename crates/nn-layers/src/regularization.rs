//! Dropout and its kin as modules: they record an operation in training, and nothing in evaluation.

use nn_core::{Mode, Op, Real};
use nn_graph::Var;
use nn_regularize::{
    AlphaDropout, Dropout, FeatureAlphaDropout, GaussianDropout, GaussianNoise, SpatialDropout,
    StochasticDepth,
};

use crate::{Module, Scope};

fn in_training<'g, F: Real>(op: impl Op<F> + 'static, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
    match scope.mode() {
        Mode::Train => scope.graph().apply(op, &[input]),
        Mode::Eval => input,
    }
}

impl<F: Real> Module<F> for Dropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }
}

impl<F: Real> Module<F> for SpatialDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }
}

impl<F: Real> Module<F> for AlphaDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }
}

impl<F: Real> Module<F> for FeatureAlphaDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }
}

impl<F: Real> Module<F> for GaussianDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }
}

impl<F: Real> Module<F> for GaussianNoise {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }
}

/// At the end of the branch of a [`Residual`](crate::Residual) block.
impl<F: Real> Module<F> for StochasticDepth {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }
}
