//! All tests of the crate as one program, so that what they share is compiled once.

mod curves;
mod histograms;
mod metrics;
mod sinks;
mod tensorboard;
