//! All tests of the crate as one program, so that what they share is compiled once.

mod around;
mod draws;
mod gradients;
mod torch;
