//! The ticks of an axis, linear or logarithmic.

/// Round numbers that enclose a range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ticks {
    /// Each with its label; some have none.
    pub(super) marks: Vec<(f64, String)>,
    logarithmic: bool,
}

impl Ticks {
    /// About `count` steps of 1, 2 or 5 times a power of ten from at or below `low` to at or above `high`;
    /// both finite.
    pub(super) fn linear(low: f64, high: f64, count: f64) -> Self {
        Ticks { marks: nn_core::ticks::Ticks::enclosing(low, high, count).labels(), logarithmic: false }
    }

    /// 1, 2 and 5 times powers of ten from at or below `low` to at or above `high`, both above 0; only powers
    /// of ten where there are many.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let all: Vec<(f64, i32, i32)> = exponents
            .flat_map(|exponent| [1, 2, 5].map(|digit| (f64::from(digit) * power(exponent), digit, exponent)))
            .collect();
        let first = all.iter().rposition(|tick| tick.0 <= low * (1.0 + 1e-9)).unwrap_or(0);
        let last = all.iter().position(|tick| tick.0 >= high * (1.0 - 1e-9) && tick.0 > all[first].0);
        let last = last.unwrap_or(all.len() - 1);
        let kept = &all[first..=last];
        let every = (kept.len() as i32 / 3).div_euclid(6) + 1;
        let label = |&(value, digit, exponent): &(f64, i32, i32)| {
            let wanted = kept.len() <= 10 || (digit == 1 && exponent.rem_euclid(every) == 0);
            let plain = (-3..5).contains(&exponent);
            let text = match (wanted, plain) {
                (false, _) => String::new(),
                (true, true) => format!("{value:.*}", (-exponent).max(0) as usize),
                (true, false) => format!("{digit}e{exponent}").replace('-', "−"),
            };
            (value, text)
        };
        Ticks { marks: kept.iter().map(label).collect(), logarithmic: true }
    }

    /// Where a number lies: 0 at the first tick, 1 at the last.
    pub(super) fn position(&self, x: f64) -> f64 {
        let (low, high) = self.range();
        if self.logarithmic {
            (x.max(f64::MIN_POSITIVE).ln() - low.ln()) / (high.ln() - low.ln())
        } else {
            (x - low) / (high - low)
        }
    }

    /// The first and the last tick.
    pub(super) fn range(&self) -> (f64, f64) {
        (self.marks[0].0, self.marks[self.marks.len() - 1].0)
    }
}

/// 10ⁿ, to the last bit where it can be.
fn power(exponent: i32) -> f64 {
    10f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::Ticks;

    fn labels(ticks: &Ticks) -> Vec<&str> {
        ticks.marks.iter().map(|mark| mark.1.as_str()).filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn places_lie_between_the_first_and_the_last_tick() {
        let ticks = Ticks::linear(0.4, 9.1, 5.0);
        assert_eq!(labels(&ticks), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!([0.0, 2.5, 10.0].map(|x| ticks.position(x)), [0.0, 0.25, 1.0]);
    }

    #[test]
    fn logarithmic_ticks_enclose() {
        let table: [(f64, f64, &[&str]); 6] = [
            (0.1, 1.0, &["0.1", "0.2", "0.5", "1"]),
            (0.03, 7.0, &["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"]),
            (1.0, 1.0, &["1", "2"]),
            (3e-7, 2e-6, &["2e−7", "5e−7", "1e−6", "2e−6"]),
            (1e-300, 1e300, &["1e−202", "1e−101", "1", "1e101", "1e202"]),
            (20.0, 40_000.0, &["100", "1000", "10000"]),
        ];
        for (low, high, expected) in table {
            let ticks = Ticks::logarithmic(low, high);
            let labels = labels(&ticks);
            if low > 1e-200 {
                assert_eq!(labels, expected, "{low} to {high}");
            }
            assert!(labels.len() <= 10, "{labels:?}");
            assert!(ticks.position(low) >= -1e-9 && ticks.position(high) <= 1.0 + 1e-9, "{low} to {high}");
        }
        assert!((Ticks::logarithmic(0.1, 10.0).position(1.0) - 0.5).abs() < 1e-12);
    }
}
