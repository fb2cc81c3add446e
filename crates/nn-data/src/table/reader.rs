//! What is to be made of the columns of a file.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use nn_core::Real;

use super::{Schema, Table, TableError, TableProblem};
use crate::csv;

/// A column of a file, by name or by number; `"age".into()` and `4.into()` are columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The column of this name. In a file without names the columns are named by their numbers.
    Name(String),
    /// The column of this number, counted from 0.
    Number(usize),
    /// The last column.
    Last,
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.to_owned())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Self {
        Column::Name(name)
    }
}

impl From<usize> for Column {
    fn from(number: usize) -> Self {
        Column::Number(number)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "column named `{name}`"),
            Column::Number(number) => write!(f, "column number {number} (from 0)"),
            Column::Last => write!(f, "last column"),
        }
    }
}

/// What becomes of missing values.
///
/// A cell is missing when it is empty or one of `NA`, `N/A`, `NaN`, `null` and `?`, in small or capital letters. They are
/// counted and named per column in any case: [`Table::missing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// They are an error, which counts them per column.
    #[default]
    Error,
    /// Rows with a missing input or target are left out.
    DropRow,
    /// Inputs get the mean of their feature over the rows that have it (of a category: its share); missing targets are
    /// an error.
    Mean,
}

/// The columns of the targets, as they are asked for.
#[derive(Clone, Debug)]
pub(super) enum Target {
    None,
    Labels(Column),
    Numbers(Vec<Column>),
}

/// Reads a file with columns into inputs and targets: CSV, and Parquet with the feature `parquet`.
///
/// Every column becomes one feature of the inputs, except for the targets, what is [ignored](TableReader::ignore), and
/// [categories](TableReader::categories), which become one feature each.
///
/// ```
/// use nn_data::{Missing, TableReader};
///
/// let flowers = "\
/// petal length,petal width,colour,species
/// 1.4,0.2,white,setosa
/// 4.7,?,blue,versicolor
/// 6.0,2.5,white,virginica
/// ";
/// let table = TableReader::new()
///     .labels("species")
///     .categories(["colour"])
///     .missing(Missing::Mean)
///     .read_csv_from::<f64>(flowers.as_bytes())?;
/// assert_eq!(table.features(), ["petal length", "petal width", "colour=blue", "colour=white"]);
/// assert_eq!(table.classes().unwrap(), ["setosa", "versicolor", "virginica"]);
/// assert_eq!(table.missing(), [("petal width".to_owned(), 1)]);
/// assert_eq!(table.inputs().row(1).to_vec(), [4.7, 1.35, 1.0, 0.0]);
///
/// let schema = table.schema().clone();
/// let set = table.into_dataset().unwrap();
/// assert_eq!(set.labels().unwrap(), [0, 1, 2]);
///
/// // Another file, without targets and in another order, to predict from.
/// let new = "petal width,petal length,colour\n0.4,1.5,blue\n";
/// let inputs = TableReader::like(&schema).read_csv_from::<f64>(new.as_bytes())?.into_inputs();
/// assert_eq!(inputs.row(0).to_vec(), [1.5, 0.4, 1.0, 0.0]);
///
/// let error = TableReader::new().read_csv_from::<f64>("a,b\n1,2\n3,four\n".as_bytes()).unwrap_err();
/// assert_eq!(error.to_string(), "line 3, column `b`: expected a finite number, got `four`");
/// # Ok::<(), nn_data::TableProblem>(())
/// ```
#[derive(Clone, Debug)]
pub struct TableReader {
    pub(crate) separator: u8,
    /// Whether there are names of columns; `None`: there are, but numbers in their place are an error.
    pub(crate) header: Option<bool>,
    pub(super) target: Target,
    pub(super) classes: Option<Vec<String>>,
    pub(super) ignored: Vec<Column>,
    pub(super) categories: Vec<Column>,
    pub(super) missing: Missing,
    pub(super) schema: Option<Schema>,
}

impl TableReader {
    /// A reader of files that are separated by commas, have a header and no targets, and in which nothing is missing.
    pub fn new() -> Self {
        TableReader {
            separator: b',',
            header: None,
            target: Target::None,
            classes: None,
            ignored: Vec::new(),
            categories: Vec::new(),
            missing: Missing::Error,
            schema: None,
        }
    }

    /// A reader of files that are like another: the same columns, found by name, become the same features, classes have
    /// the same numbers, and the same means stand for missing values if they are to be filled.
    ///
    /// The columns of the targets may be absent; columns of which the schema does not know are ignored. The methods that
    /// choose columns have no effect.
    pub fn like(schema: &Schema) -> Self {
        TableReader { schema: Some(schema.clone()), ..TableReader::new() }
    }

    /// The column that holds the class of each row.
    ///
    /// The classes are numbered in the order of their names: by value if all are numbers, else alphabetically.
    #[must_use]
    pub fn labels(mut self, column: impl Into<Column>) -> Self {
        self.target = Target::Labels(column.into());
        self
    }

    /// The names of the classes, in the order of their numbers; a cell with another name is an error.
    #[must_use]
    pub fn classes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.classes = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The columns of the numbers to be predicted; targets are `[n, columns]`, in this order.
    #[must_use]
    pub fn targets<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.target = Target::Numbers(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Columns that are left out, such as a running number.
    #[must_use]
    pub fn ignore<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.ignored.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Columns of names, of which each becomes a feature: 1 where the cell is that name, else 0.
    #[must_use]
    pub fn categories<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.categories.extend(columns.into_iter().map(Into::into));
        self
    }

    /// What becomes of missing values; by default they are an error.
    #[must_use]
    pub fn missing(mut self, policy: Missing) -> Self {
        self.missing = policy;
        self
    }

    /// Whether the first line of a CSV file holds the names of the columns.
    ///
    /// By default it does, and is an error if it holds nothing but numbers other than 0, 1, 2, … or 1, 2, 3, …: saying
    /// `true` here allows them.
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.header = Some(header);
        self
    }

    /// What separates the cells of a CSV file, such as `b';'` or `b'\t'`; a comma by default.
    #[must_use]
    pub fn separator(mut self, separator: u8) -> Self {
        self.separator = separator;
        self
    }

    /// Reads a CSV file: RFC 4180, with any line ends (inside of quotation marks too they become `\n`). Spaces around a
    /// cell do not count, nor do empty lines.
    ///
    /// # Errors
    /// When the file cannot be read, a line has another number of cells than the first, a cell is no number where one
    /// is expected, values are missing where they must not, or a column that was chosen is not there.
    pub fn read_csv<F: Real>(&self, path: impl AsRef<Path>) -> Result<Table<F>, TableError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(TableProblem::Io);
        file.and_then(|file| csv::read(self, file))
            .map_err(|problem| TableError { path: path.to_path_buf(), problem })
    }

    /// Reads CSV from anywhere, such as memory; see [`read_csv`](TableReader::read_csv).
    ///
    /// # Errors
    /// As [`read_csv`](TableReader::read_csv).
    pub fn read_csv_from<F: Real>(&self, from: impl Read) -> Result<Table<F>, TableProblem> {
        csv::read(self, from)
    }

    /// Reads a Parquet file: columns of numbers, booleans (0 and 1) and text, without compression or with Snappy.
    ///
    /// A value is missing when it is null, NaN, or text that would be missing in a CSV file. Lines in errors are rows, from
    /// 1. Columns of other types are no hindrance when they are [ignored](TableReader::ignore).
    ///
    /// # Errors
    /// As [`read_csv`](TableReader::read_csv), and when a column is of another type or the file is damaged.
    #[cfg(feature = "parquet")]
    pub fn read_parquet<F: Real>(&self, path: impl AsRef<Path>) -> Result<Table<F>, TableError> {
        let path = path.as_ref();
        crate::parquet::read(self, path).map_err(|problem| TableError { path: path.to_path_buf(), problem })
    }
}

impl Default for TableReader {
    fn default() -> Self {
        TableReader::new()
    }
}
