//! Charts as inline SVG.

use std::fmt::Write;

use super::axis::Axis;
use super::format::{MEMORY, escape};

/// A chart with its title and axes.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What stands under the title.
    pub(super) remark: String,
    /// What the axes show.
    pub(super) units: [String; 2],
    pub(super) axes: [Axis; 2],
    pub(super) body: String,
    pub(super) shape: Shape,
}

/// The size of a drawing, and the distances of the plot from its edges, in units of about a pixel on a desktop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// A chart of the usual size.
pub(super) const USUAL: Shape =
    Shape { width: 560.0, height: 320.0, left: 92.0, right: 18.0, top: 14.0, bottom: 62.0 };
/// One of several in a row.
pub(super) const SMALL: Shape =
    Shape { width: 560.0, height: 360.0, left: 92.0, right: 20.0, top: 16.0, bottom: 66.0 };
/// One with its plot square.
pub(super) const SQUARE: Shape =
    Shape { width: 560.0, height: 510.0, left: 92.0, right: 36.0, top: 16.0, bottom: 62.0 };

impl Shape {
    fn plot(&self) -> (f64, f64) {
        (self.width - self.left - self.right, self.height - self.top - self.bottom)
    }

    /// Where a point of the unit square is drawn.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (width, height) = self.plot();
        (self.left + width * x, self.top + height * (1.0 - y))
    }
}

impl Chart {
    /// As HTML.
    pub(super) fn html(&self) -> String {
        let title = escape(&self.title);
        let remark = if self.remark.is_empty() { String::new() } else { format!("<p>{}</p>", self.remark) };
        let Shape { width, height, .. } = self.shape;
        let mut out = format!(
            "<figure class=\"chart\"><figcaption><h3>{title}</h3>{remark}</figcaption><div class=\"plot\">\
             <svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">"
        );
        self.write_axes(&mut out);
        out.push_str(&self.body);
        out.push_str("</svg></div></figure>\n");
        out
    }

    fn write_axes(&self, out: &mut String) {
        let (width, height) = self.shape.plot();
        let (left, bottom) = self.shape.at(0.0, 0.0);
        for (place, label) in &self.axes[1].marks {
            let y = self.shape.at(0.0, *place).1;
            write!(
                out,
                "<path class=\"grid\" d=\"M{left} {y:.1}h{width:.1}\"/>\
                 <text class=\"end\" x=\"{}\" y=\"{y:.1}\" dy=\".35em\">{}</text>",
                left - 8.0,
                escape(label)
            )
            .expect(MEMORY);
        }
        for (place, label) in &self.axes[0].marks {
            let x = self.shape.at(*place, 0.0).0;
            write!(
                out,
                "<path class=\"axis\" d=\"M{x:.1} {bottom:.1}v5\"/>\
                 <text class=\"middle\" x=\"{x:.1}\" y=\"{:.1}\" dy=\"1em\">{}</text>",
                bottom + 6.0,
                escape(label)
            )
            .expect(MEMORY);
        }
        writeln!(
            out,
            "<path class=\"axis\" d=\"M{left} {bottom:.1}h{width:.1}\"/>\
             <text class=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <text class=\"middle\" transform=\"translate(16 {:.1}) rotate(-90)\">{}</text>",
            left + width / 2.0,
            self.shape.height - 8.0,
            escape(&self.units[0]),
            bottom - height / 2.0,
            escape(&self.units[1])
        )
        .expect(MEMORY);
    }
}

/// A point with what is shown where one points at it.
pub(super) fn dot(class: &str, (x, y): (f64, f64), radius: f64, tip: &str) -> String {
    let tip = escape(tip);
    format!("<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" data-tip=\"{tip}\"/>\n")
}

/// A line through places.
pub(super) fn line(class: &str, places: impl IntoIterator<Item = (f64, f64)>) -> String {
    let corners: Vec<String> = places.into_iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    if corners.is_empty() {
        return String::new();
    }
    format!("<path class=\"line {class}\" d=\"M{}\"/>\n", corners.join("L"))
}
