//! What becomes of a study when workers are killed, lines are torn, locks are left and disks are full.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nn_tune::storage::Journal;
use nn_tune::{Direction, Outcome, Params, Random, Space, Study, StudyError, Trial, TrialState, Verdict};

use crate::folder::Folder;
use crate::process::command_of;

const GRACE: Duration = Duration::from_millis(150);

fn open(path: &Path) -> Study {
    let space = Space::new().uniform("x", 0.0, 1.0).unwrap().integer("layers", 1, 3).unwrap();
    let journal = Journal::new(path).unwrap().grace_period(GRACE);
    Study::open(journal, "study", Direction::Minimize, space, Random::new(1)).unwrap()
}

fn objective(params: &Params) -> f64 {
    params.get::<f64>("x").unwrap() / 3.0
}

fn work(study: &Study) -> Trial {
    let trial = study.ask().unwrap();
    study.report(trial.number, 0, 0.5).unwrap();
    study.tell(trial.number, Outcome::Complete(objective(&trial.params))).unwrap();
    trial
}

/// That Optuna reads as many trials, when there is a Python with it.
fn is_read_by_optuna(path: &Path, trials: usize) {
    let script = "import sys, optuna\n\
        from optuna.storages import JournalStorage\n\
        from optuna.storages.journal import JournalFileBackend\n\
        optuna.logging.set_verbosity(optuna.logging.ERROR)\n\
        storage = JournalStorage(JournalFileBackend(sys.argv[1]))\n\
        study = optuna.load_study(study_name='study', storage=storage)\n\
        study.set_user_attr('read', len(study.trials))\n\
        print(len(study.trials))";
    let python = std::env::var("PYTHON").unwrap_or("python3".to_owned());
    let has_package = Command::new(&python).args(["-c", "import optuna"]).output();
    if !has_package.is_ok_and(|output| output.status.success()) {
        println!("not tested with Optuna: {python} has no package `optuna`; PYTHON may name another");
        return;
    }
    let output = Command::new(&python).args(["-c", script]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), trials.to_string());
}

const JOURNAL: &str = "NN_TUNE_FAULTY_JOURNAL";
const TEARS: &str = "NN_TUNE_TEARS_A_LINE";

/// Not a test by itself: what other tests start as a process of its own.
#[test]
fn process_to_be_killed() {
    let Some(path) = std::env::var_os(JOURNAL).map(PathBuf::from) else { return };
    let study = open(&path).retry_dead(2);
    println!("\nbegun");
    if std::env::var_os(TEARS).is_some() {
        study.ask().unwrap();
        // As far as a write came when the process was killed in the middle of it.
        std::os::unix::fs::symlink(&path, path.with_extension("log.lock")).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":0,\"sta").unwrap();
        println!("\ntorn");
        thread::sleep(Duration::from_secs(60));
    }
    loop {
        match step(&study) {
            Ok((number, value)) => println!("\ntold {number} {}", value.to_bits()),
            Err(error) => {
                println!("\nerror {error}");
                return;
            }
        }
    }
}

fn step(study: &Study) -> Result<(u64, f64), StudyError> {
    let trial = study.ask()?;
    study.report(trial.number, 0, 0.5)?;
    let value = objective(&trial.params);
    study.tell(trial.number, Outcome::Complete(value))?;
    Ok((trial.number, value))
}

fn start(mut command: Command, path: &Path) -> (std::process::Child, impl Iterator<Item = String> + use<>) {
    let command = command.env(JOURNAL, path).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.by_ref().find(|line| line == "begun");
    (child, lines)
}

fn this_process() -> Command {
    command_of(module_path!(), "process_to_be_killed")
}

/// The trials that a worker was sure of, and their objectives.
fn told(lines: &[String]) -> BTreeMap<u64, u64> {
    let told = |line: &String| {
        let (number, bits) = line.strip_prefix("told ")?.split_once(' ')?;
        Some((number.parse().ok()?, bits.parse().ok()?))
    };
    lines.iter().filter_map(told).collect()
}

#[test]
fn workers_that_are_killed_at_any_moment_lose_no_finished_trial() {
    let folder = Folder::new("killed");
    let (mut sure, mut kills, mut torn) = (BTreeMap::new(), 0, 0);
    for attempt in 0_u64..20 {
        let mut command = this_process();
        if attempt % 5 == 4 {
            command.env(TEARS, "1");
        }
        let (mut child, mut lines) = start(command, &folder.file());
        let mut read = vec![];
        if attempt % 5 == 4 {
            read.extend(lines.by_ref().take_while(|line| line != "torn"));
            torn += 1;
        } else {
            // Anywhere within some trials, after what may be the wait for a lock that the last one left.
            read.extend(lines.by_ref().find(|line| line.starts_with("told ")));
            thread::sleep(Duration::from_micros(500 + attempt * 7919 % 20 * 1700));
        }
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        read.extend(lines);
        sure.extend(told(&read));
    }
    assert!(kills >= 18 && torn == 4, "{kills} were killed, {torn} of them in the middle of a line");
    assert!(!folder.text().ends_with('\n'), "the last has left a torn line");
    let study = open(&folder.file()).retry_dead(2);
    (0..60).for_each(|_| drop(work(&study)));
    let trials = study.trials().unwrap();
    assert!(sure.len() >= 16, "{} trials were told", sure.len());
    for (number, bits) in &sure {
        let trial = &trials[*number as usize];
        assert_eq!((trial.state, trial.value().map(f64::to_bits)), (TrialState::Complete, Some(*bits)));
    }
    // Whatever a dead worker was at has failed, and was done again.
    let failed: Vec<&Trial> = trials.iter().filter(|trial| trial.state == TrialState::Failed).collect();
    assert!(failed.len() >= torn, "{} trials failed", failed.len());
    for trial in failed {
        let reason = trial.system_attributes["fail_reason"].as_str().unwrap();
        assert!(reason.starts_with("its worker, process ") && reason.ends_with(" is gone"), "{reason}");
        let history = |other: &Trial| Some(other.system_attributes.get("retry_history")?.as_array()?.clone());
        let again = trials
            .iter()
            .find(|other| history(other).is_some_and(|h| h.last() == Some(&trial.number.into())));
        match again {
            Some(again) => assert_eq!(again.params, trial.params),
            None => assert_eq!(history(trial).unwrap().len(), 2, "{trial:?}"),
        }
    }
    assert!(trials.iter().all(|trial| matches!(trial.state, TrialState::Complete | TrialState::Failed)));
    assert!(folder.text().ends_with('\n'));
    is_read_by_optuna(&folder.file(), trials.len());
}

#[test]
fn a_line_that_was_torn_anywhere_is_cut_and_nothing_else() {
    let folder = Folder::new("torn");
    let study = open(&folder.file());
    work(&study);
    let whole = folder.text();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let (before, last) = (lines[..lines.len() - 1].concat(), lines[lines.len() - 1]);
    let cuts = (0..last.len()).filter(|cut| cut % 7 == 0 || *cut < 16 || cut + 2 > last.len());
    for cut in cuts {
        fs::write(folder.file(), format!("{before}{}", &last[..cut])).unwrap();
        let study = open(&folder.file());
        let is_whole = cut == last.len() - 1;
        // Readers pass over it.
        assert_eq!(study.trials().unwrap()[0].state, TrialState::Running);
        work(&study);
        let text = folder.text();
        let kept = if is_whole { whole.clone() } else { before.clone() };
        assert!(text.starts_with(&kept), "cut at {cut}: {text}");
        let state = if is_whole { TrialState::Complete } else { TrialState::Running };
        assert_eq!(open(&folder.file()).trials().unwrap()[0].state, state, "cut at {cut}");
        assert_eq!(open(&folder.file()).trials().unwrap(), study.trials().unwrap());
    }
    is_read_by_optuna(&folder.file(), 2);
}

#[test]
fn a_lock_that_was_left_is_taken_after_the_grace_period_and_not_before() {
    let folder = Folder::new("stale");
    let study = open(&folder.file());
    work(&study);
    let lock = folder.0.join("study.log.lock");
    // The last two as Python leaves them: relative to another folder, or to the journal's own.
    for target in [folder.file(), "elsewhere/study.log".into(), "study.log".into()] {
        std::os::unix::fs::symlink(target, &lock).unwrap();
        let begun = Instant::now();
        study.ask().unwrap();
        assert!(begun.elapsed() > GRACE, "{:?}", begun.elapsed());
    }
    // A lock that changes hands is waited for, however long that takes.
    let changing = {
        let lock = lock.clone();
        std::os::unix::fs::symlink("study.log", &lock).unwrap();
        thread::spawn(move || {
            for _ in 0..6 {
                thread::sleep(GRACE / 2);
                let other = lock.with_extension("other");
                std::os::unix::fs::symlink("study.log", &other).unwrap();
                fs::rename(other, &lock).unwrap();
            }
            fs::remove_file(&lock).unwrap();
        })
    };
    let begun = Instant::now();
    study.ask().unwrap();
    assert!(begun.elapsed() > 5 * GRACE / 2, "{:?}", begun.elapsed());
    changing.join().unwrap();
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing but the journal is left");
    assert_eq!(open(&folder.file()).trials().unwrap().len(), 5);
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    for blocks in [8, 9, 11] {
        let folder = Folder::new("full");
        // Files may not grow beyond so many blocks: a write comes as far as that, and fails.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f $1; shift; exec \"$@\"", "sh", &blocks.to_string()]);
        let process = this_process();
        command.arg(process.get_program()).args(process.get_args());
        let (mut child, lines) = start(command, &folder.file());
        let lines: Vec<String> = lines.collect();
        child.wait().unwrap();
        assert!(folder.text().ends_with('\n'));
        assert!(fs::symlink_metadata(folder.0.join("study.log.lock")).is_err());
        let sure = told(&lines);
        assert!(sure.len() >= 2, "{lines:?}");
        let refused = |line: &String| line.contains("study.log: cannot write: File too large");
        assert!(lines.iter().any(refused), "{lines:?}");
        let study = open(&folder.file()).retry_dead(1);
        work(&study);
        let trials = study.trials().unwrap();
        for (number, bits) in &sure {
            let trial = &trials[*number as usize];
            assert_eq!((trial.state, trial.value().map(f64::to_bits)), (TrialState::Complete, Some(*bits)));
        }
        if blocks == 11 {
            is_read_by_optuna(&folder.file(), trials.len());
        }
    }
}

#[test]
fn what_a_disk_refuses_is_named() {
    // As of a disk that fills while a study is on it: what was read is still there, and another disk can go on.
    let folder = Folder::new("refused");
    let study = open(&folder.file());
    let trial = study.ask().unwrap();
    let before = fs::metadata(&folder.0).unwrap().permissions();
    let mut locked = before.clone();
    std::os::unix::fs::PermissionsExt::set_mode(&mut locked, 0o555);
    fs::set_permissions(&folder.0, locked).unwrap();
    let is_refused = fs::write(folder.0.join("other"), "").is_err();
    if is_refused {
        let error = study.tell(trial.number, Outcome::Complete(0.5)).unwrap_err().to_string();
        assert!(error.contains("study.log.lock: cannot lock: "), "{error}");
        assert_eq!(open(&folder.file()).trials().unwrap().len(), 1);
    } else {
        println!("skipped: this user may write everywhere");
    }
    fs::set_permissions(&folder.0, before).unwrap();
    study.tell(trial.number, Outcome::Complete(0.5)).unwrap();
    // Another file than was begun with, as on a disk that was changed.
    fs::remove_file(folder.file()).unwrap();
    let error = study.ask().unwrap_err().to_string();
    assert!(error.contains("study.log: cannot write: "), "{error}");
    let error = study.trials().unwrap_err().to_string();
    assert!(error.contains("study.log: cannot read: "), "{error}");
}

#[test]
fn trials_of_silent_workers_of_other_machines_fail_and_of_living_ones_do_not() {
    let silence = Duration::from_millis(400);
    let folder = Folder::new("silent");
    let mine = open(&folder.file()).ask().unwrap();
    let other = open(&folder.file()).silence(silence);
    let theirs = other.ask().unwrap();
    // As if another machine had asked for the second.
    let text = folder.text();
    let own = mine.system_attributes["nn_tune:worker"]["machine"].as_str().unwrap();
    let (first, second) = text.split_at(text.rfind("{\"op_code\":4").unwrap());
    fs::write(folder.file(), format!("{first}{}", second.replace(own, &"x".repeat(own.len())))).unwrap();
    let study = open(&folder.file()).silence(silence);
    for step in 0..8 {
        thread::sleep(silence / 4);
        match step % 2 {
            0 => other.beat().unwrap(),
            _ => assert_eq!(other.report(theirs.number, step, 0.5).unwrap(), Verdict::Continue),
        }
        assert_eq!(study.reap(3).unwrap(), Vec::<u64>::new());
    }
    thread::sleep(silence + Duration::from_millis(10));
    assert_eq!(study.reap(3).unwrap(), [theirs.number]);
    let trials = study.trials().unwrap();
    assert_eq!((trials[0].state, trials[1].state), (TrialState::Running, TrialState::Failed));
    let reason = trials[1].system_attributes["fail_reason"].as_str().unwrap();
    assert!(reason.contains(" is silent for 0 s"), "{reason}");
    assert_eq!((&trials[2].params, trials[2].state), (&theirs.params, TrialState::Waiting));
    assert!(trials[2].system_attributes.keys().all(|key| !key.starts_with("nn_tune:")));
    assert_eq!(study.reap(3).unwrap(), Vec::<u64>::new());
    // Who was silent learns that it is too late.
    let error = other.tell(theirs.number, Outcome::Complete(0.0)).unwrap_err().to_string();
    assert_eq!(error, "trial 1 of study `study` is failed already");
    assert_eq!(study.ask().unwrap().number, 2);
}
