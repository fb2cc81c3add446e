//! The criterion benchmarks in one table.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use super::saved::{Results, Timing};
use super::table::{Table, percent, scaled};
use super::{Options, target};

/// The contestant whose time the others of its group are held against.
const PROTOTYPE: &str = "prototype";
/// The group that says what the machine can do: `machine/THREADS/multiply_add` and `machine/THREADS/memory`.
const MACHINE: &str = "machine/";

/// What one iteration does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Work {
    /// Floating-point operations.
    flops: Option<f64>,
    /// Elements that it works through, said beside bytes.
    elements: Option<f64>,
    bytes: Option<f64>,
}

/// The result of one benchmark.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    /// `group/…/function`; a part that is a number is that of the threads.
    name: String,
    /// Time of one iteration in the best sample.
    timing: Timing,
    work: Work,
}

/// Runs the benchmarks whose name contains the filter, and those of the machine, and prints a table of them.
pub(super) fn run(root: &Path, options: &Options) -> Result<Results, String> {
    let filter = options.filter.as_deref();
    let begin = SystemTime::now();
    if !options.no_run {
        let mut command = crate::cargo();
        command.args(["bench", "--workspace", "--benches", "--"]).args(filter.map(pattern)).current_dir(root);
        let status =
            command.status().map_err(|error| format!("bench: cargo could not be started: {error}"))?;
        if !status.success() {
            return Err(format!("bench: cargo bench ended with {status}"));
        }
    }
    let folder = target(root).join("criterion");
    let since = if options.no_run { SystemTime::UNIX_EPOCH } else { begin };
    let mut outcomes = Vec::new();
    collect(&folder, since, &mut outcomes)
        .map_err(|error| format!("bench: {}: {error}", folder.display()))?;
    let wanted = |name: &str| name.starts_with(MACHINE) || filter.is_none_or(|text| name.contains(text));
    outcomes.retain(|outcome| wanted(&outcome.name));
    if outcomes.is_empty() {
        return Err(format!("bench: no results in {}", folder.display()));
    }
    outcomes.sort_by(|a, b| a.name.cmp(&b.name));
    print!("{}", table(&outcomes).render(options.style()));
    println!(
        "\nshare: of the fused multiply-adds or of the bandwidth of the memory that `{MACHINE}` measured;"
    );
    println!("ratio: time by that of `{PROTOTYPE}`");
    Ok(outcomes.into_iter().map(|outcome| (outcome.name, outcome.timing)).collect())
}

/// The regular expression that finds what contains the text, and the group of the machine.
fn pattern(text: &str) -> String {
    let escape = |c: char| if c.is_alphanumeric() || "_/ ".contains(c) { vec![c] } else { vec!['\\', c] };
    format!("{}|^{MACHINE}", text.chars().flat_map(escape).collect::<String>())
}

/// Reads the results in folders named `new` that are no older than `since`.
fn collect(folder: &Path, since: SystemTime, outcomes: &mut Vec<Outcome>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let sample = path.join("sample.json");
        if path.ends_with("new") && sample.is_file() {
            if fs::metadata(&sample)?.modified()? >= since {
                outcomes.extend(outcome(&read_json(&path.join("benchmark.json"))?, &read_json(&sample)?));
            }
        } else {
            collect(&path, since, outcomes)?;
        }
    }
    Ok(())
}

fn read_json(path: &Path) -> std::io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The result from criterion's two files.
fn outcome(benchmark: &Value, sample: &Value) -> Option<Outcome> {
    let (times, iterations) = (sample["times"].as_array()?, sample["iters"].as_array()?);
    let each = times.iter().zip(iterations).filter_map(|(time, n)| Some(time.as_f64()? / n.as_f64()? * 1e-9));
    let throughput = &benchmark["throughput"];
    let both = &throughput["ElementsAndBytes"];
    Some(Outcome {
        name: benchmark["full_id"].as_str()?.to_owned(),
        timing: Timing::new(&each.collect::<Vec<_>>())?,
        work: Work {
            flops: throughput["Elements"].as_f64(),
            elements: both["elements"].as_f64(),
            bytes: throughput["Bytes"].as_f64().or(both["bytes"].as_f64()),
        },
    })
}

/// How much longer a benchmark takes than its prototype.
fn ratio(outcome: &Outcome, all: &[Outcome]) -> Option<f64> {
    let path: Vec<&str> = outcome.name.split('/').collect();
    let is_prototype = |other: &&Outcome| {
        let others: Vec<&str> = other.name.split('/').collect();
        let mut differing = path.iter().zip(&others).filter(|(a, b)| a != b);
        let first = differing.next();
        others.len() == path.len()
            && first.is_some_and(|(_, other)| *other == PROTOTYPE)
            && differing.next().is_none()
    };
    let prototype = all.iter().find(is_prototype)?;
    Some(outcome.timing.seconds / prototype.timing.seconds)
}

/// The share of what the machine can do on as many threads.
fn share(outcome: &Outcome, all: &[Outcome]) -> Option<f64> {
    let threads = outcome.name.split('/').find_map(|part| part.parse::<usize>().ok()).unwrap_or(1);
    let rate = |outcome: &Outcome, work: fn(&Work) -> Option<f64>| {
        Some(work(&outcome.work)? / outcome.timing.seconds)
    };
    let of = |name: &str, work: fn(&Work) -> Option<f64>| {
        let name = format!("{MACHINE}{threads}/{name}");
        let most = rate(all.iter().find(|other| other.name == name)?, work)?;
        Some(rate(outcome, work)? / most)
    };
    of("multiply_add", |work| work.flops).or_else(|| of("memory", |work| work.bytes))
}

/// The results with columns for what at least one of them has.
fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(["benchmark", "best time", "elements", "rate", "share", "ratio"]);
    for outcome in outcomes {
        let seconds = outcome.timing.seconds;
        let rate = |amount: Option<f64>, unit: &str| {
            amount.map_or(String::new(), |amount| format!("{}{unit}", scaled(amount / seconds)))
        };
        let text = |value: Option<String>| value.unwrap_or_default();
        let Work { flops, elements, bytes } = outcome.work;
        table.row(vec![
            outcome.name.clone(),
            format!("{}s", scaled(seconds)),
            rate(elements, "/s"),
            if flops.is_some() { rate(flops, "FLOP/s") } else { rate(bytes, "B/s") },
            text(share(outcome, outcomes).map(percent)),
            text(ratio(outcome, outcomes).map(|ratio| format!("{ratio:.3}"))),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::saved::Timing;
    use super::super::table::Style;
    use super::{Outcome, Work, collect, outcome, pattern, ratio, share, table};
    use serde_json::json;
    use std::fs;
    use std::time::{Duration, SystemTime};

    fn result(name: &str, seconds: f64) -> Outcome {
        let timing = Timing { seconds, noise: 0.0 };
        Outcome { name: name.to_owned(), timing, work: Work::default() }
    }

    fn computing(name: &str, seconds: f64, flops: f64) -> Outcome {
        Outcome { work: Work { flops: Some(flops), ..Work::default() }, ..result(name, seconds) }
    }

    fn moving(name: &str, seconds: f64, bytes: f64) -> Outcome {
        Outcome { work: Work { bytes: Some(bytes), ..Work::default() }, ..result(name, seconds) }
    }

    #[test]
    fn reads_what_criterion_writes() {
        let sample = json!({"iters": [1.0, 2.0, 4.0], "times": [1500.0, 2000.0, 8000.0]});
        let read =
            |throughput| outcome(&json!({"full_id": "a/b", "throughput": throughput}), &sample).unwrap();
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let found = read(json!({"Elements": 64}));
        assert_eq!(found.work, Work { flops: Some(64.0), ..Work::default() });
        assert!(near(found.timing.seconds, 1e-6) && near(found.timing.noise, 1.0), "{found:?}");
        let found = read(json!({"ElementsAndBytes": {"elements": 8, "bytes": 32}}));
        assert_eq!(found.work, Work { flops: None, elements: Some(8.0), bytes: Some(32.0) });
        assert_eq!(read(json!({"Bytes": 5})).work, Work { bytes: Some(5.0), ..Work::default() });
        assert_eq!(read(json!(null)).work, Work::default());
        assert_eq!(outcome(&json!({"full_id": "a"}), &json!({"iters": [], "times": []})), None);
        assert_eq!(outcome(&json!({}), &sample), None);
    }

    #[test]
    fn finds_results_and_leaves_out_old_ones() {
        let root = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
        for folder in ["group/graph/new", "group/graph/base"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("benchmark.json"), r#"{"full_id": "group/graph"}"#).unwrap();
            fs::write(folder.join("sample.json"), r#"{"iters": [2.0], "times": [10.0]}"#).unwrap();
        }
        let found = |since| {
            let mut outcomes = Vec::new();
            collect(&root, since, &mut outcomes).unwrap();
            outcomes
        };
        let (all, new) = (found(SystemTime::UNIX_EPOCH), found(SystemTime::now() + Duration::from_secs(60)));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(all, [result("group/graph", 10.0 / 2.0 * 1e-9)]);
        assert!(new.is_empty());
    }

    #[test]
    fn a_filter_is_plain_text() {
        assert_eq!(pattern("mlp_small/1"), "mlp_small/1|^machine/");
        assert_eq!(pattern("a.b+c"), r"a\.b\+c|^machine/");
    }

    #[test]
    fn a_ratio_is_to_the_prototype_of_the_same_group() {
        let all = [
            result("step/mlp/1/graph", 30.0),
            result("step/mlp/1/prototype", 20.0),
            result("step/mlp/2/graph", 5.0),
            result("sum/graph/64", 8.0),
            result("sum/prototype/64", 4.0),
            result("sum/prototype/8", 1.0),
        ];
        let ratios: Vec<_> = all.iter().map(|outcome| ratio(outcome, &all)).collect();
        assert_eq!(ratios, [Some(1.5), None, None, Some(2.0), None, None]);
    }

    #[test]
    fn a_share_is_of_as_many_threads() {
        let all = [
            computing("machine/1/multiply_add", 1.0, 100.0),
            moving("machine/1/memory", 1.0, 10.0),
            computing("machine/2/multiply_add", 1.0, 200.0),
            computing("step/graph", 2.0, 100.0),
            computing("step/2/graph", 1.0, 50.0),
            moving("norm/8x8", 1.0, 20.0),
            moving("optim/1e7/2/adam", 1.0, 20.0),
            result("plain", 1.0),
        ];
        let shares: Vec<_> = all[3..].iter().map(|outcome| share(outcome, &all)).collect();
        assert_eq!(shares, [Some(0.5), Some(0.25), Some(2.0), None, None]);
    }

    #[test]
    fn the_table_has_what_the_results_have() {
        let all = [
            computing("machine/1/multiply_add", 1.0, 142e9),
            computing("train_step/mlp_small/1/graph", 321e-6, 38.8e6),
            computing("train_step/mlp_small/1/prototype", 320e-6, 38.8e6),
        ];
        let expected = "\
benchmark                         best time            rate  share  ratio
machine/1/multiply_add             1.000 s   142.0 GFLOP/s  100 %
train_step/mlp_small/1/graph      321.0 µs   120.9 GFLOP/s   85 %  1.003
train_step/mlp_small/1/prototype  320.0 µs   121.2 GFLOP/s   85 %
";
        let text = table(&all).render(Style::Terminal);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text), words(expected), "{text}");
    }
}
