#![doc = include_str!("../README.md")]

pub mod simd;
#[cfg_attr(not(feature = "operations"), expect(dead_code, reason = "the operations use more of it"))]
mod slices;

pub use slices::{dot, max_value, sum, sum_squares};

#[cfg(feature = "operations")]
mod activation;
#[cfg(feature = "operations")]
mod binary;
#[cfg(feature = "operations")]
mod gemm;
#[cfg(feature = "operations")]
mod kernel;
#[cfg(feature = "operations")]
mod linear;
#[cfg(feature = "operations")]
mod matmul;
#[cfg(feature = "operations")]
mod movement;
#[cfg(feature = "operations")]
mod operation;
#[cfg(feature = "operations")]
mod reduce;
#[cfg(feature = "operations")]
mod shapes;
#[cfg(feature = "operations")]
mod softmax;
#[cfg(feature = "operations")]
mod unary;

#[cfg(feature = "operations")]
pub use {
    activation::*, binary::*, gemm::*, linear::*, matmul::*, movement::*, reduce::*, softmax::*, unary::*,
};
