use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::output::Output;
use super::protobuf::{Message, framed};
use crate::{At, Histogram, Image, Quantity, RunEnd, RunStart, Sample, Sink, SinkError};

/// Event files that TensorBoard shows: scalars, histograms, images and texts, without TensorFlow.
///
/// A run is a folder; each sink adds a file to it, so that a run that goes on later has several. The
/// configuration and the model are texts. See them with `tensorboard --logdir FOLDER`.
///
/// ```
/// use nn_monitor::{At, Sink, TensorBoardSink};
///
/// let folder = std::env::temp_dir().join(format!("nn-monitor-{}", std::process::id()));
/// let mut board = TensorBoardSink::create(&folder)?;
/// board.scalar(At::new(45, 1.0), "train/loss", 0.5)?;
/// board.flush()?;
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), nn_monitor::SinkError>(())
/// ```
///
/// # Source
/// The messages `Event`, `Summary`, `HistogramProto` and `TensorProto` of `tensorboard/compat/proto`.
#[derive(Debug)]
pub struct TensorBoardSink {
    output: Output,
}

/// Files of one process and second are told apart by this.
static FILES: AtomicU64 = AtomicU64::new(0);

impl TensorBoardSink {
    /// A new file in this folder, which is created if it is not there.
    ///
    /// # Errors
    /// When the folder or the file cannot be created or written.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self, SinkError> {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        // TensorBoard reads files in the order of their names.
        let name = format!("events.out.tfevents.{:017.6}.{}.{number}", wall_time(), std::process::id());
        let output =
            Output::open(&folder.as_ref().join(name), OpenOptions::new().write(true).create_new(true))?;
        let mut sink = TensorBoardSink { output };
        let version = Message::new().double(1, wall_time()).data(3, b"brain.Event:2");
        sink.output.write(&framed(&version.into_bytes()))?;
        sink.output.flush()?;
        Ok(sink)
    }

    /// A new file in this folder, for a run that goes on after `step` steps: TensorBoard leaves out what
    /// earlier files hold of later steps.
    ///
    /// # Errors
    /// As [`create`](TensorBoardSink::create).
    pub fn resume(folder: impl AsRef<Path>, step: u64) -> Result<Self, SinkError> {
        const START: u64 = 1;
        let mut sink = Self::create(folder)?;
        let log = Message::new().int(1, START);
        let event = Message::new().double(1, wall_time()).int(2, step + 1).message(7, log);
        sink.output.write(&framed(&event.into_bytes()))?;
        sink.output.flush()?;
        Ok(sink)
    }

    /// Writes an event with one value.
    fn value(&mut self, at: At, value: Message) -> Result<(), SinkError> {
        let summary = Message::new().message(1, value);
        let event = Message::new().double(1, wall_time()).int(2, at.step).message(5, summary);
        self.output.write(&framed(&event.into_bytes()))
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A table in Markdown.
fn table(head: [&str; 2], rows: impl Iterator<Item = [String; 2]>) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    let row = |[a, b]: [&str; 2]| format!("| {} | {} |\n", cell(a), cell(b));
    let body: String = rows.map(|[a, b]| row([&a, &b])).collect();
    row(head) + "|---|---|\n" + &body
}

impl Sink for TensorBoardSink {
    fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        let settings = run.config.iter().cloned().map(|(name, value)| [name, value]);
        let machine = ["machine".to_owned(), run.machine.to_string()];
        self.text(At::default(), "configuration", &table(["name", "value"], settings.chain([machine])))?;
        let layers = run.model.iter().map(|layer| {
            let [shape, parameters] = [format!("{:?}", layer.shape), layer.parameters.to_string()];
            [layer.name.clone(), format!("{shape}, {parameters} parameters, {} FLOPs", layer.flops)]
        });
        self.text(At::default(), "model", &table(["layer", "output"], layers))?;
        self.flush()
    }

    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        self.value(at, Message::new().data(1, name.as_bytes()).float(2, value as f32))
    }

    fn histogram(
        &mut self,
        at: At,
        quantity: Quantity,
        name: &str,
        histogram: &Histogram,
    ) -> Result<(), SinkError> {
        if histogram.count() == 0 {
            return Ok(());
        }
        // A bucket has its upper limit; the lower one of the first is the smallest number.
        let upper = histogram.limits().iter().skip(1).copied();
        let message = Message::new()
            .double(1, histogram.min())
            .double(2, histogram.max())
            .double(3, histogram.count() as f64)
            .double(4, histogram.sum())
            .double(5, histogram.sum_squares())
            .doubles(6, upper)
            .doubles(7, histogram.counts().iter().map(|&count| count as f64));
        let tag = format!("{}/{name}", quantity.name());
        self.value(at, Message::new().data(1, tag.as_bytes()).message(5, message))
    }

    fn image(&mut self, at: At, name: &str, image: &Image) -> Result<(), SinkError> {
        let message = Message::new()
            .int(1, image.height() as u64)
            .int(2, image.width() as u64)
            .int(3, image.channels() as u64)
            .data(4, &image.png());
        self.value(at, Message::new().data(1, name.as_bytes()).message(4, message))
    }

    fn text(&mut self, at: At, name: &str, text: &str) -> Result<(), SinkError> {
        const STRING: u64 = 7;
        let plugin = Message::new().message(1, Message::new().data(1, b"text"));
        let shape = Message::new().message(2, Message::new().int(1, 1));
        let tensor = Message::new().int(1, STRING).message(2, shape).data(8, text.as_bytes());
        let value = Message::new().data(1, name.as_bytes()).message(9, plugin).message(8, tensor);
        self.value(at, value)
    }

    fn worst_samples(&mut self, at: At, samples: &[Sample]) -> Result<(), SinkError> {
        for (i, sample) in samples.iter().enumerate() {
            if let Some(image) = &sample.image {
                self.image(at, &format!("worst_samples/{i:03}"), image)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &RunEnd) -> Result<(), SinkError> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.output.flush()
    }
}
