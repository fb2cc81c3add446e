//! Activation functions as modules.

use nn_core::Real;
use nn_graph::Var;
use nn_ops::Activation;

use crate::{Module, Scope};

impl<F: Real> Module<F> for Activation {
    fn record<'g>(&self, _: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        input.activation(*self)
    }
}
