//! Cross-entropy of C classes, fused with softmax.

use ndarray::{Array2, ArrayD, ArrayRef1, ArrayRef2, ArrayView1, ArrayView2, Axis, Dimension, Ix1, Ix2};
use nn_core::{
    EvaluateError, Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, ValueError, View, ViewMut,
};
use nn_ops::simd::dispatch;
use nn_ops::{max_value, sum};

use crate::reduction::{
    Reduction, check_inputs, eager_gradient, eager_loss, saved_view, write_losses, write_scaled,
};

const NAME: &str = "softmax_cross_entropy";
/// Elements of short rows that are worked on together, so that `exp` runs over long stretches.
const GROUP: usize = 1024;
/// Rows that are worked on together.
const ROWS: usize = 64;

/// The cross-entropy of one class out of C, from logits, as `torch.nn.CrossEntropyLoss`.
///
/// With ŷᵢ = softmax(zᵢ) and class tᵢ of case i, lᵢ = −ln ŷᵢ,ₜᵢ = ln Σⱼ e^(zᵢⱼ − max zᵢ) − (zᵢ,ₜᵢ − max zᵢ), which
/// neither overflows nor takes the logarithm of 0.
///
/// - Inputs: logits z of shape `[m, C]`, and the classes t of shape `[m]`: whole numbers from 0 to C − 1, stored as the
///   scalar type. Neither m nor C may be 0.
/// - Output: the mean over the m cases, the sum, or lᵢ in the shape `[m]`.
/// - Gradients: ∂lᵢ/∂zᵢ = ŷᵢ − yᵢ, where yᵢ is 1 at class tᵢ and 0 elsewhere; 0 for the classes.
///
/// The forward pass leaves ŷ − y behind, so that the backward pass is one scaled copy. Without
/// [`check`](Op::check), a class out of range makes `forward` panic.
///
/// ```
/// use ndarray::array;
/// use nn_loss::SoftmaxCrossEntropy;
///
/// let logits = array![[0.0, 3f64.ln()], [-5e3, 5e3]];
/// let (cost, dz) = SoftmaxCrossEntropy::new().loss_and_gradient(&logits, &array![0.0, 1.0]).unwrap();
/// assert!((cost - 4f64.ln() / 2.0).abs() < 1e-15);
/// assert!((dz - array![[-0.375, 0.375], [0.0, 0.0]]).iter().all(|d| d.abs() < 1e-15));
///
/// let error = SoftmaxCrossEntropy::new().loss(&logits, &array![0.0, 2.0]).unwrap_err();
/// assert_eq!(error.to_string(), "softmax_cross_entropy: input 1 holds 2 at [1], expected a class from 0 to 1");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SoftmaxCrossEntropy {
    /// How the losses of the cases are combined; the mean by default.
    pub reduction: Reduction,
}

impl SoftmaxCrossEntropy {
    /// The mean over the cases.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        SoftmaxCrossEntropy { reduction }
    }

    /// The loss of logits \[m, C\] on plain arrays: a scalar, or an array \[m\] for [`Reduction::None`].
    ///
    /// # Errors
    /// When the shapes do not fit or are empty, or a class is not a whole number from 0 to C − 1.
    pub fn loss<F: Real>(
        &self,
        logits: &ArrayRef2<F>,
        classes: &ArrayRef1<F>,
    ) -> Result<ArrayD<F>, EvaluateError> {
        eager_loss(self, logits, classes)
    }

    /// The loss on plain arrays and its gradient with respect to the logits.
    ///
    /// With [`Reduction::None`] it is that of the sum.
    ///
    /// # Errors
    /// When the shapes do not fit or are empty, or a class is not a whole number from 0 to C − 1.
    pub fn loss_and_gradient<F: Real>(
        &self,
        logits: &ArrayRef2<F>,
        classes: &ArrayRef1<F>,
    ) -> Result<(F, Array2<F>), EvaluateError> {
        eager_gradient(self, logits, classes)
    }
}

/// The class that a number stands for, where it is whole and below `classes`.
fn class<F: Real>(target: F, classes: usize) -> Option<usize> {
    // Negative numbers and NaN become 0, which does not compare equal to them.
    let class = target.to_f64() as usize;
    (class < classes && F::from_usize(class) == target).then_some(class)
}

fn expected(classes: usize) -> String {
    format!("a class from 0 to {}", classes - 1)
}

/// The logits and the classes, with the axes they must have.
#[track_caller]
fn views<'a, F: Real>(inputs: &'a [View<'_, F>]) -> (ArrayView2<'a, F>, ArrayView1<'a, F>) {
    let logits = inputs[0].view().into_dimensionality::<Ix2>();
    let classes = inputs[1].view().into_dimensionality::<Ix1>();
    match (logits, classes) {
        (Ok(logits), Ok(classes)) if logits.nrows() == classes.len() => (logits, classes),
        _ => panic!("{NAME}: shapes {:?} and {:?} do not fit", inputs[0].shape(), inputs[1].shape()),
    }
}

impl<F: Real> Op<F> for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        check_inputs(NAME, inputs)?;
        let &[rows, classes] = inputs[0] else {
            let (expected, got) = ("logits [cases, classes]".to_owned(), inputs[0].to_vec());
            return Err(ShapeError::Input { op: NAME, input: 0, expected, got });
        };
        if inputs[1] != [rows] {
            let (left, right) = (inputs[0].to_vec(), inputs[1].to_vec());
            let expected = "one class for each row of logits".to_owned();
            return Err(ShapeError::Mismatch { op: NAME, expected, left, right });
        }
        Ok(Outline::new(self.reduction.shape(&[rows]), 2).saved(rows * classes))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        let (logits, targets) = views(inputs);
        let classes = logits.ncols();
        match targets.iter().position(|&t| class(t, classes).is_none()) {
            None => Ok(()),
            Some(i) => {
                let (index, value, expected) = (vec![i], targets[i].to_f64(), expected(classes));
                Err(ValueError { op: NAME, input: 1, index, value, expected })
            }
        }
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves ŷ − y.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let (logits, targets) = views(inputs);
        let (rows, width) = logits.dim();
        assert_eq!(self.reduction.shape(&[rows]), output.shape(), "{NAME}: shape of the output");
        let group = (GROUP / width.max(1)).clamp(1, ROWS);
        let mut losses = [F::zero(); ROWS];
        let mut total = 0.0;
        let mut each = output.iter_mut();
        let groups = logits.axis_chunks_iter(Axis(0), group).zip(targets.axis_chunks_iter(Axis(0), group));
        for ((logits, targets), block) in groups.zip(memory.saved.chunks_mut(group * width)) {
            copy_rows(logits, block);
            let losses = &mut losses[..targets.len()];
            rows_forward(block, targets, losses);
            if self.reduction == Reduction::None {
                write_losses(losses, &mut each);
            } else {
                total += sum(losses).to_f64();
            }
        }
        if self.reduction != Reduction::None {
            output.fill(self.reduction.finish(total, rows));
        }
    }

    fn backward(
        &self,
        _: &Step,
        _: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        mut d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        if let Grad::Overwrite(d_classes) = &mut d_inputs[1] {
            d_classes.fill(F::zero());
        }
        let Some(shape) = d_inputs[0].target().map(|(target, _)| target.raw_dim()) else { return };
        if self.reduction == Reduction::None {
            d_output.insert_axis_inplace(Axis(1));
        }
        let weight = self.reduction.weight(shape[0]);
        write_scaled(&saved_view(memory.saved, shape.slice()), weight, &d_output, &mut d_inputs[0]);
    }
}

/// Copies rows of any memory layout into a block in which they lie one after another.
fn copy_rows<F: Real>(rows: ArrayView2<'_, F>, block: &mut [F]) {
    if let Some(rows) = rows.as_slice() {
        return block.copy_from_slice(rows);
    }
    for (to, &from) in block.iter_mut().zip(rows) {
        *to = from;
    }
}

/// Turns rows of logits into ŷ − y, and writes the loss of each row.
///
/// # Panics
/// When a target is no class.
fn rows_forward<F: Real>(block: &mut [F], targets: ArrayView1<'_, F>, losses: &mut [F]) {
    let width = block.len() / losses.len();
    let class_of = |row: usize| match class(targets[row], width) {
        Some(class) => class,
        None => panic!("{NAME}: input 1 holds {}, expected {}", targets[row], expected(width)),
    };
    let mut of_class = [F::zero(); ROWS];
    for (row, z) in block.chunks_exact_mut(width).enumerate() {
        let max = max_value(z);
        update(z, |z| z - max);
        of_class[row] = z[class_of(row)];
    }
    update(block, F::exp);
    for (row, e) in block.chunks_exact_mut(width).enumerate() {
        let total = sum(e);
        losses[row] = total;
        let scale = F::one() / total;
        update(e, |e| e * scale);
        e[class_of(row)] -= F::one();
    }
    update(losses, F::ln);
    for (loss, of_class) in losses.iter_mut().zip(of_class) {
        *loss -= of_class;
    }
}

/// Replaces each value by that of a function.
#[inline(always)]
fn update<F: Real>(values: &mut [F], f: impl Fn(F) -> F) {
    dispatch(
        #[inline(always)]
        move || {
            for v in values {
                *v = f(*v);
            }
        },
    );
}
