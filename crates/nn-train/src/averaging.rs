//! Averages of the weights along the path of training.

use nn_core::{Arena, Real};
use nn_optim::{BufferState, Ema, StateError, Swa};

/// An average of the weights, with which a network is validated and left after training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Averaging<F: Real> {
    /// Exponentially weighted.
    Ema(Ema<F>),
    /// Stochastic weight averaging: equally weighted from a step on.
    Swa(Swa<F>),
}

impl<F: Real> From<Ema<F>> for Averaging<F> {
    fn from(ema: Ema<F>) -> Self {
        Averaging::Ema(ema)
    }
}

impl<F: Real> From<Swa<F>> for Averaging<F> {
    fn from(swa: Swa<F>) -> Self {
        Averaging::Swa(swa)
    }
}

impl<F: Real> Averaging<F> {
    pub(crate) fn update(&mut self, w: &Arena<F>) {
        match self {
            Averaging::Ema(ema) => ema.update(w),
            Averaging::Swa(swa) => swa.update(w),
        }
    }

    /// Exchanges the weights and their average; twice is as if nothing had been.
    pub(crate) fn swap(&mut self, w: &mut Arena<F>) {
        match self {
            Averaging::Ema(ema) => ema.swap(w),
            Averaging::Swa(swa) => swa.swap(w),
        }
    }

    pub(crate) fn state(&self) -> BufferState<F> {
        match self {
            Averaging::Ema(ema) => ema.state(),
            Averaging::Swa(swa) => swa.state(),
        }
    }

    pub(crate) fn load_state(&mut self, state: &BufferState<F>) -> Result<(), StateError> {
        match self {
            Averaging::Ema(ema) => ema.load_state(state),
            Averaging::Swa(swa) => swa.load_state(state),
        }
    }
}
