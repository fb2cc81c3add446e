//! The linear layer: product, bias and activation in one operation.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, Ix2};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, View, ViewMut, shape};

use crate::activation::add_column_sums;
use crate::operation::Body;
use crate::rows::{blocks, for_blocks_mut};
use crate::{Activation, gemm};

/// y = activation(x·Wᵀ + b).
///
/// Inputs: x `[…, in]`, W `[out, in]`, and optionally b `[out]`; output `[…, out]`. One pass over the output adds
/// the bias and applies the activation; one pass over its gradient undoes both.
///
/// The activation must be one whose derivative follows from its output
/// ([`Activation::derivative_reads_output`]); record the others as an operation of their own.
///
/// Source: as `torch.nn.functional.linear`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// What is applied to the sum; [`Activation::Identity`] for nothing.
    pub activation: Activation,
    /// Whether W is given as `[in, out]`, so that y = activation(x·W + b).
    pub weight_is_transposed: bool,
}

const NAME: &str = "linear";

impl<F: Real> Body<F> for Linear {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let (x, w, bias) = match *inputs {
            [x, w] => (x, w, None),
            [x, w, bias] => (x, w, Some(bias)),
            _ => return Err(ShapeError::Arity { op: NAME, expected: 3, got: inputs.len() }),
        };
        let layout = if self.weight_is_transposed { "[in, out]" } else { "[out, in]" };
        let [w0, w1] = *w else {
            return Err(input_error(1, format!("a matrix {layout}"), w));
        };
        let (features, out) = if self.weight_is_transposed { (w0, w1) } else { (w1, w0) };
        match x.last() {
            None => return Err(input_error(0, "an array with at least one axis".to_owned(), x)),
            Some(&last) if last != features => {
                let expected =
                    format!("the last axis of the input must be the weight's `in` of {layout}, {features}");
                return Err(ShapeError::Mismatch { op: NAME, expected, left: x.to_vec(), right: w.to_vec() });
            }
            Some(_) => {}
        }
        if let Some(bias) = bias
            && *bias != [out]
        {
            return Err(input_error(2, format!("a bias of shape [{out}]"), bias));
        }
        if !self.activation.derivative_reads_output() {
            let expected =
                format!("no activation like {:?}, whose derivative needs its input", self.activation);
            return Err(input_error(0, expected, x));
        }
        let mut result = x.to_vec();
        result[x.len() - 1] = out;
        let size = shape::size(&result);
        let outline =
            Outline::new(result, inputs.len()).scratch(size.saturating_add(ROWS * out)).reads_inputs(&[0, 1]);
        let outline = outline.flops(size.saturating_mul(2 * features));
        Ok(if self.activation == Activation::Identity { outline } else { outline.reads_output() })
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let weight = self.out_in(&inputs[1]);
        let (product, spare) = memory.scratch.split_at_mut(output.len());
        let bias = inputs.get(2).map(|bias| contiguous(bias, &mut spare[..weight.nrows()]));
        match output.as_slice_mut() {
            Some(target) => self.forward_into(&inputs[0], weight, bias, target),
            None => {
                self.forward_into(&inputs[0], weight, bias, product);
                output.iter_mut().zip(product).for_each(|(to, &mut from)| *to = from);
            }
        }
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let (x, w) = (io.input(0), io.input(1));
        let weight = self.out_in(&w);
        let out = weight.nrows();
        let dz = self.before_activation(io, &d_output, memory.scratch, d_inputs.get_mut(2), out);
        let rows = shape::size(&x.shape()[..x.ndim() - 1]);
        let dz = ArrayView2::from_shape((rows, out), dz).expect("rows of the output");
        if let Some((mut target, accumulate)) = d_inputs[1].target() {
            let mut target = target.view_mut().into_dimensionality::<Ix2>().expect("the weight is a matrix");
            if self.weight_is_transposed {
                target = target.reversed_axes();
            }
            let mut beta = if accumulate { F::one() } else { F::zero() };
            for (first, x) in blocks(&x) {
                let dz = dz.slice_axis(Axis(0), (first..first + x.nrows()).into());
                gemm(F::one(), dz.t(), x, beta, target.view_mut());
                beta = F::one();
            }
            if x.is_empty() && !accumulate {
                target.fill(F::zero());
            }
        }
        let beta = d_inputs[0].beta();
        if let Some((target, _)) = d_inputs[0].target() {
            for_blocks_mut(target, |first, target| {
                let dz = dz.slice_axis(Axis(0), (first..first + target.nrows()).into());
                gemm(F::one(), dz, weight, beta, target);
            });
        }
    }
}

/// Rows of working memory beside the gradient before the activation: for a bias, its gradient, and an output and
/// its gradient where these are not contiguous.
const ROWS: usize = 3;

fn input_error(input: usize, expected: String, got: &[usize]) -> ShapeError {
    ShapeError::Input { op: NAME, input, expected, got: got.to_vec() }
}

impl Linear {
    /// The weight as `[out, in]`.
    fn out_in<'a, F: Real>(&self, weight: &View<'a, F>) -> ArrayView2<'a, F> {
        let weight = weight.clone().into_dimensionality::<Ix2>().expect("the weight is a matrix");
        if self.weight_is_transposed { weight.reversed_axes() } else { weight }
    }

    fn forward_into<F: Real>(
        &self,
        x: &View<'_, F>,
        weight: ArrayView2<'_, F>,
        bias: Option<&[F]>,
        output: &mut [F],
    ) {
        let out = weight.nrows();
        if out == 0 {
            return;
        }
        for (first, x) in blocks(x) {
            let rows = &mut output[first * out..(first + x.nrows()) * out];
            let target = ArrayViewMut2::from_shape((x.nrows(), out), rows).expect("rows of the output");
            gemm(F::one(), x, weight.t(), F::zero(), target);
        }
        self.activation.activate_rows(output, bias, out);
    }

    /// dz = d_output ⊙ activation′, in working memory where it is not the gradient of the output itself; writes the
    /// gradient of the bias, its column sums.
    fn before_activation<'a, F: Real>(
        &self,
        io: &Io<'_, '_, F>,
        d_output: &'a View<'_, F>,
        scratch: &'a mut [F],
        d_bias: Option<&mut Grad<'_, F>>,
        out: usize,
    ) -> &'a [F] {
        let (dz, spare) = scratch.split_at_mut(d_output.len());
        let (sums, spare) = spare.split_at_mut(out);
        sums.fill(F::zero());
        let d_bias = d_bias.filter(|grad| grad.is_needed());
        let wanted = d_bias.is_some().then_some(&mut *sums);
        let dz = match (self.activation, d_output.as_slice()) {
            (Activation::Identity, Some(dz)) => {
                if let Some(sums) = wanted {
                    add_column_sums(dz, sums);
                }
                dz
            }
            (Activation::Identity, None) => {
                self.backward_rows_into(d_output, d_output, dz, wanted, spare, out);
                dz
            }
            _ => {
                self.backward_rows_into(&io.output(), d_output, dz, wanted, spare, out);
                dz
            }
        };
        if let Some((mut target, accumulate)) = d_bias.and_then(Grad::target) {
            for (to, &sum) in target.iter_mut().zip(&*sums) {
                *to = if accumulate { *to + sum } else { sum };
            }
        }
        dz
    }

    /// dz = d_output ⊙ activation′ from the output, and its column sums, where they are wanted.
    fn backward_rows_into<F: Real>(
        &self,
        output: &View<'_, F>,
        d_output: &View<'_, F>,
        dz: &mut [F],
        mut sums: Option<&mut [F]>,
        spare: &mut [F],
        out: usize,
    ) {
        if let (Some(y), Some(dy)) = (output.as_slice(), d_output.as_slice()) {
            return self.activation.backward_rows(y, dy, dz, sums, out);
        }
        if out == 0 {
            return;
        }
        let (y_row, dy_row) = spare.split_at_mut(out);
        for ((y, dy), dz) in output.rows().into_iter().zip(d_output.rows()).zip(dz.chunks_exact_mut(out)) {
            y_row.iter_mut().zip(y).for_each(|(to, &from)| *to = from);
            dy_row.iter_mut().zip(dy).for_each(|(to, &from)| *to = from);
            self.activation.backward_rows(y_row, dy_row, dz, sums.as_deref_mut(), out);
        }
    }
}

/// The elements of a vector as a slice, copied into `spare` where they are not contiguous.
fn contiguous<'a, F: Real>(vector: &'a View<'_, F>, spare: &'a mut [F]) -> &'a [F] {
    match vector.as_slice() {
        Some(slice) => slice,
        None => {
            spare.iter_mut().zip(vector).for_each(|(to, &from)| *to = from);
            spare
        }
    }
}
