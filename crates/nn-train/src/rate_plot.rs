//! The picture of a learning-rate range test.

use std::fmt::Write;

use nn_core::ticks::Ticks;

use crate::{RateCurve, RatePoint};

const STYLE: &str = "\
.background { fill: #ffffff } .title { fill: #1a1a1a; font-weight: 600; font-size: 14px }
.label { fill: #5c5c5c; font-size: 11px } .grid { stroke: #e4e4e4 } .raw { fill: none; stroke: #2068c8; opacity: .35 }
.curve { fill: none; stroke: #2068c8; stroke-width: 2 } .mark { stroke: #c2410c; stroke-dasharray: 4 3 }
.marked { fill: #c2410c; font-size: 12px }
@media (prefers-color-scheme: dark) {
.background { fill: #14171c } .title { fill: #f0f0f0 } .label { fill: #a8adb5 } .grid { stroke: #2a2f37 }
.raw { stroke: #62a5ff } .curve { stroke: #62a5ff } .mark { stroke: #fb923c } .marked { fill: #fb923c }
}";

const WIDTH: f64 = 660.0;
const HEIGHT: f64 = 360.0;
/// The edges of the plot.
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = HEIGHT - 48.0;
/// About as many lines across.
const LINES: f64 = 5.0;

/// The part of the plane that is drawn: logarithms of rates, and losses.
struct Axes {
    rates: [f64; 2],
    losses: [f64; 2],
}

impl Axes {
    fn new(points: &[RatePoint]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let smoothed = || points.iter().map(|point| point.smoothed).filter(|loss| loss.is_finite());
        let low = smoothed().fold(f64::INFINITY, f64::min);
        // What diverges would leave no room for what is to be seen.
        let high = smoothed().fold(low, f64::max).min(2.0 * first.smoothed.max(low));
        let margin = 0.08 * (high - low).max(1e-9);
        Some(Axes { rates: [first.rate.log10(), last.rate.log10()], losses: [low - margin, high + margin] })
    }

    fn x(&self, rate: f64) -> f64 {
        let width = (self.rates[1] - self.rates[0]).max(1e-9);
        LEFT + (RIGHT - LEFT) * (rate.log10() - self.rates[0]) / width
    }

    fn y(&self, loss: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (loss - self.losses[0]) / (self.losses[1] - self.losses[0])
    }

    fn line(&self, class: &str, points: &[RatePoint], loss: impl Fn(&RatePoint) -> f64) -> String {
        let inside = |point: &&RatePoint| (self.losses[0]..=self.losses[1]).contains(&loss(point));
        let at = |point: &RatePoint| format!("{:.1},{:.1}", self.x(point.rate), self.y(loss(point)));
        let points: Vec<String> = points.iter().filter(inside).map(at).collect();
        format!("<polyline class=\"{class}\" points=\"{}\"/>\n", points.join(" "))
    }
}

impl RateCurve {
    /// The loss over the logarithm of the rate, as it was and smoothed, with the suggestion: an SVG picture, which follows
    /// the reader's light or dark theme.
    pub fn svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             font-family=\"system-ui, sans-serif\" role=\"img\">\n<style>\n{STYLE}\n</style>\n\
             <rect class=\"background\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"24\">Loss by learning rate</text>\n"
        );
        if let Some(axes) = Axes::new(&self.points) {
            out += &grid(&axes);
            out += &axes.line("raw", &self.points, |point| point.loss);
            out += &axes.line("curve", &self.points, |point| point.smoothed);
            out += &self.suggestion().map_or_else(String::new, |rate| mark(&axes, rate));
        }
        out + "</svg>\n"
    }
}

/// Decades of rates, and round parts of the losses, with labels.
fn grid(axes: &Axes) -> String {
    let mut out = String::new();
    for decade in axes.rates[0].ceil() as i32..=axes.rates[1].floor() as i32 {
        let x = axes.x(10f64.powi(decade));
        let label = if (-3..=3).contains(&decade) {
            format!("{}", 10f64.powi(decade))
        } else {
            format!("1e{decade}")
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
             <text class=\"label\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            BOTTOM + 18.0
        );
    }
    let [low, high] = axes.losses;
    let inside = |tick: &(f64, String)| (low..=high).contains(&tick.0);
    for (loss, label) in Ticks::enclosing(low, high, LINES).labels().into_iter().filter(inside) {
        let y = axes.y(loss);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"label\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    let middle = (LEFT + RIGHT) / 2.0;
    let _ = writeln!(
        out,
        "<text class=\"label\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">learning rate</text>",
        HEIGHT - 10.0
    );
    out
}

fn mark(axes: &Axes, rate: f64) -> String {
    let x = axes.x(rate);
    let (anchor, dx) = if x > (LEFT + RIGHT) / 2.0 { ("end", -6.0) } else { ("start", 6.0) };
    format!(
        "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
         <text class=\"marked\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">steepest at {rate:.1e}</text>\n",
        x + dx,
        TOP + 12.0
    )
}
