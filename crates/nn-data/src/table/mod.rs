//! Tables of numbers and names, as CSV and Parquet files hold them, made into inputs and targets.

mod build;
mod error;
mod reader;
mod schema;

use ndarray::{Array2, ArrayD, Ix1};
use nn_core::Real;

use crate::{DataError, Dataset};

pub(crate) use build::{Builder, Cell};
pub use error::{TableError, TableProblem};
pub use reader::{Column, Missing, TableReader};
pub use schema::{Category, InputColumn, Schema, TargetColumns};

/// What a [`TableReader`] made of a file: inputs `[n, features]`, and targets if a column was chosen for them.
///
/// Targets are labels `[n]`, whose class names are kept, or numbers `[n, columns]`. All are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<F: Real> {
    inputs: Array2<F>,
    targets: Option<ArrayD<F>>,
    schema: Schema,
    missing: Vec<(String, usize)>,
    dropped: usize,
}

impl<F: Real> Table<F> {
    /// The inputs, `[n, features]`.
    pub fn inputs(&self) -> &Array2<F> {
        &self.inputs
    }

    /// The labels, `[n]`, or the numbers to be predicted, `[n, columns]`.
    pub fn targets(&self) -> Option<&ArrayD<F>> {
        self.targets.as_ref()
    }

    /// The name of each feature: that of its column, or `column=category`.
    pub fn features(&self) -> Vec<String> {
        self.schema.features()
    }

    /// The names of the classes, in the order of their numbers; `None` where the targets are no labels.
    pub fn classes(&self) -> Option<&[String]> {
        self.schema.classes()
    }

    /// The columns in which values are missing, and how many, over all rows of the file.
    pub fn missing(&self) -> &[(String, usize)] {
        &self.missing
    }

    /// The number of rows that were left out because values are missing in them.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// How columns became features and classes; with it another file is read as this one was.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The inputs alone, `[n, features]`.
    pub fn into_inputs(self) -> Array2<F> {
        self.inputs
    }

    /// Inputs and targets as a data set.
    ///
    /// # Errors
    /// When no column was chosen for the targets.
    pub fn into_dataset(self) -> Result<Dataset<F>, DataError> {
        match (self.targets, self.schema.classes()) {
            (None, _) => Err(DataError::NoTargets),
            (Some(targets), None) => Dataset::regression(self.inputs, targets),
            (Some(targets), Some(classes)) => {
                let labels = targets.into_dimensionality::<Ix1>().expect("labels have one axis");
                Dataset::classification(self.inputs, labels, classes.len())
            }
        }
    }
}
