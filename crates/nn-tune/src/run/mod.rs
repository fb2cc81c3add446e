//! Many models at once: caviar.

mod budget;
mod running;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

pub use budget::Budget;
pub use running::{Reporter, RunningTrial, Stop};

use crate::table::{Screen, Table};
use crate::{Outcome, Study, StudyError, Trial, TrialState, Verdict};
use running::Message;

/// Trains many models at once: worker threads, each with its share of the cores, under a budget.
///
/// Each worker asks the study for a trial, runs the objective, and tells the study what came of it. An objective that
/// panics or comes to no finite value is a failed trial, and the study goes on. Several processes may run the same study
/// when its storage is shared, each with its own caviar: they see each other's trials, and a budget of trials is that of
/// all.
///
/// ```
/// use nn_tune::{Budget, Caviar, Direction, Progress, Random, Space, Study};
///
/// let space = Space::new().log_uniform("learning_rate", 1e-4, 1.0)?;
/// let study = Study::new("example", Direction::Minimize, space, Random::new(1))?;
/// let ran = Caviar::new(2).budget(Budget::trials(20)).progress(Progress::Silent).run(&study, |trial| {
///     let learning_rate: f64 = trial.get("learning_rate")?;
///     let mut loss = 1.0;
///     for epoch in 0..10 {
///         loss *= 1.0 - 0.5 * learning_rate;
///         // Ends the trial when the study's pruner says so.
///         trial.report(epoch, loss)?;
///     }
///     Ok(loss)
/// })?;
/// assert_eq!((ran.complete, study.trials()?.len()), (20, 20));
/// # Ok::<(), nn_tune::StudyError>(())
/// ```
///
/// # Threads
/// An objective that uses several threads should use [`RunningTrial::threads`] of them: `Trainer::threads` of nn-train,
/// or a pool of rayon's.
#[derive(Clone, Debug)]
pub struct Caviar {
    workers: usize,
    threads: usize,
    budget: Budget,
    progress: Progress,
}

/// What is shown while a study runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// Where the standard error is a terminal, a table that is drawn anew each second; else as [`Lines`](Self::Lines).
    #[default]
    Table,
    /// A line on the standard output for each trial that ends.
    Lines,
    /// Nothing.
    Silent,
}

/// What came of the trials of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// How many are complete.
    pub complete: usize,
    /// How many were stopped.
    pub pruned: usize,
    /// How many failed.
    pub failed: usize,
    /// How many reports they made.
    pub reports: u64,
    /// How long it took.
    pub duration: Duration,
}

impl Caviar {
    /// With so many workers; 0 means as many as there are cores. Without a [`budget`](Self::budget) it goes on for ever.
    pub fn new(workers: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = if workers == 0 { cores } else { workers };
        Caviar { workers, threads: cores, budget: Budget::default(), progress: Progress::default() }
    }

    /// How long it goes on.
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        Caviar { budget, ..self }
    }

    /// How many threads the workers share: as many as there are cores. Each has at least one.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Caviar { threads, ..self }
    }

    /// What is shown: a table.
    #[must_use]
    pub fn progress(self, progress: Progress) -> Self {
        Caviar { progress, ..self }
    }

    /// Runs trials of the study until the budget is used up.
    ///
    /// # Errors
    /// When the storage does not work; the other workers end at their next report.
    pub fn run<F>(&self, study: &Study, objective: F) -> Result<Ran, StudyError>
    where
        F: Fn(&mut RunningTrial<'_>) -> Result<f64, Stop> + Sync,
    {
        let lengths = |trials: &[Trial]| trials.iter().map(|trial| trial.intermediate.len() as u64).sum();
        let reported = study.with_trials(lengths)?;
        let screen = Screen::new(self.progress);
        let (sender, receiver) = mpsc::channel();
        let run = Run::new(study, &self.budget, reported, screen, sender);
        thread::scope(|scope| {
            let run = &run;
            let served = scope.spawn(move || run.serve(&receiver));
            let workers: Vec<_> = (0..self.workers)
                .map(|i| {
                    // The first workers have the threads that are left over.
                    let threads = self.threads / self.workers + usize::from(i < self.threads % self.workers);
                    let objective = &objective;
                    scope.spawn(move || run.work(threads.max(1), objective))
                })
                .collect();
            let ended = workers.into_iter().map(|worker| worker.join().expect("panics are caught"));
            let ended = ended.fold(Ok(()), Result::and);
            // It is there until it gets this.
            let _ = run.sender.send(Message::End);
            served.join().expect("it does not panic").and(ended)
        })?;
        Ok(run.ran())
    }
}

/// What the workers of a run share.
struct Run<'a> {
    study: &'a Study,
    budget: &'a Budget,
    began: Instant,
    /// Of the whole study.
    reports: AtomicU64,
    reports_before: u64,
    counts: [AtomicU64; 3],
    /// A worker has found that the storage does not work.
    broken: AtomicBool,
    screen: Screen,
    /// To the thread that serves reporters.
    sender: Sender<Message>,
}

impl<'a> Run<'a> {
    fn new(
        study: &'a Study,
        budget: &'a Budget,
        reports_before: u64,
        screen: Screen,
        sender: Sender<Message>,
    ) -> Self {
        Run {
            study,
            budget,
            began: Instant::now(),
            reports: AtomicU64::new(reports_before),
            reports_before,
            counts: Default::default(),
            broken: AtomicBool::new(false),
            screen,
            sender,
        }
    }

    fn work<F>(&self, threads: usize, objective: &F) -> Result<(), StudyError>
    where
        F: Fn(&mut RunningTrial<'_>) -> Result<f64, Stop>,
    {
        let worked = self.work_until_over(threads, objective);
        if worked.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        worked
    }

    fn work_until_over<F>(&self, threads: usize, objective: &F) -> Result<(), StudyError>
    where
        F: Fn(&mut RunningTrial<'_>) -> Result<f64, Stop>,
    {
        while !self.is_over() {
            let Some(trial) = self.study.ask_within(self.budget.most_trials())? else { break };
            let number = trial.number;
            let mut running = RunningTrial::new(self, trial, threads);
            let ended = catch_unwind(AssertUnwindSafe(|| objective(&mut running)));
            let seen = running.seen();
            let outcome = match ended {
                Ok(Ok(_)) if seen.stopped => Outcome::Pruned,
                Ok(Ok(objective)) => Outcome::Complete(objective),
                Ok(Err(Stop::Pruned)) => Outcome::Pruned,
                Ok(Err(Stop::Failed(reason))) => Outcome::Failed(reason),
                Err(panic) => Outcome::Failed(format!("panic: {}", message(&*panic))),
            };
            if let Some(error) = seen.error {
                return Err(error);
            }
            match self.study.tell(number, outcome) {
                Ok(()) => self.count(number)?,
                // Another has given it up for lost.
                Err(StudyError::Finished { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A trial has ended.
    fn count(&self, number: u64) -> Result<(), StudyError> {
        self.study.with_trials(|trials| {
            let place = match trials[number as usize].state {
                TrialState::Complete => 0,
                TrialState::Pruned => 1,
                _ => 2,
            };
            self.counts[place].fetch_add(1, Ordering::Relaxed);
            self.screen.ended(&self.table(trials), number);
        })
    }

    /// A trial reports. It is to end when the pruner says so, or the budget is used up.
    fn report(&self, number: u64, step: u64, value: f64) -> Result<Verdict, StudyError> {
        let verdict = self.study.report(number, step, value)?;
        self.reports.fetch_add(1, Ordering::Relaxed);
        if verdict == Verdict::Continue && self.is_over() {
            self.study.note(number, "stopped", "the budget is used up")?;
            return Ok(Verdict::Prune);
        }
        Ok(verdict)
    }

    fn is_over(&self) -> bool {
        let reports = self.reports.load(Ordering::Relaxed);
        self.broken.load(Ordering::Relaxed) || self.budget.is_used_up(self.began.elapsed(), reports)
    }

    fn table<'t>(&'t self, trials: &'t [Trial]) -> Table<'t> {
        let elapsed = self.began.elapsed();
        let begun = trials.iter().filter(|trial| trial.state != TrialState::Waiting).count() as u64;
        let ended: u64 = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let reports = self.reports.load(Ordering::Relaxed);
        let left = self.budget.time_left(elapsed, begun, ended, reports, reports - self.reports_before);
        Table {
            name: self.study.name(),
            direction: self.study.direction(),
            space: self.study.space(),
            trials,
            elapsed,
            left,
            most_trials: self.budget.trials_at_most(),
        }
    }

    /// Draws the table each second, lets other machines hear of this one, and serves reporters, until the run ends.
    fn serve(&self, receiver: &Receiver<Message>) -> Result<(), StudyError> {
        let wait = Duration::from_secs(if self.screen.is_drawn() { 1 } else { 60 });
        let draw = || match self.screen.is_drawn() {
            true => self.study.with_trials(|trials| self.screen.draw(&self.table(trials))),
            false => Ok(()),
        };
        let mut due = Instant::now();
        loop {
            if Instant::now() >= due {
                // A storage that does not work is found by the workers.
                let _ = self.study.beat().and_then(|()| draw());
                due = Instant::now() + wait;
            }
            match receiver.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Message::Report { number, step, value, reply }) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(self.report(number, step, value));
                }
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return draw(),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn ran(&self) -> Ran {
        let [complete, pruned, failed] =
            [0, 1, 2].map(|place| self.counts[place].load(Ordering::Relaxed) as usize);
        let reports = self.reports.load(Ordering::Relaxed) - self.reports_before;
        Ran { complete, pruned, failed, reports, duration: self.began.elapsed() }
    }
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
