//! The page.

use std::fmt::Write;

use super::chart::Chart;
use super::format::{MEMORY, bytes, count, duration, escape, number, percent, title};
use super::sections::{DATA, Horizon, Section, best, charts, distributions, is_of_batches, readable, split};
use super::{Report, tables};
use crate::encode::base64;
use crate::{Image, Quantity, Sample};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("hover.js");

/// The whole document.
pub(super) fn page(report: &Report) -> String {
    let name = if report.start.name.is_empty() { "Training run" } else { &report.start.name };
    let name = escape(name);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{name}</h1>\n"
    );
    let state = report.end.as_ref().map_or("still running", |end| end.reason.as_str());
    writeln!(out, "<p class=\"state\">{}</p>", escape(state)).expect(MEMORY);
    write_figures(&mut out, report);
    out.push_str("</header>\n<main>\n");
    write_charts(&mut out, report);
    write_classes(&mut out, report);
    write_tables(&mut out, report);
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

/// The most important numbers: the best of each metric, size, time, memory.
fn write_figures(out: &mut String, report: &Report) {
    let mut figures: Vec<(String, String, String)> = Vec::new();
    let horizon = Horizon::of(report);
    // Of each metric, that of the data that were trained on least.
    for (chart, curve) in DATA.iter().rev().flat_map(|data| {
        report
            .curves
            .iter()
            .filter(move |curve| split(curve.name()).1 == *data && !is_of_batches(split(curve.name()).0))
            .map(|curve| (split(curve.name()).0, curve))
    }) {
        let data = split(curve.name()).1;
        let is_first =
            !figures.iter().any(|figure| figure.0.ends_with(&format!(" {}", title(chart).to_lowercase())));
        if let (true, Some((at, value))) = (is_first && chart != data, best(&readable(curve))) {
            let when = format!("{} {}", horizon.unit, number(horizon.x(at)));
            figures.push((format!("best {data} {}", title(chart).to_lowercase()), number(value), when));
        }
    }
    let parameters = report.start.model.iter().map(|layer| layer.parameters).fold(0, u64::saturating_add);
    if parameters > 0 {
        figures.push(("parameters".to_owned(), count(parameters), String::new()));
    }
    if let Some(end) = &report.end {
        figures.push(("duration".to_owned(), duration(end.duration), String::new()));
        if let Some(peak) = end.peak_memory {
            figures.push(("peak memory".to_owned(), bytes(peak), String::new()));
        }
        if let Some(share) = end.data_wait {
            figures.push((
                "waiting for data".to_owned(),
                percent(share),
                "of the time of training".to_owned(),
            ));
        }
    }
    if figures.is_empty() {
        return;
    }
    out.push_str("<dl class=\"figures\">\n");
    for (name, value, remark) in figures {
        writeln!(out, "<div><dt>{}</dt><dd>{value}<small>{remark}</small></dd></div>", escape(&name))
            .expect(MEMORY);
    }
    out.push_str("</dl>\n");
}

fn write_charts(out: &mut String, report: &Report) {
    let horizon = Horizon::of(report);
    let all = charts(report, &horizon);
    let of = |section: Section| {
        grid("charts", all.iter().filter(|chart| chart.0 == section).filter_map(|chart| chart.1.html()))
    };
    write_section(out, "Learning curves", "", &of(Section::Learning));
    write_section(out, "Schedules", "", &of(Section::Schedules));
    let watched = |quantity: Quantity| {
        let charts: Vec<Chart> = distributions(report, quantity, &horizon);
        grid("charts small", charts.iter().filter_map(Chart::html))
    };
    let remark = |what: &str| {
        format!("The band reaches from the 15th to the 85th percentile of {what}; the line is the median.")
    };
    write_section(out, "Activations", &remark("the outputs of each layer"), &watched(Quantity::Activation));
    write_section(out, "Gradient norms", "", &of(Section::Gradients));
    write_section(
        out,
        "Gradients",
        &remark("the derivatives of each parameter"),
        &watched(Quantity::Gradient),
    );
    write_section(out, "Weights", &remark("the elements of each parameter"), &watched(Quantity::Weight));
    write_section(out, "Other curves", "", &of(Section::Other));
}

fn grid(class: &str, charts: impl Iterator<Item = String>) -> String {
    let charts: String = charts.collect();
    if charts.is_empty() { charts } else { format!("<div class=\"{class}\">\n{charts}</div>\n") }
}

/// The confusion matrix and the worst samples.
fn write_classes(out: &mut String, report: &Report) {
    if let Some((matrix, classes)) = &report.confusion {
        let remark = "Rows are true classes, columns predictions; the deeper the colour, the larger the share of the row.";
        write_section(out, "Confusion matrix", remark, &tables::confusion(matrix, classes));
    }
    let samples: String = report.worst_samples.iter().map(sample).collect();
    if !samples.is_empty() {
        let body = format!("<div class=\"samples\">\n{samples}</div>\n");
        write_section(out, "Worst samples", "Those with the largest losses.", &body);
    }
    let picture = |(name, image): &(String, Image)| {
        let caption = escape(name);
        format!("<figure>{}<figcaption>{caption}</figcaption></figure>\n", picture(image, &caption))
    };
    let images: String = report.images.iter().map(picture).collect();
    if !images.is_empty() {
        write_section(out, "Pictures", "", &format!("<div class=\"pictures\">\n{images}</div>\n"));
    }
}

/// An image whose pixels are seen; `description` is escaped.
fn picture(image: &Image, description: &str) -> String {
    format!(
        "<img src=\"data:image/png;base64,{}\" width=\"{}\" height=\"{}\" alt=\"{description}\">",
        base64(&image.png()),
        image.width(),
        image.height()
    )
}

fn sample(sample: &Sample) -> String {
    let (predicted, label) = (escape(&sample.predicted), escape(&sample.label));
    let description = format!("sample {}: {label}, taken for {predicted}", sample.index);
    let picture = sample.image.as_ref().map_or(String::new(), |image| picture(image, &description));
    format!(
        "<figure>{picture}<figcaption><strong>{label}</strong> taken for \
         <strong class=\"wrong\">{predicted}</strong>\
         <small>loss {}<br>sample {}</small></figcaption></figure>\n",
        number(sample.loss),
        sample.index
    )
}

fn write_tables(out: &mut String, report: &Report) {
    let start = &report.start;
    out.push_str("<div class=\"side\">\n");
    if !start.model.is_empty() {
        let remark = "Shapes and FLOPs are those of one sample, FLOPs of the forward pass.";
        write_section(out, "Model", remark, &tables::model(&start.model));
    }
    if !start.config.is_empty() {
        let rows = start.config.iter().map(|(name, value)| (name.as_str(), value.clone()));
        write_section(out, "Configuration", "", &tables::pairs(rows));
    }
    let mut rows: Vec<(&str, String)> = Vec::new();
    let machine = &start.machine;
    if machine.threads > 0 {
        let features = machine.features.join(" ");
        let known = [("processor", machine.cpu.clone()), ("threads", machine.threads.to_string())];
        let more = [("system", machine.system.clone()), ("instruction sets", features)];
        rows.extend(known.into_iter().chain(more).filter(|row| !row.1.is_empty()));
    }
    if let Some(end) = &report.end {
        rows.push(("duration", duration(end.duration)));
        rows.extend(end.peak_memory.map(|peak| ("peak resident memory", bytes(peak))));
        rows.extend(end.data_wait.map(|share| ("time waited for data", percent(share))));
        rows.extend(end.monitoring.map(|share| ("time taken by monitoring", percent(share))));
    }
    if !rows.is_empty() {
        write_section(out, "Machine", "", &tables::pairs(rows.into_iter()));
    }
    out.push_str("</div>\n");
    for (name, text) in &report.texts {
        write_section(out, &escape(name), "", &format!("<pre>{}</pre>\n", escape(text)));
    }
}
