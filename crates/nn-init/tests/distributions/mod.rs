//! Distributions under names that are not those of initialisers too, so that the list of these is seen to be complete.

use nn_init::Distribution;

pub(crate) const FLAT: Distribution = Distribution::Uniform;
pub(crate) const BELL: Distribution = Distribution::Normal;
pub(crate) const CUT: Distribution = Distribution::TruncatedNormal;
