use std::path::Path;

use super::output::{Output, length_of_lines};
use crate::encode::{base64, json_array, json_number, json_string};
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
/// | `end` | `seconds`, `peak_memory`, `data_wait`, `reason` |
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
    fn write(&mut self, record: &str, members: &str) -> Result<(), SinkError> {
        self.output.write(format!("{{\"record\":\"{record}\",{members}}}\n").as_bytes())
    }
}

/// The step of a record, if it has one.
pub(super) fn step_of(line: &str) -> Option<u64> {
    let (_, rest) = line.strip_prefix("{\"record\":\"")?.split_once("\",\"step\":")?;
    rest.split_once(',')?.0.parse().ok()
}

fn moment(at: At) -> String {
    format!("\"step\":{},\"epoch\":{}", at.step, json_number(at.epoch))
}

fn layer(row: &LayerRow) -> String {
    let (name, shape) = (json_string(&row.name), json_array(&row.shape, usize::to_string));
    let LayerRow { parameters, flops, .. } = row;
    format!("{{\"name\":{name},\"shape\":{shape},\"parameters\":{parameters},\"flops\":{flops}}}")
}

fn sample(sample: &Sample) -> String {
    let Sample { index, predicted, label, loss, .. } = sample;
    format!(
        "{{\"index\":{index},\"predicted\":{},\"label\":{},\"loss\":{}}}",
        json_string(predicted),
        json_string(label),
        json_number(*loss)
    )
}

impl Sink for JsonlSink {
    fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        let pair = |(name, value): &(String, String)| format!("{}:{}", json_string(name), json_string(value));
        let config = run.config.iter().map(pair).collect::<Vec<_>>().join(",");
        let machine = format!(
            "{{\"cpu\":{},\"threads\":{},\"system\":{},\"features\":{}}}",
            json_string(&run.machine.cpu),
            run.machine.threads,
            json_string(&run.machine.system),
            json_array(&run.machine.features, |name| json_string(name)),
        );
        let (name, model) = (json_string(&run.name), json_array(&run.model, layer));
        let members =
            format!("\"name\":{name},\"config\":{{{config}}},\"model\":{model},\"machine\":{machine}");
        self.write("start", &members)?;
        self.flush()
    }

    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        let (at, name, value) = (moment(at), json_string(name), json_number(value));
        self.write("scalar", &format!("{at},\"name\":{name},\"value\":{value}"))
    }

    fn histogram(
        &mut self,
        at: At,
        quantity: Quantity,
        name: &str,
        histogram: &Histogram,
    ) -> Result<(), SinkError> {
        let number = |x: &f64| json_number(*x);
        let members = format!(
            "{},\"quantity\":\"{}\",\"name\":{},\"min\":{},\"max\":{},\"sum\":{},\"sum_squares\":{},\
             \"non_finite\":{},\"percentiles\":{},\"limits\":{},\"counts\":{}",
            moment(at),
            quantity.name(),
            json_string(name),
            json_number(histogram.min()),
            json_number(histogram.max()),
            json_number(histogram.sum()),
            json_number(histogram.sum_squares()),
            histogram.non_finite(),
            json_array(&histogram.percentiles(), number),
            json_array(histogram.limits(), number),
            json_array(histogram.counts(), u64::to_string),
        );
        self.write("histogram", &members)
    }

    fn image(&mut self, at: At, name: &str, image: &Image) -> Result<(), SinkError> {
        let (at, name, png) = (moment(at), json_string(name), base64(&image.png()));
        self.write("image", &format!("{at},\"name\":{name},\"png\":\"{png}\""))
    }

    fn text(&mut self, at: At, name: &str, text: &str) -> Result<(), SinkError> {
        let (at, name, text) = (moment(at), json_string(name), json_string(text));
        self.write("text", &format!("{at},\"name\":{name},\"text\":{text}"))
    }

    fn confusion(
        &mut self,
        at: At,
        confusion: &ConfusionMatrix,
        classes: &[String],
    ) -> Result<(), SinkError> {
        let row = |row: ndarray::ArrayView1<'_, u64>| json_array(&row.to_vec(), u64::to_string);
        let rows = confusion.counts().rows().into_iter().map(row).collect::<Vec<_>>().join(",");
        let classes = json_array(classes, |name| json_string(name));
        self.write("confusion", &format!("{},\"classes\":{classes},\"counts\":[{rows}]", moment(at)))
    }

    fn worst_samples(&mut self, at: At, samples: &[Sample]) -> Result<(), SinkError> {
        let samples = json_array(samples, sample);
        self.write("worst_samples", &format!("{},\"samples\":{samples}", moment(at)))
    }

    fn end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        let members = format!(
            "\"seconds\":{},\"peak_memory\":{},\"data_wait\":{},\"reason\":{}",
            json_number(end.duration.as_secs_f64()),
            end.peak_memory.map_or("null".to_owned(), |bytes| bytes.to_string()),
            json_number(end.data_wait.unwrap_or(f64::NAN)),
            json_string(&end.reason),
        );
        self.write("end", &members)?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.output.flush()
    }
}
