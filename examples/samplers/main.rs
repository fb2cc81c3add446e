//! The samplers beside those of Optuna: `cargo run --release -p nn-tune --example samplers`.
//!
//! Prints the median, over studies of different seeds, of how far the best value of a study is above the lowest value
//! that there is. Optuna's side is there when Python and the packages that `optuna_samplers.py` names are:
//!
//! ```text
//! samplers --optuna python3          both sides
//! samplers --optuna python3 --trials 50 --seeds 10
//! ```

mod functions;
mod problems;
mod training;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nn_tune::sampler::{CmaEs, CoarseToFine, QuasiRandom, Random, Sampler, Tpe};
use nn_tune::storage::InMemory;
use nn_tune::{Direction, Domain, Outcome, Scale, Space, Study, StudyError};
use problems::Problem;
use serde_json::{Value, json};

/// Finished trials when the time of one more is taken.
const FINISHED: u64 = 1000;
/// Trials of which the fastest counts.
const TIMED: u64 = 20;
const OURS: [&str; 5] = ["Random", "QuasiRandom", "CoarseToFine", "Tpe", "CmaEs"];

/// The best value of each study, by sampler and problem.
type Best = BTreeMap<(String, String), Vec<f64>>;
/// The time that one more trial takes, by sampler.
type Overheads = Vec<(String, Duration)>;

struct Arguments {
    /// The command that runs Python.
    optuna: Option<String>,
    trials: u64,
    seeds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let problems = problems::all()?;
    if std::env::args().nth(1).as_deref() == Some("--serve") {
        return Ok(serve(&problems)?);
    }
    let arguments = arguments()?;
    let mut best = ours(&problems, &arguments)?;
    let mut overheads = Overheads::new();
    for name in OURS {
        overheads.push((name.to_owned(), overhead(name)?));
    }
    let mut samplers: Vec<String> = OURS.map(str::to_owned).to_vec();
    if let Some(python) = &arguments.optuna {
        let (of_optuna, times) = optuna(python, &arguments)?;
        samplers.extend(times.iter().map(|(name, _)| name.clone()));
        best.extend(of_optuna);
        overheads.extend(times);
    }
    print_table(&problems, &samplers, &best, &arguments);
    println!("\nmilliseconds per trial, with {FINISHED} finished trials of 8 hyperparameters");
    for (name, time) in overheads {
        println!("{name:<24}{:>9.3}", 1e3 * time.as_secs_f64());
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments { optuna: None, trials: 100, seeds: 30 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after `{word}`"))?;
        match word.as_str() {
            "--optuna" => arguments.optuna = Some(value),
            "--trials" => arguments.trials = value.parse()?,
            "--seeds" => arguments.seeds = value.parse()?,
            _ => return Err(format!("expected --optuna, --trials or --seeds, got `{word}`").into()),
        }
    }
    Ok(arguments)
}

fn sampler(name: &str, seed: u64) -> Box<dyn Sampler> {
    match name {
        "Random" => Box::new(Random::new(seed)),
        "QuasiRandom" => Box::new(QuasiRandom::new(seed)),
        "CoarseToFine" => Box::new(CoarseToFine::new(seed)),
        "Tpe" => Box::new(Tpe::new(seed)),
        _ => Box::new(CmaEs::new(seed)),
    }
}

/// Runs studies on two threads.
fn ours(problems: &[Problem], arguments: &Arguments) -> Result<Best, StudyError> {
    let seeds = |part: u64| (0..arguments.seeds).filter(move |seed| seed % 2 == part);
    let half = |part: u64| -> Result<Best, StudyError> {
        let mut best = Best::new();
        for problem in problems {
            for name in OURS {
                let key = (name.to_owned(), problem.name.to_owned());
                let values = seeds(part).map(|seed| study(problem, sampler(name, seed), arguments.trials));
                best.insert(key, values.collect::<Result<_, _>>()?);
            }
        }
        Ok(best)
    };
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| half(1));
        (half(0), second.join())
    });
    let mut best = first?;
    for (key, values) in second.expect("studies do not panic")? {
        best.entry(key).or_default().extend(values);
    }
    Ok(best)
}

/// The best value of a study.
fn study(problem: &Problem, sampler: Box<dyn Sampler>, trials: u64) -> Result<f64, StudyError> {
    let study = Study::new(problem.name, Direction::Minimize, problem.space.clone(), sampler)?;
    for _ in 0..trials {
        let trial = study.ask()?;
        study.tell(trial.number, Outcome::Complete(problem.value_at(&trial.params)))?;
    }
    Ok(study.best()?.and_then(|trial| trial.value()).unwrap_or(f64::INFINITY))
}

/// The time that one more trial takes.
fn overhead(name: &str) -> Result<Duration, StudyError> {
    let space = (0..8).try_fold(Space::new(), |space, i| space.log_uniform(&format!("x{i}"), 1e-4, 1.0))?;
    let storage = InMemory::new();
    let open =
        |sampler| Study::open(storage.clone(), "overhead", Direction::Minimize, space.clone(), sampler);
    let step = |study: &Study| -> Result<(), StudyError> {
        let trial = study.ask()?;
        let numbers = trial.params.iter().filter_map(|(_, value)| value.as_f64());
        let value = numbers.map(|x| (x.log10() + 2.0).powi(2)).sum();
        study.tell(trial.number, Outcome::Complete(value))
    };
    let random = open(sampler("Random", 1))?;
    (0..FINISHED).try_for_each(|_| step(&random))?;
    let study = open(sampler(name, 0))?;
    study.trials()?;
    let mut shortest = Duration::MAX;
    for _ in 0..TIMED {
        let start = Instant::now();
        step(&study)?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(shortest)
}

/// Answers lines of the standard input: `spaces` with the spaces of all problems in JSON, the name of a problem and
/// numbers with the value there.
fn serve(problems: &[Problem]) -> io::Result<()> {
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let numbers: Result<Vec<f64>, _> = words.map(str::parse).collect();
        let problem = problems.iter().find(|problem| problem.name == name);
        match (problem, numbers) {
            (Some(problem), Ok(numbers)) if numbers.len() == problem.space.parameters().len() => {
                writeln!(answers, "{:?}", problem.value(&numbers))?;
            }
            _ if line == "spaces" => {
                let describe =
                    |problem: &Problem| json!({"name": problem.name, "space": axes(&problem.space)});
                writeln!(answers, "{}", Value::from_iter(problems.iter().map(describe)))?;
            }
            _ => return Err(io::Error::other(format!("expected a problem and its numbers, got `{line}`"))),
        }
        answers.flush()?;
    }
    Ok(())
}

/// The axes of a space, as the script reads them.
fn axes(space: &Space) -> Vec<Value> {
    let axis = |name: &str, domain: &Domain| match *domain {
        Domain::Float { low, high, scale, .. } => {
            let kind = if scale == Scale::OneMinusLog { "one minus" } else { "float" };
            json!({"name": name, "kind": kind, "low": low, "high": high, "log": scale == Scale::Log})
        }
        Domain::Int { low, high, scale, .. } => {
            json!({"name": name, "kind": "int", "low": low, "high": high, "log": scale == Scale::Log})
        }
        Domain::PowersOfTwo { low, high } => json!({"name": name, "kind": "power", "low": low, "high": high}),
        _ => json!({"name": name, "kind": "choice", "count": domain.cardinality()}),
    };
    space.parameters().iter().map(|parameter| axis(&parameter.name, &parameter.domain)).collect()
}

/// Optuna's side: the best values, and the times of one more trial.
fn optuna(python: &str, arguments: &Arguments) -> Result<(Best, Overheads), Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/samplers/optuna_samplers.py");
    let numbers = [arguments.trials.to_string(), arguments.seeds.to_string()];
    let mut child = Command::new(python)
        .arg(script)
        .arg(std::env::current_exe()?)
        .args(numbers)
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = io::BufReader::new(child.stdout.take().ok_or("the script has no output")?).lines();
    let (mut best, mut overheads) = (Best::new(), Overheads::new());
    for line in lines {
        let line = line?;
        match line.split(';').collect::<Vec<_>>()[..] {
            ["study", sampler, problem, _, value] => {
                best.entry((sampler.to_owned(), problem.to_owned())).or_default().push(value.parse()?);
            }
            ["overhead", sampler, seconds] => {
                overheads.push((sampler.to_owned(), Duration::from_secs_f64(seconds.parse()?)));
            }
            _ => return Err(format!("the script says `{line}`").into()),
        }
    }
    if !child.wait()?.success() {
        return Err(format!("{python} does not run Optuna's side").into());
    }
    Ok((best, overheads))
}

fn print_table(problems: &[Problem], samplers: &[String], best: &Best, arguments: &Arguments) {
    let Arguments { trials, seeds, .. } = arguments;
    println!("best of {trials} trials above the lowest value, median of {seeds} seeds\n");
    print!("{:<23}", "");
    problems.iter().for_each(|problem| print!("{:>9}", short(problem.name)));
    println!();
    for sampler in samplers {
        print!("{sampler:<23}");
        for problem in problems {
            let key = (sampler.clone(), problem.name.to_owned());
            let regret = best.get(&key).map_or(f64::NAN, |values| median(values) - problem.lowest);
            // Four digits of numbers above 1.
            let decimals = 4_usize.saturating_sub(regret.max(1.0).log10() as usize);
            print!("{regret:>9.decimals$}");
        }
        println!();
    }
}

/// What fits above a column.
fn short(name: &str) -> String {
    name.replace("artmann", "art").replace("brock", "")
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let [low, high] = [values[(values.len() - 1) / 2], values[values.len() / 2]];
    0.5 * (low + high)
}
