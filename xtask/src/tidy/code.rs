//! Rust source without what is not code.

/// The source with the contents of comments, strings and character literals replaced by spaces, line by line.
pub(super) fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = skipped(&chars, i);
        match end {
            Some(end) => {
                out.extend(chars[i..end].iter().map(|&c| if c == '\n' { c } else { ' ' }));
                i = end;
            }
            None => {
                out.push(chars[i]);
                i += 1;
            }
        }
    }
    out
}

/// The end of the comment or literal that begins at `i`, if one does.
fn skipped(chars: &[char], i: usize) -> Option<usize> {
    let rest = &chars[i..];
    let after_word = i > 0 && is_word(chars[i - 1]);
    let length = match rest {
        ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => string(rest),
        ['r', '"' | '#', ..] if !after_word => raw_string(rest, 1)?,
        ['b' | 'c', 'r', '"' | '#', ..] if !after_word => raw_string(rest, 2)?,
        ['\'', '\\', _, ..] => 3 + rest[3..].iter().position(|&c| c == '\'')? + 1,
        ['\'', _, '\'', ..] => 3,
        _ => return None,
    };
    Some(i + length)
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < rest.len() {
        match rest[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn string(rest: &[char]) -> usize {
    let mut i = 1;
    while i < rest.len() && rest[i] != '"' {
        i += if rest[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(rest.len())
}

/// A raw string whose hashes or quotation mark stand at `start`; `None` for a raw identifier.
fn raw_string(rest: &[char], start: usize) -> Option<usize> {
    let hashes = rest[start..].iter().take_while(|&&c| c == '#').count();
    let open = start + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |i: usize| rest[i] == '"' && rest[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
    let close = (open + 1..rest.len()).find(|&i| closes(i));
    Some(close.map_or(rest.len(), |i| i + 1 + hashes))
}

/// Whether the character may stand in an identifier.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the identifier stands in the code.
pub(super) fn contains_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_word);
        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

/// The number of the line, from 1, in which this byte lies.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::{code, contains_word, line_of};

    #[test]
    fn keeps_code_and_nothing_else() {
        let table = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("b\"c", d)"#, "f(      , d)"),
            (r##"f(r#"b"c"#, d)"##, "f(        , d)"),
            ("f(br\"b\\\", c)", "f(      , c)"),
            ("r#type + r", "r#type + r"),
            ("x<'a>('b', '\\'', '\\u{1}')", "x<'a>(   ,     ,        )"),
            ("\"open", "     "),
            ("'a: loop { '\"' }", "'a: loop {     }"),
        ];
        for (source, expected) in table {
            assert_eq!(code(source), expected, "{source}");
        }
    }

    #[test]
    fn words_are_whole() {
        assert!(contains_word("Sum::new()", "Sum"));
        assert!(!contains_word("CumSum LogSum_ Sums", "Sum"));
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
