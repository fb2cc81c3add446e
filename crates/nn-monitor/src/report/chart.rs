//! Curves as inline SVG.

use std::fmt::Write;

use super::format::{MEMORY, escape, number};
use super::ticks::Ticks;

/// A chart with its title, legend and axes.
#[derive(Clone, Debug, Default)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What the horizontal axis counts.
    pub(super) unit: &'static str,
    /// Where the horizontal axis ends; it begins at 0.
    pub(super) end: f64,
    /// Whether the vertical axis may be logarithmic, which it is where values differ by orders of magnitude.
    pub(super) logarithmic: bool,
    pub(super) lines: Vec<Line>,
    /// The area between the first and the last line is filled, and there is no legend.
    pub(super) band: bool,
}

/// A curve in a chart.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) name: String,
    /// Which colour and dashes.
    pub(super) style: usize,
    pub(super) points: Vec<(f64, f64)>,
    /// The points before they were smoothed, drawn faintly.
    pub(super) raw: Vec<(f64, f64)>,
    /// Whether it is the edge of a band.
    pub(super) faint: bool,
    /// What the legend adds to the name.
    pub(super) note: String,
}

/// The size of the drawing, and the distances of the plot from its edges, in units of about a pixel on a
/// desktop.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 296.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;
const PLOT: (f64, f64) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);

/// The number of different styles.
pub(super) const STYLES: usize = 8;
/// Curves with at most this many points have their points marked.
const MARKED: usize = 40;
/// Values whose extremes have this ratio are drawn on a logarithmic axis.
const WIDE: f64 = 50.0;
/// The most points of a curve that can be read off by pointing.
const READABLE: usize = 200;

impl Chart {
    /// The chart as HTML; nothing where there is no finite value.
    pub(super) fn html(&self) -> Option<String> {
        let drawn = || self.lines.iter().flat_map(|line| line.points.iter().chain(&line.raw));
        let values = || drawn().map(|point| point.1).filter(|y| is_drawn(*y));
        let (low, high) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        let y = if self.logarithmic && low > 0.0 && high / low > WIDE {
            Ticks::logarithmic(low, high)
        } else {
            // Zero is on the axis where values come near.
            let low = if low > 0.0 && (low < 0.4 * high || low == high) { 0.0 } else { low };
            Ticks::linear(low, high, 5.0)
        };
        let axes = Axes { end: if self.end > 0.0 { self.end } else { 1.0 }, y };
        let title = escape(&self.title);
        let mut out = format!("<figure class=\"chart\"><figcaption><h3>{title}</h3>");
        let is_named = self.lines.len() == 1 && self.lines[0].name.eq_ignore_ascii_case(&self.title);
        if !self.band && !is_named {
            self.write_legend(&mut out);
        }
        write!(
            out,
            "</figcaption><div class=\"plot\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{title}\" \
             data-end=\"{}\" data-unit=\"{}\">",
            axes.end, self.unit
        )
        .expect(MEMORY);
        axes.write(&mut out, self.unit);
        if self.band {
            self.write_band(&mut out, &axes);
        }
        self.lines.iter().for_each(|line| line.write(&mut out, &axes));
        out.push_str("</svg></div></figure>\n");
        Some(out)
    }

    fn write_legend(&self, out: &mut String) {
        out.push_str("<ul class=\"legend\">");
        for line in &self.lines {
            let (style, name, note) = (line.style % STYLES, escape(&line.name), escape(&line.note));
            write!(
                out,
                "<li><svg class=\"key\" viewBox=\"0 0 26 8\" aria-hidden=\"true\">\
                 <path class=\"line s{style}\" d=\"M1 4H25\"/></svg>\
                 <span>{name}</span>{}{note}</li>",
                if note.is_empty() { "" } else { " " },
            )
            .expect(MEMORY);
        }
        out.push_str("</ul>");
    }

    /// The area between the first and the last line, between gaps of either.
    fn write_band(&self, out: &mut String, axes: &Axes) {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else { return };
        let pairs: Vec<(f64, f64, f64)> =
            first.points.iter().zip(&last.points).map(|(a, b)| (a.0, a.1, b.1)).collect();
        for part in pairs.split(|(_, a, b)| !is_drawn(*a) || !is_drawn(*b)).filter(|part| part.len() > 1) {
            let there = part.iter().map(|&(x, y, _)| axes.place((x, y)));
            let back = part.iter().rev().map(|&(x, _, y)| axes.place((x, y)));
            writeln!(out, "<path class=\"band\" d=\"{}Z\"/>", path(there.chain(back))).expect(MEMORY);
        }
    }
}

/// Whether a value has a place on an axis.
fn is_drawn(y: f64) -> bool {
    y.abs() <= 1e300
}

struct Axes {
    end: f64,
    y: Ticks,
}

impl Axes {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (LEFT + PLOT.0 * x / self.end, TOP + PLOT.1 * (1.0 - self.y.position(y)))
    }

    fn write(&self, out: &mut String, unit: &str) {
        for (value, label) in &self.y.marks {
            let y = TOP + PLOT.1 * (1.0 - self.y.position(*value));
            write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}h{:.1}\"/>", PLOT.0).expect(MEMORY);
            if !label.is_empty() {
                write!(
                    out,
                    "<text class=\"end\" x=\"{}\" y=\"{y:.1}\" dy=\".35em\">{label}</text>",
                    LEFT - 8.0
                )
                .expect(MEMORY);
            }
        }
        let bottom = TOP + PLOT.1;
        let ticks = Ticks::linear(0.0, self.end, 5.0);
        for (value, label) in ticks.marks.iter().filter(|mark| mark.0 <= self.end * (1.0 + 1e-9)) {
            let x = LEFT + PLOT.0 * value / self.end;
            write!(
                out,
                "<path class=\"axis\" d=\"M{x:.1} {bottom:.1}v5\"/>\
                 <text class=\"middle\" x=\"{x:.1}\" y=\"{:.1}\" dy=\"1em\">{label}</text>",
                bottom + 6.0
            )
            .expect(MEMORY);
        }
        writeln!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {bottom:.1}h{:.1}\"/>\
             <text class=\"middle unit\" x=\"{:.1}\" y=\"{}\">{unit}</text>",
            PLOT.0,
            LEFT + PLOT.0 / 2.0,
            HEIGHT - 6.0
        )
        .expect(MEMORY);
    }
}

impl Line {
    fn write(&self, out: &mut String, axes: &Axes) {
        let style = self.style % STYLES;
        for part in parts(&thinned(&self.raw, axes.end)) {
            let places = part.iter().map(|&point| axes.place(point));
            writeln!(out, "<path class=\"line raw s{style}\" d=\"{}\"/>", path(places)).expect(MEMORY);
        }
        let points = thinned(&self.points, axes.end);
        for part in parts(&points) {
            let places = part.iter().map(|&point| axes.place(point));
            let edge = if self.faint { " edge" } else { "" };
            writeln!(out, "<path class=\"line{edge} s{style}\" d=\"{}\"/>", path(places)).expect(MEMORY);
        }
        if self.points.len() <= MARKED && !self.faint {
            for &point in self.points.iter().filter(|point| is_drawn(point.1)) {
                let (x, y) = axes.place(point);
                write!(out, "<circle class=\"dot s{style}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.4\"/>")
                    .expect(MEMORY);
            }
        }
        self.write_readings(out, axes);
    }

    /// What is shown when someone points at the chart.
    fn write_readings(&self, out: &mut String, axes: &Axes) {
        let every = self.points.len().div_ceil(READABLE).max(1);
        // The last point is always among them.
        let skipped = self.points.len().saturating_sub(1) % every;
        let readings = self.points.iter().skip(skipped).step_by(every).map(|&(x, y)| {
            let height = if is_drawn(y) { format!("{:.1}", axes.place((x, y)).1) } else { String::new() };
            format!("{},{height},{}", short(x), number(y))
        });
        let readings: Vec<String> = readings.collect();
        writeln!(
            out,
            "<g class=\"readings s{}\" data-name=\"{}\" data-points=\"{}\"></g>",
            self.style % STYLES,
            escape(&self.name),
            readings.join(" ")
        )
        .expect(MEMORY);
    }
}

/// A coordinate to three decimals.
fn short(x: f64) -> f64 {
    (x * 1e3).round() / 1e3
}

/// The runs of points without a gap.
fn parts(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|point| !is_drawn(point.1)).filter(|part| !part.is_empty())
}

fn path(places: impl Iterator<Item = (f64, f64)>) -> String {
    let corners: Vec<String> = places.map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    format!("M{}", corners.join("L"))
}

/// At most four points for each unit of the axis: of many, the first, the smallest, the largest and the last,
/// so that the picture stays the same. Gaps stay too.
fn thinned(points: &[(f64, f64)], end: f64) -> Vec<(f64, f64)> {
    if points.len() <= 4 * PLOT.0 as usize {
        return points.to_vec();
    }
    let column = |x: f64| (PLOT.0 * x / end) as i64;
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| column(a.0) == column(b.0) && is_drawn(a.1) == is_drawn(b.1)) {
        let extreme = |sign: f64| {
            (0..group.len()).max_by(|&i, &j| (sign * group[i].1).total_cmp(&(sign * group[j].1))).unwrap_or(0)
        };
        let mut chosen = [0, extreme(1.0), extreme(-1.0), group.len() - 1];
        chosen.sort_unstable();
        let mut last = None;
        for i in chosen {
            if last.replace(i) != Some(i) {
                kept.push(group[i]);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Chart, LEFT, Line, PLOT, TOP, WIDTH, thinned};

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let line = Line { name: "a<b".to_owned(), points, ..Line::default() };
        Chart { title: "T".to_owned(), unit: "step", end: 10.0, lines: vec![line], ..Chart::default() }
    }

    #[test]
    fn corners_of_the_plot() {
        let html = chart(vec![(0.0, 0.0), (10.0, 1.0)]).html().unwrap();
        // From the lower left to the upper right corner.
        assert!(html.contains("d=\"M66.0 250.0L544.0 14.0\""), "{html}");
        assert!(html.contains("<span>a&lt;b</span>") && !html.contains("a<b"));
        assert!(html.contains("data-points=\"0,250.0,0 10,14.0,1\""), "{html}");
    }

    #[test]
    fn the_script_knows_the_plot() {
        let places = format!("left = {LEFT}, width = {}, top = {TOP}, height = {}", PLOT.0, PLOT.1);
        let script = include_str!("hover.js");
        assert!(script.contains(&places) && script.contains(&format!("/ {WIDTH} * box.width")), "{places}");
    }

    #[test]
    fn gaps_are_not_drawn() {
        let points =
            vec![(0.0, 0.0), (1.0, 0.5), (2.0, f64::NAN), (3.0, f64::INFINITY), (4.0, 1.0), (5.0, 0.0)];
        let html = chart(points).html().unwrap();
        assert_eq!(html.matches("class=\"line s0\" d=\"M").count(), 3); // the key and two parts
        assert!(html.contains("2,,NaN 3,,∞"), "{html}");
        assert!(chart(vec![(0.0, f64::NAN)]).html().is_none() && chart(vec![]).html().is_none());
    }

    #[test]
    fn thinning_keeps_extremes_and_gaps() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        (points[500].1, points[777].1, points[50_000].1) = (1000.0, -1000.0, f64::NAN);
        let kept = thinned(&points, 100_000.0);
        assert!(kept.len() < 2000, "{}", kept.len());
        assert!(kept.contains(&points[500]) && kept.contains(&points[777]));
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[99_999]));
        assert_eq!(kept.iter().filter(|point| point.1.is_nan()).count(), 1);
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn wide_ranges_are_logarithmic() {
        let mut wide = chart(vec![(0.0, 100.0), (5.0, 10.0), (10.0, 1.0)]);
        wide.logarithmic = true;
        assert!(wide.html().unwrap().contains("M66.0 14.0L305.0 132.0L544.0 250.0"));
    }
}
