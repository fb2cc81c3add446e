//! A network with a hand-written training loop, and everything this crate can tell of it: a report, a table,
//! a log and an event file.
//!
//! ```sh
//! cargo run --release -p nn-monitor --example hand_written -- FOLDER
//! ```
//!
//! The digits of a seven-segment display, 12 × 8 pixels, shifted and noisy; two layers, tanh and softmax,
//! mini-batch gradient descent with momentum and a rate that rises and falls.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use ndarray::{Array1, Array2, ArrayView1, Axis, Slice};
use nn_core::{Real, Streams};
use nn_monitor::{
    Accuracy, At, ConfusionMatrix, CsvSink, Histogram, Image, JsonlSink, LayerRow, Machine, Mean, Metric,
    Quantity, Report, RunEnd, RunStart, Sample, Score, Sink, TensorBoardSink, Worst, peak_memory,
};
use rand::RngExt;

const HEIGHT: usize = 12;
const WIDTH: usize = 8;
const HIDDEN: usize = 24;
const CLASSES: usize = 10;
const BATCH: usize = 32;
const EPOCHS: usize = 15;
const TRAIN: usize = 3000;
const MOMENTUM: f32 = 0.9;

/// The lit segments of each digit: top, upper left, upper right, middle, lower left, lower right, bottom.
const SEGMENTS: [&str; CLASSES] = [
    "1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111",
    "1111011",
];

/// A noisy picture of a digit.
fn draw(digit: usize, number: u64) -> Vec<f32> {
    let mut rng = Streams::new(7).rng("picture", number);
    let (down, right) = (rng.random_range(0..3), rng.random_range(0..3));
    let mut pixels: Vec<f32> =
        (0..HEIGHT * WIDTH).map(|_| 0.2 * f32::standard_normal(rng.random())).collect();
    // First row and column, number of rows and columns of each segment.
    let places =
        [(0, 1, 1, 3), (1, 0, 3, 1), (1, 4, 3, 1), (4, 1, 1, 3), (5, 0, 3, 1), (5, 4, 3, 1), (8, 1, 1, 3)];
    for (place, lit) in places.iter().zip(SEGMENTS[digit].bytes()) {
        let brightness: f32 = rng.random_range(0.5..1.0);
        for row in (0..place.2).map(|row| place.0 + row + down).filter(|_| lit == b'1') {
            for column in (0..place.3).map(|column| place.1 + column + right) {
                pixels[row * WIDTH + column] += brightness;
            }
        }
    }
    pixels
}

/// Pictures and their digits.
fn samples(first: usize, count: usize) -> (Array2<f32>, Array1<f32>) {
    let digits: Vec<usize> = (first..first + count).map(|i| i * 7 % CLASSES).collect();
    let pixels = digits.iter().zip(first..).flat_map(|(&digit, i)| draw(digit, i as u64)).collect();
    let inputs = Array2::from_shape_vec((count, HEIGHT * WIDTH), pixels).expect("a picture for each digit");
    (inputs, digits.iter().map(|&digit| digit as f32).collect())
}

/// Weights and biases of two layers.
#[derive(Clone)]
struct Network([Array2<f32>; 2], [Array1<f32>; 2]);

impl Network {
    fn new() -> Self {
        let mut rng = Streams::new(1).rng("weights", 0);
        let mut layer = |n: usize, m: usize| {
            let scale = 1.0 / (n as f32).sqrt();
            Array2::from_shape_simple_fn((n, m), || scale * f32::standard_normal(rng.random()))
        };
        let weights = [layer(HEIGHT * WIDTH, HIDDEN), layer(HIDDEN, CLASSES)];
        Network(weights, [Array1::zeros(HIDDEN), Array1::zeros(CLASSES)])
    }

    fn zeros() -> Self {
        let Network(weights, biases) = Self::new();
        Network(weights.map(|w| w * 0.0), biases)
    }

    /// Hidden values and logits.
    fn forward(&self, inputs: &Array2<f32>) -> (Array2<f32>, Array2<f32>) {
        let hidden = (inputs.dot(&self.0[0]) + &self.1[0]).mapv(f32::tanh);
        let logits = hidden.dot(&self.0[1]) + &self.1[1];
        (hidden, logits)
    }
}

/// The loss of one sample: −ln softmax(logits)[label].
fn loss(logits: ArrayView1<'_, f32>, label: f32) -> f64 {
    let max = logits.fold(f32::MIN, |max, &x| max.max(x));
    f64::from(logits.mapv(|x| (x - max).exp()).sum().ln() + max - logits[label as usize])
}

fn mean_loss(logits: &Array2<f32>, labels: &Array1<f32>) -> f64 {
    let losses = logits.rows().into_iter().zip(labels).map(|(logits, &label)| loss(logits, label));
    losses.sum::<f64>() / labels.len() as f64
}

/// The gradient of the mean loss.
fn backward(
    net: &Network,
    inputs: &Array2<f32>,
    hidden: &Array2<f32>,
    logits: &Array2<f32>,
    labels: &Array1<f32>,
) -> Network {
    let mut d_logits = logits.clone();
    for (mut row, &label) in d_logits.rows_mut().into_iter().zip(labels) {
        let max = row.fold(f32::MIN, |max, &x| max.max(x));
        row.mapv_inplace(|x| (x - max).exp());
        row /= row.sum();
        row[label as usize] -= 1.0;
    }
    d_logits /= labels.len() as f32;
    let d_hidden = d_logits.dot(&net.0[1].t()) * hidden.mapv(|h| 1.0 - h * h);
    Network(
        [inputs.t().dot(&d_hidden), hidden.t().dot(&d_logits)],
        [d_hidden.sum_axis(Axis(0)), d_logits.sum_axis(Axis(0))],
    )
}

/// The learning rate, which rises and falls.
fn rate(step: usize, steps: usize) -> f32 {
    let t = step as f32 / steps as f32;
    0.3 * if t < 0.3 {
        0.1 + 0.9 * t / 0.3
    } else {
        0.5 + 0.5 * ((t - 0.3) / 0.7 * std::f32::consts::PI).cos()
    }
}

fn start() -> RunStart {
    let setting = |(name, value): (&str, String)| (name.to_owned(), value);
    let config = [
        ("optimizer", "gradient descent with momentum".to_owned()),
        ("largest learning rate", "0.3".to_owned()),
        ("momentum", MOMENTUM.to_string()),
        ("batch", BATCH.to_string()),
        ("epochs", EPOCHS.to_string()),
        ("training samples", TRAIN.to_string()),
    ];
    let layer = |name: &str, n: usize, m: usize| LayerRow {
        name: name.to_owned(),
        shape: vec![m],
        parameters: (n * m + m) as u64,
        flops: (2 * n * m + m) as u64,
    };
    RunStart {
        name: "Seven segments".to_owned(),
        config: config.map(setting).to_vec(),
        model: vec![
            layer("hidden: linear, tanh", HEIGHT * WIDTH, HIDDEN),
            layer("output: linear", HIDDEN, CLASSES),
        ],
        machine: Machine::detect(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or("run".to_owned()));
    let columns = ["train/accuracy", "validation/loss", "validation/accuracy"];
    let mut sinks: Vec<Box<dyn Sink>> = vec![
        Box::new(Report::to_file(folder.join("report.html"))),
        Box::new(CsvSink::create(folder.join("epochs.csv"), &columns)?),
        Box::new(JsonlSink::create(folder.join("run.jsonl"))?),
        Box::new(TensorBoardSink::create(&folder)?),
    ];
    let began = Instant::now();
    sinks.start(&start())?;

    let (inputs, labels) = samples(0, TRAIN);
    let (valid_inputs, valid_labels) = samples(TRAIN, 500);
    let (mut net, mut velocity) = (Network::new(), Network::zeros());
    let batches = TRAIN.div_ceil(BATCH);
    let (mut accuracy, mut cost) = (Accuracy::new(), Mean::new("loss"));
    for step in 0..EPOCHS * batches {
        let begin = step % batches * BATCH;
        let end = (begin + BATCH).min(TRAIN);
        let batch = Slice::from(begin..end);
        let (x, t) = (inputs.slice_axis(Axis(0), batch), labels.slice_axis(Axis(0), batch));
        let (x, t) = (x.to_owned(), t.to_owned());
        let (hidden, logits) = net.forward(&x);
        let gradient = backward(&net, &x, &hidden, &logits, &t);
        let alpha = rate(step, EPOCHS * batches);
        for i in 0..2 {
            velocity.0[i] = MOMENTUM * &velocity.0[i] - alpha * &gradient.0[i];
            velocity.1[i] = MOMENTUM * &velocity.1[i] - alpha * &gradient.1[i];
            net.0[i] += &velocity.0[i];
            net.1[i] += &velocity.1[i];
        }

        let at = At::new(step as u64 + 1, (step + 1) as f64 / batches as f64);
        let batch_loss = mean_loss(&logits, &t);
        accuracy.update_arrays(&logits, &t)?;
        cost.add(batch_loss, t.len());
        sinks.scalar(at, "train/loss", batch_loss)?;
        sinks.scalar(at, "learning_rate", alpha.into())?;
        sinks.scalar(at, "momentum", MOMENTUM.into())?;
        if step % 10 == 0 {
            watch(&mut sinks, at, &hidden, &logits, &gradient)?;
        }
        if end == TRAIN {
            let (_, logits) = net.forward(&valid_inputs);
            let valid_loss = mean_loss(&logits, &valid_labels);
            let mut valid_accuracy = Accuracy::new();
            valid_accuracy.update_arrays(&logits, &valid_labels)?;
            sinks.scalar(at, "validation/loss", valid_loss)?;
            sinks.scalar(at, "train/accuracy", accuracy.value())?;
            sinks.scalar(at, "validation/accuracy", valid_accuracy.value())?;
            sinks.flush()?;
            println!(
                "epoch {:>2}  loss {:.4}  valid {valid_loss:.4}  {:.1} %",
                at.epoch,
                cost.value(),
                100.0 * valid_accuracy.value()
            );
            accuracy.reset();
            cost.reset();
        }
    }

    let at = At::new((EPOCHS * batches) as u64, EPOCHS as f64);
    finish(&mut sinks, at, &net, &valid_inputs, &valid_labels)?;
    let end = RunEnd {
        duration: began.elapsed(),
        peak_memory: peak_memory(),
        monitoring: None,
        data_wait: Some(0.0),
        reason: "all epochs done".to_owned(),
    };
    sinks.end(&end)?;
    println!("see {}", folder.join("report.html").display());
    Ok(())
}

/// Distributions of what flows through the network.
fn watch(
    sinks: &mut dyn Sink,
    at: At,
    hidden: &Array2<f32>,
    logits: &Array2<f32>,
    gradient: &Network,
) -> Result<(), nn_monitor::SinkError> {
    for (name, values) in [("hidden", hidden), ("output", logits)] {
        let histogram = Histogram::exponential(values.as_slice().unwrap_or_default());
        sinks.histogram(at, Quantity::Activation, name, &histogram)?;
    }
    for (name, values) in [("hidden.weight", &gradient.0[0]), ("output.weight", &gradient.0[1])] {
        let norm = values.mapv(|x| f64::from(x).powi(2)).sum().sqrt();
        sinks.scalar(at, &format!("gradient_norm/{name}"), norm)?;
    }
    Ok(())
}

/// What is right and what is wrong at the end.
fn finish(
    sinks: &mut dyn Sink,
    at: At,
    net: &Network,
    inputs: &Array2<f32>,
    labels: &Array1<f32>,
) -> Result<(), Box<dyn Error>> {
    let (_, logits) = net.forward(inputs);
    let mut confusion = ConfusionMatrix::new(CLASSES)?;
    confusion.update_arrays(&logits, labels)?;
    let mut worst = Worst::new(12);
    for (i, (logits, &label)) in logits.rows().into_iter().zip(labels).enumerate() {
        worst.offer(loss(logits, label), || i);
    }
    let mut worst_samples = Vec::new();
    for (loss, index) in worst.into_vec() {
        let row = logits.row(index);
        let best = (0..CLASSES).max_by(|&i, &j| row[i].total_cmp(&row[j])).unwrap_or(0);
        let picture = inputs.row(index).to_shape((HEIGHT, WIDTH))?.to_owned();
        let image = Some(Image::scaled(&picture)?);
        let (predicted, label) = (best.to_string(), labels[index].to_string());
        worst_samples.push(Sample { index, predicted, label, loss, image });
    }
    let names: Vec<String> = (0..CLASSES).map(|class| class.to_string()).collect();
    sinks.confusion(at, &confusion, &names)?;
    sinks.worst_samples(at, &worst_samples)?;
    Ok(())
}
