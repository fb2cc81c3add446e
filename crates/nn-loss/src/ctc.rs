//! Connectionist temporal classification.

use ndarray::{Array3, ArrayD, ArrayRef1, ArrayRef2, ArrayRef3, ArrayView3, Axis, Ix3};
use nn_core::{
    EvaluateError, Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, ValueError, View, ViewMut,
};

use crate::check::{self, class};
use crate::classes::no_gradient;
use crate::ctc_paths::Paths;
use crate::eager;
use crate::reduction::{Reduction, check_inputs};
use crate::rows;

const NAME: &str = "ctc";

/// Connectionist temporal classification, as `torch.nn.CTCLoss`: the cost of a sequence of labels for longer sequences of
/// frames, whatever the alignment.
///
/// lₙ = −ln Σ over all paths of Πₜ p(t, πₜ), where a path names a label or the blank for each frame, and becomes the
/// target when first repetitions and then blanks are struck out. Computed by the forward–backward algorithm on
/// logarithms.
///
/// - Inputs, as in PyTorch with padded targets: **logarithms** of probabilities `[T, N, C]` (of a log-softmax), targets
///   `[N, S]`, the number of frames of each case `[N]`, and the number of labels of each case `[N]`. All but the first are
///   whole numbers stored as the scalar type: labels from 0 to C − 1 that are not the blank (what stands behind the
///   labels of a case does not matter), frames from 0 to T, numbers of labels from 0 to S. None may be empty.
/// - Output: the mean over the cases of lₙ divided by its number of labels (or 1, if there are none), the sum, or lₙ in
///   the shape `[N]`.
/// - Gradients: ∂lₙ/∂ln p(t, n, k) = −(the probability that a path for the target has k at t), 0 from the last frame of
///   the case on; 0 for the other inputs. PyTorch returns p(t, n, k) more, which is the same to all who put a log-softmax
///   before: that takes p·Σ out again. This one is the derivative itself.
/// - [`blank`](Self::blank): the class that is the blank, 0 by default.
///
/// A target that is **longer than its frames allow**, counting one frame more for each repeated label, has the loss ∞
/// and the gradient NaN; with [`zero_infinity`](Self::zero_infinity) both are 0. An empty target for no frames costs 0.
///
/// Source: Graves et al. (2006), Connectionist temporal classification, equations 5 to 15.
///
/// ```
/// use ndarray::{array, Array3};
/// use nn_loss::Ctc;
///
/// // Two frames, classes blank and `a`, each with the probability ½: the paths aa, -a and a- of four.
/// let log_probs = Array3::from_elem((2, 1, 2), 0.5f64.ln());
/// let (targets, frames, labels) = (array![[1.0]], array![2.0], array![1.0]);
/// let cost = Ctc::new().loss(&log_probs, &targets, &frames, &labels).unwrap();
/// assert!((cost[[]] + 0.75f64.ln()).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ctc {
    blank: usize,
    zero_infinity: bool,
    /// How the losses of the cases are combined; the mean by default.
    pub reduction: Reduction,
}

impl Ctc {
    /// The mean over the cases, of which class 0 is the blank.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another blank; it must be below the number of classes.
    #[must_use]
    pub fn blank(self, class: usize) -> Self {
        Ctc { blank: class, ..self }
    }

    /// Makes infinite losses, and their gradients, zero.
    #[must_use]
    pub fn zero_infinity(self) -> Self {
        Ctc { zero_infinity: true, ..self }
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        Ctc { reduction, ..self }
    }

    /// The loss on plain arrays: a scalar, or an array \[N\] for [`Reduction::None`].
    ///
    /// # Errors
    /// When the shapes do not fit or are empty, or a label or a length is out of range.
    pub fn loss<F: Real>(
        &self,
        log_probs: &ArrayRef3<F>,
        targets: &ArrayRef2<F>,
        frames: &ArrayRef1<F>,
        labels: &ArrayRef1<F>,
    ) -> Result<ArrayD<F>, EvaluateError> {
        let (frames, labels) = (frames.view().into_dyn(), labels.view().into_dyn());
        eager::loss(self, &[log_probs.view().into_dyn(), targets.view().into_dyn(), frames, labels])
    }

    /// The loss on plain arrays and its gradient with respect to the logarithms of the probabilities.
    ///
    /// With [`Reduction::None`] both are those of the sum.
    ///
    /// # Errors
    /// When the shapes do not fit or are empty, or a label or a length is out of range.
    pub fn loss_and_gradient<F: Real>(
        &self,
        log_probs: &ArrayRef3<F>,
        targets: &ArrayRef2<F>,
        frames: &ArrayRef1<F>,
        labels: &ArrayRef1<F>,
    ) -> Result<(F, Array3<F>), EvaluateError> {
        let (frames, labels) = (frames.view().into_dyn(), labels.view().into_dyn());
        let inputs = [log_probs.view().into_dyn(), targets.view().into_dyn(), frames, labels];
        let (cost, mut gradients) = eager::loss_and_gradients(self, &inputs)?;
        gradients.truncate(1);
        let [gradient] = eager::shaped(gradients);
        Ok((cost, gradient))
    }

    /// What the loss of a case with so many labels is divided by, and the mean's number of cases.
    fn divisor(&self, labels: usize, cases: usize) -> f64 {
        if self.reduction == Reduction::Mean { (labels.max(1) * cases) as f64 } else { 1.0 }
    }
}

/// A whole number from 0 to `largest`.
#[track_caller]
fn whole<F: Real>(x: F, largest: usize) -> usize {
    match class(x, largest + 1) {
        Some(n) => n,
        None => panic!("{NAME}: expected a whole number from 0 to {largest}, got {x}"),
    }
}

/// The logarithms of the probabilities, with the axes they must have.
#[track_caller]
fn log_probs<'a, F: Real>(input: &'a View<'_, F>) -> ArrayView3<'a, F> {
    match input.view().into_dimensionality::<Ix3>() {
        Ok(log_probs) => log_probs,
        Err(_) => panic!("{NAME}: log-probabilities of shape {:?}", input.shape()),
    }
}

impl<F: Real> Op<F> for Ctc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        check_inputs(NAME, 4, inputs)?;
        let refuse = |input: usize, expected: String| {
            Err(ShapeError::Input { op: NAME, input, expected, got: inputs[input].to_vec() })
        };
        let &[frames, cases, classes] = inputs[0] else {
            return refuse(0, "log-probabilities [frames, cases, classes]".to_owned());
        };
        if self.blank >= classes {
            return refuse(
                0,
                format!("log-probabilities [frames, cases, classes] of which {} is the blank", self.blank),
            );
        }
        let &[targets, longest] = inputs[1] else {
            return refuse(1, "targets [cases, labels]".to_owned());
        };
        if targets != cases {
            return refuse(1, format!("targets [cases, labels] of {cases} cases"));
        }
        if let Some(input) = [2, 3].into_iter().find(|&i| inputs[i] != [cases]) {
            return refuse(input, format!("one length for each of {cases} cases"));
        }
        let outline = Outline::new(self.reduction.shape(&[cases]), 4).reads_inputs(&[0, 1, 2, 3]);
        Ok(outline
            .saved(cases * (1 + frames * Paths::<F>::row(longest)))
            .scratch(Paths::<F>::scratch(longest)))
    }

    fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        let (frames, classes) = (inputs[0].shape()[0], inputs[0].shape()[2]);
        let longest = inputs[1].shape()[1];
        let up_to = |largest: usize| format!("a whole number from 0 to {largest}");
        check::all(NAME, 2, &inputs[2], &up_to(frames), |x| class(x, frames + 1).is_some())?;
        check::all(NAME, 3, &inputs[3], &up_to(longest), |x| class(x, longest + 1).is_some())?;
        for (n, (targets, &labels)) in inputs[1].outer_iter().zip(&inputs[3]).enumerate() {
            let is_label = |x: F| class(x, classes).is_some_and(|label| label != self.blank);
            let labels = whole(labels, longest);
            if let Some(s) = targets.iter().take(labels).position(|&x| !is_label(x)) {
                let (index, value) = (vec![n, s], targets[s].to_f64());
                let expected =
                    format!("a label from 0 to {} other than the blank {}", classes - 1, self.blank);
                return Err(ValueError { op: NAME, input: 1, index, value, expected });
            }
        }
        Ok(())
    }

    fn has_check(&self) -> bool {
        true
    }

    /// Saves the loss and the forward variables of each case.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        let log_probs = log_probs(&inputs[0]);
        let (frames, cases, _) = log_probs.dim();
        let longest = inputs[1].shape()[1];
        let lengths = inputs[2].iter().zip(&inputs[3]);
        let saved = memory.saved.chunks_exact_mut(1 + frames * Paths::<F>::row(longest));
        let (mut total, mut each) = (0.0, output.iter_mut());
        for (n, ((&length, &labels), saved)) in lengths.zip(saved).enumerate() {
            let (length, labels) = (whole(length, frames), whole(labels, longest));
            let targets = inputs[1].index_axis(Axis(0), n);
            let mut paths = Paths::new(memory.scratch, targets.iter().take(labels), self.blank, longest);
            let case = log_probs.index_axis(Axis(1), n);
            let (loss, alpha) = saved.split_at_mut(1);
            loss[0] = paths.forward(case, length, alpha);
            let loss = if self.zero_infinity && loss[0] == F::INFINITY { F::zero() } else { loss[0] };
            match each.next() {
                Some(output) if self.reduction == Reduction::None => *output = loss,
                _ => total += loss.to_f64() / self.divisor(labels, cases),
            }
        }
        if self.reduction != Reduction::None {
            output.fill(F::from_f64(total));
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
        no_gradient(&mut d_inputs[1..]);
        if d_inputs[0].beta() == F::zero() {
            no_gradient(&mut d_inputs[..1]);
        }
        let Some((target, _)) = d_inputs[0].target() else { return };
        let mut target =
            target.into_dimensionality::<Ix3>().expect("the gradient has the shape of its input");
        let (first, second) = (io.input(0), io.input(1));
        let log_probs = log_probs(&first);
        let (frames, cases, _) = log_probs.dim();
        let longest = second.shape()[1];
        let (lengths, labels) = (io.input(2), io.input(3));
        let lengths = lengths.iter().zip(&labels).zip(rows::scales(&d_output, F::one()));
        let saved = memory.saved.chunks_exact(1 + frames * Paths::<F>::row(longest));
        for (n, (((&length, &labels), d), saved)) in lengths.zip(saved).enumerate() {
            let (length, labels) = (whole(length, frames), whole(labels, longest));
            let (loss, alpha) = (saved[0], &saved[1..]);
            let mut gradient = target.index_axis_mut(Axis(1), n);
            if loss == F::INFINITY {
                if !self.zero_infinity {
                    gradient.slice_axis_mut(Axis(0), (..length).into()).fill(F::NAN);
                }
                continue;
            }
            let targets = second.index_axis(Axis(0), n);
            let mut paths = Paths::new(memory.scratch, targets.iter().take(labels), self.blank, longest);
            let scale = d * F::from_f64(1.0 / self.divisor(labels, cases));
            paths.backward(log_probs.index_axis(Axis(1), n), length, (loss, alpha), gradient, scale);
        }
    }
}
