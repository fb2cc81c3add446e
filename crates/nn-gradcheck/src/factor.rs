//! The constants by which gradients are wrong, in words.

use std::fmt;

/// Whether the ratio of the gradients is the constant, but for the noise of the differences.
fn is(factor: f64, constant: f64) -> bool {
    (factor - constant).abs() <= 1e-5 * constant.abs()
}

/// The constants that stand out without a number of samples, with their usual causes.
const CONSTANTS: [(f64, &str); 4] = [
    (2.0, "a 2 too many, or the gradient added up twice?"),
    (0.5, "the 2 of the derivative of a square forgotten, or halved twice?"),
    (4.0, "4/m where 1/m belongs?"),
    (0.25, "1/m where 4/m belongs?"),
];

/// The causes of a factor made of m samples.
fn of_samples(factor: f64, samples: usize) -> Option<String> {
    let m = samples as f64;
    let table = [
        (m, "the division by m is missing"),
        (1.0 / m, "divided by m twice, or a mean where the cost has a sum"),
        (4.0 / m, "4/m of the right one"),
        (2.0 / m, "2/m of the right one"),
        (m / 4.0, "m/4 of the right one"),
        (m / 2.0, "m/2 of the right one"),
        (2.0 * m, "2m of the right one: the division by m is missing, and a 2 too many"),
        (m / (m - 1.0), "divided by m − 1 instead of m"),
        ((m - 1.0) / m, "divided by m instead of m − 1"),
    ];
    let found = table.into_iter().find(|&(constant, _)| is(factor, constant));
    found.filter(|_| samples > 1).map(|(_, cause)| format!("{cause} (m = {samples})"))
}

/// A guess at m for a factor that would be explained by it.
fn guess(factor: f64) -> Option<String> {
    let whole = |x: f64| (2.5..=1000.0).contains(&x) && (x - x.round()).abs() <= 1e-4;
    if whole(factor) {
        return Some(format!("the division by m is missing, if m = {}?", factor.round()));
    }
    if whole(1.0 / factor) {
        return Some(format!("divided by m twice, if m = {}?", (1.0 / factor).round()));
    }
    if whole(4.0 / factor) {
        return Some(format!("4/m with m = {}?", (4.0 / factor).round()));
    }
    None
}

/// All causes that come to mind for a positive factor.
fn causes(factor: f64, samples: Option<usize>) -> Vec<String> {
    let mut causes: Vec<String> = samples.and_then(|m| of_samples(factor, m)).into_iter().collect();
    let constants = CONSTANTS.iter().filter(|&&(constant, _)| is(factor, constant));
    causes.extend(constants.map(|(_, cause)| (*cause).to_owned()));
    if causes.is_empty() && samples.is_none() {
        causes.extend(guess(factor));
    }
    causes
}

/// Whether the factor stands out, so that even a single element shows it.
pub(crate) fn is_known(factor: f64, samples: Option<usize>) -> bool {
    is(factor, -1.0) || !causes(factor.abs(), samples).is_empty()
}

/// Says what the factor may come from.
pub(crate) fn describe(factor: f64, samples: Option<usize>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if is(factor, -1.0) {
        return write!(f, "it has the wrong sign");
    }
    let near_one = (factor - 1.0).abs() < 0.01;
    let shown = if near_one { format!("{factor:.7}") } else { number(factor) };
    write!(f, "it is {shown} times the right gradient")?;
    let mut hints = causes(factor.abs(), samples);
    if factor < 0.0 {
        hints.push("the sign is wrong".to_owned());
    }
    if hints.is_empty() { Ok(()) } else { write!(f, ": {}", hints.join(" / ")) }
}

/// A number to four digits, without trailing zeros.
pub(crate) fn number(x: f64) -> String {
    let rounded: f64 = format!("{x:.3e}").parse().unwrap_or(x);
    if rounded != 0.0 && !(1e-4..1e6).contains(&rounded.abs()) {
        format!("{rounded:e}")
    } else {
        rounded.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{describe, is_known, number};
    use std::fmt;

    struct Shown(f64, Option<usize>);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            describe(self.0, self.1, f)
        }
    }

    #[test]
    fn constants_in_words() {
        for (factor, samples, expected) in [
            (-1.0, None, "wrong sign"),
            (2.0, None, "2 times the right gradient: a 2 too many"),
            (1.99999, Some(7), "2 times the right gradient: a 2 too many"),
            (0.5, None, "0.5 times the right gradient: the 2 of the derivative"),
            (4.0, None, "4 times the right gradient: 4/m where 1/m"),
            (5.0, Some(5), "5 times the right gradient: the division by m is missing (m = 5)"),
            (5.0, None, "5 times the right gradient: the division by m is missing, if m = 5?"),
            (0.2, Some(5), "0.2 times the right gradient: divided by m twice"),
            (0.8, Some(5), "0.8 times the right gradient: 4/m of the right one (m = 5)"),
            (0.8, None, "0.8 times the right gradient: 4/m with m = 5?"),
            (1.25, Some(5), "m/4 of the right one (m = 5)"),
            (-5.0, Some(5), "the division by m is missing (m = 5) / the sign is wrong"),
            (2.0, Some(2), "the division by m is missing (m = 2) / a 2 too many"),
        ] {
            let shown = Shown(factor, samples).to_string();
            assert!(shown.contains(expected), "{factor} {samples:?}: {shown}");
            assert!(is_known(factor, samples), "{factor} {samples:?}");
        }
        assert_eq!(Shown(1.0437, None).to_string(), "it is 1.044 times the right gradient");
        assert_eq!(Shown(1.0001, None).to_string(), "it is 1.0001000 times the right gradient");
        assert!(!is_known(1.0437, None) && !is_known(3.0, Some(5)) && !is_known(1.7, Some(1)));
    }

    #[test]
    fn numbers() {
        let table =
            [(2.0, "2"), (0.8, "0.8"), (1.0 / 3.0, "0.3333"), (2e-5, "2e-5"), (0.0, "0"), (-7e9, "-7e9")];
        for (x, shown) in table {
            assert_eq!(number(x), shown);
        }
    }
}
