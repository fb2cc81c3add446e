//! The fully connected layer.

use std::sync::Arc;

use nn_core::{Real, Role};
use nn_graph::Var;
use nn_init::{FanInUniform, Initializer};

use crate::registry::{Built, built};
use crate::{Description, Module, Scope, Settings, Undescribed, WeightTransform};

/// y = x·Wᵀ + b.
///
/// Shapes: input `[batch, …, in]`, output `[batch, …, out]`; parameters `weight` `[out, in]` and `bias` `[out]`.
/// `in` is inferred from the input. By default both are drawn from U(−1/√in, 1/√in), as in PyTorch.
///
/// Source: `torch.nn.Linear`.
///
/// ```
/// use nn_init::{Constant, He};
/// use nn_layers::{Linear, Network};
///
/// let layer = Linear::new(8).weight_init(He::normal()).bias_init(Constant::new(0.1)?);
/// let network = Network::<f32>::new(layer, &[3], 1)?;
/// assert_eq!(network.params().get("weight").unwrap().shape(), [8, 3]);
/// assert_eq!(network.params().get("bias").unwrap()[[7]], 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    out: usize,
    has_bias: bool,
    weight_init: Arc<dyn Initializer>,
    /// `None` for PyTorch's default, whose bound depends on the width of the input.
    bias_init: Option<Arc<dyn Initializer>>,
    weight_transform: Option<WeightTransform>,
}

impl Linear {
    /// A layer with `out` units.
    pub fn new(out: usize) -> Self {
        let weight_init = Arc::new(FanInUniform::new());
        Linear { out, has_bias: true, weight_init, bias_init: None, weight_transform: None }
    }

    /// Whether there is a bias; there is unless told otherwise.
    #[must_use]
    pub fn bias(self, has_bias: bool) -> Self {
        Linear { has_bias, ..self }
    }

    /// How the weight is initialised.
    #[must_use]
    pub fn weight_init(self, initializer: impl Initializer + 'static) -> Self {
        Linear { weight_init: Arc::new(initializer), ..self }
    }

    /// How the bias is initialised.
    #[must_use]
    pub fn bias_init(self, initializer: impl Initializer + 'static) -> Self {
        Linear { bias_init: Some(Arc::new(initializer)), ..self }
    }

    /// What happens to the weight before it is multiplied with, for example
    /// [`DropConnect`](nn_regularize::DropConnect).
    #[must_use]
    pub fn weight_transform(self, transform: impl Into<WeightTransform>) -> Self {
        Linear { weight_transform: Some(transform.into()), ..self }
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Built<F> {
        let layer = Linear::new(settings.size("out")?).bias(settings.flag("bias")?);
        built(Linear { weight_transform: WeightTransform::of(settings)?, ..layer })
    }
}

impl<F: Real> Module<F> for Linear {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let shape = input.shape();
        let (Some(&features), true) = (shape.last(), shape.len() >= 2) else {
            return scope
                .graph()
                .complain(format!("linear: expected an input [batch, …, in], got shape {shape:?}"));
        };
        let (Ok(bias_default), true) = (FanInUniform::of(features), self.out > 0) else {
            let message =
                format!("linear: expected at least one input and one unit, got {features} and {}", self.out);
            return scope.graph().complain(message);
        };
        let weight =
            scope.param("weight", &[self.out, features], Role::Weight, Arc::clone(&self.weight_init));
        let bias_init = self.bias_init.clone().unwrap_or_else(|| Arc::new(bias_default));
        let bias = self.has_bias.then(|| scope.param("bias", &[self.out], Role::Bias, bias_init));
        let weight = self.weight_transform.map_or(weight, |transform| transform.record(scope, weight));
        input.linear(weight, bias)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let description = Description::new("Linear").with("out", self.out).with("bias", self.has_bias);
        Ok(description
            .with_some(WeightTransform::SETTING, self.weight_transform.map(WeightTransform::describe)))
    }
}
