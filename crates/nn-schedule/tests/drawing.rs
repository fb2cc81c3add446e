//! Pictures of schedules.

use nn_schedule::{CosineAnnealing, Exponential, Linear, Schedule, StepDecay, from_fn, sparkline, svg};

#[test]
fn sparklines_show_the_first_and_the_last_step() {
    let rising = Linear::new(0.0, 7.0, 7.0).unwrap();
    assert_eq!(sparkline(&rising, 8, 8), "▁▂▃▄▅▆▇█");
    assert_eq!(sparkline(&rising, 8, 2), "▁█");
    assert_eq!(sparkline(&rising, 4, 4), "▁▃▆█");
    assert_eq!(sparkline(&StepDecay::new(1.0, 4.0, 0.5).unwrap(), 8, 8), "████▁▁▁▁");
    assert_eq!(sparkline(&Exponential::new(1.0, 0.5).unwrap(), 1000, 5), "█▁▁▁▁");
}

#[test]
fn sparklines_of_borders() {
    assert_eq!(sparkline(&0.1, 100, 5), "▄▄▄▄▄");
    assert_eq!(sparkline(&0.1, 1, 3), "▄▄▄");
    assert_eq!(sparkline(&0.1, 10, 1), "▄");
    assert_eq!((sparkline(&0.1, 0, 5), sparkline(&0.1, 5, 0)), (String::new(), String::new()));
    let rounded = from_fn(|t| 0.1 * (1.0 + f64::EPSILON * (t % 2.0)));
    assert_eq!(sparkline(&rounded, 4, 4), "▄▄▄▄");
    let gap = from_fn(|t| if t == 1.0 { f64::NAN } else { t });
    assert_eq!(sparkline(&gap, 4, 4), "▁ ▆█");
    assert_eq!(sparkline(&f64::INFINITY, 4, 4), "    ");
}

/// The paths of this class.
fn paths<'a>(picture: &'a str, class: &str) -> Vec<&'a str> {
    let head = format!("<path class=\"{class}\" d=\"");
    let parts = picture.split(&head).skip(1);
    parts.map(|part| &part[..part.find('"').expect("the attribute ends")]).collect()
}

#[test]
fn an_svg_has_a_panel_for_each_curve() {
    let (falling, rising) = (Linear::new(1.0, 0.0, 100.0).unwrap(), from_fn(|t| 0.9 + 0.0005 * t));
    let picture = svg(&[("a < b & c", &falling), ("second", &rising), ("third", &falling)], 100);
    assert_eq!(picture.matches("<g ").count(), 3);
    assert_eq!(picture.matches("</g>").count(), 3);
    assert!(picture.contains(">a &lt; b &amp; c</text>") && !picture.contains("a < b"));
    assert!(picture.contains("prefers-color-scheme: dark"));
    for label in [">0.2</text>", ">1.0</text>", ">0.92</text>", ">80</text>", ">100</text>", ">step</text>"] {
        assert!(picture.contains(label), "{label}");
    }
    let curves = paths(&picture, "curve");
    assert_eq!(curves[0], "M0.0 0.0L280.0 158.0", "a straight line has two points");
    assert_eq!((curves.len(), curves[2]), (3, curves[0]));
    assert_eq!(paths(&picture, "area").len(), 2, "an axis that does not begin at zero has no area");
}

/// The corners of the only curve.
fn corners(picture: &str) -> Vec<(f64, f64)> {
    let line = paths(picture, "curve")[0].strip_prefix('M').unwrap();
    let pair = |corner: &str| corner.split_once(' ').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
    line.split('L').map(|corner| pair(corner).unwrap()).collect()
}

#[test]
fn jumps_in_an_svg_are_upright() {
    let corners = corners(&svg(&[("steps", &StepDecay::new(1.0, 50.0, 0.5).unwrap())], 100));
    let expected = [(0.0, 0.0), (280.0, 0.0), (280.0, 129.0), (560.0, 129.0)];
    assert_eq!(corners.len(), expected.len(), "{corners:?}");
    for (corner, expected) in corners.iter().zip(expected) {
        assert!((corner.0 - expected.0).abs() <= 0.6 && (corner.1 - expected.1).abs() <= 0.1, "{corners:?}");
    }
}

#[test]
fn curves_in_an_svg_follow_the_values() {
    let wave = CosineAnnealing::new(1.0, 0.0, 250.0).unwrap();
    let corners = corners(&svg(&[("wave", &wave)], 1000));
    assert!(corners.len() < 200, "{} corners", corners.len());
    for i in 0..=560 {
        let x = f64::from(i);
        let next = corners.iter().position(|corner| corner.0 >= x).unwrap().max(1);
        let ((x0, y0), (x1, y1)) = (corners[next - 1], corners[next]);
        let drawn = y0 + (y1 - y0) * (x - x0) / (x1 - x0);
        let expected = 258.0 * (1.0 - wave.at(1000.0 * x / 560.0));
        assert!((drawn - expected).abs() < 0.35, "at {x}: {drawn}, expected {expected}");
    }
}

#[test]
fn an_svg_of_borders() {
    let nothing = svg(&[], 100);
    assert!(nothing.starts_with("<svg ") && nothing.ends_with("</svg>\n"));
    let gap = from_fn(|t| if (40.0..60.0).contains(&t) { f64::NAN } else { t });
    assert_eq!(paths(&svg(&[("gap", &gap)], 100), "curve").len(), 2);
    for schedule in [&f64::NAN as &dyn Schedule, &f64::INFINITY, &0.0, &-1.0, &1e-300, &1e300, &f64::MAX] {
        for steps in [0, 1, 1 << 40] {
            let picture = svg(&[("border", schedule)], steps);
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{schedule:?}: {picture}");
        }
    }
}
