//! Residual blocks.

use nn_core::Real;
use nn_graph::Var;

use crate::{Description, Module, Scope, Undescribed};

/// y = x + f(x), where the branch f is any module whose output has the shape of its input.
///
/// The parameters are those of the branch, under its own names. With [`StochasticDepth`](nn_regularize::StochasticDepth)
/// at the end of the branch, whole samples pass it by in training.
///
/// Source: He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition", equation 1.
///
/// ```
/// use nn_layers::{Activation, Linear, Network, Residual, Sequential, StochasticDepth};
///
/// let branch = Sequential::new()
///     .add(Linear::new(8))
///     .add(Activation::Relu)
///     .add(Linear::new(8))
///     .add(StochasticDepth::new(0.2)?);
/// let network = Network::<f32>::new(Residual::new(branch), &[8], 1)?;
/// assert_eq!(network.output_shape(), [8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Residual<F: Real> {
    branch: Box<dyn Module<F>>,
}

impl<F: Real> Residual<F> {
    /// The block with this branch.
    pub fn new(branch: impl Module<F> + 'static) -> Self {
        Residual { branch: Box::new(branch) }
    }
}

impl<F: Real> Module<F> for Residual<F> {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let branch = self.branch.record(scope, input);
        let (inside, outside) = (branch.shape(), input.shape());
        if inside != outside {
            return scope.graph().complain(format!(
                "residual: the branch makes shape {inside:?} of {outside:?}, expected the same shape"
            ));
        }
        input + branch
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let branch = self.branch.describe().map_err(|error| error.inside("Residual", "branch"))?;
        Ok(Description::new("Residual").with("branch", branch))
    }
}
