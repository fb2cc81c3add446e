//! How the next point of a space is chosen.

mod cma;
mod cma_es;
mod coarse_to_fine;
mod edge;
mod eigen;
mod grid;
mod normal;
mod parzen;
mod quasi_random;
mod random;
mod rank;
mod sobol;
mod tpe;

use std::fmt::Debug;

pub use cma_es::CmaEs;
pub use coarse_to_fine::{CoarseToFine, Region, Window};
pub use edge::{EdgeWarning, edge_warnings};
pub use grid::Grid;
pub use quasi_random::QuasiRandom;
pub use random::Random;
pub use tpe::Tpe;

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

impl<S: Sampler + ?Sized> Sampler for Box<S> {
    fn sample(&self, space: &Space, direction: Direction, trials: &[Trial], number: u64) -> Params {
        (**self).sample(space, direction, trials, number)
    }
}
