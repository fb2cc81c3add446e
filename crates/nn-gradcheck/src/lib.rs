#![doc = include_str!("../README.md")]

mod assess;
mod check;
mod complex;
mod diagnosis;
mod directions;
mod factor;
mod index;
mod kink;
mod noise;
mod numeric;
mod operation;
#[cfg(feature = "proptest")]
pub mod properties;
mod report;
mod second;
#[cfg(feature = "proptest")]
pub mod strategies;
mod table;
mod verdict;

pub use check::{GradCheck, Param};
pub use complex::{Complex64, complex_gradient};
pub use diagnosis::Suspicion;
pub use kink::Kink;
pub use noise::held;
pub use numeric::{Stencil, numeric_gradient};
pub use report::{Colored, Report, Row, Worst, wants_color, without_gradient};
pub use verdict::{Tolerance, Verdict, relative_error};
