//! Activation functions as modules.

use nn_core::Real;
use nn_graph::Var;
use nn_ops::Activation;

use crate::{Description, Module, Scope, Undescribed};

impl<F: Real> Module<F> for Activation {
    fn record<'g>(&self, _: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        input.activation(*self)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(match *self {
            Activation::Identity => Description::new("Identity"),
            Activation::Relu => Description::new("ReLU"),
            Activation::LeakyRelu { slope } => Description::new("LeakyReLU").with("slope", slope),
            Activation::Elu { alpha } => Description::new("ELU").with("alpha", alpha),
            Activation::Selu => Description::new("SELU"),
            Activation::Gelu => Description::new("GELU"),
            Activation::GeluTanh => Description::new("GELUTanh"),
            Activation::Silu => Description::new("SiLU"),
            Activation::Softplus => Description::new("Softplus"),
            Activation::Sigmoid => Description::new("Sigmoid"),
            Activation::Tanh => Description::new("Tanh"),
        })
    }
}
