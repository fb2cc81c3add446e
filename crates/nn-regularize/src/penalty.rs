//! Penalties on weights: a scalar that is added to the cost.

use std::fmt::Debug;

use ndarray::{ArrayRef, Dimension};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range,
};

use crate::groups::{Groups, norm, total};
use crate::mask::one_input;
use crate::stretches::map_grad;

/// A function of a weight that is added to the cost.
///
/// All penalties are operations too (input w, output a scalar), for a cost in a graph:
/// J = loss + penalty(W₁) + penalty(W₂).
pub trait Penalty<F: Real>: Debug + Send + Sync {
    /// The value for an array, in `f64`.
    ///
    /// # Panics
    /// When the array has no groups of the kind asked for.
    fn value_of(&self, w: &View<'_, F>) -> f64;

    /// Writes `factor` times the gradient.
    ///
    /// # Panics
    /// When the array has no groups of the kind asked for, or the target another shape.
    fn gradient_into(&self, w: &View<'_, F>, factor: F, target: &mut Grad<'_, F>);

    /// The value for a plain array.
    ///
    /// # Panics
    /// When the array has no groups of the kind asked for.
    #[track_caller]
    fn value<D: Dimension>(&self, w: &ArrayRef<F, D>) -> f64
    where
        Self: Sized,
    {
        self.value_of(&w.view().into_dyn())
    }

    /// Adds the gradient to that of the loss, in place; returns the value.
    ///
    /// # Panics
    /// When the shapes differ, or the array has no groups of the kind asked for.
    #[track_caller]
    fn add_gradient<D: Dimension>(&self, w: &ArrayRef<F, D>, gradient: &mut ArrayRef<F, D>) -> f64
    where
        Self: Sized,
    {
        let w = w.view().into_dyn();
        self.gradient_into(&w, F::one(), &mut Grad::Accumulate(gradient.view_mut().into_dyn()));
        self.value_of(&w)
    }
}

impl<F: Real, P: Penalty<F> + ?Sized> Penalty<F> for Box<P> {
    fn value_of(&self, w: &View<'_, F>) -> f64 {
        (**self).value_of(w)
    }

    fn gradient_into(&self, w: &View<'_, F>, factor: F, target: &mut Grad<'_, F>) {
        (**self).gradient_into(w, factor, target);
    }
}

/// Refuses a coefficient outside [0, ∞).
fn check(owner: &'static str, field: &'static str, lambda: f64) -> Result<(), RangeError> {
    check_range(owner, field, lambda, "[0, ∞)", (0.0..f64::INFINITY).contains(&lambda))
}

/// λ₁ Σ|wᵢ| + λ₂/2 Σwᵢ².
fn elastic_value<F: Real>(l1: f64, l2: f64, w: &View<'_, F>) -> f64 {
    let part = |lambda: f64, sum: &dyn Fn() -> f64| if lambda == 0.0 { 0.0 } else { lambda * sum() };
    part(l1, &|| total(w, f64::abs)) + part(l2 / 2.0, &|| total(w, |w| w * w))
}

/// λ₁ sign(wᵢ) + λ₂wᵢ, times a factor; a part whose λ is 0 is left out.
fn elastic_gradient<F: Real>(l1: f64, l2: f64, factor: F, w: &View<'_, F>, target: &mut Grad<'_, F>) {
    let (first, second) = (F::from_f64(l1) * factor, F::from_f64(l2) * factor);
    if l1 == 0.0 {
        scale(w, second, target);
        return;
    }
    let with_second = l2 != 0.0;
    map_grad(
        w,
        target,
        #[inline(always)]
        |_, w, g| {
            g.iter_mut().zip(w).for_each(move |(g, &w)| *g = first * w.sign());
            if with_second {
                g.iter_mut().zip(w).for_each(move |(g, &w)| *g += second * w);
            }
        },
    );
}

/// `target` becomes, or grows by, `factor·w`.
fn scale<F: Real>(w: &View<'_, F>, factor: F, target: &mut Grad<'_, F>) {
    map_grad(
        w,
        target,
        #[inline(always)]
        |_, w, g| {
            g.iter_mut().zip(w).for_each(move |(g, &w)| *g = factor * w);
        },
    );
}

/// The L1 penalty λ Σ|wᵢ|: it makes weights exactly zero.
///
/// Gradient λ·sign(wᵢ), where sign(0) = 0.
///
/// - Input: a weight of any shape; output: a scalar, 0 for an empty weight.
/// - `lambda` λ in \[0, ∞).
/// - A NaN gives the value NaN and, in its place, the gradient NaN; an infinity the value ∞ and the gradient ±λ.
///
/// ```
/// use ndarray::array;
/// use nn_regularize::{L1, Penalty};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (w, mut dw) = (array![[1.0, -2.0], [0.0, 0.5]], array![[0.0, 0.0], [0.0, 1.0]]);
/// assert_eq!(L1::new(0.1)?.add_gradient(&w, &mut dw), 0.1 * 3.5);
/// assert_eq!(dw, array![[0.1, -0.1], [0.0, 1.1]]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Tibshirani 1996, "Regression shrinkage and selection via the lasso".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1 {
    lambda: f64,
}

impl L1 {
    /// With this λ.
    ///
    /// # Errors
    /// When it is outside \[0, ∞).
    pub fn new(lambda: f64) -> Result<Self, RangeError> {
        check("L1", "lambda", lambda)?;
        Ok(L1 { lambda })
    }
}

impl<F: Real> Penalty<F> for L1 {
    fn value_of(&self, w: &View<'_, F>) -> f64 {
        elastic_value(self.lambda, 0.0, w)
    }

    fn gradient_into(&self, w: &View<'_, F>, factor: F, target: &mut Grad<'_, F>) {
        elastic_gradient(self.lambda, 0.0, factor, w, target);
    }
}

/// The L2 penalty λ/2 Σwᵢ².
///
/// Gradient λwᵢ, so that λ is what optimizers call weight decay. Other texts write it differently:
///
/// | written as | λ to give here |
/// |-|-|
/// | λ/2 Σw² | λ |
/// | λ Σw², as Keras does | 2λ |
/// | λ/(2m) Σw² for m cases, as courses do | λ/m |
/// | λ/m Σw² | 2λ/m |
///
/// - Input: a weight of any shape; output: a scalar, 0 for an empty weight.
/// - `lambda` λ in \[0, ∞).
/// - A NaN gives the value NaN and, in its place, the gradient NaN; an infinity ∞ and ±∞.
///
/// ```
/// use ndarray::array;
/// use nn_regularize::{L2, Penalty};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// assert_eq!(L2::new(0.5)?.value(&array![3.0f32, -4.0]), 0.25 * 25.0);
/// let message = L2::new(-1.0).unwrap_err().to_string();
/// assert_eq!(message, "L2: lambda must lie in [0, ∞), got -1");
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Hoerl and Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L2 {
    lambda: f64,
}

impl L2 {
    /// With this λ.
    ///
    /// # Errors
    /// When it is outside \[0, ∞).
    pub fn new(lambda: f64) -> Result<Self, RangeError> {
        check("L2", "lambda", lambda)?;
        Ok(L2 { lambda })
    }
}

impl<F: Real> Penalty<F> for L2 {
    fn value_of(&self, w: &View<'_, F>) -> f64 {
        elastic_value(0.0, self.lambda, w)
    }

    fn gradient_into(&self, w: &View<'_, F>, factor: F, target: &mut Grad<'_, F>) {
        elastic_gradient(0.0, self.lambda, factor, w, target);
    }
}

/// The elastic net λ₁ Σ|wᵢ| + λ₂/2 Σwᵢ²: [`L1`] and [`L2`] together.
///
/// Gradient λ₁·sign(wᵢ) + λ₂wᵢ, where sign(0) = 0.
///
/// - Input: a weight of any shape; output: a scalar, 0 for an empty weight.
/// - `l1` λ₁ and `l2` λ₂ in \[0, ∞).
/// - NaN and infinities as for the two.
///
/// # Source
/// Zou and Hastie 2005, "Regularization and variable selection via the elastic net".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ElasticNet {
    l1: f64,
    l2: f64,
}

impl ElasticNet {
    /// With these λ₁ and λ₂.
    ///
    /// # Errors
    /// When one is outside \[0, ∞).
    pub fn new(l1: f64, l2: f64) -> Result<Self, RangeError> {
        check("ElasticNet", "l1", l1)?;
        check("ElasticNet", "l2", l2)?;
        Ok(ElasticNet { l1, l2 })
    }

    /// λ·(ρ Σ|wᵢ| + (1 − ρ)/2 Σwᵢ²), as glmnet and scikit-learn (`l1_ratio`) write it.
    ///
    /// # Errors
    /// When λ is outside \[0, ∞) or ρ outside \[0, 1\].
    pub fn with_ratio(lambda: f64, ratio: f64) -> Result<Self, RangeError> {
        check("ElasticNet", "lambda", lambda)?;
        check_range("ElasticNet", "ratio", ratio, "[0, 1]", (0.0..=1.0).contains(&ratio))?;
        Self::new(lambda * ratio, lambda * (1.0 - ratio))
    }
}

impl<F: Real> Penalty<F> for ElasticNet {
    fn value_of(&self, w: &View<'_, F>) -> f64 {
        elastic_value(self.l1, self.l2, w)
    }

    fn gradient_into(&self, w: &View<'_, F>, factor: F, target: &mut Grad<'_, F>) {
        elastic_gradient(self.l1, self.l2, factor, w, target);
    }
}

/// The group lasso λ Σ_g √n_g·‖w_g‖₂ over groups of n_g weights: it makes whole groups zero.
///
/// Gradient λ√n_g·wᵢ/‖w_g‖₂, and 0 in a group that is all zeros.
///
/// - Input: a weight of any shape that has the [`Groups`]; output: a scalar, 0 for an empty weight.
/// - `lambda` λ in \[0, ∞); the groups are the rows by default.
/// - A NaN makes the value and the gradient of its group NaN; an infinity the value ∞, and the gradient of its group NaN
///   in its place and 0 beside it.
///
/// ```
/// use ndarray::array;
/// use nn_regularize::{GroupLasso, Penalty};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (w, mut dw) = (array![[3.0, 4.0], [0.0, 0.0]], array![[0.0, 0.0], [0.0, 0.0]]);
/// let value = GroupLasso::new(1.0)?.add_gradient(&w, &mut dw);
/// assert!((value - 2f64.sqrt() * 5.0).abs() < 1e-15);
/// assert!((&dw - 2f64.sqrt() * array![[0.6, 0.8], [0.0, 0.0]]).iter().all(|d: &f64| d.abs() < 1e-15));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Yuan and Lin 2006, "Model selection and estimation in regression with grouped variables", equation 2.1 with
/// K_j = p_j·I; on the weights of networks Scardapane, Comminiello, Hussain and Uncini 2017, "Group sparse
/// regularization for deep neural networks", equation 5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupLasso {
    lambda: f64,
    groups: Groups,
}

impl GroupLasso {
    /// With this λ, over rows.
    ///
    /// # Errors
    /// When it is outside \[0, ∞).
    pub fn new(lambda: f64) -> Result<Self, RangeError> {
        check("GroupLasso", "lambda", lambda)?;
        Ok(GroupLasso { lambda, groups: Groups::Rows })
    }

    /// Over other groups.
    #[must_use]
    pub fn groups(self, groups: Groups) -> Self {
        GroupLasso { groups, ..self }
    }

    /// λ√n_g.
    fn weight(&self, size: usize) -> f64 {
        self.lambda * (size as f64).sqrt()
    }

    #[track_caller]
    fn check_groups(&self, shape: &[usize]) {
        if let Err(error) = self.groups.check("group_lasso", shape) {
            panic!("{error}");
        }
    }
}

impl<F: Real> Penalty<F> for GroupLasso {
    #[track_caller]
    fn value_of(&self, w: &View<'_, F>) -> f64 {
        self.check_groups(w.shape());
        if w.is_empty() {
            return 0.0;
        }
        self.groups.of(w).map(|group| self.weight(group.len()) * norm(&group)).sum()
    }

    #[track_caller]
    fn gradient_into(&self, w: &View<'_, F>, factor: F, target: &mut Grad<'_, F>) {
        self.check_groups(w.shape());
        let Some((mut target, accumulate)) = target.target() else { return };
        for (group, target) in self.groups.of(w).zip(self.groups.of_mut(&mut target)) {
            let norm = norm(&group);
            let slope = if norm == 0.0 { 0.0 } else { self.weight(group.len()) / norm };
            let target = if accumulate { Grad::Accumulate(target) } else { Grad::Overwrite(target) };
            scale(&group, F::from_f64(slope) * factor, &mut { target });
        }
    }
}

/// A scalar, whose gradient reads the input.
fn outline(op: &'static str, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
    one_input(op, inputs)?;
    Ok(Outline::new([], 1).reads_inputs(&[0]))
}

fn forward<F: Real>(penalty: &dyn Penalty<F>, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>) {
    output.fill(F::from_f64(penalty.value_of(&inputs[0])));
}

fn backward<F: Real>(
    penalty: &dyn Penalty<F>,
    io: &Io<'_, '_, F>,
    d_output: &View<'_, F>,
    d_inputs: &mut [Grad<'_, F>],
) {
    let factor = d_output.iter().copied().sum();
    penalty.gradient_into(&io.input(0), factor, &mut d_inputs[0]);
}

impl<F: Real> Op<F> for L1 {
    fn name(&self) -> &'static str {
        "l1_penalty"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        outline("l1_penalty", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        forward(self, inputs, output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        backward(self, io, &d_output, d_inputs);
    }
}

impl<F: Real> Op<F> for L2 {
    fn name(&self) -> &'static str {
        "l2_penalty"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        outline("l2_penalty", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        forward(self, inputs, output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        backward(self, io, &d_output, d_inputs);
    }
}

impl<F: Real> Op<F> for ElasticNet {
    fn name(&self) -> &'static str {
        "elastic_net"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        outline("elastic_net", inputs)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        forward(self, inputs, output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        backward(self, io, &d_output, d_inputs);
    }
}

impl<F: Real> Op<F> for GroupLasso {
    fn name(&self) -> &'static str {
        "group_lasso"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = outline("group_lasso", inputs)?;
        self.groups.check("group_lasso", inputs[0])?;
        Ok(outline)
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        forward(self, inputs, output);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        backward(self, io, &d_output, d_inputs);
    }
}
