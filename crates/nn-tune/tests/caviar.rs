//! Many models at once.

use std::collections::BTreeSet;
use std::env;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nn_tune::pruner::Median;
use nn_tune::storage::{InMemory, Journal, Record, Storage, StorageError};
use nn_tune::{Budget, Caviar, Direction, Progress, Random, RunningTrial, Space, Stop, Study, TrialState};

use crate::folder::Folder;
use crate::process::command_of;

fn study_in(storage: impl Storage + 'static) -> Study {
    let space = Space::new().log_uniform("rate", 1e-4, 1.0).unwrap();
    Study::open(storage, "s", Direction::Minimize, space, Random::new(1)).unwrap()
}

fn caviar(workers: usize, budget: Budget) -> Caviar {
    Caviar::new(workers).budget(budget).progress(Progress::Silent)
}

fn rate(trial: &mut RunningTrial<'_>) -> Result<f64, Stop> {
    Ok(trial.get("rate")?)
}

#[test]
fn a_budget_of_trials_is_that_of_the_study() {
    let memory = InMemory::new();
    let study = study_in(memory.clone());
    let ran = caviar(3, Budget::trials(20)).run(&study, rate).unwrap();
    assert_eq!((ran.complete, ran.pruned, ran.failed, ran.reports), (20, 0, 0, 0));
    // A second run goes on, a third has nothing to do.
    let again = study_in(memory);
    assert_eq!(caviar(3, Budget::trials(25)).run(&again, rate).unwrap().complete, 5);
    assert_eq!(caviar(3, Budget::trials(25)).run(&study, rate).unwrap().complete, 0);
    let trials = study.trials().unwrap();
    let rates: BTreeSet<u64> =
        trials.iter().map(|trial| trial.params.get::<f64>("rate").unwrap().to_bits()).collect();
    assert_eq!((trials.len(), rates.len()), (25, 25));
    for trial in trials {
        assert_eq!(trial.value(), trial.params.get("rate").ok());
    }
}

#[test]
fn cores_are_shared() {
    let study = study_in(InMemory::new());
    let seen = Mutex::new(BTreeSet::new());
    let objective = |trial: &mut RunningTrial<'_>| {
        seen.lock().unwrap().insert((format!("{:?}", thread::current().id()), trial.threads()));
        thread::sleep(Duration::from_millis(5));
        Ok(0.0)
    };
    caviar(3, Budget::trials(60)).threads(8).run(&study, objective).unwrap();
    let mut threads: Vec<usize> = seen.lock().unwrap().iter().map(|(_, threads)| *threads).collect();
    threads.sort_unstable();
    assert_eq!(threads, [2, 3, 3]);
}

#[test]
fn what_fails_is_recorded_and_the_study_goes_on() {
    let study = study_in(InMemory::new());
    let objective = |trial: &mut RunningTrial<'_>| {
        match trial.number() % 6 {
            0 => panic!("trial {} panics", trial.number()),
            1 => return Ok(f64::NAN),
            2 => return Ok(f64::INFINITY),
            3 => {
                trial.get::<f64>("no such")?;
            }
            4 => Err(io::Error::other("no data"))?,
            _ => {}
        }
        Ok(1.0)
    };
    let ran = caviar(2, Budget::trials(12)).run(&study, objective).unwrap();
    assert_eq!((ran.complete, ran.failed), (2, 10));
    let reasons: Vec<String> = study.trials().unwrap()[..6]
        .iter()
        .map(|trial| trial.system_attributes.get("fail_reason").map_or(String::new(), ToString::to_string))
        .collect();
    let expected = [
        "\"panic: trial 0 panics\"",
        "\"the objective is NaN\"",
        "\"the objective is inf\"",
        "\"there is no hyperparameter `no such`, expected one of [\\\"rate\\\"]\"",
        "\"no data\"",
        "",
    ];
    assert_eq!(reasons, expected);
}

/// Trains for ever.
fn endless(trial: &mut RunningTrial<'_>) -> Result<f64, Stop> {
    for step in 0.. {
        thread::sleep(Duration::from_millis(1));
        trial.report(step, 1.0)?;
    }
    Ok(1.0)
}

#[test]
fn time_and_epochs_end_a_run() {
    let study = study_in(InMemory::new());
    let began = Instant::now();
    let ran = caviar(2, Budget::time(Duration::from_millis(200))).run(&study, endless).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200) && began.elapsed() < Duration::from_secs(20));
    assert_eq!((ran.complete, ran.pruned, ran.failed), (0, 2, 0));
    let trials = study.trials().unwrap();
    assert_eq!(trials[0].user_attributes["stopped"], "the budget is used up");
    assert_eq!(trials.iter().map(|trial| trial.intermediate.len() as u64).sum::<u64>(), ran.reports);

    // Those of the run before count.
    let ran_before = ran.reports;
    let ran = caviar(2, Budget::epochs(ran_before + 50).or_time(Duration::from_secs(60)));
    let ran = ran.run(&study, endless).unwrap();
    assert!((50..=51).contains(&ran.reports), "{ran:?}");
    assert!(ran.duration < Duration::from_secs(30));
}

/// That some of 40 trials are complete, with five reports, and the others are pruned at the first. With one worker:
/// while others end trials, the median moves between the reports of one.
fn the_median_prunes(objective: impl Fn(&mut RunningTrial<'_>) -> Result<f64, Stop> + Sync) {
    let study = study_in(InMemory::new()).pruner(Median::new());
    let ran = caviar(1, Budget::trials(40)).run(&study, objective).unwrap();
    assert_eq!((ran.complete + ran.pruned, ran.failed), (40, 0));
    assert!(ran.pruned > 5 && ran.complete > 5, "{ran:?}");
    for trial in study.trials().unwrap() {
        let steps = if trial.state == TrialState::Pruned { 1 } else { 5 };
        assert_eq!(trial.intermediate.len(), steps, "{trial:?}");
    }
}

#[test]
fn the_pruner_ends_trials() {
    let objective = |trial: &mut RunningTrial<'_>| {
        let rate: f64 = trial.get("rate")?;
        (0..5).try_for_each(|step| trial.report(step, rate))?;
        Ok(rate)
    };
    the_median_prunes(objective);
}

#[test]
fn callbacks_report_too() {
    let objective = |trial: &mut RunningTrial<'_>| {
        let (reporter, rate) = (trial.reporter(), trial.get::<f64>("rate")?);
        // In another thread, which ends when it is told to; the value is not looked at then.
        let steps =
            thread::spawn(move || (0..5).take_while(|&step| reporter.report(step, rate).is_ok()).count());
        assert!(steps.join().unwrap() <= 5);
        Ok(rate)
    };
    the_median_prunes(objective);
}

#[test]
fn a_reporter_that_outlives_its_run_says_so() {
    let study = study_in(InMemory::new());
    let kept = Mutex::new(None);
    let objective = |trial: &mut RunningTrial<'_>| {
        *kept.lock().unwrap() = Some(trial.reporter());
        Ok(1.0)
    };
    caviar(1, Budget::trials(1)).run(&study, objective).unwrap();
    let reporter = kept.into_inner().unwrap().unwrap();
    assert_eq!(reporter.report(0, 1.0), Err(Stop::Failed("the run is over".to_owned())));
}

/// A storage that works only so many times.
#[derive(Debug)]
struct Worn {
    storage: InMemory,
    left: u32,
}

impl Storage for Worn {
    fn read(&mut self) -> Result<Vec<Record>, StorageError> {
        self.storage.read()
    }

    fn update(
        &mut self,
        change: &mut dyn FnMut(Vec<Record>) -> Vec<Record>,
    ) -> Result<Vec<Record>, StorageError> {
        let error = |source| StorageError::File { path: "s".into(), action: "cannot write", source };
        self.left = self.left.checked_sub(1).ok_or_else(|| error(io::Error::other("disk full")))?;
        self.storage.update(change)
    }
}

#[test]
fn a_storage_that_does_not_work_ends_the_run() {
    for left in [2, 20, 21, 22] {
        let study = study_in(Worn { storage: InMemory::new(), left });
        let error = caviar(2, Budget::default()).run(&study, endless).unwrap_err();
        assert_eq!(error.to_string(), "s: cannot write: disk full");
    }
}

const FILE: &str = "NN_TUNE_TEST_JOURNAL";

/// A worker of the test below, in a process of its own.
#[test]
fn worker_process() {
    let Some(file) = env::var_os(FILE) else { return };
    let study = study_in(Journal::new(file).unwrap());
    let begun = AtomicU64::new(0);
    let objective = |trial: &mut RunningTrial<'_>| {
        begun.fetch_add(1, Ordering::Relaxed);
        trial.report(0, trial.get("rate")?)?;
        Ok(trial.get("rate")?)
    };
    let ran = caviar(2, Budget::trials(40)).run(&study, objective).unwrap();
    assert_eq!(ran.complete as u64, begun.into_inner());
}

#[test]
fn processes_share_a_study() {
    let folder = Folder::new("shared-by-processes");
    let worker = || command_of(module_path!(), "worker_process").env(FILE, folder.file()).spawn().unwrap();
    for mut process in [worker(), worker()] {
        assert!(process.wait().unwrap().success());
    }
    let trials = study_in(folder.journal()).trials().unwrap();
    assert_eq!(trials.len(), 40);
    for (number, trial) in (0..).zip(&trials) {
        assert_eq!((trial.number, trial.state), (number, TrialState::Complete));
        assert_eq!(trial.value(), trial.params.get("rate").ok());
    }
}
