//! Normalisation as modules: each declares the parameters that its operation takes.

use nn_core::{Op, RangeError, Real, Role, ShapeError};
use nn_graph::Var;
use nn_init::{Ones, Zeros};
use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm, Statistics,
};

use crate::{Module, Scope};

const SCALE: &str = "weight";
const SHIFT: &str = "bias";

/// Parameters `weight`, `bias`, `running_mean`, `running_var` `[C]` and `num_batches_tracked` `[]`.
impl<F: Real> Module<F> for BatchNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let checked = Self::check_batch(&input.shape(), scope.mode());
        by_batch(*self, Self::statistics, checked, scope, input)
    }
}

/// Parameters as of [`BatchNorm`].
impl<F: Real> Module<F> for BatchRenorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let checked = Self::check_batch(&input.shape(), scope.mode());
        by_batch(*self, Self::statistics, checked, scope, input)
    }
}

/// Records a norm over the batch, with running statistics.
fn by_batch<'g, F: Real, O: Op<F> + Copy + 'static>(
    norm: O,
    with_statistics: impl Fn(O, Statistics) -> Result<O, RangeError>,
    checked: Result<(), ShapeError>,
    scope: &Scope<'g, F>,
    input: Var<'g, F>,
) -> Var<'g, F> {
    if let Err(error) = checked {
        return scope.graph().complain(error.to_string());
    }
    let Some(channels) = channels(&input) else {
        return no_channels(norm.name(), scope, &input);
    };
    let gathering = scope.gathers();
    let norm = match gathering.map_or(Ok(norm), |statistics| with_statistics(norm, statistics)) {
        Ok(norm) => norm,
        Err(error) => return scope.graph().complain(error.to_string()),
    };
    let [weight, bias] = affine(scope, &[channels]);
    let mean = scope.param("running_mean", &[channels], Role::RunningStatistic, Zeros);
    let variance = scope.param("running_var", &[channels], Role::RunningStatistic, Ones);
    let tracked = scope.param("num_batches_tracked", &[], Role::RunningStatistic, Zeros);
    scope.graph().apply(norm, &[input, weight, bias, mean, variance, tracked])
}

/// Parameters `weight` and `bias` of the shape of the last axes.
impl<F: Real> Module<F> for LayerNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let [weight, bias] = affine(scope, &last(&input, self.normalized_axes()));
        scope.graph().apply(*self, &[input, weight, bias])
    }
}

/// Parameter `weight` of the shape of the last axes.
impl<F: Real> Module<F> for RmsNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let shape = last(&input, self.normalized_axes());
        let weight = scope.param(SCALE, &shape, Role::NormScale, Ones);
        scope.graph().apply(*self, &[input, weight])
    }
}

/// Parameters `weight` and `bias` `[C]`; none where it is not affine.
impl<F: Real> Module<F> for GroupNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        by_case(*self, self.is_affine(), scope, input)
    }
}

/// No parameters, as in PyTorch; where it is affine `weight` and `bias` `[C]`.
impl<F: Real> Module<F> for InstanceNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        by_case(*self, self.is_affine(), scope, input)
    }
}

/// Records a norm of each case, whose scale and shift have an element for each channel.
fn by_case<'g, F: Real>(
    norm: impl Op<F> + 'static,
    has_affine: bool,
    scope: &Scope<'g, F>,
    input: Var<'g, F>,
) -> Var<'g, F> {
    if !has_affine {
        return scope.graph().apply(norm, &[input]);
    }
    let Some(channels) = channels(&input) else {
        return no_channels(norm.name(), scope, &input);
    };
    let [weight, bias] = affine(scope, &[channels]);
    scope.graph().apply(norm, &[input, weight, bias])
}

/// No parameters.
impl<F: Real> Module<F> for LocalResponseNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        scope.graph().apply(*self, &[input])
    }
}

/// The scale, ones at first, and the shift, zeros.
fn affine<'g, F: Real>(scope: &Scope<'g, F>, shape: &[usize]) -> [Var<'g, F>; 2] {
    let scale = scope.param(SCALE, shape, Role::NormScale, Ones);
    [scale, scope.param(SHIFT, shape, Role::NormShift, Zeros)]
}

fn channels<F: Real>(input: &Var<'_, F>) -> Option<usize> {
    input.shape().get(1).copied()
}

/// The last axes of a sample, as many as there are.
fn last<F: Real>(input: &Var<'_, F>, axes: usize) -> Vec<usize> {
    let shape = input.shape();
    shape[shape.len().saturating_sub(axes)..].to_vec()
}

fn no_channels<'g, F: Real>(norm: &str, scope: &Scope<'g, F>, input: &Var<'g, F>) -> Var<'g, F> {
    let shape = input.shape();
    scope.graph().complain(format!("{norm}: expected an input [batch, channels, …], got shape {shape:?}"))
}
