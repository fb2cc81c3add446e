//! Dropout and its kin as modules: they record an operation in training, and nothing in evaluation.

use nn_core::{Mode, Op, RangeError, Real};
use nn_graph::Var;
use nn_regularize::{
    AlphaDropout, Dropout, FeatureAlphaDropout, GaussianDropout, GaussianNoise, Scheduled, SpatialDropout,
    StochasticDepth,
};

use crate::registry::{Built, built};
use crate::{Description, Module, Scope, Settings, Undescribed};

fn in_training<'g, F: Real>(op: impl Op<F> + 'static, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
    match scope.mode() {
        Mode::Train => scope.graph().apply(op, &[input]),
        Mode::Eval => input,
    }
}

/// The module that this constructor makes of the rate.
pub(crate) fn build<F: Real, M: Module<F> + 'static>(
    settings: &Settings<'_, F>,
    of_rate: fn(f64) -> Result<M, RangeError>,
) -> Built<F> {
    built(settings.in_range(of_rate(settings.number("rate")?))?)
}

impl<F: Real> Module<F> for Dropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("Dropout").with("rate", self.rate()))
    }
}

impl<F: Real> Module<F> for SpatialDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("SpatialDropout").with("rate", self.rate()))
    }
}

impl<F: Real> Module<F> for AlphaDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("AlphaDropout").with("rate", self.rate()))
    }
}

impl<F: Real> Module<F> for FeatureAlphaDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("FeatureAlphaDropout").with("rate", self.rate()))
    }
}

impl<F: Real> Module<F> for GaussianDropout {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("GaussianDropout").with("rate", self.rate()))
    }
}

impl<F: Real> Module<F> for GaussianNoise {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("GaussianNoise").with("deviation", self.deviation()))
    }
}

/// At the end of the branch of a [`Residual`](crate::Residual) block.
impl<F: Real> Module<F> for StochasticDepth {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(*self, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("StochasticDepth").with("rate", self.rate()))
    }
}

/// Of these modules, with a rate that follows the step:
///
/// ```
/// use nn_layers::{Dropout, Linear, Network, Scheduled, Sequential};
///
/// let dropout = Scheduled::new(|t| Dropout::new((t as f64 / 2000.0).min(0.5)))?;
/// let network = Network::<f32>::new(Sequential::new().add(Linear::new(8)).add(dropout), &[3], 1)?;
/// assert_eq!(network.output_shape(), [8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<F: Real, M: Module<F> + Op<F> + Clone + 'static> Module<F> for Scheduled<M> {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        in_training(self.clone(), scope, input)
    }
}
