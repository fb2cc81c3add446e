#![doc = include_str!("../README.md")]

mod check;
mod numeric;
mod operation;
#[cfg(feature = "proptest")]
pub mod properties;
mod report;
#[cfg(feature = "proptest")]
pub mod strategies;
mod verdict;

pub use check::{GradCheck, Param};
pub use numeric::{Stencil, numeric_gradient};
pub use report::{Report, Row, Worst};
pub use verdict::{Verdict, relative_error};
