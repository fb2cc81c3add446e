//! What may be wrong with a table that came from outside.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Column;

/// A file that could not be read as a table.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct TableError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: TableProblem,
}

/// What may be wrong with a table. Lines count from 1, the header included; of Parquet files they are the rows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableProblem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file is not in the format of Parquet, or is damaged.
    #[error("not a sound Parquet file: {0}")]
    Parquet(String),
    /// No rows.
    #[error("expected at least one row of values, got none")]
    Empty,
    /// All rows were left out because of missing values.
    #[error("no row is left: all {dropped} have missing values, {}", counts(columns))]
    AllDropped {
        /// The rows left out.
        dropped: usize,
        /// Columns with missing values, and how many.
        columns: Vec<(String, usize)>,
    },
    /// The first line, which should hold the names of the columns, holds numbers.
    #[error(
        "line {line}: expected the names of the columns, got numbers only; say `header(false)` if the file has none"
    )]
    NumbersAsNames {
        /// The line.
        line: u64,
    },
    /// A line with more or fewer cells than the first.
    #[error("line {line}: expected {expected} cells as in the first line, got {got}")]
    Width {
        /// The line.
        line: u64,
        /// Cells of the first line.
        expected: usize,
        /// Cells of this line.
        got: usize,
    },
    /// A cell that is not UTF-8.
    #[error("line {line}, column `{column}`: expected UTF-8, got `{content}`")]
    Encoding {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What can be read of the cell.
        content: String,
    },
    /// A cell that is no number, or none that the scalar type can hold.
    #[error("line {line}, column `{column}`: expected a finite number, got `{content}`")]
    NotANumber {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The beginning of the cell.
        content: String,
    },
    /// A cell that is none of the classes, or categories, that are known already.
    #[error("line {line}, column `{column}`: expected one of {}, got `{content}`", list(expected))]
    Class {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The beginning of the cell.
        content: String,
        /// The names of the classes.
        expected: Vec<String>,
    },
    /// Missing values, where they are not allowed.
    #[error(
        "missing values: {} (the first in line {line}); fill them or leave out their rows with `missing`",
        counts(columns)
    )]
    Missing {
        /// Columns with missing values, and how many.
        columns: Vec<(String, usize)>,
        /// The line of the first.
        line: u64,
    },
    /// Missing targets, for which nothing can be filled in.
    #[error("missing targets: {} (the first in line {line}), which cannot be filled in", counts(columns))]
    MissingTargets {
        /// Columns with missing values, and how many.
        columns: Vec<(String, usize)>,
        /// The line of the first.
        line: u64,
    },
    /// A column without a single value, so that it has no mean.
    #[error("column `{column}`: expected at least one value to take the mean of, got none")]
    NoMean {
        /// The column.
        column: String,
    },
    /// A column that is not in the file.
    #[error("there is no {column}, the columns are {}", list(columns))]
    NoColumn {
        /// The column asked for.
        column: Column,
        /// The names of the columns.
        columns: Vec<String>,
    },
    /// A name that several columns have.
    #[error("there are {count} columns named `{column}`: choose by number")]
    Ambiguous {
        /// The name.
        column: String,
        /// How many columns have it.
        count: usize,
    },
    /// All columns are targets or ignored.
    #[error("no column is left for the inputs: the columns are {}", list(columns))]
    NoInputs {
        /// The names of the columns.
        columns: Vec<String>,
    },
    /// A column of a type that is neither numbers nor text.
    #[error("column `{column}`: expected numbers or text, got {found}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
}

/// The first names of a list: `a`, `b` and 7 more.
fn list(names: &[String]) -> String {
    const MOST: usize = 20;
    let shown = names.iter().take(MOST).map(|name| format!("`{}`", excerpt(name)));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        let _ = write!(text, " and {} more", names.len() - MOST);
    }
    text
}

/// 3 in `age`, 1 in `fare`.
fn counts(columns: &[(String, usize)]) -> String {
    let each = columns.iter().map(|(name, count)| format!("{count} in `{}`", excerpt(name)));
    each.collect::<Vec<_>>().join(", ")
}

/// The first characters of a cell, which may be as long as the file.
pub(super) fn excerpt(content: &str) -> String {
    const MOST: usize = 40;
    match content.char_indices().nth(MOST) {
        None => content.to_owned(),
        Some((end, _)) => format!("{}…", &content[..end]),
    }
}
