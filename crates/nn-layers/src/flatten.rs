//! Flattening.

use nn_core::Real;
use nn_graph::Var;

use crate::{Description, Module, Scope, Undescribed};

/// Makes one row of each sample: `[batch, …]` becomes `[batch, features]`.
///
/// Copies nothing. Source: `torch.nn.Flatten`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flatten;

impl<F: Real> Module<F> for Flatten {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let shape = input.shape();
        match shape.split_first() {
            Some((&batch, features)) => {
                input.reshape(&[batch as isize, features.iter().product::<usize>() as isize])
            }
            None => scope.graph().complain("flatten: expected an input with a batch axis, got a scalar"),
        }
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("Flatten"))
    }
}
