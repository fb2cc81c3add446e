//! Derivatives along random directions: their number does not grow with that of the parameters.

use std::ops::Range;

use crate::assess::{Subject, assess};
use crate::check::GradCheck;
use crate::numeric::Slope;
use crate::operation::cotangent;
use crate::report::Row;
use crate::verdict::Verdict;

/// Checks `count` directions in the space of all parameters; if these are not sound, or some parameter received no
/// gradient, as many in the space of each parameter, to name the one at fault.
pub(crate) fn check(
    settings: &GradCheck,
    subjects: &[Subject<'_>],
    count: usize,
    point: &[f64],
    cost: &mut dyn FnMut(&[f64]) -> f64,
) -> Vec<Row> {
    let mut row = |name: &str, subjects: &[Subject<'_>], start: usize| {
        along(settings, name, subjects, count, point, start, cost)
    };
    if let [subject] = subjects {
        return vec![row(subject.name, subjects, 0)];
    }
    let name = format!("{count} direction{}", if count == 1 { "" } else { "s" });
    let mut together = row(&name, subjects, 0);
    let is_missing = |s: &Subject<'_>| !s.analytic.is_empty() && s.analytic.iter().all(|&x| x == 0.0);
    if together.verdict == Verdict::Sound && !subjects.iter().any(is_missing) {
        return vec![together];
    }
    together.suspicion = None;
    let mut rows = vec![together];
    let mut start = 0;
    for subject in subjects {
        let size = subject.at.len();
        rows.push(match size {
            0 => Row::compare(subject.name, &subject.shape, &[], &[]),
            _ => row(subject.name, std::slice::from_ref(subject), start),
        });
        start += size;
    }
    rows
}

/// The row of the directions that move these parameters, the first of which begins at `start`.
fn along(
    settings: &GradCheck,
    name: &str,
    subjects: &[Subject<'_>],
    count: usize,
    point: &[f64],
    start: usize,
    cost: &mut dyn FnMut(&[f64]) -> f64,
) -> Row {
    let size: usize = subjects.iter().map(|subject| subject.at.len()).sum();
    let range = start..start + size;
    let stencil = settings.for_directions();
    let directions: Vec<Vec<f64>> = (0..count).map(|k| direction(size, (start + k) as u64)).collect();
    let project = |of: for<'s> fn(&'s Subject<'_>) -> &'s [f64]| -> Vec<f64> {
        let all: Vec<f64> = subjects.iter().flat_map(|s| of(s).iter().copied()).collect();
        directions.iter().map(|u| u.iter().zip(&all).map(|(u, x)| u * x).sum()).collect()
    };
    let subject = Subject {
        name,
        shape: vec![count],
        at: vec![0.0; count],
        analytic: project(|s| &s.analytic),
        penalties: [project(|s| &s.penalties[0]), project(|s| &s.penalties[1])],
        directional: true,
    };
    let mut moved = point.to_vec();
    let mut value = |k: usize, t: f64| {
        step(&mut moved, point, &range, t, &directions[k]);
        cost(&moved)
    };
    let mut difference = |k: usize, plus: f64, minus: f64| {
        let (above, below) = (value(k, plus), value(k, minus));
        (above - below, above.abs() + below.abs())
    };
    let slopes: Vec<Slope> =
        (0..count).map(|k| stencil.slope_from(0.0, |plus, minus| difference(k, plus, minus))).collect();
    let mut row = assess(settings, stencil, &subject, &slopes, &mut difference);
    row.received = subjects.iter().any(|s| s.analytic.iter().any(|&x| x != 0.0));
    row
}

/// A fixed random direction whose elements lie in ±[0.5, 1.5].
fn direction(size: usize, seed: u64) -> Vec<f64> {
    // Seeds far apart, for the sequences of neighbouring ones overlap.
    let seed = (seed + 1).wrapping_mul(0xd134_2543_de82_ef95);
    cotangent(&[size], seed).into_iter().collect()
}

/// Sets `moved` to the point, `t` times the direction away in this range.
fn step(moved: &mut [f64], point: &[f64], range: &Range<usize>, t: f64, direction: &[f64]) {
    let targets = moved[range.clone()].iter_mut().zip(&point[range.clone()]).zip(direction);
    targets.for_each(|((target, x), u)| *target = x + t * u);
}
