//! Comma-separated values.

use std::io::{self, Read};

use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};
use nn_core::Real;

use crate::TableReader;
use crate::table::{Builder, Cell, Table, TableProblem};

/// Reads all rows. Source of the format: RFC 4180.
pub(crate) fn read<F: Real>(options: &TableReader, from: impl Read) -> Result<Table<F>, TableProblem> {
    let mut lines = Lines::new(options.separator, from);
    if !lines.next()? {
        return Err(TableProblem::Empty);
    }
    let width = lines.record.len();
    let has_names = options.header.unwrap_or(true);
    let names: Vec<String> = if has_names {
        lines.record.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect()
    } else {
        (0..width).map(|number| number.to_string()).collect()
    };
    if options.header.is_none() && are_values(&names) {
        return Err(TableProblem::NumbersAsNames { line: lines.line });
    }
    let mut builder = Builder::new(options, names)?;
    if !has_names {
        lines.push_to(&mut builder)?;
    }
    while lines.next()? {
        if lines.record.len() != width {
            return Err(TableProblem::Width { line: lines.line, expected: width, got: lines.record.len() });
        }
        lines.push_to(&mut builder)?;
    }
    builder.finish()
}

/// Whether the cells of the first line are rather values than names: numbers, but not a count from 0 or 1.
fn are_values(names: &[String]) -> bool {
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    let counts_from = |start: usize, numbers: &[f64]| {
        numbers.iter().enumerate().all(|(i, &number)| number == (start + i) as f64)
    };
    numbers.is_some_and(|numbers| !counts_from(0, &numbers) && !counts_from(1, &numbers))
}

/// One record after the other, with its place.
struct Lines<R> {
    reader: Reader<LineEnds<R>>,
    record: ByteRecord,
    /// The line on which the record begins, from 1.
    line: u64,
}

impl<R: Read> Lines<R> {
    fn new(separator: u8, from: R) -> Self {
        let reader = ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(LineEnds { from, last: b'\n' });
        Lines { reader, record: ByteRecord::new(), line: 0 }
    }

    /// Reads the next record, if there is one.
    fn next(&mut self) -> Result<bool, TableProblem> {
        let found = self.reader.read_byte_record(&mut self.record).map_err(|error| {
            let text = error.to_string();
            match error.into_kind() {
                ErrorKind::Io(error) => TableProblem::Io(error),
                _ => TableProblem::Io(io::Error::other(text)),
            }
        })?;
        // The reader stands behind the record's line end; where the record began, empty lines may have come first.
        let inside = self.record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.line = self.reader.position().line().saturating_sub(1 + inside).max(1);
        Ok(found)
    }

    fn push_to<F: Real>(&self, builder: &mut Builder<F>) -> Result<(), TableProblem> {
        builder.push(self.line, |column| match std::str::from_utf8(&self.record[column]) {
            Ok(text) => Ok(Cell::from_text(text.trim())),
            Err(_) => Err(String::from_utf8_lossy(&self.record[column]).into_owned()),
        })
    }
}

/// What is read, with `\n` for every line end, and after the last line too.
struct LineEnds<R> {
    from: R,
    /// The byte that came last, as it was.
    last: u8,
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut kept = 0;
        while kept == 0 && !to.is_empty() {
            let n = self.from.read(to)?;
            if n == 0 {
                let ends = matches!(self.last, b'\n' | b'\r');
                self.last = b'\n';
                to[0] = b'\n';
                return Ok(usize::from(!ends));
            }
            for i in 0..n {
                let byte = to[i];
                if !(byte == b'\n' && self.last == b'\r') {
                    to[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.last = byte;
            }
        }
        Ok(kept)
    }
}
