//! Training that was interrupted ends with the same bits as training that was not.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nn_train::checkpoint::{CheckpointProblem, Checkpoints};
use nn_train::data::{Augment, Augmented, digits};
use nn_train::optim::{Accumulate, ClipGlobalNorm, Ema, RmsProp, Rprop, Swa};
use nn_train::prelude::*;
use nn_train::regularize::EarlyStopping;
use nn_train::schedule::{Exponential, SutskeverMomentum};
use nn_train::{Control, Event};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("nn-train-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const EPOCHS: u64 = 4;
/// Batches of 64 of 400 samples.
const STEPS: u64 = 7;

fn data() -> [Dataset<f32>; 2] {
    let digits = digits::load::<f32>().select(&(0..600).collect::<Vec<_>>()).unwrap();
    let [train, test] = digits.split([2.0 / 3.0, 1.0 / 3.0], Streams::new(1)).unwrap();
    let scaler = Standardizer::per_set(&train).unwrap();
    [scaler.apply(train).unwrap(), scaler.apply(test).unwrap()]
}

fn network(seed: u64) -> Network<f32> {
    let module = Sequential::new()
        .add(Linear::new(24))
        .add(BatchNorm::new())
        .add(Activation::Relu)
        .add(Dropout::new(0.3).unwrap())
        .add(Linear::new(10));
    Network::new(module, &[64], seed).unwrap()
}

fn trainer(rule: impl Rule<f32> + 'static) -> Trainer<f32> {
    let trainer = Trainer::new(SoftmaxCrossEntropy::new(), rule).progress(Progress::Silent);
    trainer.seed(5).epochs(EPOCHS).batch_size(64)
}

/// Trainings that differ in what they must keep.
fn trainings() -> Vec<(&'static str, Trainer<f32>)> {
    let momentum = SutskeverMomentum::new(0.9).unwrap();
    let nesterov = trainer(Nesterov::new(0.05, 0.5).unwrap())
        .schedule(Exponential::new(0.05, 0.8).unwrap())
        .hyperparameters(move |t, optimizer| {
            let rule = Nesterov::new(0.05, momentum.at(100.0 * t))?;
            let rate = optimizer.learning_rate();
            optimizer.set_rule(rule);
            optimizer.set_learning_rate(rate)
        })
        .average(Ema::new(0.9).unwrap())
        .estimate_statistics()
        .early_stopping(EarlyStopping::new(2).unwrap());
    let adam = trainer(Adam::new(3e-3).unwrap())
        .accumulate(Accumulate::new(3).unwrap())
        .clip(ClipGlobalNorm::new(0.5).unwrap())
        .penalty(L2::new(1e-3).unwrap())
        .drop_last();
    let rmsprop = trainer(RmsProp::new(1e-3).unwrap()).average(Swa::new(10, 2).unwrap());
    let stops_early = trainer(Sgd::new(0.5).unwrap())
        .early_stopping_on("accuracy", EarlyStopping::new(1).unwrap().min_delta(0.2).unwrap().maximize());
    let full_batch = trainer(Rprop::new(1e-2).unwrap()).batch_size(400);
    vec![
        ("nesterov", nesterov),
        ("adam", adam),
        ("rmsprop", rmsprop),
        ("stops early", stops_early),
        ("full batch", full_batch),
    ]
}

type Outcome = (Vec<u32>, Vec<(u64, String)>);

/// The bits of the network, and what the epochs came to.
fn outcome(trainer: &Trainer<f32>, seed: u64) -> Result<Outcome, TrainError> {
    let ([train, test], mut network) = (data(), network(seed));
    let augment = Augment::new().shift(-1.0..=1.0, -1.0..=1.0).unwrap().rotation(-9.0..=9.0).unwrap();
    let train = Augmented::with_shape(&train, augment, Streams::new(2), [1, 8, 8]).unwrap();
    let history = trainer.fit(&mut network, &train, Some(&test))?;
    let epoch = |record: &EpochRecord| {
        let EpochRecord { epoch, train, validation, learning_rate, .. } = record;
        (*epoch, format!("{train:?} {validation:?} {learning_rate:?}"))
    };
    let bits = network.params().as_slice().iter().map(|w| w.to_bits()).collect();
    Ok((bits, history.epochs.iter().map(epoch).collect()))
}

/// Training that a callback stops after a step, from 0.
fn stopped_after(trainer: Trainer<f32>, last: u64) -> Trainer<f32> {
    trainer.on_event(move |event| match event {
        Event::Step { step, .. } if *step == last => Control::Stop,
        _ => Control::Continue,
    })
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bits() {
    let folder = Folder::new("resume");
    for (name, trainer) in trainings() {
        let expected = outcome(&trainer, 1).unwrap();
        let per_epoch = if name == "full batch" { 1 } else { STEPS - u64::from(name == "adam") };
        let last = expected.1.len() as u64 * per_epoch - 1;
        let mut stops = vec![0, per_epoch - 1, per_epoch, last / 2 + 1, last];
        stops.retain(|&stop| stop <= last);
        stops.sort_unstable();
        stops.dedup();
        for stop in stops {
            let folder = folder.0.join(format!("{name} {stop}"));
            let checkpoints = Checkpoints::new(&folder);
            let first = trainer.clone().checkpoints(checkpoints.clone());
            outcome(&stopped_after(first, stop), 1).unwrap();
            // Other initial weights: all must come from the checkpoint.
            let got = outcome(&trainer.clone().checkpoints(checkpoints.resume()), 2).unwrap();
            assert!(got == expected, "{name}, stopped after step {stop}: {:?}\n{:?}", got.1, expected.1);
        }
    }
}

#[test]
fn what_is_not_kept_is_missed() {
    // The test above would be worth nothing if an interruption that keeps only the weights went unnoticed.
    for (name, trainer) in trainings().into_iter().filter(|(name, _)| *name != "stops early") {
        let ([train, test], mut network) = (data(), network(1));
        let expected = outcome(&trainer, 1).unwrap();
        stopped_after(trainer.clone(), 8.min(EPOCHS)).fit(&mut network, &train, Some(&test)).unwrap();
        trainer.fit(&mut network, &train, Some(&test)).unwrap();
        let bits: Vec<u32> = network.params().as_slice().iter().map(|w| w.to_bits()).collect();
        assert!(bits != expected.0, "{name}");
    }
}

#[test]
fn the_last_and_the_best_are_kept() {
    let folder = Folder::new("kept");
    let checkpoints = Checkpoints::new(folder.0.join("checkpoints")).every_steps(2).keep_last(3);
    let trainer = trainer(Adam::new(3e-3).unwrap()).checkpoints(checkpoints.clone());
    let first = outcome(&trainer, 1).unwrap();
    let mut names: Vec<_> = fs::read_dir(checkpoints.folder())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["best", "step-000000024", "step-000000026", "step-000000028"];
    assert_eq!(names, expected.map(|name| format!("{name}.safetensors")));
    let error = outcome(&trainer, 1).unwrap_err().to_string();
    assert!(error.contains("step-000000028") && error.contains("earlier run"), "{error}");
    let over = trainer.clone().checkpoints(checkpoints.overwrite());
    assert_eq!(outcome(&over, 1).unwrap(), first);
}

/// The training that is killed: its checkpoints follow one another closely.
fn to_be_killed(folder: &Path) -> Trainer<f32> {
    let checkpoints = Checkpoints::new(folder.join("checkpoints")).every_steps(1).resume();
    let [(_, nesterov), ..] = <[_; 5]>::try_from(trainings()).unwrap();
    let nesterov = nesterov.epochs(12).early_stopping(EarlyStopping::new(12).unwrap());
    nesterov.checkpoints(checkpoints)
}

const FOLDER: &str = "NN_TRAIN_TO_BE_KILLED";

/// Not a test by itself: what the next test starts as a process of its own.
#[test]
fn process_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = PathBuf::from(folder);
    println!("begun");
    let (bits, _) = outcome(&to_be_killed(&folder), 1).unwrap();
    fs::write(folder.join("bits"), format!("{bits:?}")).unwrap();
}

#[test]
fn a_process_that_is_killed_at_any_moment_goes_on_to_the_same_bits() {
    let (killed, whole) = (Folder::new("killed"), Folder::new("whole"));
    let expected = outcome(&to_be_killed(&whole.0), 1).unwrap().0;
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "resume::process_to_be_killed", "--nocapture"]).env(FOLDER, &killed.0);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.by_ref().map_while(Result::ok).find(|line| line.contains("begun"));
        (child, lines)
    };
    let mut kills = 0;
    for attempt in 0u64..20 {
        let (mut child, _lines) = start();
        // Anywhere within some steps, writing of checkpoints included.
        thread::sleep(Duration::from_micros(500 + attempt * 7919 % 20 * 700));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills >= 15, "{kills} processes lived long enough to be killed");
    let (mut child, lines) = start();
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
    assert!(fs::read_to_string(killed.0.join("bits")).unwrap() == format!("{expected:?}"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_last_good_checkpoint() {
    let folder = Folder::new("full");
    let (_, trainer) = trainings().remove(0);
    let expected = outcome(&trainer, 1).unwrap();
    let checkpoints = Checkpoints::new(&folder.0).every_steps(1);
    let next = folder.0.join("step-000000010.safetensors.unfinished");
    let fills = trainer.clone().checkpoints(checkpoints.clone()).on_event(move |event| {
        if matches!(event, Event::Step { step: 8, .. }) {
            // All that is written there fails as on a full disk.
            std::os::unix::fs::symlink("/dev/full", &next).unwrap();
        }
        Control::Continue
    });
    let TrainError::Checkpoint(error) = outcome(&fills, 1).unwrap_err() else { panic!("another error") };
    assert!(matches!(error.problem, CheckpointProblem::Io { kind: ErrorKind::StorageFull, .. }), "{error}");
    assert!(error.to_string().contains("step-000000010.safetensors: cannot write"), "{error}");
    assert_eq!(checkpoints.last().unwrap().unwrap().file_name().unwrap(), "step-000000009.safetensors");
    assert_eq!(outcome(&trainer.checkpoints(checkpoints.resume()), 2).unwrap(), expected);
}

#[test]
fn a_folder_that_cannot_be_used_is_named_before_the_first_step() {
    let folder = Folder::new("unwritable");
    let file = folder.0.join("file");
    fs::write(&file, "no folder").unwrap();
    let (_, trainer) = trainings().remove(1);
    let trainer = trainer.checkpoints(Checkpoints::new(file.join("checkpoints")));
    let trainer = trainer.on_event(|event| panic!("began: {event:?}"));
    let error = outcome(&trainer, 1).unwrap_err().to_string();
    assert!(error.contains("file/checkpoints: cannot create or use the folder"), "{error}");
}

#[test]
fn a_run_with_other_settings_or_another_network_is_refused_and_nothing_is_loaded() {
    let folder = Folder::new("other");
    let checkpoints = Checkpoints::new(&folder.0);
    let own = || {
        trainer(Adam::new(1e-3).unwrap())
            .average(Ema::new(0.9).unwrap())
            .checkpoints(checkpoints.clone().resume())
    };
    outcome(&own(), 1).unwrap();
    let bare = || trainer(Adam::new(1e-3).unwrap()).checkpoints(checkpoints.clone().resume());
    let others: Vec<(Trainer<f32>, &str)> = vec![
        (own().seed(6), "the run was begun with seed 5, it cannot go on with 6"),
        (own().batch_size(32), "the run was begun with batch size 64, it cannot go on with 32"),
        (own().drop_last(), "the run was begun with drop_last false"),
        (own().accumulate(Accumulate::new(2).unwrap()), "the run was begun with accumulated batches: 1"),
        (bare(), "tensor `average` belongs to nothing here"),
        (
            trainer(Sgd::new(0.1).unwrap())
                .average(Ema::new(0.9).unwrap())
                .checkpoints(checkpoints.clone().resume()),
            "optimizer state is of rule `Adam`",
        ),
    ];
    let [train, test] = data();
    for (trainer, expected) in others {
        let mut network = network(3);
        let before = network.params().clone();
        let error = trainer.fit(&mut network, &train, Some(&test)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("step-000000028.safetensors"), "{error}");
        assert_eq!(network.params(), &before);
    }
    let mut wider = Network::new(Sequential::new().add(Linear::new(10)), &[64], 1).unwrap();
    let error = own().fit(&mut wider, &train, Some(&test)).unwrap_err().to_string();
    assert!(error.contains("tensor `0.weight` has shape [24, 64], expected [10, 64]"), "{error}");
    let fewer = train.select(&[0, 1, 2]).unwrap();
    let error = own().fit(&mut network(1), &fewer, Some(&test)).unwrap_err().to_string();
    assert!(error.contains("the run was begun with training samples: 400"), "{error}");
}
