//! Text forms of strings, numbers and bytes: JSON and Base64.

use std::fmt::Write;

/// A JSON string.
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("memory can be written to"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A JSON number that reads back as the same bits; `null` for what is not finite, which JSON cannot say.
pub(crate) fn json_number(x: f64) -> String {
    if x.is_finite() { format!("{x:?}") } else { "null".to_owned() }
}

/// A JSON array.
pub(crate) fn json_array<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(one).collect::<Vec<_>>().join(","))
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{base64, json_number, json_string};

    #[test]
    fn base64_of_rfc_4648() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in table {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn json_reads_back() {
        let text = "a,\"b\"\\\n\r\t\u{1}\u{7f}<é>\u{2028}😀";
        assert_eq!(serde_json::from_str::<String>(&json_string(text)).unwrap(), text);
        for x in [0.0, -0.0, 0.1, 1e300, -5e-324, 1e16, f64::MAX, 123_456_789.0] {
            assert_eq!(serde_json::from_str::<f64>(&json_number(x)).unwrap().to_bits(), x.to_bits());
        }
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(json_number), ["null"; 3]);
    }
}
