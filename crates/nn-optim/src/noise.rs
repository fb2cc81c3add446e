//! Annealed gradient noise.

use nn_core::{RangeError, Real, StreamRng, Streams, check_range};
use rand::Rng;
use rayon::prelude::*;

use crate::ValuesMut;

/// Elements that draw from one stream.
const BLOCK: usize = 1 << 14;

/// Adds normal noise to gradients, less of it with every step: g ← g + σₜ·z with σₜ² = η/(1 + t)^γ.
///
/// | parameter | default | range |
/// |-|-|-|
/// | η, the variance at step 0 | the paper tries 0.01, 0.3 and 1 | [0, ∞) |
/// | γ | 0.55 | [0, ∞) |
///
/// The noise is a function of the seed, the parameter's name and the step: resumed runs draw the same, and so does a
/// network whose parameters stand in another order.
///
/// ```
/// use nn_core::Streams;
/// use nn_optim::GradientNoise;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let noise = GradientNoise::new(0.01, Streams::new(42))?;
/// assert!((noise.deviation(0) - 0.1).abs() < 1e-15);
/// let mut g = [1.0f32, 1.0];
/// noise.apply(&mut g, 0);
/// assert!(g[0] != g[1] && g.iter().all(|x| (x - 1.0).abs() < 1.0));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Neelakantan, Vilnis, Le, Sutskever, Kaiser, Kurach and Martens 2015, "Adding gradient noise improves learning for
/// very deep networks", equation 1 and section 3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientNoise {
    eta: f64,
    gamma: f64,
    streams: Streams,
}

impl GradientNoise {
    /// With this η, drawing from these streams.
    ///
    /// # Errors
    /// When η is outside [0, ∞).
    pub fn new(eta: f64, streams: Streams) -> Result<Self, RangeError> {
        check_range("GradientNoise", "eta", eta, "[0, ∞)", (0.0..f64::INFINITY).contains(&eta))?;
        Ok(GradientNoise { eta, gamma: 0.55, streams })
    }

    /// Sets γ, the exponent by which the variance decays.
    ///
    /// # Errors
    /// When γ is outside [0, ∞).
    pub fn gamma(self, gamma: f64) -> Result<Self, RangeError> {
        check_range("GradientNoise", "gamma", gamma, "[0, ∞)", (0.0..f64::INFINITY).contains(&gamma))?;
        Ok(GradientNoise { gamma, ..self })
    }

    /// The standard deviation σₜ at step t, from 0.
    pub fn deviation(&self, step: u64) -> f64 {
        (self.eta / (1.0 + step as f64).powf(self.gamma)).sqrt()
    }

    /// Adds the noise of step t, from 0, to the gradients of all trained parameters.
    pub fn apply<G: ValuesMut + ?Sized>(&self, g: &mut G, step: u64) {
        let (layout, deviation) = (g.layout(), self.deviation(step));
        g.modify(&mut |g| {
            for spec in layout.params().iter().filter(|spec| spec.role.is_trained()) {
                let name = format!("gradient noise, {}", spec.name);
                g[spec.range()].par_chunks_mut(BLOCK).enumerate().for_each(|(block, g)| {
                    add_normal(g, deviation, &mut self.streams.child(block as u64).rng(&name, step));
                });
            }
        });
    }
}

fn add_normal<F: Real>(g: &mut [F], deviation: f64, rng: &mut StreamRng) {
    for pair in g.chunks_mut(2) {
        for (x, z) in pair.iter_mut().zip(normal_pair(rng)) {
            *x += F::from_f64(deviation * z);
        }
    }
}

/// Two independent standard normal numbers: Marsaglia's polar form of the method of Box and Muller.
fn normal_pair(rng: &mut StreamRng) -> [f64; 2] {
    loop {
        let (x, y) = (symmetric(rng), symmetric(rng));
        let square = x * x + y * y;
        if square < 1.0 && square > 0.0 {
            let factor = (-2.0 * Real::ln(square) / square).sqrt();
            return [x * factor, y * factor];
        }
    }
}

/// A number from (−1, 1).
fn symmetric(rng: &mut StreamRng) -> f64 {
    ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 52) as f64 - 1.0
}
