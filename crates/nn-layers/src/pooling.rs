//! Pooling as modules, and the global poolings.

use nn_core::{Op, Real};
use nn_graph::Var;
use nn_ops::{AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool};

use crate::registry::{Built, built};
use crate::{Description, Module, Scope, Settings, Undescribed};

impl<F: Real, const D: usize> Module<F> for MaxPool<D>
where
    MaxPool<D>: Op<F>,
{
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        scope.graph().apply(*self, &[input])
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let kind = if D == 1 { "MaxPool1d" } else { "MaxPool2d" };
        let pool = Description::new(kind).with("kernel", self.kernel).with("stride", self.stride);
        let pool = pool.with("padding", self.padding).with("dilation", self.dilation);
        Ok(pool.with("ceil_mode", self.ceil_mode))
    }
}

impl<F: Real, const D: usize> Module<F> for AvgPool<D>
where
    AvgPool<D>: Op<F>,
{
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        scope.graph().apply(*self, &[input])
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let kind = if D == 1 { "AvgPool1d" } else { "AvgPool2d" };
        let pool = Description::new(kind).with("kernel", self.kernel).with("stride", self.stride);
        let pool = pool.with("padding", self.padding).with("ceil_mode", self.ceil_mode);
        Ok(pool.with("count_include_pad", self.count_include_pad))
    }
}

impl<F: Real, const D: usize> Module<F> for AdaptiveMaxPool<D>
where
    AdaptiveMaxPool<D>: Op<F>,
{
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        scope.graph().apply(*self, &[input])
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let kind = if D == 1 { "AdaptiveMaxPool1d" } else { "AdaptiveMaxPool2d" };
        Ok(Description::new(kind).with("outputs", self.outputs))
    }
}

impl<F: Real, const D: usize> Module<F> for AdaptiveAvgPool<D>
where
    AdaptiveAvgPool<D>: Op<F>,
{
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        scope.graph().apply(*self, &[input])
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let kind = if D == 1 { "AdaptiveAvgPool1d" } else { "AdaptiveAvgPool2d" };
        Ok(Description::new(kind).with("outputs", self.outputs))
    }
}

pub(crate) fn build_max<F: Real, const D: usize>(settings: &Settings<'_, F>) -> Built<F>
where
    MaxPool<D>: Op<F>,
{
    let pool = MaxPool::<D>::new(settings.per_axis::<D>("kernel")?)
        .stride(settings.per_axis::<D>("stride")?)
        .padding(settings.per_axis::<D>("padding")?)
        .dilation(settings.per_axis::<D>("dilation")?);
    built(pool.ceil_mode(settings.flag("ceil_mode")?))
}

pub(crate) fn build_average<F: Real, const D: usize>(settings: &Settings<'_, F>) -> Built<F>
where
    AvgPool<D>: Op<F>,
{
    let pool = AvgPool::<D>::new(settings.per_axis::<D>("kernel")?)
        .stride(settings.per_axis::<D>("stride")?)
        .padding(settings.per_axis::<D>("padding")?)
        .ceil_mode(settings.flag("ceil_mode")?);
    built(pool.count_include_pad(settings.flag("count_include_pad")?))
}

/// The mean of each channel over all places: `[batch, channels, …]` becomes `[batch, channels]`.
///
/// Source: Lin, Chen, Yan 2014, "Network in network", section 3.2 (arXiv:1312.4400); `keras.layers.GlobalAveragePooling2D`.
///
/// ```
/// use nn_layers::{GlobalAvgPool, Network};
///
/// let network = Network::<f32>::new(GlobalAvgPool, &[16, 7, 7], 1)?;
/// assert_eq!(network.output_shape(), [16]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalAvgPool;

/// The largest element of each channel: `[batch, channels, …]` becomes `[batch, channels]`.
///
/// The gradient goes to the first of several equal ones. Source: `keras.layers.GlobalMaxPooling2D`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalMaxPool;

impl<F: Real> Module<F> for GlobalAvgPool {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        globally("global_avg_pool", AdaptiveAvgPool::<1>::new(1), scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("GlobalAvgPool"))
    }
}

impl<F: Real> Module<F> for GlobalMaxPool {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        globally("global_max_pool", AdaptiveMaxPool::<1>::new(1), scope, input)
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        Ok(Description::new("GlobalMaxPool"))
    }
}

/// Pools all places of a channel, taken as one axis.
fn globally<'g, F: Real>(
    name: &str,
    pool: impl Op<F> + 'static,
    scope: &Scope<'g, F>,
    input: Var<'g, F>,
) -> Var<'g, F> {
    let shape = input.shape();
    let (&[batch, channels, ref places @ ..], false) = (&shape[..], shape.len() < 3) else {
        let message = format!("{name}: expected an input [batch, channels, …, places], got shape {shape:?}");
        return scope.graph().complain(message);
    };
    let places: usize = places.iter().product();
    let [batch, channels, places] = [batch, channels, places].map(|n| n as isize);
    let pooled = scope.graph().apply(pool, &[input.reshape(&[batch, channels, places])]);
    pooled.reshape(&[batch, channels])
}
