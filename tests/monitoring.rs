//! What a run leaves behind: the log, the table, the report; that they go on after a resume; and that recording changes
//! nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nn_train::checkpoint::Checkpoints;
use nn_train::data::digits;
use nn_train::monitor::{At, RunEnd, RunStart, Sink, SinkError, TopK};
use nn_train::prelude::*;
use nn_train::{Control, Event, Monitor};

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("nn-train-monitoring-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

fn data() -> [Dataset<f32>; 2] {
    let digits = digits::load::<f32>().select(&(0..500).collect::<Vec<_>>()).unwrap();
    let [train, test] = digits.split_stratified([0.8, 0.2], Streams::new(1)).unwrap();
    let scaler = Standardizer::per_set(&train).unwrap();
    [scaler.apply(train).unwrap(), scaler.apply(test).unwrap()]
}

fn network() -> Network<f32> {
    let module = Sequential::new().add(Linear::new(16)).add(Activation::Relu).add(Linear::new(10));
    Network::new(module, &[64], 1).unwrap()
}

fn trainer() -> Trainer<f32> {
    Trainer::new(SoftmaxCrossEntropy::new(), Nesterov::new(0.02, 0.9).unwrap())
        .metric(TopK::new(3).unwrap())
        .epochs(4)
        .progress(Progress::Silent)
}

fn fit(trainer: &Trainer<f32>) -> (History, Vec<u32>) {
    let ([train, test], mut network) = (data(), network());
    let history = trainer.fit(&mut network, &train, Some(&test)).unwrap();
    (history, network.params().as_slice().iter().map(|w| w.to_bits()).collect())
}

#[test]
fn a_folder_has_the_report_the_table_and_the_log() {
    let folder = folder("files");
    let monitor =
        Monitor::in_folder(&folder).name("a <run>").images(&[8, 8]).config("note", "x & y").tensorboard();
    let monitor = monitor.classes((0..10).map(|digit| format!("digit {digit}")));
    let (history, bits) = fit(&trainer().monitor(monitor));
    assert_eq!(bits, fit(&trainer()).1, "recording changes nothing");

    let report = fs::read_to_string(folder.join("report.html")).unwrap();
    for wanted in [
        "a &lt;run&gt;",
        "x &amp; y",
        "digit 7",
        "0 Linear",
        "Nesterov",
        "Momentum",
        "Learning rate",
        "Confusion",
        "data:image/png",
        "all epochs done",
        "waiting for data",
        "peak memory",
        "Gradient norm",
        "1 ReLU",
    ] {
        assert!(report.contains(wanted), "{wanted}");
    }
    for unwanted in ["a <run>", "src=\"http", "href=\"http", "<link", "@import", "url(http"] {
        assert!(!report.contains(unwanted), "{unwanted}");
    }

    let table = fs::read_to_string(folder.join("epochs.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    let header = "step,epoch,train/loss,train/accuracy,validation/loss,validation/accuracy,validation/top_3_accuracy,seconds_per_epoch";
    assert_eq!((lines[0], lines.len()), (header, 5));
    let last = history.last().unwrap();
    let cells: Vec<&str> = lines[4].split(',').collect();
    assert_eq!(cells[..3], ["28", "4", &last.train.loss.to_string()]);
    assert_eq!(cells[6].parse::<f64>().unwrap(), last.metrics[0].1);
    assert!(last.metrics[0].1 > last.validation.unwrap().accuracy.unwrap());

    let log = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    assert_eq!(log.matches("\"train/batch_loss\"").count(), 28);
    assert!(fs::read_dir(folder.join("tensorboard")).unwrap().count() == 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn after_a_resume_the_files_go_on() {
    let folder = folder("resumed");
    let checkpoints = Checkpoints::new(folder.join("checkpoints"));
    let monitored = trainer().monitor(Monitor::in_folder(&folder));
    // Step 16 is the third of the third epoch. The log goes on to step 19 after the last checkpoint, at step 14.
    let stopped = monitored.clone().checkpoints(checkpoints.clone()).on_event(|event| match event {
        Event::Step { step: 19, .. } => Control::Stop,
        _ => Control::Continue,
    });
    fit(&stopped);
    fs::remove_file(checkpoints.last().unwrap().unwrap()).unwrap();
    let (history, bits) = fit(&monitored.checkpoints(checkpoints.resume()));
    assert_eq!((history.epochs.len(), bits), (4, fit(&trainer()).1));

    let log = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    for step in 1..=28 {
        let line = format!("\"step\":{step},");
        let of_step = |text: &&str| text.contains(&line) && text.contains("\"train/batch_loss\"");
        assert_eq!(log.lines().filter(of_step).count(), 1, "step {step}");
    }
    assert_eq!(fs::read_to_string(folder.join("epochs.csv")).unwrap().lines().count(), 5);
    fs::remove_dir_all(folder).unwrap();
}

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Told {
    names: Vec<String>,
    started: Option<RunStart>,
    ended: Option<RunEnd>,
}

#[derive(Debug)]
struct Shared(Arc<Mutex<Told>>);

impl Sink for Shared {
    fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        self.0.lock().unwrap().started = Some(run.clone());
        Ok(())
    }

    fn scalar(&mut self, at: At, name: &str, _: f64) -> Result<(), SinkError> {
        self.0.lock().unwrap().names.push(format!("{} {name}", at.step));
        Ok(())
    }

    fn end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        self.0.lock().unwrap().ended = Some(end.clone());
        Ok(())
    }
}

#[test]
fn a_sink_of_ones_own_is_told() {
    let told = Arc::new(Mutex::new(Told::default()));
    fit(&trainer().monitor(Monitor::to_sink(Shared(Arc::clone(&told)))));
    let told = told.lock().unwrap();
    let start = told.started.as_ref().unwrap();
    assert_eq!(start.model.iter().map(|row| row.parameters).collect::<Vec<_>>(), [1040, 0, 170]);
    assert!(start.config.contains(&("batch size".to_owned(), "64".to_owned())));
    assert!(
        told.names.contains(&"7 validation/loss".to_owned()) && told.names.contains(&"1 momentum".to_owned())
    );
    let end = told.ended.as_ref().unwrap();
    assert!(end.duration > Duration::ZERO && end.data_wait.unwrap() < 0.5);
    assert!((0.0..=1.0).contains(&end.monitoring.unwrap()));
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_the_first_step() {
    let folder = folder("unwritable");
    fs::write(&folder, "a file").unwrap();
    let trainer = trainer().monitor(Monitor::in_folder(&folder)).on_event(|event| panic!("{event:?}"));
    let ([train, _], mut network) = (data(), network());
    let error = trainer.fit(&mut network, &train, None).unwrap_err().to_string();
    assert!(error.contains("monitoring-unwritable"), "{error}");
    fs::remove_file(folder).unwrap();
}
