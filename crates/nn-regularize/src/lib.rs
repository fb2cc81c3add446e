#![doc = include_str!("../README.md")]

mod alpha;
mod constraint;
mod dropout;
mod grouped;
mod groups;
mod mask;
mod mixing;
mod noise;
mod normal;
mod params;
mod penalty;
mod relu_dropout;
mod scheduled;
mod smoothing;
mod stopping;
mod stretches;
mod words;

pub use nn_core::UnmatchedPattern;

pub use alpha::{AlphaDropout, FeatureAlphaDropout};
pub use constraint::{Constraint, MaxNorm, NonNegative, UnitNorm};
pub use dropout::{DropConnect, Dropout};
pub use grouped::{SpatialDropout, StochasticDepth};
pub use groups::Groups;
pub use mixing::{CutMix, Mixed, Mixup};
pub use noise::{GaussianDropout, GaussianNoise};
pub use params::OnParams;
pub use penalty::{ElasticNet, GroupLasso, L1, L2, Penalty};
pub use relu_dropout::ReluDropout;
pub use scheduled::Scheduled;
pub use smoothing::LabelSmoothing;
pub use stopping::{BestWeights, EarlyStopping, Observation, StoppingState};
