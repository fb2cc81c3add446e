//! A fully connected layer that shares the weight of another module.

use std::sync::Arc;

use nn_core::{Real, Role};
use nn_graph::Var;
use nn_init::{FanInUniform, Initializer};

use crate::registry::{Built, built};
use crate::{Description, Module, Scope, Settings, Undescribed};

/// y = x·W + b, where Wᵀ is the weight of a layer recorded before: the decoder of an autoencoder with tied weights.
///
/// The weight exists once: one parameter of the network, named and initialised by the module that it comes from, whose
/// gradient is the sum of both uses. Of its own the module has `bias` alone, drawn from U(−1/√in, 1/√in) by default.
///
/// Shapes: weight `[in, out]`, input `[batch, …, in]`, output `[batch, …, out]`; with
/// [`transposed(false)`](Self::transposed) the weight is `[out, in]`, for an output layer that shares the table of an
/// [`Embedding`](crate::Embedding).
///
/// The weight is named by its full path in the network, as [`params`](crate::Network::params) shows it. One that no
/// earlier module declared, or one of another shape, is an error when the network is recorded.
///
/// Source: Vincent, Larochelle, Lajoie, Bengio, Manzagol 2010, "Stacked denoising autoencoders", section 2.2; Press,
/// Wolf 2017, "Using the output embedding to improve language models" (arXiv:1608.05859).
///
/// ```
/// use nn_layers::{Activation, Linear, Network, Sequential, TiedLinear};
///
/// let autoencoder = Sequential::new()
///     .add(Linear::new(30))
///     .add(Activation::Sigmoid)
///     .add(TiedLinear::new("0.weight"));
/// let network = Network::<f32>::new(autoencoder, &[784], 1)?;
/// let names: Vec<&str> = network.params().iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "2.bias"]);
/// assert_eq!(network.output_shape(), [784]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TiedLinear {
    weight: String,
    transposed: bool,
    has_bias: bool,
    /// `None` for PyTorch's default, whose bound depends on the width of the input.
    bias_init: Option<Arc<dyn Initializer>>,
}

impl TiedLinear {
    /// A layer with the transpose of this parameter, such as `encoder.0.weight`.
    pub fn new(weight: impl Into<String>) -> Self {
        TiedLinear { weight: weight.into(), transposed: true, has_bias: true, bias_init: None }
    }

    /// Whether the parameter is transposed; it is unless told otherwise.
    #[must_use]
    pub fn transposed(self, transposed: bool) -> Self {
        TiedLinear { transposed, ..self }
    }

    /// Whether there is a bias; there is unless told otherwise.
    #[must_use]
    pub fn bias(self, has_bias: bool) -> Self {
        TiedLinear { has_bias, ..self }
    }

    /// How the bias is initialised.
    #[must_use]
    pub fn bias_init(self, initializer: impl Initializer + 'static) -> Self {
        TiedLinear { bias_init: Some(Arc::new(initializer)), ..self }
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Built<F> {
        let layer = TiedLinear::new(settings.text("weight")?);
        built(layer.transposed(settings.flag("transposed")?).bias(settings.flag("bias")?))
    }
}

impl<F: Real> Module<F> for TiedLinear {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let (graph, name) = (scope.graph(), &self.weight);
        let Some(weight) = graph.find_param(name) else {
            let layout = graph.layout();
            let known: Vec<&str> = layout.params().iter().map(|param| param.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message =
                format!("tied_linear: no module before declares the parameter `{name}`; there are: {known}");
            return graph.complain(message);
        };
        let (shape, features) = (weight.shape(), input.shape().last().copied());
        let fits = shape.len() == 2 && features == Some(shape[usize::from(!self.transposed)]);
        if !fits || input.shape().len() < 2 {
            let axes = if self.transposed { "[in, out]" } else { "[out, in]" };
            return graph.complain(format!(
                "tied_linear: expected an input [batch, …, in] and a parameter {axes}, got shape {:?} and `{name}` {shape:?}",
                input.shape()
            ));
        }
        let (weight, out) = if self.transposed { (weight.t(), shape[1]) } else { (weight, shape[0]) };
        let default = FanInUniform::of(features.unwrap_or(0));
        let bias_init = match (self.bias_init.clone(), default) {
            (Some(chosen), _) => chosen,
            (None, Ok(default)) => Arc::new(default),
            (None, Err(error)) => return graph.complain(format!("tied_linear: {error}")),
        };
        let bias = self.has_bias.then(|| scope.param("bias", &[out], Role::Bias, bias_init));
        input.linear(weight, bias)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let description = Description::new("TiedLinear").with("weight", self.weight.as_str());
        Ok(description.with("transposed", self.transposed).with("bias", self.has_bias))
    }
}
