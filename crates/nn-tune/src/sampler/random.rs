//! Points at random.

use nn_core::Streams;
use rand::RngExt;

use super::Sampler;
use crate::{Direction, Params, Space, Trial};

/// Each hyperparameter at random on its scale.
///
/// Of 25 trials it tries 25 values of each hyperparameter; a grid of two hyperparameters tries 5.
///
/// # Source
/// Bergstra and Bengio 2012, "Random search for hyper-parameter optimization".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    streams: Streams,
}

impl Random {
    /// With this seed.
    pub fn new(seed: u64) -> Self {
        Random { streams: Streams::new(seed) }
    }
}

impl Sampler for Random {
    fn sample(&self, space: &Space, _: Direction, _: &[Trial], number: u64) -> Params {
        space.point(|parameter, _| {
            parameter.domain.from_unit(self.streams.rng(&parameter.name, number).random())
        })
    }
}
