//! The weights of attention: the softmax of scaled and masked scores.

use ndarray::{Axis, Ix4};
use nn_core::{Grad, Io, Memory, Outline, Real, ShapeError, Step, ValueError, View, ViewMut, shape};

use crate::operation::Body;
use crate::simd::dispatch;
use crate::slices::{PARALLEL, add, fold_slices, join, max_value, sum};

/// The weights with which each query takes the values of the keys: y = softmax(scale·x) over the keys that it sees.
///
/// Inputs: the scores q·k `[batch, heads, queries, keys]` and, if there is a mask, `[batch, keys]`, 1 where a key is
/// to be left out and 0 where not, as PyTorch's `key_padding_mask`. Output: the shape of the scores; 0 for keys that
/// are not seen.
///
/// Backward: dx = scale·y·(dy − Σ dy·y); the mask has the gradient 0.
///
/// Values: [`nn_core::Op::check`] refuses masks with other numbers, and those that leave out all keys of a sequence, for
/// which PyTorch gives NaN. A query of another sequence may still see no key, where the first keys are masked and it
/// must not look ahead: its weights are 0, and so is their gradient.
///
/// Source: Vaswani and others 2017, "Attention is all you need", equation 1 (arXiv:1706.03762).
///
/// ```
/// use ndarray::array;
/// use nn_core::{Step, evaluate};
/// use nn_ops::AttentionWeights;
///
/// let scores = array![[[[1.0, 9.0], [2.0, 2.0]]]].into_dyn(); // the first query must not see the second key
/// let y = evaluate(&AttentionWeights { scale: 1.0, causal: true }, &Step::default(), &[scores.view()])?;
/// assert_eq!(y.output, array![[[[1.0, 0.0], [0.5, 0.5]]]].into_dyn());
/// # Ok::<(), nn_core::EvaluateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionWeights {
    /// The factor of the scores, 1/√d for queries and keys of d elements.
    pub scale: f64,
    /// Whether query i sees the keys 0 to i alone, so that nobody looks ahead.
    pub causal: bool,
}

const NAME: &str = "attention_weights";

impl<F: Real> Body<F> for AttentionWeights {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let (scores, mask) = match *inputs {
            [scores] => (scores, None),
            [scores, mask] => (scores, Some(mask)),
            _ => return Err(ShapeError::Arity { op: NAME, expected: 2, got: inputs.len() }),
        };
        let (&[batch, _, _, keys], false) = (scores, scores.contains(&0)) else {
            let expected = "[batch, heads, queries, keys], none of them 0".to_owned();
            return Err(ShapeError::Input { op: NAME, input: 0, expected, got: scores.to_vec() });
        };
        if let Some(mask) = mask.filter(|&mask| mask != [batch, keys]) {
            let expected = format!("a mask [batch, keys], here [{batch}, {keys}]");
            return Err(ShapeError::Input { op: NAME, input: 1, expected, got: mask.to_vec() });
        }
        let size = shape::size(scores);
        let outline = Outline::new(scores, inputs.len()).reads_output().scratch(3 * keys);
        Ok(outline.flops(size.saturating_mul(10)))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        let Some(mask) = inputs.get(1) else { return Ok(()) };
        let error = |index, value: F, expected: &str| {
            let (value, expected) = (value.to_f64(), expected.to_owned());
            Err(ValueError { op: NAME, input: 1, index, value, expected })
        };
        for (n, row) in mask.outer_iter().enumerate() {
            if let Some((s, &value)) =
                row.iter().enumerate().find(|(_, v)| **v != F::zero() && **v != F::one())
            {
                return error(vec![n, s], value, "0 or 1");
            }
            if row.iter().all(|&value| value == F::one()) {
                return error(vec![n], F::one(), "0 for at least one key of the sequence");
            }
        }
        Ok(())
    }

    fn has_check(&self) -> bool {
        true
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let shape: [usize; 4] = inputs[0].shape().try_into().expect("four axes");
        let scale = F::from_f64(self.scale);
        let mask = inputs.get(1).map(|mask| mask.view());
        let mask = mask.map(|mask| mask.into_dimensionality::<ndarray::Ix2>().expect("a mask of two axes"));
        let mask_of = |n: usize| mask.as_ref().map(|mask| mask.index_axis(Axis(0), n));
        let contiguous = mask.as_ref().is_none_or(ndarray::ArrayBase::is_standard_layout);
        if inputs[0].is_standard_layout()
            && contiguous
            && let (Some(x), Some(y)) = (inputs[0].as_slice(), output.as_slice_mut())
        {
            let row = |r: usize, x: &[F], y: &mut [F]| {
                let mask = mask_of(r / (shape[1] * shape[2]));
                let mask = mask.as_ref().map(|mask| mask.as_slice().expect("a contiguous row"));
                self.forward_row(r % shape[2], scale, x, mask, y);
            };
            return by_rows([x, x], y, 0, shape[3], &|r, [x, _], y| row(r, x, y));
        }
        let [x, mask, y] = thirds(memory.scratch, shape[3]);
        let scores = inputs[0].view().into_dimensionality::<Ix4>().expect("four axes");
        let mut output = output.into_dimensionality::<Ix4>().expect("four axes");
        for ((n, h, l), mut lane) in indexed_lanes(shape).zip(output.lanes_mut(Axis(3))) {
            x.iter_mut().zip(scores.slice(ndarray::s![n, h, l, ..])).for_each(|(x, &from)| *x = from);
            let row = mask_of(n);
            if let Some(row) = &row {
                mask.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
            }
            self.forward_row(l, scale, x, row.map(|_| &*mask), y);
            lane.iter_mut().zip(&*y).for_each(|(to, &from)| *to = from);
        }
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        dy: View<'_, F>,
        dx: &mut [Grad<'_, F>],
    ) {
        if let Some(Grad::Overwrite(mask)) = dx.get_mut(1) {
            mask.fill(F::zero());
        }
        let Some((mut target, accumulate)) = dx[0].target() else { return };
        let (y, scale) = (io.output(), F::from_f64(self.scale));
        let width = y.shape()[3];
        if y.is_standard_layout()
            && dy.is_standard_layout()
            && let (Some(y), Some(dy), Some(dx)) = (y.as_slice(), dy.as_slice(), target.as_slice_mut())
        {
            let row = |[y, dy]: [&[F]; 2], dx: &mut [F]| backward_row(scale, y, dy, dx, accumulate);
            return by_rows([y, dy], dx, 0, width, &|_, inputs, dx| row(inputs, dx));
        }
        let [y_row, dy_row, dx_row] = thirds(memory.scratch, width);
        let lanes = y.lanes(Axis(3)).into_iter().zip(dy.lanes(Axis(3)));
        for ((y, dy), mut dx) in lanes.zip(target.lanes_mut(Axis(3))) {
            y_row.iter_mut().zip(&y).for_each(|(to, &from)| *to = from);
            dy_row.iter_mut().zip(&dy).for_each(|(to, &from)| *to = from);
            dx_row.iter_mut().zip(&dx).for_each(|(to, &from)| *to = from);
            backward_row(scale, y_row, dy_row, dx_row, accumulate);
            dx.iter_mut().zip(&*dx_row).for_each(|(to, &from)| *to = from);
        }
    }
}

impl AttentionWeights {
    /// The weights of query `l`.
    fn forward_row<F: Real>(&self, l: usize, scale: F, x: &[F], mask: Option<&[F]>, y: &mut [F]) {
        let visible = if self.causal { x.len().min(l + 1) } else { x.len() };
        let (y, hidden) = y.split_at_mut(visible);
        hidden.fill(F::zero());
        let x = &x[..visible];
        dispatch(
            #[inline(always)]
            || match mask {
                None => y.iter_mut().zip(x).for_each(|(y, &x)| *y = scale * x),
                Some(mask) => {
                    for ((y, &x), &mask) in y.iter_mut().zip(x).zip(mask) {
                        *y = if mask == F::one() { -F::INFINITY } else { scale * x };
                    }
                }
            },
        );
        let max = max_value(y);
        if max == -F::INFINITY {
            return y.fill(F::zero());
        }
        dispatch(
            #[inline(always)]
            || y.iter_mut().for_each(|y| *y = (*y - max).exp_nonpositive()),
        );
        let total = sum(y);
        dispatch(
            #[inline(always)]
            || y.iter_mut().for_each(|y| *y /= total),
        );
    }
}

fn backward_row<F: Real>(scale: F, y: &[F], dy: &[F], dx: &mut [F], accumulate: bool) {
    let mean = fold_slices(
        [y, dy],
        F::zero(),
        #[inline(always)]
        |[y, dy]| y * dy,
        add,
    );
    dispatch(
        #[inline(always)]
        || {
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                let gradient = scale * (y * (dy - mean));
                *dx = if accumulate { *dx + gradient } else { gradient };
            }
        },
    );
}

/// What is done with one row: its number, two rows to read, and one to write.
type RowFn<'f, F> = dyn Fn(usize, [&[F]; 2], &mut [F]) + Sync + 'f;

/// Runs `kernel` on rows of `width` elements, the first of which has the number `first`.
fn by_rows<F: Real>(read: [&[F]; 2], target: &mut [F], first: usize, width: usize, kernel: &RowFn<'_, F>) {
    let rows = target.len() / width;
    if target.len() >= PARALLEL && rows > 1 {
        let middle = rows / 2;
        let (low, high) = target.split_at_mut(middle * width);
        join(
            true,
            || by_rows(read.map(|x| &x[..middle * width]), low, first, width, kernel),
            || by_rows(read.map(|x| &x[middle * width..]), high, first + middle, width, kernel),
        );
        return;
    }
    for (i, target) in target.chunks_exact_mut(width).enumerate() {
        kernel(first + i, read.map(|x| &x[i * width..(i + 1) * width]), target);
    }
}

/// The positions of all rows of an array, in row-major order.
fn indexed_lanes([batch, heads, queries, _]: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..batch * heads * queries).map(move |r| (r / queries / heads, r / queries % heads, r % queries))
}

/// Three rows of working memory.
fn thirds<F>(scratch: &mut [F], width: usize) -> [&mut [F]; 3] {
    let (a, rest) = scratch.split_at_mut(width);
    let (b, rest) = rest.split_at_mut(width);
    [a, b, &mut rest[..width]]
}
