//! How the columns of a table become features and classes.

/// How the columns of one file became features and classes: what is needed to read another one alike.
///
/// Kept beside a trained network, it reads the files that the network is to predict from: see
/// [`TableReader::like`](super::TableReader::like). With the feature `serde` it can be saved.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Schema {
    /// The columns of the inputs, in the order of the features.
    pub inputs: Vec<InputColumn>,
    /// The columns of the targets.
    pub target: TargetColumns,
}

/// A column of the inputs.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum InputColumn {
    /// Numbers: one feature.
    Number {
        /// The name of the column; its number, from 0, in a file without names.
        column: String,
        /// The mean of its values, which stands for missing ones.
        mean: f64,
    },
    /// Names: one feature for each, 1 where the cell is that name and 0 elsewhere.
    Categories {
        /// The name of the column; its number, from 0, in a file without names.
        column: String,
        /// The names.
        categories: Vec<Category>,
    },
}

/// A name among those of a column of categories.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Category {
    /// The name.
    pub name: String,
    /// Its share of the cells, which stands in its feature where the cell is missing.
    pub mean: f64,
}

/// The columns of the targets.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TargetColumns {
    /// No targets.
    None,
    /// Names of classes.
    Labels {
        /// The name of the column.
        column: String,
        /// The names of the classes, in the order of their numbers.
        classes: Vec<String>,
    },
    /// Numbers to be predicted.
    Numbers {
        /// The names of the columns.
        columns: Vec<String>,
    },
}

impl Schema {
    /// The name of each feature: that of its column, or `column=category`.
    pub fn features(&self) -> Vec<String> {
        let mut names = Vec::new();
        for input in &self.inputs {
            match input {
                InputColumn::Number { column, .. } => names.push(column.clone()),
                InputColumn::Categories { column, categories } => {
                    names.extend(categories.iter().map(|category| format!("{column}={}", category.name)));
                }
            }
        }
        names
    }

    /// The names of the classes, in the order of their numbers; `None` where the targets are no labels.
    pub fn classes(&self) -> Option<&[String]> {
        match &self.target {
            TargetColumns::Labels { classes, .. } => Some(classes),
            TargetColumns::None | TargetColumns::Numbers { .. } => None,
        }
    }
}
