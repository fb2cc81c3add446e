//! Records of a file of JSON lines, told again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::{At, Histogram, LayerRow, Quantity, RunStart, Sink, SinkError, SinkProblem};

/// Tells a sink what an earlier part of a run wrote with [`JsonlSink`](crate::JsonlSink) up to a step: the
/// beginning, scalars, histograms and texts. So the report of a run that was interrupted shows all of it.
///
/// Pictures, confusion matrices, worst samples and ends are left out: later ones take their places. The
/// machine of the beginning keeps its name, not its instruction sets. Scalars that were not finite are NaN. A
/// last line that was cut off is passed over.
///
/// ```
/// use nn_monitor::{At, JsonlSink, Report, Sink, replay};
///
/// let path = std::env::temp_dir().join(format!("nn-monitor-replay-{}.jsonl", std::process::id()));
/// let mut log = JsonlSink::create(&path)?;
/// for step in 1..=5 {
///     log.scalar(At::new(step, 0.0), "train/loss", 1.0 / step as f64)?;
/// }
/// log.flush()?;
/// // The checkpoint is of step 3.
/// let (log, mut report) = (JsonlSink::resume(&path, 3)?, Report::new("resumed"));
/// replay(&path, 3, &mut report)?;
/// assert_eq!(report.curves.get("train/loss").unwrap().points().len(), 3);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), nn_monitor::SinkError>(())
/// ```
///
/// # Errors
/// When the file cannot be read or holds a line that is no record, and when the sink fails.
pub fn replay(path: impl AsRef<Path>, step: u64, sink: &mut dyn Sink) -> Result<(), SinkError> {
    let path = path.as_ref();
    let mut file = BufReader::new(File::open(path).map_err(|error| SinkError::read(path, error))?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        file.read_until(b'\n', &mut bytes).map_err(|error| SinkError::read(path, error))?;
        if bytes.last() != Some(&b'\n') {
            break;
        }
        let problem = |message: String| SinkError {
            path: path.to_owned(),
            problem: SinkProblem::Record { line, message },
        };
        let record: Value =
            serde_json::from_slice(&bytes).map_err(|error| problem(format!("no JSON: {error}")))?;
        if record["step"].as_u64().is_some_and(|of| of > step) {
            continue;
        }
        tell(&record, sink).unwrap_or_else(|| {
            let name = record["record"].as_str().unwrap_or("nothing");
            Err(problem(format!("`{name}` is no record, or lacks a member")))
        })?;
    }
    Ok(())
}

/// Tells one record; `None` if it lacks something.
fn tell(record: &Value, sink: &mut dyn Sink) -> Option<Result<(), SinkError>> {
    let at = || Some(At::new(record["step"].as_u64()?, record["epoch"].as_f64()?));
    Some(match record["record"].as_str()? {
        "start" => sink.start(&start(record)?),
        "scalar" => sink.scalar(at()?, record["name"].as_str()?, number(record.get("value")?)?),
        "histogram" => {
            let quantity = match record["quantity"].as_str()? {
                "activation" => Quantity::Activation,
                "weight" => Quantity::Weight,
                "gradient" => Quantity::Gradient,
                _ => return None,
            };
            sink.histogram(at()?, quantity, record["name"].as_str()?, &histogram(record)?)
        }
        "text" => sink.text(at()?, record["name"].as_str()?, record["text"].as_str()?),
        "image" | "confusion" | "worst_samples" | "end" => Ok(()),
        _ => return None,
    })
}

/// A number, NaN for `null`.
fn number(value: &Value) -> Option<f64> {
    if value.is_null() { Some(f64::NAN) } else { value.as_f64() }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn start(record: &Value) -> Option<RunStart> {
    let layer = |row: &Value| {
        let shape = row["shape"].as_array()?.iter().map(|n| usize::try_from(n.as_u64()?).ok());
        Some(LayerRow {
            name: text(&row["name"])?,
            shape: shape.collect::<Option<_>>()?,
            parameters: row["parameters"].as_u64()?,
            flops: row["flops"].as_u64()?,
        })
    };
    let config = record["config"].as_object()?.iter().map(|(name, value)| Some((name.clone(), text(value)?)));
    let machine = &record["machine"];
    let mut run = RunStart {
        name: text(&record["name"])?,
        config: config.collect::<Option<_>>()?,
        model: record["model"].as_array()?.iter().map(layer).collect::<Option<_>>()?,
        ..RunStart::default()
    };
    run.machine.cpu = text(&machine["cpu"])?;
    run.machine.threads = usize::try_from(machine["threads"].as_u64()?).ok()?;
    run.machine.system = text(&machine["system"])?;
    Some(run)
}

fn histogram(record: &Value) -> Option<Histogram> {
    let numbers = |name: &str| record[name].as_array()?.iter().map(number).collect::<Option<Vec<f64>>>();
    let counts = record["counts"].as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>()?;
    let limits = numbers("limits")?;
    let fits = limits.len() == counts.len() + 1 || (limits.is_empty() && counts.is_empty());
    fits.then_some(())?;
    Some(Histogram {
        limits,
        counts,
        min: number(&record["min"])?,
        max: number(&record["max"])?,
        sum: number(&record["sum"])?,
        sum_squares: number(&record["sum_squares"])?,
        non_finite: record["non_finite"].as_u64()?,
        percentiles: numbers("percentiles")?.try_into().ok()?,
    })
}
