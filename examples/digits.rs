//! Learns to read handwritten digits from the embedded 8×8 images; checks its own gradient first.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use nn_train::Monitor;
use nn_train::checkpoint::{Checkpoints, Model};
use nn_train::data::digits;
use nn_train::init::He;
use nn_train::prelude::*;
use nn_train::schedule::Exponential;

/// Trains a small network on 1,797 handwritten digits and tests it on a held-out fifth.
#[derive(Parser)]
struct Args {
    /// How often all training samples are seen
    #[arg(long, default_value_t = 30)]
    epochs: u64,
    /// Samples in a mini-batch
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Learning rate of the first epoch; it falls by a tenth in each
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Seed of the split, the initial weights and the shuffling
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for checkpoints, report and model
    #[arg(long, default_value = "runs/digits")]
    out: PathBuf,
    /// Goes on from the last checkpoint in the folder
    #[arg(long)]
    resume: bool,
}

/// 64 pixels, two hidden layers, ten digits.
fn module<F: Real>() -> Sequential<F> {
    Sequential::new()
        .add(Linear::new(128).weight_init(He::normal()))
        .add(Activation::Relu)
        .add(Linear::new(64).weight_init(He::normal()))
        .add(Activation::Relu)
        .add(Linear::new(10))
}

/// The digits, divided into training and test part, and how they are scaled.
struct Parts<F: Real> {
    train: Dataset<F>,
    test: Dataset<F>,
    scaler: Standardizer,
}

/// Divides the digits, and scales them to mean 0 and standard deviation 1 of the training part.
fn parts<F: Real>(seed: u64) -> Result<Parts<F>, Box<dyn Error>> {
    let [train, test] = digits::load().split_stratified([0.8, 0.2], Streams::new(seed))?;
    let scaler = Standardizer::per_set(&train)?;
    Ok(Parts { train: scaler.apply(train)?, test: scaler.apply(test)?, scaler })
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

    println!("Gradient check of the network, in f64, on 8 samples:");
    let few = parts::<f64>(args.seed)?.train.select(&[0, 1, 2, 3, 4, 5, 6, 7])?;
    let mut double = Network::new(module(), &[64], args.seed)?;
    println!("{}", check_gradient(&GradCheck::new(), &mut double, SoftmaxCrossEntropy::new(), &few)?);

    let Parts { train, test, scaler } = parts::<f32>(args.seed)?;
    println!("Training on {} digits, testing on {}:", train.len(), test.len());
    let mut network = Network::new(module(), &[64], args.seed)?;
    println!("{}", network.summary()?);
    let checkpoints = Checkpoints::new(args.out.join("checkpoints"));
    let mut trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(args.rate)?)
        .schedule(Exponential::new(args.rate, 0.9)?)
        .epochs(args.epochs)
        .batch_size(args.batch)
        .seed(args.seed)
        .checkpoints(if args.resume { checkpoints.resume() } else { checkpoints.overwrite() })
        .monitor(Monitor::in_folder(&args.out).images(&[8, 8]));
    if let Some(threads) = args.threads {
        trainer = trainer.threads(threads);
    }
    trainer.fit(&mut network, &train, Some(&test))?;

    show_mistakes(&mut network, &test)?;
    let result = evaluate(&network, SoftmaxCrossEntropy::new(), &test)?;
    println!("{} holds report.html, epochs.csv, checkpoints, and the model.", args.out.display());
    Model::new(network).scaling(scaler).save(args.out.join("model.safetensors"))?;
    println!("Time, with the gradient check: {:.1} s", began.elapsed().as_secs_f64());
    println!("test accuracy {:.2} %", 100.0 * result.accuracy.unwrap_or(0.0));
    Ok(())
}

/// Draws up to six test digits that the network takes for another, side by side.
fn show_mistakes(network: &mut Network<f32>, test: &Dataset<f32>) -> Result<(), Box<dyn Error>> {
    let outputs = network.predict(&test.inputs().view())?;
    let labels = test.labels().unwrap_or_default();
    let read = |i: usize| (0..10).max_by(|&a, &b| outputs[[i, a]].total_cmp(&outputs[[i, b]])).unwrap_or(0);
    let mistakes: Vec<usize> = (0..test.len()).filter(|&i| read(i) != labels[i]).collect();
    println!("\nMistaken: {} of {}", mistakes.len(), test.len());
    let shown = &mistakes[..mistakes.len().min(6)];
    for row in 0..8 {
        for &i in shown {
            for column in 0..8 {
                let ink = test.inputs()[[i, 8 * row + column]];
                print!(
                    "{}",
                    if ink > 0.8 {
                        '#'
                    } else if ink > 0.0 {
                        '+'
                    } else {
                        ' '
                    }
                );
            }
            print!("     ");
        }
        println!();
    }
    for &i in shown {
        print!("{:<13}", format!("{} read {}", labels[i], read(i)));
    }
    println!("\n");
    Ok(())
}
