//! `cargo xtask bench`: the criterion benchmarks, in one table.
//!
//! It shows the best of each benchmark's samples: on a machine that others use too, the best times are the ones that
//! can be compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

/// The columns of a terminal into which the table fits.
const WIDTH: usize = 80;
/// The contestant whose time the others of its group are held against.
const PROTOTYPE: &str = "prototype";
/// The contestant whose bandwidth the others of its group are held against.
const STREAM: &str = "update";

/// The result of one benchmark.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    /// `group/function/parameter`.
    name: String,
    /// Time of one iteration in the best sample.
    nanoseconds: f64,
    /// How many elements one iteration works through.
    elements: Option<f64>,
    /// How many bytes it moves, or bits.
    moved: Option<(f64, &'static str)>,
}

/// Runs the benchmarks whose name contains `filter` and prints a table of them.
pub(crate) fn run(root: &Path, filter: Option<&str>, no_run: bool) -> Result<(), String> {
    let begin = SystemTime::now();
    if !no_run {
        let mut command = super::cargo();
        command.args(["bench", "--workspace", "--benches", "--"]).args(filter).current_dir(root);
        let status =
            command.status().map_err(|error| format!("bench: cargo could not be started: {error}"))?;
        if !status.success() {
            return Err(format!("bench: cargo bench ended with {status}"));
        }
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = root.join(target).join("criterion");
    let since = if no_run { SystemTime::UNIX_EPOCH } else { begin };
    let mut outcomes = Vec::new();
    collect(&folder, since, &mut outcomes)
        .map_err(|error| format!("bench: {}: {error}", folder.display()))?;
    outcomes.retain(|outcome| filter.is_none_or(|filter| outcome.name.contains(filter)));
    if outcomes.is_empty() {
        return Err(format!("bench: no results in {}", folder.display()));
    }
    outcomes.sort_by(|a, b| a.name.cmp(&b.name));
    print!("{}", table(&outcomes));
    println!("\nratio: time by that of `{PROTOTYPE}`, or bandwidth by that of `{STREAM}`");
    Ok(())
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
    let each = times.iter().zip(iterations).filter_map(|(time, n)| Some(time.as_f64()? / n.as_f64()?));
    let throughput = &benchmark["throughput"];
    let both = &throughput["ElementsAndBytes"];
    let elements = throughput["Elements"].as_f64().or(both["elements"].as_f64());
    let units = [
        (&both["bytes"], "B/s"),
        (&throughput["Bytes"], "B/s"),
        (&throughput["BytesDecimal"], "B/s"),
        (&throughput["Bits"], "bit/s"),
    ];
    Some(Outcome {
        name: benchmark["full_id"].as_str()?.to_owned(),
        nanoseconds: each.min_by(f64::total_cmp)?,
        elements,
        moved: units.into_iter().find_map(|(count, unit)| Some((count.as_f64()?, unit))),
    })
}

/// How much longer a benchmark takes than its prototype, or the share that it has of the bandwidth of `update`.
fn ratio(outcome: &Outcome, all: &[Outcome]) -> Option<f64> {
    if let Some(prototype) = reference(outcome, all, PROTOTYPE) {
        return Some(outcome.nanoseconds / prototype.nanoseconds);
    }
    let rate = |outcome: &Outcome| outcome.moved.map(|(count, _)| count / outcome.nanoseconds);
    Some(rate(outcome)? / rate(reference(outcome, all, STREAM)?)?)
}

/// The benchmark whose name has `contestant` in one place of the path and is otherwise the same.
fn reference<'a>(outcome: &Outcome, all: &'a [Outcome], contestant: &str) -> Option<&'a Outcome> {
    let path: Vec<&str> = outcome.name.split('/').collect();
    all.iter().find(|other| {
        let others: Vec<&str> = other.name.split('/').collect();
        let mut differing = path.iter().zip(&others).filter(|(a, b)| a != b);
        let first = differing.next();
        others.len() == path.len()
            && first.is_some_and(|(_, other)| *other == contestant)
            && differing.next().is_none()
    })
}

/// The results with columns for what at least one of them has.
fn table(outcomes: &[Outcome]) -> String {
    let mut rows = vec![["benchmark", "best time", "elements", "bandwidth", "ratio"].map(str::to_owned)];
    rows.extend(outcomes.iter().map(|outcome| {
        let rate = |throughput: Option<(f64, &str)>| {
            throughput.map_or(String::new(), |(count, unit)| {
                format!("{}{unit}", scaled(count / outcome.nanoseconds * 1e9))
            })
        };
        let (elements, moved) = (rate(outcome.elements.map(|count| (count, "/s"))), rate(outcome.moved));
        let ratio = ratio(outcome, outcomes).map_or(String::new(), |ratio| format!("{ratio:.3}"));
        [outcome.name.clone(), format!("{}s", scaled(outcome.nanoseconds * 1e-9)), elements, moved, ratio]
    }));
    let shown: Vec<usize> = (0..5).filter(|&c| rows[1..].iter().any(|row| !row[c].is_empty())).collect();
    let length = |text: &str| text.chars().count();
    let widest = |c: usize| rows.iter().map(|row| length(&row[c])).max().unwrap_or(0);
    let others: usize = shown[1..].iter().map(|&c| widest(c) + 2).sum();
    let first = widest(0).min(WIDTH - others);
    let mut text = String::new();
    for row in &rows {
        let mut name = row[0].clone();
        if length(&name) > first {
            name = name.chars().take(first - 1).chain(['…']).collect();
        }
        let mut line = format!("{name:first$}");
        for &c in &shown[1..] {
            line += &format!("  {:>width$}", row[c], width = widest(c));
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

const PREFIXES: [(f64, &str); 8] =
    [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")];

/// The number with four digits and the prefix of its unit: `33.90 m`.
fn scaled(value: f64) -> String {
    let fitting = PREFIXES.iter().find(|(factor, _)| value >= *factor);
    let &(factor, prefix) = fitting.unwrap_or(&(1e-9, "n"));
    let number = value / factor;
    let digits = [10.0, 100.0, 1000.0].iter().filter(|&&bound| number < bound).count();
    format!("{number:.digits$} {prefix}")
}

#[cfg(test)]
mod tests {
    use super::{Outcome, collect, outcome, ratio, scaled, table};
    use serde_json::json;
    use std::fs;
    use std::time::{Duration, SystemTime};

    fn result(name: &str, nanoseconds: f64, throughput: Option<(f64, &'static str)>) -> Outcome {
        let elements = throughput.filter(|(_, unit)| *unit == "/s").map(|(count, _)| count);
        let moved = throughput.filter(|(_, unit)| *unit != "/s");
        Outcome { name: name.to_owned(), nanoseconds, elements, moved }
    }

    #[test]
    fn reads_what_criterion_writes() {
        let sample = json!({"iters": [1.0, 2.0, 3.0], "times": [1500.0, 2000.0, 3300.0]});
        let benchmark = json!({"full_id": "a/b", "throughput": {"Elements": 64}});
        assert_eq!(outcome(&benchmark, &sample), Some(result("a/b", 1000.0, Some((64.0, "/s")))));
        let benchmark =
            json!({"full_id": "a/b", "throughput": {"ElementsAndBytes": {"elements": 8, "bytes": 32}}});
        let both = Outcome { elements: Some(8.0), ..result("a/b", 1000.0, Some((32.0, "B/s"))) };
        assert_eq!(outcome(&benchmark, &sample), Some(both));
        let benchmark = json!({"full_id": "a/b", "throughput": null});
        assert_eq!(outcome(&benchmark, &sample), Some(result("a/b", 1000.0, None)));
        assert_eq!(outcome(&benchmark, &json!({"iters": [], "times": []})), None);
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
        assert_eq!(all, [result("group/graph", 5.0, None)]);
        assert!(new.is_empty());
    }

    #[test]
    fn a_ratio_is_to_the_prototype_of_the_same_group() {
        let all = [
            result("step/mlp/graph", 30.0, None),
            result("step/mlp/prototype", 20.0, None),
            result("step/cnn/graph", 5.0, None),
            result("sum/graph/64", 8.0, None),
            result("sum/prototype/64", 4.0, None),
            result("sum/prototype/8", 1.0, None),
            result("optim/adam", 16.0, Some((28.0, "B/s"))),
            result("optim/update", 4.0, Some((14.0, "B/s"))),
        ];
        let ratios: Vec<_> = all.iter().map(|outcome| ratio(outcome, &all)).collect();
        assert_eq!(ratios, [Some(1.5), None, None, Some(2.0), None, None, Some(0.5), None]);
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let all = [
            result("train_step/784-128-10 adam/graph", 321_000.0, Some((64.0, "/s"))),
            result("train_step/784-128-10 adam/prototype", 320_000.0, Some((64.0, "/s"))),
            result(&"long/".repeat(30), 33.9e6, None),
        ];
        let expected = "\
benchmark                             best time   elements  ratio
train_step/784-128-10 adam/graph       321.0 µs  199.4 k/s  1.003
train_step/784-128-10 adam/prototype   320.0 µs  200.0 k/s
";
        assert_eq!(table(&all[..2]), expected);
        assert!(table(&all).lines().all(|line| line.chars().count() <= 80), "{}", table(&all));
        assert_eq!(table(&all[2..]).lines().next().unwrap().split_whitespace().count(), 3);
    }

    #[test]
    fn numbers_have_four_digits() {
        let table =
            [(1e-9, "1.000 n"), (0.0339, "33.90 m"), (12.0, "12.00 "), (2.5e15, "2500 T"), (0.0, "0.000 n")];
        for (value, expected) in table {
            assert_eq!(scaled(value), expected);
        }
    }
}
