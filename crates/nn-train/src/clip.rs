//! Gradients that are kept small.

use nn_core::{Arena, Real};
use nn_optim::{ClipGlobalNorm, ClipNorm, ClipValue};

/// How a gradient is kept small before the update.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Clip {
    /// Each element by itself.
    Value(ClipValue),
    /// Each parameter by its norm.
    Norm(ClipNorm),
    /// All parameters together by their norm.
    GlobalNorm(ClipGlobalNorm),
}

impl From<ClipValue> for Clip {
    fn from(clip: ClipValue) -> Self {
        Clip::Value(clip)
    }
}

impl From<ClipNorm> for Clip {
    fn from(clip: ClipNorm) -> Self {
        Clip::Norm(clip)
    }
}

impl From<ClipGlobalNorm> for Clip {
    fn from(clip: ClipGlobalNorm) -> Self {
        Clip::GlobalNorm(clip)
    }
}

impl Clip {
    pub(crate) fn apply<F: Real>(&self, gradient: &mut Arena<F>) {
        match self {
            Clip::Value(clip) => clip.apply(gradient),
            Clip::Norm(clip) => clip.apply(gradient),
            Clip::GlobalNorm(clip) => clip.apply(gradient),
        };
    }
}
