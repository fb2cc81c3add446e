//! Fifty layers under six initialisations: where the signal and the gradient vanish, explode or arrive.

mod picture;

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nn_train::core::Streams;
use nn_train::init::{
    Activation, He, Initializer, LayerSignal, Normal, Orthogonal, SignalCheck, SignalReport, Sparse, Trend,
    Xavier, Zeros,
};

/// Pushes a batch through a deep stack of layers, and a gradient back, under six initialisations.
#[derive(Parser)]
struct Args {
    /// Number of layers
    #[arg(long, default_value_t = 50)]
    depth: usize,
    /// Units of each layer
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Examples in the batch
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Seed of the weights and the batch
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also print all layers of this initialisation, 1 to 6
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=6))]
    table: Option<u8>,
    /// Picture of all of them
    #[arg(long, default_value = "target/signal_check.svg")]
    out: PathBuf,
}

/// One of the six, with what was measured.
struct Row {
    name: &'static str,
    report: SignalReport,
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
    let Args { depth, width, batch, .. } = args;
    let rows = measure(args)?;
    println!("{depth} layers of {width} units, {batch} examples from N(0, 1), six initialisations.\n");
    println!("Each character is a layer, the first one left. spread: by how much the");
    println!("activations of a unit differ between examples, from left to right; gradient:");
    println!("its root mean square, from right to left. Heights are powers of ten: {} is", BARS[4]);
    println!("around 1, ▁ around 0.0001, blank less, ▲ above 1000. saturated: from 0 to 100 %.\n");
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for (i, row) in rows.iter().enumerate() {
        print_row(i + 1, row, colour);
    }
    if let Some(number) = args.table {
        let row = &rows[usize::from(number) - 1];
        println!("{}\n{}", row.name, row.report);
    }
    if let Some(folder) = args.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&args.out, picture::draw(&rows))?;
    println!("Picture: {}", args.out.display());
    Ok(())
}

fn measure(args: &Args) -> Result<Vec<Row>, Box<dyn Error>> {
    use Activation::{Relu, Tanh};
    let none: &dyn Initializer = &Zeros;
    let cases: [(&'static str, Activation, &dyn Initializer, &dyn Initializer); 6] = [
        ("N(0, 0.01²), tanh", Tanh, &Normal::new(0.0, 0.01)?, none),
        ("N(0, 1), tanh", Tanh, &Normal::default(), none),
        ("Xavier, tanh", Tanh, &Xavier::normal(), none),
        ("Sparse, tanh", Tanh, &Sparse::tanh(), &Sparse::tanh_bias()),
        ("Orthogonal, tanh", Tanh, &Orthogonal::new(), none),
        ("He, ReLU", Relu, &He::normal(), none),
    ];
    let streams = Streams::new(args.seed);
    let mut rows = Vec::new();
    for (name, activation, weights, biases) in cases {
        let check = SignalCheck::new(args.depth, args.width, activation)?.batch(args.batch)?;
        rows.push(Row { name, report: check.run_with_biases(weights, biases, &streams) });
    }
    Ok(rows)
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most characters of a line of bars.
const MOST_BARS: usize = 50;

fn print_row(number: usize, Row { name, report }: &Row, colour: bool) {
    let layers = report.layers();
    let (first, last) = (&layers[0], &layers[layers.len() - 1]);
    let steps = (layers.len() - 1).max(1) as f64;
    let forward = (last.spread / first.spread).powf(1.0 / steps);
    let backward = (first.gradient / last.gradient).powf(1.0 / steps);
    println!("{number}  {name}");
    let verdict = |trend, factor: f64| {
        let factor = if factor.is_finite() { format!(", ×{factor:.2} a layer") } else { String::new() };
        painted(trend, colour) + &factor
    };
    let (forward, backward) = (verdict(report.forward(), forward), verdict(report.backward(), backward));
    println!("   activations {forward}; gradients {backward}");
    let spread = bars(layers, |layer| in_decades(layer.spread));
    print_line("spread", &spread, format!("{:.1e} → {:.1e}", first.spread, last.spread));
    let gradient = bars(layers, |layer| in_decades(layer.gradient));
    print_line("gradient", &gradient, format!("{:.1e} ← {:.1e}", first.gradient, last.gradient));
    let saturated = bars(layers, |layer| in_eighths(layer.saturated));
    let parts = format!("{:.0} % → {:.0} %", 100.0 * first.saturated, 100.0 * last.saturated);
    print_line("saturated", &saturated, parts);
    println!();
}

fn print_line(label: &str, bars: &str, ends: String) {
    println!("   {label:<9} {bars:<MOST_BARS$} {ends}");
}

/// One character per layer, or for each of fifty layers at equal distances where there are more.
fn bars(layers: &[LayerSignal], bar: impl Fn(&LayerSignal) -> char) -> String {
    let count = layers.len().min(MOST_BARS);
    let place = |i: usize| if count == 1 { 0 } else { i * (layers.len() - 1) / (count - 1) };
    (0..count).map(|i| bar(&layers[place(i)])).collect()
}

/// A bar of the height of the nearest power of ten.
fn in_decades(x: f64) -> char {
    match (x.log10() + 4.0).round() {
        decade if decade < 0.0 => ' ',
        decade if decade < 8.0 => BARS[decade as usize],
        _ => '▲',
    }
}

fn in_eighths(part: f64) -> char {
    match (part * 8.0).ceil() as usize {
        0 => ' ',
        eighth => BARS[eighth.min(8) - 1],
    }
}

/// The trend, in the colour that goes with it.
fn painted(trend: Trend, colour: bool) -> String {
    let (verb, code) = match trend {
        Trend::Vanishes => ("vanish", 34),
        Trend::Keeps => ("arrive", 32),
        Trend::Explodes => ("explode", 31),
    };
    if colour { format!("\x1b[1;{code}m{verb}\x1b[0m") } else { verb.to_owned() }
}
