//! Random convolutions: sizes, strides, dilations, groups and paddings.

use nn_gradcheck::properties::Case;
use nn_gradcheck::strategies::{laid, within};
use nn_ops::{Activation, Conv, ConvTranspose};
use proptest::prelude::*;
use proptest::sample::select;

/// What is drawn for one axis: kernel, stride, dilation, zeros before and after, and the elements beyond the least.
type Along = ([usize; 3], [usize; 2], usize);

fn along() -> impl Strategy<Value = Along> {
    ([1..=3usize, 1..=3, 1..=2], [0..=2usize, 0..=2], 0..=4usize)
}

/// Samples, groups, channels of input and output in each group, and whether there is a bias.
fn sizes() -> impl Strategy<Value = ([usize; 4], bool)> {
    ([0..=3usize, 1..=3, 1..=3, 1..=3], any::<bool>())
}

fn smooth() -> impl Strategy<Value = Activation> {
    select(vec![Activation::Identity, Activation::Identity, Activation::Tanh, Activation::Sigmoid])
}

/// Cases with these shapes of input, weight and bias.
fn case<O>(op: O, x: Vec<usize>, w: Vec<usize>, bias: Option<usize>) -> impl Strategy<Value = Case>
where
    O: nn_core::Op<f64> + nn_core::Op<f32> + Clone + 'static,
{
    let bias: Vec<_> = bias.into_iter().map(|out| laid(within(vec![out], -1.0, 1.0))).collect();
    let inputs = (laid(within(x, -2.0, 2.0)), laid(within(w, -1.0, 1.0)), bias);
    inputs.prop_map(move |(x, w, bias)| Case::new(op.clone(), [vec![x, w], bias].concat()))
}

/// Convolutions over `D` axes.
pub(crate) fn convolutions<const D: usize>() -> impl Strategy<Value = Case>
where
    Conv<D>: nn_core::Op<f64> + nn_core::Op<f32>,
{
    (sizes(), prop::collection::vec(along(), D), smooth()).prop_flat_map(
        |(([samples, groups, from, to], bias), axes, activation)| {
            let at = |axis: usize| axes[axis];
            let length = |&([kernel, _, dilation], padding, more): &Along| {
                ((kernel - 1) * dilation + 1 + more).saturating_sub(padding[0] + padding[1])
            };
            let op = Conv::<D> {
                stride: std::array::from_fn(|axis| at(axis).0[1]),
                padding: std::array::from_fn(|axis| at(axis).1),
                dilation: std::array::from_fn(|axis| at(axis).0[2]),
                groups,
                activation,
            };
            let x = [samples, groups * from].into_iter().chain(axes.iter().map(length)).collect();
            let w = [groups * to, from].into_iter().chain(axes.iter().map(|axis| axis.0[0])).collect();
            case(op, x, w, bias.then_some(groups * to))
        },
    )
}

/// Transposed convolutions over `D` axes.
pub(crate) fn transposed<const D: usize>() -> impl Strategy<Value = Case>
where
    ConvTranspose<D>: nn_core::Op<f64> + nn_core::Op<f32>,
{
    (sizes(), prop::collection::vec(along(), D), smooth()).prop_flat_map(
        |(([samples, groups, from, to], bias), axes, activation)| {
            let at = |axis: usize| axes[axis];
            // The padding must leave something of the output.
            let padding = |axis: usize| {
                let ([kernel, _, dilation], [padding, _], _) = at(axis);
                padding.min((kernel - 1) * dilation / 2)
            };
            let op = ConvTranspose::<D> {
                stride: std::array::from_fn(|axis| at(axis).0[1]),
                padding: std::array::from_fn(padding),
                output_padding: std::array::from_fn(|axis| {
                    let ([_, stride, dilation], [_, after], _) = at(axis);
                    after.min(stride.max(dilation) - 1)
                }),
                dilation: std::array::from_fn(|axis| at(axis).0[2]),
                groups,
                activation,
            };
            let x = [samples, groups * from].into_iter().chain(axes.iter().map(|axis| axis.2.min(3) + 1));
            let w = [groups * from, to].into_iter().chain(axes.iter().map(|axis| axis.0[0])).collect();
            case(op, x.collect(), w, bias.then_some(groups * to))
        },
    )
}
