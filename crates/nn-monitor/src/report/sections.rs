//! Which curves share a chart, and which charts a section.

use std::borrow::Cow;

use super::Report;
use super::chart::{Chart, Line};
use super::format::{number, title};
use crate::{At, Curve, Quantity};

/// The data of which a curve tells, in the order of their colours.
pub(super) const DATA: [&str; 3] = ["train", "validation", "test"];

/// Hyperparameters that follow a schedule.
const SCHEDULED: [&str; 5] = ["learning_rate", "momentum", "weight_decay", "beta1", "beta2"];

/// A part of the page with charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Learning,
    Schedules,
    Gradients,
    Other,
}

/// Where a curve belongs: the name of its chart, and its own in the chart.
pub(super) fn split(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((data, chart)) if DATA.contains(&data) => (chart, data),
        Some((chart, series)) => (chart, series),
        None => (name, name),
    }
}

/// Whether less of it is better, more is better, or neither is known.
pub(super) fn best(curve: &Curve) -> Option<(At, f64)> {
    let (chart, _) = split(curve.name());
    let has = |words: &[&str]| words.iter().any(|word| chart.contains(word));
    if has(&["loss", "cost", "error", "perplexity"]) || ["mse", "mae", "rmse"].contains(&chart) {
        curve.min()
    } else if has(&["accuracy", "precision", "recall", "f1", "auc"]) || chart == "r2" {
        curve.max()
    } else {
        None
    }
}

/// What the horizontal axis of all charts counts, and where it ends.
pub(super) struct Horizon {
    pub(super) unit: &'static str,
    end: f64,
}

impl Horizon {
    pub(super) fn of(report: &Report) -> Self {
        let curves = report.curves.iter().flat_map(|curve| curve.points().iter().map(|point| point.0));
        let more = report.distributions.iter().flat_map(|of| of.points.iter().map(|point| point.0));
        let moments = || curves.clone().chain(more.clone());
        let has_epochs = moments().any(|at| at.epoch > 0.0);
        let mut horizon = Horizon { unit: if has_epochs { "epoch" } else { "step" }, end: 0.0 };
        horizon.end = moments().map(|at| horizon.x(at)).filter(|x| x.is_finite()).fold(0.0, f64::max);
        horizon
    }

    pub(super) fn x(&self, at: At) -> f64 {
        if self.unit == "epoch" { at.epoch } else { at.step as f64 }
    }

    /// The points of a curve that have a place on the axis.
    fn points(&self, curve: &Curve) -> Vec<(f64, f64)> {
        let points = curve.points().iter().map(|&(at, y)| (self.x(at), y));
        points.filter(|point| point.0.is_finite()).collect()
    }
}

/// Whether a chart is of single batches, which say less than all samples do.
pub(super) fn is_of_batches(chart: &str) -> bool {
    chart.starts_with("batch")
}

/// The charts of all scalars, by section; losses come first, and those of single batches last.
pub(super) fn charts(report: &Report, horizon: &Horizon) -> Vec<(Section, Chart)> {
    let mut names: Vec<&str> = Vec::new();
    for curve in &report.curves {
        let (name, _) = split(curve.name());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| (is_of_batches(name), !(name.contains("loss") || name.contains("cost"))));
    let chart = |name: &&str| {
        let members: Vec<&Curve> =
            report.curves.iter().filter(|curve| split(curve.name()).0 == *name).collect();
        let section = section(name, &members);
        let logarithmic = section != Section::Schedules;
        let line = |(i, curve): (usize, &&Curve)| line(i, curve, horizon);
        let lines = members.iter().enumerate().map(line).collect();
        let (unit, end) = (horizon.unit, horizon.end);
        (section, Chart { title: title(name), unit, end, logarithmic, lines, ..Chart::default() })
    };
    names.iter().map(chart).collect()
}

fn section(chart: &str, members: &[&Curve]) -> Section {
    let of_data = |curve: &&Curve| curve.name().split_once('/').is_some_and(|(data, _)| DATA.contains(&data));
    if members.iter().any(of_data) {
        Section::Learning
    } else if SCHEDULED.contains(&chart) {
        Section::Schedules
    } else if chart.starts_with("gradient") {
        Section::Gradients
    } else {
        Section::Other
    }
}

/// Curves with more points than this are smoothed, over a hundredth of their length.
const SMOOTHED: usize = 200;

/// A curve as it is read: smoothed, if it has a value for each of many steps and follows no schedule.
pub(super) fn readable(curve: &Curve) -> Cow<'_, Curve> {
    let points = curve.points().len();
    if points <= SMOOTHED || SCHEDULED.contains(&split(curve.name()).0) {
        return Cow::Borrowed(curve);
    }
    curve.smoothed(1.0 - 100.0 / points as f64).map_or(Cow::Borrowed(curve), Cow::Owned)
}

fn line(position: usize, curve: &Curve, horizon: &Horizon) -> Line {
    let (chart, series) = split(curve.name());
    let readable = readable(curve);
    let raw = if matches!(readable, Cow::Owned(_)) { horizon.points(curve) } else { vec![] };
    let style = DATA.iter().position(|data| *data == series).unwrap_or(position);
    let note = if DATA.contains(&series) { note(&readable, horizon) } else { String::new() };
    let name = if series == chart { title(series).to_lowercase() } else { series.to_owned() };
    Line { name, style, points: horizon.points(&readable), raw, note, ..Line::default() }
}

/// The last value, and the best with its place.
fn note(curve: &Curve, horizon: &Horizon) -> String {
    let last = curve.last().map_or(String::new(), number);
    match best(curve) {
        Some((at, value)) => format!("{last}, best {} at {}", number(value), number(horizon.x(at))),
        None => last,
    }
}

/// A chart for each layer or parameter of which the distribution was watched.
pub(super) fn distributions(report: &Report, quantity: Quantity, horizon: &Horizon) -> Vec<Chart> {
    let chart = |of: &super::Distribution| {
        let points = |i: usize| {
            let all = of.points.iter().map(|point| (horizon.x(point.0), point.1[i]));
            all.filter(|point| point.0.is_finite()).collect()
        };
        let line = |i: usize, name: &str| Line {
            name: name.to_owned(),
            style: 0,
            points: points(i),
            faint: i != 1,
            ..Line::default()
        };
        let lines = vec![line(2, "85 %"), line(1, "median"), line(0, "15 %")];
        let (unit, end) = (horizon.unit, horizon.end);
        Chart { title: of.name.clone(), unit, end, lines, band: true, ..Chart::default() }
    };
    report.distributions.iter().filter(|of| of.quantity == quantity).map(chart).collect()
}

#[cfg(test)]
mod tests {
    use super::{Section, best, charts, split};
    use crate::report::sections::Horizon;
    use crate::{At, Curve, Report};

    #[test]
    fn names_say_where_curves_belong() {
        assert_eq!(split("train/loss"), ("loss", "train"));
        assert_eq!(split("gradient_norm/0.weight"), ("gradient_norm", "0.weight"));
        assert_eq!(split("learning_rate"), ("learning_rate", "learning_rate"));
        let mut report = Report::new("");
        for name in
            ["learning_rate", "train/accuracy", "validation/loss", "train/loss", "gradient_norm/a", "x"]
        {
            report.curves.push(name, At::new(3, 1.5), 1.0);
        }
        let charts = charts(&report, &Horizon::of(&report));
        let found: Vec<_> =
            charts.iter().map(|(of, chart)| (*of, &*chart.title, chart.lines.len())).collect();
        let expected = [
            (Section::Learning, "Loss", 2),
            (Section::Schedules, "Learning rate", 1),
            (Section::Learning, "Accuracy", 1),
            (Section::Gradients, "Gradient norm", 1),
            (Section::Other, "X", 1),
        ];
        assert_eq!(found, expected);
        assert_eq!((charts[0].1.lines[0].style, charts[0].1.lines[1].style), (1, 0));
        assert!(charts.iter().all(|(_, chart)| chart.end == 1.5 && chart.unit == "epoch"));
    }

    #[test]
    fn the_best_is_the_least_loss_and_the_most_accuracy() {
        let curve = |name: &str| {
            let mut curve = Curve::new(name);
            [2.0, f64::NAN, 1.0, 3.0]
                .iter()
                .zip(0..)
                .for_each(|(&y, step)| curve.push(At::new(step, 0.0), y));
            best(&curve)
        };
        assert_eq!(curve("validation/loss"), Some((At::new(2, 0.0), 1.0)));
        assert_eq!(curve("train/top_5_accuracy"), Some((At::new(3, 0.0), 3.0)));
        assert_eq!(curve("learning_rate"), None);
    }
}
