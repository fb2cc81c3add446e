//! A contestant of `cargo xtask bench --peers`: training steps of this workspace.
//!
//! `steps` prints all networks, one JSON object a line. `steps peak N BYTES` prints floating-point operations
//! and bytes per second of N threads, the latter for arrays far larger than caches, and for an update that moves BYTES. `steps run NAME N` takes training steps as told on standard input.

use std::error::Error;
use std::io;
use std::time::Instant;

use nn_bench::data::Data;
use nn_bench::graph_step::GraphStep;
use nn_bench::networks::{ALL, Spec};
use nn_bench::peak::MultiplyAdd;
use nn_bench::serve::{Steps, serve};
use nn_bench::stream::Update;
use nn_bench::threads;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => ALL.iter().for_each(|spec| println!("{}", spec.json())),
        ["peak", number, bytes] => print_peak(number.parse()?, bytes.parse()?),
        ["run", name, number] => {
            let spec = Spec::find(name).ok_or_else(|| format!("there is no network `{name}`"))?;
            threads(number.parse()?).install(|| run(spec))?;
        }
        _ => return Err("expected nothing, `peak THREADS BYTES`, or `run NETWORK THREADS`".into()),
    }
    Ok(())
}

/// Training steps of the replayed graph.
struct Ours {
    graph: GraphStep,
    data: Data,
}

impl Steps for Ours {
    fn reset(&mut self) {
        self.graph.reset();
    }

    fn step(&mut self, batch: usize) -> f32 {
        self.graph.step(&self.data.batches()[batch])
    }
}

fn run(spec: Spec) -> io::Result<()> {
    let name = format!("nn-train {}", env!("CARGO_PKG_VERSION"));
    serve(&name, &mut Ours { graph: GraphStep::new(spec), data: Data::new(&spec) })
}

/// The best of many runs of all threads together.
fn print_peak(number: usize, bytes: usize) {
    let pool = threads(number);
    let chains = MultiplyAdd::new(1 << 19);
    let flops = (number as u64 * chains.flops()) as f64;
    let arithmetic = best(flops, &mut || {
        pool.broadcast(|_| chains.run());
    });
    let mut large = Update::new(20_000_000);
    let memory = best(large.bytes() as f64, &mut || pool.install(|| large.run()));
    // As `Update::bytes` counts: two numbers, of which one is read and the other read and written.
    let mut small = Update::new((bytes / 6).max(2));
    let times = (1_000_000 / bytes).max(1);
    let cache = best((times as u64 * small.bytes()) as f64, &mut || {
        pool.install(|| (0..times).for_each(|_| small.run()));
    });
    println!("{arithmetic} {memory} {cache}");
}

/// The amount of work done in a second.
fn best(work: f64, run: &mut dyn FnMut()) -> f64 {
    let mut seconds = f64::INFINITY;
    for _ in 0..40 {
        let begin = Instant::now();
        run();
        seconds = seconds.min(begin.elapsed().as_secs_f64());
    }
    work / seconds
}
