//! Numbers and text as a reader wants them.

use std::time::Duration;

/// Why writing text to memory cannot fail.
pub(super) const MEMORY: &str = "memory can be written to";

/// The text with what is markup in HTML written as text.
pub(super) fn escape(text: &str) -> String {
    let escaped = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        // What no document may hold.
        c if c.is_control() && !matches!(c, '\n' | '\t') => "\u{fffd}".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Four significant digits.
pub(crate) fn number(x: f64) -> String {
    let text = match x.abs() {
        _ if x.is_nan() => "NaN".to_owned(),
        f64::INFINITY => if x > 0.0 { "∞" } else { "−∞" }.to_owned(),
        0.0 => "0".to_owned(),
        1e-3..1e6 => {
            let decimals = (3 - x.abs().log10().floor() as i32).max(0) as usize;
            trimmed(&format!("{x:.decimals$}")).to_owned()
        }
        _ => {
            let text = format!("{x:.3e}");
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{power}", trimmed(digits))
        }
    };
    text.replace('-', "−")
}

/// Without zeros at the end of decimals.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A value as text; numbers with four digits.
pub(crate) fn value(value: &crate::Value) -> String {
    match value {
        crate::Value::Float(x) => number(*x),
        other => other.to_string().replace('-', "−"),
    }
}

pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}
