//! Random cases of the poolings.

use nn_core::Op;
use nn_gradcheck::properties::Case;
use nn_gradcheck::strategies::{distinct, laid, within};
use nn_ops::{AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool};
use proptest::prelude::*;

/// Kernel, stride, padding, dilation and length of an axis.
fn axis(dilates: bool) -> impl Strategy<Value = [usize; 5]> {
    let free = (1..=4usize, 1..=3usize, 0..=2usize, if dilates { 1..=3usize } else { 1..=1 }, 0..=6usize);
    let free = free.prop_map(|(kernel, stride, padding, dilation, more)| {
        let extent = dilation * (kernel - 1) + 1;
        let padding = padding.min(extent / 2);
        [kernel, stride, padding, dilation, (extent + more).saturating_sub(2 * padding).max(1)]
    });
    prop_oneof![2 => free, 1 => (2..=7usize).prop_map(|len| [2, 2, 0, 1, len])]
}

/// The settings of all axes, turned: all kernels, all strides, …; and the shape of the input.
fn settings<const D: usize>(dilates: bool) -> impl Strategy<Value = ([[usize; D]; 5], Vec<usize>, bool)> {
    let axes = prop::collection::vec(axis(dilates), D);
    let leading = prop_oneof![8 => (1..=2usize, 1..=2usize), 1 => (0..=1usize, 0..=3usize)];
    (axes, leading, any::<bool>()).prop_map(|(axes, (batch, channels), ceil)| {
        let turned = [0, 1, 2, 3, 4].map(|i| std::array::from_fn(|axis| axes[axis][i]));
        (turned, [&[batch, channels][..], &turned[4]].concat(), ceil)
    })
}

/// A case, unless the windows do not fit.
fn case<O: Op<f64> + Op<f32> + Copy + 'static>(
    settings: impl Strategy<Value = (O, Vec<usize>)> + 'static,
    is_distinct: bool,
) -> impl Strategy<Value = Case> {
    let fits = |(op, shape): &(O, Vec<usize>)| Op::<f64>::infer(op, &[shape]).is_ok();
    let inputs = move |(op, shape): (O, Vec<usize>)| {
        let x = if is_distinct { distinct(shape, 0.1) } else { within(shape, -3.0, 3.0) };
        (Just(op), laid(x))
    };
    let fitting = settings.prop_filter("a window holds padding alone", fits);
    fitting.prop_flat_map(inputs).prop_map(|(op, x)| Case::new(op, vec![x]))
}

pub(crate) fn max<const D: usize>() -> impl Strategy<Value = Case>
where
    MaxPool<D>: Op<f64> + Op<f32>,
{
    let op = |([kernel, stride, padding, dilation, _], shape, ceil): ([[usize; D]; 5], Vec<usize>, bool)| {
        let op = MaxPool::new(kernel).stride(stride).padding(padding).dilation(dilation);
        (op.ceil_mode(ceil), shape)
    };
    case(settings::<D>(true).prop_map(op), true)
}

pub(crate) fn average<const D: usize>() -> impl Strategy<Value = Case>
where
    AvgPool<D>: Op<f64> + Op<f32>,
{
    let op = |(([kernel, stride, padding, ..], shape, ceil), include): (([[usize; D]; 5], _, _), bool)| {
        let op = AvgPool::new(kernel).stride(stride).padding(padding);
        (op.ceil_mode(ceil).count_include_pad(include), shape)
    };
    case((settings::<D>(false), any::<bool>()).prop_map(op), false)
}

/// Numbers of windows that need not divide the axes.
fn outputs<const D: usize>() -> impl Strategy<Value = ([usize; D], Vec<usize>)> {
    let axes = prop::collection::vec((1..=4usize, 1..=7usize), D);
    (axes, 1..=2usize, 1..=2usize).prop_map(|(axes, batch, channels)| {
        let shape = [batch, channels].into_iter().chain(axes.iter().map(|axis| axis.1)).collect();
        (std::array::from_fn(|axis| axes[axis].0), shape)
    })
}

pub(crate) fn adaptive_max<const D: usize>() -> impl Strategy<Value = Case>
where
    AdaptiveMaxPool<D>: Op<f64> + Op<f32>,
{
    case(outputs::<D>().prop_map(|(outputs, shape)| (AdaptiveMaxPool::new(outputs), shape)), true)
}

pub(crate) fn adaptive_average<const D: usize>() -> impl Strategy<Value = Case>
where
    AdaptiveAvgPool<D>: Op<f64> + Op<f32>,
{
    case(outputs::<D>().prop_map(|(outputs, shape)| (AdaptiveAvgPool::new(outputs), shape)), false)
}
