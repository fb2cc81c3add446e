//! From differences to rows of a report.

use ndarray::{ArrayRef, Dimension};

use crate::check::GradCheck;
use crate::diagnosis::Evidence;
use crate::directions;
use crate::index::multi_index;
use crate::kink::{Kink, kink};
use crate::noise::{blame, drift};
use crate::numeric::{Landscape, Slope, Stencil};
use crate::report::{Report, Row};
use crate::verdict::{Verdict, norm};

/// A gradient to be compared with differences.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: Vec<usize>,
    /// The argument of each difference.
    pub(crate) at: Vec<f64>,
    /// The analytic gradient, in C order.
    pub(crate) analytic: Vec<f64>,
    /// The parameter and its signs, for penalties; along the directions if there are any.
    pub(crate) penalties: [Vec<f64>; 2],
    /// Whether the elements are derivatives along directions.
    pub(crate) directional: bool,
}

impl<'a> Subject<'a> {
    /// A parameter with its analytic gradient.
    #[track_caller]
    pub(crate) fn new<D: Dimension, E: Dimension>(
        name: &'a str,
        value: &ArrayRef<f64, D>,
        gradient: &ArrayRef<f64, E>,
    ) -> Self {
        same_shape(name, value.shape(), gradient.shape());
        let at: Vec<f64> = value.iter().copied().collect();
        let analytic = gradient.iter().copied().collect();
        let signs = signs(&at);
        let penalties = [at.clone(), signs];
        Subject { name, shape: value.shape().to_vec(), at, analytic, penalties, directional: false }
    }
}

/// The sign of each number, 0 for 0.
pub(crate) fn signs(x: &[f64]) -> Vec<f64> {
    x.iter().map(|&x| if x == 0.0 { 0.0 } else { x.signum() }).collect()
}

/// Demands that a gradient has the shape of its parameter.
#[track_caller]
pub(crate) fn same_shape(name: &str, value: &[usize], gradient: &[usize]) {
    assert_eq!(value, gradient, "`{name}`: value and gradient differ in shape");
}

/// Checks all parameters of a cost, which is a function of all of them laid end to end.
pub(crate) fn check(
    settings: &GradCheck,
    subjects: &[Subject<'_>],
    cost: &mut dyn FnMut(&[f64]) -> f64,
) -> Report {
    let point: Vec<f64> = subjects.iter().flat_map(|subject| subject.at.iter().copied()).collect();
    if point.is_empty() {
        return Report::new(subjects.iter().map(|s| Row::compare(s.name, &s.shape, &[], &[])).collect());
    }
    let drift = drift(|| cost(&point));
    let mut rows = match settings.along() {
        Some(count) => directions::check(settings, subjects, count, &point, cost),
        None => each_element(settings, subjects, point, cost),
    };
    if let Some(values) = drift {
        blame(&mut rows, values);
    }
    Report::new(rows)
}

fn each_element(
    settings: &GradCheck,
    subjects: &[Subject<'_>],
    point: Vec<f64>,
    cost: &mut dyn FnMut(&[f64]) -> f64,
) -> Vec<Row> {
    let stencil = settings.for_functions();
    let mut landscape = Landscape::new(point, cost);
    let mut start = 0;
    let row = |subject: &Subject<'_>| {
        let first = start;
        start += subject.at.len();
        let slopes: Vec<Slope> = (first..start).map(|i| landscape.slope(i, stencil)).collect();
        let mut difference = |i: usize, plus: f64, minus: f64| landscape.difference(first + i, plus, minus);
        assess(settings, stencil, subject, &slopes, &mut difference)
    };
    subjects.iter().map(row).collect()
}

/// Compares a gradient with its slopes; where they disagree, looks for kinks and for a cause.
///
/// `difference(i, x₊, x₋)` gives the change of the cost in element `i`, and both magnitudes added.
pub(crate) fn assess(
    settings: &GradCheck,
    stencil: Stencil,
    subject: &Subject<'_>,
    slopes: &[Slope],
    difference: &mut dyn FnMut(usize, f64, f64) -> (f64, f64),
) -> Row {
    let Subject { name, shape, analytic, .. } = subject;
    let row = Row::judge(name, shape, analytic, slopes, &[], settings.allowed());
    if row.verdict == Verdict::Sound {
        return row;
    }
    let (at_kinks, kinks) = kinks(stencil, subject, slopes, difference);
    let mut row = Row::judge(name, shape, analytic, slopes, &at_kinks, settings.allowed());
    row.kinks = kinks;
    suspect(settings, subject, slopes, &at_kinks, &mut row);
    row
}

/// Looks for the cause where a row is suspicious or wrong.
pub(crate) fn suspect(
    settings: &GradCheck,
    subject: &Subject<'_>,
    slopes: &[Slope],
    at_kinks: &[usize],
    row: &mut Row,
) {
    if row.verdict > Verdict::Suspicious {
        return;
    }
    let mut numeric: Vec<f64> = slopes.iter().map(|slope| slope.value).collect();
    for &i in at_kinks {
        numeric[i] = subject.analytic[i];
    }
    let evidence = Evidence {
        shape: (!subject.directional).then_some(&subject.shape),
        analytic: &subject.analytic,
        numeric: &numeric,
        rounding: norm(&slopes.iter().map(|slope| slope.rounding).collect::<Vec<_>>()),
        penalties: [&subject.penalties[0], &subject.penalties[1]],
        samples: settings.batch(),
    };
    row.suspicion = evidence.diagnose();
}

/// The elements at kinks among those that disagree.
fn kinks(
    stencil: Stencil,
    subject: &Subject<'_>,
    slopes: &[Slope],
    difference: &mut dyn FnMut(usize, f64, f64) -> (f64, f64),
) -> (Vec<usize>, Vec<Kink>) {
    let finite = |x: f64| if x.is_finite() { x.abs() } else { 0.0 };
    let both = subject.analytic.iter().zip(slopes);
    let scale = both.fold(0.0, |m: f64, (a, s)| m.max(finite(*a)).max(finite(s.value)));
    let mut found = (Vec::new(), Vec::new());
    for (i, (&analytic, slope)) in subject.analytic.iter().zip(slopes).enumerate() {
        if (analytic - slope.value).abs() <= 3.0 * slope.rounding + 1e-8 * scale {
            continue;
        }
        let sides = kink(stencil, subject.at[i], analytic, &mut |plus, minus| difference(i, plus, minus));
        if let Some((left, right)) = sides {
            found.0.push(i);
            found.1.push(Kink { index: multi_index(i, &subject.shape), left, right, analytic });
        }
    }
    found
}
