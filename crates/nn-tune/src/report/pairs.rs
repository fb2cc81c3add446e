//! The two most important hyperparameters together.

use std::collections::BTreeSet;

use super::Report;
use super::axis::Axis;
use super::chart::{SQUARE, dot};
use super::format::escape;
use super::page::tip;
use super::sections::{chart, class, counted, readable};
use crate::{Domain, Importance, Parameter, TrialState, Value};

/// How many squares a side of the picture of what is predicted has.
const SQUARES: usize = 40;
/// How many shades there are.
const SHADES: f64 = 10.0;

/// The two hyperparameters with the largest shares.
fn most_important<'a>(report: &'a Report, importance: &Importance) -> Option<[&'a Parameter; 2]> {
    let [first, second, ..] = importance.shares() else { return None };
    Some([report.space.parameter(&first.0)?, report.space.parameter(&second.0)?])
}

/// What is predicted of the two most important, and the trials.
pub(super) fn surface(report: &Report, importance: &Importance) -> String {
    let Some([first, second]) = most_important(report, importance) else { return String::new() };
    let Some(surface) = importance.surface(&report.space, &first.name, &second.name, SQUARES) else {
        return String::new();
    };
    let shape = SQUARE;
    // By rank, so that a few bad corners do not take all the shades.
    let mut order: Vec<f64> = surface.iter().map(|&value| report.direction.loss(value)).collect();
    order.sort_by(f64::total_cmp);
    let shade = |value: f64| {
        let worse = order.partition_point(|&loss| loss < report.direction.loss(value)) as f64;
        (SHADES * (1.0 - worse / order.len() as f64)).ceil() as usize
    };
    let mut body = String::new();
    for (row, values) in surface.chunks(SQUARES).enumerate() {
        let mut column = 0;
        // Squares of one shade in a row are one rectangle.
        for run in values.chunk_by(|a, b| shade(*a) == shade(*b)) {
            let at = |i: usize| i as f64 / SQUARES as f64;
            let (x, y) = shape.at(at(column), at(row + 1));
            let (right, bottom) = shape.at(at(column + run.len()), at(row));
            // A little larger, so that no gaps are seen.
            let (width, height) = (right - x + 0.4, bottom - y + 0.4);
            body += &format!(
                "<rect class=\"shade{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>\n",
                shade(run[0])
            );
            column += run.len();
        }
    }
    for (trial, value) in report.valued() {
        let place = |parameter: &Parameter| parameter.domain.to_unit(trial.params.value(&parameter.name)?);
        if let (Some(x), Some(y)) = (place(first), place(second)) {
            let class = if trial.state == TrialState::Pruned { "ring" } else { "mark" };
            body += &dot(class, shape.at(x, y), 4.0, &tip(report, trial, value));
        }
    }
    let axes = [first, second].map(|parameter| Axis::of_domain(&parameter.domain));
    let title = format!("{} and {}", first.name, second.name);
    chart(&title, "", [&first.name, &second.name], axes, body, shape)
}

/// The values of the two most important that were tried, and those that a grid would have tried.
pub(super) fn projections(report: &Report, importance: &Importance) -> String {
    let Some(parameters) = most_important(report, importance) else { return String::new() };
    let place = |parameter: &Parameter, value: Option<&Value>| parameter.domain.to_unit(value?);
    let tried: Vec<([f64; 2], String)> = report
        .trials
        .iter()
        .filter_map(|trial| {
            let [x, y] = parameters.map(|parameter| place(parameter, trial.params.value(&parameter.name)));
            Some(([x?, y?], class(trial, report.trials.len())))
        })
        .collect();
    if tried.len() < 4 {
        return String::new();
    }
    let side = (tried.len() as f64).sqrt() as usize;
    let on_grid = |domain: &Domain| -> Vec<f64> {
        let side = domain.cardinality().map_or(side, |count| side.min(count as usize)).max(1);
        let value = |i: usize| domain.from_unit((i as f64 + 0.5) / side as f64);
        (0..side).filter_map(|i| domain.to_unit(&value(i))).collect()
    };
    let [columns, rows] = parameters.map(|parameter| on_grid(&parameter.domain));
    let grid: Vec<([f64; 2], String)> =
        columns.iter().flat_map(|&x| rows.iter().map(move |&y| ([x, y], "late9".to_owned()))).collect();
    projected(&parameters, "This study", &tried) + &projected(&parameters, "A grid", &grid)
}

/// Points with their projections on the axes.
fn projected(parameters: &[&Parameter; 2], title: &str, points: &[([f64; 2], String)]) -> String {
    let shape = SQUARE;
    let mut body = String::new();
    let (left, bottom) = shape.at(0.0, 0.0);
    for ([x, y], class) in points {
        let (x, y) = shape.at(*x, *y);
        body += &format!(
            "<path class=\"tick\" d=\"M{x:.1} {bottom:.1}v-14\"/><path class=\"tick\" d=\"M{left} {y:.1}h14\"/>\n"
        );
        body += &format!("<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>\n");
    }
    let distinct = |axis: usize| {
        points.iter().map(|(place, _)| (place[axis] * 1e9).round() as i64).collect::<BTreeSet<_>>().len()
    };
    let names = parameters.map(|parameter| escape(&readable(&parameter.name)));
    let remark = format!(
        "{}: {} of {}, {} of {}",
        counted(points.len(), "trial"),
        counted(distinct(0), "value"),
        names[0],
        counted(distinct(1), "value"),
        names[1]
    );
    let axes = parameters.map(|parameter| Axis::of_domain(&parameter.domain));
    chart(title, &remark, [&parameters[0].name, &parameters[1].name], axes, body, shape)
}
