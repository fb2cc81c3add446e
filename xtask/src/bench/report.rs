//! The tables of a race, and how far it is to the goals.

use super::peers::OURS;
use super::saved::Timing;
use super::table::{Style, Table, microseconds, percent, scaled};

/// By how much this workspace is to be faster than the fastest other one, on one thread and on more.
const GOALS: [(&str, f64, f64); 10] = [
    ("mlp_small32", 3.0, 3.0),
    ("mlp_small", 2.5, 2.5),
    ("mlp_mid_bn", 2.0, 2.0),
    ("mlp_big", 1.05, 1.5),
    ("ae", 1.3, 1.5),
    ("lenet", 2.5, 2.5),
    ("cnn_fast", 2.0, 2.0),
    ("rnn", 2.5, 2.5),
    ("lstm", 2.0, 2.0),
    ("tiny", 4.0, 4.0),
];

/// What is measured.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) name: String,
    /// Floating-point operations of the products in one step.
    pub(super) flops: f64,
    /// Bytes that the update moves.
    pub(super) update_bytes: f64,
}

/// All contestants on one network.
pub(super) struct Race {
    pub(super) network: Work,
    pub(super) entries: Vec<Entry>,
    /// Bytes per second of an update that moves as many bytes as that of the network.
    pub(super) bandwidth: f64,
    /// Why some did not take part.
    pub(super) notes: Vec<String>,
}

/// One contestant.
pub(super) struct Entry {
    pub(super) label: String,
    pub(super) version: String,
    pub(super) timing: Timing,
    /// The most memory that its process had, in bytes.
    pub(super) memory: Option<u64>,
}

/// What the machine can do in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Machine {
    flops: f64,
    /// Of the memory.
    bytes: f64,
}

impl Machine {
    /// From operations and bytes per second, the latter from the memory and in a certain update.
    pub(super) fn parse(text: &str) -> Option<(Machine, f64)> {
        let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        match numbers[..] {
            [flops, bytes, update] => Some((Machine { flops, bytes }, update)),
            _ => None,
        }
    }

    /// The better of both.
    pub(super) fn raise(&mut self, other: &Machine) {
        self.flops = self.flops.max(other.flops);
        self.bytes = self.bytes.max(other.bytes);
    }
}

impl Race {
    fn seconds(&self, label: &str) -> Option<f64> {
        self.entries.iter().find(|entry| entry.label == label).map(|entry| entry.timing.seconds)
    }

    /// The time of the fastest other contestant by that of this workspace.
    fn ratio(&self) -> Option<f64> {
        let others = self.entries.iter().filter(|entry| entry.label != OURS);
        let fastest = others.map(|entry| entry.timing.seconds).min_by(f64::total_cmp)?;
        Some(fastest / self.seconds(OURS)?)
    }

    /// The time of the products at the peak of arithmetic, and of the update at the bandwidth.
    fn limit(&self, machine: &Machine) -> f64 {
        self.network.flops / machine.flops + self.network.update_bytes / self.bandwidth
    }

    fn goal(&self, threads: usize) -> Option<f64> {
        let (_, one, more) = GOALS.into_iter().find(|(name, ..)| *name == self.network.name)?;
        Some(if threads == 1 { one } else { more })
    }
}

/// Prints all about the races on this many threads.
pub(super) fn print(threads: usize, races: &[Race], machine: &Machine, style: Style) {
    let plural = if threads == 1 { "" } else { "s" };
    println!("\nTraining step in µs, {threads} thread{plural}:\n");
    print!("{}", times(threads, races).render(style));
    if let Some(mean) = geometric_mean(races.iter().filter_map(Race::ratio)) {
        println!("\nratio: the fastest of the others by {OURS}; geometric mean {mean:.2}");
    }
    let (flops, bytes) = (scaled(machine.flops), scaled(machine.bytes));
    println!("\nThis machine, {threads} thread{plural}: {flops}FLOP/s of fused multiply-adds, {bytes}B/s:\n");
    print!("{}", own(races, machine).render(style));
    println!(
        "\nlimit: µs of the products at that peak and of an update at the bandwidth for its size;\nMB: most memory of the process, 40 batches included"
    );
    println!("\n{}", versions(races).join(", "));
    for race in races {
        race.notes.iter().for_each(|note| println!("{}: {note}", race.network.name));
    }
}

/// The times of all contestants.
fn times(threads: usize, races: &[Race]) -> Table {
    let labels = labels(races);
    let head = ["network"].into_iter().chain(labels.iter().map(String::as_str)).chain(["ratio", "goal"]);
    let mut table = Table::new(head);
    for race in races {
        let text = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
        let mut row = vec![race.network.name.clone()];
        row.extend(labels.iter().map(|label| race.seconds(label).map_or("–".to_owned(), microseconds)));
        row.extend([text(race.ratio()), text(race.goal(threads).filter(|_| race.ratio().is_some()))]);
        table.row(row);
    }
    table
}

/// What this workspace makes of the machine.
fn own(races: &[Race], machine: &Machine) -> Table {
    let mut table =
        Table::new(["network", "µs", "limit", "FLOP/s", "of peak", "noise", "MB", "MB of the others"]);
    for race in races {
        let Some(entry) = race.entries.iter().find(|entry| entry.label == OURS) else { continue };
        let (seconds, rate) = (entry.timing.seconds, race.network.flops / entry.timing.seconds);
        let megabytes =
            |entry: &Entry| entry.memory.map_or("–".to_owned(), |bytes| format!("{}", bytes >> 20));
        let others: Vec<String> =
            race.entries.iter().filter(|entry| entry.label != OURS).map(megabytes).collect();
        table.row(vec![
            race.network.name.clone(),
            microseconds(seconds),
            microseconds(race.limit(machine)),
            format!("{}", scaled(rate).trim_end()),
            percent(rate / machine.flops),
            percent(entry.timing.noise),
            megabytes(entry),
            others.join(" "),
        ]);
    }
    table
}

/// The labels in the order in which they first appear.
fn labels(races: &[Race]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for entry in races.iter().flat_map(|race| &race.entries) {
        if !labels.contains(&entry.label) {
            labels.push(entry.label.clone());
        }
    }
    labels
}

fn versions(races: &[Race]) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    for entry in races.iter().flat_map(|race| &race.entries) {
        if !versions.contains(&entry.version) {
            versions.push(entry.version.clone());
        }
    }
    versions
}

fn geometric_mean(ratios: impl Iterator<Item = f64>) -> Option<f64> {
    let logarithms: Vec<f64> = ratios.map(f64::ln).collect();
    (!logarithms.is_empty()).then(|| (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::super::saved::Timing;
    use super::super::table::Style;
    use super::{Entry, Machine, Race, Work, geometric_mean, own, times, versions};

    fn race(name: &str, microseconds: &[(&str, f64)]) -> Race {
        let entry = |&(label, time): &(&str, f64)| Entry {
            label: label.to_owned(),
            version: format!("{label} 1"),
            timing: Timing { seconds: time * 1e-6, noise: 0.04 },
            memory: Some(50 << 20),
        };
        Race {
            network: Work { name: name.to_owned(), flops: 38.8e6, update_bytes: 2.8e6 },
            entries: microseconds.iter().map(entry).collect(),
            bandwidth: 28e9,
            notes: Vec::new(),
        }
    }

    fn races() -> [Race; 3] {
        [
            race("mlp_small", &[("nn-train", 320.0), ("PyTorch", 890.0), ("JAX", 800.0)]),
            race("mlp_big", &[("nn-train", 25_000.0), ("JAX", 21_000.0)]),
            race("lenet", &[("PyTorch", 11_000.0)]),
        ]
    }

    #[test]
    fn the_fastest_other_one_counts() {
        let expected = "\
network    nn-train  PyTorch    JAX  ratio  goal
mlp_small       320      890    800   2.50  2.50
mlp_big       25000        –  21000   0.84  1.50
lenet             –    11000      –
";
        assert_eq!(times(2, &races()).render(Style::Terminal), expected);
        assert_eq!(races()[1].goal(1), Some(1.05));
    }

    #[test]
    fn all_contestants_fit_a_terminal() {
        let names = ["nn-train", "PyTorch", "compiled", "JAX", "burn", "candle"];
        let all = race("mlp_small32", &names.map(|name| (name, 123_456.0)));
        let text = times(1, &[all]).render(Style::Terminal);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("mlp_small32"), "{text}");
    }

    #[test]
    fn the_limit_is_arithmetic_and_memory() {
        let (mut machine, bandwidth) = Machine::parse("140e9 1e9 28e9\n").unwrap();
        assert_eq!(bandwidth, 28e9);
        machine.raise(&Machine { flops: 100e9, bytes: 20e9 });
        assert_eq!(machine, Machine { flops: 140e9, bytes: 20e9 });
        assert!((races()[0].limit(&machine) - (38.8e6 / 140e9 + 1e-4)).abs() < 1e-9);
        let expected = "\
network       µs  limit   FLOP/s  of peak  noise  MB  MB of the others
mlp_small    320    377  121.3 G     87 %    4 %  50             50 50
mlp_big    25000    377  1.552 G      1 %    4 %  50                50
";
        assert_eq!(own(&races(), &machine).render(Style::Terminal), expected);
        assert_eq!(Machine::parse("1 2"), None);
    }

    #[test]
    fn means_are_geometric() {
        assert_eq!(geometric_mean([].into_iter()), None);
        assert!((geometric_mean([1.0, 4.0].into_iter()).unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(versions(&races()), ["nn-train 1", "PyTorch 1", "JAX 1"]);
    }
}
