//! Normalisation as modules: each declares the parameters that its operation takes.

use nn_core::{Op, RangeError, Real, Role, ShapeError};
use nn_graph::Var;
use nn_init::{Ones, Zeros};
use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm, Statistics,
};

use crate::registry::{Built, built};
use crate::{Description, DescriptionError, Module, Scope, Settings, Undescribed};

const SCALE: &str = "weight";
const SHIFT: &str = "bias";

/// How running statistics are gathered, in a description.
const EXPONENTIAL: &str = "exponential";
const AVERAGE: &str = "average";
const POOLED: &str = "pooled";

/// Parameters `weight`, `bias`, `running_mean`, `running_var` `[C]` and `num_batches_tracked` `[]`.
impl<F: Real> Module<F> for BatchNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let checked = Self::check_batch(&input.shape(), scope.mode());
        by_batch(*self, Self::statistics, checked, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(describe_batch(Description::new("BatchNorm"), self.get_epsilon(), self.get_statistics()))
    }
}

/// Parameters as of [`BatchNorm`].
impl<F: Real> Module<F> for BatchRenorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let checked = Self::check_batch(&input.shape(), scope.mode());
        by_batch(*self, Self::statistics, checked, scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let [r_max, d_max] = self.get_limits();
        let norm = Description::new("BatchRenorm").with("r_max", r_max).with("d_max", d_max);
        Ok(describe_batch(norm, self.get_epsilon(), self.get_statistics()))
    }
}

/// Adds what the norms over the batch have.
fn describe_batch(norm: Description, epsilon: f64, statistics: Statistics) -> Description {
    let norm = norm.with("epsilon", epsilon);
    match statistics {
        Statistics::Exponential { momentum, bias_corrected } => norm
            .with("statistics", EXPONENTIAL)
            .with("momentum", momentum)
            .with("bias_corrected", bias_corrected),
        Statistics::Average => norm.with("statistics", AVERAGE),
        Statistics::Pooled => norm.with("statistics", POOLED),
    }
}

fn statistics<F: Real>(settings: &Settings<'_, F>) -> Result<Statistics, DescriptionError> {
    match settings.text("statistics")? {
        EXPONENTIAL => {
            let momentum = settings.number("momentum")?;
            Ok(Statistics::Exponential { momentum, bias_corrected: settings.flag("bias_corrected")? })
        }
        AVERAGE => Ok(Statistics::Average),
        POOLED => Ok(Statistics::Pooled),
        _ => Err(settings.wrong("statistics", "\"exponential\", \"average\" or \"pooled\"")),
    }
}

pub(crate) fn build_batch_norm<F: Real>(s: &Settings<'_, F>) -> Built<F> {
    let norm = s.in_range(BatchNorm::new().epsilon(s.number("epsilon")?))?;
    built(s.in_range(norm.statistics(statistics(s)?))?)
}

pub(crate) fn build_batch_renorm<F: Real>(s: &Settings<'_, F>) -> Built<F> {
    let norm = s.in_range(BatchRenorm::new().limits(s.number("r_max")?, s.number("d_max")?))?;
    let norm = s.in_range(norm.epsilon(s.number("epsilon")?))?;
    built(s.in_range(norm.statistics(statistics(s)?))?)
}

pub(crate) fn build_layer_norm<F: Real>(s: &Settings<'_, F>) -> Built<F> {
    let norm = s.in_range(LayerNorm::new().axes(s.size("axes")?))?;
    built(s.in_range(norm.epsilon(s.number("epsilon")?))?)
}

pub(crate) fn build_rms_norm<F: Real>(s: &Settings<'_, F>) -> Built<F> {
    let norm = s.in_range(RmsNorm::new().axes(s.size("axes")?))?;
    built(if s.has("epsilon") { s.in_range(norm.epsilon(s.number("epsilon")?))? } else { norm })
}

pub(crate) fn build_group_norm<F: Real>(s: &Settings<'_, F>) -> Built<F> {
    let norm = s.in_range(GroupNorm::new(s.size("groups")?))?.affine(s.flag("affine")?);
    built(s.in_range(norm.epsilon(s.number("epsilon")?))?)
}

pub(crate) fn build_instance_norm<F: Real>(s: &Settings<'_, F>) -> Built<F> {
    built(s.in_range(InstanceNorm::new().affine(s.flag("affine")?).epsilon(s.number("epsilon")?))?)
}

pub(crate) fn build_local_response_norm<F: Real>(s: &Settings<'_, F>) -> Built<F> {
    let norm = s.in_range(LocalResponseNorm::new(s.size("size")?))?;
    let norm = s.in_range(norm.alpha(s.number("alpha")?))?;
    let norm = s.in_range(norm.beta(s.number("beta")?))?;
    built(s.in_range(norm.k(s.number("k")?))?)
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

    fn describe(&self) -> Result<Description, Undescribed> {
        let norm = Description::new("LayerNorm").with("axes", self.normalized_axes());
        Ok(norm.with("epsilon", self.get_epsilon()))
    }
}

/// Parameter `weight` of the shape of the last axes.
impl<F: Real> Module<F> for RmsNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let shape = last(&input, self.normalized_axes());
        let weight = scope.param(SCALE, &shape, Role::NormScale, Ones);
        scope.graph().apply(*self, &[input, weight])
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let norm = Description::new("RMSNorm").with("axes", self.normalized_axes());
        Ok(norm.with_some("epsilon", self.get_epsilon()))
    }
}

/// Parameters `weight` and `bias` `[C]`; none where it is not affine.
impl<F: Real> Module<F> for GroupNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        by_case(*self, self.is_affine(), scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let norm = Description::new("GroupNorm").with("groups", self.groups());
        Ok(norm.with("epsilon", self.get_epsilon()).with("affine", self.is_affine()))
    }
}

/// No parameters, as in PyTorch; where it is affine `weight` and `bias` `[C]`.
impl<F: Real> Module<F> for InstanceNorm {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        by_case(*self, self.is_affine(), scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let norm = Description::new("InstanceNorm").with("epsilon", self.get_epsilon());
        Ok(norm.with("affine", self.is_affine()))
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

    fn describe(&self) -> Result<Description, Undescribed> {
        let norm = Description::new("LocalResponseNorm").with("size", self.size());
        Ok(norm.with("alpha", self.get_alpha()).with("beta", self.get_beta()).with("k", self.get_k()))
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
