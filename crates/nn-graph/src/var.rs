//! Handles of recorded expressions, with the usual operators.

use std::ops::{Add, Div, Mul, Neg, Sub};

use nn_core::Real;
use nn_ops::{
    Abs, Activation, AddScalar, Clamp, Concat, Exp, GatherRows, Linear, Ln, LogSoftmax, LogSumExp, MatMul,
    Max, Maximum, Mean, Minimum, MulScalar, Powf, Reciprocal, Reshape, Slice, Softmax, Sqrt, Square, Sum,
    Transpose,
};

use crate::Graph;
use crate::graph::NodeId;

/// A recorded expression: a handle that is copied freely.
///
/// Arithmetic broadcasts as NumPy does. Shapes are checked while recording; what does not fit is reported when the
/// graph is compiled, with the path of the module and the names of the inputs.
#[derive(Clone, Copy, Debug)]
pub struct Var<'g, F: Real> {
    pub(crate) graph: &'g Graph<F>,
    pub(crate) id: NodeId,
}

impl<'g, F: Real> Var<'g, F> {
    /// The graph in which it is recorded.
    pub fn graph(self) -> &'g Graph<F> {
        self.graph
    }

    /// The shape; empty for a scalar, and for what could not be recorded.
    pub fn shape(self) -> Vec<usize> {
        self.graph.recording.borrow().nodes.get(self.id.0).map_or_else(Vec::new, |node| node.shape.clone())
    }

    /// The matrix product with `right`.
    #[must_use]
    pub fn matmul(self, right: Self) -> Self {
        self.graph.apply(MatMul { transpose_a: false, transpose_b: false }, &[self, right])
    }

    /// `activation(self · weightᵀ + bias)` with a weight of shape `[out, in]`.
    #[must_use]
    pub fn linear(self, weight: Self, bias: Option<Self>) -> Self {
        let linear = Linear { activation: Activation::Identity, weight_is_transposed: false };
        match bias {
            Some(bias) => self.graph.apply(linear, &[self, weight, bias]),
            None => self.graph.apply(linear, &[self, weight]),
        }
    }

    /// The transpose of a matrix; costs nothing.
    #[must_use]
    pub fn t(self) -> Self {
        self.transpose(&[1, 0])
    }

    /// The axes in another order; costs nothing.
    #[must_use]
    pub fn transpose(self, axes: &[usize]) -> Self {
        self.graph.apply(Transpose { axes: axes.to_vec() }, &[self])
    }

    /// Another shape of the same number of elements; one axis may be −1 and is computed. Mostly costs nothing.
    #[must_use]
    pub fn reshape(self, shape: &[isize]) -> Self {
        self.graph.apply(Reshape { shape: shape.to_vec() }, &[self])
    }

    /// The elements `start..end` of an axis.
    #[must_use]
    pub fn slice(self, axis: isize, start: usize, end: usize) -> Self {
        self.graph.apply(Slice { axis, start, end, step: 1 }, &[self])
    }

    /// Element `i` of a vector, as a scalar.
    #[must_use]
    pub fn at(self, i: usize) -> Self {
        self.slice(0, i, i + 1).reshape(&[])
    }

    /// This and `others` one after another along an axis.
    #[must_use]
    pub fn concat(self, others: &[Self], axis: isize) -> Self {
        let all: Vec<Self> = std::iter::once(self).chain(others.iter().copied()).collect();
        self.graph.apply(Concat { axis }, &all)
    }

    /// The rows of this table that `indices` (whole numbers) name.
    #[must_use]
    pub fn gather_rows(self, indices: Self) -> Self {
        self.graph.apply(GatherRows, &[self, indices])
    }

    /// An activation function.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        self.graph.apply(activation, &[self])
    }

    /// max(x, 0).
    #[must_use]
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu)
    }

    /// 1/(1 + e⁻ˣ).
    #[must_use]
    pub fn sigmoid(self) -> Self {
        self.activation(Activation::Sigmoid)
    }

    /// The hyperbolic tangent.
    #[must_use]
    pub fn tanh(self) -> Self {
        self.activation(Activation::Tanh)
    }

    /// eˣ divided by its sum along an axis (−1 is the last).
    #[must_use]
    pub fn softmax(self, axis: isize) -> Self {
        self.graph.apply(Softmax { axis }, &[self])
    }

    /// The logarithm of the softmax along an axis (−1 is the last).
    #[must_use]
    pub fn log_softmax(self, axis: isize) -> Self {
        self.graph.apply(LogSoftmax { axis }, &[self])
    }

    /// The sum over axes, which disappear; over all axes if none is named.
    #[must_use]
    pub fn sum(self, axes: &[isize]) -> Self {
        self.graph.apply(Sum { axes: axes.to_vec(), keep_axes: false }, &[self])
    }

    /// The mean over axes, which disappear; over all axes if none is named.
    #[must_use]
    pub fn mean(self, axes: &[isize]) -> Self {
        self.graph.apply(Mean { axes: axes.to_vec(), keep_axes: false }, &[self])
    }

    /// The maximum over axes, which disappear; over all axes if none is named.
    #[must_use]
    pub fn max(self, axes: &[isize]) -> Self {
        self.graph.apply(Max { axes: axes.to_vec(), keep_axes: false }, &[self])
    }

    /// ln Σ eˣ over axes, which disappear; over all axes if none is named.
    #[must_use]
    pub fn log_sum_exp(self, axes: &[isize]) -> Self {
        self.graph.apply(LogSumExp { axes: axes.to_vec(), keep_axes: false }, &[self])
    }

    /// The larger of two, element by element.
    #[must_use]
    pub fn maximum(self, right: Self) -> Self {
        self.graph.apply(Maximum, &[self, right])
    }

    /// The smaller of two, element by element.
    #[must_use]
    pub fn minimum(self, right: Self) -> Self {
        self.graph.apply(Minimum, &[self, right])
    }

    /// |x|.
    #[must_use]
    pub fn abs(self) -> Self {
        self.graph.apply(Abs, &[self])
    }

    /// eˣ.
    #[must_use]
    pub fn exp(self) -> Self {
        self.graph.apply(Exp, &[self])
    }

    /// The natural logarithm.
    #[must_use]
    pub fn ln(self) -> Self {
        self.graph.apply(Ln, &[self])
    }

    /// The square root.
    #[must_use]
    pub fn sqrt(self) -> Self {
        self.graph.apply(Sqrt, &[self])
    }

    /// x².
    #[must_use]
    pub fn square(self) -> Self {
        self.graph.apply(Square, &[self])
    }

    /// 1/x.
    #[must_use]
    pub fn reciprocal(self) -> Self {
        self.graph.apply(Reciprocal, &[self])
    }

    /// xᵖ.
    #[must_use]
    pub fn powf(self, exponent: f64) -> Self {
        self.graph.apply(Powf(exponent), &[self])
    }

    /// The nearest value in `[min, max]`.
    #[must_use]
    pub fn clamp(self, min: f64, max: f64) -> Self {
        self.graph.apply(Clamp { min, max }, &[self])
    }

    fn add_scalar(self, scalar: f64) -> Self {
        self.graph.apply(AddScalar(scalar), &[self])
    }

    fn mul_scalar(self, scalar: f64) -> Self {
        self.graph.apply(MulScalar(scalar), &[self])
    }
}

impl<'g, F: Real> Add for Var<'g, F> {
    type Output = Self;
    fn add(self, right: Self) -> Self {
        self.graph.apply(nn_ops::Add, &[self, right])
    }
}

impl<'g, F: Real> Sub for Var<'g, F> {
    type Output = Self;
    fn sub(self, right: Self) -> Self {
        self.graph.apply(nn_ops::Sub, &[self, right])
    }
}

impl<'g, F: Real> Mul for Var<'g, F> {
    type Output = Self;
    fn mul(self, right: Self) -> Self {
        self.graph.apply(nn_ops::Mul, &[self, right])
    }
}

impl<'g, F: Real> Div for Var<'g, F> {
    type Output = Self;
    fn div(self, right: Self) -> Self {
        self.graph.apply(nn_ops::Div, &[self, right])
    }
}

impl<'g, F: Real> Neg for Var<'g, F> {
    type Output = Self;
    fn neg(self) -> Self {
        self.graph.apply(nn_ops::Neg, &[self])
    }
}

impl<'g, F: Real> Add<F> for Var<'g, F> {
    type Output = Self;
    fn add(self, right: F) -> Self {
        self.add_scalar(right.to_f64())
    }
}

impl<'g, F: Real> Sub<F> for Var<'g, F> {
    type Output = Self;
    fn sub(self, right: F) -> Self {
        self.add_scalar(-right.to_f64())
    }
}

impl<'g, F: Real> Mul<F> for Var<'g, F> {
    type Output = Self;
    fn mul(self, right: F) -> Self {
        self.mul_scalar(right.to_f64())
    }
}

impl<'g, F: Real> Div<F> for Var<'g, F> {
    type Output = Self;
    /// Division by a number; unlike multiplication by its reciprocal it is rounded once.
    fn div(self, right: F) -> Self {
        let divisor = self.graph.constant(ndarray::arr0(right).into_dyn());
        self / divisor
    }
}

/// The operators with a number on the left cannot be written for all scalars at once.
macro_rules! number_on_the_left {
    ($($scalar:ty),*) => {$(
        impl<'g> Add<Var<'g, $scalar>> for $scalar {
            type Output = Var<'g, $scalar>;
            fn add(self, right: Var<'g, $scalar>) -> Self::Output {
                right + self
            }
        }

        impl<'g> Sub<Var<'g, $scalar>> for $scalar {
            type Output = Var<'g, $scalar>;
            fn sub(self, right: Var<'g, $scalar>) -> Self::Output {
                -right + self
            }
        }

        impl<'g> Mul<Var<'g, $scalar>> for $scalar {
            type Output = Var<'g, $scalar>;
            fn mul(self, right: Var<'g, $scalar>) -> Self::Output {
                right * self
            }
        }

        impl<'g> Div<Var<'g, $scalar>> for $scalar {
            type Output = Var<'g, $scalar>;
            fn div(self, right: Var<'g, $scalar>) -> Self::Output {
                right.graph.constant(ndarray::arr0(self).into_dyn()) / right
            }
        }
    )*};
}

number_on_the_left!(f32, f64);
