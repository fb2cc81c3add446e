//! Group and instance normalisation.

use ndarray::{ArrayRef, ArrayRef1, Dimension, Ix1};
use nn_core::{
    Grad, Io, Memory, Op, Outline, RangeError, Real, ShapeError, Step, View, ViewMut, check_range, shape,
};

use crate::eager::{Normalized, borrow};
use crate::row_op::{self, EPSILON, check_affine, check_epsilon, first_input};
use crate::rows::Rows;

const GROUP: &str = "group_norm";
const INSTANCE: &str = "instance_norm";

/// Group normalisation, as `torch.nn.GroupNorm`.
///
/// y = (x − µ)/√(σ² + ε) · γ + β, with mean µ and biased variance σ² over C/G neighbouring channels of each case and
/// all positions in them; γ and β belong to a channel. Training and evaluation are the same. One group is layer norm
/// over all axes of a case (but for γ and β), C groups are instance norm.
///
/// - Inputs: x `[N, C, …]` of at least 2 axes; scale γ and shift β `[C]`. β, or both, may be left out.
/// - Output: the shape of x. Gradients as of [`LayerNorm`](crate::LayerNorm), with means over a group.
/// - `groups`: G, at least 1; C must be a multiple of it.
/// - `epsilon`: ε; 1e-5 by default, in [0, ∞).
/// - `affine`: whether a module of this norm has γ and β; true by default. Of plain arrays [`forward`](Self::forward)
///   takes them, and [`forward_plain`](Self::forward_plain) does not.
///
/// A group of one element gives β. No cases, or no positions, give an empty output; NaN or an infinity makes its own
/// group NaN, and no other.
///
/// ```
/// use ndarray::array;
/// use nn_norm::GroupNorm;
///
/// let x = array![[1.0, 3.0, 50.0, 70.0]];
/// let (scale, shift) = (array![1.0, 1.0, 2.0, 2.0], array![0.0, 0.0, 0.0, 0.0]);
/// let norm = GroupNorm::new(2).unwrap().epsilon(0.0).unwrap();
/// assert_eq!(norm.forward(&x, &scale, &shift).unwrap().output, array![[-1.0, 1.0, -2.0, 2.0]]);
/// assert_eq!(
///     GroupNorm::new(3).unwrap().forward(&x, &scale, &shift).unwrap_err().to_string(),
///     "group_norm: input 0 must be an array [N, C, …] whose channels are divided into 3 groups, got shape [1, 4]"
/// );
/// ```
///
/// # Source
/// Wu and He 2018, "Group normalization", equations 1, 2, 6 and 7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    groups: usize,
    epsilon: f64,
    affine: bool,
}

impl GroupNorm {
    /// With this number of groups.
    ///
    /// # Errors
    /// When `groups` is 0.
    pub fn new(groups: usize) -> Result<Self, RangeError> {
        check_range("GroupNorm", "groups", groups as f64, "[1, ∞)", groups >= 1)?;
        Ok(GroupNorm { groups, epsilon: EPSILON, affine: true })
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is negative, infinite or NaN.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        Ok(GroupNorm { epsilon: check_epsilon("GroupNorm", epsilon)?, ..self })
    }

    /// The number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// ε.
    pub fn get_epsilon(&self) -> f64 {
        self.epsilon
    }

    /// With or without scale and shift, as a module.
    #[must_use]
    pub fn affine(self, affine: bool) -> Self {
        GroupNorm { affine, ..self }
    }

    /// Whether a module of this norm has scale and shift.
    pub fn is_affine(&self) -> bool {
        self.affine
    }

    /// Normalises a plain array.
    ///
    /// # Errors
    /// When the number of channels is not a multiple of that of groups, or scale or shift do not have one element for
    /// each.
    pub fn forward<'a, F: Real, D: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
        scale: &'a ArrayRef1<F>,
        shift: &'a ArrayRef1<F>,
    ) -> Result<Normalized<'a, F, D, Ix1, 2>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(x), borrow(scale), borrow(shift)])
    }

    /// Normalises a plain array without scale and shift.
    ///
    /// # Errors
    /// When the number of channels is not a multiple of that of groups.
    pub fn forward_plain<'a, F: Real, D: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
    ) -> Result<Normalized<'a, F, D, Ix1, 0>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(x)])
    }

    fn rows(&self, shape: &[usize]) -> Rows {
        let (batch, depth) = (shape[0], shape[1] / self.groups);
        Rows { batch, groups: self.groups, depth, inner: shape::size(&shape[2..]), centred: true }
    }
}

/// Instance normalisation, as `torch.nn.InstanceNorm1d` to `3d` without running statistics.
///
/// y = (x − µ)/√(σ² + ε) · γ + β, with mean µ and biased variance σ² over the positions of each channel of each case.
/// Training and evaluation are the same.
///
/// - Inputs: x `[N, C, …]` with more than one position per channel; scale γ and shift β `[C]`. β, or both, may be left
///   out.
/// - Output: the shape of x. Gradients as of [`LayerNorm`](crate::LayerNorm), with means over a channel of a case.
/// - `epsilon`: ε; 1e-5 by default, in [0, ∞).
/// - `affine`: whether a module of this norm has γ and β; false by default, as in PyTorch. Of plain arrays
///   [`forward`](Self::forward) takes them, and [`forward_plain`](Self::forward_plain) does not.
///
/// No cases give an empty output; NaN or an infinity makes its own channel of its own case NaN, and no other.
///
/// ```
/// use ndarray::array;
/// use nn_norm::InstanceNorm;
///
/// let x = array![[[1.0, 3.0], [50.0, 70.0]]];
/// let norm = InstanceNorm::new().epsilon(0.0).unwrap();
/// let y = norm.forward(&x, &array![1.0, 2.0], &array![0.0, 0.0]).unwrap().output;
/// assert_eq!(y, array![[[-1.0, 1.0], [-2.0, 2.0]]]);
/// ```
///
/// # Source
/// Ulyanov, Vedaldi, Lempitsky 2016, "Instance normalization: the missing ingredient for fast stylization", equation 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceNorm {
    epsilon: f64,
    affine: bool,
}

impl Default for InstanceNorm {
    fn default() -> Self {
        InstanceNorm { epsilon: EPSILON, affine: false }
    }
}

impl InstanceNorm {
    /// With ε = 1e-5.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another ε.
    ///
    /// # Errors
    /// When `epsilon` is negative, infinite or NaN.
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        Ok(InstanceNorm { epsilon: check_epsilon("InstanceNorm", epsilon)?, ..self })
    }

    /// ε.
    pub fn get_epsilon(&self) -> f64 {
        self.epsilon
    }

    /// With or without scale and shift, as a module.
    #[must_use]
    pub fn affine(self, affine: bool) -> Self {
        InstanceNorm { affine, ..self }
    }

    /// Whether a module of this norm has scale and shift.
    pub fn is_affine(&self) -> bool {
        self.affine
    }

    /// Normalises a plain array without scale and shift.
    ///
    /// # Errors
    /// When a channel has fewer than two positions.
    pub fn forward_plain<'a, F: Real, D: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
    ) -> Result<Normalized<'a, F, D, Ix1, 0>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(x)])
    }

    /// Normalises a plain array.
    ///
    /// # Errors
    /// When a channel has fewer than two positions, or scale or shift do not have one element for each channel.
    pub fn forward<'a, F: Real, D: Dimension>(
        &self,
        x: &'a ArrayRef<F, D>,
        scale: &'a ArrayRef1<F>,
        shift: &'a ArrayRef1<F>,
    ) -> Result<Normalized<'a, F, D, Ix1, 2>, ShapeError> {
        Normalized::new(*self, Step::default(), vec![borrow(x), borrow(scale), borrow(shift)])
    }
}

/// Each channel of each case is a row.
fn instances(shape: &[usize]) -> Rows {
    Rows { batch: shape[0], groups: shape[1], depth: 1, inner: shape::size(&shape[2..]), centred: true }
}

fn refuse(op: &'static str, expected: String, shape: &[usize]) -> Result<Outline, ShapeError> {
    Err(ShapeError::Input { op, input: 0, expected, got: shape.to_vec() })
}

impl<F: Real> Op<F> for GroupNorm {
    fn name(&self) -> &'static str {
        GROUP
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let shape = first_input(GROUP, 3, inputs)?;
        if shape.len() < 2 || !shape[1].is_multiple_of(self.groups) {
            let groups = self.groups;
            let expected = format!("an array [N, C, …] whose channels are divided into {groups} groups");
            return refuse(GROUP, expected, shape);
        }
        check_affine(GROUP, inputs, &shape[1..2], "one element for each channel")?;
        Ok(row_op::outline(self.rows(shape), inputs))
    }

    /// Saves, of each group of each case, the mean less the first element, and 1/√(σ² + ε).
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        row_op::forward(self.rows(inputs[0].shape()), self.epsilon, inputs, output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        row_op::backward(self.rows(d_output.shape()), io, memory, &d_output, d_inputs);
    }
}

impl<F: Real> Op<F> for InstanceNorm {
    fn name(&self) -> &'static str {
        INSTANCE
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let shape = first_input(INSTANCE, 3, inputs)?;
        if shape.len() < 3 || shape::size(&shape[2..]) < 2 {
            let expected = "an array [N, C, …] with more than one position per channel".to_owned();
            return refuse(INSTANCE, expected, shape);
        }
        check_affine(INSTANCE, inputs, &shape[1..2], "one element for each channel")?;
        Ok(row_op::outline(instances(shape), inputs))
    }

    /// Saves, of each channel of each case, the mean less the first element, and 1/√(σ² + ε).
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        row_op::forward(instances(inputs[0].shape()), self.epsilon, inputs, output, memory);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        row_op::backward(instances(d_output.shape()), io, memory, &d_output, d_inputs);
    }
}
