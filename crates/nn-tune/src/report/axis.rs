//! Where things stand on an axis.

use nn_core::ticks::Ticks;

use super::format::{number, value};
use crate::{Domain, Scale};

/// An axis from 0 to 1 with its marks.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    /// On the scale.
    low: f64,
    high: f64,
    pub(super) marks: Vec<(f64, String)>,
}

/// Values whose extremes have this ratio stand on a logarithmic axis.
const WIDE: f64 = 50.0;

impl Axis {
    /// For values between these.
    pub(super) fn of_range(low: f64, high: f64) -> Self {
        if low > 0.0 && high / low > WIDE {
            let (low, high) = (low.ln(), high.ln());
            let margin = 0.04 * (high - low);
            return Axis::logarithmic(low - margin, high + margin);
        }
        let ticks = Ticks::enclosing(low, high, 5.0);
        let (low, high) = ticks.range();
        let place = |(x, label): (f64, String)| ((x - low) / (high - low), label);
        Axis { scale: Scale::Linear, low, high, marks: ticks.labels().into_iter().map(place).collect() }
    }

    /// For counts from 0.
    pub(super) fn of_counts(last: u64) -> Self {
        let mut axis = Axis::of_range(0.0, last.max(1) as f64);
        axis.high = last.max(1) as f64;
        let ticks = Ticks::enclosing(0.0, axis.high, 5.0).labels().into_iter();
        let whole = ticks.filter(|(x, _)| x.fract() == 0.0 && *x <= axis.high);
        axis.marks = whole.map(|(x, _)| (x / axis.high, number(x))).collect();
        axis
    }

    /// With these marks.
    pub(super) fn of_marks(marks: Vec<(f64, String)>) -> Self {
        Axis { scale: Scale::Linear, low: 0.0, high: 1.0, marks }
    }

    /// From e^`low` to e^`high`.
    fn logarithmic(low: f64, high: f64) -> Self {
        let marks = marks_by_decade(low, high, |x| x);
        Axis { scale: Scale::Log, low, high, marks }
    }

    /// For the values of a hyperparameter, on its scale; they stand where `Domain::to_unit` says.
    pub(super) fn of_domain(domain: &Domain) -> Self {
        let (scale, low, high) = match *domain {
            Domain::Float { low, high, scale, step: None } => (scale, low, high),
            Domain::Int { low, high, scale: scale @ Scale::Log, step } => {
                (scale, low as f64 - 0.5 * step as f64, high as f64 + 0.5 * step as f64)
            }
            _ => return Axis::of_marks(marks_of_values(domain)),
        };
        let (from, to) = (scale.forward(low), scale.forward(high));
        let marks = match scale {
            Scale::Linear => {
                let labels = Ticks::enclosing(low, high, 4.0).labels().into_iter();
                labels.map(|(x, label)| ((x - low) / (high - low), label)).collect()
            }
            Scale::Log => marks_by_decade(from, to, |x| x),
            // The larger the place, the nearer 1.
            Scale::OneMinusLog => {
                let marks = marks_by_decade(-to, -from, |x| 1.0 - x).into_iter();
                marks.map(|(place, label)| (1.0 - place, label)).collect()
            }
        };
        let marks: Vec<(f64, String)> = marks;
        let inside = |(place, _): &(f64, String)| (-1e-9..=1.0 + 1e-9).contains(place);
        Axis::of_marks(marks.into_iter().filter(inside).collect())
    }

    /// Where a value stands; one that has no place, at the end.
    pub(super) fn place(&self, x: f64) -> f64 {
        let x = if self.scale == Scale::Log { x.max(f64::MIN_POSITIVE) } else { x };
        ((self.scale.forward(x) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Marks at 1, 2 and 5 times powers of ten, or powers of ten alone, between e^`low` and e^`high`; `shown` of each is
/// written.
fn marks_by_decade(low: f64, high: f64, shown: impl Fn(f64) -> f64) -> Vec<(f64, String)> {
    let decades = (high - low) / std::f64::consts::LN_10;
    let digits: &[f64] = match decades {
        d if d < 1.3 => &[1.0, 2.0, 5.0],
        d if d < 2.2 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let every = (decades / 5.0).ceil().max(1.0) as usize;
    let first = (low / std::f64::consts::LN_10).floor() as i32;
    let last = (high / std::f64::consts::LN_10).ceil() as i32;
    let place = |x: f64| (x.ln() - low) / (high - low);
    let mut marks = Vec::new();
    for exponent in (first..=last).step_by(every) {
        // To the last bit where it can be.
        let power = format!("1e{exponent}").parse().unwrap_or(f64::NAN);
        let decade = digits.iter().map(|digit| digit * power).filter(|x: &f64| x.is_finite() && *x > 0.0);
        marks.extend(decade.map(|x| (place(x), number(shown(x)))));
    }
    marks.retain(|(place, _)| (-1e-9..=1.0 + 1e-9).contains(place));
    marks
}

/// Marks at the values of a domain that has several, or at some of them.
fn marks_of_values(domain: &Domain) -> Vec<(f64, String)> {
    let count = domain.cardinality().unwrap_or(0);
    let every = count.div_ceil(7).max(1) as usize;
    let mark = |i: u64| {
        let text: String = value(&domain.nth(i));
        let text =
            if text.chars().count() > 12 { text.chars().take(11).chain(['…']).collect() } else { text };
        ((i as f64 + 0.5) / count as f64, text)
    };
    (0..count).step_by(every).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::Axis;
    use crate::Space;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn marks_stand_where_values_do() {
        let space = Space::new()
            .uniform("u", 0.0, 0.5)
            .unwrap()
            .log_uniform("l", 1e-4, 1.0)
            .unwrap()
            .one_minus_log_uniform("m", 0.9, 0.999)
            .unwrap()
            .log_integer("i", 16, 256)
            .unwrap()
            .powers_of_two("p", 16, 256)
            .unwrap()
            .choice("c", ["a", "a very long choice"])
            .unwrap();
        let expected: [&[&str]; 6] = [
            &["0", "0.1", "0.2", "0.3", "0.4", "0.5"],
            &["1e−4", "0.001", "0.01", "0.1", "1"],
            &["0.9", "0.97", "0.99", "0.997", "0.999"],
            &["20", "50", "100", "200"],
            &["16", "32", "64", "128", "256"],
            &["a", "a very long…"],
        ];
        for (parameter, expected) in space.parameters().iter().zip(expected) {
            let axis = Axis::of_domain(&parameter.domain);
            let mut seen = labels(&axis);
            seen.sort_by_key(|label| expected.iter().position(|x| x == label));
            assert_eq!(seen.len(), expected.len(), "{}: {seen:?}", parameter.name);
            for (place, label) in &axis.marks {
                let Ok(x) = label.replace('−', "-").parse::<f64>() else { continue };
                let value = if x.fract() == 0.0 && parameter.name != "u" && parameter.name != "l" {
                    (x as i64).into()
                } else {
                    x.into()
                };
                let unit = parameter.domain.to_unit(&value).unwrap();
                assert!((unit - place).abs() < 2e-3, "{}: {label} at {place}, not {unit}", parameter.name);
            }
        }
    }

    #[test]
    fn ranges_are_linear_or_logarithmic() {
        let linear = Axis::of_range(0.0, 1.0);
        assert_eq!((linear.place(0.25), labels(&linear).len()), (0.25, 6));
        let wide = Axis::of_range(1e-3, 1.0);
        assert_eq!(labels(&wide), ["0.001", "0.01", "0.1", "1"]);
        assert!((wide.place(0.031_622_776_6) - 0.5).abs() < 1e-6);
        assert_eq!(wide.place(-5.0), 0.0);
        assert_eq!(labels(&Axis::of_counts(3)), ["0", "1", "2", "3"]);
        assert_eq!(labels(&Axis::of_counts(0)), ["0", "1"]);
    }
}
