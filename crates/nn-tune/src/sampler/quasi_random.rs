//! Points that lie more evenly than random ones.

use nn_core::Streams;
use rand::RngExt;

use super::Sampler;
use super::sobol::{DIMENSIONS, Dimension, Scramble};
use crate::{Direction, Params, Space, Trial};

/// Points that lie more evenly than random ones: the Sobol sequence, scrambled.
///
/// The k-th hyperparameter of the space takes the k-th dimension on its scale, trial n the n-th point. Of any 2^m trials
/// from a multiple of 2^m on, one lies in each of 2^m equal parts of every hyperparameter; a power of two is the best
/// number of trials. There are 64 dimensions; further hyperparameters are drawn at random.
///
/// # Source
/// Sobol 1967; Joe and Kuo 2008, "Constructing Sobol sequences with better two-dimensional projections"; Matoušek 1998,
/// "On the L2-discrepancy for anchored boxes" (the scrambling, as in SciPy's `qmc.Sobol`). For hyperparameters: Bergstra
/// and Bengio 2012, "Random search for hyper-parameter optimization", section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuasiRandom {
    streams: Streams,
    is_scrambled: bool,
}

impl QuasiRandom {
    /// Scrambled with this seed.
    pub fn new(seed: u64) -> Self {
        QuasiRandom { streams: Streams::new(seed), is_scrambled: true }
    }

    /// The Sobol sequence itself: its first point is the lowest corner, and it is always the same one.
    pub fn unscrambled() -> Self {
        QuasiRandom { streams: Streams::new(0), is_scrambled: false }
    }

    /// A coordinate of a point, from 0 to 1.
    pub(super) fn coordinate(&self, dimension: usize, name: &str, point: u64) -> f64 {
        if dimension >= DIMENSIONS {
            return self.streams.rng(name, point).random();
        }
        let scale = 2.0_f64.powi(-32);
        // The sequence begins again after 2^32 points.
        let coordinate = Dimension::new(dimension).coordinate(point as u32);
        if self.is_scrambled {
            (f64::from(Scramble::new(self.streams, name).apply(coordinate)) + 0.5) * scale
        } else {
            f64::from(coordinate) * scale
        }
    }
}

impl Sampler for QuasiRandom {
    fn sample(&self, space: &Space, _: Direction, _: &[Trial], number: u64) -> Params {
        space.point_by_number(|i, parameter| {
            parameter.domain.from_unit(self.coordinate(i, &parameter.name, number))
        })
    }
}
