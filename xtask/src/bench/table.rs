//! Tables, and numbers in them.

/// The columns of a terminal into which a table fits.
const WIDTH: usize = 80;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Aligned with spaces.
    Terminal,
    /// With bars, for a README.
    Markdown,
}

/// Rows of cells; the first column is text and may be cut, the others are numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these names of columns.
    pub(super) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Table { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row, of as many cells as the table has columns.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.rows[0].len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// The table without columns in which no row has anything.
    pub(super) fn render(&self, style: Style) -> String {
        let columns = self.rows[0].len();
        let is_used = |&c: &usize| c == 0 || self.rows[1..].iter().any(|row| !row[c].is_empty());
        let shown: Vec<usize> = (0..columns).filter(is_used).collect();
        match style {
            Style::Terminal => self.aligned(&shown),
            Style::Markdown => self.markdown(&shown),
        }
    }

    fn aligned(&self, shown: &[usize]) -> String {
        let widest = |c: usize| self.rows.iter().map(|row| length(&row[c])).max().unwrap_or(0);
        let others: usize = shown[1..].iter().map(|&c| widest(c) + 2).sum();
        let first = widest(0).min(WIDTH.saturating_sub(others)).max(8);
        let mut text = String::new();
        for row in &self.rows {
            let mut name = row[0].clone();
            if length(&name) > first {
                name = name.chars().take(first - 1).chain(['…']).collect();
            }
            let mut line = format!("{name:first$}");
            for &c in &shown[1..] {
                line += &format!("  {:>width$}", row[c], width = widest(c));
            }
            text += line.trim_end();
            text += "\n";
        }
        text
    }

    fn markdown(&self, shown: &[usize]) -> String {
        let line = |row: &[String]| {
            let cells: Vec<&str> = shown.iter().map(|&c| row[c].as_str()).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("|---|{}\n", "---:|".repeat(shown.len() - 1));
        let mut text = line(&self.rows[0]) + &rule;
        self.rows[1..].iter().for_each(|row| text += &line(row));
        text
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

const PREFIXES: [(f64, &str); 8] =
    [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")];

/// The number with four digits and the prefix of its unit: `33.90 m`.
pub(super) fn scaled(value: f64) -> String {
    let fitting = PREFIXES.iter().find(|(factor, _)| value >= *factor);
    let &(factor, prefix) = fitting.unwrap_or(&(1e-9, "n"));
    let number = value / factor;
    let digits = [10.0, 100.0, 1000.0].iter().filter(|&&bound| number < bound).count();
    format!("{number:.digits$} {prefix}")
}

/// Microseconds, with one digit after the point below 100.
pub(super) fn microseconds(seconds: f64) -> String {
    let value = seconds * 1e6;
    if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// A share of one, in per cent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::{Style, Table, microseconds, percent, scaled};

    fn table() -> Table {
        let mut table = Table::new(["network", "µs", "never", "ratio"]);
        table.row(vec!["mlp_small".into(), "321".into(), String::new(), "2.49".into()]);
        table.row(vec!["ae".into(), "33900".into(), String::new(), String::new()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let expected = "network       µs  ratio\nmlp_small    321   2.49\nae         33900\n";
        assert_eq!(table().render(Style::Terminal), expected);
    }

    #[test]
    fn markdown_has_bars() {
        let expected =
            "| network | µs | ratio |\n|---|---:|---:|\n| mlp_small | 321 | 2.49 |\n| ae | 33900 |  |\n";
        assert_eq!(table().render(Style::Markdown), expected);
    }

    #[test]
    fn long_names_are_cut() {
        let mut table = table();
        table.row(vec!["long/".repeat(30), "1".into(), String::new(), String::new()]);
        let text = table.render(Style::Terminal);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().nth(3).unwrap().contains("long/…") || text.contains('…'), "{text}");
    }

    #[test]
    fn numbers_have_four_digits() {
        let table =
            [(1e-9, "1.000 n"), (0.0339, "33.90 m"), (12.0, "12.00 "), (2.5e15, "2500 T"), (0.0, "0.000 n")];
        for (value, expected) in table {
            assert_eq!(scaled(value), expected);
        }
        assert_eq!(microseconds(48.06e-6), "48.1");
        assert_eq!(microseconds(99.96e-6), "100");
        assert_eq!(microseconds(0.0339), "33900");
        assert_eq!(percent(0.853), "85 %");
    }
}
