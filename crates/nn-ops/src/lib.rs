#![doc = include_str!("../README.md")]

pub mod simd;
#[cfg_attr(not(feature = "operations"), expect(dead_code, reason = "the operations use more of it"))]
mod slices;

pub use slices::{dot, max_value, sum, sum_squares};

/// What the feature `operations` adds. The files lie beside this one, and their names are those of the crate's root.
#[cfg(feature = "operations")]
#[path = "."]
mod operations {
    pub(crate) mod activation;
    pub(crate) mod attention;
    pub(crate) mod binary;
    pub(crate) mod conv;
    pub(crate) mod dispatch;
    pub(crate) mod gather;
    pub(crate) mod gemm;
    pub(crate) mod kernel;
    pub(crate) mod layout;
    pub(crate) mod linear;
    pub(crate) mod matmul;
    pub(crate) mod movement;
    pub(crate) mod operation;
    pub(crate) mod pool;
    pub(crate) mod pool_average;
    pub(crate) mod pool_max;
    pub(crate) mod recurrent;
    pub(crate) mod reduce;
    pub(crate) mod rows;
    pub(crate) mod sequence_lengths;
    pub(crate) mod shapes;
    pub(crate) mod softmax;
    pub(crate) mod unary;

    pub use {
        activation::*, attention::*, binary::*, conv::*, gather::*, gemm::*, layout::*, linear::*, matmul::*,
        movement::*, pool::*, pool_average::*, pool_max::*, recurrent::*, reduce::*, sequence_lengths::*,
        softmax::*, unary::*,
    };
}
#[cfg(feature = "operations")]
pub use operations::*;
