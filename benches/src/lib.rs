//! What the benchmarks measure against: training steps written straight down over the crate `gemm`.

mod gemm_crate;
pub mod networks;
pub mod straight_line;
