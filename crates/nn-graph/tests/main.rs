//! All tests of the crate as one program, so that what they share is compiled once.

mod gradients;
mod plans;
