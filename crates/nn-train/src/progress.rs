//! What is shown while training runs.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{EpochRecord, Evaluation};

/// What is shown while training runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// A line per epoch on the standard output, and where the standard error is a terminal a bar below it.
    #[default]
    Bar,
    /// A line per epoch on the standard output.
    Lines,
    /// Nothing.
    Silent,
}

/// How often the bar's figures are written anew.
const REFRESH: Duration = Duration::from_millis(100);

/// The bar of one run, over all its steps.
#[derive(Debug)]
pub(crate) struct Display {
    progress: Progress,
    bar: Option<ProgressBar>,
    shown: Instant,
    samples: usize,
    began: Instant,
}

impl Display {
    pub(crate) fn new(progress: Progress, steps: u64) -> Self {
        let wants_bar = progress == Progress::Bar && std::io::stderr().is_terminal();
        let bar = wants_bar.then(|| {
            let template = "{prefix} [{bar:14}] {percent:>3} %  {msg}  eta {eta}";
            let style =
                ProgressStyle::with_template(template).expect("a valid template").progress_chars("=> ");
            ProgressBar::new(steps).with_style(style)
        });
        Display { progress, bar, shown: Instant::now(), samples: 0, began: Instant::now() }
    }

    /// Before the first step.
    pub(crate) fn warn(&self, warnings: &[String]) {
        if self.progress != Progress::Silent {
            warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        }
    }

    /// A step is done; `so_far` is asked for only when it will be shown.
    pub(crate) fn step(
        &mut self,
        step: u64,
        epoch: u64,
        samples: usize,
        so_far: impl FnOnce() -> Evaluation,
    ) {
        self.samples += samples;
        let Some(bar) = &self.bar else { return };
        if self.shown.elapsed() >= REFRESH {
            self.shown = Instant::now();
            let rate = self.samples as f64 / self.began.elapsed().as_secs_f64();
            bar.set_prefix(format!("epoch {epoch:>3}"));
            bar.set_message(format!("{}  {rate:.0}/s", so_far()));
            bar.set_position(step + 1);
        }
    }

    /// An epoch is done.
    pub(crate) fn epoch(&self, record: &EpochRecord) {
        match (&self.bar, self.progress) {
            (_, Progress::Silent) => {}
            (Some(bar), _) => bar.suspend(|| println!("{record}")),
            (None, _) => println!("{record}"),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
