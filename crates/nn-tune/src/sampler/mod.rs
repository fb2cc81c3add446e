//! How the next point of a space is chosen.

mod random;

use std::fmt::Debug;

pub use random::Random;

use crate::{Direction, Params, Space, Trial};

/// Chooses the next point of a space.
///
/// What it chooses is a function of its seed, the space, the number of the trial and the trials that there are: the same
/// study twice gives the same suggestions.
pub trait Sampler: Debug + Send + Sync {
    /// The hyperparameters of a trial, given all other trials of the study: finished ones, and those that other workers
    /// are at.
    fn sample(&self, space: &Space, direction: Direction, trials: &[Trial], number: u64) -> Params;
}
