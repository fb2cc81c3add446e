//! JSON as Python writes it: with `NaN`, `Infinity` and `-Infinity`, and numbers exactly as they are written.

use std::fmt::{self, Write};

/// How deep lists and maps may be nested.
const DEPTH: usize = 128;

/// A value of JSON as Python writes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it is written: `1`, `1e-05`, `NaN`.
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// In the order in which it is written.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Reads a text that is nothing else.
    pub(super) fn parse(text: &str) -> Result<Json, String> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(DEPTH)?;
        parser.space();
        match parser.peek() {
            None => Ok(value),
            Some(_) => Err(parser.wrong("the end of the line")),
        }
    }

    pub(super) fn float(x: f64) -> Json {
        Json::Number(match x {
            x if x.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            // The shortest digits that are read as the same number.
            x => format!("{x:?}"),
        })
    }

    pub(super) fn int(x: impl fmt::Display) -> Json {
        Json::Number(x.to_string())
    }

    pub(super) fn text(x: impl Into<String>) -> Json {
        Json::Text(x.into())
    }

    pub(super) fn map<K: Into<String>>(fields: impl IntoIterator<Item = (K, Json)>) -> Json {
        Json::Map(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            // Rust reads `NaN` and `Infinity` too.
            Json::Number(token) => token.parse().ok(),
            _ => None,
        }
    }

    /// A whole number, also one that is written as `3.0`.
    pub(super) fn as_i64(&self) -> Option<i64> {
        let Json::Number(token) = self else { return None };
        let whole = |x: &f64| x.fract() == 0.0 && x.abs() < 2_f64.powi(63);
        token.parse().ok().or_else(|| token.parse().ok().filter(whole).map(|x| x as i64))
    }

    /// As other libraries know it. What is no number of theirs is the text `NaN`, `Infinity` or `-Infinity`.
    pub(super) fn to_serde(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Json::Null => Value::Null,
            Json::Bool(x) => Value::Bool(*x),
            Json::Number(token) => {
                serde_json::from_str(token).unwrap_or_else(|_| Value::String(token.clone()))
            }
            Json::Text(text) => Value::String(text.clone()),
            Json::List(list) => list.iter().map(Json::to_serde).collect(),
            Json::Map(map) => map.iter().map(|(key, value)| (key.clone(), value.to_serde())).collect(),
        }
    }

    pub(super) fn from_serde(value: &serde_json::Value) -> Json {
        use serde_json::Value;
        match value {
            Value::Null => Json::Null,
            Value::Bool(x) => Json::Bool(*x),
            Value::Number(number) => Json::Number(number.to_string()),
            Value::String(text) => Json::Text(text.clone()),
            Value::Array(list) => Json::List(list.iter().map(Json::from_serde).collect()),
            Value::Object(map) => Json::map(map.iter().map(|(key, value)| (key, Json::from_serde(value)))),
        }
    }
}

/// Compact, on one line.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(x) => write!(f, "{x}"),
            Json::Number(token) => f.write_str(token),
            Json::Text(text) => quote(f, text),
            Json::List(list) => {
                f.write_char('[')?;
                for (i, value) in list.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Json::Map(map) => {
                f.write_char('{')?;
                for (i, (key, value)) in map.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    quote(f, key)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c if c < ' ' => write!(f, "\\u{:04x}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn wrong(&self, expected: &str) -> String {
        let got = match self.rest().chars().next() {
            Some(c) => format!("`{c}`"),
            None => "the end".to_owned(),
        };
        format!("no JSON: expected {expected} at byte {}, got {got}", self.at + 1)
    }

    fn take(&mut self, byte: u8, expected: &str) -> Result<(), String> {
        self.space();
        if self.peek() != Some(byte) {
            return Err(self.wrong(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        self.space();
        if depth == 0 {
            return Err(self.wrong("lists and maps that are less deep"));
        }
        let words = [
            ("null", Json::Null),
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("NaN", Json::float(f64::NAN)),
            ("Infinity", Json::float(f64::INFINITY)),
            ("-Infinity", Json::float(f64::NEG_INFINITY)),
        ];
        match self.peek() {
            Some(b'"') => self.text().map(Json::Text),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.map(depth),
            Some(b'n' | b't' | b'f' | b'N' | b'I' | b'-' | b'0'..=b'9') => {
                for (word, value) in words {
                    if self.rest().starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.number()
            }
            _ => Err(self.wrong("a value")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        self.take(b'[', "`[`")?;
        let mut list = vec![];
        self.space();
        if self.peek() != Some(b']') {
            loop {
                list.push(self.value(depth - 1)?);
                self.space();
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.take(b']', "`,` or `]`")?;
        Ok(Json::List(list))
    }

    fn map(&mut self, depth: usize) -> Result<Json, String> {
        self.take(b'{', "`{`")?;
        let mut map = vec![];
        self.space();
        if self.peek() != Some(b'}') {
            loop {
                self.space();
                let key = self.text()?;
                self.take(b':', "`:`")?;
                map.push((key, self.value(depth - 1)?));
                self.space();
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.take(b'}', "`,` or `}`")?;
        Ok(Json::Map(map))
    }

    fn digits(&mut self) -> Result<(), String> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { Err(self.wrong("a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Json, String> {
        let from = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Json::Number(self.text[from..self.at].to_owned()))
    }

    fn text(&mut self) -> Result<String, String> {
        self.take(b'"', "`\"`")?;
        let mut text = String::new();
        loop {
            let plain = self.rest().find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f'));
            let Some(plain) = plain else {
                self.at = self.text.len();
                return Err(self.wrong("the end of a text"));
            };
            text.push_str(&self.rest()[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.wrong("no control character in a text")),
            }
        }
    }

    /// What stands after a `\`. Half of a pair of surrogates, which Python allows, is U+FFFD.
    fn escape(&mut self) -> Result<char, String> {
        self.at += 1;
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hexadecimal()?;
                let low = self.rest().starts_with("\\u").then(|| {
                    let mut ahead = Parser { text: self.text, at: self.at + 1 };
                    (ahead.hexadecimal(), ahead.at)
                });
                return Ok(match (high, low) {
                    (0xd800..0xdc00, Some((Ok(low @ 0xdc00..0xe000), end))) => {
                        self.at = end;
                        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                    }
                    _ => char::from_u32(high),
                }
                .unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return Err(self.wrong("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    /// Four digits after a `u`.
    fn hexadecimal(&mut self) -> Result<u32, String> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bare_tokens_are_numbers_and_texts_stay() {
        let line =
            r#"{"a":[NaN,-Infinity,Infinity,-1,1e-05],"b":"NaN, \"Infinity\" \u00e4\ud83d\ude00\ud800x"}"#;
        let Json::Map(map) = Json::parse(line).unwrap() else { panic!("no map") };
        let Json::List(list) = &map[0].1 else { panic!("no list") };
        let numbers: Vec<u64> = list.iter().map(|x| x.as_f64().unwrap().to_bits()).collect();
        let expected = [f64::NAN, f64::NEG_INFINITY, f64::INFINITY, -1.0, 1e-5].map(f64::to_bits);
        assert_eq!(numbers, expected);
        assert_eq!(map[1].1, Json::text("NaN, \"Infinity\" ä😀\u{fffd}x"));
    }

    #[test]
    fn what_is_no_json_says_where() {
        let deep = "[".repeat(100_000);
        let cases = [
            ("", "expected a value at byte 1, got the end"),
            ("{\"a\":1", "expected `,` or `}` at byte 7, got the end"),
            ("{\"a\":1}}", "expected the end of the line at byte 8, got `}`"),
            ("{\"a\":1.}", "expected a digit at byte 8, got `}`"),
            ("[01]", "expected `,` or `]` at byte 3, got `1`"),
            ("\"ä", "expected the end of a text at byte 4, got the end"),
            ("\"\\x\"", "expected an escape at byte 3, got `x`"),
            ("\"\\u12é4\"", "expected four hexadecimal digits"),
            ("NaNa", "expected the end of the line"),
            ("nul", "expected a digit at byte 1, got `n`"),
            (&deep, "less deep"),
        ];
        for (text, expected) in cases {
            let error = Json::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}: expected {expected}");
        }
    }

    #[test]
    fn whole_numbers_are_exact() {
        assert_eq!(Json::parse("9007199254740993").unwrap().as_i64(), Some(9_007_199_254_740_993));
        assert_eq!(Json::parse("3.0").unwrap().as_i64(), Some(3));
        assert_eq!(Json::parse("3.5").unwrap().as_i64(), None);
        assert_eq!(Json::parse("1e300").unwrap().as_i64(), None);
        let big = Json::parse("18446744073709551615").unwrap();
        assert_eq!(big.to_serde(), serde_json::json!(u64::MAX));
        assert_eq!(Json::from_serde(&big.to_serde()), big);
    }

    proptest! {
        #[test]
        fn numbers_and_texts_round_trip(bits: u64, text: String, key: String) {
            let x = f64::from_bits(bits);
            let value = Json::map([(key, Json::List(vec![Json::float(x), Json::text(text)]))]);
            let line = value.to_string();
            prop_assert!(!line.contains('\n'));
            let read = Json::parse(&line).unwrap();
            prop_assert_eq!(&read, &value);
            let Json::Map(map) = read else { panic!("no map") };
            let Json::List(list) = &map[0].1 else { panic!("no list") };
            let y = list[0].as_f64().unwrap();
            prop_assert!(y.to_bits() == bits || y.is_nan() && x.is_nan());
        }

        #[test]
        fn whatever_stands_there_is_read_or_refused(text: String) {
            let _ = Json::parse(&text);
        }
    }
}
