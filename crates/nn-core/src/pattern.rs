//! Patterns of parameter names.

use std::error::Error;
use std::fmt;

use crate::{ParamLayout, ParamSpec};

impl ParamSpec {
    /// Whether the whole name matches a pattern, in which `*` stands for any run of characters, dots included and
    /// possibly none, `?` for any one character, and all else for itself.
    pub fn matches(&self, pattern: &str) -> bool {
        matches(pattern, &self.name)
    }
}

/// A pattern that no trained parameter matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmatchedPattern {
    /// What it is the pattern of, such as `parameter group`.
    pub of: &'static str,
    /// The pattern.
    pub pattern: String,
    /// The names of the trained parameters.
    pub names: Vec<String>,
}

impl UnmatchedPattern {
    /// The error that none of the trained parameters of `layout` matches `pattern`.
    pub fn new(of: &'static str, pattern: &str, layout: &ParamLayout) -> Self {
        let trained = layout.params().iter().filter(|spec| spec.role.is_trained());
        let names = trained.map(|spec| spec.name.clone()).collect();
        UnmatchedPattern { of, pattern: pattern.to_owned(), names }
    }
}

impl fmt::Display for UnmatchedPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnmatchedPattern { of, pattern, names } = self;
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        write!(f, "{of} `{pattern}` matches no trained parameter; there are {names}")
    }
}

impl Error for UnmatchedPattern {}

/// Whether all of `name` matches `pattern`. On a mismatch the last `*` takes one character more.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                (p, n) = (after, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::{UnmatchedPattern, matches};
    use crate::{ParamLayout, Role};

    #[test]
    fn an_unmatched_pattern_names_the_trained_parameters() {
        let mut layout = ParamLayout::new();
        let message = |layout: &ParamLayout| UnmatchedPattern::new("penalty", "w.*", layout).to_string();
        assert_eq!(message(&layout), "penalty `w.*` matches no trained parameter; there are none");
        for (name, role) in [("a", Role::Weight), ("m", Role::RunningStatistic), ("b", Role::Bias)] {
            layout.add(name, &[2], role).unwrap();
        }
        assert_eq!(message(&layout), "penalty `w.*` matches no trained parameter; there are a, b");
    }

    #[test]
    fn patterns_match_whole_names() {
        let cases = [
            ("*.bias", "0.bias", true),
            ("*.bias", "a.b.bias", true),
            ("*.bias", "bias", false),
            ("*bias", "bias", true),
            ("*.bias", "0.bias.x", false),
            ("0.weight", "0.weight", true),
            ("0.weight", "10.weight", false),
            ("0.*", "0.", true),
            ("?.weight", "7.weight", true),
            ("?.weight", "77.weight", false),
            ("*a*b*", "xaxxbab", true),
            ("*a*b", "axbxa", false),
            ("*ab", "aab", true),
            ("**", "", true),
            ("", "", true),
            ("", "w", false),
            ("?", "", false),
            ("*.γ", "0.γ", true),
            ("0?weight", "0.weight", true),
            ("0.weigh[t]", "0.weight", false),
            ("*.weight", "0.weights", false),
            ("a?c", "aßc", true),
            ("a??c", "aßc", false),
            ("*a*b", "xaybzb", true),
            ("*a*b", "xaybzbc", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
