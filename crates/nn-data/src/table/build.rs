//! Tables, row by row.

use std::collections::HashMap;

use ndarray::{Array2, ArrayD, IxDyn};
use nn_core::Real;

use super::error::excerpt;
use super::reader::Target;
use super::{
    Category, Column, InputColumn, Missing, Schema, Table, TableProblem, TableReader, TargetColumns,
};

/// What a file holds in one place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Missing,
    Text(&'a str),
    #[cfg(feature = "parquet")]
    Number(f64),
}

impl<'a> Cell<'a> {
    /// Text, unless it stands for a missing value.
    pub(crate) fn from_text(text: &'a str) -> Self {
        let is_missing = text.len() <= 4
            && ["", "?", "na", "nan", "n/a", "null"].iter().any(|mark| text.eq_ignore_ascii_case(mark));
        if is_missing { Cell::Missing } else { Cell::Text(text) }
    }
}

/// The code of a missing name.
const NO_CODE: u32 = u32::MAX;

/// Names, numbered as they come, or known before.
#[derive(Debug, Default)]
struct Names {
    list: Vec<String>,
    codes: HashMap<String, u32>,
    known: bool,
}

impl Names {
    fn known(list: Vec<String>) -> Self {
        let codes = list.iter().cloned().zip(0..).collect();
        Names { list, codes, known: true }
    }

    /// The code of a name; `None` when it is none of those known before.
    fn code(&mut self, name: &str) -> Option<u32> {
        if let Some(&code) = self.codes.get(name) {
            return Some(code);
        }
        if self.known {
            return None;
        }
        let code = u32::try_from(self.list.len()).ok().filter(|&code| code != NO_CODE)?;
        self.list.push(name.to_owned());
        self.codes.insert(name.to_owned(), code);
        Some(code)
    }

    /// The names in their final order, with the place of each code: by value if all are numbers, else alphabetically.
    fn into_order(self) -> (Vec<String>, Vec<usize>) {
        let Names { list, known, .. } = self;
        let mut order: Vec<usize> = (0..list.len()).collect();
        if !known {
            let numbers: Option<Vec<f64>> = list.iter().map(|name| name.parse().ok()).collect();
            match numbers {
                Some(numbers) => order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b])),
                None => order.sort_by(|&a, &b| list[a].cmp(&list[b])),
            }
        }
        let mut places = vec![0; list.len()];
        for (place, &code) in order.iter().enumerate() {
            places[code] = place;
        }
        (order.into_iter().map(|code| list[code].clone()).collect(), places)
    }
}

/// A column of the inputs: numbers, or names.
#[derive(Debug)]
struct Input {
    column: usize,
    names: Option<Names>,
}

#[derive(Debug)]
enum Targets {
    None,
    Labels { column: usize, names: Names, codes: Vec<u32> },
    Numbers { columns: Vec<usize> },
}

impl Targets {
    fn columns(&self) -> &[usize] {
        match self {
            Targets::None => &[],
            Targets::Labels { column, .. } => std::slice::from_ref(column),
            Targets::Numbers { columns } => columns,
        }
    }
}

/// Takes the rows of a file and makes them a [`Table`].
#[derive(Debug)]
pub(crate) struct Builder<F> {
    columns: Vec<String>,
    inputs: Vec<Input>,
    targets: Targets,
    policy: Missing,
    schema: Option<Schema>,
    /// Numbers of the inputs, row by row; NaN where they are missing.
    numbers: Vec<F>,
    /// Codes of the inputs' names, row by row.
    codes: Vec<u32>,
    /// Numbers to be predicted, row by row.
    target_numbers: Vec<F>,
    rows: usize,
    dropped: usize,
    missing: Vec<usize>,
    first_missing: Option<u64>,
}

impl<F: Real> Builder<F> {
    /// A builder for a file with columns of these names.
    pub(crate) fn new(options: &TableReader, columns: Vec<String>) -> Result<Self, TableProblem> {
        let (inputs, targets) = match &options.schema {
            Some(schema) => chosen_by_schema(schema, &columns)?,
            None => chosen(options, &columns)?,
        };
        if inputs.is_empty() {
            return Err(TableProblem::NoInputs { columns });
        }
        Ok(Builder {
            missing: vec![0; columns.len()],
            columns,
            inputs,
            targets,
            policy: options.missing,
            schema: options.schema.clone(),
            numbers: Vec::new(),
            codes: Vec::new(),
            target_numbers: Vec::new(),
            rows: 0,
            dropped: 0,
            first_missing: None,
        })
    }

    /// The columns that are read.
    pub(crate) fn used(&self) -> Vec<usize> {
        let inputs = self.inputs.iter().map(|input| input.column);
        inputs.chain(self.targets.columns().iter().copied()).collect()
    }

    /// Adds a row; `cell` gives what stands in a column, or text that is not UTF-8.
    pub(crate) fn push<'a>(
        &mut self,
        line: u64,
        cell: impl Fn(usize) -> Result<Cell<'a>, String>,
    ) -> Result<(), TableProblem> {
        if self.policy == Missing::DropRow {
            let used = self.used();
            let missing = used.into_iter().filter(|&column| matches!(cell(column), Ok(Cell::Missing)));
            let missing: Vec<usize> = missing.collect();
            if !missing.is_empty() {
                missing.into_iter().for_each(|column| self.missing[column] += 1);
                self.dropped += 1;
                return Ok(());
            }
        }
        let Builder {
            columns, inputs, targets, missing, first_missing, numbers, codes, target_numbers, ..
        } = self;
        let at = |column: usize| match cell(column) {
            Ok(cell) => Ok(cell),
            Err(text) => {
                Err(TableProblem::Encoding { line, column: columns[column].clone(), content: excerpt(&text) })
            }
        };
        let mut note = |column: usize, is_missing: bool| {
            if is_missing {
                missing[column] += 1;
                first_missing.get_or_insert(line);
            }
        };
        for Input { column, names } in inputs {
            let (name, cell) = (&columns[*column], at(*column)?);
            note(*column, matches!(cell, Cell::Missing));
            match names {
                None => numbers.push(number(cell, line, name)?),
                Some(names) => codes.push(code(names, cell, line, name)?),
            }
        }
        for &column in targets.columns() {
            note(column, matches!(at(column)?, Cell::Missing));
        }
        match targets {
            Targets::None => {}
            Targets::Labels { column, names, codes: labels } => {
                labels.push(code(names, at(*column)?, line, &columns[*column])?);
            }
            Targets::Numbers { columns: chosen } => {
                for &mut column in chosen {
                    target_numbers.push(number(at(column)?, line, &columns[column])?);
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The table of all rows.
    pub(crate) fn finish(self) -> Result<Table<F>, TableProblem> {
        let missing = self.counts(|_| true);
        self.check_missing(&missing)?;
        let Builder { columns, inputs, targets, rows, dropped, .. } = self;
        let parts = Parts::new(inputs, self.numbers, self.codes, rows);
        let known = self.schema.as_ref().map(|schema| &schema.inputs[..]);
        let (inputs, described) = parts.into_features(&columns, known, self.policy)?;
        let (targets, target) = match targets {
            Targets::None => (None, TargetColumns::None),
            Targets::Labels { column, names, codes } => {
                let (classes, places) = names.into_order();
                let labels = codes.iter().map(|&code| F::from_usize(places[code as usize])).collect();
                let labels = ArrayD::from_shape_vec(IxDyn(&[rows]), labels).expect("one label per row");
                (Some(labels), TargetColumns::Labels { column: columns[column].clone(), classes })
            }
            Targets::Numbers { columns: chosen } => {
                let shape = IxDyn(&[rows, chosen.len()]);
                let numbers =
                    ArrayD::from_shape_vec(shape, self.target_numbers).expect("a row of targets each");
                let chosen = chosen.iter().map(|&column| columns[column].clone()).collect();
                (Some(numbers), TargetColumns::Numbers { columns: chosen })
            }
        };
        Ok(Table { inputs, targets, schema: Schema { inputs: described, target }, missing, dropped })
    }

    /// The columns with missing values among those chosen, and how many.
    fn counts(&self, chosen: impl Fn(usize) -> bool) -> Vec<(String, usize)> {
        let columns = self.columns.iter().zip(&self.missing).enumerate();
        let some = columns.filter(|&(column, (_, &count))| count > 0 && chosen(column));
        some.map(|(_, (name, &count))| (name.clone(), count)).collect()
    }

    fn check_missing(&self, missing: &[(String, usize)]) -> Result<(), TableProblem> {
        if self.rows == 0 && self.dropped > 0 {
            return Err(TableProblem::AllDropped { dropped: self.dropped, columns: missing.to_vec() });
        }
        if self.rows == 0 {
            return Err(TableProblem::Empty);
        }
        let Some(line) = self.first_missing else {
            return Ok(());
        };
        let targets = self.counts(|column| self.targets.columns().contains(&column));
        match self.policy {
            Missing::Error => Err(TableProblem::Missing { columns: missing.to_vec(), line }),
            _ if !targets.is_empty() => Err(TableProblem::MissingTargets { columns: targets, line }),
            _ => Ok(()),
        }
    }
}

/// The inputs of all rows, and what they are of.
struct Parts<F> {
    inputs: Vec<Input>,
    numbers: Vec<F>,
    codes: Vec<u32>,
    rows: usize,
}

impl<F: Real> Parts<F> {
    fn new(inputs: Vec<Input>, numbers: Vec<F>, codes: Vec<u32>, rows: usize) -> Self {
        Parts { inputs, numbers, codes, rows }
    }

    /// Features in the order of the columns, with means for what is missing.
    fn into_features(
        mut self,
        columns: &[String],
        known: Option<&[InputColumn]>,
        policy: Missing,
    ) -> Result<(Array2<F>, Vec<InputColumn>), TableProblem> {
        let width = self.inputs.iter().filter(|input| input.names.is_none()).count();
        let code_width = self.inputs.len() - width;
        let (mut described, mut places) = (Vec::new(), Vec::new());
        let (mut at, mut code_at) = (0, 0);
        for (i, Input { column, names }) in std::mem::take(&mut self.inputs).into_iter().enumerate() {
            let name = columns[column].clone();
            let known = known.map(|known| known[i].clone());
            match names {
                None => {
                    let of_column = self.numbers.iter().skip(at).step_by(width);
                    let known = known.or_else(|| {
                        mean(of_column).map(|mean| InputColumn::Number { column: name.clone(), mean })
                    });
                    if known.is_none() && policy == Missing::Mean {
                        return Err(TableProblem::NoMean { column: name });
                    }
                    described.push(known.unwrap_or(InputColumn::Number { column: name, mean: 0.0 }));
                    places.push(Vec::new());
                    at += 1;
                }
                Some(names) => {
                    let (list, place) = names.into_order();
                    let of_column = self.codes.iter().skip(code_at).step_by(code_width);
                    let shares = shares(of_column, &place);
                    let categories = list.into_iter().zip(shares).map(|(name, mean)| Category { name, mean });
                    let found = InputColumn::Categories { column: name, categories: categories.collect() };
                    described.push(known.unwrap_or(found));
                    places.push(place);
                    code_at += 1;
                }
            }
        }
        Ok((self.assemble(&described, &places), described))
    }

    /// The array of the features; `places` has, for each column of names, the place of each code.
    fn assemble(mut self, described: &[InputColumn], places: &[Vec<usize>]) -> Array2<F> {
        if self.codes.is_empty() {
            let width = described.len();
            let means = described.iter().map(|input| match input {
                InputColumn::Number { mean, .. } => F::from_f64(*mean),
                InputColumn::Categories { .. } => F::zero(),
            });
            let means: Vec<F> = means.collect();
            for row in self.numbers.chunks_exact_mut(width) {
                row.iter_mut().zip(&means).filter(|(x, _)| x.is_nan()).for_each(|(x, &mean)| *x = mean);
            }
            return Array2::from_shape_vec((self.rows, width), self.numbers).expect("a row of numbers each");
        }
        let (mut numbers, mut codes) = (self.numbers.into_iter(), self.codes.into_iter());
        let mut features = Vec::new();
        for _ in 0..self.rows {
            for (input, places) in described.iter().zip(places) {
                match input {
                    InputColumn::Number { mean, .. } => {
                        let number = numbers.next().unwrap_or(F::NAN);
                        features.push(if number.is_nan() { F::from_f64(*mean) } else { number });
                    }
                    InputColumn::Categories { categories, .. } => {
                        let place = codes.next().and_then(|code| places.get(code as usize));
                        features.extend(categories.iter().enumerate().map(|(i, category)| match place {
                            None => F::from_f64(category.mean),
                            Some(&place) if place == i => F::one(),
                            Some(_) => F::zero(),
                        }));
                    }
                }
            }
        }
        let width = features.len() / self.rows;
        Array2::from_shape_vec((self.rows, width), features).expect("every row has the same features")
    }
}

/// The mean of the numbers that are there.
fn mean<'a, F: Real>(numbers: impl Iterator<Item = &'a F> + Clone) -> Option<f64> {
    let there = numbers.filter(|x| !x.is_nan());
    let count = there.clone().count();
    (count > 0).then(|| there.map(|x| x.to_f64() / count as f64).sum())
}

/// The share of each place among the codes that are there.
fn shares<'a>(codes: impl Iterator<Item = &'a u32>, places: &[usize]) -> Vec<f64> {
    let mut counts = vec![0_usize; places.len()];
    let mut all = 0;
    for &place in codes.filter_map(|&code| places.get(code as usize)) {
        counts[place] += 1;
        all += 1;
    }
    counts.into_iter().map(|count| if all > 0 { count as f64 / all as f64 } else { 0.0 }).collect()
}

/// The number of a cell; NaN if it is missing.
fn number<F: Real>(cell: Cell<'_>, line: u64, column: &str) -> Result<F, TableProblem> {
    let value = match cell {
        Cell::Missing => return Ok(F::NAN),
        Cell::Text(text) => text.parse().ok(),
        #[cfg(feature = "parquet")]
        Cell::Number(value) => Some(value),
    };
    match value.map(F::from_f64) {
        Some(value) if value.is_finite() => Ok(value),
        _ => Err(TableProblem::NotANumber { line, column: column.to_owned(), content: content(cell) }),
    }
}

/// The code of a cell's name.
fn code(names: &mut Names, cell: Cell<'_>, line: u64, column: &str) -> Result<u32, TableProblem> {
    let code = match cell {
        Cell::Missing => return Ok(NO_CODE),
        Cell::Text(text) => names.code(text),
        #[cfg(feature = "parquet")]
        Cell::Number(value) => names.code(&value.to_string()),
    };
    code.ok_or_else(|| TableProblem::Class {
        line,
        column: column.to_owned(),
        content: content(cell),
        expected: names.list.clone(),
    })
}

fn content(cell: Cell<'_>) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Text(text) => excerpt(text),
        #[cfg(feature = "parquet")]
        Cell::Number(value) => value.to_string(),
    }
}

/// The number of a column.
fn find(columns: &[String], column: &Column) -> Result<usize, TableProblem> {
    let none = || TableProblem::NoColumn { column: column.clone(), columns: columns.to_vec() };
    match column {
        Column::Number(number) if *number < columns.len() => Ok(*number),
        Column::Number(_) => Err(none()),
        Column::Last => columns.len().checked_sub(1).ok_or_else(none),
        Column::Name(name) => {
            let mut found = (0..columns.len()).filter(|&i| columns[i] == *name);
            match (found.next(), found.count()) {
                (None, _) => Err(none()),
                (Some(number), 0) => Ok(number),
                (Some(_), more) => Err(TableProblem::Ambiguous { column: name.clone(), count: 1 + more }),
            }
        }
    }
}

fn find_all(columns: &[String], wanted: &[Column]) -> Result<Vec<usize>, TableProblem> {
    wanted.iter().map(|column| find(columns, column)).collect()
}

/// Inputs and targets as the options choose them.
fn chosen(options: &TableReader, columns: &[String]) -> Result<(Vec<Input>, Targets), TableProblem> {
    let targets = match &options.target {
        Target::None => Targets::None,
        Target::Numbers(wanted) => Targets::Numbers { columns: find_all(columns, wanted)? },
        Target::Labels(wanted) => Targets::Labels {
            column: find(columns, wanted)?,
            names: options.classes.clone().map_or_else(Names::default, Names::known),
            codes: Vec::new(),
        },
    };
    let ignored = find_all(columns, &options.ignored)?;
    let categories = find_all(columns, &options.categories)?;
    let is_input = |column: &usize| !targets.columns().contains(column) && !ignored.contains(column);
    let inputs = (0..columns.len())
        .filter(is_input)
        .map(|column| Input { column, names: categories.contains(&column).then(Names::default) });
    Ok((inputs.collect(), targets))
}

/// Inputs and, if they are there, targets as in another file.
fn chosen_by_schema(schema: &Schema, columns: &[String]) -> Result<(Vec<Input>, Targets), TableProblem> {
    let named = |name: &String| find(columns, &Column::Name(name.clone()));
    let inputs = schema.inputs.iter().map(|input| match input {
        InputColumn::Number { column, .. } => Ok(Input { column: named(column)?, names: None }),
        InputColumn::Categories { column, categories } => {
            let names = categories.iter().map(|category| category.name.clone()).collect();
            Ok(Input { column: named(column)?, names: Some(Names::known(names)) })
        }
    });
    let targets = match &schema.target {
        TargetColumns::Labels { column, classes } if columns.contains(column) => Targets::Labels {
            column: named(column)?,
            names: Names::known(classes.clone()),
            codes: Vec::new(),
        },
        TargetColumns::Numbers { columns: names } if names.iter().all(|name| columns.contains(name)) => {
            Targets::Numbers { columns: names.iter().map(named).collect::<Result<_, _>>()? }
        }
        _ => Targets::None,
    };
    Ok((inputs.collect::<Result<_, _>>()?, targets))
}
