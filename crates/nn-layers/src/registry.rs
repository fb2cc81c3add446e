//! Which constructor makes the modules of which kind.

use std::collections::BTreeMap;

use nn_core::Real;
use nn_ops::{Activation, AdaptiveAvgPool, AdaptiveMaxPool, Cell};

use crate::description::Description;
use crate::settings::{DescriptionError, Settings, build_at};
use crate::{
    AlphaDropout, Conv, ConvTranspose, Dropout, Embedding, FeatureAlphaDropout, Flatten, GaussianDropout,
    GaussianNoise, GlobalAvgPool, GlobalMaxPool, Linear, Module, MultiHeadAttention, PositionalEmbedding,
    PositionalEncoding, Recurrent, Reservoir, Reshape, Residual, Sequential, SpatialDropout, StochasticDepth,
    TiedLinear, normalization, pooling, regularization,
};

/// A module that was built, or why it was not.
pub(crate) type Built<F> = Result<Box<dyn Module<F>>, DescriptionError>;

/// Makes a module of its settings.
pub type Constructor<F> = fn(&Settings<'_, F>) -> Result<Box<dyn Module<F>>, DescriptionError>;

/// Builds the module that a description stands for, of the kinds of this crate.
///
/// Its parameters are initialised in the ways that are usual for its layers, whatever the described module had.
///
/// # Errors
/// When a kind or a setting is unknown, a setting is missing, of another type or out of its range, or when modules are
/// nested more than 64 times. What depends on the shape of the input is found when the module is recorded.
pub fn build<F: Real>(description: &Description) -> Result<Box<dyn Module<F>>, DescriptionError> {
    Registry::new().build(description)
}

/// The kinds of modules that descriptions may name, each with what constructs it: those of this crate, and a user's own.
///
/// ```
/// use nn_core::Real;
/// use nn_graph::Var;
/// use nn_layers::{Description, Module, Registry, Scope, Sequential, Undescribed};
///
/// /// y = s·x.
/// #[derive(Debug)]
/// struct Scale(f64);
///
/// impl<F: Real> Module<F> for Scale {
///     fn record<'g>(&self, _: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
///         input * F::from_f64(self.0)
///     }
///
///     fn describe(&self) -> Result<Description, Undescribed> {
///         Ok(Description::new("Scale").with("factor", self.0))
///     }
/// }
///
/// let module = Sequential::<f32>::new().add(Scale(2.0));
/// let description = module.describe()?;
/// let registry = Registry::<f32>::new().with("Scale", |settings| Ok(Box::new(Scale(settings.number("factor")?))));
/// assert_eq!(registry.build(&description)?.describe()?, description);
///
/// let message = nn_layers::build::<f32>(&description).unwrap_err().to_string();
/// assert_eq!(message, "0: there is no kind of module `Scale` here");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry<F: Real> {
    kinds: BTreeMap<String, Constructor<F>>,
}

impl<F: Real> Default for Registry<F> {
    fn default() -> Self {
        let tables = [layers(), operations()];
        Registry { kinds: tables.into_iter().flatten().map(|(kind, make)| (kind.to_owned(), make)).collect() }
    }
}

impl<F: Real> Registry<F> {
    /// The kinds of this crate.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a kind more, or with another constructor for it.
    #[must_use]
    pub fn with(mut self, kind: impl Into<String>, constructor: Constructor<F>) -> Self {
        self.kinds.insert(kind.into(), constructor);
        self
    }

    /// All kinds, in the order of the alphabet.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// Builds the module that a description stands for.
    ///
    /// # Errors
    /// As of [`build`], and those of the user's constructors.
    pub fn build(&self, description: &Description) -> Result<Box<dyn Module<F>>, DescriptionError> {
        build_at(description, self, (String::new(), 0), |settings| self.construct(settings))
    }

    pub(crate) fn construct(&self, settings: &Settings<'_, F>) -> Built<F> {
        match self.kinds.get(settings.kind()) {
            Some(constructor) => constructor(settings),
            None => Err(settings.unknown_kind()),
        }
    }
}

/// What a constructor gives of a module that nothing is wrong with.
pub(crate) fn built<F: Real>(module: impl Module<F> + 'static) -> Built<F> {
    Ok(Box::new(module))
}

/// Modules with parameters or with modules inside of them, and those that change shapes.
fn layers<F: Real>() -> Vec<(&'static str, Constructor<F>)> {
    vec![
        ("Linear", Linear::build),
        ("Conv1d", Conv::<1>::build),
        ("Conv2d", Conv::<2>::build),
        ("ConvTranspose1d", ConvTranspose::<1>::build),
        ("ConvTranspose2d", ConvTranspose::<2>::build),
        ("Embedding", Embedding::build),
        ("TiedLinear", TiedLinear::build),
        ("MultiHeadAttention", MultiHeadAttention::build),
        ("PositionalEncoding", |_| built(PositionalEncoding)),
        ("PositionalEmbedding", |s| built(PositionalEmbedding::new(s.size("longest")?))),
        ("RNN", |s| Recurrent::build(s, Recurrent::plain_cell(s)?)),
        ("LeakyRNN", |s| Recurrent::build(s, Recurrent::leaky_cell(s)?)),
        ("LSTM", |s| Recurrent::build(s, Cell::Lstm)),
        ("GRU", |s| Recurrent::build(s, Cell::Gru)),
        ("Reservoir", Reservoir::build),
        ("Sequential", |s| built(Sequential::from(s.modules("modules")?))),
        ("Residual", |s| built(Residual::new(s.module("branch")?))),
        ("Flatten", |_| built(Flatten)),
        ("Reshape", |s| built(Reshape::new(s.sizes("shape")?))),
        ("BatchNorm", normalization::build_batch_norm),
        ("BatchRenorm", normalization::build_batch_renorm),
        ("LayerNorm", normalization::build_layer_norm),
        ("RMSNorm", normalization::build_rms_norm),
        ("GroupNorm", normalization::build_group_norm),
        ("InstanceNorm", normalization::build_instance_norm),
        ("LocalResponseNorm", normalization::build_local_response_norm),
    ]
}

/// Operations held as modules.
fn operations<F: Real>() -> Vec<(&'static str, Constructor<F>)> {
    vec![
        ("Identity", |_| built(Activation::Identity)),
        ("ReLU", |_| built(Activation::Relu)),
        ("LeakyReLU", |s| built(s.in_range(Activation::leaky_relu(s.number("slope")?))?)),
        ("ELU", |s| built(s.in_range(Activation::elu(s.number("alpha")?))?)),
        ("SELU", |_| built(Activation::Selu)),
        ("GELU", |_| built(Activation::Gelu)),
        ("GELUTanh", |_| built(Activation::GeluTanh)),
        ("SiLU", |_| built(Activation::Silu)),
        ("Softplus", |_| built(Activation::Softplus)),
        ("Sigmoid", |_| built(Activation::Sigmoid)),
        ("Tanh", |_| built(Activation::Tanh)),
        ("MaxPool1d", pooling::build_max::<F, 1>),
        ("MaxPool2d", pooling::build_max::<F, 2>),
        ("AvgPool1d", pooling::build_average::<F, 1>),
        ("AvgPool2d", pooling::build_average::<F, 2>),
        ("AdaptiveMaxPool1d", |s| built(AdaptiveMaxPool::<1>::new(s.per_axis::<1>("outputs")?))),
        ("AdaptiveMaxPool2d", |s| built(AdaptiveMaxPool::<2>::new(s.per_axis::<2>("outputs")?))),
        ("AdaptiveAvgPool1d", |s| built(AdaptiveAvgPool::<1>::new(s.per_axis::<1>("outputs")?))),
        ("AdaptiveAvgPool2d", |s| built(AdaptiveAvgPool::<2>::new(s.per_axis::<2>("outputs")?))),
        ("GlobalMaxPool", |_| built(GlobalMaxPool)),
        ("GlobalAvgPool", |_| built(GlobalAvgPool)),
        ("Dropout", |s| regularization::build(s, Dropout::new)),
        ("SpatialDropout", |s| regularization::build(s, SpatialDropout::new)),
        ("AlphaDropout", |s| regularization::build(s, AlphaDropout::new)),
        ("FeatureAlphaDropout", |s| regularization::build(s, FeatureAlphaDropout::new)),
        ("GaussianDropout", |s| regularization::build(s, GaussianDropout::new)),
        ("StochasticDepth", |s| regularization::build(s, StochasticDepth::new)),
        ("GaussianNoise", |s| built(s.in_range(GaussianNoise::new(s.number("deviation")?))?)),
    ]
}
