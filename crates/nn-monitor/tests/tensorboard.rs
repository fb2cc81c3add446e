//! Event files, read back: by the `tensorboard` package where Python has it.

use std::fs;
use std::path::Path;
use std::process::Command;

use nn_monitor::{At, Histogram, Image, Quantity, RunStart, Sink, TensorBoardSink};

/// Prints what TensorBoard finds in a folder as one line of JSON.
const READER: &str = r"
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
acc = EventAccumulator(sys.argv[1], size_guidance=dict(scalars=0, histograms=0, images=0, tensors=0)).Reload()
tags = acc.Tags()
print(json.dumps(dict(
    scalars={tag: [[e.step, e.value] for e in acc.Scalars(tag)] for tag in tags['scalars']},
    histograms={tag: [[e.step, h.min, h.max, h.num, h.sum, h.sum_squares, list(h.bucket_limit), list(h.bucket)]
                      for e in acc.Histograms(tag) for h in [e.histogram_value]] for tag in tags['histograms']},
    images={tag: [[e.step, e.width, e.height, e.encoded_image_string.hex()] for e in acc.Images(tag)]
            for tag in tags['images']},
    texts={tag: [e.tensor_proto.string_val[0].decode() for e in acc.Tensors(tag)] for tag in tags['tensors']
           if acc.summary_metadata[tag].plugin_data.plugin_name == 'text'},
)))
";

#[test]
fn tensorboard_reads_what_was_written() {
    let python = std::env::var("PYTHON").unwrap_or("python3".to_owned());
    let has_package = Command::new(&python).args(["-c", "import tensorboard"]).output();
    if !has_package.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no package `tensorboard`; name another in PYTHON");
        return;
    }
    let folder = std::env::temp_dir().join(format!("nn-monitor-tensorboard-{}", std::process::id()));
    let image = Image::new(3, 2, 3, (0..18).collect()).unwrap();
    write(&folder, &image);

    let output = Command::new(&python).args(["-c", READER]).arg(&folder).output().unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    // What Python's JSON writes for numbers that JSON does not know.
    let read: serde_json::Value = serde_json::from_str(&text.replace("NaN", "\"NaN\"")).unwrap();
    use serde_json::json;
    // Step 3 of the first file was taken back by the second.
    assert_eq!(
        read["scalars"],
        json!({"train/loss": [[1, 0.5], [2, "NaN"], [3, 0.25]], "é, \"x\"": [[1u64 << 40, -1.0]]})
    );
    // Minimum, maximum, number, sum, sum of squares, limits, counts.
    let histogram = json!([2, -1.0, 3.0, 5.0, 4.0, 14.0, [1.0, 3.0], [3.0, 2.0]]);
    assert_eq!(read["histograms"], json!({"activation/0": [histogram]}));
    let png: String = image.png().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(read["images"], json!({"picture": [[2, 3, 2, png]]}));
    assert_eq!(read["texts"]["note"], json!(["a | b"]));
    let configuration = read["texts"]["configuration"][0].as_str().unwrap();
    assert!(configuration.contains("| batch | 32 \\| 64 |"), "{configuration}");
}

fn write(folder: &Path, image: &Image) {
    let mut board = TensorBoardSink::create(folder).unwrap();
    let config = vec![("batch".to_owned(), "32 | 64".to_owned())];
    board.start(&RunStart { config, ..RunStart::default() }).unwrap();
    for (step, loss) in [(1, 0.5), (2, f64::NAN), (3, 99.0)] {
        board.scalar(At::new(step, 0.0), "train/loss", loss).unwrap();
    }
    let histogram = Histogram::uniform(&[-1.0f32, 0.0, 0.0, 2.0, 3.0], 2).unwrap();
    board.histogram(At::new(2, 0.0), Quantity::Activation, "0", &histogram).unwrap();
    board
        .histogram(At::new(2, 0.0), Quantity::Activation, "empty", &Histogram::exponential::<f32>(&[]))
        .unwrap();
    board.image(At::new(2, 0.0), "picture", image).unwrap();
    board.text(At::new(2, 0.0), "note", "a | b").unwrap();
    board.flush().unwrap();
    let mut board = TensorBoardSink::resume(folder, 2).unwrap();
    board.scalar(At::new(3, 0.0), "train/loss", 0.25).unwrap();
    board.scalar(At::new(1 << 40, 0.0), "é, \"x\"", -1.0).unwrap();
    board.end(&nn_monitor::RunEnd::default()).unwrap();
}

#[test]
fn an_event_has_known_bytes() {
    let folder = std::env::temp_dir().join(format!("nn-monitor-event-{}", std::process::id()));
    let mut board = TensorBoardSink::create(&folder).unwrap();
    board.scalar(At::new(300, 0.0), "loss", 0.5).unwrap();
    board.flush().unwrap();
    let entry = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    assert!(entry.file_name().to_str().unwrap().starts_with("events.out.tfevents."));
    let bytes = fs::read(entry.path()).unwrap();
    fs::remove_dir_all(&folder).unwrap();

    // The first record: 24 bytes, the masked sum of that length as every event file has it, then time and
    // version.
    assert_eq!(bytes[..12], [24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
    assert_eq!(bytes[12], 0x09); // field 1, 64 bits
    assert_eq!(bytes[21..36], *b"\x1a\x0dbrain.Event:2");
    // The second: time, step 300, a summary of one value: its tag and 0.5.
    let event = &bytes[12 + 24 + 4..];
    let expected = b"\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\0\0\0\x3f";
    assert_eq!(event[..8], [9 + expected.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(event[12 + 9..12 + 9 + expected.len()], *expected);
    assert_eq!(event.len(), 12 + 9 + expected.len() + 4);
}
