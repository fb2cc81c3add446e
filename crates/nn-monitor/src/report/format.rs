//! Numbers and text as a reader wants them.

use std::time::Duration;

/// Why writing text to memory cannot fail.
pub(super) const MEMORY: &str = "memory can be written to";

/// The text with what is markup in HTML written as text.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What no document may hold.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Four significant digits.
pub(super) fn number(x: f64) -> String {
    let text = if x == 0.0 {
        "0".to_owned()
    } else if !x.is_finite() {
        if x.is_nan() {
            "NaN".to_owned()
        } else if x > 0.0 {
            "∞".to_owned()
        } else {
            "−∞".to_owned()
        }
    } else if (1e-3..1e6).contains(&x.abs()) {
        let decimals = (3 - x.abs().log10().floor() as i32).max(0) as usize;
        trimmed(&format!("{x:.decimals$}"))
    } else {
        let text = format!("{x:.3e}");
        text.split_once('e').map_or(text.clone(), |(digits, power)| format!("{}e{power}", trimmed(digits)))
    };
    text.replace('-', "−")
}

/// Without zeros at the end of decimals.
fn trimmed(digits: &str) -> String {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        digits.to_owned()
    }
}

/// A count, its digits in groups of three.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A large count to three digits: `1.23 M`.
pub(super) fn large(n: u64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.iter().find(|unit| n as f64 >= unit.0) {
        Some((scale, unit)) => format!("{}\u{202f}{unit}", three(n as f64 / scale)),
        None => n.to_string(),
    }
}

/// Bytes in units of 1,000.
pub(super) fn bytes(n: u64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.iter().find(|unit| n as f64 >= unit.0) {
        Some((scale, unit)) => format!("{}\u{202f}{unit}", three(n as f64 / scale)),
        None => format!("{n}\u{202f}B"),
    }
}

/// Three significant digits of a number from 1 to 1,000.
fn three(x: f64) -> String {
    let decimals = if x < 9.995 { 2 } else { usize::from(x < 99.95) };
    format!("{x:.decimals$}")
}

pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    format!("{}\u{202f}%", if percent < 10.0 { format!("{percent:.2}") } else { format!("{percent:.1}") })
}

pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}\u{202f}ms", three(time.as_secs_f64() * 1e3)),
        1..60 => format!("{}\u{202f}s", three(time.as_secs_f64())),
        60..3600 => format!("{}\u{202f}min {:02}\u{202f}s", seconds / 60, seconds % 60),
        _ => format!("{}\u{202f}h {:02}\u{202f}min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `learning_rate` as `learning rate`, with a capital at the beginning.
pub(super) fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut chars = words.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, duration, escape, large, number, percent, title};
    use std::time::Duration;

    #[test]
    fn numbers_have_four_digits() {
        let table = [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (0.123_456, "0.1235"),
            (-12.3456, "−12.35"),
            (123_456.7, "123457"),
            (1e6, "1e6"),
            (1.234_56e-5, "1.235e−5"),
            (-2e-300, "−2e−300"),
            (0.999_99, "1"),
            (100.0, "100"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "−∞"),
        ];
        for (x, text) in table {
            assert_eq!(number(x), text, "{x}");
        }
    }

    #[test]
    fn counts_and_sizes() {
        let spaced = |text: String| text.replace('\u{202f}', " ");
        let counts = [0, 999, 1000, 1_234_567].map(|n| spaced(count(n)));
        assert_eq!(counts, ["0", "999", "1 000", "1 234 567"]);
        assert_eq!([7, 1500, 99_999_999].map(|n| spaced(large(n))), ["7", "1.50 k", "100 M"]);
        assert_eq!([7, 123_456_789].map(|n| spaced(bytes(n))), ["7 B", "123 MB"]);
        assert_eq!([0.0123, 0.5].map(|x| spaced(percent(x))), ["1.23 %", "50.0 %"]);
        let times = [0.012, 3.456, 125.0, 7384.0].map(|s| spaced(duration(Duration::from_secs_f64(s))));
        assert_eq!(times, ["12.0 ms", "3.46 s", "2 min 05 s", "2 h 03 min"]);
    }

    #[test]
    fn text_is_not_markup() {
        assert_eq!(escape("<a b=\"c\">&'\u{0}"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\u{fffd}");
        assert_eq!([title("learning_rate"), title("öl"), title("")], ["Learning rate", "Öl", ""]);
    }
}
