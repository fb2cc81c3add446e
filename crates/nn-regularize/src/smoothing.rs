//! Label smoothing of targets.

use ndarray::{ArrayRef, Axis, Dimension};
use nn_core::{RangeError, Real, check_range};

/// Label smoothing: part of each target is spread over all classes, y ← (1 − ε)y + ε/K.
///
/// - Targets: one-hot or soft, with the K classes along the last axis. The rows keep their sum.
/// - `epsilon` ε in \[0, 1\]; the paper takes 0.1. 0 changes nothing, 1 makes all targets 1/K.
///
/// The cross-entropy with targets so smoothed is `torch.nn.CrossEntropyLoss(label_smoothing=ε)`.
///
/// ```
/// use ndarray::array;
/// use nn_regularize::LabelSmoothing;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut y = array![[0.0, 1.0, 0.0, 0.0]];
/// LabelSmoothing::new(0.5)?.apply(&mut y);
/// assert_eq!(y, array![[0.125, 0.625, 0.125, 0.125]]);
///
/// let mut answers = array![0.0, 1.0];
/// LabelSmoothing::new(0.5)?.apply_binary(&mut answers);
/// assert_eq!(answers, array![0.25, 0.75]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Szegedy, Vanhoucke, Ioffe, Shlens and Wojna 2016, "Rethinking the inception architecture for computer vision",
/// section 7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSmoothing {
    epsilon: f64,
}

impl LabelSmoothing {
    /// With this ε.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn new(epsilon: f64) -> Result<Self, RangeError> {
        check_range("LabelSmoothing", "epsilon", epsilon, "[0, 1]", (0.0..=1.0).contains(&epsilon))?;
        Ok(LabelSmoothing { epsilon })
    }

    /// Smooths targets over the classes along the last axis, in place.
    ///
    /// # Panics
    /// When the array has no axis.
    #[track_caller]
    pub fn apply<F: Real, D: Dimension>(&self, targets: &mut ArrayRef<F, D>) {
        assert!(targets.ndim() > 0, "label smoothing: targets must have an axis of classes");
        self.towards(targets.len_of(Axis(targets.ndim() - 1)), targets);
    }

    /// Smooths yes-or-no answers, each of which stands for two classes, in place: y ← (1 − ε)y + ε/2.
    pub fn apply_binary<F: Real, D: Dimension>(&self, targets: &mut ArrayRef<F, D>) {
        self.towards(2, targets);
    }

    fn towards<F: Real, D: Dimension>(&self, classes: usize, targets: &mut ArrayRef<F, D>) {
        let (keep, share) = (F::from_f64(1.0 - self.epsilon), F::from_f64(self.epsilon / classes as f64));
        targets.map_inplace(|y| *y = keep * *y + share);
    }
}
