//! What happens to a weight before a layer computes with it.

use nn_core::{Mode, Real, Role};
use nn_graph::Var;
use nn_init::Constant;
use nn_norm::{SpectralNorm, WeightStandardization};
use nn_regularize::DropConnect;

use crate::{Description, DescriptionError, Scope, Settings};

/// A function of the weight that a layer computes with in its place.
///
/// ```
/// use nn_layers::{Linear, Network, SpectralNorm};
///
/// let layer = Linear::new(8).weight_transform(SpectralNorm::new());
/// let network = Network::<f32>::new(layer, &[3], 1)?;
/// assert_eq!(network.params().get("weight_u").unwrap().shape(), [8]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum WeightTransform {
    /// Drops weights in training.
    DropConnect(DropConnect),
    /// Gives each output's weights mean 0 and variance 1.
    Standardization(WeightStandardization),
    /// Divides by the largest singular value; it has running statistics `weight_u` and `weight_v`.
    SpectralNorm(SpectralNorm),
}

impl From<DropConnect> for WeightTransform {
    fn from(drop: DropConnect) -> Self {
        WeightTransform::DropConnect(drop)
    }
}

impl From<WeightStandardization> for WeightTransform {
    fn from(standardization: WeightStandardization) -> Self {
        WeightTransform::Standardization(standardization)
    }
}

impl From<SpectralNorm> for WeightTransform {
    fn from(norm: SpectralNorm) -> Self {
        WeightTransform::SpectralNorm(norm)
    }
}

impl WeightTransform {
    /// The setting of a layer that holds it.
    pub(crate) const SETTING: &str = "weight_transform";

    pub(crate) fn describe(self) -> Description {
        match self {
            WeightTransform::DropConnect(drop) => Description::new("DropConnect").with("rate", drop.rate()),
            WeightTransform::Standardization(standardization) => {
                Description::new("WeightStandardization").with("epsilon", standardization.get_epsilon())
            }
            WeightTransform::SpectralNorm(norm) => Description::new("SpectralNorm")
                .with("axis", norm.get_axis())
                .with("iterations", norm.get_iterations())
                .with("epsilon", norm.get_epsilon()),
        }
    }

    /// That of a layer, if it has one.
    pub(crate) fn of<F: Real>(layer: &Settings<'_, F>) -> Result<Option<Self>, DescriptionError> {
        layer.has(Self::SETTING).then(|| layer.part(Self::SETTING, Self::build)).transpose()
    }

    fn build<F: Real>(settings: &Settings<'_, F>) -> Result<Self, DescriptionError> {
        match settings.kind() {
            "DropConnect" => Ok(settings.in_range(DropConnect::new(settings.number("rate")?))?.into()),
            "WeightStandardization" => {
                let norm = WeightStandardization::new().epsilon(settings.number("epsilon")?);
                Ok(settings.in_range(norm)?.into())
            }
            "SpectralNorm" => {
                let norm = SpectralNorm::new().axis(settings.size("axis")?);
                let norm = settings.in_range(norm.iterations(settings.size("iterations")?))?;
                Ok(settings.in_range(norm.epsilon(settings.number("epsilon")?))?.into())
            }
            _ => Err(settings.unknown_kind()),
        }
    }

    /// Records the transformed weight, whose first axis is that of the outputs.
    pub(crate) fn record<'g, F: Real>(self, scope: &Scope<'g, F>, weight: Var<'g, F>) -> Var<'g, F> {
        match self {
            WeightTransform::DropConnect(_) if scope.mode() == Mode::Eval => weight,
            WeightTransform::DropConnect(drop) => scope.graph().apply(drop, &[weight]),
            WeightTransform::Standardization(standardization) => {
                scope.graph().apply(standardization, &[weight])
            }
            WeightTransform::SpectralNorm(norm) => {
                let shape = weight.shape();
                let height = shape.get(norm.get_axis()).copied().unwrap_or(0);
                let width = shape.iter().product::<usize>().checked_div(height).unwrap_or(0);
                let u = unit_vector(scope, "weight_u", height);
                let v = unit_vector(scope, "weight_v", width);
                scope.graph().apply(norm, &[weight, u, v])
            }
        }
    }
}

/// A vector of norm 1 with equal elements, where the power iteration begins.
fn unit_vector<'g, F: Real>(scope: &Scope<'g, F>, name: &str, len: usize) -> Var<'g, F> {
    let element = Constant::new(1.0 / (len.max(1) as f64).sqrt()).expect("the root of a positive number");
    scope.param(name, &[len], Role::RunningStatistic, element)
}
