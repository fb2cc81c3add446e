//! Text forms of strings, numbers and bytes: JSON and Base64.

use std::fmt::{self, Display, Formatter, Write};

/// A JSON string.
pub(crate) struct JsonString<'a>(pub(crate) &'a str);

impl Display for JsonString<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        // What needs no escape is written in one piece.
        let mut rest = self.0;
        while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            f.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'"' => f.write_str("\\\"")?,
                b'\\' => f.write_str("\\\\")?,
                b'\n' => f.write_str("\\n")?,
                byte => write!(f, "\\u{byte:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        f.write_str(rest)?;
        f.write_char('"')
    }
}

/// A JSON number that reads back as the same bits; `null` for what is not finite, which JSON cannot say.
pub(crate) struct JsonNumber(pub(crate) f64);

impl Display for JsonNumber {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() { write!(f, "{:?}", self.0) } else { f.write_str("null") }
    }
}

/// A JSON array.
pub(crate) fn json_array<'a, T, D: Display>(items: &'a [T], one: impl Fn(&'a T) -> D) -> String {
    let mut out = "[".to_owned();
    for (i, item) in items.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        write!(out, "{comma}{}", one(item)).expect("memory can be written to");
    }
    out + "]"
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
    use super::{JsonNumber, JsonString, base64};

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
        assert_eq!(serde_json::from_str::<String>(&JsonString(text).to_string()).unwrap(), text);
        for x in [0.0, -0.0, 0.1, 1e300, -5e-324, 1e16, f64::MAX, 123_456_789.0] {
            assert_eq!(
                serde_json::from_str::<f64>(&JsonNumber(x).to_string()).unwrap().to_bits(),
                x.to_bits()
            );
        }
        assert_eq!(
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|x| JsonNumber(x).to_string()),
            ["null"; 3]
        );
    }
}
