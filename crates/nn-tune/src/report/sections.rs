//! The charts of one hyperparameter or of none.

use super::Report;
use super::axis::Axis;
use super::chart::{Chart, SMALL, Shape, USUAL, dot, line};
use super::format::{escape, number};
use super::page::tip;
use crate::sampler::Region;
use crate::{Importance, Trial, TrialState};

/// The axis of the objective over these values; those worse than the median by more than three times of what the best is
/// better stand at the end.
pub(super) fn objective_axis(report: &Report, values: impl Iterator<Item = f64>) -> Option<Axis> {
    let mut losses: Vec<f64> = values.map(|value| report.direction.loss(value)).collect();
    losses.sort_by(f64::total_cmp);
    let (best, median) = (*losses.first()?, losses[losses.len() / 2]);
    let worst = (median + 3.0 * (median - best)).min(losses[losses.len() - 1]);
    let ends = [best, worst].map(|loss| report.direction.loss(loss));
    Some(Axis::of_range(ends[0].min(ends[1]), ends[0].max(ends[1])))
}

/// How a trial is drawn: complete ones by how late they came, in tenths.
pub(super) fn class(trial: &Trial, trials: usize) -> String {
    match trial.state {
        TrialState::Pruned => "ring".to_owned(),
        _ => format!("late{}", trial.number as usize * 9 / trials.max(2).saturating_sub(1)),
    }
}

/// The objective of each trial, and the best so far.
pub(super) fn history(report: &Report) -> String {
    let Some(y) = objective_axis(report, report.valued().map(|(_, value)| value)) else {
        return String::new();
    };
    let shape = USUAL;
    let last = report.trials.len().saturating_sub(1) as u64;
    let x = Axis::of_counts(last);
    let mut body = String::new();
    for (trial, value) in report.valued() {
        let class = if trial.state == TrialState::Pruned { "ring" } else { "s0" };
        let place = shape.at(x.place(trial.number as f64), y.place(value));
        body += &dot(class, place, 3.5, &tip(report, trial, value));
    }
    for trial in report.trials.iter().filter(|trial| trial.state == TrialState::Failed) {
        let (x, y) = shape.at(x.place(trial.number as f64), 0.0);
        let reason = trial.system_attributes.get("fail_reason").and_then(|reason| reason.as_str());
        let reason = escape(&format!("trial {} failed\n{}", trial.number, reason.unwrap_or("")));
        body += &format!(
            "<path class=\"fail\" d=\"M{:.1} {:.1}l7 7m0 -7l-7 7\" data-tip=\"{reason}\"/>\n",
            x - 3.5,
            y - 3.5
        );
    }
    let mut best: Option<f64> = None;
    let mut steps = Vec::new();
    for (trial, value) in report.valued().filter(|(trial, _)| trial.state == TrialState::Complete) {
        if best.is_none_or(|best| report.direction.is_better(value, best)) {
            if let Some(before) = best {
                steps.push(shape.at(x.place(trial.number as f64), y.place(before)));
            }
            steps.push(shape.at(x.place(trial.number as f64), y.place(value)));
            best = Some(value);
        }
    }
    steps.extend(best.map(|best| shape.at(x.place(last as f64), y.place(best))));
    body += &line("s1", steps);
    let remark = "Points are trials, rings pruned ones, crosses failed ones; the line is the best so far.";
    chart("Objective", remark, ["trial", &report.objective], [x, y], body, shape)
}

/// What trials reported on the way.
pub(super) fn intermediate(report: &Report) -> String {
    let shape = USUAL;
    let reported = || report.trials.iter().filter(|trial| !trial.intermediate.is_empty());
    let values = reported().flat_map(|trial| trial.intermediate.values().copied());
    let Some(y) = objective_axis(report, values.filter(|value| value.is_finite())) else {
        return String::new();
    };
    let steps = || reported().flat_map(|trial| trial.intermediate.keys().copied());
    let (first, last) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
    if last == first {
        return String::new();
    }
    let x = Axis::of_counts(last);
    let best = report.best().map(|trial| trial.number);
    let mut ordered: Vec<&Trial> = reported().collect();
    // The best is drawn last, and so above the others.
    ordered.sort_by_key(|trial| (Some(trial.number) == best, trial.state == TrialState::Complete));
    let mut body = String::new();
    for trial in ordered {
        let class = match trial.state {
            _ if Some(trial.number) == best => "s1",
            TrialState::Pruned | TrialState::Failed => "pale",
            _ => "s0 thin",
        };
        let finite = trial.intermediate.iter().filter(|(_, value)| value.is_finite());
        let places: Vec<(f64, f64)> =
            finite.map(|(&step, &value)| shape.at(x.place(step as f64), y.place(value))).collect();
        if let (&[place], false) = (&places[..], class == "s1") {
            body += &dot("ring", place, 2.0, &format!("trial {}", trial.number));
        }
        let end = places.last().copied();
        body += &line(class, places);
        if let (Some(place), Some((_, value))) = (end, trial.last()) {
            body += &dot("hidden", place, 2.0, &tip(report, trial, trial.value().unwrap_or(value)));
        }
    }
    let remark = "Each line is a trial; pruned ones are pale, the best is orange.";
    chart("Values on the way", remark, ["step", &report.objective], [x, y], body, shape)
}

/// The share of each hyperparameter as bars.
pub(super) fn importance(importance: &Importance) -> String {
    let row = |name: &str, share: f64, class: &str| {
        let percent = 100.0 * share;
        format!(
            "<tr{class}><th>{}</th><td class=\"n\">{percent:.1}\u{202f}%</td>\
             <td class=\"bar\"><span style=\"width:{percent:.1}%\"></span></td></tr>\n",
            escape(name)
        )
    };
    let mut rows: String = importance.shares().iter().map(|(name, share)| row(name, *share, "")).collect();
    rows += &row("several together", importance.together(), " class=\"rest\"");
    format!("<table class=\"shares\"><tbody>\n{rows}</tbody></table>\n")
}

/// The objective by each hyperparameter.
pub(super) fn slices(report: &Report) -> String {
    let Some(y) = objective_axis(report, report.valued().map(|(_, value)| value)) else {
        return String::new();
    };
    let shape = SMALL;
    let slice = |parameter: &crate::Parameter| {
        let points = report.valued().filter_map(|(trial, value)| {
            let x = parameter.domain.to_unit(trial.params.value(&parameter.name)?)?;
            let place = shape.at(x, y.place(value));
            Some(dot(&class(trial, report.trials.len()), place, 4.5, &tip(report, trial, value)))
        });
        let body: String = points.collect();
        let x = Axis::of_domain(&parameter.domain);
        chart(&parameter.name, "", [&parameter.name, &report.objective], [x, y.clone()], body, shape)
    };
    report.space.parameters().iter().map(slice).collect()
}

/// Where each round of a search from coarse to fine looked.
pub(super) fn windows(report: &Report) -> String {
    if report.windows.len() < 2 {
        return String::new();
    }
    let shape = SMALL;
    let rounds = report.windows.len() as f64;
    let chart_of = |parameter: &crate::Parameter| {
        let mut body = String::new();
        for (i, window) in (0..).zip(&report.windows) {
            let middle = 1.0 - (f64::from(i) + 0.5) / rounds;
            let half = 0.3 / rounds;
            for (from, to) in spans(parameter, window.regions.get(&parameter.name)) {
                let ((x, y), (right, bottom)) = (shape.at(from, middle + half), shape.at(to, middle - half));
                let text = format!("round {}, from trial {}", window.round + 1, window.first);
                body += &format!(
                    "<rect class=\"window\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" data-tip=\"{}\"/>\n",
                    (right - x).max(2.0),
                    bottom - y,
                    escape(&text)
                );
            }
            let before = report.valued().filter(|(trial, _)| trial.number < window.first);
            let loss = |value: f64| report.direction.loss(value);
            let best = before.filter(|(trial, _)| trial.state == TrialState::Complete);
            let best = best.min_by(|a, b| loss(a.1).total_cmp(&loss(b.1)));
            let place = best.and_then(|(trial, value)| {
                Some((parameter.domain.to_unit(trial.params.value(&parameter.name)?)?, trial, value))
            });
            if let Some((x, trial, value)) = place {
                body += &dot("mark", shape.at(x, middle), 4.0, &tip(report, trial, value));
            }
        }
        let every = (rounds / 8.0).ceil() as usize;
        let marks = (0..report.windows.len()).step_by(every);
        let marks = marks.map(|i| (1.0 - (i as f64 + 0.5) / rounds, (i + 1).to_string())).collect();
        let y = Axis::of_marks(marks);
        let x = Axis::of_domain(&parameter.domain);
        chart(&parameter.name, "", [&parameter.name, "round"], [x, y], body, shape)
    };
    report.space.parameters().iter().map(chart_of).collect()
}

/// The parts of the axis of a hyperparameter that a region covers.
fn spans(parameter: &crate::Parameter, region: Option<&Region>) -> Vec<(f64, f64)> {
    match region {
        Some(Region::Range { from, to, .. }) => vec![(*from, *to)],
        Some(Region::Choices(choices)) => {
            let half = 0.5 / parameter.domain.cardinality().unwrap_or(1) as f64;
            let places = choices.iter().filter_map(|choice| parameter.domain.to_unit(choice));
            places.map(|place| (place - half, place + half)).collect()
        }
        None => vec![],
    }
}

pub(super) fn chart(
    title: &str,
    remark: &str,
    units: [&str; 2],
    axes: [Axis; 2],
    body: String,
    shape: Shape,
) -> String {
    let units = units.map(readable);
    Chart { title: readable(title), remark: remark.to_owned(), units, axes, body, shape }.html()
}

/// `learning_rate` as `learning rate`.
pub(super) fn readable(name: &str) -> String {
    name.replace('_', " ")
}

/// So many things of a name.
pub(super) fn counted(count: usize, name: &str) -> String {
    format!("{} {name}{}", number(count as f64), if count == 1 { "" } else { "s" })
}
