//! All update rules on five small functions: a ranking, and a picture of the paths on each function.

mod picture;
mod problems;
mod rules;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use nn_train::optim::Optimizer;

use crate::picture::Picture;
use crate::problems::{PROBLEMS, Problem, Surface};
use crate::rules::{Contestant, RULES};

/// Lets every update rule descend five functions of two variables, each with the best of eleven learning rates.
#[derive(Parser)]
struct Args {
    /// Steps of each run
    #[arg(long, default_value_t = 500)]
    steps: usize,
    /// Folder for one SVG per function
    #[arg(long, default_value = "target/optimizers")]
    out: PathBuf,
}

/// The best run of a rule on a function.
struct Run {
    name: &'static str,
    rate: f64,
    /// How far above the minimum it ends, as a fraction of where it began.
    gap: f64,
    /// Steps until one thousandth of the first gap is left.
    steps: Option<usize>,
    path: Vec<[f64; 2]>,
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
    std::fs::create_dir_all(&args.out)?;
    let mut places = vec![0; RULES.len()];
    for problem in PROBLEMS {
        let mut surface = Surface::new(problem)?;
        let mut runs = Vec::new();
        for (i, contestant) in RULES.iter().enumerate() {
            runs.push((i, best_run(contestant, &mut surface, args.steps)?));
        }
        runs.sort_by(|(_, a), (_, b)| key(a).partial_cmp(&key(b)).expect("no NaN is kept"));
        for (place, (i, _)) in runs.iter().enumerate() {
            places[*i] += place + 1;
        }
        let runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
        print_table(problem, &runs);
        let file = args.out.join(format!("{}.svg", problem.name));
        let picture = Picture::new(problem, &mut surface)?;
        std::fs::write(&file, picture.draw(runs.iter().map(|run| (run.name, &run.path[..]))))?;
        println!("paths: {}\n", file.display());
    }
    print_ranking(&places);
    Ok(())
}

/// Sorts by the steps that were needed, then by what is left.
fn key(run: &Run) -> (usize, f64) {
    (run.steps.unwrap_or(usize::MAX), run.gap)
}

/// The run with the learning rate, of 1, 0.3, 0.1 … 1e-5, that does best without leaving the picture.
fn best_run(contestant: &Contestant, surface: &mut Surface, steps: usize) -> Result<Run, Box<dyn Error>> {
    let mut best: Option<Run> = None;
    for exponent in 0..11 {
        let rate = if exponent % 2 == 0 { 1.0 } else { 0.3 } * 10f64.powi(-((exponent + 1) / 2));
        let run = descend(contestant, rate, surface, steps)?;
        if best.as_ref().is_none_or(|best| key(&run) < key(best)) {
            best = Some(run);
        }
    }
    Ok(best.expect("there are several rates"))
}

fn descend(
    contestant: &Contestant,
    rate: f64,
    surface: &mut Surface,
    steps: usize,
) -> Result<Run, Box<dyn Error>> {
    let problem = surface.problem();
    let mut optimizer = Optimizer::new((contestant.rule)(rate)?);
    let (mut at, mut ahead) = (problem.start, problem.start);
    let mut value = surface.value(at)?;
    let first = value - problem.lowest;
    let mut run = Run { name: contestant.name, rate, gap: 1.0, steps: None, path: vec![at] };
    for step in 1..=steps {
        optimizer.look_ahead(&at, &mut ahead);
        let gradient = surface.gradient(ahead)?;
        optimizer.step_with_cost(&mut at, &gradient, value);
        value = surface.value(at)?;
        run.gap = (value - problem.lowest) / first;
        if !run.gap.is_finite() || !problem.shows(at) {
            return Ok(Run { gap: f64::INFINITY, steps: None, ..run });
        }
        if run.gap > 1e-3 {
            run.steps = None;
        } else if run.steps.is_none() {
            run.steps = Some(step);
        }
        run.path.push(at);
    }
    Ok(run)
}

fn print_table(problem: &Problem, runs: &[Run]) {
    println!("{}: {}", problem.name, problem.formula);
    println!("{:>4}  {:<22} {:>8} {:>18} {:>12}", "", "rule", "rate", "steps to 0.1 %", "gap at end");
    for (place, run) in runs.iter().enumerate() {
        let steps = run.steps.map_or("not reached".to_owned(), |steps| steps.to_string());
        println!("{:>4}  {:<22} {:>8} {:>18} {:>12.1e}", place + 1, run.name, run.rate, steps, run.gap);
    }
}

fn print_ranking(places: &[usize]) {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|&i| places[i]);
    println!("Ranking by mean place over the {} functions, each rule at its best rate:", PROBLEMS.len());
    for (place, i) in order.into_iter().enumerate() {
        println!("{:>4}  {:<22} {:>8.1}", place + 1, RULES[i].name, places[i] as f64 / PROBLEMS.len() as f64);
    }
}
