//! The list of all operations, and how each is compiled once.
//!
//! An operation is written once for all scalars, as a [`Body`]. A generic function is compiled in each crate that calls
//! it, and kernels are large: each program and each test would compile them again. So this crate compiles every body
//! for `f32` and for `f64`, and the implementations of [`Op`] do no more than choose between the two.

use std::any::TypeId;
use std::fmt::Debug;

use nn_core::{Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, ValueError, View, ViewMut};

use crate::{
    Abs, Activation, AdaptiveAvgPool, AdaptiveMaxPool, Add, AddScalar, AttentionWeights, AvgPool, Clamp,
    Concat, Conv, ConvTranspose, Div, EmbeddingLookup, Exp, GatherRows, Linear, Ln, LogSoftmax, LogSumExp,
    MatMul, Max, MaxPool, Maximum, Mean, Minimum, Mul, MulScalar, Neg, Powf, Reciprocal, Recurrent, Reshape,
    SequenceLengths, Slice, Softmax, Sqrt, Square, Sub, Sum, Transpose,
};

/// The methods of [`Op`], as an operation of this crate implements them.
pub(crate) trait Body<F: Real>: Debug + Send + Sync {
    fn name(&self) -> &'static str;

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError>;

    fn check(&self, _inputs: &[View<'_, F>]) -> Result<(), ValueError> {
        Ok(())
    }

    fn has_check(&self) -> bool {
        false
    }

    fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>);

    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    );
}

/// An operation whose body has been compiled for both scalars.
trait Compiled {
    fn single(&self) -> &dyn Body<f32>;
    fn double(&self) -> &dyn Body<f64>;
}

/// The body compiled for `F`.
fn body<F: Real>(op: &dyn Compiled) -> &dyn Body<F> {
    if TypeId::of::<F>() == TypeId::of::<f32>() {
        // SAFETY: `F` is `f32`, so both are the same type.
        unsafe { std::mem::transmute::<&dyn Body<f32>, &dyn Body<F>>(op.single()) }
    } else {
        // SAFETY: `Real` is sealed: `F` is `f64`, so both are the same type.
        unsafe { std::mem::transmute::<&dyn Body<f64>, &dyn Body<F>>(op.double()) }
    }
}

/// Compiles the bodies of these types and implements [`Op`] by them. A blanket implementation of a trait of another
/// crate is not allowed, hence the macro.
macro_rules! operations {
    ($($op:ty),* $(,)?) => {$(
        impl Compiled for $op {
            #[inline(never)]
            fn single(&self) -> &dyn Body<f32> {
                self
            }

            #[inline(never)]
            fn double(&self) -> &dyn Body<f64> {
                self
            }
        }

        impl<F: Real> Op<F> for $op {
            fn name(&self) -> &'static str {
                body::<F>(self).name()
            }

            fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
                body::<F>(self).infer(inputs)
            }

            fn check(&self, inputs: &[View<'_, F>]) -> Result<(), ValueError> {
                body::<F>(self).check(inputs)
            }

            fn has_check(&self) -> bool {
                body::<F>(self).has_check()
            }

            fn forward(&self, step: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, memory: Memory<'_, F>) {
                body::<F>(self).forward(step, inputs, output, memory);
            }

            fn backward(
                &self,
                step: &Step,
                io: &Io<'_, '_, F>,
                memory: Memory<'_, F>,
                d_output: View<'_, F>,
                d_inputs: &mut [Grad<'_, F>],
            ) {
                body::<F>(self).backward(step, io, memory, d_output, d_inputs);
            }
        }
    )*};
}

operations!(
    Abs,
    Activation,
    AdaptiveAvgPool<1>,
    AdaptiveAvgPool<2>,
    AdaptiveMaxPool<1>,
    AdaptiveMaxPool<2>,
    Add,
    AddScalar,
    AttentionWeights,
    AvgPool<1>,
    AvgPool<2>,
    Clamp,
    Concat,
    Conv<1>,
    Conv<2>,
    ConvTranspose<1>,
    ConvTranspose<2>,
    Div,
    EmbeddingLookup,
    Exp,
    GatherRows,
    Linear,
    Ln,
    LogSoftmax,
    LogSumExp,
    MatMul,
    Max,
    MaxPool<1>,
    MaxPool<2>,
    Maximum,
    Mean,
    Minimum,
    Mul,
    MulScalar,
    Neg,
    Powf,
    Reciprocal,
    Recurrent,
    Reshape,
    SequenceLengths,
    Slice,
    Softmax,
    Sqrt,
    Square,
    Sub,
    Sum,
    Transpose,
);
