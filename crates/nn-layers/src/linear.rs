//! The fully connected layer.

use nn_core::{Real, Role};
use nn_graph::Var;
use nn_init::{Initializer, Init};

use crate::{Module, Scope};

/// y = x·Wᵀ + b.
///
/// Shapes: input `[batch, …, in]`, output `[batch, …, out]`; parameters `weight` `[out, in]` and `bias` `[out]`.
/// `in` is inferred from the input. By default both are drawn from U(−1/√in, 1/√in), as in PyTorch.
///
/// Source: `torch.nn.Linear`.
#[derive(Clone, Debug)]
pub struct Linear {
    out: usize,
}
