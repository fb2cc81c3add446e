//! Recurrent weights that neither forget at once nor run away.

use nn_core::{RangeError, StreamRng, check_range};

use crate::eigenvalues::radius;
use crate::initializer::{check_size, refuse};
use crate::{Initializer, Normal, Sparse};

/// Echo-state initialisation of recurrent weights: a random matrix rescaled to a given spectral radius.
///
/// W = A·ρ/ρ(A), where A has exactly k standard normal elements in each row and else zeros, or is full. With ρ a
/// little above 1 the hidden state oscillates and keeps a memory of its input for a long time; the saturation of tanh
/// bounds it. [`spectral_radius`](crate::spectral_radius) is exact for dominant pairs of complex eigenvalues too.
///
/// Shapes: `[n, n]`. Defaults: ρ = 1.1 and k = 15; a unit with fewer than k inputs is connected to all. It takes about
/// 15·n³ operations: milliseconds for n = 100, seconds for n = 1000.
///
/// ```
/// use ndarray::Array2;
/// use nn_core::Streams;
/// use nn_init::{EchoState, InitializerExt, spectral_radius};
///
/// let streams = Streams::new(1);
/// let hidden: Array2<f64> = EchoState::new().array([100, 100], &streams, "hidden");
/// let input: Array2<f64> = EchoState::input().array([100, 2], &streams, "input");
/// assert!((spectral_radius(hidden.view()) - 1.1).abs() < 1e-12);
/// assert!(input.iter().all(|x| x.abs() < 0.01));
/// ```
///
/// # Source
/// Sutskever, Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning", section
/// 5 and table 4; Jaeger and Haas 2004, "Harnessing nonlinearity".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EchoState {
    spectral_radius: f64,
    incoming: Option<usize>,
}

impl EchoState {
    /// With spectral radius 1.1 and 15 incoming connections of each unit.
    pub fn new() -> Self {
        EchoState { spectral_radius: 1.1, incoming: Some(15) }
    }

    /// The input-to-hidden weights that go with it: N(0, 0.001²).
    ///
    /// Tasks with many distracting inputs need such a small scale; take [`Normal`] with another one, such as 0.1, where
    /// most inputs matter.
    pub fn input() -> Normal {
        Normal::centred(0.001)
    }

    /// Sets the spectral radius ρ, in (0, ∞), by default 1.1.
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn spectral_radius(self, radius: f64) -> Result<Self, RangeError> {
        let inside = radius > 0.0 && radius.is_finite();
        check_range("EchoState", "spectral_radius", radius, "(0, ∞)", inside)?;
        Ok(EchoState { spectral_radius: radius, ..self })
    }

    /// Sets the number k of incoming connections of each unit, in [1, ∞), by default 15.
    ///
    /// # Errors
    /// When it is 0.
    pub fn incoming(self, k: usize) -> Result<Self, RangeError> {
        check_range("EchoState", "incoming", k as f64, "[1, ∞)", k >= 1)?;
        Ok(EchoState { incoming: Some(k), ..self })
    }

    /// Connects each unit to all.
    #[must_use]
    pub fn dense(self) -> Self {
        EchoState { incoming: None, ..self }
    }
}

impl Default for EchoState {
    fn default() -> Self {
        EchoState::new()
    }
}

impl Initializer for EchoState {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        check_size(shape, out);
        let n = match shape {
            &[rows, columns] if rows == columns => rows,
            _ => refuse("echo state", "a square matrix [n, n]", shape),
        };
        match self.incoming {
            Some(k) => Sparse::with_incoming(k).draw(shape, rng, out),
            None => Normal::default().draw(shape, rng, out),
        }
        let factor = self.spectral_radius / radius(out.to_vec(), n);
        // Random matrices of one row or more have an eigenvalue other than 0: each unit has an incoming connection, so
        // that connections form a cycle.
        out.iter_mut().for_each(|x| *x *= factor);
    }
}
