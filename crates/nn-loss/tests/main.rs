//! All tests of the crate as one program, so that what they share is compiled once.

mod bad_input;
mod fixtures;
mod gradients;
mod list;
mod losses;
