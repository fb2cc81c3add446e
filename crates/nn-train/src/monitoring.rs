//! What is recorded of training runs, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nn_core::Real;
use nn_monitor::{Metric, Sink};

/// Where a run leaves its records.
///
/// In a folder: `report.html`, one page with all curves, for which no network is needed; `epochs.csv`, a row an epoch;
/// `log.jsonl`, everything; and if that is asked for the event files of TensorBoard. A run that is resumed goes on in
/// these files.
///
/// What costs time (norms of gradients, percentiles of activations) is sampled: so often that it takes less than one
/// hundredth of the time of training, but of the first and the last epoch in any case.
///
/// | setting | default |
/// |---|---|
/// | [`name`](Monitor::name) | that of the folder |
/// | [`config`](Monitor::config) | what the trainer knows |
/// | [`classes`](Monitor::classes) | 0, 1, 2 … |
/// | [`images`](Monitor::images) | samples of the shape of images are |
/// | [`tensorboard`](Monitor::tensorboard) | no |
///
/// ```no_run
/// use nn_train::prelude::*;
/// use nn_train::Monitor;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let monitor = Monitor::in_folder("runs/digits").images(&[8, 8]).tensorboard();
/// let trainer: Trainer<f32> = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-3)?).monitor(monitor);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) sinks: Vec<Arc<Mutex<dyn Sink>>>,
    pub(crate) name: Option<String>,
    pub(crate) config: Vec<(String, String)>,
    pub(crate) classes: Vec<String>,
    pub(crate) images: Option<Vec<usize>>,
    pub(crate) tensorboard: bool,
}

impl Monitor {
    /// In a folder, which is created where it is missing; the files of an earlier run are replaced unless it is resumed.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Monitor { folder: Some(folder.into()), ..Monitor::default() }
    }

    /// Only to sinks of one's own.
    pub fn to_sink(sink: impl Sink + 'static) -> Self {
        Monitor::default().sink(sink)
    }

    /// To a sink of one's own as well.
    #[must_use]
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Arc::new(Mutex::new(sink)));
        self
    }

    /// What the run is called.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Monitor { name: Some(name.into()), ..self }
    }

    /// A setting that the report is to show, beside those of the trainer.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.config.push((name.into(), value.to_string()));
        self
    }

    /// The names of the classes.
    #[must_use]
    pub fn classes<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Monitor { classes: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// How samples are shown: as images `[height, width]` or `[channels, height, width]` of this shape.
    #[must_use]
    pub fn images(self, shape: &[usize]) -> Self {
        Monitor { images: Some(shape.to_vec()), ..self }
    }

    /// Writes event files for TensorBoard too, into `tensorboard` in the folder.
    #[must_use]
    pub fn tensorboard(self) -> Self {
        Monitor { tensorboard: true, ..self }
    }

    /// The page, where there is a folder.
    pub fn report(&self) -> Option<PathBuf> {
        self.file("report.html")
    }

    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_deref().map(|folder: &Path| folder.join(name))
    }
}

/// Makes a metric anew for each use.
#[derive(Clone)]
pub(crate) struct MakeMetric<F: Real>(pub(crate) Arc<dyn Fn() -> Box<dyn Metric<F>> + Send + Sync>);

impl<F: Real> fmt::Debug for MakeMetric<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0().fmt(f)
    }
}
