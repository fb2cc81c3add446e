//! The list of all modules.

use ndarray::{ArrayD, IxDyn};
use nn_graph::Var;
use nn_layers::{
    Activation, AdaptiveAvgPool, AdaptiveMaxPool, AlphaDropout, AvgPool, BatchNorm, BatchRenorm, Conv,
    ConvTranspose, Description, DropConnect, Dropout, Embedding, FeatureAlphaDropout, Flatten,
    GaussianDropout, GaussianNoise, GlobalAvgPool, GlobalMaxPool, GroupNorm, InstanceNorm, LayerNorm, Linear,
    LocalResponseNorm, MaxPool, Module, MultiHeadAttention, PositionalEmbedding, PositionalEncoding,
    Recurrent, Reservoir, Reshape, Residual, RmsNorm, Scheduled, Scope, Sequential, SpatialDropout,
    SpectralNorm, StochasticDepth, TiedLinear, Undescribed, WeightStandardization,
};

const ATTENTION: [&str; 4] = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"];
const LINEAR: [&str; 2] = ["weight", "bias"];
const RECURRENT: [&str; 4] = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
const BATCH: [&str; 5] = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
const SPECTRAL: [&str; 4] = ["weight", "bias", "weight_u", "weight_v"];

/// An embedding of numbers that do not change, times the input: its gradient is that of the table and the input.
#[derive(Debug)]
pub(crate) struct Numbered<M>(pub(crate) M);

impl<M: Module<f64>> Module<f64> for Numbered<M> {
    fn record<'g>(&self, scope: &Scope<'g, f64>, input: Var<'g, f64>) -> Var<'g, f64> {
        let shape = input.shape();
        let number = |index: IxDyn| (index[0] * 3 + index[1] * 2) % 7;
        let numbers = ArrayD::from_shape_fn(IxDyn(&shape[..2]), |index| number(index) as f64);
        input * self.0.record(scope, scope.graph().constant(numbers))
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("Numbered").with("module", self.0.describe()?))
    }
}

/// A module of the list: its name, itself, and the names of its parameters.
pub(crate) type Member = (&'static str, Box<dyn Module<f64>>, &'static [&'static str]);

/// A module for images, which gets each position as a row of one column.
#[derive(Debug)]
pub(crate) struct OfImages<M>(pub(crate) M);

impl<M: Module<f64>> Module<f64> for OfImages<M> {
    fn record<'g>(&self, scope: &Scope<'g, f64>, input: Var<'g, f64>) -> Var<'g, f64> {
        let shape = input.shape().into_iter().chain([1]);
        self.0.record(scope, input.reshape(&shape.map(|n| n as isize).collect::<Vec<_>>()))
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("OfImages").with("module", self.0.describe()?))
    }
}

/// All modules, each for an input of 4 channels and 5 positions a sample, and the transforms of weights.
pub(crate) fn list() -> Vec<Member> {
    vec![
        ("Linear", Box::new(Linear::new(3)), &LINEAR),
        ("Conv<1>", Box::new(Conv::<1>::new(6, 3).padding(1).groups(2)), &LINEAR),
        ("Conv<2>", Box::new(OfImages(Conv::<2>::new(3, [3, 2]).padding([0, 1]).stride([2, 1]))), &LINEAR),
        ("ConvTranspose<1>", Box::new(ConvTranspose::<1>::new(2, 3).stride(2)), &LINEAR),
        ("ConvTranspose<2>", Box::new(OfImages(ConvTranspose::<2>::new(4, 2).groups(2))), &LINEAR),
        ("Activation", Box::new(Activation::Tanh), &[]),
        ("Flatten", Box::new(Flatten), &[]),
        ("Reshape", Box::new(Reshape::new([2, 10])), &[]),
        ("MaxPool", Box::new(MaxPool::<1>::new(3).stride(2)), &[]),
        ("AvgPool", Box::new(AvgPool::<1>::new(2)), &[]),
        ("AdaptiveMaxPool", Box::new(AdaptiveMaxPool::<1>::new(2)), &[]),
        ("AdaptiveAvgPool", Box::new(AdaptiveAvgPool::<1>::new(2)), &[]),
        ("GlobalMaxPool", Box::new(GlobalMaxPool), &[]),
        ("GlobalAvgPool", Box::new(GlobalAvgPool), &[]),
        ("Embedding", Box::new(Numbered(Embedding::new(7, 5))), &["weight"]),
        ("TiedLinear", Box::new(TiedLinear::new("0.weight")), &["bias"]),
        ("MultiHeadAttention", Box::new(MultiHeadAttention::new(5).causal(true)), &ATTENTION),
        ("PositionalEncoding", Box::new(PositionalEncoding), &[]),
        ("PositionalEmbedding", Box::new(PositionalEmbedding::new(9)), &["weight"]),
        ("Sequential", Box::new(Sequential::new().add(Linear::new(3))), &["0.weight", "0.bias"]),
        ("Residual", Box::new(Residual::new(LayerNorm::new())), &["weight", "bias"]),
        ("Recurrent", Box::new(Recurrent::lstm(3)), &RECURRENT),
        ("Reservoir", Box::new(Reservoir::new(6)), &RECURRENT),
        ("BatchNorm", Box::new(BatchNorm::new()), &BATCH),
        ("BatchRenorm", Box::new(BatchRenorm::new()), &BATCH),
        ("LayerNorm", Box::new(LayerNorm::new()), &["weight", "bias"]),
        ("RmsNorm", Box::new(RmsNorm::new()), &["weight"]),
        ("GroupNorm", Box::new(GroupNorm::new(2).unwrap()), &["weight", "bias"]),
        ("GroupNorm, plain", Box::new(GroupNorm::new(2).unwrap().affine(false)), &[]),
        ("InstanceNorm", Box::new(InstanceNorm::new()), &[]),
        ("InstanceNorm, affine", Box::new(InstanceNorm::new().affine(true)), &["weight", "bias"]),
        ("LocalResponseNorm", Box::new(LocalResponseNorm::new(3).unwrap()), &[]),
        ("Dropout", Box::new(Dropout::new(0.3).unwrap()), &[]),
        ("SpatialDropout", Box::new(SpatialDropout::new(0.3).unwrap()), &[]),
        ("AlphaDropout", Box::new(AlphaDropout::new(0.3).unwrap()), &[]),
        ("FeatureAlphaDropout", Box::new(FeatureAlphaDropout::new(0.3).unwrap()), &[]),
        ("GaussianDropout", Box::new(GaussianDropout::new(0.3).unwrap()), &[]),
        ("GaussianNoise", Box::new(GaussianNoise::new(0.3).unwrap()), &[]),
        ("StochasticDepth", Box::new(StochasticDepth::new(0.5).unwrap()), &[]),
        ("Scheduled", Box::new(Scheduled::new(|t| Dropout::new(0.9 / (t + 1) as f64)).unwrap()), &[]),
        ("DropConnect", Box::new(Linear::new(5).weight_transform(DropConnect::new(0.3).unwrap())), &LINEAR),
        (
            "WeightStandardization",
            Box::new(Linear::new(5).weight_transform(WeightStandardization::new())),
            &LINEAR,
        ),
        ("SpectralNorm", Box::new(Linear::new(5).weight_transform(SpectralNorm::new())), &SPECTRAL),
    ]
}
