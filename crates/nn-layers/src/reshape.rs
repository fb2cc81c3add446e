//! Reshaping.

use nn_core::Real;
use nn_graph::Var;

use crate::{Description, Module, Scope, Undescribed};

/// Gives each sample another shape with as many elements: `[batch, …]` becomes `[batch, shape…]`.
///
/// Copies nothing. Source: `torch.nn.Unflatten`, `keras.layers.Reshape`.
///
/// ```
/// use nn_layers::{Network, Reshape};
///
/// // Rows of 784 pixels become images of one channel.
/// let network = Network::<f32>::new(Reshape::new([1, 28, 28]), &[784], 1)?;
/// assert_eq!(network.output_shape(), [1, 28, 28]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    shape: Vec<usize>,
}

impl Reshape {
    /// Samples of this shape.
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Reshape { shape: shape.into() }
    }
}

impl<F: Real> Module<F> for Reshape {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let from = input.shape();
        let elements = from.iter().skip(1).product::<usize>();
        let wanted = self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if from.is_empty() || wanted != Some(elements) {
            let wanted = wanted.map_or("more".to_owned(), |wanted| wanted.to_string());
            let message = format!(
                "reshape: expected samples of {wanted} elements to make them {:?}, got an input of shape {from:?}",
                self.shape
            );
            return scope.graph().complain(message);
        }
        let shape: Vec<isize> = from[..1].iter().chain(&self.shape).map(|&n| n as isize).collect();
        input.reshape(&shape)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("Reshape").with("shape", self.shape.clone()))
    }
}
