//! The tests of the crate that do not choose instruction sets, as one program, so that what they share is compiled once.

mod accuracy;
mod convolutions;
mod fixtures;
mod gradients;
mod known_values;
mod many_channels;
mod pool_torch;
mod recurrent;
mod sequences;
mod values;
mod windows;
