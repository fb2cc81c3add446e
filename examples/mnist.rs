//! Learns the MNIST digits from the four IDX files.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use nn_train::data::mnist;
use nn_train::init::He;
use nn_train::prelude::*;
use nn_train::schedule::Exponential;

/// Trains a perceptron, 784-512-512-10, on the 60,000 images of MNIST and tests it on the 10,000 others.
///
/// `cargo xtask fetch mnist` puts the files into data/mnist.
#[derive(Parser)]
struct Args {
    /// Folder of the four IDX files, plain or gzipped
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// How often all training samples are seen
    #[arg(long, default_value_t = 10)]
    epochs: u64,
    /// Samples in a mini-batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Width of each hidden layer
    #[arg(long, value_delimiter = ',', default_values_t = [512, 512])]
    hidden: Vec<usize>,
    /// Learning rate of the first epoch; it falls by a fifth in each
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Seed of the initial weights and the shuffling
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let set = mnist::load::<f32>(&args.data)?;
    let scaler = Standardizer::per_set(&set.train)?;
    let (train, test) = (scaler.apply(set.train)?, scaler.apply(set.test)?);
    println!("Read {} + {} images in {:.1} s", train.len(), test.len(), began.elapsed().as_secs_f64());

    let layer = |width| Linear::new(width).weight_init(He::normal());
    let hidden = |net: Sequential<f32>, &width: &usize| net.add(layer(width)).add(Activation::Relu);
    let module = args.hidden.iter().fold(Sequential::new(), hidden).add(Linear::new(10));
    let mut network = Network::new(module, &[784], args.seed)?;
    println!("Training {} parameters:", network.params().layout().count());

    let mut trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(args.rate)?)
        .schedule(Exponential::new(args.rate, 0.8)?)
        .epochs(args.epochs)
        .batch_size(args.batch)
        .seed(args.seed);
    if let Some(threads) = args.threads {
        trainer = trainer.threads(threads);
    }
    let history = trainer.fit(&mut network, &train, Some(&test))?;

    let seconds: f64 = history.epochs.iter().map(|epoch| epoch.duration.as_secs_f64()).sum();
    let rate = train.len() as f64 * history.epochs.len() as f64 / seconds.max(f64::MIN_POSITIVE);
    println!("Trained in {seconds:.1} s, {rate:.0} samples/s; {:.1} s in all", began.elapsed().as_secs_f64());
    let result = evaluate(&network, SoftmaxCrossEntropy::new(), &test)?;
    println!("test accuracy {:.2} %", 100.0 * result.accuracy.unwrap_or(0.0));
    Ok(())
}
