//! Modules one after another.

use nn_core::Real;
use nn_graph::Var;

use crate::{Description, Module, Scope, Undescribed};

/// Modules applied one after another, named by their positions: `0.weight`, `0.bias`, `2.weight`, …
///
/// Each module infers its input size from what it is given.
///
/// ```
/// use nn_layers::{Activation, Linear, Network, Sequential};
///
/// let module = Sequential::new().add(Linear::new(32)).add(Activation::Relu).add(Linear::new(10));
/// let network = Network::<f32>::new(module, &[64], 1)?;
/// let shapes: Vec<_> = network.params().iter().map(|(name, w)| (name.to_owned(), w.shape().to_vec())).collect();
/// assert_eq!(shapes[0], ("0.weight".to_owned(), vec![32, 64]));
/// assert_eq!(shapes[3], ("2.bias".to_owned(), vec![10]));
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
///
/// Source: `torch.nn.Sequential`.
#[derive(Debug)]
pub struct Sequential<F: Real> {
    modules: Vec<Box<dyn Module<F>>>,
}

impl<F: Real> Default for Sequential<F> {
    fn default() -> Self {
        Sequential { modules: vec![] }
    }
}

impl<F: Real> Sequential<F> {
    /// No modules: the identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module at the end.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "adds to a list, as in Keras; there is nothing to confuse it with"
    )]
    pub fn add(mut self, module: impl Module<F> + 'static) -> Self {
        self.modules.push(Box::new(module));
        self
    }

    /// The number of modules.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether there are no modules.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}

impl<F: Real> From<Vec<Box<dyn Module<F>>>> for Sequential<F> {
    fn from(modules: Vec<Box<dyn Module<F>>>) -> Self {
        Sequential { modules }
    }
}

impl<F: Real> Module<F> for Sequential<F> {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let modules = self.modules.iter().enumerate();
        modules.fold(input, |x, (i, module)| scope.submodule(&i.to_string(), module.as_ref(), x))
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let mut modules = vec![];
        for (i, module) in self.modules.iter().enumerate() {
            modules.push(module.describe().map_err(|error| error.inside("Sequential", &i.to_string()))?);
        }
        Ok(Description::new("Sequential").with("modules", modules))
    }
}
