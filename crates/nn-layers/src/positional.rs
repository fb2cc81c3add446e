//! Positional encodings, with which attention learns where in a sequence something stands.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use nn_core::{Real, Role};
use nn_graph::Var;
use nn_init::{Initializer, Normal};

use crate::{Description, Module, Scope, Undescribed};

/// y = x + p with p(t, 2i) = sin(t/10000^(2i/d)) and p(t, 2i + 1) = cos(t/10000^(2i/d)).
///
/// Shapes: input and output `[batch, length, d]`; no parameters.
///
/// Source: Vaswani and others 2017, "Attention is all you need", section 3.5 (arXiv:1706.03762).
///
/// ```
/// use ndarray::Array3;
/// use nn_layers::{Network, PositionalEncoding};
///
/// let mut network = Network::<f64>::new(PositionalEncoding, &[6, 4], 1)?;
/// let y = network.predict(&Array3::zeros((1, 6, 4)).into_dyn().view())?;
/// assert_eq!(y[[0, 0, 1]], 1.0); // cos 0
/// assert!((y[[0, 5, 2]] - 0.05f64.sin()).abs() < 1e-15); // sin(5/100)
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionalEncoding;

impl<F: Real> Module<F> for PositionalEncoding {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let &[_, length, width] = &input.shape()[..] else {
            return not_a_sequence("positional_encoding", scope, input);
        };
        let encoding = |at: usize, element: usize| {
            let exponent = (element / 2 * 2) as f64 / width as f64;
            let angle = at as f64 / 10_000f64.powf(exponent);
            if element.is_multiple_of(2) { angle.sin() } else { angle.cos() }
        };
        let table =
            ArrayD::from_shape_fn(IxDyn(&[length, width]), |index| F::from_f64(encoding(index[0], index[1])));
        input + scope.graph().constant(table)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("PositionalEncoding"))
    }
}

/// y = x + p with one trained vector p(t) for each position.
///
/// Shapes: input and output `[batch, length, d]` with a length of at most `longest`; parameter `weight`
/// `[longest, d]`, drawn from N(0, 0.02²) by default.
///
/// Source: Radford and others 2018, "Improving language understanding by generative pre-training", section 3.1.
///
/// ```
/// use nn_layers::{Network, PositionalEmbedding};
///
/// let network = Network::<f32>::new(PositionalEmbedding::new(512), &[60, 16], 1)?;
/// assert_eq!(network.params().get("weight").unwrap().shape(), [512, 16]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PositionalEmbedding {
    longest: usize,
    weight_init: Arc<dyn Initializer>,
}

impl PositionalEmbedding {
    /// For sequences of up to `longest` elements.
    pub fn new(longest: usize) -> Self {
        let weight_init = Arc::new(Normal::new(0.0, 0.02).expect("a positive standard deviation"));
        PositionalEmbedding { longest, weight_init }
    }

    /// How the vectors are initialised.
    #[must_use]
    pub fn weight_init(self, initializer: impl Initializer + 'static) -> Self {
        PositionalEmbedding { weight_init: Arc::new(initializer), ..self }
    }
}

impl<F: Real> Module<F> for PositionalEmbedding {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let &[_, length, width] = &input.shape()[..] else {
            return not_a_sequence("positional_embedding", scope, input);
        };
        let longest = self.longest;
        if length > longest || width == 0 {
            let message = format!(
                "positional_embedding: expected sequences of at most {longest} elements, got shape {:?}",
                input.shape()
            );
            return scope.graph().complain(message);
        }
        let weight = scope.param("weight", &[longest, width], Role::Weight, Arc::clone(&self.weight_init));
        input + weight.slice(0, 0, length)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("PositionalEmbedding").with("longest", self.longest))
    }
}

fn not_a_sequence<'g, F: Real>(name: &str, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
    let shape = input.shape();
    scope.graph().complain(format!("{name}: expected an input [batch, length, d], got shape {shape:?}"))
}
