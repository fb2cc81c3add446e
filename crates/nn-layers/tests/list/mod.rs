//! The list of all modules.

use nn_layers::{
    Activation, AlphaDropout, BatchNorm, BatchRenorm, DropConnect, Dropout, FeatureAlphaDropout, Flatten,
    GaussianDropout, GaussianNoise, GroupNorm, InstanceNorm, LayerNorm, Linear, LocalResponseNorm, Module,
    Recurrent, Reservoir, Residual, RmsNorm, Scheduled, Sequential, SpatialDropout, SpectralNorm,
    StochasticDepth, WeightStandardization,
};

const LINEAR: [&str; 2] = ["weight", "bias"];
const RECURRENT: [&str; 4] = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
const BATCH: [&str; 5] = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
const SPECTRAL: [&str; 4] = ["weight", "bias", "weight_u", "weight_v"];

/// A module of the list: its name, itself, and the names of its parameters.
pub(crate) type Member = (&'static str, Box<dyn Module<f64>>, &'static [&'static str]);

/// All modules, each for an input of 4 channels and 5 positions a sample, and the transforms of weights.
pub(crate) fn list() -> Vec<Member> {
    vec![
        ("Linear", Box::new(Linear::new(3)), &LINEAR),
        ("Activation", Box::new(Activation::Tanh), &[]),
        ("Flatten", Box::new(Flatten), &[]),
        ("Sequential", Box::new(Sequential::new().add(Linear::new(3))), &["0.weight", "0.bias"]),
        ("Residual", Box::new(Residual::new(LayerNorm::new())), &["weight", "bias"]),
        ("Recurrent", Box::new(Recurrent::lstm(3)), &RECURRENT),
        ("Reservoir", Box::new(Reservoir::new(6)), &RECURRENT),
        ("BatchNorm", Box::new(BatchNorm::new()), &BATCH),
        ("BatchRenorm", Box::new(BatchRenorm::new()), &BATCH),
        ("LayerNorm", Box::new(LayerNorm::new()), &["weight", "bias"]),
        ("RmsNorm", Box::new(RmsNorm::new()), &["weight"]),
        ("GroupNorm", Box::new(GroupNorm::new(2).unwrap()), &["weight", "bias"]),
        ("InstanceNorm", Box::new(InstanceNorm::new()), &[]),
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
