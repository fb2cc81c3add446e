//! Learns to read handwritten digits from the embedded 8×8 images; checks its own gradient first.

use clap::Parser;
use nn_train::data::digits;
use nn_train::gradcheck::GradCheck;
use nn_train::prelude::*;

/// Trains a small network on 1,797 handwritten digits and tests it on a held-out fifth.
#[derive(Parser)]
struct Args {
    /// How often all training samples are seen
    #[arg(long, default_value_t = 40)]
    epochs: u64,
    /// Samples in a mini-batch
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Seed of the split, the initial weights and the shuffling
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
}

/// 64 pixels, two hidden layers, ten digits.
fn network<F: Real>() -> Sequential<F> {
    Sequential::new()
        .add(Linear::new(128).weight_init(He::normal()))
        .add(Activation::Relu)
        .add(Linear::new(64).weight_init(He::normal()))
        .add(Activation::Relu)
        .add(Linear::new(10))
}
