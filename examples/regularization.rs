//! What regularisation does: two half-moons with noise, learnt by a network that is far too large for them; without
//! regularisation, with L2, with dropout and with early stopping. Draws the decision boundaries into an SVG file.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Parser;
use ndarray::Array2;
use nn_train::data::synthetic::moons;
use nn_train::prelude::*;
use nn_train::regularize::EarlyStopping;

/// Trains a network on a few noisy samples in four ways and draws what it has learnt.
#[derive(Parser)]
struct Args {
    /// Training samples
    #[arg(long, default_value_t = 120)]
    samples: usize,
    /// Standard deviation of the noise
    #[arg(long, default_value_t = 0.3)]
    noise: f64,
    /// How often all training samples are seen
    #[arg(long, default_value_t = 1500)]
    epochs: u64,
    /// Seed of the data, the initial weights, the shuffling and dropout
    #[arg(long, default_value_t = 3)]
    seed: u64,
    /// The picture
    #[arg(long, default_value = "regularization.svg")]
    out: PathBuf,
}

/// The part of the plane that is drawn: x and y from … to.
const X: [f32; 2] = [-1.9, 2.9];
const Y: [f32; 2] = [-1.7, 2.2];
/// The sides of a panel and of its cells, in pixels.
const PANEL: usize = 336;
const CELL: usize = 4;

fn module(dropout: f64) -> Result<Sequential<f32>, Box<dyn Error>> {
    let hidden = |net: Sequential<f32>| -> Result<Sequential<f32>, Box<dyn Error>> {
        let net = net.add(Linear::new(128)).add(Activation::Relu);
        Ok(if dropout > 0.0 { net.add(Dropout::new(dropout)?) } else { net })
    };
    Ok(hidden(hidden(Sequential::new())?)?.add(Linear::new(2)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let streams = Streams::new(args.seed);
    let train = moons::<f32>(args.samples, args.noise, streams.child(1))?;
    let validation = moons::<f32>(args.samples, args.noise, streams.child(2))?;
    let test = moons::<f32>(5000, args.noise, streams.child(3))?;

    let plain = || -> Result<Trainer<f32>, Box<dyn Error>> {
        let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(3e-3)?).epochs(args.epochs);
        Ok(trainer.batch_size(32).seed(args.seed).progress(Progress::Silent))
    };
    let trainings = [
        ("no regularisation", plain()?, 0.0),
        ("L2, λ = 0.02", plain()?.penalty(L2::new(0.02)?), 0.0),
        ("dropout, rate 0.5", plain()?, 0.5),
        ("early stopping, patience 30", plain()?.early_stopping(EarlyStopping::new(30)?), 0.0),
    ];

    println!("{} training samples, noise {}, {} epochs", args.samples, args.noise, args.epochs);
    println!("{:28} {:>8} {:>8} {:>8}", "", "epochs", "train", "test");
    let mut panels = String::new();
    for (i, (name, trainer, dropout)) in trainings.into_iter().enumerate() {
        let mut network = Network::new(module(dropout)?, &[2], args.seed)?;
        let history = trainer.fit(&mut network, &train, Some(&validation))?;
        let accuracy = |data| -> Result<f64, TrainError> {
            Ok(100.0 * evaluate(&network, SoftmaxCrossEntropy::new(), data)?.accuracy.unwrap_or(0.0))
        };
        let (of_train, of_test) = (accuracy(&train)?, accuracy(&test)?);
        println!("{name:28} {:>8} {of_train:>6.1} % {of_test:>6.1} %", history.epochs.len());
        let title = format!("{name}: train {of_train:.1} %, test {of_test:.1} %");
        panels +=
            &panel(&mut network, &train, &title, [i % 2 * (PANEL + 16) + 16, i / 2 * (PANEL + 40) + 36])?;
    }
    let [width, height] = [2 * PANEL + 48, 2 * PANEL + 92];
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         font-family=\"sans-serif\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{panels}</svg>\n"
    );
    std::fs::write(&args.out, picture)?;
    println!("The decision boundaries are in {}.", args.out.display());
    Ok(())
}

/// The probability of the second class in each cell, and the samples on it.
fn panel(
    network: &mut Network<f32>,
    train: &Dataset<f32>,
    title: &str,
    [x0, y0]: [usize; 2],
) -> Result<String, Box<dyn Error>> {
    let cells = PANEL / CELL;
    let of_cell = |i: usize| ((i % cells) as f32 + 0.5, (i / cells) as f32 + 0.5);
    let points = Array2::from_shape_fn((cells * cells, 2), |(i, axis)| {
        let (x, y) = of_cell(i);
        let side = cells as f32;
        if axis == 0 { X[0] + (X[1] - X[0]) * x / side } else { Y[1] - (Y[1] - Y[0]) * y / side }
    });
    let outputs = network.predict(&points.into_dyn().view())?;
    let mut svg = format!("<text x=\"{x0}\" y=\"{}\">{title}</text>\n", y0 - 8);
    for (i, row) in outputs.rows().into_iter().enumerate() {
        let p = 1.0 / (1.0 + (row[0] - row[1]).exp());
        let (x, y) = (x0 + i % cells * CELL, y0 + i / cells * CELL);
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"{}\"/>",
            colour(p)
        )?;
    }
    let inputs = train.inputs().rows().into_iter();
    for (sample, &label) in inputs.zip(train.targets()) {
        let x = x0 as f32 + (sample[0] - X[0]) / (X[1] - X[0]) * PANEL as f32;
        let y = y0 as f32 + (Y[1] - sample[1]) / (Y[1] - Y[0]) * PANEL as f32;
        let fill = if label > 0.5 { "#c2410c" } else { "#1d4ed8" };
        writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\" stroke=\"#fff\"/>")?;
    }
    Ok(svg)
}

/// From blue over white to orange, in steps, so that the boundary and the certainty can be seen.
fn colour(p: f32) -> String {
    let strength = ((p - 0.5).abs() * 2.0 * 5.0).ceil() / 5.0;
    let towards = if p > 0.5 { [251.0, 176.0, 122.0] } else { [147.0, 180.0, 250.0] };
    let [r, g, b] = towards.map(|c: f32| 255.0 + (c - 255.0) * strength);
    format!("#{:02x}{:02x}{:02x}", r as u8, g as u8, b as u8)
}
