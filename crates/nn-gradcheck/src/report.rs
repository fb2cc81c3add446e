//! The table of a gradient check.

use std::fmt;

use crate::numeric::Slope;
use crate::verdict::{Norms, Verdict, norm};

/// The element at which analytic and numeric gradient are farthest apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// Its place in the parameter, one number per axis.
    pub index: Vec<usize>,
    /// The analytic gradient there.
    pub analytic: f64,
    /// The numeric gradient there.
    pub numeric: f64,
}

/// What was found of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The parameter.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// `‖g − ĝ‖₂ / (‖g‖₂ + ‖ĝ‖₂)`; 0 where both are zero but for the rounding of the differences.
    pub relative_error: f64,
    /// The worst element; `None` for a parameter without elements.
    pub worst: Option<Worst>,
    /// The verdict on the relative error.
    pub verdict: Verdict,
    norms: Norms,
}

impl Row {
    /// Compares the gradients of one parameter, both in the order of its C layout.
    #[track_caller]
    pub(crate) fn compare(name: &str, shape: &[usize], analytic: &[f64], slopes: &[Slope]) -> Self {
        let numeric: Vec<f64> = slopes.iter().map(|s| s.value).collect();
        let rounding = norm(&slopes.iter().map(|s| s.rounding).collect::<Vec<_>>());
        let mut norms = Norms::of(analytic, &numeric);
        if norms.analytic <= rounding && norms.numeric <= rounding {
            norms = Norms::default();
        }
        let relative_error = norms.relative_error();
        let worst = farthest(analytic, &numeric).map(|i| Worst {
            index: multi_index(i, shape),
            analytic: analytic[i],
            numeric: numeric[i],
        });
        let verdict = Verdict::of(relative_error);
        Row { name: name.to_owned(), shape: shape.to_vec(), relative_error, worst, verdict, norms }
    }
}

/// The position of the largest difference, one that is NaN before all others.
fn farthest(analytic: &[f64], numeric: &[f64]) -> Option<usize> {
    let distance = |i: usize| {
        let d = (analytic[i] - numeric[i]).abs();
        if d.is_nan() { f64::INFINITY } else { d }
    };
    (0..analytic.len()).reduce(|best, i| if distance(i) > distance(best) { i } else { best })
}

/// The place of the `i`-th element, in C order, of an array of this shape.
fn multi_index(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &len) in index.iter_mut().zip(shape).rev() {
        *place = i % len;
        i /= len;
    }
    index
}

/// The outcome of a gradient check: a row per parameter.
///
/// Its `Display` is a table of at most 80 columns, with a last row for all parameters together.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a report says nothing until it is printed or asserted"]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        Report { rows }
    }

    /// The parameters, in the order in which they were checked.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The parameter with this name.
    pub fn get(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// This report with the rows of another after its own.
    pub fn join(mut self, other: Report) -> Self {
        self.rows.extend(other.rows);
        self
    }

    /// The relative error of all parameters laid end to end.
    pub fn relative_error(&self) -> f64 {
        self.rows.iter().fold(Norms::default(), |all, row| all.join(row.norms)).relative_error()
    }

    /// The worst verdict of any parameter, so that a small one does not hide behind a large one.
    pub fn verdict(&self) -> Verdict {
        self.rows.iter().map(|row| row.verdict).min().unwrap_or(Verdict::Sound)
    }

    /// Demands [`Verdict::Sound`] of every parameter.
    ///
    /// # Panics
    /// With the table, when a parameter has a worse verdict.
    #[track_caller]
    pub fn assert_sound(&self) {
        self.assert_at_least(Verdict::Sound);
    }

    /// Demands this verdict or a better one of every parameter.
    ///
    /// # Panics
    /// With the table, when a parameter has a worse verdict.
    #[track_caller]
    pub fn assert_at_least(&self, verdict: Verdict) {
        assert!(self.verdict() >= verdict, "gradient check is not {verdict}:\n{self}");
    }

    /// The cells of the table, heading first and the sum of all last.
    fn cells(&self) -> Vec<[String; COLUMNS]> {
        let heading = ["parameter", "shape", "error", "worst at", "analytic", "numeric", "verdict"];
        let mut cells = vec![heading.map(str::to_owned)];
        cells.extend(self.rows.iter().map(row_cells));
        let error = format!("{:.1e}", self.relative_error());
        let [name, rest] = ["all".to_owned(), String::new()];
        let verdict = self.verdict().to_string();
        cells.push([name, rest.clone(), error, rest.clone(), rest.clone(), rest, verdict]);
        cells
    }
}

/// Number of columns of the table.
const COLUMNS: usize = 7;

/// The widest that each column may be: with single spaces between them, 80 characters.
const WIDEST: [usize; COLUMNS] = [14, 11, 8, 9, 11, 11, 10];

/// The cells of one parameter.
fn row_cells(row: &Row) -> [String; COLUMNS] {
    let list = |numbers: &[usize]| {
        let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        format!("[{}]", numbers.join(","))
    };
    let (index, analytic, numeric) = match &row.worst {
        None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        Some(w) => (list(&w.index), format!("{:.3e}", w.analytic), format!("{:.3e}", w.numeric)),
    };
    let error = format!("{:.1e}", row.relative_error);
    [row.name.clone(), list(&row.shape), error, index, analytic, numeric, row.verdict.to_string()]
}

/// `text`, or its end behind an ellipsis where it is wider than `width`.
fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(length + 1 - width)).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells();
        let width = |column: usize| {
            let widest = cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            widest.min(WIDEST[column])
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for (i, row) in cells.iter().enumerate() {
            let padded: [String; COLUMNS] = std::array::from_fn(|column| {
                let (text, width) = (fit(&row[column], widths[column]), widths[column]);
                if matches!(column, 2 | 4 | 5) {
                    format!("{text:>width$}")
                } else {
                    format!("{text:<width$}")
                }
            });
            let line = padded.join(" ");
            write!(f, "{}{}", if i == 0 { "" } else { "\n" }, line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Row, multi_index};
    use crate::numeric::Slope;
    use crate::verdict::Verdict;

    fn row(name: &str, shape: &[usize], analytic: &[f64], numeric: &[f64]) -> Row {
        let slopes: Vec<_> = numeric.iter().map(|&value| Slope { value, rounding: 1e-12 }).collect();
        Row::compare(name, shape, analytic, &slopes)
    }

    #[test]
    fn the_table() {
        let report = Report::new(vec![
            row("0.weight", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1.0, 2.0, 3.0, 4.0, 5.00001, 6.0]),
            row("0.bias", &[2], &[-0.5, 0.25], &[-0.5, 0.5]),
            row("nothing", &[0, 4], &[], &[]),
        ]);
        let expected = "\
parameter shape  error worst at analytic  numeric verdict
0.weight  [2,3] 5.2e-7 [1,1]     5.000e0  5.000e0 acceptable
0.bias    [2]   2.0e-1 [1]      2.500e-1 5.000e-1 wrong
nothing   [0,4]  0.0e0 -               -        - sound
all             1.3e-2                            wrong";
        assert_eq!(report.to_string(), expected);
        assert_eq!(report.verdict(), Verdict::Wrong);
        assert_eq!(report.get("0.bias").unwrap().worst.as_ref().unwrap().index, [1]);
    }

    #[test]
    fn the_table_stays_within_80_columns() {
        let name = "encoder.layers.11.self_attention.out_proj.weight";
        let shape = [1024, 1024, 33, 33];
        let mut row = row(name, &[1], &[-1e-300], &[f64::NAN]);
        (row.shape, row.worst.as_mut().unwrap().index) = (shape.to_vec(), shape.to_vec());
        row.relative_error = 1.5e-101;
        let table = Report::new(vec![row]).to_string();
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        let cells: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
        let expected =
            ["…t_proj.weight", "…024,33,33]", "1.5e-101", "…4,33,33]", "-1.000e-300", "NaN", "wrong"];
        assert_eq!(cells, expected);
    }

    #[test]
    fn a_small_wrong_parameter_does_not_hide_behind_a_large_one() {
        let report = Report::new(vec![row("a", &[1], &[1e9], &[1e9]), row("b", &[1], &[1.0], &[2.0])]);
        assert!(report.relative_error() < 1e-8);
        assert_eq!(report.verdict(), Verdict::Wrong);
    }

    #[test]
    fn zero_but_for_rounding_is_zero() {
        assert_eq!(row("a", &[1], &[0.0], &[1e-13]).verdict, Verdict::Sound);
        assert_eq!(row("a", &[1], &[0.0], &[1e-11]).verdict, Verdict::Wrong);
        assert_eq!(row("a", &[1], &[1e-11], &[0.0]).verdict, Verdict::Wrong);
    }

    #[test]
    fn not_a_number_is_the_worst_element_and_wrong() {
        let row = row("a", &[2, 2], &[1.0, 2.0, f64::NAN, 9.0], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((row.verdict, row.worst.unwrap().index), (Verdict::Wrong, vec![1, 0]));
    }

    #[test]
    fn places() {
        assert_eq!(multi_index(17, &[2, 3, 4]), [1, 1, 1]);
        assert_eq!(multi_index(0, &[]), [0; 0]);
    }

    #[test]
    #[should_panic(expected = "gradient check is not acceptable:\nparameter shape")]
    fn asserting_shows_the_table() {
        Report::new(vec![row("a", &[1], &[1.0], &[1.001])]).assert_at_least(Verdict::Acceptable);
    }
}
