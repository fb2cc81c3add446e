#![doc = include_str!("../README.md")]

mod activation;
mod binary;
mod gemm;
mod kernel;
mod linear;
mod matmul;
mod movement;
mod operation;
mod reduce;
mod shapes;
pub mod simd;
mod slices;
mod softmax;
mod unary;

pub use activation::*;
pub use binary::*;
pub use gemm::*;
pub use linear::*;
pub use matmul::*;
pub use movement::*;
pub use reduce::*;
pub use slices::{dot, max_value, sum, sum_squares};
pub use softmax::*;
pub use unary::*;
