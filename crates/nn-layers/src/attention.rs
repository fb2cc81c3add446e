//! Multi-head attention.

use nn_core::{Mode, RangeError, Real, Role};
use nn_graph::Var;
use nn_init::{FanInUniform, Xavier, Zeros};
use nn_ops::AttentionWeights;
use nn_regularize::Dropout;

use crate::registry::{Built, built};
use crate::{Description, Module, Scope, Settings, Undescribed};

/// Attention of several heads: each query takes the values of the keys that resemble it.
///
/// Of the projections q = query·W_qᵀ + b_q, k and v each of H heads takes d = E/H columns; its output is
/// softmax(q·kᵀ/√d)·v, and y = (all outputs side by side)·W_oᵀ + b_o.
///
/// Shapes: query `[batch, queries, E]`, key `[batch, keys, …]`, value `[batch, keys, …]`, output
/// `[batch, queries, E]` (PyTorch's `batch_first`). E is inferred from the query and must be a multiple of the number of
/// heads. As a [`Module`] it is self-attention, the three being its input; [`attend`](Self::attend) takes them apart
/// and takes a mask.
///
/// Parameters, as PyTorch packs them: `in_proj_weight` `[3E, E]` (W_q, W_k, W_v one below another), `in_proj_bias`
/// `[3E]`, `out_proj.weight` `[E, E]`, `out_proj.bias` `[E]`; where keys or values are not of E elements,
/// `q_proj_weight`, `k_proj_weight`, `v_proj_weight` in place of the first. Weights into the heads are Xavier-uniform, that
/// out of them uniform as of [`Linear`](crate::Linear), biases 0.
///
/// Source: Vaswani and others 2017, "Attention is all you need", section 3.2 (arXiv:1706.03762);
/// `torch.nn.MultiheadAttention`.
///
/// ```
/// use nn_layers::{MultiHeadAttention, Network, PositionalEncoding, Residual, Sequential};
///
/// let block = Residual::new(MultiHeadAttention::new(4).causal(true));
/// let module = Sequential::new().add(PositionalEncoding).add(block);
/// let network = Network::<f32>::new(module, &[20, 32], 1)?; // sequences of 20 vectors of 32
/// assert_eq!(network.output_shape(), [20, 32]);
/// assert_eq!(network.params().get("1.in_proj_weight").unwrap().shape(), [96, 32]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiHeadAttention {
    heads: usize,
    causal: bool,
    has_bias: bool,
    dropout: Option<Dropout>,
}

/// What [`MultiHeadAttention::attend`] records.
#[derive(Clone, Copy, Debug)]
pub struct Attended<'g, F: Real> {
    /// The output `[batch, queries, E]`.
    pub output: Var<'g, F>,
    /// The weights `[batch, heads, queries, keys]`, before dropout.
    pub weights: Var<'g, F>,
}

impl MultiHeadAttention {
    /// Attention with this number of heads, from 1.
    pub fn new(heads: usize) -> Self {
        MultiHeadAttention { heads, causal: false, has_bias: true, dropout: None }
    }

    /// Whether query i sees the keys 0 to i alone; not by default.
    #[must_use]
    pub fn causal(self, causal: bool) -> Self {
        MultiHeadAttention { causal, ..self }
    }

    /// Whether the projections have biases; they have unless told otherwise.
    #[must_use]
    pub fn bias(self, has_bias: bool) -> Self {
        MultiHeadAttention { has_bias, ..self }
    }

    /// The probability with which each weight is dropped in training, in \[0, 1\]; 0 by default.
    ///
    /// # Errors
    /// When it is outside that range.
    pub fn dropout(self, probability: f64) -> Result<Self, RangeError> {
        Ok(MultiHeadAttention { dropout: Some(Dropout::new(probability)?), ..self })
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Built<F> {
        let layer = MultiHeadAttention::new(settings.size("heads")?)
            .causal(settings.flag("causal")?)
            .bias(settings.flag("bias")?);
        if !settings.has("dropout") {
            return built(layer);
        }
        let layer = layer.dropout(settings.number("dropout")?);
        built(settings.in_range(layer.map_err(|error| RangeError { field: "dropout", ..error }))?)
    }

    /// Records attention of queries to keys and their values, `[batch, queries, E]`, `[batch, keys, …]` and
    /// `[batch, keys, …]`.
    ///
    /// `mask` `[batch, keys]` is 1 where a key is to be left out, for example behind the end of a shorter sequence, and 0
    /// elsewhere. A mask with other numbers, or one that leaves out a whole sequence, is an error when the plan runs.
    pub fn attend<'g, F: Real>(
        &self,
        scope: &Scope<'g, F>,
        [query, key, value]: [Var<'g, F>; 3],
        mask: Option<Var<'g, F>>,
    ) -> Attended<'g, F> {
        let (heads, graph) = (self.heads, scope.graph());
        let shapes = [query.shape(), key.shape(), value.shape()];
        let sizes = match self.sizes(&shapes) {
            Ok(sizes) => sizes,
            Err(message) => {
                let output = graph.complain(format!("multi_head_attention: {message}"));
                return Attended { output, weights: output };
            }
        };
        let [batch, queries, keys, width] = sizes;
        let (weights, biases) = self.projections(scope, shapes.map(|shape| shape[2]));
        let bias = |i: usize| biases.map(|bias| bias.slice(0, i * width, (i + 1) * width));
        let head = |x: Var<'g, F>, i: usize, length: usize| {
            let split = [batch, length, heads, width / heads].map(|n| n as isize);
            x.linear(weights[i], bias(i)).reshape(&split)
        };
        let q = head(query, 0, queries).transpose(&[0, 2, 1, 3]);
        let k = head(key, 1, keys).transpose(&[0, 2, 3, 1]);
        let v = head(value, 2, keys).transpose(&[0, 2, 1, 3]);
        let softmax = AttentionWeights { scale: 1.0 / ((width / heads) as f64).sqrt(), causal: self.causal };
        let inputs: Vec<Var<'g, F>> = std::iter::once(q.matmul(k)).chain(mask).collect();
        let weights = graph.apply(softmax, &inputs);
        let kept = match self.dropout {
            Some(dropout) if scope.mode() == Mode::Train => graph.apply(dropout, &[weights]),
            _ => weights,
        };
        let joined = kept.matmul(v).transpose(&[0, 2, 1, 3]);
        let joined = joined.reshape(&[batch, queries, width].map(|n| n as isize));
        let output = graph.scope("out_proj", || {
            let weight = scope.param("weight", &[width, width], Role::Weight, FanInUniform::new());
            let bias = self.has_bias.then(|| scope.param("bias", &[width], Role::Bias, Zeros));
            joined.linear(weight, bias)
        });
        Attended { output, weights }
    }

    /// Batch, queries, keys, and the number of elements of a query.
    fn sizes(&self, shapes: &[Vec<usize>; 3]) -> Result<[usize; 4], String> {
        let (&[batch, queries, width], &[of_key, keys, _], &[of_value, values, _]) =
            (&shapes[0][..], &shapes[1][..], &shapes[2][..])
        else {
            return Err(format!("expected three inputs [batch, length, …], got shapes {shapes:?}"));
        };
        if of_key != batch || of_value != batch || keys != values {
            return Err(format!(
                "expected the same batch in query, key and value, and as many values as keys, got shapes {shapes:?}"
            ));
        }
        if shapes.iter().any(|shape| shape[1..].contains(&0)) {
            return Err(format!("expected sequences that are not empty, got shapes {shapes:?}"));
        }
        if self.heads == 0 || !width.is_multiple_of(self.heads) {
            return Err(format!(
                "expected a query whose {width} elements {} heads divide evenly",
                self.heads
            ));
        }
        Ok([batch, queries, keys, width])
    }

    /// The weights of the three projections, and all their biases.
    fn projections<'g, F: Real>(
        &self,
        scope: &Scope<'g, F>,
        widths: [usize; 3],
    ) -> ([Var<'g, F>; 3], Option<Var<'g, F>>) {
        let width = widths[0];
        let weights = if widths == [width; 3] {
            let packed = scope.param("in_proj_weight", &[3 * width, width], Role::Weight, Xavier::uniform());
            [0, 1, 2].map(|i| packed.slice(0, i * width, (i + 1) * width))
        } else {
            let names = ["q_proj_weight", "k_proj_weight", "v_proj_weight"];
            let own = |i: usize| scope.param(names[i], &[width, widths[i]], Role::Weight, Xavier::uniform());
            [0, 1, 2].map(own)
        };
        let bias = |scope: &Scope<'g, F>| scope.param("in_proj_bias", &[3 * width], Role::Bias, Zeros);
        (weights, self.has_bias.then(|| bias(scope)))
    }
}

impl<F: Real> Module<F> for MultiHeadAttention {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        self.attend(scope, [input; 3], None).output
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let description = Description::new("MultiHeadAttention")
            .with("heads", self.heads)
            .with("causal", self.causal)
            .with("bias", self.has_bias);
        Ok(description.with_some("dropout", self.dropout.map(|dropout| dropout.rate())))
    }
}
