//! The six initialisations as curves over the layers.

use std::fmt::Write;

use nn_train::init::LayerSignal;

use crate::Row;

/// Pixels of a panel, and around it.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 84.0;
const GAP: f64 = 70.0;
const BOTTOM: f64 = 96.0;
/// Powers of ten at the lower and upper edge; curves end there.
const DECADES: [f64; 2] = [-8.0, 8.0];
/// Of the curves; the fifth is dashed, since it lies upon the third.
const COLOURS: [&str; 6] = ["#5aa9ff", "#ff6b5e", "#f2c14e", "#c792ea", "#4fd1a5", "#f59ac0"];
const DASHES: [&str; 6] = ["none", "none", "none", "none", "8 6", "none"];

pub(crate) fn draw(rows: &[Row]) -> String {
    let (width, height) = (LEFT + 2.0 * WIDTH + GAP + 24.0, TOP + HEIGHT + BOTTOM);
    let depth = rows[0].report.layers().len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#11151c\"/>\n\
         <text x=\"{LEFT}\" y=\"34\" font-size=\"20\" fill=\"#e8edf4\">{depth} layers under six initialisations</text>\n"
    );
    panel(&mut svg, 0, "spread of the activations over examples →", rows, |layer| layer.spread);
    panel(&mut svg, 1, "← root mean square of the gradient", rows, |layer| layer.gradient);
    for (i, row) in rows.iter().enumerate() {
        let (x, y) = (LEFT + 165.0 * i as f64, TOP + HEIGHT + 68.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {y}h22\" stroke=\"{}\" stroke-width=\"3\" stroke-dasharray=\"{}\"/>\
             <text x=\"{}\" y=\"{}\" font-size=\"13\" fill=\"#d5dce6\">{}</text>",
            COLOURS[i],
            DASHES[i],
            x + 28.0,
            y + 4.5,
            row.name,
        );
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, number: usize, title: &str, rows: &[Row], value: impl Fn(&LayerSignal) -> f64) {
    let left = LEFT + number as f64 * (WIDTH + GAP);
    let depth = rows[0].report.layers().len();
    let x = |layer: usize| left + WIDTH * (layer as f64 + 0.5) / depth as f64;
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\" font-size=\"14\" fill=\"#9aa7b8\">{title}</text>\n\
         <rect x=\"{left}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#161c26\"/>\n\
         <clipPath id=\"panel{number}\"><rect x=\"{left}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/></clipPath>",
        TOP - 12.0,
    );
    for decade in (DECADES[0] as i32..=DECADES[1] as i32).step_by(4) {
        let y = height_of(f64::from(decade));
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}h{WIDTH}\" stroke=\"#2a3342\"/>\
             <text x=\"{}\" y=\"{:.1}\" font-size=\"12\" fill=\"#9aa7b8\" text-anchor=\"end\">10<tspan dy=\"-5\" \
             font-size=\"9\">{decade}</tspan></text>",
            left - 8.0,
            y + 4.0,
        );
    }
    for layer in (0..depth).filter(|layer| *layer == 0 || (layer + 1) % depth.div_ceil(5) == 0) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" font-size=\"12\" fill=\"#9aa7b8\" text-anchor=\"middle\">{}</text>",
            x(layer),
            TOP + HEIGHT + 18.0,
            layer + 1,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" font-size=\"12\" fill=\"#9aa7b8\" text-anchor=\"middle\">layer</text>",
        left + WIDTH / 2.0,
        TOP + HEIGHT + 36.0,
    );
    for ((row, colour), dashes) in rows.iter().zip(COLOURS).zip(DASHES) {
        let layers = row.report.layers().iter().map(&value).enumerate();
        let points = layers.filter(|(_, y)| y.is_finite());
        let points: Vec<String> = points
            .map(|(layer, y)| format!("{:.1},{:.1}", x(layer), height_of(y.log10().clamp(-20.0, 20.0))))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" clip-path=\"url(#panel{number})\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"2.5\" stroke-linejoin=\"round\" stroke-dasharray=\"{dashes}\"/>",
            points.join(" "),
        );
    }
}

/// The pixel of a power of ten.
fn height_of(decade: f64) -> f64 {
    let [low, high] = DECADES;
    TOP + HEIGHT * (high - decade) / (high - low)
}
