//! The report of a run: one HTML file.

mod chart;
mod format;
mod page;
mod sections;
mod tables;
mod ticks;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{
    At, ConfusionMatrix, Curves, Histogram, Image, Quantity, RunEnd, RunStart, Sample, Sink, SinkError,
};

/// Percentiles of a quantity over a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// What the numbers are.
    pub quantity: Quantity,
    /// Where: the layer or parameter.
    pub name: String,
    /// The [`PERCENTILES`](crate::PERCENTILES) 15, 50 and 85 at each moment.
    pub points: Vec<(At, [f64; 3])>,
}

/// A run on one page: a plain struct to fill in, or a [`Sink`] that fills itself.
///
/// The page is one HTML file that needs nothing else, neither a network nor other files: charts are inline
/// SVG, pictures are data URIs. It follows the reader's light or dark theme, fits a phone, and can be
/// printed. With scripts allowed, pointing at a chart shows its numbers.
///
/// Curves are brought together by their names, as [`Sink`] says: `train/loss` and `validation/loss` share the
/// axes of the chart *loss*. Schedules (`learning_rate`, `momentum`, `weight_decay`) and all that begins with
/// `gradient` have their own sections. All charts have the same horizontal axis: epochs, or steps where there
/// are no epochs.
///
/// ```
/// use nn_monitor::{At, Report};
///
/// let mut report = Report::new("xor");
/// report.start.config.push(("learning rate".to_owned(), "0.5".to_owned()));
/// for step in 0..100 {
///     report.curves.push("train/loss", At::new(step, 0.0), 1.0 / (1.0 + step as f64));
/// }
/// let html = report.html();
/// assert!(html.starts_with("<!doctype html>") && html.contains("<h1>xor</h1>"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name, configuration, model, machine.
    pub start: RunStart,
    /// Scalars over the run. They are kept at full length (24 bytes a point) and thinned out only to be
    /// drawn.
    pub curves: Curves,
    /// Percentiles of activations, weights and gradients over the run.
    pub distributions: Vec<Distribution>,
    /// How classes are told apart, and their names; where names are missing, numbers take their place.
    pub confusion: Option<(ConfusionMatrix, Vec<String>)>,
    /// The worst samples, the worst first.
    pub worst_samples: Vec<Sample>,
    /// Pictures with their names.
    pub images: Vec<(String, Image)>,
    /// Texts with their names.
    pub texts: Vec<(String, String)>,
    /// Duration, memory, time waited; none while the run goes on.
    pub end: Option<RunEnd>,
    file: Option<(PathBuf, Option<Instant>)>,
}

/// How often the file of a run that goes on is written anew.
const REFRESH: Duration = Duration::from_secs(10);

impl Report {
    /// Of a run of this name; as a sink it keeps all in memory.
    pub fn new(name: impl Into<String>) -> Self {
        Report { start: RunStart { name: name.into(), ..RunStart::default() }, ..Report::default() }
    }

    /// A sink that writes the page to this file when the run ends, and while it goes on, when it is flushed,
    /// at most every 10 seconds.
    pub fn to_file(path: impl Into<PathBuf>) -> Self {
        Report { file: Some((path.into(), None)), ..Report::default() }
    }

    /// The page.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// Writes the page to a file, in place of any that is there, whole or not at all. Its folder is created
    /// if it is not there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), SinkError> {
        let path = path.as_ref();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| SinkError::create(folder, error))?;
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        let temporary = PathBuf::from(temporary);
        let written = fs::write(&temporary, self.html()).and_then(|()| fs::rename(&temporary, path));
        written.map_err(|error| {
            // What is left of the temporary file is of no use; the first error is the one to report.
            let _ = fs::remove_file(&temporary);
            SinkError::write(path, error)
        })
    }

    /// Writes the page to the file of this sink, if it has one.
    fn save(&mut self) -> Result<(), SinkError> {
        let Some((path, _)) = &self.file else { return Ok(()) };
        self.write(path)?;
        if let Some((_, written)) = &mut self.file {
            *written = Some(Instant::now());
        }
        Ok(())
    }
}

impl Sink for Report {
    fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        self.start = run.clone();
        Ok(())
    }

    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        self.curves.push(name, at, value);
        Ok(())
    }

    fn histogram(
        &mut self,
        at: At,
        quantity: Quantity,
        name: &str,
        histogram: &Histogram,
    ) -> Result<(), SinkError> {
        let point = (at, histogram.percentiles());
        let same = |of: &&mut Distribution| of.quantity == quantity && of.name == name;
        match self.distributions.iter_mut().find(same) {
            Some(distribution) => distribution.points.push(point),
            None => {
                let (name, points) = (name.to_owned(), vec![point]);
                self.distributions.push(Distribution { quantity, name, points });
            }
        }
        Ok(())
    }

    /// The last picture of each name is kept.
    fn image(&mut self, _: At, name: &str, image: &Image) -> Result<(), SinkError> {
        put(&mut self.images, name, image.clone());
        Ok(())
    }

    /// The last text of each name is kept.
    fn text(&mut self, _: At, name: &str, text: &str) -> Result<(), SinkError> {
        put(&mut self.texts, name, text.to_owned());
        Ok(())
    }

    fn confusion(&mut self, _: At, confusion: &ConfusionMatrix, classes: &[String]) -> Result<(), SinkError> {
        self.confusion = Some((confusion.clone(), classes.to_vec()));
        Ok(())
    }

    fn worst_samples(&mut self, _: At, samples: &[Sample]) -> Result<(), SinkError> {
        self.worst_samples = samples.to_vec();
        Ok(())
    }

    fn end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        self.end = Some(end.clone());
        self.save()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        match &self.file {
            Some((_, Some(written))) if written.elapsed() < REFRESH => Ok(()),
            Some((_, None)) => {
                // The first page is due after the same time as the others.
                if let Some((_, written)) = &mut self.file {
                    *written = Some(Instant::now());
                }
                Ok(())
            }
            _ => self.save(),
        }
    }
}

/// Sets what belongs to a name.
fn put<T>(pairs: &mut Vec<(String, T)>, name: &str, value: T) {
    match pairs.iter_mut().find(|pair| pair.0 == name) {
        Some(pair) => pair.1 = value,
        None => pairs.push((name.to_owned(), value)),
    }
}
