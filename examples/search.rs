//! Looks for the hyperparameters of a network that reads handwritten digits, on all cores.
//!
//! Stopped and started again, it goes on with the same study; several at once, in several terminals, share it.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use nn_train::Control;
use nn_train::Event;
use nn_train::data::digits;
use nn_train::init::He;
use nn_train::prelude::*;
use nn_train::schedule::Exponential;
use nn_tune::pruner::SuccessiveHalving;
use nn_tune::sampler::Tpe;
use nn_tune::storage::Journal;
use nn_tune::{Budget, Caviar, Direction, Importance, Params, Report, RunningTrial, Space, Stop, Study};
use serde::{Deserialize, Serialize};

/// Tunes a network on 1,797 handwritten digits: learning rate, momentum, batch size, layers, units, dropout.
#[derive(Parser)]
struct Args {
    /// How many trials there are in the end
    #[arg(long, default_value_t = 150)]
    trials: u64,
    /// How many of them are at random, before those that TPE suggests
    #[arg(long, default_value_t = 30)]
    random: usize,
    /// After how many epochs the worse part of the trials is pruned for the first time
    #[arg(long, default_value_t = 4)]
    rung: u64,
    /// Of how many trials one goes on
    #[arg(long, default_value_t = 3)]
    reduction: u64,
    /// Seed of the study
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Models that are trained at once; as many as there are cores by default
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// Folder of the study and its report
    #[arg(long, default_value = "runs/search")]
    out: PathBuf,
}

/// How often a network that is not pruned sees all training samples.
const EPOCHS: u64 = 30;
/// In how many ways training and validation samples are divided: a trial that is not pruned is trained on each.
const SPLITS: u64 = 4;
/// On how many seeds the best and the default configuration are compared.
const SEEDS: u64 = 5;

/// What is tuned.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Hyperparameters {
    learning_rate: f64,
    momentum: f64,
    batch_size: usize,
    layers: usize,
    units: usize,
    dropout: f64,
}

impl Default for Hyperparameters {
    /// What one would begin with.
    fn default() -> Self {
        Hyperparameters {
            learning_rate: 0.01,
            momentum: 0.9,
            batch_size: 32,
            layers: 2,
            units: 64,
            dropout: 0.0,
        }
    }
}

fn space() -> Result<Space, Box<dyn Error>> {
    Ok(Space::new()
        .log_uniform("learning_rate", 1e-4, 1.0)?
        .one_minus_log_uniform("momentum", 0.5, 0.999)?
        .powers_of_two("batch_size", 16, 256)?
        .integer("layers", 1, 3)?
        .log_integer("units", 16, 256)?
        .uniform("dropout", 0.0, 0.5)?)
}

/// The digits: four fifths to train with, a fifth held out. For the search, a quarter of the former is for validation.
struct Data {
    splits: Vec<[Dataset<f32>; 2]>,
    train: Dataset<f32>,
    test: Dataset<f32>,
}

fn data() -> Result<Data, Box<dyn Error>> {
    let [train, test] = digits::load().split_stratified([0.8, 0.2], Streams::new(1))?;
    let scaler = Standardizer::per_set(&train)?;
    let (train, test) = (scaler.apply(train)?, scaler.apply(test)?);
    let split = |number| train.clone().split_stratified([0.75, 0.25], Streams::new(number));
    let splits = (0..SPLITS).map(split).collect::<Result<_, _>>()?;
    Ok(Data { splits, train, test })
}

fn network(hyperparameters: &Hyperparameters, seed: u64) -> Result<Network<f32>, Stop> {
    let mut module = Sequential::new();
    for _ in 0..hyperparameters.layers {
        module = module
            .add(Linear::new(hyperparameters.units).weight_init(He::normal()))
            .add(Activation::Relu)
            .add(Dropout::new(hyperparameters.dropout)?);
    }
    Ok(Network::new(module.add(Linear::new(10)), &[64], seed)?)
}

fn trainer(hyperparameters: &Hyperparameters, seed: u64) -> Result<Trainer<f32>, Stop> {
    let rule = Sgd::new(hyperparameters.learning_rate)?.momentum(hyperparameters.momentum)?;
    Ok(Trainer::new(SoftmaxCrossEntropy::new(), rule)
        .schedule(Exponential::new(hyperparameters.learning_rate, 0.9)?)
        .epochs(EPOCHS)
        .batch_size(hyperparameters.batch_size)
        .seed(seed)
        .progress(nn_train::Progress::Silent))
}

/// One trial: the validation loss in the end, the mean over all splits. It is pruned by the first.
fn objective(trial: &mut RunningTrial<'_>, data: &Data) -> Result<f64, Stop> {
    let hyperparameters: Hyperparameters = trial.params.to()?;
    let mut sum = 0.0;
    for (split, [train, validation]) in (0..).zip(&data.splits) {
        let reporter = (split == 0).then(|| trial.reporter());
        let report = move |event: &Event<'_, f32>| match (event, &reporter) {
            (Event::Epoch { record, .. }, Some(reporter)) => {
                let goes_on = reporter.report(record.epoch, validation_loss(record)).is_ok();
                if goes_on { Control::Continue } else { Control::Stop }
            }
            _ => Control::Continue,
        };
        let mut network = network(&hyperparameters, split)?;
        let trainer = trainer(&hyperparameters, split)?.threads(trial.threads()).on_event(report);
        let history = trainer.fit(&mut network, train, Some(validation))?;
        sum += history.last().map_or(f64::NAN, validation_loss);
        if (history.epochs.len() as u64) < EPOCHS {
            return Err(Stop::Pruned);
        }
    }
    Ok(sum / data.splits.len() as f64)
}

fn validation_loss(record: &EpochRecord) -> f64 {
    record.validation.as_ref().map_or(f64::NAN, |validation| validation.loss)
}

/// What comes of the held-out digits after training with all others, for each seed.
fn held_out(hyperparameters: &Hyperparameters, data: &Data) -> Result<Vec<Evaluation>, Stop> {
    let evaluated = |seed: u64| -> Result<Evaluation, Stop> {
        let mut network = network(hyperparameters, seed)?;
        trainer(hyperparameters, seed)?.fit(&mut network, &data.train, None)?;
        Ok(evaluate(&network, SoftmaxCrossEntropy::new(), &data.test)?)
    };
    (1..=SEEDS).map(evaluated).collect()
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
    let data = data()?;
    fs::create_dir_all(&args.out)?;
    let journal = Journal::new(args.out.join("study.log"))?;
    let sampler = Tpe::new(args.seed).startup(args.random);
    let study = Study::open(journal, "digits", Direction::Minimize, space()?, sampler)?
        .pruner(SuccessiveHalving::new().min_resource(args.rung)?.reduction_factor(args.reduction)?)
        .retry_dead(1);
    match study.trials()?.len() {
        0 => study.enqueue(Params::from(&Hyperparameters::default())?)?,
        trials => println!("The study in {} goes on: it has {trials} trials.", args.out.display()),
    }
    let caviar = Caviar::new(args.workers).budget(Budget::trials(args.trials));
    let ran = caviar.run(&study, |trial| objective(trial, &data))?;
    println!(
        "{} trials complete, {} pruned, {} failed in {:.1} s: {} epochs instead of {}",
        ran.complete,
        ran.pruned,
        ran.failed,
        ran.duration.as_secs_f64(),
        ran.reports,
        EPOCHS * (ran.complete + ran.pruned) as u64
    );

    let best = study.best()?.ok_or("no trial is complete")?;
    println!(
        "\nBest of all trials: {}, validation loss {:.4}",
        best.number,
        best.value().unwrap_or(f64::NAN)
    );
    best.params.iter().for_each(|(name, value)| println!("    {name:<14} {value}"));
    if let Some(importance) = Importance::of(&study)? {
        println!("\nImportance:\n{importance}");
    }
    let report = args.out.join("report.html");
    Report::of(&study)?.objective("validation loss").write(&report)?;
    println!("\nThe report is {}.", report.display());
    compare(&best.params.to()?, &data)?;
    println!("Time: {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Says by how much a configuration is better than the default on the held-out digits.
fn compare(best: &Hyperparameters, data: &Data) -> Result<(), Box<dyn Error>> {
    let all = |hyperparameters| held_out(hyperparameters, data).map_err(|stop| stop.to_string());
    let (default, tuned) = (all(&Hyperparameters::default())?, all(best)?);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    println!("\n{} held-out digits, trained with all others, seeds 1 to {SEEDS}:", data.test.len());
    let losses = |results: &[Evaluation]| results.iter().map(|result| result.loss).collect();
    let mistakes = |results: &[Evaluation]| {
        results.iter().map(|result| 100.0 * (1.0 - result.accuracy.unwrap_or(f64::NAN))).collect()
    };
    let rows: [(&str, Vec<f64>, Vec<f64>); 2] =
        [("loss", losses(&default), losses(&tuned)), ("mistaken, %", mistakes(&default), mistakes(&tuned))];
    for (name, default, tuned) in &rows {
        for (which, values) in [("default", default), ("best", tuned)] {
            let each: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
            println!("    {name:<12} {which:<8} {:.3}   {}", mean(values), each.join("  "));
        }
        let share = 100.0 * (1.0 - mean(tuned) / mean(default));
        println!("    {name:<12} {} by {:.1} %", if share > 0.0 { "better" } else { "worse" }, share.abs());
    }
    Ok(())
}
