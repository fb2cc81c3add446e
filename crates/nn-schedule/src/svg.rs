//! Schedules drawn as SVG.

use std::iter::once;

use nn_core::ticks::{Ticks, is_flat};

use crate::Schedule;

/// The colours, of which the browser chooses by the theme of the reader.
const STYLE: &str = "\
.background { fill: #ffffff } .title { fill: #1a1a1a; font-weight: 600; font-size: 14px }
.label { fill: #5c5c5c; font-size: 11px } .grid { stroke: #e4e4e4 } .axis { stroke: #8a8a8a }
.area { fill: #2068c8; opacity: .09 } .curve { fill: none; stroke: #2068c8; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.background { fill: #14171c } .title { fill: #f0f0f0 } .label { fill: #a8adb5 }
.grid { stroke: #2a2f37 } .axis { stroke: #6b727c }
.area { fill: #62a5ff; opacity: .13 } .curve { stroke: #62a5ff }
}";

/// Distances from the edges of a panel to its plot.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 38.0;
const BOTTOM: f64 = 44.0;

/// Curves of schedules over the first `steps` steps: an SVG picture with one panel for each, under its title.
///
/// Panels stand side by side, in up to three columns, each with an axis of its own for the values; zero is on it when
/// the values come near. The time runs from 0 to `steps`, in fractions too, so that jumps are upright. Values that
/// are not finite, or beyond 10³⁰⁰, leave a gap. The picture has its own background and follows the reader's light or dark theme.
///
/// ```
/// use nn_schedule::{OneCycle, svg};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let rate = OneCycle::new(0.1, 1000)?;
/// let picture = svg(&[("learning rate", &rate), ("momentum", &rate.momentum())], 1000);
/// assert!(picture.starts_with("<svg ") && picture.contains(">momentum</text>"));
/// # Ok(())
/// # }
/// ```
pub fn svg(curves: &[(&str, &dyn Schedule)], steps: usize) -> String {
    let columns = match curves.len() {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let (width, height) = if curves.len() <= 1 { (660.0, 340.0) } else { (380.0, 240.0) };
    let rows = curves.len().div_ceil(columns).max(1);
    let (total_width, total_height) = (width * columns as f64, height * rows as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total_width} {total_height}\" \
         width=\"{total_width}\" height=\"{total_height}\" font-family=\"system-ui, sans-serif\" role=\"img\">\n\
         <style>\n{STYLE}\n</style>\n\
         <rect class=\"background\" width=\"{total_width}\" height=\"{total_height}\"/>\n"
    );
    for (i, &(title, schedule)) in curves.iter().enumerate() {
        let (x, y) = (width * (i % columns) as f64, height * (i / columns) as f64);
        let panel = Panel::new(schedule, steps, width - LEFT - RIGHT, height - TOP - BOTTOM);
        out.push_str(&format!("<g transform=\"translate({} {})\">\n", x + LEFT, y + TOP));
        out.push_str(&panel.draw(title));
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// One curve in its axes; the origin is the upper left corner of the plot.
struct Panel {
    /// Pairs of time and value.
    points: Vec<(f64, f64)>,
    times: Ticks,
    values: Ticks,
    /// The end of the axis of time.
    end: f64,
    width: f64,
    height: f64,
}

impl Panel {
    fn new(schedule: &dyn Schedule, steps: usize, width: f64, height: f64) -> Self {
        let end = steps.max(1) as f64;
        let samples = (2.0 * width) as usize;
        // A schedule that starts anew at the end is not drawn there.
        let inner = (0..samples).map(|i| end * i as f64 / samples as f64);
        let points: Vec<(f64, f64)> =
            inner.chain(once(end.next_down())).map(|t| (t, schedule.at(t))).collect();
        let finite = || points.iter().filter(|point| is_drawn(point)).map(|point| point.1);
        let low = finite().reduce(f64::min).unwrap_or(0.0);
        let high = finite().reduce(f64::max).unwrap_or(0.0);
        let low = if low > 0.0 && (low < 0.6 * high || is_flat(low, high)) { 0.0 } else { low };
        let values = Ticks::enclosing(low, high, (height / 40.0).round());
        let times = Ticks::enclosing(0.0, end, 5.0);
        Panel { points, times, values, end, width, height }
    }

    fn x(&self, t: f64) -> f64 {
        self.width * t / self.end
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.values.range();
        self.height * (high - value) / (high - low)
    }

    fn draw(&self, title: &str) -> String {
        let Panel { width, height, .. } = *self;
        let title = escape(title);
        let mut out = format!(
            "<title>{title}</title>\n<text class=\"title\" x=\"{:.1}\" y=\"-16\" text-anchor=\"middle\">{title}</text>\n",
            width / 2.0
        );
        for (value, label) in self.values.labels() {
            let y = self.y(value);
            out.push_str(&format!(
                "<path class=\"grid\" d=\"M0 {y:.1}H{width}\"/>\
                 <text class=\"label\" x=\"-8\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
                y + 4.0
            ));
        }
        for (t, label) in self.times.labels().into_iter().filter(|tick| tick.0 <= self.end) {
            let x = self.x(t);
            out.push_str(&format!(
                "<path class=\"axis\" d=\"M{x:.1} {height}v5\"/>\
                 <text class=\"label\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>\n",
                height + 18.0
            ));
        }
        out.push_str(&format!(
            "<text class=\"label\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">step</text>\n\
             <text class=\"label\" transform=\"translate(-58 {:.1}) rotate(-90)\" text-anchor=\"middle\">value</text>\n",
            width / 2.0,
            height + 34.0,
            height / 2.0
        ));
        for run in self.points.split(|point| !is_drawn(point)).filter(|run| !run.is_empty()) {
            out.push_str(&self.curve(run));
        }
        out.push_str(&format!("<path class=\"axis\" d=\"M0 {height}H{width}\"/>\n"));
        out
    }

    /// A part of the curve without gaps and, where the axis begins at zero, the area below it.
    fn curve(&self, run: &[(f64, f64)]) -> String {
        let points: Vec<(f64, f64)> = run.iter().map(|&(t, value)| (self.x(t), self.y(value))).collect();
        let mut kept = vec![points[0]];
        simplify(&points, &mut kept);
        let corners: Vec<String> = kept.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let line = format!("M{}", corners.join("L"));
        let (first, last, bottom) = (points[0].0, points[points.len() - 1].0, self.height);
        let area = if self.values.range().0 == 0.0 {
            format!("<path class=\"area\" d=\"{line}L{last:.1} {bottom}H{first:.1}Z\"/>\n")
        } else {
            String::new()
        };
        format!("{area}<path class=\"curve\" d=\"{line}\"/>\n")
    }
}

/// Whether the value of the point can be drawn.
fn is_drawn(point: &(f64, f64)) -> bool {
    point.1.abs() <= 1e300
}

/// Appends the points after the first that a line needs to pass within a tenth of a pixel of all: the Ramer,
/// Douglas and Peucker algorithm, with upright distances.
fn simplify(points: &[(f64, f64)], kept: &mut Vec<(f64, f64)>) {
    let (first, last) = (points[0], points[points.len() - 1]);
    let slope = (last.1 - first.1) / (last.0 - first.0);
    let off = |point: &(f64, f64)| (first.1 + slope * (point.0 - first.0) - point.1).abs();
    let between = 1..points.len().saturating_sub(1);
    match between.max_by(|&i, &j| off(&points[i]).total_cmp(&off(&points[j]))) {
        Some(i) if off(&points[i]) > 0.1 => {
            simplify(&points[..=i], kept);
            simplify(&points[i..], kept);
        }
        _ => kept.push(last),
    }
}

/// The text with what is markup in XML written as text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
