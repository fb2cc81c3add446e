//! Studies in a file: what is written is what is read, by whomever, and what is wrong is named.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use nn_tune::storage::{Journal, Lock, Operation, Owner, Record, State, Storage};
use nn_tune::{
    Direction, Distribution, Outcome, Params, Random, Space, Study, StudyError, Trial, TrialState, Value,
};
use proptest::prelude::*;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("nn-tune-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("study.log")
    }

    fn journal(&self) -> Journal {
        Journal::new(self.file()).unwrap()
    }

    fn open(&self, space: Space) -> Result<Study, StudyError> {
        Study::open(self.journal(), "study", Direction::Minimize, space, Random::new(1))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn space() -> Space {
    let space = Space::new().log_uniform("learning_rate", 1e-4, 1.0).unwrap();
    space.integer("layers", 1, 3).unwrap().choice("activation", ["relu", "tanh"]).unwrap()
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("NaN".to_owned()), Just("\"Infinity\n".to_owned()), Just(String::new())]
}

fn any_number() -> impl Strategy<Value = f64> {
    let special = [f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 1e16];
    prop_oneof![any::<f64>(), proptest::sample::select(special.to_vec())].prop_filter("NaN", |x| !x.is_nan())
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any_number().prop_map(Value::Float),
        any_text().prop_map(Value::Text),
    ]
}

fn any_param() -> impl Strategy<Value = (Distribution, Value)> {
    let bounds = || (any_number(), any_number());
    let float = (bounds(), any_number(), proptest::option::of(any_number()), any::<bool>());
    let float = float.prop_map(|((low, high), x, step, log)| {
        (Distribution::Float { low, high, step, log }, Value::Float(x))
    });
    let int = (any::<[i64; 4]>(), any::<bool>());
    let int = int
        .prop_map(|([low, high, step, x], log)| (Distribution::Int { low, high, step, log }, Value::Int(x)));
    let choice = proptest::collection::vec(any_value(), 1..4).prop_map(|choices| {
        let value = choices[0].clone();
        (Distribution::Categorical { choices }, value)
    });
    prop_oneof![float, int, choice]
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Into::into),
        any_text().prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            proptest::collection::btree_map(any_text(), inner, 0..3)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_state() -> impl Strategy<Value = TrialState> {
    use TrialState::{Complete, Failed, Pruned, Running, Waiting};
    proptest::sample::select(vec![Running, Complete, Pruned, Failed, Waiting])
}

fn any_trial() -> impl Strategy<Value = Trial> {
    let params = proptest::collection::btree_map(any_text(), any_param(), 0..3);
    let values = proptest::option::of(proptest::collection::vec(any_number(), 1..3));
    let steps = proptest::collection::btree_map(any::<u64>(), any_number(), 0..3);
    let attributes = || proptest::collection::btree_map(any_text(), any_json(), 0..2);
    let time = || proptest::option::of(0_u64..4_000_000_000_000_000);
    (any_state(), params, values, steps, attributes(), attributes(), [time(), time()]).prop_map(
        |(state, drawn, values, intermediate, user_attributes, system_attributes, times)| {
            let mut params = Params::new();
            let mut distributions = BTreeMap::new();
            for (name, (distribution, value)) in drawn {
                params.insert(&name, value);
                distributions.insert(name, distribution);
            }
            let [started, ended] = times.map(|at| at.map(|at| UNIX_EPOCH + Duration::from_micros(at)));
            let made = Trial::new(state);
            let notes = (user_attributes, system_attributes);
            let (user_attributes, system_attributes) = notes;
            Trial {
                params,
                distributions,
                values,
                intermediate,
                started,
                ended,
                user_attributes,
                system_attributes,
                ..made
            }
        },
    )
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let owner = || prop_oneof![Just(Owner::User), Just(Owner::System)];
    let direction = prop_oneof![Just(Direction::Minimize), Just(Direction::Maximize)];
    let id = || 0_u64..1 << 53;
    let at = 0_u64..4_000_000_000_000_000;
    prop_oneof![
        (any_text(), proptest::collection::vec(direction, 1..3))
            .prop_map(|(name, directions)| Operation::CreateStudy { name, directions }),
        id().prop_map(|study| Operation::DeleteStudy { study }),
        (id(), owner(), any_text(), any_json())
            .prop_map(|(study, owner, key, value)| Operation::StudyAttribute { study, owner, key, value }),
        (id(), any_trial())
            .prop_map(|(study, trial)| Operation::CreateTrial { study, trial: Box::new(trial) }),
        (id(), any_text(), any_param()).prop_map(|(trial, name, (distribution, value))| {
            Operation::SetParam { trial, name, value, distribution }
        }),
        (id(), any_state(), proptest::option::of(proptest::collection::vec(any_number(), 1..3)), at)
            .prop_map(|(trial, state, values, at)| {
                let at = UNIX_EPOCH + Duration::from_micros(at);
                let at = (state != TrialState::Waiting).then_some(at);
                Operation::SetState { trial, state, values, at }
            }),
        (id(), any::<u32>(), any_number()).prop_map(|(trial, step, value)| {
            Operation::Intermediate { trial, step: u64::from(step), value }
        }),
        (id(), owner(), any_text(), any_json())
            .prop_map(|(trial, owner, key, value)| Operation::TrialAttribute { trial, owner, key, value }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_to_the_last_bit(
        operations in proptest::collection::vec((any_text(), any_operation()), 1..8),
        parts in 1_usize..4,
    ) {
        let folder = Folder::new("round-trip");
        let records: Vec<Record> =
            operations.into_iter().map(|(worker, operation)| Record { worker, operation }).collect();
        let (mut writer, mut reader) = (folder.journal(), folder.journal());
        let mut read = vec![];
        for part in records.chunks(records.len().div_ceil(parts)) {
            let added = writer.update(&mut |others| {
                assert_eq!(others, vec![]);
                part.to_vec()
            });
            prop_assert_eq!(added.unwrap(), part.to_vec());
            read.extend(reader.read().unwrap());
        }
        prop_assert_eq!(format!("{:?}", &read), format!("{:?}", &records));
        prop_assert_eq!(folder.journal().read().unwrap(), read);
        prop_assert_eq!(writer.read().unwrap(), vec![]);
    }
}

#[test]
fn no_numbers_round_trip_and_texts_stay() {
    let folder = Folder::new("nan");
    let mut trial = Trial::new(TrialState::Running);
    trial.intermediate = BTreeMap::from([(0, f64::NAN), (7, f64::NEG_INFINITY)]);
    trial.params.insert("x", Value::Float(f64::NAN));
    let choices = vec![Value::Text("NaN".into()), Value::Float(f64::NAN)];
    trial.distributions.insert("x".to_owned(), Distribution::Categorical { choices });
    trial.user_attributes.insert("NaN".to_owned(), "NaN, \"Infinity\"".into());
    let create = Operation::CreateTrial { study: 0, trial: Box::new(trial) };
    let record = Record { worker: "w".to_owned(), operation: create };
    folder.journal().update(&mut |_| vec![record.clone()]).unwrap();
    let text = fs::read_to_string(folder.file()).unwrap();
    assert!(text.contains(r#""intermediate_values":{"0":NaN,"7":-Infinity}"#), "{text}");
    assert!(text.contains(r#""params":{"x":1}"#), "{text}");
    assert_eq!(format!("{:?}", folder.journal().read().unwrap()), format!("{:?}", [record]));
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
    (run(&a, 2), run(&b, 2), run(&a, 1));
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
        state.apply(&Record { worker: "w".to_owned(), operation });
    }
    let trials = &state.study(0).unwrap().trials;
    assert_eq!(trials.iter().map(|trial| trial.params.len()).collect::<Vec<_>>(), [1, 1, 0]);
}

#[test]
fn asking_and_telling_takes_little_time() {
    let study = Study::new("study", Direction::Minimize, space(), Random::new(1)).unwrap();
    let step = |study: &Study| {
        let trial = study.ask().unwrap();
        study.report(trial.number, 1, 1.0).unwrap();
        study.tell(trial.number, Outcome::Complete(trial.number as f64)).unwrap();
    };
    (0..1000).for_each(|_| step(&study));
    let best = |study: &Study, times| {
        let time = |_| {
            let begun = Instant::now();
            step(study);
            begun.elapsed()
        };
        (0..times).map(time).min().unwrap()
    };
    let memory = best(&study, 100);
    let folder = Folder::new("time");
    let study = folder.open(space()).unwrap();
    (0..20).for_each(|_| step(&study));
    println!(
        "ask, report and tell: {memory:?} in memory after 1,000 trials, {:?} in a journal",
        best(&study, 20)
    );
    assert!(memory < Duration::from_millis(1), "{memory:?}");
}
