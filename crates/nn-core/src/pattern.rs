//! Patterns of parameter names.

use crate::ParamSpec;

impl ParamSpec {
    /// Whether the whole name matches a pattern, in which `*` stands for any run of characters, dots included and
    /// possibly none, `?` for any one character, and all else for itself.
    pub fn matches(&self, pattern: &str) -> bool {
        matches(pattern, &self.name)
    }
}

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
    use super::matches;

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
