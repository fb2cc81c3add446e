//! Results in a file, and the comparison of two runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::table::{Table, scaled};

/// The best time of one benchmark, and how far another run of the same program would be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timing {
    /// The best time.
    pub(super) seconds: f64,
    /// Relative spread of the best times of four parts of the run, each of every fourth sample.
    pub(super) noise: f64,
}

/// Timings by the name of the benchmark.
pub(super) type Results = BTreeMap<String, Timing>;

/// A change smaller than this is noise on any machine.
const LEAST_NOISE: f64 = 0.02;
/// What the comparison shows.
pub(super) const LEGEND: &str =
    "ratio: time now by time before; ~ marks what is within the noise of the two runs";

impl Timing {
    /// From the samples in the order in which they were taken; `None` without any.
    pub(super) fn new(samples: &[f64]) -> Option<Timing> {
        const PARTS: usize = 4;
        let best = |part: usize| samples.iter().copied().skip(part).step_by(PARTS).min_by(f64::total_cmp);
        let parts: Vec<f64> = (0..PARTS).filter_map(best).collect();
        let seconds = parts.iter().copied().min_by(f64::total_cmp)?;
        let worst = parts.iter().copied().max_by(f64::total_cmp)?;
        Some(Timing { seconds, noise: worst / seconds - 1.0 })
    }
}

/// Writes results as JSON.
pub(super) fn write(file: &Path, results: &Results) -> Result<(), String> {
    let entry = |(name, timing): (&String, &Timing)| {
        (name.clone(), json!({"seconds": timing.seconds, "noise": timing.noise}))
    };
    let map: Map<String, Value> = results.iter().map(entry).collect();
    let text = serde_json::to_string_pretty(&map).map_err(|error| format!("bench: {error}"))?;
    fs::write(file, text + "\n").map_err(|error| format!("bench: {}: {error}", file.display()))
}

/// Reads what [`write()`] wrote.
pub(super) fn read(file: &Path) -> Result<Results, String> {
    let failed = |reason: &dyn std::fmt::Display| format!("bench: {}: {reason}", file.display());
    let text = fs::read(file).map_err(|error| failed(&error))?;
    let map: Map<String, Value> = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    let entry = |(name, value): (String, Value)| {
        let timing = Timing { seconds: value["seconds"].as_f64()?, noise: value["noise"].as_f64()? };
        (timing.seconds > 0.0).then_some((name, timing))
    };
    let results: Option<Results> = map.into_iter().map(entry).collect();
    results.ok_or_else(|| failed(&"expected {name: {\"seconds\": number, \"noise\": number}, …}"))
}

/// What both runs measured.
pub(super) fn comparison(before: &Results, now: &Results) -> Table {
    let mut table = Table::new(["benchmark", "before", "now", "ratio", ""]);
    for (name, new) in now {
        let Some(old) = before.get(name) else { continue };
        let ratio = new.seconds / old.seconds;
        let mark = if is_noise(old, new) { "~" } else { "" };
        let time = |timing: &Timing| format!("{}s", scaled(timing.seconds));
        table.row(vec![name.clone(), time(old), time(new), format!("{ratio:.3}"), mark.into()]);
    }
    table
}

/// Whether the change is no larger than what each run differs from itself.
fn is_noise(before: &Timing, now: &Timing) -> bool {
    let change = now.seconds.max(before.seconds) / now.seconds.min(before.seconds) - 1.0;
    change <= before.noise.max(now.noise).max(LEAST_NOISE)
}

#[cfg(test)]
mod tests {
    use super::super::table::Style;
    use super::{Results, Timing, comparison, read, write};

    fn timing(seconds: f64, noise: f64) -> Timing {
        Timing { seconds, noise }
    }

    #[test]
    fn noise_is_the_spread_of_four_parts() {
        assert_eq!(Timing::new(&[]), None);
        assert_eq!(Timing::new(&[3.0]), Some(timing(3.0, 0.0)));
        // The parts are 4 and 2, 9 and 3, 2.5, 8.
        let found = Timing::new(&[4.0, 9.0, 2.5, 8.0, 2.0, 3.0]).unwrap();
        assert_eq!(found, timing(2.0, 3.0));
    }

    #[test]
    fn a_file_holds_what_was_measured() {
        let file = std::env::temp_dir().join(format!("bench-saved-{}.json", std::process::id()));
        let results: Results = [("a/1".to_owned(), timing(1.25e-5, 0.03))].into();
        write(&file, &results).unwrap();
        let found = read(&file);
        std::fs::write(&file, r#"{"a": {"seconds": 1}}"#).unwrap();
        let incomplete = read(&file);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(found.unwrap(), results);
        assert!(incomplete.unwrap_err().contains("expected"));
        assert!(read(&file).is_err());
    }

    #[test]
    fn changes_within_noise_are_marked() {
        let before: Results = [
            ("clear".to_owned(), timing(1e-3, 0.05)),
            ("gone".to_owned(), timing(1e-3, 0.05)),
            ("noisy".to_owned(), timing(1e-3, 0.2)),
            ("same".to_owned(), timing(1e-3, 0.0)),
        ]
        .into();
        let now: Results = [
            ("clear".to_owned(), timing(0.9e-3, 0.01)),
            ("new".to_owned(), timing(1e-3, 0.05)),
            ("noisy".to_owned(), timing(1.15e-3, 0.01)),
            ("same".to_owned(), timing(1.01e-3, 0.0)),
        ]
        .into();
        let expected = "\
benchmark    before       now  ratio
clear      1.000 ms  900.0 µs  0.900
noisy      1.000 ms  1.150 ms  1.150  ~
same       1.000 ms  1.010 ms  1.010  ~
";
        assert_eq!(comparison(&before, &now).render(Style::Terminal), expected);
    }
}
