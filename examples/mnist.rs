//! Learns the MNIST digits from the four IDX files, and says how long it took to get how good.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use nn_train::Monitor;
use nn_train::core::RangeError;
use nn_train::data::{Augment, Augmented, mnist};
use nn_train::init::He;
use nn_train::layers::{Conv2d, MaxPool2d, Reshape};
use nn_train::prelude::*;
use nn_train::schedule::OneCycle;

/// Trains a network on the 60,000 images of MNIST and tests it on the 10,000 others.
///
/// `cargo xtask fetch mnist` puts the files into data/mnist. The learning rate follows a one-cycle schedule.
#[derive(Parser)]
struct Args {
    /// Folder of the four IDX files, plain or gzipped
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// The network: a perceptron, or convolutions
    #[arg(long, value_enum, default_value_t = Model::Mlp)]
    model: Model,
    /// How often all training samples are seen
    #[arg(long, default_value_t = 4)]
    epochs: u64,
    /// Samples in a mini-batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Width of each hidden layer of the perceptron
    #[arg(long, value_delimiter = ',', default_values_t = [256, 128])]
    hidden: Vec<usize>,
    /// Channels of each convolution
    #[arg(long, value_delimiter = ',', default_values_t = [8, 16])]
    channels: Vec<usize>,
    /// Batch normalisation in each hidden layer of the perceptron
    #[arg(long)]
    batch_norm: bool,
    /// Rate of dropout after each hidden layer
    #[arg(long, default_value_t = 0.0)]
    dropout: f64,
    /// Shifts, turns, scales and bends the training images at random
    #[arg(long)]
    augment: bool,
    /// Folder for a report of each training
    #[arg(long)]
    out: Option<PathBuf>,
    /// Highest learning rate
    #[arg(long, default_value_t = 4e-3)]
    rate: f64,
    /// First seed of the initial weights and the shuffling
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trainings with different seeds, of which the mean is printed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Model {
    /// Fully connected layers with ReLU
    Mlp,
    /// Convolutions, each with ReLU and max pooling, and two fully connected layers
    Cnn,
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
    let loading = began.elapsed();
    println!("Read {} + {} images in {:.1} s", train.len(), test.len(), loading.as_secs_f64());

    let (mut times, mut accuracies) = (vec![], vec![]);
    for seed in args.seed..args.seed + args.seeds {
        let (time, accuracy) = train_once(args, seed, &train, &test)?;
        let (percent, seconds) = (100.0 * accuracy, (loading + time).as_secs_f64());
        println!("seed {seed}: test accuracy {percent:.2} %, {seconds:.1} s with reading");
        times.push(seconds);
        accuracies.push(percent);
    }
    if args.seeds > 1 {
        let (accuracy, time) = (mean(&accuracies), mean(&times));
        println!("mean of {} seeds: test accuracy {accuracy:.2} %, {time:.1} s with reading", args.seeds);
    }
    Ok(())
}

/// Trains from a seed; the time that it took, and the accuracy on the test images.
fn train_once(
    args: &Args,
    seed: u64,
    train: &Dataset<f32>,
    test: &Dataset<f32>,
) -> Result<(Duration, f64), Box<dyn Error>> {
    let began = Instant::now();
    let mut network = Network::new(module(args)?, &[784], seed)?;
    println!("Training {} parameters from seed {seed}:", network.params().layout().count());
    let mut trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(args.rate)?)
        .schedule(OneCycle::new(args.rate, usize::try_from(args.epochs)?)?)
        .epochs(args.epochs)
        .batch_size(args.batch)
        .seed(seed);
    if let Some(threads) = args.threads {
        trainer = trainer.threads(threads);
    }
    if let Some(out) = &args.out {
        trainer = trainer.monitor(
            Monitor::in_folder(out.join(seed.to_string()))
                .name(format!("MNIST, seed {seed}"))
                .images(&[28, 28]),
        );
    }
    if args.augment {
        let augment = Augment::new().shift(-1.5..=1.5, -1.5..=1.5)?.rotation(-9.0..=9.0)?;
        let augment = augment.scale(0.92..=1.08)?.elastic(24.0, 5.0)?;
        // The scaled value of a black pixel.
        let black = train.inputs().iter().copied().fold(f32::INFINITY, f32::min);
        let augment = augment.fill(black.into())?;
        let augmented = Augmented::with_shape(train, augment, Streams::new(seed), [1, 28, 28])?;
        trainer.fit(&mut network, &augmented, Some(test))?;
    } else {
        trainer.fit(&mut network, train, None)?;
    }
    let time = began.elapsed();
    let result = evaluate(&network, SoftmaxCrossEntropy::new(), test)?;
    Ok((time, result.accuracy.unwrap_or(0.0)))
}

fn module(args: &Args) -> Result<Sequential<f32>, RangeError> {
    let dropout = Dropout::new(args.dropout)?;
    let hidden = |net: Sequential<f32>, &width: &usize| {
        let net = net.add(Linear::new(width).weight_init(He::normal()));
        let net = if args.batch_norm { net.add(BatchNorm::new()) } else { net };
        let net = net.add(Activation::Relu);
        if args.dropout > 0.0 { net.add(dropout) } else { net }
    };
    let net = match args.model {
        Model::Mlp => args.hidden.iter().fold(Sequential::new(), hidden),
        Model::Cnn => {
            let net = Sequential::new().add(Reshape::new([1, 28, 28]));
            let net = args.channels.iter().fold(net, |net, &channels| {
                net.add(Conv2d::new(channels, 5).padding(2)).add(Activation::Relu).add(MaxPool2d::new(2))
            });
            hidden(net.add(Flatten), &128)
        }
    };
    Ok(net.add(Linear::new(10)))
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}
