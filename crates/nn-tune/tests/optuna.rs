//! Studies that are shared with Optuna, for which the tests need a Python with `optuna`: in `PYTHON`, or `python3`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nn_tune::storage::{Journal, Operation, Owner, Record, State, Storage};
use nn_tune::{Direction, Distribution, Outcome, Params, Random, Space, Study, Trial, TrialState, Value};
use serde_json::json;

use crate::folder::Folder;
use crate::process::command_of;

/// A Python that has these packages, if there is one.
fn python(packages: &str) -> Option<PathBuf> {
    let named = std::env::var_os("PYTHON").map(PathBuf::from);
    let candidates = named.into_iter().chain(["python3".into(), "python".into()]);
    let works = |python: &PathBuf| {
        let checked = Command::new(python).args(["-c", &format!("import {packages}")]).output();
        checked.is_ok_and(|output| output.status.success())
    };
    let found = candidates.into_iter().find(works);
    if found.is_none() {
        println!("skipped: there is no Python with {packages} (PYTHON may name one)");
    }
    found
}

fn script(python: &Path, name: &str, path: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/optuna").join(name)).arg(path);
    command
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What Optuna reads.
fn read_by_optuna(python: &Path, path: &Path) -> serde_json::Value {
    serde_json::from_str(&run(script(python, "dump.py", path))).unwrap()
}

/// What this crate reads, told as `dump.py` does.
fn read_here(path: &Path) -> serde_json::Value {
    let mut state = State::new();
    Journal::new(path).unwrap().read().unwrap().into_iter().for_each(|record| state.apply(record));
    let study = |study: &nn_tune::storage::StudyRecord| {
        json!({
            "name": study.name,
            "directions": study.directions.iter().map(Direction::to_string).collect::<Vec<_>>(),
            "user": attributes(&study.user_attributes),
            "system": attributes(&study.system_attributes),
            "trials": study.trials.iter().map(trial).collect::<Vec<_>>(),
        })
    };
    state.studies().map(study).collect()
}

fn trial(trial: &Trial) -> serde_json::Value {
    let state = match trial.state {
        TrialState::Running => "RUNNING",
        TrialState::Complete => "COMPLETE",
        TrialState::Pruned => "PRUNED",
        TrialState::Failed => "FAIL",
        TrialState::Waiting => "WAITING",
    };
    let time = |time: Option<SystemTime>| {
        time.map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_micros() as u64)
    };
    let [params, distributions, steps]: [serde_json::Map<_, _>; 3] = [
        trial.params.iter().map(|(name, value)| (name.to_owned(), plain(value))).collect(),
        trial.distributions.iter().map(|(name, d)| (name.clone(), distribution(d))).collect(),
        trial.intermediate.iter().map(|(step, value)| (step.to_string(), float(*value))).collect(),
    ];
    json!({
        "number": trial.number,
        "state": state,
        "params": params,
        "distributions": distributions,
        "values": trial.values.as_ref().map(|values| values.iter().map(|x| float(*x)).collect::<Vec<_>>()),
        "intermediate": steps,
        "started": time(trial.started),
        "ended": time(trial.ended),
        "user": attributes(&trial.user_attributes),
        "system": attributes(&trial.system_attributes),
    })
}

fn float(x: f64) -> serde_json::Value {
    format!("float {}", x.to_bits()).into()
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(x) => (*x).into(),
        Value::Int(x) => (*x).into(),
        Value::Float(x) => float(*x),
        Value::Text(x) => x.as_str().into(),
    }
}

fn distribution(distribution: &Distribution) -> serde_json::Value {
    match distribution {
        Distribution::Float { low, high, step, log } => {
            let bounds =
                json!({ "low": float(*low), "high": float(*high), "step": step.map(float), "log": log });
            json!(["FloatDistribution", bounds])
        }
        Distribution::Int { low, high, step, log } => {
            json!(["IntDistribution", { "low": low, "high": high, "step": step, "log": log }])
        }
        Distribution::Categorical { choices } => {
            let choices: Vec<_> = choices.iter().map(plain).collect();
            json!(["CategoricalDistribution", { "choices": choices }])
        }
    }
}

fn attributes(attributes: &BTreeMap<String, serde_json::Value>) -> serde_json::Value {
    fn numbers(value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap()),
            serde_json::Value::Array(list) => list.iter().map(numbers).collect(),
            serde_json::Value::Object(map) => {
                map.iter().map(|(key, value)| (key.clone(), numbers(value))).collect()
            }
            other => other.clone(),
        }
    }
    attributes.iter().map(|(key, value)| (key.clone(), numbers(value))).collect()
}

fn space() -> Space {
    let space = Space::new()
        .log_uniform("learning_rate", 1e-5, 1.0)
        .and_then(|space| space.uniform_step("dropout", 0.0, 0.5, 0.1))
        .and_then(|space| space.one_minus_log_uniform("momentum", 0.9, 0.999))
        .and_then(|space| space.log_integer("units", 8, 256))
        .and_then(|space| space.integer_step("layers", 1, 7, 2))
        .and_then(|space| {
            let choices = [Value::Text("relu".into()), Value::Null, true.into(), 3_i64.into(), 2.5.into()];
            space.choice("activation", choices.into_iter().chain(["größe".into(), "NaN".into()]))
        });
    space.unwrap()
}

#[test]
fn what_is_written_here_optuna_reads_to_the_last_bit() {
    let Some(python) = python("optuna") else { return };
    let folder = Folder::new("to-optuna");
    let space = space()
        .powers_of_two("batch_size", 16, 256)
        .and_then(|space| space.boolean("augment"))
        .and_then(|space| space.log_integer_step("width", 8, 64, 8))
        .and_then(|space| space.when("layers", 3.., |space| space.uniform("skip", -1.0, 1.0)))
        .unwrap();
    let open = |name, direction| {
        Study::open(Journal::new(folder.file()).unwrap(), name, direction, space.clone(), Random::new(1))
            .unwrap()
    };
    let study = open("study \"größe\"", Direction::Maximize);
    study.set_attribute(Owner::User, "данные", json!({ "a": [1, 2.5, null, "\u{2028}\n"] })).unwrap();
    study.enqueue(Params::new().with("dropout", 0.2).with("layers", 5)).unwrap();
    for number in 0..12_u64 {
        let trial = study.ask().unwrap();
        assert_eq!(trial.number, number);
        study.note(number, "note", format!("\"{number}\"\n\\ 😀")).unwrap();
        study.report(number, 0, number as f64 / 3.0).unwrap();
        study.report(number, 1, f64::NAN).unwrap();
        study.report(number, 1 << 40, if number % 2 == 0 { f64::INFINITY } else { 5e-324 }).unwrap();
        let outcome = match number % 5 {
            0 => Outcome::Complete(-0.1 * number as f64),
            1 => Outcome::Pruned,
            2 => Outcome::Failed("out of memory".to_owned()),
            3 => Outcome::Complete(f64::NAN),
            // It stays running.
            _ => continue,
        };
        study.tell(number, outcome).unwrap();
    }
    study.enqueue(study.trials().unwrap()[3].params.clone()).unwrap();
    study.enqueue(Params::new().with("units", 77)).unwrap();
    let other = open("other", Direction::Minimize);
    other.ask().unwrap();
    // What no study here makes: several objectives, a finished trial at once, a study that is gone.
    let several = Operation::CreateStudy {
        name: "several".to_owned(),
        directions: vec![Direction::Minimize, Direction::Maximize],
    };
    let mut whole = study.trials().unwrap()[0].clone();
    whole.values = Some(vec![0.5, f64::NEG_INFINITY]);
    whole.intermediate.insert(3, f64::NAN);
    let operations = [
        several,
        Operation::CreateTrial { study: 2, trial: Box::new(whole) },
        Operation::DeleteStudy { study: 1 },
    ];
    let record = |operation| Record { worker: "test".to_owned(), operation };
    let records: Vec<Record> = operations.into_iter().map(record).collect();
    Journal::new(folder.file()).unwrap().update(&mut |_| records.clone()).unwrap();

    let (got, expected) = (read_by_optuna(&python, &folder.file()), read_here(&folder.file()));
    let names: Vec<_> = got.as_array().unwrap().iter().map(|study| study["name"].clone()).collect();
    assert_eq!(names, ["study \"größe\"", "several"]);
    assert_eq!(got[0]["trials"].as_array().unwrap().len(), 14);
    assert_eq!(got, expected);
}

#[test]
fn what_optuna_writes_is_read_to_the_last_bit_and_goes_on() {
    let Some(python) = python("optuna") else { return };
    let folder = Folder::new("from-optuna");
    run(script(&python, "write.py", &folder.file()));
    let (got, expected) = (read_here(&folder.file()), read_by_optuna(&python, &folder.file()));
    assert_eq!(expected[0]["trials"].as_array().unwrap().len(), 10);
    assert_eq!(got, expected);

    let open = |space| {
        Study::open(Journal::new(folder.file()).unwrap(), "study", Direction::Maximize, space, Random::new(1))
    };
    let other = Space::new().uniform("units", 8.0, 256.0).unwrap();
    let error = open(other).unwrap_err().to_string();
    let expected =
        "study `study`: expected `units` as a number from 8 to 256, got a whole number from 8 to 256 (log)";
    assert_eq!(error, expected);
    let study = open(space()).unwrap();
    // The trial that Python left waiting comes first; Python cannot know what was chosen for it.
    let trial = study.ask().unwrap();
    assert_eq!((trial.number, trial.params.get("learning_rate").unwrap()), (9, 0.25));
    space().check(&trial.params).unwrap();
    for number in [9, 10, 11] {
        if number > 9 {
            assert_eq!(study.ask().unwrap().number, number);
        }
        study.report(number, 3, 1.5).unwrap();
        study.tell(number, Outcome::Complete(2.5)).unwrap();
    }
    assert_eq!(study.best().unwrap().unwrap().value(), Some(f64::INFINITY));
    assert_eq!(read_by_optuna(&python, &folder.file()), read_here(&folder.file()));
}

#[test]
fn what_comes_too_late_is_passed_over_as_in_optuna() {
    use TrialState::{Complete, Failed, Running, Waiting};
    let Some(python) = python("optuna") else { return };
    let folder = Folder::new("late");
    let study = |name: &str| {
        let directions = vec![Direction::Minimize];
        Operation::CreateStudy { name: name.to_owned(), directions }
    };
    let create = |study, state| Operation::CreateTrial { study, trial: Box::new(Trial::new(state)) };
    let at = |second: u64| Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second));
    let state = |trial, state, value: Option<f64>, second: u64| {
        let values = value.map(|value| vec![value]);
        Operation::SetState { trial, state, values, at: at(second) }
    };
    let param = |trial, log| {
        let distribution = Distribution::Float { low: 0.1, high: 1.0 + trial as f64, step: None, log };
        Operation::SetParam { trial, name: "x".to_owned(), value: Value::Float(0.5), distribution }
    };
    let note = |trial, key: &str| {
        let (key, value) = (key.to_owned(), json!(trial));
        Operation::TrialAttribute { trial, owner: Owner::User, key, value }
    };
    let operations = [
        study("a"),
        study("a"),
        study("b"),
        create(1, Waiting),
        create(0, Running),
        create(7, Running),
        create(0, Waiting),
        // 0 waits in `b`, 1 runs and 2 waits in `a`.
        state(2, Running, None, 1),
        state(2, Running, None, 2),
        state(1, Running, Some(9.0), 3),
        param(1, false),
        param(2, true),
        param(2, false),
        state(1, Complete, Some(0.5), 4),
        state(1, Failed, None, 5),
        note(1, "late"),
        note(99, "nobody"),
        Operation::Intermediate { trial: 1, step: 0, value: 1.0 },
        param(1, false),
        // One that runs waits again, and runs with an objective.
        state(2, Waiting, None, 6),
        state(2, Running, Some(3.0), 7),
        Operation::DeleteStudy { study: 1 },
        Operation::DeleteStudy { study: 5 },
        create(1, Running),
        note(0, "gone"),
        study("b"),
        create(2, Running),
        note(3, "kept"),
        note(4, "nobody"),
    ];
    let record = |operation| Record { worker: "test".to_owned(), operation };
    let records: Vec<Record> = operations.into_iter().map(record).collect();
    Journal::new(folder.file()).unwrap().update(&mut |_| records.clone()).unwrap();
    let got = read_here(&folder.file());
    assert_eq!(got[1]["trials"][0]["user"], json!({ "kept": 3 }));
    assert_eq!(got, read_by_optuna(&python, &folder.file()));
}

const JOURNAL: &str = "NN_TUNE_SHARED_JOURNAL";
const EACH: usize = 50;
const QUEUED: usize = 20;

fn shared(path: &Path) -> Study {
    let space = Space::new().uniform("x", -1.0, 1.0).unwrap().integer("layers", 1, 3).unwrap();
    Study::open(Journal::new(path).unwrap(), "study", Direction::Minimize, space, Random::new(1)).unwrap()
}

fn objective(params: &Params) -> f64 {
    let (x, layers): (f64, f64) = (params.get("x").unwrap(), params.get("layers").unwrap());
    x * x + layers
}

/// Not a test by itself: what the next test starts as processes of their own.
#[test]
fn process_that_shares() {
    let Some(path) = std::env::var_os(JOURNAL) else { return };
    let study = shared(Path::new(&path));
    println!("\nready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    for _ in 0..EACH {
        let trial = study.ask().unwrap();
        study.report(trial.number, 0, trial.params.get("x").unwrap()).unwrap();
        println!("\nrust {}", trial.number);
        // So that Python, which takes longer to begin, is at it at the same time.
        thread::sleep(Duration::from_millis(20));
        study.tell(trial.number, Outcome::Complete(objective(&trial.params))).unwrap();
    }
}

/// A worker that is ready, and the lines that it prints.
fn worker(mut command: Command) -> (Child, impl Iterator<Item = String>) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.by_ref().any(|line| line == "ready"));
    (child, lines)
}

#[test]
fn two_workers_here_and_two_of_python_share_a_study() {
    let Some(python) = python("optuna") else { return };
    let folder = Folder::new("shared");
    let study = shared(&folder.file());
    for i in 0..QUEUED {
        study.enqueue(Params::new().with("x", i as f64 / 100.0).with("layers", 2)).unwrap();
    }
    let of_rust = || {
        let mut command = command_of(module_path!(), "process_that_shares");
        command.env(JOURNAL, folder.file());
        command
    };
    let of_python = || {
        let mut command = script(&python, "worker.py", &folder.file());
        command.arg(EACH.to_string());
        command
    };
    let workers: Vec<_> = [of_rust(), of_rust(), of_python(), of_python()].map(worker).into();
    let readers: Vec<_> = workers
        .into_iter()
        .map(|(mut child, lines)| {
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
            thread::spawn(move || {
                let lines: Vec<String> = lines.collect();
                assert!(child.wait().unwrap().success());
                lines
            })
        })
        .collect();
    let lines: Vec<Vec<String>> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    let number = |line: &String| {
        let (worker, number) = line.split_once(' ')?;
        matches!(worker, "rust" | "python").then(|| number.parse::<u64>().unwrap())
    };
    let mut numbers: Vec<u64> = lines.iter().flatten().filter_map(number).collect();
    // They did share: each was at it while the others were.
    let mut turns: Vec<bool> = vec![false; 4 * EACH];
    lines
        .iter()
        .flatten()
        .filter(|line| line.starts_with("rust"))
        .filter_map(number)
        .for_each(|i| turns[i as usize] = true);
    let changes = turns.windows(2).filter(|pair| pair[0] != pair[1]).count();
    println!("{changes} changes between Rust and Python in {} trials", 4 * EACH);
    assert!(changes >= 4, "{changes} changes between Rust and Python");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..4 * EACH as u64).collect::<Vec<_>>());
    let trials = study.trials().unwrap();
    assert_eq!(trials.len(), 4 * EACH);
    for trial in &trials {
        assert_eq!(trial.state, TrialState::Complete);
        assert_eq!(trial.value(), Some(objective(&trial.params)), "{trial:?}");
        assert_eq!(trial.last(), Some((0, trial.params.get("x").unwrap())));
    }
    let queued = trials.iter().filter(|trial| trial.params.get::<i64>("layers").unwrap() == 2);
    let of_queue = |i: usize| move |trial: &&Trial| trial.params.get::<f64>("x").unwrap() == i as f64 / 100.0;
    let queued: Vec<_> = queued.collect();
    assert!((0..QUEUED).all(|i| queued.iter().copied().filter(of_queue(i)).count() == 1));
    assert_eq!(read_by_optuna(&python, &folder.file()), read_here(&folder.file()));
}

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A page after its scripts have run, when there is a browser.
fn in_browser(page: &str, folder: &Path) -> Option<String> {
    let profile = format!("--user-data-dir={}", folder.join("browser").display());
    let options =
        ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"];
    let open = |browser: &str| {
        Command::new(browser).args(options).args([&profile, page]).stderr(Stdio::null()).output().ok()
    };
    let output = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(open)?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_dashboard_shows_a_study_live() {
    let Some(python) = python("optuna, optuna_dashboard") else { return };
    let folder = Folder::new("dashboard");
    let study = shared(&folder.file());
    let work = |trials| {
        for _ in 0..trials {
            let trial = study.ask().unwrap();
            study.report(trial.number, 0, f64::NAN).unwrap();
            study.tell(trial.number, Outcome::Complete(objective(&trial.params))).unwrap();
        }
    };
    work(3);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(python);
    command.args(["-c", "from optuna_dashboard._cli import main; main()"]).arg(folder.file());
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    let _server = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let get = |path: &str| -> Option<serde_json::Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        assert!(head.contains(" 200 "), "{answer}");
        serde_json::from_str(body).ok()
    };
    let attempts = (0..300).find_map(|_| {
        thread::sleep(Duration::from_millis(100));
        get("/api/studies")
    });
    let studies = attempts.expect("the dashboard answers");
    assert_eq!(studies["study_summaries"][0]["study_name"], "study", "{studies}");
    let trials = || get("/api/studies/0?after=0").unwrap()["trials"].as_array().unwrap().len();
    assert_eq!(trials(), 3);
    work(2);
    let shown = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(100));
        trials() == 5
    });
    assert!(shown, "the dashboard shows {} trials of 5", trials());
    let page = format!("http://127.0.0.1:{port}/dashboard/studies/0");
    match in_browser(&page, &folder.0) {
        Some(page) => {
            assert!(page.contains("Best Trial") && page.contains("Hyperparameter Importance"), "{page}");
        }
        None => println!("not opened: there is no Chromium"),
    }
}
