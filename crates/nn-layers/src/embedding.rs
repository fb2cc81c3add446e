//! Embeddings: vectors of words and other numbered things.

use std::sync::Arc;

use nn_core::{Real, Role, StreamRng};
use nn_graph::Var;
use nn_init::{Initializer, Normal};
use nn_ops::EmbeddingLookup;

use crate::registry::{Built, built};
use crate::{Description, Module, Scope, Settings, Undescribed};

/// A trained vector for each of `count` numbered things: y = weight(number).
///
/// Shapes: input `[batch, …]`, whole numbers from 0 to count − 1 in the network's scalar type, as class labels are;
/// output `[batch, …, width]`; parameter `weight` `[count, width]`, drawn from N(0, 1) as in PyTorch.
///
/// Other numbers are refused when the network runs, before anything is written.
///
/// Source: `torch.nn.Embedding`.
///
/// ```
/// use ndarray::array;
/// use nn_layers::{Embedding, Network};
///
/// let mut network = Network::<f32>::new(Embedding::new(100, 8), &[5], 1)?; // sentences of 5 words
/// let y = network.predict(&array![[3.0, 14.0, 15.0, 92.0, 65.0]].into_dyn().view())?;
/// assert_eq!(y.shape(), [1, 5, 8]);
/// let message = network.predict(&array![[3.0, 14.0, 100.0, 0.0, 0.0]].into_dyn().view()).unwrap_err().to_string();
/// assert_eq!(message, "embedding: input 1 holds 100 at [0, 2], expected a row number from 0 to 99");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    count: usize,
    width: usize,
    padding_idx: Option<usize>,
    weight_init: Arc<dyn Initializer>,
}

impl Embedding {
    /// Vectors of `width` elements for `count` things, both from 1.
    pub fn new(count: usize, width: usize) -> Self {
        let weight_init = Arc::new(Normal::new(0.0, 1.0).expect("a standard deviation of 1"));
        Embedding { count, width, padding_idx: None, weight_init }
    }

    /// The number that stands for nothing, below `count`: its vector begins as zeros and is not trained. None by
    /// default.
    #[must_use]
    pub fn padding_idx(self, padding_idx: usize) -> Self {
        Embedding { padding_idx: Some(padding_idx), ..self }
    }

    /// How the vectors are initialised.
    #[must_use]
    pub fn weight_init(self, initializer: impl Initializer + 'static) -> Self {
        Embedding { weight_init: Arc::new(initializer), ..self }
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Built<F> {
        let layer = Embedding::new(settings.size("count")?, settings.size("width")?);
        let padding_idx = settings.has("padding_idx").then(|| settings.size("padding_idx")).transpose()?;
        built(Embedding { padding_idx, ..layer })
    }
}

impl<F: Real> Module<F> for Embedding {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let Embedding { count, width, padding_idx, .. } = *self;
        if count == 0 || width == 0 {
            let message =
                format!("embedding: expected at least one vector and one element, got {count} and {width}");
            return scope.graph().complain(message);
        }
        if let Some(padding) = padding_idx.filter(|&padding| padding >= count) {
            let message = format!("embedding: padding_idx must be below {count}, got {padding}");
            return scope.graph().complain(message);
        }
        let weight_init = WithoutRow { row: padding_idx, rest: Arc::clone(&self.weight_init) };
        let weight = scope.param("weight", &[count, width], Role::Weight, weight_init);
        scope.graph().apply(EmbeddingLookup { padding_idx }, &[weight, input])
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let description = Description::new("Embedding").with("count", self.count).with("width", self.width);
        Ok(description.with_some("padding_idx", self.padding_idx))
    }
}

/// Another initialiser, after which one row is set to zero.
#[derive(Debug)]
struct WithoutRow {
    row: Option<usize>,
    rest: Arc<dyn Initializer>,
}

impl Initializer for WithoutRow {
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        self.rest.draw(shape, rng, out);
        if let Some(row) = self.row {
            out[row * shape[1]..(row + 1) * shape[1]].fill(0.0);
        }
    }
}
