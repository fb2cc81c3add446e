//! The page.

use std::fmt::Write;

use super::Report;
use super::format::{MEMORY, duration, escape, number, value};
use super::{pairs, parallel, sections};
use crate::{Trial, TrialState};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("tips.js");
/// How many trials the table has.
const ROWS: usize = 10;

/// The whole document.
pub(super) fn page(report: &Report) -> String {
    let name = escape(&report.name);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{name}</h1>\n"
    );
    let (objective, direction) = (escape(&report.objective), report.direction);
    let goal = if direction == crate::Direction::Minimize { "lower" } else { "higher" };
    writeln!(out, "<p class=\"state\">Hyperparameter search; {objective}: {goal} is better</p>")
        .expect(MEMORY);
    write_figures(&mut out, report);
    out.push_str("</header>\n<main>\n");
    let importance = report.importance();
    write_section(&mut out, "Best trials", "", &best_trials(report));
    let history = sections::history(report) + &sections::intermediate(report);
    write_section(&mut out, "History", "", &grid("charts", &history));
    if let Some(importance) = &importance {
        let remark = "The share of the variance of the objective that is due to each alone (fANOVA on a random \
                      forest); what is missing to 100 % is due to several together.";
        write_section(&mut out, "Importance", remark, &sections::importance(importance));
    }
    let remark = "Each trial by one hyperparameter, on the scale on which it is looked for; the deeper the colour, \
                  the later the trial. Pruned trials are rings, at the last value that they reported.";
    write_section(&mut out, "Slices", remark, &grid("charts small", &sections::slices(report)));
    if let Some(importance) = &importance {
        let body = grid("charts", &pairs::surface(report, importance));
        let remark = "The colour is what the forest predicts, the others averaged over: the deeper, the better. The \
                      points are the trials.";
        write_section(&mut out, "The two most important together", remark, &body);
        let body = grid("charts", &pairs::projections(report, importance));
        let remark = "A grid tries few values of each hyperparameter, again and again. Along each axis stand the values \
                      that were tried of it.";
        write_section(&mut out, "Tried values, and those of a grid", remark, &body);
    }
    let remark = "Each line is a trial; the deeper the colour, the better. Pruned trials are left out.";
    write_section(&mut out, "All hyperparameters together", remark, &parallel::coordinates(report));
    let remark = "Where each round looked, on the scale of each hyperparameter; the ring is the best trial before the \
                  round.";
    write_section(&mut out, "From coarse to fine", remark, &grid("charts small", &sections::windows(report)));
    writeln!(out, "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>").expect(MEMORY);
    out
}

/// A section, unless it is empty.
fn write_section(out: &mut String, heading: &str, remark: &str, body: &str) {
    if body.is_empty() {
        return;
    }
    let remark =
        if remark.is_empty() { String::new() } else { format!("<p class=\"remark\">{remark}</p>\n") };
    writeln!(out, "<section>\n<h2>{heading}</h2>\n{remark}{body}</section>").expect(MEMORY);
}

fn grid(class: &str, charts: &str) -> String {
    if charts.is_empty() { String::new() } else { format!("<div class=\"{class}\">\n{charts}</div>\n") }
}

fn write_figures(out: &mut String, report: &Report) {
    let count = |state| report.trials.iter().filter(|trial| trial.state == state).count();
    let mut figures: Vec<(String, String, String)> = Vec::new();
    if let Some(best) = report.best() {
        let of = format!("trial {}", best.number);
        let shown = best.value().map_or(String::new(), number);
        figures.push((format!("best {}", report.objective), shown, of));
    }
    figures.push(("trials".to_owned(), report.trials.len().to_string(), String::new()));
    let states = [
        TrialState::Complete,
        TrialState::Pruned,
        TrialState::Failed,
        TrialState::Running,
        TrialState::Waiting,
    ];
    for state in states.into_iter().filter(|&state| count(state) > 0) {
        figures.push((state.to_string(), count(state).to_string(), String::new()));
    }
    let spans = report.trials.iter().filter_map(|trial| trial.ended?.duration_since(trial.started?).ok());
    let total: std::time::Duration = spans.sum();
    if !total.is_zero() {
        figures.push(("time of all trials".to_owned(), duration(total), String::new()));
    }
    out.push_str("<dl class=\"figures\">\n");
    for (name, shown, remark) in figures {
        writeln!(out, "<div><dt>{}</dt><dd>{shown}<small>{remark}</small></dd></div>", escape(&name))
            .expect(MEMORY);
    }
    out.push_str("</dl>\n");
}

/// A table of the best complete trials.
fn best_trials(report: &Report) -> String {
    let mut best: Vec<(&Trial, f64)> =
        report.valued().filter(|(trial, _)| trial.state == TrialState::Complete).collect();
    if best.is_empty() {
        return String::new();
    }
    best.sort_by(|a, b| report.direction.loss(a.1).total_cmp(&report.direction.loss(b.1)));
    let names: Vec<&str> =
        report.space.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
    let heads: String = names.iter().map(|name| format!("<th class=\"n\">{}</th>", escape(name))).collect();
    let rows: String = best
        .iter()
        .take(ROWS)
        .map(|(trial, objective)| {
            let cell = |name: &&str| trial.params.value(name).map_or("–".to_owned(), |x| escape(&value(x)));
            let cells: String =
                names.iter().map(|name| format!("<td class=\"n\">{}</td>", cell(name))).collect();
            format!(
                "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td>{cells}</tr>\n",
                trial.number,
                number(*objective)
            )
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table class=\"model\"><thead><tr><th class=\"n\">trial</th>\
         <th class=\"n\">{}</th>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div>\n",
        escape(&report.objective)
    )
}

/// A trial and its hyperparameters, as text of several lines.
pub(super) fn tip(report: &Report, trial: &Trial, objective: f64) -> String {
    let mut text = format!("trial {}\n{} {}", trial.number, report.objective, number(objective));
    if trial.state == TrialState::Pruned {
        let step = trial.last().map_or(0, |(step, _)| step);
        write!(text, ", pruned at step {step}").expect(MEMORY);
    }
    for parameter in report.space.parameters() {
        if let Some(x) = trial.params.value(&parameter.name) {
            write!(text, "\n{} {}", parameter.name, value(x)).expect(MEMORY);
        }
    }
    text
}
