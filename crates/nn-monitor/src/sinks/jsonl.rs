use std::fmt::{self, Arguments, Display, Formatter};
use std::path::Path;

use super::output::{Output, length_of_lines};
use crate::encode::{JsonNumber, JsonString, base64, json_array};
use crate::{
    At, ConfusionMatrix, Histogram, Image, LayerRow, Quantity, RunEnd, RunStart, Sample, Sink, SinkError,
};

/// All records in a file of JSON lines: one object a line, whose `record` says what it is.
///
/// | `record` | other members |
/// |---|---|
/// | `start` | `name`, `config` (an object of strings), `model` (objects of `name`, `shape`, `parameters`, `flops`), `machine` (`cpu`, `threads`, `system`, `features`) |
/// | `scalar` | `step`, `epoch`, `name`, `value` |
/// | `histogram` | `step`, `epoch`, `quantity`, `name`, `min`, `max`, `sum`, `sum_squares`, `non_finite`, `percentiles` (15, 50, 85), `limits`, `counts` |
/// | `image` | `step`, `epoch`, `name`, `png` (Base64) |
/// | `text` | `step`, `epoch`, `name`, `text` |
/// | `confusion` | `step`, `epoch`, `classes`, `counts` (rows of true classes) |
/// | `worst_samples` | `step`, `epoch`, `samples` (objects of `index`, `predicted`, `label`, `loss`) |
/// | `end` | `seconds`, `peak_memory`, `data_wait`, `monitoring`, `reason` |
///
/// Numbers that are not finite, and what is not known, are `null`.
///
/// ```
/// use nn_monitor::{At, JsonlSink, Sink};
///
/// let path = std::env::temp_dir().join(format!("nn-monitor-{}.jsonl", std::process::id()));
/// let mut log = JsonlSink::create(&path)?;
/// log.scalar(At::new(45, 1.0), "train/loss", 0.5)?;
/// log.flush()?;
/// let line = r#"{"record":"scalar","step":45,"epoch":1.0,"name":"train/loss","value":0.5}"#;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{line}\n"));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), nn_monitor::SinkError>(())
/// ```
#[derive(Debug)]
pub struct JsonlSink {
    output: Output,
}

impl JsonlSink {
    /// A new file, in place of any that is there. Its folder is created if it is not there.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, SinkError> {
        Ok(JsonlSink { output: Output::create(path.as_ref())? })
    }

    /// A file to go on with after `step` steps: records of later steps, and a last one that was cut off, are
    /// removed. If it is not there it is created. [`replay`](crate::replay) tells other sinks what is left.
    ///
    /// # Errors
    /// When the file cannot be read, created or written.
    pub fn resume(path: impl AsRef<Path>, step: u64) -> Result<Self, SinkError> {
        let path = path.as_ref();
        let length = length_of_lines(path, |line| step_of(line).is_none_or(|of| of <= step))?;
        Ok(JsonlSink { output: Output::resume(path, length)? })
    }

    /// Writes a line; `members` are those after `record`.
    fn write(&mut self, record: &str, members: Arguments<'_>) -> Result<(), SinkError> {
        self.output.write_text(format_args!("{{\"record\":\"{record}\",{members}}}\n"))
    }
}

/// The step of a record, if it has one.
fn step_of(line: &str) -> Option<u64> {
    let (_, rest) = line.strip_prefix("{\"record\":\"")?.split_once("\",\"step\":")?;
    rest.split_once(',')?.0.parse().ok()
}

/// The members `step` and `epoch`.
struct Moment(At);

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"step\":{},\"epoch\":{}", self.0.step, JsonNumber(self.0.epoch))
    }
}

fn layer(row: &LayerRow) -> String {
    let (name, shape) = (JsonString(&row.name), json_array(&row.shape, usize::to_string));
    let LayerRow { parameters, flops, .. } = row;
    format!("{{\"name\":{name},\"shape\":{shape},\"parameters\":{parameters},\"flops\":{flops}}}")
}

fn sample(sample: &Sample) -> String {
    let Sample { index, predicted, label, loss, .. } = sample;
    format!(
        "{{\"index\":{index},\"predicted\":{},\"label\":{},\"loss\":{}}}",
        JsonString(predicted),
        JsonString(label),
        JsonNumber(*loss)
    )
}

impl Sink for JsonlSink {
    fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        let pair = |(name, value): &(String, String)| format!("{}:{}", JsonString(name), JsonString(value));
        let config = run.config.iter().map(pair).collect::<Vec<_>>().join(",");
        let machine = format!(
            "{{\"cpu\":{},\"threads\":{},\"system\":{},\"features\":{}}}",
            JsonString(&run.machine.cpu),
            run.machine.threads,
            JsonString(&run.machine.system),
            json_array(&run.machine.features, |name| JsonString(name)),
        );
        let (name, model) = (JsonString(&run.name), json_array(&run.model, layer));
        let members =
            format_args!("\"name\":{name},\"config\":{{{config}}},\"model\":{model},\"machine\":{machine}");
        self.write("start", members)?;
        self.flush()
    }

    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        let (at, name, value) = (Moment(at), JsonString(name), JsonNumber(value));
        self.write("scalar", format_args!("{at},\"name\":{name},\"value\":{value}"))
    }

    fn histogram(
        &mut self,
        at: At,
        quantity: Quantity,
        name: &str,
        histogram: &Histogram,
    ) -> Result<(), SinkError> {
        let number = |x: &f64| JsonNumber(*x);
        let members = format_args!(
            "{},\"quantity\":\"{}\",\"name\":{},\"min\":{},\"max\":{},\"sum\":{},\"sum_squares\":{},\
             \"non_finite\":{},\"percentiles\":{},\"limits\":{},\"counts\":{}",
            Moment(at),
            quantity.name(),
            JsonString(name),
            JsonNumber(histogram.min()),
            JsonNumber(histogram.max()),
            JsonNumber(histogram.sum()),
            JsonNumber(histogram.sum_squares()),
            histogram.non_finite(),
            json_array(&histogram.percentiles(), number),
            json_array(histogram.limits(), number),
            json_array(histogram.counts(), u64::to_string),
        );
        self.write("histogram", members)
    }

    fn image(&mut self, at: At, name: &str, image: &Image) -> Result<(), SinkError> {
        let (at, name, png) = (Moment(at), JsonString(name), base64(&image.png()));
        self.write("image", format_args!("{at},\"name\":{name},\"png\":\"{png}\""))
    }

    fn text(&mut self, at: At, name: &str, text: &str) -> Result<(), SinkError> {
        let (at, name, text) = (Moment(at), JsonString(name), JsonString(text));
        self.write("text", format_args!("{at},\"name\":{name},\"text\":{text}"))
    }

    fn confusion(
        &mut self,
        at: At,
        confusion: &ConfusionMatrix,
        classes: &[String],
    ) -> Result<(), SinkError> {
        let row = |row: ndarray::ArrayView1<'_, u64>| json_array(&row.to_vec(), u64::to_string);
        let rows = confusion.counts().rows().into_iter().map(row).collect::<Vec<_>>().join(",");
        let classes = json_array(classes, |name| JsonString(name));
        self.write("confusion", format_args!("{},\"classes\":{classes},\"counts\":[{rows}]", Moment(at)))
    }

    fn worst_samples(&mut self, at: At, samples: &[Sample]) -> Result<(), SinkError> {
        let samples = json_array(samples, sample);
        self.write("worst_samples", format_args!("{},\"samples\":{samples}", Moment(at)))
    }

    fn end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        let members = format_args!(
            "\"seconds\":{},\"peak_memory\":{},\"data_wait\":{},\"monitoring\":{},\"reason\":{}",
            JsonNumber(end.duration.as_secs_f64()),
            end.peak_memory.map_or("null".to_owned(), |bytes| bytes.to_string()),
            JsonNumber(end.data_wait.unwrap_or(f64::NAN)),
            JsonNumber(end.monitoring.unwrap_or(f64::NAN)),
            JsonString(&end.reason),
        );
        self.write("end", members)?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.output.flush()
    }
}
