//! Fusions: a product or convolution, its bias and its activation become one operation, which makes one pass over its
//! output; and so do ReLU and what follows it, where that knows how.

use std::any::Any;
use std::sync::Arc;

use nn_core::{Op, Real};
use nn_ops::{Activation, Conv, ConvTranspose, Linear};

use crate::graph::{Applied, Kind, Node, Source, kind_of};

/// Rewrites `x·Wᵀ + b` into one `linear`, and that or a convolution followed by an activation into one operation,
/// and so ReLU and an operation that can take it over ([`Op::after_relu`]), wherever nothing else uses what lies
/// between. `roots` are the nodes whose values are wanted from outside.
pub(crate) fn fuse<F: Real>(nodes: &mut [Node<F>], roots: &[usize]) {
    let mut uses = count_uses(nodes, roots);
    for i in 0..nodes.len() {
        let Source::Op(applied) = &nodes[i].source else { continue };
        let fused = match &applied.kind {
            Kind::Add => add_bias(nodes, applied, &uses),
            &Kind::Activation(activation) => add_activation(nodes, applied, activation, &uses),
            Kind::Other => add_relu(nodes, applied, &uses),
            _ => None,
        };
        if let Some((replacement, swallowed)) = fused {
            uses[swallowed] = 0;
            nodes[i].path = nodes[swallowed].path.clone();
            nodes[i].source = Source::Op(replacement);
        }
    }
}

fn count_uses<F: Real>(nodes: &[Node<F>], roots: &[usize]) -> Vec<usize> {
    let mut uses = vec![0; nodes.len()];
    roots.iter().for_each(|&root| uses[root] += 1);
    for node in nodes {
        if let Source::Op(applied) = &node.source {
            applied.inputs.iter().for_each(|&input| uses[input] += 1);
        }
    }
    uses
}

/// The operation at node `i`, if it is used once.
fn used_once<'a, F: Real>(nodes: &'a [Node<F>], i: usize, uses: &[usize]) -> Option<&'a Applied<F>> {
    match &nodes[i].source {
        Source::Op(applied) if uses[i] == 1 => Some(applied),
        _ => None,
    }
}

/// `matmul(x, w) + b` with a bias for each column: a linear layer without activation.
fn add_bias<F: Real>(nodes: &[Node<F>], add: &Applied<F>, uses: &[usize]) -> Option<(Applied<F>, usize)> {
    let candidates = [(add.inputs[0], add.inputs[1]), (add.inputs[1], add.inputs[0])];
    candidates.into_iter().find_map(|(product, bias)| {
        let applied = used_once(nodes, product, uses)?;
        let Kind::MatMul(matmul) = &applied.kind else { return None };
        let (x, w) = (applied.inputs[0], applied.inputs[1]);
        let columns = *add.outline.shape.last()?;
        let fits = nodes[bias].shape == [columns]
            && nodes[w].shape.len() == 2
            && add.outline.shape == nodes[product].shape;
        if matmul.transpose_a || !fits {
            return None;
        }
        let linear = Linear { activation: Activation::Identity, weight_is_transposed: !matmul.transpose_b };
        Some((apply(nodes, linear, vec![x, w, bias])?, product))
    })
}

/// An activation behind a linear layer or a convolution that has none.
fn add_activation<F: Real>(
    nodes: &[Node<F>],
    applied: &Applied<F>,
    activation: Activation,
    uses: &[usize],
) -> Option<(Applied<F>, usize)> {
    let inner = used_once(nodes, applied.inputs[0], uses)?;
    if !activation.derivative_reads_output() {
        return None;
    }
    let (none, inputs) = (Activation::Identity, inner.inputs.clone());
    let fused = match &inner.kind {
        Kind::Linear(op) if op.activation == none => apply(nodes, Linear { activation, ..*op }, inputs),
        Kind::Conv1d(op) if op.activation == none => apply(nodes, Conv { activation, ..**op }, inputs),
        Kind::Conv2d(op) if op.activation == none => apply(nodes, Conv { activation, ..**op }, inputs),
        Kind::ConvTranspose1d(op) if op.activation == none => {
            apply(nodes, ConvTranspose { activation, ..**op }, inputs)
        }
        Kind::ConvTranspose2d(op) if op.activation == none => {
            apply(nodes, ConvTranspose { activation, ..**op }, inputs)
        }
        _ => None,
    };
    Some((fused?, applied.inputs[0]))
}

/// ReLU before an operation that can take it over.
fn add_relu<F: Real>(nodes: &[Node<F>], applied: &Applied<F>, uses: &[usize]) -> Option<(Applied<F>, usize)> {
    let [relu] = applied.inputs[..] else { return None };
    let inner = used_once(nodes, relu, uses)?;
    if !matches!(inner.kind, Kind::Activation(Activation::Relu)) {
        return None;
    }
    let (op, inputs) = (applied.op.after_relu()?, inner.inputs.clone());
    let outline = op.infer(&[&nodes[inputs[0]].shape]).ok()?;
    Some((Applied { op, kind: Kind::Other, inputs, outline }, relu))
}

fn apply<F: Real, O: Op<F> + Any>(nodes: &[Node<F>], op: O, inputs: Vec<usize>) -> Option<Applied<F>> {
    let shapes: Vec<&[usize]> = inputs.iter().map(|&i| &nodes[i].shape[..]).collect();
    let outline = op.infer(&shapes).ok()?;
    Some(Applied { kind: kind_of(&op), op: Arc::new(op), inputs, outline })
}
