//! What happens to a weight before a layer computes with it.

use nn_core::{Mode, Real, Role};
use nn_graph::Var;
use nn_init::Constant;
use nn_norm::{SpectralNorm, WeightStandardization};
use nn_regularize::DropConnect;

use crate::Scope;

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
                let (height, width) = (shape[0], shape[1..].iter().product::<usize>());
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
