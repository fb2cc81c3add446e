//! Constraints on weights, restored in place after each update.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{ArrayRef, Dimension};
use nn_core::{RangeError, Real, ViewMut, check_range};

use crate::groups::{Groups, norm};

/// A set that weights must lie in; what an update has moved out of it is put back.
pub trait Constraint<F: Real>: Debug + Send + Sync {
    /// Puts the weights back, in place.
    ///
    /// # Panics
    /// When the array has no groups of the kind asked for.
    fn apply_to(&self, w: ViewMut<'_, F>);

    /// Puts the weights of a plain array back, in place.
    ///
    /// # Panics
    /// When the array has no groups of the kind asked for.
    #[track_caller]
    fn apply<D: Dimension>(&self, w: &mut ArrayRef<F, D>)
    where
        Self: Sized,
    {
        self.apply_to(w.view_mut().into_dyn());
    }
}

impl<F: Real, C: Constraint<F> + ?Sized> Constraint<F> for Box<C> {
    fn apply_to(&self, w: ViewMut<'_, F>) {
        (**self).apply_to(w);
    }
}

impl<F: Real, C: Constraint<F> + ?Sized> Constraint<F> for Arc<C> {
    fn apply_to(&self, w: ViewMut<'_, F>) {
        (**self).apply_to(w);
    }
}

/// Max-norm: the weights into each unit have a norm of at most c; ‖w_g‖ > c becomes w_g·c/‖w_g‖.
///
/// - Weights of any shape that has the [`Groups`], by default the rows of `[out, in]`, as
///   `torch.renorm(w, 2, 0, c)` without its ε of 10⁻⁷.
/// - `limit` c in (0, ∞); the paper tries 3 and 4.
/// - A group that holds an infinity or NaN is left as it is.
///
/// ```
/// use ndarray::array;
/// use nn_regularize::{Constraint, MaxNorm};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut w = array![[3.0, 4.0], [0.3, 0.4]];
/// MaxNorm::new(1.0)?.apply(&mut w);
/// assert_eq!(w, array![[0.6000000000000001, 0.8], [0.3, 0.4]]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, "Dropout: a simple way to prevent neural networks
/// from overfitting", section 5.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxNorm {
    limit: f64,
    groups: Groups,
}

impl MaxNorm {
    /// With this limit, for rows.
    ///
    /// # Errors
    /// When it is outside (0, ∞).
    pub fn new(limit: f64) -> Result<Self, RangeError> {
        check_range("MaxNorm", "limit", limit, "(0, ∞)", limit > 0.0 && limit < f64::INFINITY)?;
        Ok(MaxNorm { limit, groups: Groups::Rows })
    }

    /// For other groups.
    #[must_use]
    pub fn groups(self, groups: Groups) -> Self {
        MaxNorm { groups, ..self }
    }
}

impl<F: Real> Constraint<F> for MaxNorm {
    #[track_caller]
    fn apply_to(&self, w: ViewMut<'_, F>) {
        rescale("max_norm", self.groups, w, |norm| (norm > self.limit).then_some(self.limit / norm));
    }
}

/// Unit norm: the weights into each unit have the norm 1; w_g becomes w_g/‖w_g‖.
///
/// - Weights of any shape that has the [`Groups`], by default the rows of `[out, in]`.
/// - A group of zeros stays zero; one that holds an infinity or NaN is left as it is.
///
/// # Source
/// `keras.constraints.UnitNorm`, without its ε of 10⁻⁷.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitNorm {
    groups: Groups,
}

impl UnitNorm {
    /// For rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// For other groups.
    #[must_use]
    pub fn groups(self, groups: Groups) -> Self {
        UnitNorm { groups }
    }
}

impl<F: Real> Constraint<F> for UnitNorm {
    #[track_caller]
    fn apply_to(&self, w: ViewMut<'_, F>) {
        rescale("unit_norm", self.groups, w, |norm| (norm > 0.0).then_some(1.0 / norm));
    }
}

/// No negative weights: wᵢ becomes max(wᵢ, 0); NaN stays.
///
/// # Source
/// `keras.constraints.NonNeg`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NonNegative;

impl<F: Real> Constraint<F> for NonNegative {
    fn apply_to(&self, mut w: ViewMut<'_, F>) {
        w.map_inplace(|w| {
            if *w < F::zero() {
                *w = F::zero();
            }
        });
    }
}

/// Multiplies each group of a finite norm by the factor for it, if there is one.
#[track_caller]
fn rescale<F: Real>(
    name: &'static str,
    groups: Groups,
    mut w: ViewMut<'_, F>,
    factor: impl Fn(f64) -> Option<f64>,
) {
    if let Err(error) = groups.check(name, w.shape()) {
        panic!("{error}");
    }
    for mut group in groups.of_mut(&mut w) {
        let norm = norm(&group.view());
        if let (true, Some(factor)) = (norm.is_finite(), factor(norm)) {
            // In `f64`, since the factor of a tiny norm may exceed what `f32` holds.
            group.map_inplace(|w| *w = F::from_f64(w.to_f64() * factor));
        }
    }
}
