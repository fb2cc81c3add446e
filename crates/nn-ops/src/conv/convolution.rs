//! Convolution.

use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut};

use super::geometry::{Geometry, check, inputs, output_length, pair};
use crate::Activation;
use crate::operation::Body;

/// Convolution over `D` = 1 or 2 axes, as learning calls the correlation.
///
/// y[n, o, p] = activation(b\[o\] + Σ_c Σ_k x[n, c, p·stride + k·dilation − before]·w[o, c, k]), where x is 0 outside,
/// and c runs over the channels of the group of o.
///
/// Inputs: x `[samples, in, height, width]`, w `[out, in/groups, height, width]` and optionally b `[out]`; without the
/// height for `D` = 1. Output: `[samples, out, height, width]` of ⌊(before + length + after − dilation·(kernel − 1) −
/// 1)/stride⌋ + 1 along each axis.
///
/// The activation must be one whose derivative follows from its output
/// ([`Activation::derivative_reads_output`]); record the others as an operation of their own.
///
/// Nothing is unrolled into columns: the innermost loops read each sample, with zeros around it, at an offset for each
/// weight; only the gradient of a weight with few channels reads a copy of the sample for each column of the kernel.
/// A kernel of 3 × 3 with stride and dilation 1, one group and from some 32 channels on takes 16 multiplications for
/// four positions instead of 36 (Winograd's F(2 × 2, 3 × 3)); its results are within 1 ULP of Σ|w·x| in `f32`, as
/// measured with random factors, those of the other way within 3. Samples are computed apart; what is summed over
/// samples is summed over a fixed partition of them.
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::Conv;
///
/// let differences = Conv::<1> { padding: [[0, 1]], ..Conv::default() };
/// let (x, w) = (array![[[1.0, 4.0, 9.0]]].into_dyn(), array![[[-1.0, 1.0]]].into_dyn());
/// let y = evaluate(&differences, &Step::default(), &[x.view(), w.view()])?.output;
/// assert_eq!(y, array![[[3.0, 5.0, -9.0]]].into_dyn());
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
///
/// Source: as `torch.nn.functional.conv1d` and `conv2d`; Lavin, Gray 2016, "Fast algorithms for convolutional neural
/// networks".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv<const D: usize> {
    /// Steps between neighbouring positions, at least 1; the default is 1.
    pub stride: [usize; D],
    /// Zeros before the first and after the last element of each axis; the default is none.
    pub padding: [[usize; 2]; D],
    /// Steps between neighbouring elements of the kernel, at least 1; the default is 1.
    pub dilation: [usize; D],
    /// Groups of channels that are convolved apart, a divisor of both numbers of channels; the default is 1.
    pub groups: usize,
    /// What is applied to the sum; the default is [`Activation::Identity`].
    pub activation: Activation,
}

impl<const D: usize> Default for Conv<D> {
    fn default() -> Self {
        let (stride, dilation) = ([1; D], [1; D]);
        Conv { stride, padding: [[0; 2]; D], dilation, groups: 1, activation: Activation::Identity }
    }
}

impl<const D: usize> Conv<D> {
    /// The zeros before and after an axis with which, at a stride of 1, the output is as long as the input: together
    /// dilation·(kernel − 1), and where they are odd, one more after it than before, as PyTorch has it.
    pub fn same_padding(kernel: usize, dilation: usize) -> [usize; 2] {
        let zeros = dilation.saturating_mul(kernel.saturating_sub(1));
        [zeros / 2, zeros - zeros / 2]
    }

    const NAME: &'static str = if D == 1 { "conv1d" } else { "conv2d" };

    /// All sizes.
    fn geometry(&self, shapes: &[&[usize]]) -> Result<Geometry, ShapeError> {
        const { assert!(D == 1 || D == 2, "convolutions have one or two axes") }
        let (x, w, bias) = inputs::<D>(Self::NAME, shapes)?;
        let channels = (w[1].saturating_mul(self.groups), w[0]);
        check(Self::NAME, (x, w, bias), (&self.stride, &self.dilation, self.groups), channels)?;
        let mut y = [0; D];
        for (axis, length) in y.iter_mut().enumerate() {
            let steps = (self.stride[axis], self.dilation[axis]);
            *length = output_length(Self::NAME, (x, w), axis, steps, self.padding[axis])?;
        }
        let geometry = Geometry {
            samples: x[0],
            groups: self.groups,
            x_channels: w[1],
            y_channels: w[0] / self.groups,
            x: pair::<D>(&x[2..], 1),
            y: pair::<D>(&y, 1),
            kernel: pair::<D>(&w[2..], 1),
            stride: pair::<D>(&self.stride, 1),
            dilation: pair::<D>(&self.dilation, 1),
            padding: pair::<D>(&self.padding.map(|[before, _]| before), 0),
        };
        geometry.checked(Self::NAME, shapes)
    }

    fn checked<F: Real>(&self, inputs: &[View<'_, F>]) -> Geometry {
        let (x, w) = (inputs[0].shape(), inputs[1].shape());
        self.geometry(&[x, w]).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<F: Real, const D: usize> Body<F> for Conv<D> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        super::outline::<F, D>(Self::NAME, (&self.geometry(inputs)?, false, self.activation), inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let g = self.checked(inputs);
        super::run_forward::<F, D>((&g, false, self.activation), inputs, output, memory);
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
        super::run_backward::<F, D>((&g, false, self.activation), io, d_output, d_inputs, memory);
    }
}
