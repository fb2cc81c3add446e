//! The report of a study: one HTML file.

mod axis;
mod chart;
pub(crate) mod format;
mod page;
mod pairs;
mod parallel;
mod sections;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sampler::Window;
use crate::trial::best_of;
use crate::{Direction, Importance, Space, Study, StudyError, Trial};

/// A study on one page.
///
/// The page is one HTML file that needs nothing else, neither a network nor other files. It follows the reader's light or
/// dark theme, fits a phone, and can be printed. With scripts allowed, pointing at a point shows its trial. It has:
///
/// - the history of the objective and of the best so far;
/// - the [importance](Importance) of each hyperparameter;
/// - each hyperparameter alone against the objective, and the two most important together, with what the forest of the
///   importance predicts;
/// - the values tried of these two, projected on the axes, next to those of a grid of as many trials;
/// - all trials as lines through parallel axes;
/// - what trials reported on the way;
/// - the windows of a search [from coarse to fine](crate::sampler::CoarseToFine);
/// - the best trials as a table.
///
/// Trials that were pruned are shown as rings, with the last that they reported.
///
/// ```
/// use nn_tune::{Direction, Outcome, Random, Report, Space, Study};
///
/// let space = Space::new().log_uniform("learning_rate", 1e-4, 1.0)?;
/// let study = Study::new("example", Direction::Minimize, space, Random::new(1))?;
/// for _ in 0..20 {
///     let trial = study.ask()?;
///     let learning_rate: f64 = trial.params.get("learning_rate")?;
///     study.tell(trial.number, Outcome::Complete(learning_rate.log10().powi(2)))?;
/// }
/// let html = Report::of(&study)?.html();
/// assert!(html.starts_with("<!doctype html>") && html.contains("<h1>example</h1>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    /// The name of the study.
    pub name: String,
    /// Whether a lower or a higher objective is better.
    pub direction: Direction,
    /// What the objective is, as it is written at axes.
    pub objective: String,
    /// What is tuned.
    pub space: Space,
    /// All trials.
    pub trials: Vec<Trial>,
    /// The windows of a search from coarse to fine.
    pub windows: Vec<Window>,
}

impl Report {
    /// Of a study as it is now.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn of(study: &Study) -> Result<Self, StudyError> {
        Ok(Report {
            name: study.name().to_owned(),
            direction: study.direction(),
            objective: "objective".to_owned(),
            space: study.space().clone(),
            trials: study.trials()?,
            windows: vec![],
        })
    }

    /// What the objective is: `loss`, `accuracy`.
    #[must_use]
    pub fn objective(self, name: &str) -> Self {
        Report { objective: name.to_owned(), ..self }
    }

    /// With the windows of a search from coarse to fine: what
    /// [`CoarseToFine::windows`](crate::sampler::CoarseToFine::windows) gives.
    #[must_use]
    pub fn windows(self, windows: Vec<Window>) -> Self {
        Report { windows, ..self }
    }

    /// The page.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// Writes the page to a file, in place of any that is there, whole or not at all. Its folder is created if it is not
    /// there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        let temporary = PathBuf::from(temporary);
        let written = fs::write(&temporary, self.html()).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // What is left of the temporary file is of no use; the first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn best(&self) -> Option<&Trial> {
        best_of(self.direction, &self.trials)
    }

    /// The trials with a finite objective, pruned ones with the last that they reported.
    fn valued(&self) -> impl Iterator<Item = (&Trial, f64)> {
        let ended = self.trials.iter().filter(|trial| trial.state.is_finished());
        ended.filter_map(|trial| Some((trial, trial.value()?))).filter(|(_, value)| value.is_finite())
    }

    fn importance(&self) -> Option<Importance> {
        Importance::of_trials(&self.space, &self.trials)
    }
}
