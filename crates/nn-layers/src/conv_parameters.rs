//! Weight and bias of convolution layers.

use std::sync::Arc;

use nn_core::{Op, Real, Role};
use nn_graph::Var;
use nn_init::{FanInUniform, Initializer};

use crate::{Description, DescriptionError, Scope, Settings, WeightTransform};

/// How the parameters of a convolution are made, and what happens to the weight.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    pub(crate) has_bias: bool,
    pub(crate) weight_init: Arc<dyn Initializer>,
    /// `None` for PyTorch's default, whose bound depends on the size of the weight.
    pub(crate) bias_init: Option<Arc<dyn Initializer>>,
    pub(crate) weight_transform: Option<WeightTransform>,
}

impl Default for Parameters {
    fn default() -> Self {
        let weight_init = Arc::new(FanInUniform::new());
        Parameters { has_bias: true, weight_init, bias_init: None, weight_transform: None }
    }
}

impl Parameters {
    /// Adds the settings to the description of a layer.
    pub(crate) fn describe(&self, layer: Description) -> Description {
        let layer = layer.with("bias", self.has_bias);
        layer.with_some(WeightTransform::SETTING, self.weight_transform.map(WeightTransform::describe))
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Result<Self, DescriptionError> {
        let weight_transform = WeightTransform::of(settings)?;
        Ok(Parameters { has_bias: settings.flag("bias")?, weight_transform, ..Parameters::default() })
    }

    /// Declares weight and bias, and records the operation with them.
    pub(crate) fn record<'g, F: Real>(
        &self,
        layer: &str,
        scope: &Scope<'g, F>,
        operation: impl Op<F> + 'static,
        input: Var<'g, F>,
        (shape, out): (&[usize], usize),
    ) -> Var<'g, F> {
        let fan_in = shape[1..].iter().fold(1, |product: usize, &n| product.saturating_mul(n));
        let (Ok(bias_default), true) = (FanInUniform::of(fan_in), out > 0) else {
            let message = format!("{layer}: expected a weight that has elements, not of shape {shape:?}");
            return scope.graph().complain(message);
        };
        let weight = scope.param("weight", shape, Role::Weight, Arc::clone(&self.weight_init));
        let bias_init = self.bias_init.clone().unwrap_or_else(|| Arc::new(bias_default));
        let bias = self.has_bias.then(|| scope.param("bias", &[out], Role::Bias, bias_init));
        let weight = self.weight_transform.map_or(weight, |transform| transform.record(scope, weight));
        let inputs: Vec<_> = [input, weight].into_iter().chain(bias).collect();
        scope.graph().apply(operation, &inputs)
    }
}
