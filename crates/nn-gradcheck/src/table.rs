//! The table of a gradient check, and what stands below it.

use std::fmt;

use crate::kink::Kink;
use crate::report::{Colored, Report, Row};
use crate::verdict::Verdict;

/// Number of columns of the table.
const COLUMNS: usize = 7;

/// The widest that each column may be: with single spaces between them, 80 characters.
const WIDEST: [usize; COLUMNS] = [14, 11, 8, 9, 11, 11, 10];

/// The longest line.
const WIDTH: usize = 80;

/// The largest number of kinks that are listed for a parameter.
const KINKS: usize = 3;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, false, f)
    }
}

impl fmt::Display for Colored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, true, f)
    }
}

fn write(report: &Report, colored: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let cells = cells(report);
    let width = |column: usize| {
        let widest = cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        widest.min(WIDEST[column])
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let of_row = |row: &Row| {
        if row.kinks.is_empty() { style(row.verdict) } else { style(row.verdict.min(Verdict::Acceptable)) }
    };
    let rows = report.rows().iter().map(of_row);
    let styles = std::iter::once(BOLD).chain(rows).chain([style(report.verdict())]);
    for (i, (row, style)) in cells.iter().zip(styles).enumerate() {
        let line = line(row, &widths);
        let heading = i == 0;
        let plain = if heading { 0 } else { line.rfind(' ').map_or(0, |space| space + 1) };
        write!(f, "{}{}", if heading { "" } else { "\n" }, &line[..plain])?;
        paint(&line[plain..], style, colored, f)?;
    }
    for (names, text) in notes(report) {
        let lines = wrap(&format!("{names}: {text}"));
        for (i, line) in lines.iter().enumerate() {
            f.write_str(if i == 0 { "\n" } else { "\n  " })?;
            match line.strip_prefix(&names) {
                Some(rest) if i == 0 => {
                    paint(&names, BOLD, colored, f)?;
                    f.write_str(rest)?;
                }
                _ => f.write_str(line)?,
            }
        }
    }
    Ok(())
}

/// One line of the table.
fn line(row: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let padded: [String; COLUMNS] = std::array::from_fn(|column| {
        let (text, width) = (fit(&row[column], widths[column]), widths[column]);
        if matches!(column, 2 | 4 | 5) { format!("{text:>width$}") } else { format!("{text:<width$}") }
    });
    padded.join(" ").trim_end().to_owned()
}

/// The escape sequence of bold text.
const BOLD: &str = "\x1b[1m";

/// Green, yellow and red, as the escape sequences of a terminal.
fn style(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Sound => "\x1b[32m",
        Verdict::Acceptable | Verdict::Suspicious => "\x1b[33m",
        Verdict::Wrong => "\x1b[1;31m",
    }
}

/// Writes text in a style.
fn paint(text: &str, style: &str, colored: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if colored { write!(f, "{style}{text}\x1b[0m") } else { f.write_str(text) }
}

/// The cells of the table, heading first and the sum of all last.
fn cells(report: &Report) -> Vec<[String; COLUMNS]> {
    let heading = ["parameter", "shape", "error", "worst at", "analytic", "numeric", "verdict"];
    let mut cells = vec![heading.map(str::to_owned)];
    cells.extend(report.rows().iter().map(row_cells));
    let error = format!("{:.1e}", report.relative_error());
    let [name, rest] = ["all".to_owned(), String::new()];
    let verdict = report.verdict().to_string();
    cells.push([name, rest.clone(), error, rest.clone(), rest.clone(), rest, verdict]);
    cells
}

/// The cells of one parameter.
fn row_cells(row: &Row) -> [String; COLUMNS] {
    let none = || "-".to_owned();
    let error = if row.shape.contains(&0) { none() } else { format!("{:.1e}", row.relative_error) };
    let (index, analytic, numeric) = match &row.worst {
        None => (none(), none(), none()),
        Some(w) => (list(&w.index), format!("{:.3e}", w.analytic), format!("{:.3e}", w.numeric)),
    };
    let verdict = match row.verdict {
        Verdict::Sound if row.shape.contains(&0) => "empty".to_owned(),
        Verdict::Sound if !row.kinks.is_empty() => "kink".to_owned(),
        verdict => verdict.to_string(),
    };
    [row.name.clone(), list(&row.shape), error, index, analytic, numeric, verdict]
}

/// Numbers in brackets.
fn list(numbers: &[usize]) -> String {
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// `text`, or its end behind an ellipsis where it is wider than `width`.
fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(length + 1 - width)).collect()
}

/// What is to be said below the table: parameters, and a text about them. The same suspicion is told once.
fn notes(report: &Report) -> Vec<(String, String)> {
    let mut notes: Vec<(String, String)> = Vec::new();
    let suspicions =
        report.rows().iter().filter_map(|row| Some((&row.name, row.suspicion.as_ref()?.to_string())));
    for (name, text) in suspicions {
        match notes.iter_mut().find(|note| note.1 == text) {
            Some(note) => note.0 = format!("{}, {name}", note.0),
            None => notes.push((name.clone(), text)),
        }
    }
    let kinks = report.rows().iter().filter(|row| !row.kinks.is_empty());
    notes.extend(kinks.map(|row| (row.name.clone(), kinks_in_words(&row.kinks))));
    notes
}

fn kinks_in_words(kinks: &[Kink]) -> String {
    let one = |k: &Kink| {
        let Kink { index, left, right, analytic } = k;
        format!(
            "{}: slope {left:.3e} to the left, {right:.3e} to the right, analytic {analytic:.3e}",
            list(index)
        )
    };
    let shown: Vec<String> = kinks.iter().take(KINKS).map(one).collect();
    let more = if kinks.len() > KINKS { format!("; {} more", kinks.len() - KINKS) } else { String::new() };
    let what = if kinks.len() == 1 { "a kink, not a bug, at" } else { "kinks, not bugs, at" };
    format!("{what} {}{more}", shown.join("; "))
}

/// Breaks a text between words; lines after the first leave room to be indented by two.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let indented = if lines.len() > 1 { 2 } else { 0 };
        let line = lines.last_mut().expect("there is a first line");
        let length = line.chars().count() + 1 + word.chars().count() + indented;
        if line.is_empty() {
            line.push_str(word);
        } else if length <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::{GradCheck, Report};

    /// A sound, a kinked and a wrong parameter.
    fn report() -> Report {
        let check = GradCheck::new();
        let gradients = [vec![2.0], vec![0.0; 5], vec![-3.0]];
        let costs: [fn(&[f64]) -> f64; 3] =
            [|x| x[0] * x[0], |x| x.iter().map(|x| x.abs() + x.max(0.0)).sum(), |x| x[0].powi(3)];
        let points = [vec![1.0], vec![0.0; 5], vec![1.0]];
        let each = (0..3).map(|i| check.check_fn(costs[i], &points[i], &gradients[i]));
        each.fold(Report::default(), Report::join)
    }

    #[test]
    fn notes_stand_below_the_table() {
        let text = report().to_string();
        let lines: Vec<&str> = text.lines().collect();
        let verdicts: Vec<&str> =
            lines[1..5].iter().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(verdicts, ["sound", "kink", "wrong", "wrong"]);
        assert_eq!(lines[5], "theta: it has the wrong sign");
        assert!(lines[6].starts_with("theta: kinks, not bugs, at [0]: slope -1.000e0 to the left, 2.000e0"));
        assert!(lines[lines.len() - 1].ends_with("; 2 more"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let report = report();
        let colored = report.colored().to_string();
        for painted in [
            "\x1b[32msound\x1b[0m",
            "\x1b[33mkink\x1b[0m",
            "\x1b[1;31mwrong\x1b[0m",
            "\x1b[1mtheta\x1b[0m: it",
        ] {
            assert!(colored.contains(painted), "{painted:?} in {colored:?}");
        }
        let mut plain = colored;
        for escape in ["\x1b[0m", "\x1b[1m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m"] {
            plain = plain.replace(escape, "");
        }
        assert_eq!(plain, report.to_string());
        assert!(!plain.contains('\x1b'));
    }
}
