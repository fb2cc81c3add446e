//! Tables: the confusion matrix, the model, settings.

use std::fmt::Write;

use super::format::{MEMORY, count, escape, large};
use crate::{Average, ConfusionMatrix, LayerRow};

/// Above this many classes, cells are small and hold no numbers.
const NUMBERED: usize = 30;

/// The matrix as a heat map with numbers, the shares of each true class as depth of colour.
pub(super) fn confusion(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let classes = matrix.classes();
    let name = |class: usize| names.get(class).map_or_else(|| class.to_string(), |name| escape(name));
    let dense = if classes > NUMBERED { " dense" } else { "" };
    let mut out = format!(
        "<div class=\"scroll\"><table class=\"confusion{dense}\"><thead><tr>\
         <th class=\"corner\">true ╲ predicted</th>"
    );
    for class in 0..classes {
        write!(out, "<th scope=\"col\">{}</th>", name(class)).expect(MEMORY);
    }
    out.push_str("<th class=\"recall\">recall %</th></tr></thead><tbody>\n");
    for (truth, row) in matrix.counts().rows().into_iter().enumerate() {
        let total = row.sum().max(1) as f64;
        write!(out, "<tr><th scope=\"row\">{}</th>", name(truth)).expect(MEMORY);
        for (predicted, &n) in row.iter().enumerate() {
            let share = n as f64 / total;
            // Few errors are seen beside many hits.
            let depth = (100.0 * share.powf(0.6)).round();
            let kind = if truth == predicted { "hit" } else { "miss" };
            let strong = if depth > 55.0 { " strong" } else { "" };
            let title = format!("{} taken for {}: {n}", name(truth), name(predicted));
            let text = if n == 0 || classes > NUMBERED { String::new() } else { count(n) };
            write!(out, "<td class=\"{kind}{strong}\" style=\"--p:{depth}%\" title=\"{title}\">{text}</td>")
                .expect(MEMORY);
        }
        writeln!(out, "<td class=\"recall\">{}</td></tr>", short(matrix.recall(Average::Class(truth))))
            .expect(MEMORY);
    }
    out.push_str("</tbody><tfoot><tr><th scope=\"row\">precision %</th>");
    for class in 0..classes {
        let text =
            if classes > NUMBERED { String::new() } else { short(matrix.precision(Average::Class(class))) };
        write!(out, "<td>{text}</td>").expect(MEMORY);
    }
    writeln!(out, "<td>{}</td></tr></tfoot></table></div>", short(matrix.accuracy())).expect(MEMORY);
    out
}

/// A share in per cent.
fn short(share: f64) -> String {
    if share.is_nan() { "–".to_owned() } else { format!("{:.1}", 100.0 * share) }
}

/// The layers, and the sums of their parameters and arithmetic.
pub(super) fn model(layers: &[LayerRow]) -> String {
    let mut out = "<div class=\"scroll\"><table class=\"model\"><thead><tr><th>layer</th><th>output</th>\
                   <th class=\"n\">parameters</th><th class=\"n\">FLOPs</th></tr></thead><tbody>\n"
        .to_owned();
    for layer in layers {
        let lengths: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        let shape = if lengths.is_empty() { "scalar".to_owned() } else { lengths.join(" × ") };
        let LayerRow { name, parameters, flops, .. } = layer;
        writeln!(
            out,
            "<tr><td>{}</td><td>{shape}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(name),
            count(*parameters),
            large(*flops)
        )
        .expect(MEMORY);
    }
    let total = |of: fn(&LayerRow) -> u64| layers.iter().map(of).fold(0, u64::saturating_add);
    let (parameters, flops) = (total(|layer| layer.parameters), total(|layer| layer.flops));
    writeln!(
        out,
        "</tbody><tfoot><tr><td>total</td><td></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr></tfoot>\
         </table></div>",
        count(parameters),
        large(flops)
    )
    .expect(MEMORY);
    out
}

/// Names with values.
pub(super) fn pairs<'a>(rows: impl Iterator<Item = (&'a str, String)>) -> String {
    let row = |(name, value): (&str, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(name), escape(&value))
    };
    format!("<table class=\"pairs\"><tbody>\n{}</tbody></table>\n", rows.map(row).collect::<String>())
}
