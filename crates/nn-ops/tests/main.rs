//! All tests of the crate as one program, so that what they share is compiled once.

mod accuracy;
mod conv_torch;
mod convolutions;
mod fixtures;
mod gradients;
mod images;
mod known_values;
mod pool_torch;
mod recurrent;
mod sequences;
mod values;
mod windows;
