//! The ticks of an axis.

/// Round numbers at equal distances that enclose a range: `first`·unit to `last`·unit in steps of `step`·unit, where
/// unit = 10^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    first: i64,
    last: i64,
    step: i64,
    exponent: i32,
}

impl Ticks {
    /// About `count` steps of 1, 2 or 5 units from at or below `low` to at or above `high`; both are finite, and a
    /// range without width is widened.
    pub fn enclosing(low: f64, high: f64, count: f64) -> Self {
        let (low, high) = if is_flat(low, high) { widened(low) } else { (low, high) };
        let rough = (high - low) / count;
        let exponent = rough.log10().floor() as i32;
        let unit = 10f64.powi(exponent);
        let step = match rough / unit {
            r if r <= 1.5 => 1,
            r if r <= 3.5 => 2,
            r if r <= 7.5 => 5,
            _ => 10,
        };
        let tick = |value: f64| value / (unit * step as f64);
        // A bound that is a round number but for its rounding is a tick itself.
        let first = (tick(low) + 1e-9).floor() as i64 * step;
        let last = (tick(high) - 1e-9).ceil() as i64 * step;
        Ticks { first, last, step, exponent }
    }

    /// The number that belongs to so many units.
    fn value(&self, units: i64) -> f64 {
        if self.exponent < 0 {
            units as f64 / 10f64.powi(-self.exponent)
        } else {
            units as f64 * 10f64.powi(self.exponent)
        }
    }

    /// The lowest and the highest tick.
    pub fn range(&self) -> (f64, f64) {
        (self.value(self.first), self.value(self.last))
    }

    /// Each tick with its label.
    pub fn labels(&self) -> Vec<(f64, String)> {
        let largest = self.value(self.first.abs().max(self.last.abs()));
        let plain = (1e-3..1e6).contains(&largest);
        let decimals = if self.step == 10 { -1 - self.exponent } else { -self.exponent }.max(0) as usize;
        let ticks = (self.first..=self.last).step_by(self.step as usize);
        ticks
            .map(|units| {
                let value = self.value(units);
                let label = match value {
                    0.0 => "0".to_owned(),
                    _ if plain => format!("{value:.decimals$}"),
                    _ => scientific(units, self.exponent),
                };
                (value, label.replace('-', "−"))
            })
            .collect()
    }
}

/// Whether the bounds differ by no more than roundings do.
pub fn is_flat(low: f64, high: f64) -> bool {
    high - low <= 1e-9 * low.abs().max(high.abs()) + 1e-300
}

/// units·10^exponent, as `1.5e−5`.
fn scientific(units: i64, exponent: i32) -> String {
    let digits = format!("{units:e}");
    match digits.split_once('e').map(|(mantissa, power)| (mantissa, power.parse::<i32>())) {
        Some((mantissa, Ok(power))) => format!("{mantissa}e{}", power + exponent),
        _ => digits,
    }
}

/// A range around a single value.
fn widened(value: f64) -> (f64, f64) {
    let margin = if value.abs() <= 1e-290 { 1.0 } else { 0.5 * value.abs() };
    (value - margin, value + margin)
}

#[cfg(test)]
mod tests {
    use super::Ticks;

    #[test]
    fn ticks_are_round_and_enclose() {
        let table: [(f64, f64, &[&str]); 13] = [
            (0.0, 0.1, &["0", "0.02", "0.04", "0.06", "0.08", "0.10"]),
            (0.85, 0.95, &["0.84", "0.86", "0.88", "0.90", "0.92", "0.94", "0.96"]),
            (0.0, 1000.0, &["0", "200", "400", "600", "800", "1000"]),
            (0.0, 3e-5, &["0", "5e−6", "1e−5", "1.5e−5", "2e−5", "2.5e−5", "3e−5"]),
            (-1.0, 1.0, &["−1.0", "−0.5", "0", "0.5", "1.0"]),
            (0.5, 0.5, &["0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]),
            (0.0, 0.0, &["−1.0", "−0.5", "0", "0.5", "1.0"]),
            (0.0, 4.9, &["0", "1", "2", "3", "4", "5"]),
            (0.0, 5e6, &["0", "1e6", "2e6", "3e6", "4e6", "5e6"]),
            (0.0, 1e300, &["0", "2e299", "4e299", "6e299", "8e299", "1e300"]),
            (9e5, 1.1e6, &["9e5", "9.5e5", "1e6", "1.05e6", "1.1e6"]),
            (0.0, 1e-310, &["−1.0", "−0.5", "0", "0.5", "1.0"]),
            (0.1, 0.1 + 1e-16, &["0.04", "0.06", "0.08", "0.10", "0.12", "0.14", "0.16"]),
        ];
        for (low, high, expected) in table {
            let ticks = Ticks::enclosing(low, high, 5.0);
            let labels: Vec<String> = ticks.labels().into_iter().map(|(_, label)| label).collect();
            assert_eq!(labels, expected, "{low} to {high}");
            let (first, last) = ticks.range();
            assert!(first <= low && last >= high, "{low} to {high}");
        }
    }
}
