//! All trials as lines through parallel axes.

use std::fmt::Write;

use super::Report;
use super::axis::Axis;
use super::format::{MEMORY, escape};
use super::page::tip;
use super::sections::{objective_axis, readable};
use crate::{Trial, TrialState};

const WIDTH: f64 = 1180.0;
const HEIGHT: f64 = 340.0;
const MARGIN: f64 = 74.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 18.0;
/// How many shades there are.
const SHADES: usize = 10;

/// The complete trials as lines through an axis of each hyperparameter and one of the objective.
pub(super) fn coordinates(report: &Report) -> String {
    let mut trials: Vec<(&Trial, f64)> =
        report.valued().filter(|(trial, _)| trial.state == TrialState::Complete).collect();
    let Some(last) = objective_axis(report, trials.iter().map(|(_, value)| *value)) else {
        return String::new();
    };
    if trials.len() < 2 || report.space.parameters().is_empty() {
        return String::new();
    }
    // The best are drawn last, and so above the others.
    trials.sort_by(|a, b| report.direction.loss(b.1).total_cmp(&report.direction.loss(a.1)));
    let parameters = report.space.parameters();
    let x = |axis: usize| MARGIN + (WIDTH - 2.0 * MARGIN) * axis as f64 / parameters.len() as f64;
    let y = |place: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - place);
    let mut out = format!(
        "<figure class=\"chart\"><div class=\"plot wide\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"parallel coordinates\">"
    );
    for (rank, (trial, value)) in trials.iter().enumerate() {
        let shade = 1 + rank * (SHADES - 1) / (trials.len() - 1);
        let places = parameters.iter().map(|parameter| {
            trial.params.value(&parameter.name).and_then(|value| parameter.domain.to_unit(value))
        });
        let places: Vec<Option<f64>> = places.chain([Some(last.place(*value))]).collect();
        let text = escape(&tip(report, trial, *value));
        // A hyperparameter that a trial does not have is passed by.
        let mut corners = String::new();
        for (axis, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            let letter = if corners.is_empty() { 'M' } else { 'L' };
            write!(corners, "{letter}{:.1} {:.1}", x(axis), y(*place)).expect(MEMORY);
        }
        writeln!(out, "<path class=\"line stroke{shade}\" d=\"{corners}\"/>").expect(MEMORY);
        for (axis, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            writeln!(
                out,
                "<circle class=\"dot hidden\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" data-tip=\"{text}\"/>",
                x(axis),
                y(*place)
            )
            .expect(MEMORY);
        }
    }
    for (axis, parameter) in parameters.iter().enumerate() {
        write_axis(&mut out, x(axis), y, &readable(&parameter.name), &Axis::of_domain(&parameter.domain));
    }
    write_axis(&mut out, x(parameters.len()), y, &readable(&report.objective), &last);
    out.push_str("</svg></div></figure>\n");
    out
}

fn write_axis(out: &mut String, x: f64, y: impl Fn(f64) -> f64, name: &str, axis: &Axis) {
    writeln!(
        out,
        "<path class=\"axis\" d=\"M{x:.1} {:.1}V{:.1}\"/><text class=\"middle name\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
        y(0.0),
        y(1.0),
        y(1.0) - 18.0,
        escape(name)
    )
    .expect(MEMORY);
    for (place, label) in &axis.marks {
        writeln!(
            out,
            "<path class=\"axis\" d=\"M{:.1} {:.1}h6\"/><text class=\"end halo\" x=\"{:.1}\" y=\"{:.1}\" dy=\".35em\">{}</text>",
            x - 3.0,
            y(*place),
            x - 7.0,
            y(*place),
            escape(label)
        )
        .expect(MEMORY);
    }
}
