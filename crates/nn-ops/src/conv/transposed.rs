//! Transposed convolution.

use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use super::geometry::{Geometry, check, inputs, pair, transposed_length};
use crate::Activation;
use crate::operation::Body;

/// Transposed convolution over `D` = 1 or 2 axes: the map by which the gradient passes back through a
/// [convolution](crate::Conv), with a bias; it takes an image to a larger one.
///
/// y[n, o, p·stride + k·dilation − padding] collects x[n, c, p]·w[c, o, k], summed over c in the group of o, p and k;
/// then b\[o\] is added and the activation applied.
///
/// Inputs: x `[samples, in, height, width]`, w `[in, out/groups, height, width]` and optionally b `[out]`; without the
/// height for `D` = 1. Output: `[samples, out, height, width]` of (length − 1)·stride − 2·padding + dilation·(kernel −
/// 1) + output_padding + 1 along each axis.
///
/// The activation must be one whose derivative follows from its output
/// ([`Activation::derivative_reads_output`]); record the others as an operation of their own.
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::ConvTranspose;
///
/// let double = ConvTranspose::<1> { stride: [2], ..ConvTranspose::default() };
/// let (x, w) = (array![[[1.0, 4.0, 9.0]]].into_dyn(), array![[[1.0, 0.5]]].into_dyn());
/// let y = evaluate(&double, &Step::default(), &[x.view(), w.view()])?.output;
/// assert_eq!(y, array![[[1.0, 0.5, 4.0, 2.0, 9.0, 4.5]]].into_dyn());
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
///
/// Source: as `torch.nn.functional.conv_transpose1d` and `conv_transpose2d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvTranspose<const D: usize> {
    /// Steps between the places of neighbouring elements of x, at least 1; the default is 1.
    pub stride: [usize; D],
    /// Elements cut off at either end of each axis; the default is none.
    pub padding: [usize; D],
    /// Elements added at the end of each axis, less than the stride or the dilation; the default is none.
    pub output_padding: [usize; D],
    /// Steps between neighbouring elements of the kernel, at least 1; the default is 1.
    pub dilation: [usize; D],
    /// Groups of channels that are convolved apart, a divisor of both numbers of channels; the default is 1.
    pub groups: usize,
    /// What is applied to the sum; the default is [`Activation::Identity`].
    pub activation: Activation,
}

impl<const D: usize> Default for ConvTranspose<D> {
    fn default() -> Self {
        ConvTranspose {
            stride: [1; D],
            padding: [0; D],
            output_padding: [0; D],
            dilation: [1; D],
            groups: 1,
            activation: Activation::Identity,
        }
    }
}

impl<const D: usize> ConvTranspose<D> {
    const NAME: &'static str = if D == 1 { "conv_transpose1d" } else { "conv_transpose2d" };

    /// All sizes.
    fn geometry(&self, shapes: &[&[usize]]) -> Result<Geometry, ShapeError> {
        const { assert!(D == 1 || D == 2, "convolutions have one or two axes") }
        let (y, w, bias) = inputs::<D>(Self::NAME, shapes)?;
        let out = w[1].saturating_mul(self.groups);
        check(Self::NAME, (y, w, bias), (&self.stride, &self.dilation, self.groups), (w[0], out))?;
        let mut x = [0; D];
        for (axis, length) in x.iter_mut().enumerate() {
            let steps = (self.stride[axis], self.dilation[axis]);
            let paddings = (self.padding[axis], self.output_padding[axis]);
            *length = transposed_length(Self::NAME, (y, w), axis, steps, paddings)?;
        }
        let geometry = Geometry {
            samples: y[0],
            groups: self.groups,
            x_channels: w[1],
            y_channels: w[0] / self.groups,
            x: pair::<D>(&x, 1),
            y: pair::<D>(&y[2..], 1),
            kernel: pair::<D>(&w[2..], 1),
            stride: pair::<D>(&self.stride, 1),
            dilation: pair::<D>(&self.dilation, 1),
            padding: pair::<D>(&self.padding, 0),
        };
        geometry.checked(Self::NAME, shapes)
    }

    fn checked<F: Real>(&self, inputs: &[View<'_, F>]) -> Geometry {
        let (x, w) = (inputs[0].shape(), inputs[1].shape());
        self.geometry(&[x, w]).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<F: Real, const D: usize> Body<F> for ConvTranspose<D> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        super::outline::<F, D>(Self::NAME, (&self.geometry(inputs)?, true, self.activation), inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let g = self.checked(inputs);
        super::run_forward::<F, D>((&g, true, self.activation), inputs, output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let g = self.checked(&[io.input(0), io.input(1)]);
        super::run_backward::<F, D>((&g, true, self.activation), io, d_output, d_inputs, memory);
    }
}
