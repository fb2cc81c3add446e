//! `cargo xtask bench --peers`: training steps side by side.
//!
//! Each contestant is a process of its own for each network and number of threads. All begin with the same weights and
//! read the same batches; the losses of their first steps are compared before anything is timed. Then they take turns, a
//! burst of steps each, many times; a burst counts as the median of its steps, a contestant as its best burst.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::contestant::Contestant;
use super::report::{Entry, Machine, Race, Work, print};
use super::saved::{Results, Timing};
use super::{Options, python, target};

/// The label of this workspace.
pub(super) const OURS: &str = "nn-train";
/// Steps whose loss is compared.
const COMPARED: usize = 4;
/// The time that a burst takes about.
const BURST: f64 = 0.02;
/// Between turns, so that the threads of the last one have gone to sleep.
const PAUSE: Duration = Duration::from_millis(10);

/// A network to be measured.
struct Network {
    work: Work,
    has_dropout: bool,
    json: String,
}

/// How the contestants are started.
struct Field {
    root: PathBuf,
    /// The program of this workspace.
    steps: PathBuf,
    python: Option<PathBuf>,
    /// Labels and programs of the peers in Rust.
    rust: Vec<(&'static str, PathBuf)>,
    logs: PathBuf,
    processors: Vec<usize>,
}

pub(super) fn run(root: &Path, options: &Options) -> Result<Results, String> {
    let field = Field::new(root, options)?;
    let networks = networks(&field.steps, &options.only)?;
    let rounds = if options.quick { 5 } else { options.rounds.max(1) };
    let mut results = Results::new();
    for &threads in &options.threads {
        let mut machine = Machine::default();
        let mut races = Vec::new();
        for network in &networks {
            eprintln!("bench: {}, threads: {threads}", network.work.name);
            let (peak, bandwidth) = field.peak(threads, network.work.update_bytes)?;
            machine.raise(&peak);
            let (entries, notes) = field.race(network, threads, rounds)?;
            races.push(Race { network: network.work.clone(), entries, bandwidth, notes });
        }
        for race in &races {
            for entry in &race.entries {
                results.insert(format!("{}/{threads}/{}", race.network.name, entry.label), entry.timing);
            }
        }
        print(threads, &races, &machine, options.style());
    }
    Ok(results)
}

/// The networks that the program of this workspace knows, or those of them that are wanted.
fn networks(steps: &Path, only: &[String]) -> Result<Vec<Network>, String> {
    let output =
        Command::new(steps).output().map_err(|error| format!("bench: {}: {error}", steps.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let all: Option<Vec<Network>> = text.lines().map(network).collect();
    let all = all.filter(|all| !all.is_empty()).ok_or("bench: expected networks as JSON, one a line")?;
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|network| network.work.name != **name)) {
        let names: Vec<&str> = all.iter().map(|network| network.work.name.as_str()).collect();
        return Err(format!("bench: there is no network `{unknown}`, only {}", names.join(", ")));
    }
    Ok(all.into_iter().filter(|network| only.is_empty() || only.contains(&network.work.name)).collect())
}

fn network(json: &str) -> Option<Network> {
    let value: Value = serde_json::from_str(json).ok()?;
    Some(Network {
        work: Work {
            name: value["name"].as_str()?.to_owned(),
            flops: value["flops"].as_f64()?,
            update_bytes: value["update_bytes"].as_f64()?,
        },
        has_dropout: value["layers"].as_array()?.iter().any(|layer| layer["kind"] == "dropout"),
        json: json.to_owned(),
    })
}

impl Field {
    /// Builds and installs what is asked for.
    fn new(root: &Path, options: &Options) -> Result<Self, String> {
        let folder = target(root).join("peers");
        build(root, &["--package", "nn-bench", "--bin", "steps"])?;
        let python = match (&options.python, options.peers) {
            (_, false) => None,
            (Some(python), true) => Some(python.clone()),
            (None, true) => Some(python::environment(root, &folder)?),
        };
        let mut rust = Vec::new();
        if options.rust_peers {
            let manifest = "benches/peers/rust/Cargo.toml";
            build(
                root,
                &["--manifest-path", manifest, "--target-dir", &folder.join("rust").to_string_lossy()],
            )?;
            let program = |name: &str| folder.join("rust").join("release").join(name);
            rust = vec![("burn", program("burn_steps")), ("candle", program("candle_steps"))];
        }
        let processors = allowed_processors();
        if processors.is_empty() {
            eprintln!("bench: contestants are not bound to processors, since `taskset` is missing");
        }
        let steps = target(root).join("release").join("steps");
        Ok(Field { root: root.to_owned(), steps, python, rust, logs: folder.join("logs"), processors })
    }

    /// What the machine can do with this many threads, and the bandwidth of an update that moves these bytes.
    fn peak(&self, threads: usize, update_bytes: f64) -> Result<(Machine, f64), String> {
        let mut command = self.command(&self.steps, threads);
        let output = command.args(["peak", &threads.to_string(), &update_bytes.to_string()]).output();
        let output = output.map_err(|error| format!("bench: {}: {error}", self.steps.display()))?;
        Machine::parse(&String::from_utf8_lossy(&output.stdout))
            .ok_or_else(|| "bench: expected the peak as three numbers".to_owned())
    }

    /// The contestants for a network, not yet ready.
    fn start(&self, network: &Network, threads: usize) -> Result<Vec<Contestant>, String> {
        let number = threads.to_string();
        let mut started = Vec::new();
        let mut start = |label: &str, program: &Path, arguments: &[&str]| -> Result<(), String> {
            let mut command = self.command(program, threads);
            command.args(arguments);
            started.push(Contestant::start(label, command, &self.logs)?);
            Ok(())
        };
        start(OURS, &self.steps, &["run", &network.work.name, &number])?;
        if let Some(python) = &self.python {
            let script =
                |name: &str| self.root.join("benches/peers").join(name).to_string_lossy().into_owned();
            let (torch, jax) = (script("torch_steps.py"), script("jax_steps.py"));
            start("PyTorch", python, &[&torch, &network.json, &number, "eager"])?;
            start("compiled", python, &[&torch, &network.json, &number, "compiled"])?;
            start("JAX", python, &[&jax, &network.json, &number])?;
        }
        for (label, program) in &self.rust {
            start(label, program, &[&network.work.name, &number])?;
        }
        Ok(started)
    }

    /// A program on as many processors as threads, with the system's allocator as it comes.
    fn command(&self, program: &Path, threads: usize) -> Command {
        let mut command = if self.processors.is_empty() {
            Command::new(program)
        } else {
            let last = self.processors.len().saturating_sub(threads);
            let chosen: Vec<String> = self.processors[last..].iter().map(usize::to_string).collect();
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &chosen.join(",")]).arg(program);
            command
        };
        for variable in [
            "RAYON_NUM_THREADS",
            "MATMUL_NUM_THREADS",
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
        ] {
            command.env(variable, threads.to_string());
        }
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("MALLOC_") || variable == "LD_PRELOAD" {
                command.env_remove(variable);
            }
        }
        command
    }

    /// All contestants on one network, and why some did not take part.
    fn race(
        &self,
        network: &Network,
        threads: usize,
        rounds: usize,
    ) -> Result<(Vec<Entry>, Vec<String>), String> {
        let (mut contestants, mut notes) = (Vec::new(), Vec::new());
        for mut contestant in self.start(network, threads)? {
            match contestant.wait() {
                Ok(()) => contestants.push(contestant),
                Err(reason) => notes.push(reason),
            }
        }
        let tolerance = if network.has_dropout { 0.3 } else { 0.01 };
        same_work(&mut contestants, tolerance, &mut notes);
        let bursts = contestants.iter_mut().map(burst).collect::<Result<Vec<_>, _>>()?;
        let mut samples = vec![Vec::new(); contestants.len()];
        for round in 0..rounds {
            for turn in 0..contestants.len() {
                let i = (turn + round) % contestants.len();
                std::thread::sleep(PAUSE);
                let (warm_up, steps) = bursts[i];
                samples[i].push(contestants[i].run(warm_up, steps)?.median);
            }
        }
        let entry = |(contestant, samples): (&Contestant, &Vec<f64>)| {
            Some(Entry {
                label: contestant.label.clone(),
                version: contestant.version.clone(),
                timing: Timing::new(samples)?,
                memory: contestant.peak_memory(),
            })
        };
        let entries = contestants.iter().zip(&samples).filter_map(entry).collect();
        Ok((entries, notes))
    }
}

/// Leaves out whoever has not the loss of the first contestant after some steps.
fn same_work(contestants: &mut Vec<Contestant>, tolerance: f64, notes: &mut Vec<String>) {
    let mut expected = None;
    contestants.retain_mut(|contestant| {
        let loss = match contestant.run(0, COMPARED) {
            Ok(answer) => answer.loss,
            Err(reason) => {
                notes.push(reason);
                return false;
            }
        };
        let reference = *expected.get_or_insert(loss);
        let is_same = agree(loss, reference, tolerance);
        if !is_same {
            let label = &contestant.label;
            notes.push(format!(
                "{label}: left out, its loss after {COMPARED} steps is {loss}, not {reference}"
            ));
        }
        is_same
    });
}

fn agree(loss: f64, reference: f64, tolerance: f64) -> bool {
    (loss - reference).abs() <= tolerance * reference.abs()
}

/// Warm-up and timed steps of a burst.
fn burst(contestant: &mut Contestant) -> Result<(usize, usize), String> {
    Ok(burst_of(contestant.run(2, 3)?.median))
}

fn burst_of(seconds: f64) -> (usize, usize) {
    let steps = (BURST / seconds).clamp(3.0, 400.0) as usize;
    ((steps / 4).max(2), steps)
}

/// Builds with optimisation.
fn build(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let status = crate::cargo().args(["build", "--release"]).args(arguments).current_dir(root).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("bench: cargo build {} ended with {status}", arguments.join(" "))),
        Err(error) => Err(format!("bench: cargo could not be started: {error}")),
    }
}

/// The processors that this process may use, if programs can be bound to them.
fn allowed_processors() -> Vec<usize> {
    let has_taskset = Command::new("taskset").arg("--version").output().is_ok();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    if has_taskset { processors(list) } else { Vec::new() }
}

/// The numbers of a list such as `0-3,8`.
fn processors(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::{Work, agree, burst_of, network, processors};

    #[test]
    fn reads_networks() {
        let json =
            r#"{"name": "a", "layers": [{"kind": "dropout", "rate": 0.2}], "flops": 8, "update_bytes": 4}"#;
        let found = network(json).unwrap();
        let Work { name, flops, update_bytes } = &found.work;
        assert_eq!((name.as_str(), *flops, *update_bytes), ("a", 8.0, 4.0));
        assert!(found.has_dropout && found.json == json);
        assert!(!network(&json.replace("dropout", "relu")).unwrap().has_dropout);
        assert!(network("{}").is_none() && network("no").is_none());
    }

    #[test]
    fn a_burst_takes_a_fiftieth_of_a_second_in_between() {
        assert_eq!(burst_of(200e-6), (25, 100));
        assert_eq!(burst_of(2e-6), (100, 400));
        assert_eq!(burst_of(0.1), (2, 3));
    }

    #[test]
    fn losses_agree_or_not() {
        assert!(agree(2.31, 2.30, 0.01) && !agree(2.34, 2.30, 0.01));
        assert!(!agree(f64::NAN, 2.3, 0.3) && !agree(2.3, f64::NAN, 0.3));
    }

    #[test]
    fn lists_of_processors_have_ranges() {
        assert_eq!(processors("\t0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(processors("7"), [7]);
        assert!(processors("").is_empty());
    }
}
