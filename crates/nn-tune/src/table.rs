//! What is shown of a study in a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use crate::report::format::{duration, number, value};
use crate::run::Progress;
use crate::trial::best_of;
use crate::{Direction, Space, Trial, TrialState};

/// The width of a line.
const WIDTH: usize = 80;
/// The width of the column of a hyperparameter.
const COLUMN: usize = 10;
/// The most rows of trials.
const ROWS: usize = 12;

/// A study as a table of 80 columns: counts, the best so far, the trials that run and those that ended last.
///
/// ```
/// use nn_tune::{Direction, Outcome, Random, Space, Study, Table};
///
/// let space = Space::new().log_uniform("learning_rate", 1e-4, 1.0)?;
/// let study = Study::new("example", Direction::Minimize, space, Random::new(1))?;
/// study.tell(study.ask()?.number, Outcome::Complete(0.25))?;
/// let trials = study.trials()?;
/// let text = Table::new(&study, &trials).to_string();
/// assert!(text.starts_with("example: 1 trial: 1 complete\nbest 0.25, trial 0: learning_rate "), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// The name of the study.
    pub name: &'a str,
    /// Whether a lower or a higher objective is better.
    pub direction: Direction,
    /// What is tuned.
    pub space: &'a Space,
    /// All trials.
    pub trials: &'a [Trial],
    /// How long the study has run.
    pub elapsed: Duration,
    /// How long it will still run.
    pub left: Option<Duration>,
    /// How many trials there will be.
    pub most_trials: Option<u64>,
}

impl<'a> Table<'a> {
    /// Of a study and its trials, without times.
    pub fn new(study: &'a crate::Study, trials: &'a [Trial]) -> Self {
        Table {
            name: study.name(),
            direction: study.direction(),
            space: study.space(),
            trials,
            elapsed: Duration::ZERO,
            left: None,
            most_trials: None,
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![cut(&self.counts(), WIDTH)];
        if !self.elapsed.is_zero() {
            let left = self.left.map_or(String::new(), |left| format!(", about {} left", duration(left)));
            lines.push(format!("{}{left}", duration(self.elapsed)));
        }
        if let Some(best) = best_of(self.direction, self.trials) {
            let head = format!("best {}, trial {}: ", number(best.value().unwrap_or(f64::NAN)), best.number);
            lines.extend(wrapped(&(head + &params(self.space, best))));
        }
        let mut shown: Vec<&Trial> =
            self.trials.iter().filter(|trial| trial.state == TrialState::Running).collect();
        let mut ended: Vec<&Trial> = self.trials.iter().filter(|trial| trial.state.is_finished()).collect();
        ended.sort_by_key(|trial| std::cmp::Reverse((trial.ended, trial.number)));
        shown.truncate(ROWS - 4);
        shown.extend(ended.into_iter().take(ROWS - shown.len()));
        if !shown.is_empty() {
            lines.push(String::new());
            lines.push(self.header());
            lines.extend(shown.into_iter().map(|trial| self.row(trial)));
        }
        lines
    }

    fn counts(&self) -> String {
        let count = |state: TrialState| self.trials.iter().filter(|trial| trial.state == state).count();
        let states = [
            TrialState::Complete,
            TrialState::Pruned,
            TrialState::Failed,
            TrialState::Running,
            TrialState::Waiting,
        ];
        let parts = states.map(|state| (state, count(state))).into_iter().filter(|(_, count)| *count > 0);
        let parts: Vec<String> = parts.map(|(state, count)| format!("{count} {state}")).collect();
        let all = self.trials.len();
        let of = self.most_trials.map_or(String::new(), |most| format!(" of {most}"));
        let plural = if all == 1 && of.is_empty() { "" } else { "s" };
        let colon = if parts.is_empty() { "" } else { ": " };
        format!("{}: {all}{of} trial{plural}{colon}{}", self.name, parts.join(", "))
    }

    /// The hyperparameters that have room.
    fn columns(&self) -> impl Iterator<Item = &str> {
        let room = (WIDTH - 32) / COLUMN;
        self.space.parameters().iter().map(|parameter| parameter.name.as_str()).take(room)
    }

    fn header(&self) -> String {
        let columns: String =
            self.columns().map(|name| format!(" {:>1$}", cut(name, COLUMN - 1), COLUMN - 1)).collect();
        format!("trial  state      step     value{columns}").trim_end().to_owned()
    }

    fn row(&self, trial: &Trial) -> String {
        let shown = trial.value().or(trial.last().map(|(_, value)| value)).map_or(String::new(), number);
        let step = trial.last().map_or(String::new(), |(step, _)| step.to_string());
        let columns: String = self
            .columns()
            .map(|name| {
                let text = trial.params.value(name).map_or("–".to_owned(), value);
                format!(" {:>1$}", cut(&text, COLUMN - 1), COLUMN - 1)
            })
            .collect();
        format!("{:>5}  {:<8} {step:>6} {shown:>9}{columns}", trial.number, trial.state.to_string())
    }

    /// A trial that has ended, on one line.
    fn line(&self, trial: &Trial) -> String {
        let shown = trial.value().map_or(String::new(), number);
        let best = best_of(self.direction, self.trials).and_then(Trial::value);
        let best = best.map_or(String::new(), |best| format!("  best {:<9}", number(best)));
        let state = trial.state.to_string();
        let reason = trial.system_attributes.get("fail_reason").and_then(|reason| reason.as_str());
        let reason = reason.map_or(String::new(), |reason| format!("  ({reason})"));
        format!(
            "trial {:>4} {state:<8} {shown:>9}{best}  {}{reason}",
            trial.number,
            params(self.space, trial)
        )
    }
}

impl std::fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// The hyperparameters of a trial in the order of the space.
fn params(space: &Space, trial: &Trial) -> String {
    let known = space.parameters().iter().filter_map(|parameter| {
        trial.params.value(&parameter.name).map(|x| format!("{} {}", parameter.name, value(x)))
    });
    known.collect::<Vec<_>>().join(", ")
}

/// The text in a width, with a sign where something is left out.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// The text in lines, broken at spaces; those after the first are indented.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for part in text.split_inclusive(", ") {
        let last = lines.last_mut().expect("there is one");
        if !last.is_empty() && last.chars().count() + part.trim_end().chars().count() > WIDTH {
            *last = last.trim_end().to_owned();
            lines.push(format!("  {part}"));
        } else {
            last.push_str(part);
        }
    }
    lines.iter().map(|line| cut(line, WIDTH)).collect()
}

/// Where the progress of a run is shown.
#[derive(Debug)]
pub(crate) struct Screen {
    progress: Progress,
    /// How many lines of the table are on the screen.
    drawn: Mutex<usize>,
}

impl Screen {
    pub(crate) fn new(progress: Progress) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let progress = if progress == Progress::Table && !is_terminal { Progress::Lines } else { progress };
        Screen { progress, drawn: Mutex::new(0) }
    }

    /// Whether there is a table.
    pub(crate) fn is_drawn(&self) -> bool {
        self.progress == Progress::Table
    }

    /// Draws the table in place of the one before.
    pub(crate) fn draw(&self, table: &Table<'_>) {
        let lines = table.lines();
        let mut drawn = self.drawn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let back = if *drawn > 0 { format!("\x1b[{drawn}A") } else { String::new() };
        *drawn = lines.len();
        // Line by line over the one before, so that nothing flickers. A terminal that is gone needs no table.
        let _ = writeln!(std::io::stderr(), "{back}{}\x1b[K\x1b[J", lines.join("\x1b[K\n"));
    }

    /// A trial has ended.
    pub(crate) fn ended(&self, table: &Table<'_>, number: u64) {
        if self.progress == Progress::Lines {
            println!("{}", table.line(&table.trials[number as usize]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, cut, wrapped};
    use crate::{Direction, Params, Space, Trial, TrialState};
    use std::time::Duration;

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let mut space = Space::new();
        for i in 0..9 {
            space = space.uniform(&format!("a_rather_long_name_{i}"), 0.0, 1.0).unwrap();
        }
        let point = space.point(|_, _| 0.123_456_f64.into());
        let trial = |number: u64| Trial {
            number,
            state: [TrialState::Complete, TrialState::Running, TrialState::Pruned][number as usize % 3],
            values: number.is_multiple_of(3).then(|| vec![-1e-7 - number as f64]),
            intermediate: [(123_456, 0.5)].into(),
            params: if number == 4 { Params::new() } else { point.clone() },
            ..Trial::new(TrialState::Running)
        };
        let trials: Vec<Trial> = (0..99).map(trial).collect();
        let table = Table {
            name: "s",
            direction: Direction::Minimize,
            space: &space,
            trials: &trials,
            elapsed: Duration::from_secs(100),
            left: Some(Duration::from_secs(4000)),
            most_trials: Some(200),
        };
        let text = table.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "s: 99 of 200 trials: 33 complete, 33 pruned, 33 running");
        assert_eq!(lines[1], "1 min 40 s, about 1 h 06 min left");
        assert!(lines[2].starts_with("best −96, trial 96: a_rather_long_name_0 0.1235, "), "{text}");
        let rows = lines.iter().skip_while(|line| !line.starts_with("trial")).count();
        assert_eq!(rows, 13, "{text}");
        assert_eq!(text.matches(" running ").count(), 8, "{text}");
        assert!(text.contains("   98  pruned   123456       0.5    0.1235"), "{text}");
    }

    #[test]
    fn text_is_cut_and_wrapped() {
        assert_eq!([cut("abcd", 4), cut("abcde", 4)], ["abcd", "abc…"]);
        let parts = vec!["x".repeat(30); 5].join(", ");
        let lines = wrapped(&parts);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], format!("{0}, {0},", "x".repeat(30)));
        assert_eq!(lines[2], format!("  {}", "x".repeat(30)));
    }
}
