//! What sinks leave, and what they say of files they cannot write.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::array;
use nn_monitor::{
    At, ConfusionMatrix, CsvSink, Histogram, Image, JsonlSink, LayerRow, Machine, Metric, Quantity, Report,
    RunEnd, RunStart, Sample, Sink, SinkError, TensorBoardSink, replay,
};
use serde_json::{Value, json};

/// A folder that is removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nn-monitor-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NASTY: &str = "a,\"b\"\n<script>alert('&')</script>\u{1}";

fn run_start() -> RunStart {
    RunStart {
        name: NASTY.to_owned(),
        config: vec![(NASTY.to_owned(), NASTY.to_owned()), ("batch".to_owned(), "32".to_owned())],
        model: vec![LayerRow { name: NASTY.to_owned(), shape: vec![8, 3], parameters: 12, flops: 1 << 40 }],
        machine: Machine { threads: 2, system: "x".to_owned(), ..Machine::default() },
    }
}

/// Tells a sink one record of each kind, all names nasty.
fn tell_everything(sink: &mut dyn Sink) -> Result<(), SinkError> {
    let (at, image) = (At::new(3, 0.5), Image::new(2, 1, 1, vec![0, 255]).unwrap());
    sink.start(&run_start())?;
    for (step, value) in [(1, 1.5), (2, f64::NAN), (3, f64::INFINITY)] {
        sink.scalar(At::new(step, 0.5), NASTY, value)?;
    }
    sink.histogram(at, Quantity::Weight, NASTY, &Histogram::exponential(&[1.0f32, 2.0, f32::NAN]))?;
    sink.image(at, NASTY, &image)?;
    sink.text(at, NASTY, NASTY)?;
    let mut confusion = ConfusionMatrix::new(2).unwrap();
    confusion.update_arrays(&array![1.0, -1.0, 1.0], &array![1.0, 1.0, 0.0]).unwrap();
    sink.confusion(at, &confusion, &[NASTY.to_owned(), "b".to_owned()])?;
    let (predicted, label) = (NASTY.to_owned(), NASTY.to_owned());
    sink.worst_samples(at, &[Sample { index: 7, predicted, label, loss: f64::NAN, image: Some(image) }])?;
    sink.end(&RunEnd {
        duration: Duration::from_millis(1500),
        peak_memory: Some(1 << 20),
        data_wait: None,
        monitoring: Some(0.25),
        reason: NASTY.to_owned(),
    })
}

fn records(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_lines_hold_everything() {
    let folder = Folder::new("json");
    let path = folder.join("sub/run.jsonl");
    tell_everything(&mut JsonlSink::create(&path).unwrap()).unwrap();
    let records = records(&path);
    let kinds: Vec<&str> = records.iter().map(|record| record["record"].as_str().unwrap()).collect();
    let expected = [
        "start",
        "scalar",
        "scalar",
        "scalar",
        "histogram",
        "image",
        "text",
        "confusion",
        "worst_samples",
        "end",
    ];
    assert_eq!(kinds, expected);
    let scalar = json!({"record": "scalar", "step": 1, "epoch": 0.5, "name": NASTY, "value": 1.5});
    assert_eq!(records[1], scalar);
    assert!(records[2]["value"].is_null() && records[3]["value"].is_null());
    assert_eq!(records[0]["config"], json!({NASTY: NASTY, "batch": "32"}));
    let layer = json!({"name": NASTY, "shape": [8, 3], "parameters": 12, "flops": 1u64 << 40});
    assert_eq!(records[0]["model"], json!([layer]));
    assert_eq!(records[4]["percentiles"], json!([1.15, 1.5, 1.85]));
    assert_eq!((&records[4]["non_finite"], &records[4]["max"]), (&json!(1), &json!(2.0)));
    assert_eq!(records[7]["counts"], json!([[0, 1], [1, 1]]));
    assert_eq!(records[8]["samples"][0]["loss"], Value::Null);
    let end = json!({"record": "end", "seconds": 1.5, "peak_memory": 1 << 20, "data_wait": null, "monitoring": 0.25, "reason": NASTY});
    assert_eq!(records[9], end);
}

#[test]
fn several_sinks_are_told_the_same() {
    let folder = Folder::new("several");
    let [one, first, second] = ["one", "first", "second"].map(|name| folder.join(name));
    tell_everything(&mut JsonlSink::create(&one).unwrap()).unwrap();
    let mut several: Vec<Box<dyn Sink>> = vec![];
    for path in [&first, &second] {
        several.push(Box::new(JsonlSink::create(path).unwrap()));
    }
    tell_everything(&mut several).unwrap();
    assert!(records(&one) == records(&first) && records(&one) == records(&second));
    several.scalar(At::new(9, 1.0), "x", 1.0).unwrap();
    several.flush().unwrap();
    assert_eq!(records(&second).len(), 11);
}

#[test]
fn a_log_goes_on_after_a_checkpoint() {
    let folder = Folder::new("resume");
    let path = folder.join("run.jsonl");
    let mut log = JsonlSink::create(&path).unwrap();
    log.start(&run_start()).unwrap();
    let histogram = Histogram::uniform(&[1.0, 4.0, 2.0], 3).unwrap();
    for step in 1..=6 {
        log.scalar(At::new(step, 0.0), "train/loss", step as f64).unwrap();
    }
    log.flush().unwrap();
    drop(log);
    // What a process that was killed leaves.
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"record\":\"scalar\",\"step\":7,\"epo");
    fs::write(&path, text).unwrap();

    let mut log = JsonlSink::resume(&path, 4).unwrap();
    assert_eq!(records(&path).len(), 5);
    log.histogram(At::new(5, 0.0), Quantity::Activation, "0", &histogram).unwrap();
    log.scalar(At::new(5, 0.0), "train/loss", f64::NAN).unwrap();
    log.flush().unwrap();
    let mut report = Report::default();
    replay(&path, 5, &mut report).unwrap();
    let values: Vec<f64> =
        report.curves.get("train/loss").unwrap().points().iter().map(|point| point.1).collect();
    assert_eq!(values[..4], [1.0, 2.0, 3.0, 4.0]);
    assert!(values.len() == 5 && values[4].is_nan());
    assert_eq!(report.start.model, run_start().model);
    assert_eq!(report.distributions[0].points, [(At::new(5, 0.0), histogram.percentiles())]);
    let mut early = Report::default();
    replay(&path, 2, &mut early).unwrap();
    assert_eq!(early.curves.get("train/loss").unwrap().points().len(), 2);
    // Nothing to go on with is a beginning.
    JsonlSink::resume(folder.join("new.jsonl"), 4).unwrap();

    for (line, message) in [
        ("nonsense", "no JSON: expected ident at line 1 column 2"),
        ("{\"record\":\"other\"}", "`other` is no record, or lacks a member"),
        ("{\"record\":\"scalar\",\"step\":1}", "`scalar` is no record, or lacks a member"),
        ("[]", "`nothing` is no record, or lacks a member"),
    ] {
        fs::write(&path, format!("{line}\n")).unwrap();
        let error = replay(&path, 9, &mut Report::default()).unwrap_err().to_string();
        assert_eq!(error, format!("{}: line 1: {message}", path.display()));
    }
}

#[test]
fn tables_quote_and_resume() {
    let folder = Folder::new("csv");
    let path = folder.join("table.csv");
    let columns = [NASTY, "b"];
    let header = format!("step,epoch,\"{}\",b\n", NASTY.replace('"', "\"\""));
    let mut table = CsvSink::create(&path, &columns).unwrap();
    table.scalar(At::new(1, 0.5), "b", 0.1).unwrap();
    table.scalar(At::new(1, 0.5), "not a column", 9.0).unwrap();
    table.scalar(At::new(1, 0.5), NASTY, f64::NAN).unwrap();
    table.scalar(At::new(2, 1.0), "b", -1e-7).unwrap();
    table.scalar(At::new(3, 1.5), "b", f64::NEG_INFINITY).unwrap();
    drop(table);
    let rows = "1,0.5,NaN,0.1\n2,1,,-0.0000001\n3,1.5,,-inf\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{header}{rows}"));

    fs::write(&path, format!("{header}{rows}4,2,,")).unwrap();
    let mut table = CsvSink::resume(&path, &columns, 2).unwrap();
    table.scalar(At::new(3, 1.5), "b", 7.0).unwrap();
    table.end(&RunEnd::default()).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{header}1,0.5,NaN,0.1\n2,1,,-0.0000001\n3,1.5,,7\n")
    );
    drop(table);

    let error = CsvSink::resume(&path, &["other"], 2).unwrap_err().to_string();
    assert!(
        error.contains("table.csv: expected the header \"step,epoch,other\", found \"step,epoch,"),
        "{error}"
    );
    // A file that was cut off in its header is begun anew.
    fs::write(&path, "step,ep").unwrap();
    drop(CsvSink::resume(&path, &["x"], 2).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "step,epoch,x\n");
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let folder = Folder::new("unwritable");
    let file = folder.join("file");
    fs::write(&file, "").unwrap();
    // Nothing can be created below a file.
    let below = file.join("run");
    let errors = [
        CsvSink::create(below.join("a.csv"), &["x"]).map(|_| ()).unwrap_err(),
        CsvSink::resume(below.join("a.csv"), &["x"], 1).map(|_| ()).unwrap_err(),
        JsonlSink::create(below.join("a.jsonl")).map(|_| ()).unwrap_err(),
        JsonlSink::resume(below.join("a.jsonl"), 1).map(|_| ()).unwrap_err(),
        TensorBoardSink::create(&below).map(|_| ()).unwrap_err(),
        Report::new("").write(below.join("report.html")).unwrap_err(),
        Report::to_file(below.join("report.html")).end(&RunEnd::default()).unwrap_err(),
    ];
    for error in errors {
        let message = error.to_string();
        assert!(message.starts_with(file.to_str().unwrap()), "{message}");
        assert!(message.contains(": cannot be "), "{message}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let full = |error: SinkError| {
        let message = error.to_string();
        assert!(message.contains("cannot be written: No space left on device"), "{message}");
    };
    full(CsvSink::create("/dev/full", &["x"]).map(|_| ()).unwrap_err());
    let mut log = JsonlSink::create("/dev/full").unwrap();
    log.scalar(At::new(1, 0.0), "x", 1.0).unwrap(); // in memory
    full(log.flush().unwrap_err());

    // The last good report stays.
    let folder = Folder::new("full");
    let path = folder.join("report.html");
    Report::new("first").write(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.join("report.html.part")).unwrap();
    full(Report::new("second").write(&path).unwrap_err());
    assert!(fs::read_to_string(&path).unwrap().contains("<h1>first</h1>"));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn a_report_is_one_page_without_markup_in_names() {
    let mut report = Report::default();
    tell_everything(&mut report).unwrap();
    let html = report.html();
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    assert_eq!(html.matches("<script>").count(), 1);
    assert!(!html.contains("alert('&')") && !html.contains('\u{1}'));
    // Nothing is loaded from elsewhere: the only address is the name of SVG.
    let addresses: Vec<&str> =
        html.match_indices("://").map(|(at, _)| &html[at.saturating_sub(5)..at + 15]).collect();
    assert!(addresses.iter().all(|address| address.contains("http://www.w3.org")), "{addresses:?}");
    assert!(!html.contains("<link") && !html.contains(" src=\"http") && !html.contains("@import"));
    for heading in [
        "Other curves",
        "Weights",
        "Confusion matrix",
        "Worst samples",
        "Pictures",
        "Model",
        "Configuration",
        "Machine",
    ] {
        assert!(html.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    assert!(html.contains("src=\"data:image/png;base64,iVBOR"));
    tags_are_balanced(&html);
}

#[test]
fn the_file_of_a_report_is_written_at_the_end() {
    let folder = Folder::new("report");
    let path = folder.join("sub/report.html");
    let mut report = Report::to_file(&path);
    report.start(&run_start()).unwrap();
    report.scalar(At::new(1, 0.0), "train/loss", 1.0).unwrap();
    report.flush().unwrap();
    assert!(!path.exists(), "a page at once would cost more than the steps");
    report.end(&RunEnd::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), report.html());
    // What is told again takes the place of what was there.
    report.text(At::new(1, 0.0), "note", "first").unwrap();
    report.text(At::new(2, 0.0), "note", "second").unwrap();
    assert_eq!(report.texts, [("note".to_owned(), "second".to_owned())]);
}

#[test]
fn an_empty_report_is_a_page() {
    let html = Report::new("nothing").html();
    assert!(html.contains("<h1>nothing</h1>") && html.contains("still running") && !html.contains("<h2>"));
    tags_are_balanced(&html);
}

/// Every tag that is opened is closed, in order.
fn tags_are_balanced(html: &str) {
    const VOID: [&str; 4] = ["meta", "img", "br", "!doctype"];
    let (before, rest) = html.split_once("<style>").unwrap();
    let (body, script) = rest.split_once("</style>").unwrap().1.split_once("<script>").unwrap();
    let after = script.split_once("</script>").unwrap().1;
    let mut open = Vec::new();
    for tag in [before, body, after].iter().flat_map(|part| part.split('<').skip(1)) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.split([' ', '\n', '/']).next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
