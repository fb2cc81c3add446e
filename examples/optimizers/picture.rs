//! A function drawn as contours, with the paths of the optimizers over them.

use std::error::Error;
use std::fmt::Write;

use crate::problems::{Problem, Surface};

/// Pixels of the part with the contours, and of the list of names beside it.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 560.0;
const LEGEND: f64 = 215.0;
const TOP: f64 = 64.0;
const LEFT: f64 = 48.0;
/// Cells of the grid on which contours are found, in each direction.
const CELLS: usize = 160;
const LEVELS: usize = 16;

/// The contours of a function, ready to take paths.
pub(crate) struct Picture {
    problem: &'static Problem,
    /// From the lowest level to the highest, the line segments of each.
    contours: Vec<Vec<[[f64; 2]; 2]>>,
}

impl Picture {
    pub(crate) fn new(problem: &'static Problem, surface: &mut Surface) -> Result<Self, Box<dyn Error>> {
        let [[x0, x1], [y0, y1]] = problem.window;
        let point = |i: usize, j: usize| {
            [x0 + (x1 - x0) * i as f64 / CELLS as f64, y0 + (y1 - y0) * j as f64 / CELLS as f64]
        };
        let mut values = vec![vec![0.0; CELLS + 1]; CELLS + 1];
        for (i, column) in values.iter_mut().enumerate() {
            for (j, value) in column.iter_mut().enumerate() {
                *value = surface.value(point(i, j))? - problem.lowest;
            }
        }
        let highest = values.iter().flatten().fold(0.0, |a: f64, &b| a.max(b));
        // Levels grow with the fourth power, so that a flat valley is drawn as well as its steep walls.
        let level = |k: usize| highest * ((k as f64 + 0.5) / LEVELS as f64).powi(4);
        let contours = (0..LEVELS).map(|k| contour(&values, level(k), point)).collect();
        Ok(Picture { problem, contours })
    }

    /// The SVG; `paths` come with their names, the best first.
    pub(crate) fn draw<'a>(&self, paths: impl Iterator<Item = (&'a str, &'a [[f64; 2]])>) -> String {
        let (width, height) = (LEFT + WIDTH + LEGEND, TOP + HEIGHT + 40.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"system-ui, sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#11151c\"/>\n\
             <clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/></clipPath>\n\
             <text x=\"{LEFT}\" y=\"30\" font-size=\"20\" fill=\"#e8edf4\">{}</text>\n\
             <text x=\"{LEFT}\" y=\"51\" font-size=\"14\" fill=\"#9aa7b8\">{}</text>\n\
             <g clip-path=\"url(#plot)\">\n\
             <rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#161c26\"/>\n",
            title(self.problem.name),
            self.problem.formula,
        );
        self.draw_contours(&mut svg);
        let paths: Vec<_> = paths.collect();
        for (i, (_, path)) in paths.iter().enumerate().rev() {
            self.draw_path(&mut svg, path, &color(i, paths.len()));
        }
        self.draw_marks(&mut svg);
        svg += "</g>\n";
        self.draw_axes(&mut svg);
        for (i, (name, _)) in paths.iter().enumerate() {
            let (x, y) = (LEFT + WIDTH + 18.0, TOP + 12.0 + 20.0 * i as f64);
            let _ = writeln!(
                svg,
                "<path d=\"M{x} {y}h22\" stroke=\"{}\" stroke-width=\"3\"/>\
                 <text x=\"{}\" y=\"{}\" font-size=\"13\" fill=\"#d5dce6\">{name}</text>",
                color(i, paths.len()),
                x + 30.0,
                y + 4.5,
            );
        }
        svg + "</svg>\n"
    }

    /// Pixels of a point.
    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [[x0, x1], [y0, y1]] = self.problem.window;
        [LEFT + WIDTH * (x - x0) / (x1 - x0), TOP + HEIGHT * (y1 - y) / (y1 - y0)]
    }

    fn draw_contours(&self, svg: &mut String) {
        for (k, segments) in self.contours.iter().enumerate() {
            let mut path = String::new();
            for &[a, b] in segments {
                let ([ax, ay], [bx, by]) = (self.place(a), self.place(b));
                let _ = write!(path, "M{ax:.1} {ay:.1}L{bx:.1} {by:.1}");
            }
            let light = 62 - 34 * k / LEVELS;
            let _ = writeln!(svg, "<path d=\"{path}\" stroke=\"hsl(214 30% {light}%)\" fill=\"none\"/>");
        }
    }

    fn draw_path(&self, svg: &mut String, path: &[[f64; 2]], color: &str) {
        let points: Vec<String> = path
            .iter()
            .map(|&point| self.place(point).map(|pixel| pixel.clamp(-2000.0, 4000.0)))
            .map(|[x, y]| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" \
             stroke-linejoin=\"round\" stroke-opacity=\"0.9\"/>",
            points.join(" "),
        );
    }

    /// A ring where all begin, a cross at the minimum.
    fn draw_marks(&self, svg: &mut String) {
        let ([sx, sy], [mx, my]) = (self.place(self.problem.start), self.place(self.problem.minimum));
        let _ = writeln!(
            svg,
            "<circle cx=\"{sx:.1}\" cy=\"{sy:.1}\" r=\"6\" fill=\"#11151c\" stroke=\"#fff\" stroke-width=\"2\"/>\n\
             <path d=\"M{mx:.1} {my:.1}m-7 -7l14 14m0 -14l-14 14\" stroke=\"#fff\" stroke-width=\"3\"/>",
        );
    }

    fn draw_axes(&self, svg: &mut String) {
        let [[x0, x1], [y0, y1]] = self.problem.window;
        for x in ticks(x0, x1) {
            let [px, _] = self.place([x, y0]);
            let y = TOP + HEIGHT + 18.0;
            let _ = writeln!(
                svg,
                "<text x=\"{px:.1}\" y=\"{y}\" font-size=\"12\" fill=\"#9aa7b8\" text-anchor=\"middle\">{x}</text>"
            );
        }
        for y in ticks(y0, y1) {
            let [_, py] = self.place([x0, y]);
            let (x, py) = (LEFT - 8.0, py + 4.0);
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{py:.1}\" font-size=\"12\" fill=\"#9aa7b8\" text-anchor=\"end\">{y}</text>"
            );
        }
    }
}

/// The name with a capital.
fn title(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

/// Hues from yellow over red and blue to green, the best first.
fn color(i: usize, count: usize) -> String {
    let hue = (50.0 - 330.0 * i as f64 / count as f64).rem_euclid(360.0);
    format!("hsl({hue:.0} 90% {}%)", if i.is_multiple_of(2) { 62 } else { 50 })
}

/// Whole numbers in a range, every second one where there are many.
fn ticks(from: f64, to: f64) -> impl Iterator<Item = f64> {
    let step = if to - from > 8.0 { 2 } else { 1 };
    (from.ceil() as i64..=to.floor() as i64).filter(move |tick| tick % step == 0).map(|tick| tick as f64)
}

/// The line segments along which the values, given at the corners of a grid, pass through `level`.
fn contour(values: &[Vec<f64>], level: f64, point: impl Fn(usize, usize) -> [f64; 2]) -> Vec<[[f64; 2]; 2]> {
    let mut segments = Vec::new();
    for i in 0..CELLS {
        for j in 0..CELLS {
            let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
            let mut crossings = Vec::new();
            for (k, &(a, b)) in corners.iter().enumerate() {
                let (c, d) = corners[(k + 1) % 4];
                let (from, to) = (values[a][b], values[c][d]);
                if (from < level) != (to < level) {
                    let part = (level - from) / (to - from);
                    let (p, q) = (point(a, b), point(c, d));
                    crossings.push([p[0] + part * (q[0] - p[0]), p[1] + part * (q[1] - p[1])]);
                }
            }
            segments.extend(crossings.chunks_exact(2).map(|pair| [pair[0], pair[1]]));
        }
    }
    segments
}
