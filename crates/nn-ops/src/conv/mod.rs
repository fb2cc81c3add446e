//! Convolutions of one and two dimensions, and their transposes.

mod backward;
mod behind;
mod convolution;
mod direct;
mod forward;
mod geometry;
mod inner;
mod map;
mod memory;
mod outer;
mod shifted;
mod tile;
mod transposed;
mod transposition;
mod weight;
mod window;
mod winograd;

pub use convolution::Conv;
pub use transposed::ConvTranspose;

use ndarray::{ArrayBase, Axis, Ix1, Ix4, IxDyn, RawData};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, View, ViewMut};

use crate::Activation;
use backward::Given;
use geometry::Geometry;

/// An array of `D` spatial axes as one of two; that of one dimension gets a height of 1.
fn planes<S: RawData, const D: usize>(array: ArrayBase<S, IxDyn>) -> ArrayBase<S, Ix4> {
    let array = if D == 1 { array.insert_axis(Axis(2)) } else { array };
    array.into_dimensionality().expect("samples, channels, height and width")
}

/// A convolution or its transpose, and the activation behind it.
type Setting<'a> = (&'a Geometry, bool, Activation);

/// What running it needs and gives.
fn outline<F: Real, const D: usize>(
    op: &'static str,
    (g, transposed, activation): Setting<'_>,
    inputs: &[&[usize]],
) -> Result<Outline, ShapeError> {
    if !activation.derivative_reads_output() {
        let expected = format!("no activation like {activation:?}, whose derivative needs its input");
        return Err(ShapeError::Input { op, input: 0, expected, got: inputs[0].to_vec() });
    }
    let (channels, lengths) = if transposed { (g.x_channels, g.x) } else { (g.y_channels, g.y) };
    let shape = [&[g.samples, g.groups * channels], &lengths[2 - D..]].concat();
    let scratch = forward::scratch::<F>(g, transposed).max(backward::scratch::<F>(g, transposed));
    let outline = Outline::new(shape, inputs.len()).scratch(scratch).reads_inputs(&[0, 1]);
    let outline = outline.flops(g.work().saturating_mul(2));
    Ok(if activation == Activation::Identity { outline } else { outline.reads_output() })
}

fn run_forward<F: Real, const D: usize>(
    setting: Setting<'_>,
    inputs: &[View<'_, F>],
    output: ViewMut<'_, F>,
    memory: Memory<'_, F>,
) {
    let (x, weight) = (planes::<_, D>(inputs[0].view()), planes::<_, D>(inputs[1].view()));
    let bias = inputs.get(2).map(|bias| bias.view().into_dimensionality::<Ix1>().expect("a vector"));
    forward::forward(setting, x, (&weight, bias.as_ref()), planes::<_, D>(output), memory.scratch);
}

fn run_backward<F: Real, const D: usize>(
    setting: Setting<'_>,
    io: &Io<'_, '_, F>,
    d_output: View<'_, F>,
    d_inputs: &mut [Grad<'_, F>],
    memory: Memory<'_, F>,
) {
    let given = Given {
        input: planes::<_, D>(io.input(0)),
        weight: planes::<_, D>(io.input(1)),
        output: (setting.2 != Activation::Identity).then(|| planes::<_, D>(io.output())),
        d_output: planes::<_, D>(d_output),
    };
    let (targets, bias) = d_inputs.split_at_mut(2);
    let [input, weight] = targets else { panic!("{} gradients instead of 2 or 3", targets.len()) };
    let target = |grad| Grad::target(grad).map(|(view, accumulate)| (planes::<_, D>(view), accumulate));
    let targets = [target(input), target(weight)];
    backward::backward(setting, &given, targets, bias.first_mut(), memory.scratch);
}
