//! Studies in a file: what is written is what is read, by whomever, and what is wrong is named.

use std::fs;
use std::time::{Duration, Instant};

use nn_tune::storage::{Journal, Lock, Operation, Owner, Record, State, Storage};
use nn_tune::{
    Direction, Distribution, Outcome, Params, Random, Space, Study, StudyError, Trial, TrialState, Value,
};

use crate::folder::Folder;

fn space() -> Space {
    let space = Space::new().log_uniform("learning_rate", 1e-4, 1.0).unwrap();
    space.integer("layers", 1, 3).unwrap().choice("activation", ["relu", "tanh"]).unwrap()
}

#[test]
fn a_study_in_a_file_goes_on_with_the_same_suggestions() {
    let run = |study: &Study, trials: u64| {
        for _ in 0..trials {
            let trial = study.ask().unwrap();
            let rate: f64 = trial.params.get("learning_rate").unwrap();
            study.report(trial.number, 0, 2.0 * rate).unwrap();
            study.tell(trial.number, Outcome::Complete(rate)).unwrap();
        }
    };
    let memory = Study::new("study", Direction::Minimize, space(), Random::new(1)).unwrap();
    run(&memory, 8);
    let folder = Folder::new("goes-on");
    for _ in 0..4 {
        run(&folder.open(space()).unwrap(), 2);
    }
    let params =
        |study: &Study| study.with_trials(|trials| trials.iter().map(|t| t.params.clone()).collect());
    let (expected, got): (Vec<Params>, Vec<Params>) =
        (params(&memory).unwrap(), params(&folder.open(space()).unwrap()).unwrap());
    assert_eq!(got, expected);
    // Both studies saw all, of which they wrote part.
    let [a, b] = [(), ()].map(|()| folder.open(space()).unwrap());
    run(&a, 2);
    run(&b, 2);
    run(&a, 1);
    assert_eq!(a.trials().unwrap(), b.trials().unwrap());
    assert_eq!(b.trials().unwrap().len(), 13);
    assert_eq!(folder.open(space()).unwrap().trials().unwrap(), a.trials().unwrap());
    assert_eq!(a.best().unwrap(), b.best().unwrap());
}

#[test]
fn attributes_of_studies_are_kept() {
    let folder = Folder::new("attributes");
    let study = folder.open(space()).unwrap();
    study.set_attribute(Owner::User, "data", "мнист").unwrap();
    study.set_attribute(Owner::System, "fold", 3).unwrap();
    let again = folder.open(space()).unwrap();
    assert_eq!(again.attributes(Owner::User).unwrap()["data"], "мнист");
    assert_eq!(again.attributes(Owner::System).unwrap()["fold"], 3);
    // What is known already is not written again.
    let before = fs::read_to_string(folder.file()).unwrap();
    folder.open(space()).unwrap();
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), before);
}

#[test]
fn points_to_try_first_may_lack_something() {
    let folder = Folder::new("enqueue");
    let study = folder.open(space()).unwrap();
    let whole = Params::new().with("learning_rate", 0.25).with("layers", 2).with("activation", "tanh");
    study.enqueue(whole.clone()).unwrap();
    study.enqueue(Params::new().with("layers", 3)).unwrap();
    let other = folder.open(space()).unwrap();
    let [first, second, third] = [&other, &study, &other].map(|study| study.ask().unwrap());
    assert_eq!((first.number, first.params), (0, whole));
    assert_eq!((second.number, second.params.value("layers")), (1, Some(&Value::Int(3))));
    assert_eq!(second.params.len(), 3);
    assert_eq!((second.distributions.len(), third.number), (3, 2));
    space().check(&second.params).unwrap();
    assert_eq!(study.trials().unwrap(), folder.open(space()).unwrap().trials().unwrap());
    let error = study.enqueue(Params::new().with("layers", 4)).unwrap_err().to_string();
    assert_eq!(error, "`layers`: expected a whole number from 1 to 3, got 4");
    let error = study.enqueue(Params::new().with("layer", 4)).unwrap_err().to_string();
    assert!(error.contains("no hyperparameter `layer`"), "{error}");
    assert_eq!(study.trials().unwrap().len(), 3);
}

#[test]
fn a_waiting_trial_that_is_no_point_fails_and_the_next_is_taken() {
    let folder = Folder::new("no-point");
    let study = folder.open(space()).unwrap();
    study.enqueue(Params::new().with("layers", 3)).unwrap();
    let narrow = Space::new().integer("layers", 1, 2).unwrap();
    let narrow = folder.open(narrow).unwrap();
    assert_eq!(narrow.ask().unwrap().number, 1);
    let failed = &narrow.trials().unwrap()[0];
    assert_eq!(failed.state, TrialState::Failed);
    assert_eq!(
        failed.system_attributes["fail_reason"],
        "`layers`: expected a whole number from 1 to 2, got 3"
    );
}

#[test]
fn an_old_configuration_is_tested_again() {
    let old = Study::new("old", Direction::Minimize, space(), Random::new(3)).unwrap();
    for value in [3.0, 1.0, 2.0] {
        let trial = old.ask().unwrap();
        old.tell(trial.number, Outcome::Complete(value)).unwrap();
    }
    let best = old.best().unwrap().unwrap();
    let folder = Folder::new("retest");
    let new = folder.open(space()).unwrap();
    let again = new.retest(&best, |params| params.get::<f64>("learning_rate").unwrap()).unwrap();
    assert_eq!((&again.params, again.state), (&best.params, TrialState::Complete));
    assert_eq!(again.user_attributes["retest_of"], serde_json::json!({ "number": 1, "value": 1.0 }));
    assert_eq!(folder.open(space()).unwrap().trials().unwrap(), [again]);
    let failed = new.retest(&best, |_| f64::NAN).unwrap();
    assert_eq!(
        (failed.state, &failed.system_attributes["fail_reason"]),
        (TrialState::Failed, &"the objective is NaN".into())
    );
    let narrow = Space::new().log_uniform("learning_rate", 1e-9, 1e-8).unwrap();
    let narrow = Study::new("narrow", Direction::Minimize, narrow, Random::new(1)).unwrap();
    assert!(narrow.retest(&best, |_| 0.0).is_err());
    assert_eq!(narrow.trials().unwrap(), []);
}

#[test]
fn a_trial_is_told_once_and_must_run() {
    let folder = Folder::new("told");
    let [study, other] = [(), ()].map(|()| folder.open(space()).unwrap());
    let trial = study.ask().unwrap();
    other.tell(trial.number, Outcome::Complete(f64::INFINITY)).unwrap();
    let before = fs::read_to_string(folder.file()).unwrap();
    let error = study.tell(0, Outcome::Complete(1.0)).unwrap_err();
    assert!(matches!(error, StudyError::Finished { .. }));
    assert_eq!(error.to_string(), "trial 0 of study `study` is failed already");
    let error = study.report(0, 1, 1.0).unwrap_err().to_string();
    assert_eq!(error, "trial 0 of study `study` is failed already");
    let error = study.tell(7, Outcome::Pruned).unwrap_err().to_string();
    assert_eq!(error, "study `study` has no trial 7: there are 1");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), before);
    let failed = &study.trials().unwrap()[0];
    assert_eq!((failed.state, failed.value()), (TrialState::Failed, None));
    assert_eq!(failed.system_attributes["fail_reason"], "the objective is inf");
    study.enqueue(Params::new().with("layers", 1)).unwrap();
    let error = study.tell(1, Outcome::Pruned).unwrap_err().to_string();
    assert_eq!(error, "trial 1 of study `study` is waiting: it must be asked for first");
    assert_eq!(study.ask().unwrap().number, 1);
    study.tell(1, Outcome::Pruned).unwrap();
}

#[test]
fn a_study_that_was_deleted_is_named() {
    let folder = Folder::new("deleted");
    let study = folder.open(space()).unwrap();
    let delete = Record { worker: "other".to_owned(), operation: Operation::DeleteStudy { study: 0 } };
    folder.journal().update(&mut |_| vec![delete.clone()]).unwrap();
    let errors = [
        study.ask().map(drop).unwrap_err(),
        study.report(0, 0, 0.0).map(drop).unwrap_err(),
        study.trials().map(drop).unwrap_err(),
        study.enqueue(Params::new().with("layers", 1)).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "study `study` has been deleted");
    }
    // One of the same name is another one.
    assert_eq!(folder.open(space()).unwrap().trials().unwrap(), []);
    assert!(study.best().is_err());
}

#[test]
fn a_journal_of_another_study_is_refused() {
    let folder = Folder::new("another");
    folder.open(space()).unwrap().ask().unwrap();
    let before = fs::read_to_string(folder.file()).unwrap();
    let space = |add: fn(Space) -> Result<Space, nn_tune::SpaceError>| add(Space::new()).unwrap();
    let cases = [
        (
            space(|space| space.uniform("learning_rate", 1e-4, 1.0)),
            "study `study`: expected `learning_rate` as a number from 0.0001 to 1, got a number from 0.0001 to 1 (log)",
        ),
        (
            space(|space| space.choice("layers", [1_i64, 2])),
            "study `study`: expected `layers` as one of 1, 2, got a whole number from 1 to 3",
        ),
        (
            space(|space| space.choice("activation", ["relu", "gelu"])),
            "study `study`: expected `activation` as one of relu, gelu, got one of relu, tanh",
        ),
        (
            space(|space| space.uniform("x", 0.0, 1.0)),
            "study `study`: expected one with some of [\"x\"], got only [\"activation\", \"layers\", \"learning_rate\"]",
        ),
    ];
    for (space, expected) in cases {
        assert_eq!(folder.open(space).unwrap_err().to_string(), expected);
    }
    let maximize = Study::open(folder.journal(), "study", Direction::Maximize, self::space(), Random::new(1));
    let error = maximize.unwrap_err().to_string();
    assert_eq!(error, "study `study`: expected to maximize one objective, got to minimize");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), before);
    // Other bounds, and hyperparameters that are new, are of the same study.
    let wider = space(|space| space.integer("layers", 1, 9)?.uniform("x", 0.0, 1.0));
    folder.open(wider).unwrap().ask().unwrap();
    assert_eq!(folder.open(self::space()).unwrap().trials().unwrap().len(), 2);
}

/// What a line is, and what is said of it.
const WRONG: [(&str, &str); 17] = [
    ("garbage", "no JSON: expected a value at byte 1, got `g`"),
    ("", "no JSON: expected a value at byte 1, got the end"),
    ("SQLite format 3\0", "no JSON: expected a value at byte 1, got `S`"),
    ("[1]", "no record: expected a map"),
    ("{\"op_code\":7,\"worker_id\":\"w\"", "no JSON: expected `,` or `}`"),
    ("{\"worker_id\":\"w\"}", "`op_code` is missing"),
    (
        "{\"op_code\":11,\"worker_id\":\"w\"}",
        "there is no operation 11 up to Optuna 5.0: is it of a newer format?",
    ),
    ("{\"op_code\":-1,\"worker_id\":\"w\"}", "there is no operation -1"),
    (
        "{\"op_code\":1,\"worker_id\":\"w\",\"study_id\":0,\"reason\":1}",
        "operation 1 has no field `reason` up to Optuna 5.0: is it of a newer format?",
    ),
    ("{\"op_code\":1,\"study_id\":0}", "operation 1: `worker_id` is missing"),
    (
        "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"s\",\"directions\":[3]}",
        "operation 0: `directions`: expected a list of 1 and 2, got [3]",
    ),
    (
        "{\"op_code\":7,\"worker_id\":\"w\",\"trial_id\":0,\"step\":-1,\"intermediate_value\":0}",
        "operation 7: `step`: expected a whole number from 0, got -1",
    ),
    (
        "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":0,\"state\":5,\"values\":null}",
        "operation 6: `state`: expected a state from 0 to 4, got 5",
    ),
    (
        "{\"op_code\":6,\"worker_id\":\"w\",\"trial_id\":0,\"state\":1,\"values\":[1.0],\"datetime_complete\":\"now\"}",
        "operation 6: `datetime_complete`: expected a date and time, got \"now\"",
    ),
    (
        "{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":0,\"param_name\":\"x\",\"param_value_internal\":1,\
         \"distribution\":\"{\\\"name\\\":\\\"BetaDistribution\\\",\\\"attributes\\\":{}}\"}",
        "operation 5: `x`: no distribution of Optuna up to 5.0: {\"name\":\"BetaDistribution\",\"attributes\":{}}",
    ),
    (
        "{\"op_code\":5,\"worker_id\":\"w\",\"trial_id\":0,\"param_name\":\"x\",\"param_value_internal\":2,\
         \"distribution\":\"{\\\"name\\\":\\\"CategoricalDistribution\\\",\\\"attributes\\\":{\\\"choices\\\":[1,2]}}\"}",
        "operation 5: `x`: expected a value of",
    ),
    (
        "{\"op_code\":4,\"worker_id\":\"w\",\"study_id\":0,\"datetime_start\":null,\"params\":{\"x\":1}}",
        "operation 4: `x` has no distribution",
    ),
];

#[test]
fn a_line_that_is_no_record_is_named_and_nothing_is_lost_or_written() {
    for (wrong, expected) in WRONG {
        let folder = Folder::new("wrong");
        let study = folder.open(space()).unwrap();
        study.ask().unwrap();
        let good = fs::read_to_string(folder.file()).unwrap();
        let lines = good.lines().count();
        let bad = format!("{good}{wrong}\n");
        fs::write(folder.file(), &bad).unwrap();
        let opened = folder.open(space()).map(drop).unwrap_err();
        for error in [opened, study.ask().map(drop).unwrap_err(), study.trials().map(drop).unwrap_err()] {
            let error = error.to_string();
            let place = format!("study.log, line {}: {expected}", lines + 1);
            assert!(error.contains(&place), "{error}: expected {place}");
        }
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), bad);
        assert!(!folder.0.join("study.log.lock").exists());
        // Once the line is gone, the study goes on.
        fs::write(folder.file(), &good).unwrap();
        assert_eq!(study.ask().unwrap().number, 1);
    }
    let folder = Folder::new("latin");
    fs::write(folder.file(), b"{\"\xe4\":1}\n").unwrap();
    let error = folder.open(space()).unwrap_err().to_string();
    assert!(error.contains("line 1: no UTF-8"), "{error}");
}

#[test]
fn a_journal_that_became_shorter_is_refused() {
    let folder = Folder::new("shorter");
    let study = folder.open(space()).unwrap();
    study.ask().unwrap();
    let text = fs::read_to_string(folder.file()).unwrap();
    let first = text.lines().next().unwrap();
    fs::write(folder.file(), format!("{first}\n")).unwrap();
    let error = study.ask().unwrap_err().to_string();
    assert!(
        error.contains("line 3: this and lines before it have been removed since they were read"),
        "{error}"
    );
}

#[test]
fn what_rustuna_discards_is_passed_over_as_in_optuna() {
    let folder = Folder::new("discard");
    fs::write(folder.file(), "{\"op_code\":10,\"worker_id\":\"w\",\"trial_ids\":[0]}\n").unwrap();
    assert_eq!(folder.open(space()).unwrap().ask().unwrap().number, 0);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = Folder::new("unusable");
    let missing = folder.0.join("missing").join("study.log");
    let error = Journal::new(&missing).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot make: ", missing.display())), "{error}");
    let error = Journal::new(&folder.0).unwrap_err().to_string();
    assert!(error.contains(": cannot read: is a directory"), "{error}");
}

#[test]
fn of_a_file_that_is_no_journal_nothing_is_cut() {
    for text in ["{\"weights\": [1, 2]}", "one line without an end", "{\"op_codes\":1}"] {
        let folder = Folder::new("no-journal");
        fs::write(folder.file(), text).unwrap();
        let error = folder.open(space()).unwrap_err().to_string();
        assert!(error.contains("study.log, line 1: "), "{error}");
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
    }
}

#[cfg(unix)]
#[test]
fn both_kinds_of_lock_exclude_each_other() {
    let folder = Folder::new("locks");
    let lock = folder.0.join("study.log.lock");
    for kind in [Lock::Symlink, Lock::Open] {
        let grace = Duration::from_millis(300);
        let study = |seed| {
            let journal = folder.journal().lock(kind).grace_period(grace);
            Study::open(journal, "study", Direction::Minimize, space(), Random::new(seed)).unwrap()
        };
        let holder = study(1);
        holder.ask().unwrap();
        assert!(!lock.exists() && fs::symlink_metadata(&lock).is_err(), "{kind:?}");
        // Of a worker that died.
        match kind {
            Lock::Open => std::os::unix::fs::symlink(folder.file(), &lock).unwrap(),
            Lock::Symlink => fs::write(&lock, "").unwrap(),
        }
        let begun = Instant::now();
        holder.ask().unwrap();
        assert!(begun.elapsed() > grace, "{:?}", begun.elapsed());
        assert!(fs::symlink_metadata(&lock).is_err(), "{kind:?}");
        // Without a lock there is nothing to wait for.
        let begun = Instant::now();
        study(2).ask().unwrap();
        assert!(begun.elapsed() < grace, "{:?}", begun.elapsed());
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing but the journal is left");
}

#[test]
fn the_first_distribution_of_a_name_holds_as_in_optuna() {
    let create = |_| Operation::CreateTrial { study: 0, trial: Box::new(Trial::new(TrialState::Running)) };
    let set = |trial, distribution| Operation::SetParam {
        trial,
        name: "x".to_owned(),
        value: Value::Float(0.5),
        distribution,
    };
    let float = |high, log| Distribution::Float { low: 0.1, high, step: None, log };
    let study = Operation::CreateStudy { name: "s".to_owned(), directions: vec![Direction::Minimize] };
    let mut operations = vec![study];
    operations.extend((0..3).map(create));
    operations.extend([set(0, float(1.0, false)), set(1, float(2.0, false)), set(2, float(1.0, true))]);
    let mut state = State::new();
    for operation in operations {
        state.apply(Record { worker: "w".to_owned(), operation });
    }
    let trials = &state.study(0).unwrap().trials;
    assert_eq!(trials.iter().map(|trial| trial.params.len()).collect::<Vec<_>>(), [1, 1, 0]);
}

#[test]
fn asking_and_telling_takes_little_time() {
    let memory = Study::new("study", Direction::Minimize, space(), Random::new(1)).unwrap();
    let step = |study: &Study| {
        let begun = Instant::now();
        let trial = study.ask().unwrap();
        study.report(trial.number, 1, 1.0).unwrap();
        study.tell(trial.number, Outcome::Complete(trial.number as f64)).unwrap();
        begun.elapsed()
    };
    let all: Duration = (0..1000).map(|_| step(&memory)).sum();
    println!("1,000 trials in memory take {all:?}");
    let folder = Folder::new("time");
    let study = folder.open(space()).unwrap();
    let create = |trial: Trial| Operation::CreateTrial { study: 0, trial: Box::new(trial) };
    let record = |trial| Record { worker: "w".to_owned(), operation: create(trial) };
    let records: Vec<Record> = memory.trials().unwrap().into_iter().map(record).collect();
    folder.journal().update(&mut |_| records.clone()).unwrap();
    let begun = Instant::now();
    assert_eq!(study.trials().unwrap().len(), 1000);
    println!("1,000 trials are read in {:?}", begun.elapsed());
    let median = |study| {
        let mut times: Vec<Duration> = (0..51).map(|_| step(study)).collect();
        times.sort_unstable();
        times[25]
    };
    let [memory, journal] = [median(&memory), median(&study)];
    println!("ask, report and tell after 1,000 trials: {memory:?} in memory, {journal:?} in a journal");
    assert!(memory < Duration::from_millis(1), "{memory:?}");
}
