//! All tests of the crate as one program, so that what they share is compiled once.

mod distributions;
mod initializers;
mod known;
mod matrices;
mod refused;
mod signal;
