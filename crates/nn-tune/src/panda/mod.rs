//! One model, watched over: panda.

mod command;
mod journal;
mod rule;

use std::fs;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use nn_core::{RangeError, check_range};
use thiserror::Error;

pub use command::Command;
use journal::Journal;
pub use rule::Rule;

use crate::{Direction, ParamError};

/// What can be kept, and gone back to.
///
/// Whatever can be cloned can: the parameters of a model with the state of its optimiser.
pub trait Snapshot {
    /// What is kept.
    type State;

    /// What is to be kept.
    fn snapshot(&self) -> Self::State;

    /// Goes back.
    fn restore(&mut self, state: &Self::State);
}

impl<T: Clone> Snapshot for T {
    type State = T;

    fn snapshot(&self) -> T {
        self.clone()
    }

    fn restore(&mut self, state: &T) {
        self.clone_from(state);
    }
}

/// Watches over one model while it trains: its hyperparameters can be changed by hand and by rule, it can go back, and
/// what was decided and what came of it is written down.
///
/// Once after each epoch it is told the objective; it then does, in this order, what its rules, its [file](Self::file) and
/// its [terminal](Self::terminal) say. [`Command`] says how.
///
/// ```
/// use nn_tune::Direction;
/// use nn_tune::panda::{Panda, Rule};
///
/// let mut weight = 1.0_f64;
/// let mut panda = Panda::new(Direction::Minimize)
///     .control("learning_rate", 1.5, (1e-6, 10.0))?
///     .rule(Rule::rises(2).roll_back().multiply("learning_rate", 0.5));
/// for epoch in 0..20 {
///     // The loss is w²: from a learning rate of 1 on it rises.
///     weight -= panda.value("learning_rate")? * 2.0 * weight;
///     if panda.after_epoch(epoch, weight * weight, &mut weight)?.is_break() {
///         break;
///     }
/// }
/// assert_eq!(panda.value("learning_rate")?, 0.75);
/// assert!(weight.abs() < 0.01);
/// let decision = &panda.decisions()[0];
/// assert_eq!((decision.epoch, decision.command.to_string()), (2, "roll back".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Panda<M: Snapshot> {
    direction: Direction,
    controls: Vec<Control>,
    rules: Vec<Rule>,
    file: Option<PathBuf>,
    terminal: Option<Receiver<String>>,
    journal: Option<Journal>,
    effect_after: u64,
    objectives: Vec<f64>,
    best: Option<Kept<M::State>>,
    snapshots: Vec<(String, Kept<M::State>)>,
    decisions: Vec<Decision>,
}

/// A hyperparameter that can be changed.
#[derive(Clone, Debug)]
struct Control {
    name: String,
    range: (f64, f64),
    /// What its schedule says now.
    scheduled: f64,
    /// What that is multiplied by.
    factor: f64,
    /// What it is instead.
    fixed: Option<f64>,
}

impl Control {
    fn value(&self) -> f64 {
        self.fixed.unwrap_or(self.scheduled * self.factor)
    }
}

/// A model as it was after an epoch.
#[derive(Debug)]
struct Kept<S> {
    epoch: u64,
    objective: f64,
    state: S,
}

/// What was decided, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// After which epoch.
    pub epoch: u64,
    /// By whom: `rule 0`, `file`, `terminal`.
    pub by: String,
    /// What.
    pub command: Command,
    /// The hyperparameter before and after, or the epochs between which the model went back.
    pub change: Option<(f64, f64)>,
    /// The objective at that time.
    pub before: f64,
    /// A later epoch and the objective then.
    pub after: Option<(u64, f64)>,
}

/// What can go wrong with what a panda reads and writes.
#[derive(Debug, Error)]
#[error("{path}: {action}: {source}", path = path.display())]
pub struct PandaError {
    /// The file.
    pub path: PathBuf,
    /// What was attempted.
    pub action: &'static str,
    /// What the system said.
    pub source: io::Error,
}

impl<M: Snapshot> Panda<M> {
    /// Nothing can be changed yet.
    pub fn new(direction: Direction) -> Self {
        Panda {
            direction,
            controls: vec![],
            rules: vec![],
            file: None,
            terminal: None,
            journal: None,
            effect_after: 1,
            objectives: vec![],
            best: None,
            snapshots: vec![],
            decisions: vec![],
        }
    }

    /// A hyperparameter that can be changed within a range, and its value at the beginning.
    ///
    /// # Errors
    /// When the value is outside the range.
    pub fn control(mut self, name: &str, value: f64, range: (f64, f64)) -> Result<Self, RangeError> {
        check_range("Panda", "value", value, "its range", (range.0..=range.1).contains(&value))?;
        let name = name.to_owned();
        self.controls.push(Control { name, range, scheduled: value, factor: 1.0, fixed: None });
        Ok(self)
    }

    /// A rule to follow.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// A file that is looked for after each epoch. Its lines are commands; it is taken away when they are read:
    /// `echo 'learning_rate *= 0.5' > panda.txt` is done once.
    #[must_use]
    pub fn file(self, path: impl Into<PathBuf>) -> Self {
        Panda { file: Some(path.into()), ..self }
    }

    /// Commands that are typed in on the standard input while the model trains.
    #[must_use]
    pub fn terminal(self) -> Self {
        self.lines(io::BufReader::new(io::stdin()))
    }

    /// Commands that are read from somewhere while the model trains, a line each, until it ends.
    #[must_use]
    pub fn lines(self, reader: impl BufRead + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let lines = reader.lines().map_while(Result::ok);
            lines.map_while(|line| sender.send(line).ok()).for_each(drop);
        });
        Panda { terminal: Some(receiver), ..self }
    }

    /// A file that each decision and its effect is added to: a JSON object a line.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn journal(self, path: impl Into<PathBuf>) -> Result<Self, PandaError> {
        Ok(Panda { journal: Some(Journal::open(path.into())?), ..self })
    }

    /// After how many epochs the effect of a decision is looked at: 1.
    #[must_use]
    pub fn effect_after(self, epochs: u64) -> Self {
        Panda { effect_after: epochs.max(1), ..self }
    }

    /// The value of a hyperparameter now.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn value(&self, name: &str) -> Result<f64, ParamError> {
        self.place(name).map(|place| self.controls[place].value())
    }

    /// The value of a hyperparameter whose schedule says `scheduled` now: that, multiplied by what it was told to be
    /// multiplied by, or what it was set to.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn scheduled(&mut self, name: &str, scheduled: f64) -> Result<f64, ParamError> {
        let place = self.place(name)?;
        self.controls[place].scheduled = scheduled;
        Ok(self.controls[place].value())
    }

    fn place(&self, name: &str) -> Result<usize, ParamError> {
        self.controls.iter().position(|control| control.name == name).ok_or_else(|| ParamError::Unknown {
            name: name.to_owned(),
            expected: self.controls.iter().map(|control| control.name.clone()).collect(),
        })
    }

    /// What was decided so far.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// The best epoch so far and its objective.
    pub fn best(&self) -> Option<(u64, f64)> {
        self.best.as_ref().map(|kept| (kept.epoch, kept.objective))
    }

    /// Goes back to the best epoch so far, as at the end of training; whether there is one.
    pub fn restore_best(&self, model: &mut M) -> bool {
        self.best.as_ref().map(|kept| model.restore(&kept.state)).is_some()
    }

    /// An epoch is done, with this objective. Breaks when training is to end.
    ///
    /// A command that cannot be followed is written down as refused, and a warning printed; training goes on.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn after_epoch(
        &mut self,
        epoch: u64,
        objective: f64,
        model: &mut M,
    ) -> Result<ControlFlow<()>, PandaError> {
        self.objectives.push(objective);
        self.see_effects(epoch, objective)?;
        let is_best =
            self.best.as_ref().is_none_or(|best| self.direction.is_better(objective, best.objective));
        if objective.is_finite() && is_best {
            self.best = Some(Kept { epoch, objective, state: model.snapshot() });
        }
        let mut flow = ControlFlow::Continue(());
        for (by, line) in self.commands()? {
            let followed =
                line.parse::<Command>().and_then(|command| self.follow(epoch, &by, command, model));
            match followed {
                Ok(decision) => {
                    if decision.command == Command::Stop {
                        flow = ControlFlow::Break(());
                    }
                    self.write(|journal| journal.decision(&decision))?;
                    self.decisions.push(decision);
                }
                Err(reason) => {
                    eprintln!("warning: {by}: `{}`: {reason}", line.trim());
                    self.write(|journal| journal.refusal(epoch, &by, &line, &reason))?;
                }
            }
        }
        Ok(flow)
    }

    /// What rules, file and terminal say now.
    fn commands(&mut self) -> Result<Vec<(String, String)>, PandaError> {
        let mut commands = Vec::new();
        for (number, rule) in self.rules.iter_mut().enumerate() {
            let told = rule.follow(self.direction, &self.objectives);
            commands.extend(told.iter().map(|command| (format!("rule {number}"), command.to_string())));
        }
        if let Some(text) = self.file.as_deref().map(taken).transpose()?.flatten() {
            commands.extend(text.lines().map(|line| ("file".to_owned(), line.to_owned())));
        }
        let typed = self.terminal.iter().flat_map(|terminal| terminal.try_iter());
        commands.extend(typed.map(|line| ("terminal".to_owned(), line)));
        commands.retain(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        Ok(commands)
    }

    fn follow(&mut self, epoch: u64, by: &str, command: Command, model: &mut M) -> Result<Decision, String> {
        let change = match &command {
            Command::Set { name, to } => Some(self.change(name, |control| control.fixed = Some(*to))?),
            Command::Multiply { name, by } => {
                Some(self.change(name, |control| match &mut control.fixed {
                    Some(fixed) => *fixed *= by,
                    None => control.factor *= by,
                })?)
            }
            Command::Schedule { name } => {
                Some(self.change(name, |control| (control.fixed, control.factor) = (None, 1.0))?)
            }
            Command::Snapshot { name } => {
                let objective = self.objectives.last().copied().unwrap_or(f64::NAN);
                self.snapshots.retain(|(other, _)| other != name);
                self.snapshots.push((name.clone(), Kept { epoch, objective, state: model.snapshot() }));
                None
            }
            Command::RollBack { to } => {
                let kept = match to {
                    None => self.best.as_ref(),
                    Some(name) => self.snapshots.iter().find(|(other, _)| other == name).map(|pair| &pair.1),
                };
                let kept = kept.ok_or_else(|| "there is no such snapshot".to_owned())?;
                model.restore(&kept.state);
                Some((epoch as f64, kept.epoch as f64))
            }
            Command::Stop => None,
        };
        let before = self.objectives.last().copied().unwrap_or(f64::NAN);
        Ok(Decision { epoch, by: by.to_owned(), command, change, before, after: None })
    }

    /// Changes a hyperparameter, unless that takes it out of its range: its value before and after.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Control)) -> Result<(f64, f64), String> {
        let place = self.place(name).map_err(|error| error.to_string())?;
        let mut control = self.controls[place].clone();
        change(&mut control);
        let (low, high) = control.range;
        let (from, to) = (self.controls[place].value(), control.value());
        if !(low..=high).contains(&to) {
            return Err(format!("`{name}`: expected {low} to {high}, got {to}"));
        }
        self.controls[place] = control;
        Ok((from, to))
    }

    /// The effects of decisions that are old enough.
    fn see_effects(&mut self, epoch: u64, objective: f64) -> Result<(), PandaError> {
        for (number, decision) in self.decisions.iter_mut().enumerate() {
            if decision.after.is_none() && epoch >= decision.epoch.saturating_add(self.effect_after) {
                decision.after = Some((epoch, objective));
                if let Some(journal) = &mut self.journal {
                    journal.effect(number, decision)?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, line: impl FnOnce(&mut Journal) -> Result<(), PandaError>) -> Result<(), PandaError> {
        self.journal.as_mut().map_or(Ok(()), line)
    }
}

/// The text of a file that is taken away; nothing where there is none.
fn taken(path: &Path) -> Result<Option<String>, PandaError> {
    let error = |action| move |source| PandaError { path: path.to_path_buf(), action, source };
    let mut away = path.as_os_str().to_owned();
    away.push(".taken");
    match fs::rename(path, &away) {
        Ok(()) => {}
        Err(none) if none.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(error("cannot be taken")(source)),
    }
    let bytes = fs::read(&away).map_err(error("cannot be read"))?;
    fs::remove_file(&away).map_err(error("cannot be removed"))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
