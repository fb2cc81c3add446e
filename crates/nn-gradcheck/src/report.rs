//! What a gradient check found.

use std::io::IsTerminal;

use nn_core::{Arena, Real};

use crate::diagnosis::Suspicion;
use crate::index::multi_index;
use crate::kink::Kink;
use crate::numeric::Slope;
use crate::verdict::{Norms, Tolerance, Verdict, norm};

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
    /// Its shape; along directions, their number.
    pub shape: Vec<usize>,
    /// `‖g − ĝ‖₂ / (‖g‖₂ + ‖ĝ‖₂)` without the elements at kinks; 0 where both are zero but for the rounding of the
    /// differences.
    pub relative_error: f64,
    /// The worst element; `None` for a parameter without elements.
    pub worst: Option<Worst>,
    /// The verdict on the relative error, or on the tolerance where one is set.
    pub verdict: Verdict,
    /// The elements at kinks, which do not count.
    pub kinks: Vec<Kink>,
    /// What is likely to be wrong.
    pub suspicion: Option<Suspicion>,
    pub(crate) received: bool,
    norms: Norms,
}

impl Row {
    /// Compares the gradients of one parameter, both in the order of its C layout.
    #[track_caller]
    pub(crate) fn compare(name: &str, shape: &[usize], analytic: &[f64], slopes: &[Slope]) -> Self {
        Row::judge(name, shape, analytic, slopes, &[], None)
    }

    /// The same without the elements at the positions `left_out`, in ascending order, and by a tolerance if there is
    /// one.
    #[track_caller]
    pub(crate) fn judge(
        name: &str,
        shape: &[usize],
        analytic: &[f64],
        slopes: &[Slope],
        left_out: &[usize],
        tolerance: Option<Tolerance>,
    ) -> Self {
        assert_eq!(analytic.len(), slopes.len(), "analytic and numeric gradient differ in length");
        let kept: Vec<usize> = (0..analytic.len()).filter(|i| left_out.binary_search(i).is_err()).collect();
        let g: Vec<f64> = kept.iter().map(|&i| analytic[i]).collect();
        let numeric: Vec<f64> = kept.iter().map(|&i| slopes[i].value).collect();
        let rounding = norm(&slopes.iter().map(|s| s.rounding).collect::<Vec<_>>());
        let mut norms = Norms::of(&g, &numeric);
        if norms.analytic <= rounding && norms.numeric <= rounding {
            norms = Norms::default();
        }
        let relative_error = norms.relative_error();
        let distance = |a: f64, n: f64| tolerance.map_or((a - n).abs(), |t| t.excess(a, n));
        let worst = farthest(&g, &numeric, distance).map(|i| Worst {
            index: multi_index(kept[i], shape),
            analytic: g[i],
            numeric: numeric[i],
        });
        let verdict = match tolerance {
            None => Verdict::of(relative_error),
            Some(t) if g.iter().zip(&numeric).all(|(&a, &n)| t.allows(a, n)) => Verdict::Sound,
            Some(_) => Verdict::Wrong,
        };
        Row {
            name: name.to_owned(),
            shape: shape.to_vec(),
            relative_error,
            worst,
            verdict,
            kinks: Vec::new(),
            suspicion: None,
            received: analytic.iter().any(|&x| x != 0.0),
            norms,
        }
    }

    /// Whether the parameter received a gradient: whether any element of the analytic gradient is not zero.
    ///
    /// A parameter without elements needs none.
    pub fn received_gradient(&self) -> bool {
        self.received || self.shape.contains(&0)
    }
}

/// The position of the largest distance, one that is NaN before all others.
fn farthest(analytic: &[f64], numeric: &[f64], distance: impl Fn(f64, f64) -> f64) -> Option<usize> {
    let distance = |i: usize| {
        let d = distance(analytic[i], numeric[i]);
        if d.is_nan() { f64::INFINITY } else { d }
    };
    (0..analytic.len()).reduce(|best, i| if distance(i) > distance(best) { i } else { best })
}

/// The outcome of a gradient check: a row per parameter.
///
/// Its `Display` is a table of at most 80 columns, with a last row for all parameters together, and below it what is
/// suspected of the parameters that are wrong, and the kinks.
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
    ///
    /// Of nothing, and of parameters without elements, there is nothing wrong: [`Verdict::Sound`].
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

    /// The parameters with a gradient that is zero throughout.
    ///
    /// A gradient that never arrived (a parameter that was not registered, a cut graph) looks like this; so does one
    /// behind a ReLU that is dead for every sample.
    pub fn without_gradient(&self) -> Vec<&str> {
        self.rows.iter().filter(|row| !row.received_gradient()).map(|row| row.name.as_str()).collect()
    }

    /// Demands that every parameter received a gradient, be it right or wrong.
    ///
    /// # Panics
    /// With the names of those that did not.
    #[track_caller]
    pub fn assert_every_gradient(&self) {
        let missing = self.without_gradient();
        assert!(missing.is_empty(), "no gradient arrived at {}:\n{self}", missing.join(", "));
    }

    /// This report with colours: escape sequences of ANSI terminals around names and verdicts.
    pub fn colored(&self) -> Colored<'_> {
        Colored(self)
    }

    /// Prints the report, in colour where the standard output is a terminal and `NO_COLOR` is not set.
    pub fn print(&self) {
        if wants_color() { println!("{}", self.colored()) } else { println!("{self}") }
    }
}

/// A [`Report`] that is displayed in colour.
#[derive(Clone, Copy, Debug)]
pub struct Colored<'a>(pub(crate) &'a Report);

/// Whether to colour what is written to the standard output.
///
/// Not where it is no terminal, nor one that cannot (`TERM=dumb`), nor where `NO_COLOR` holds anything
/// (<https://no-color.org>).
pub fn wants_color() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !dumb && !unwanted
}

/// The parameters of an arena whose gradient is zero throughout, among those that are trained.
///
/// Needs no differences, so a training loop can ask it of the first step: what it names does not learn.
///
/// ```
/// use std::sync::Arc;
/// use nn_core::{Arena, ParamLayout, Role};
///
/// let mut layout = ParamLayout::new();
/// layout.add("weight", &[2], Role::Weight)?;
/// layout.add("bias", &[1], Role::Bias)?;
/// let mut gradient = Arena::<f32>::zeros(Arc::new(layout));
/// gradient.view_mut(0).fill(0.5);
/// assert_eq!(nn_gradcheck::without_gradient(&gradient), ["bias"]);
/// # Ok::<(), nn_core::DuplicateParam>(())
/// ```
pub fn without_gradient<F: Real>(gradient: &Arena<F>) -> Vec<&str> {
    let trained = gradient.layout().params().iter().filter(|spec| spec.role.is_trained());
    let is_zero = |range: std::ops::Range<usize>| gradient.as_slice()[range].iter().all(|&x| x == F::zero());
    trained.filter(|spec| spec.size() > 0 && is_zero(spec.range())).map(|spec| spec.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Report, Row};
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
nothing   [0,4]      - -               -        - empty
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
    #[should_panic(expected = "gradient check is not acceptable:\nparameter shape")]
    fn asserting_shows_the_table() {
        Report::new(vec![row("a", &[1], &[1.0], &[1.001])]).assert_at_least(Verdict::Acceptable);
    }
}
