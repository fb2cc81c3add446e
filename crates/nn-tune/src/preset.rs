//! The hyperparameters that networks usually have.

use crate::{Domain, Scale, Value};

/// A hyperparameter that networks usually have, with a range for it and the order in which to tune it.
///
/// Tune the most important ones first, and what has little effect hardly ever:
///
/// ```
/// use nn_tune::{Preset, Space};
///
/// // All that is of the first or second importance: learning rate, momentum, batch size, units.
/// let mut space = Space::new();
/// for preset in Preset::ALL.into_iter().filter(|preset| preset.importance() <= 2) {
///     space = space.preset(preset)?;
/// }
/// assert_eq!(space.parameters().len(), 4);
/// assert_eq!(space.parameters()[0].domain.to_string(), "a number from 0.0001 to 1 (log)");
/// # Ok::<(), nn_tune::SpaceError>(())
/// ```
///
/// # Source
/// The order and the scales: Ng 2017, "Improving deep neural networks", week 3, "Tuning process" and "Using an
/// appropriate scale to pick hyperparameters". Adam's defaults: Kingma and Ba 2015, "Adam", algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Preset {
    /// The learning rate: 10^r.
    LearningRate,
    /// Momentum β, or Adam's β₁ under the name of momentum: 1 − 10^r.
    Momentum,
    /// The batch size: a power of two.
    BatchSize,
    /// The number of hidden units of a layer.
    Units,
    /// The number of hidden layers.
    Layers,
    /// How fast the learning rate decays: α₀ / (1 + decay · epoch).
    LearningRateDecay,
    /// Adam's β₁.
    Beta1,
    /// Adam's β₂.
    Beta2,
    /// Adam's ε.
    Epsilon,
}

impl Preset {
    /// All, the most important first.
    pub const ALL: [Preset; 9] = [
        Preset::LearningRate,
        Preset::Momentum,
        Preset::BatchSize,
        Preset::Units,
        Preset::Layers,
        Preset::LearningRateDecay,
        Preset::Beta1,
        Preset::Beta2,
        Preset::Epsilon,
    ];

    /// Its name in a space.
    pub fn name(self) -> &'static str {
        match self {
            Preset::LearningRate => "learning_rate",
            Preset::Momentum => "momentum",
            Preset::BatchSize => "batch_size",
            Preset::Units => "units",
            Preset::Layers => "layers",
            Preset::LearningRateDecay => "learning_rate_decay",
            Preset::Beta1 => "beta1",
            Preset::Beta2 => "beta2",
            Preset::Epsilon => "epsilon",
        }
    }

    /// 1: always tune it; 2: tune it next; 3: then; 4: hardly ever, leave it at its default.
    pub fn importance(self) -> u8 {
        match self {
            Preset::LearningRate => 1,
            Preset::Momentum | Preset::BatchSize | Preset::Units => 2,
            Preset::Layers | Preset::LearningRateDecay => 3,
            Preset::Beta1 | Preset::Beta2 | Preset::Epsilon => 4,
        }
    }

    /// The range to begin with; an [`EdgeWarning`](crate::sampler::EdgeWarning) says when to move it.
    pub fn domain(self) -> Domain {
        let float = |low, high, scale| Domain::Float { low, high, scale, step: None };
        match self {
            Preset::LearningRate => float(1e-4, 1.0, Scale::Log),
            Preset::Momentum => float(0.9, 0.999, Scale::OneMinusLog),
            Preset::BatchSize => Domain::PowersOfTwo { low: 4, high: 9 },
            Preset::Units => Domain::Int { low: 16, high: 512, scale: Scale::Log, step: 1 },
            Preset::Layers => Domain::Int { low: 1, high: 5, scale: Scale::Linear, step: 1 },
            Preset::LearningRateDecay => float(1e-3, 1.0, Scale::Log),
            Preset::Beta1 => float(0.5, 0.99, Scale::OneMinusLog),
            Preset::Beta2 => float(0.9, 0.9999, Scale::OneMinusLog),
            Preset::Epsilon => float(1e-10, 1e-4, Scale::Log),
        }
    }

    /// What it is while it is not tuned; `None` for what depends on the network and the data.
    pub fn default(self) -> Option<Value> {
        match self {
            Preset::Momentum | Preset::Beta1 => Some(0.9.into()),
            Preset::Beta2 => Some(0.999.into()),
            Preset::Epsilon => Some(1e-8.into()),
            _ => None,
        }
    }
}
