//! Muon.

use std::mem::swap;

use ndarray::ArrayViewMut2;
use nn_core::{ParamSpec, RangeError, Real, check_range};
use nn_ops::gemm;

use crate::adam::check_epsilon;
use crate::rule::{check_factor, check_learning_rate, check_weight_decay};
use crate::{Context, Decay, Pass, Rule};

/// Coefficients of X, (X·Xᵀ)·X and (X·Xᵀ)²·X in a Newton–Schulz step.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// How Muon adapts the learning rate to the shape of a matrix of r rows and c columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MuonRate {
    /// α·√max(1, r/c), as Jordan's implementation.
    #[default]
    Original,
    /// 0.2·α·√max(r, c), with which the elements move as far as with AdamW, so that rates tuned for that serve.
    ///
    /// # Source
    /// Liu et al. 2025, "Muon is scalable for LLM training", equation 4.
    MatchRmsAdamW,
}

impl MuonRate {
    fn factor(self, rows: usize, columns: usize) -> f64 {
        let (r, c) = (rows as f64, columns as f64);
        match self {
            MuonRate::Original => (r / c).max(1.0).sqrt(),
            MuonRate::MatchRmsAdamW => 0.2 * r.max(c).sqrt(),
        }
    }
}

/// Muon, momentum whose matrix is made nearly orthogonal. For weight matrices only; needs the feature `muon`.
///
/// b ← b + (1 − µ)·(g − b); d = g + µ·(b − g), or b without Nesterov; w ← (1 − α·λ)·w − α'·O(d),
///
/// where α' is the rate adapted to the shape ([`MuonRate`]) and O(d) has the singular vectors of d, but singular values
/// between about 0.7 and 1.2. It is found by Newton–Schulz steps from X = d/max(‖d‖, ε), with A = X·Xᵀ:
///
/// X ← 3.4445·X + (−4.7750·A + 2.0315·A²)·X.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α | 10⁻³ | [0, ∞) |
/// | momentum µ | 0.95 | [0, 1) |
/// | Nesterov | yes | |
/// | weight decay λ, decoupled | 0.1 | [0, ∞) |
/// | Newton–Schulz steps | 5 | [1, 99] |
/// | ε | 10⁻⁷ | (0, ∞) |
///
/// These are the formula and the defaults of `torch.optim.Muon`, which computes the Newton–Schulz steps in bfloat16; here
/// they are in the precision of the parameters. The memory that these work in is kept from step to step, and is that of
/// the largest matrix. The bits are the same on any number of threads, but not with every instruction set. A gradient
/// that is not finite spoils its whole matrix.
///
/// A kernel `[out, in, …]` of a convolution is stepped as the matrix `[out, in·…]`, as in Jordan's implementation.
/// (`torch.optim.Muon` refuses it.)
///
/// Biases, normalisations and embeddings belong to another optimizer:
/// [`Group::excluded`](crate::Group::excluded) shares an arena between two.
///
/// # Panics
/// [`Optimizer::fix_layout`](crate::Optimizer::fix_layout) or, without it, the first step panics at a parameter of fewer
/// than two axes that no group excludes, and names it.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use nn_core::{Arena, ParamLayout, Role};
/// use nn_optim::{AdamW, Group, Muon, Optimizer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut layout = ParamLayout::new();
/// layout.add("0.weight", &[4, 3], Role::Weight)?;
/// layout.add("0.bias", &[4], Role::Bias)?;
/// let layout = Arc::new(layout);
/// let mut matrices = Optimizer::for_layout(Muon::new(0.02)?, &layout).group(Group::named("*.bias").excluded())?;
/// let mut others = Optimizer::for_layout(AdamW::new(1e-3)?, &layout).group(Group::named("*.weight").excluded())?;
///
/// let (mut w, g) = (Arena::<f32>::zeros(layout.clone()), Arena::zeros(layout));
/// matrices.step(&mut w, &g);
/// others.step(&mut w, &g);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Muon {
    learning_rate: f64,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    steps: usize,
    epsilon: f64,
    rate: MuonRate,
}

impl Muon {
    /// With this learning rate α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Muon", learning_rate)?;
        Ok(Muon { learning_rate, ..Muon::default() })
    }

    /// Sets the momentum µ.
    ///
    /// # Errors
    /// When µ is outside [0, 1).
    pub fn momentum(self, momentum: f64) -> Result<Self, RangeError> {
        check_factor("Muon", "momentum", momentum)?;
        Ok(Muon { momentum, ..self })
    }

    /// Sets whether the momentum is Nesterov's.
    pub fn nesterov(self, nesterov: bool) -> Self {
        Muon { nesterov, ..self }
    }

    /// Sets the decoupled weight decay λ.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay("Muon", weight_decay)?;
        Ok(Muon { weight_decay, ..self })
    }

    /// Sets the number of Newton–Schulz steps.
    ///
    /// # Errors
    /// When it is outside [1, 99].
    pub fn steps(self, steps: usize) -> Result<Self, RangeError> {
        check_range("Muon", "steps", steps as f64, "[1, 99]", (1..=99).contains(&steps))?;
        Ok(Muon { steps, ..self })
    }

    /// Sets ε, the least norm by which the direction is divided.
    ///
    /// # Errors
    /// When ε is outside (0, ∞).
    pub fn epsilon(self, epsilon: f64) -> Result<Self, RangeError> {
        check_epsilon("Muon", epsilon)?;
        Ok(Muon { epsilon, ..self })
    }

    /// Sets how the learning rate is adapted to the shape.
    pub fn rate(self, rate: MuonRate) -> Self {
        Muon { rate, ..self }
    }
}

impl Default for Muon {
    fn default() -> Self {
        Muon {
            learning_rate: 1e-3,
            momentum: 0.95,
            nesterov: true,
            weight_decay: 0.1,
            steps: 5,
            epsilon: 1e-7,
            rate: MuonRate::Original,
        }
    }
}

impl<F: Real> Rule<F> for Muon {
    fn name(&self) -> &'static str {
        "Muon"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn momentum_factor(&self) -> Option<f64> {
        Some(self.momentum)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn decay(&self) -> Decay {
        Decay::Decoupled
    }

    fn per_tensor(&self) -> bool {
        true
    }

    fn accepts(&self, param: &ParamSpec) -> bool {
        matrix_shape(&param.shape).is_some()
    }

    fn scratch(&self, param: &ParamSpec) -> usize {
        matrix_shape(&param.shape).map_or(0, |(rows, columns)| {
            let side = rows.min(columns);
            3 * rows * columns + 2 * side * side
        })
    }

    fn update(&self, context: Context, mut pass: Pass<'_, F>) {
        let Some((rows, columns)) = matrix_shape(pass.shape()) else {
            panic!("Muon steps matrices, but parameter `{}` has shape {:?}", pass.param_name(), pass.shape())
        };
        let (direction, workspace) = pass.scratch().split_at_mut(rows * columns);
        let mut pass = pass.with_slot(direction);
        let share = F::from_f64(1.0 - self.momentum);
        let ahead = F::from_f64(if self.nesterov { self.momentum } else { 1.0 });
        let [norm] = pass.norms(
            #[inline(always)]
            move |_, g, [b, _]| {
                let b = b + share * (g - b);
                let d = g + ahead * (b - g);
                ([b, d], [d])
            },
        );
        let matrix =
            ArrayViewMut2::from_shape((rows, columns), pass.slot(1)).expect("the shape is the parameter's");
        let matrix = if rows > columns { matrix.reversed_axes() } else { matrix };
        orthogonalize(matrix, workspace, norm.max(self.epsilon), self.steps);
        let rate = F::from_f64(context.learning_rate * self.rate.factor(rows, columns));
        pass.each(
            #[inline(always)]
            move |w, _, [b, d]| (w - rate * d, [b, d]),
        );
    }
}

/// The rows and columns of the matrix as which a parameter is stepped; none for fewer than two axes.
fn matrix_shape(shape: &[usize]) -> Option<(usize, usize)> {
    match shape {
        [rows, inner @ ..] if !inner.is_empty() => Some((*rows, inner.iter().product())),
        _ => None,
    }
}

/// Newton–Schulz steps from X/norm, in place; X has at most as many rows as columns. The workspace has room for two
/// matrices of its shape and two squares of its rows.
fn orthogonalize<F: Real>(mut x: ArrayViewMut2<'_, F>, workspace: &mut [F], norm: f64, steps: usize) {
    let [a, b, c] = COEFFICIENTS.map(F::from_f64);
    let (scale, shape, side) = (F::from_f64(norm), x.dim(), x.nrows());
    let (mut from, workspace) = matrix(workspace, shape);
    let (mut to, workspace) = matrix(workspace, shape);
    let (mut gram, workspace) = matrix(workspace, (side, side));
    let (mut inner, _) = matrix(workspace, (side, side));
    from.zip_mut_with(&x, |from, x| *from = *x / scale);
    for _ in 0..steps {
        gemm(F::one(), from.view(), from.t(), F::zero(), gram.view_mut());
        inner.assign(&gram);
        gemm(c, gram.view(), gram.view(), b, inner.view_mut());
        to.assign(&from);
        gemm(F::one(), inner.view(), from.view(), a, to.view_mut());
        swap(&mut from, &mut to);
    }
    x.assign(&from);
}

/// A matrix at the beginning of the memory, and the rest.
fn matrix<F: Real>(memory: &mut [F], shape: (usize, usize)) -> (ArrayViewMut2<'_, F>, &mut [F]) {
    let (matrix, rest) = memory.split_at_mut(shape.0 * shape.1);
    (ArrayViewMut2::from_shape(shape, matrix).expect("the length is that of the shape"), rest)
}
