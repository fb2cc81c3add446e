use std::path::Path;

use super::output::{Output, length_of_lines};
use crate::{At, RunEnd, Sink, SinkError, SinkProblem};

/// Scalars as a table in a CSV file: a row for each step at which at least one of its columns has a value.
///
/// The header is `step,epoch` and then the columns; each takes the scalars of its name, all others are passed
/// over. A cell without a value is empty, NaN is `NaN`. Names with commas, quotes or line breaks are quoted
/// as RFC 4180 says.
///
/// ```
/// use nn_monitor::{At, CsvSink, Sink};
///
/// let path = std::env::temp_dir().join(format!("nn-monitor-{}.csv", std::process::id()));
/// let mut table = CsvSink::create(&path, &["train/loss", "validation/loss"])?;
/// table.scalar(At::new(45, 1.0), "train/loss", 0.5)?;
/// table.scalar(At::new(45, 1.0), "validation/loss", 0.75)?;
/// table.scalar(At::new(90, 2.0), "train/loss", 0.25)?;
/// table.flush()?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// assert_eq!(text, "step,epoch,train/loss,validation/loss\n45,1,0.5,0.75\n90,2,0.25,\n");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), nn_monitor::SinkError>(())
/// ```
#[derive(Debug)]
pub struct CsvSink {
    output: Output,
    columns: Vec<String>,
    /// The row that is not written yet.
    row: Option<(At, Vec<String>)>,
}

impl CsvSink {
    /// A new file with these columns, in place of any that is there. Its folder is created if it is not
    /// there.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: impl AsRef<Path>, columns: &[&str]) -> Result<Self, SinkError> {
        let mut output = Output::create(path.as_ref())?;
        output.write(header(columns).as_bytes())?;
        output.flush()?;
        Ok(Self::with(output, columns))
    }

    /// A file to go on with after `step` steps: rows of later steps, and a last row that was cut off, are
    /// removed. If it is not there it is created.
    ///
    /// # Errors
    /// When the file has other columns, or cannot be read, created or written.
    pub fn resume(path: impl AsRef<Path>, columns: &[&str], step: u64) -> Result<Self, SinkError> {
        let path = path.as_ref();
        let expected = header(columns);
        let mut head = String::new();
        let is_earlier = |line: &str| {
            if head.len() < expected.len() {
                head.push_str(line);
                head.push('\n');
                return expected.starts_with(&head);
            }
            line.split(',').next().and_then(|cell| cell.parse::<u64>().ok()).is_some_and(|of| of <= step)
        };
        let length = length_of_lines(path, is_earlier)?;
        if length >= expected.len() as u64 {
            return Ok(Self::with(Output::resume(path, length)?, columns));
        }
        if !head.is_empty() {
            let [expected, found] = [expected, head].map(|line| line.trim_end().to_owned());
            return Err(SinkError {
                path: path.to_owned(),
                problem: SinkProblem::Header { expected, found },
            });
        }
        Self::create(path, columns)
    }

    fn with(output: Output, columns: &[&str]) -> Self {
        CsvSink { output, columns: columns.iter().map(|&name| name.to_owned()).collect(), row: None }
    }

    fn write_row(&mut self) -> Result<(), SinkError> {
        let Some((at, cells)) = self.row.take() else { return Ok(()) };
        self.output.write_text(format_args!("{},{},{}\n", at.step, at.epoch, cells.join(",")))
    }
}

fn header(columns: &[&str]) -> String {
    let names = ["step", "epoch"].iter().chain(columns).map(|name| quoted(name));
    names.collect::<Vec<_>>().join(",") + "\n"
}

/// A cell that reads back as this text.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

impl Sink for CsvSink {
    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        let Some(column) = self.columns.iter().position(|of| of == name) else { return Ok(()) };
        if self.row.as_ref().is_some_and(|row| row.0 != at) {
            self.write_row()?;
        }
        let (_, cells) = self.row.get_or_insert_with(|| (at, vec![String::new(); self.columns.len()]));
        cells[column] = format!("{value}");
        Ok(())
    }

    fn end(&mut self, _: &RunEnd) -> Result<(), SinkError> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.write_row()?;
        self.output.flush()
    }
}

impl Drop for CsvSink {
    /// Writes the last row; who wants to know of errors calls [`flush`](Sink::flush).
    fn drop(&mut self) {
        let _ = self.flush();
    }
}
