//! One model, watched over.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nn_tune::Direction;
use nn_tune::panda::{Command, Panda, Rule, Snapshot};
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    env::temp_dir().join(format!("nn-tune-panda-{}-{name}", std::process::id()))
}

fn panda() -> Panda<f64> {
    Panda::new(Direction::Minimize).control("learning_rate", 0.1, (1e-3, 10.0)).unwrap()
}

#[test]
fn commands_are_read_as_they_are_written() {
    let table = [
        ("learning_rate = 0.01", "learning_rate = 0.01"),
        ("  momentum*=0.5 ", "momentum *= 0.5"),
        ("learning_rate /= 4", "learning_rate *= 0.25"),
        ("learning_rate=schedule", "learning_rate = schedule"),
        ("snapshot a", "snapshot a"),
        ("roll  back", "roll back"),
        ("roll back a", "roll back a"),
        ("stop", "stop"),
    ];
    for (text, expected) in table {
        let command: Command = text.parse().unwrap();
        assert_eq!(command.to_string(), expected);
        assert_eq!(expected.parse::<Command>().unwrap(), command);
    }
    let wrong = [
        ("learning_rate = fast", "`learning_rate`: expected a finite number, got `fast`"),
        ("learning_rate *= inf", "`learning_rate`: expected a finite number, got `inf`"),
        ("learning_rate /= 0", "`learning_rate`: cannot be divided by 0"),
        ("learning_rate *= schedule", "`learning_rate`: expected a finite number, got `schedule`"),
    ];
    for (text, expected) in wrong {
        assert_eq!(text.parse::<Command>().unwrap_err(), expected);
    }
    assert!("faster".parse::<Command>().unwrap_err().starts_with("expected `NAME = NUMBER`"));
}

#[test]
fn a_file_is_done_once() {
    let path = file("inbox");
    let mut panda = panda().file(&path);
    let mut model = 0.0;
    assert!(panda.after_epoch(0, 1.0, &mut model).unwrap().is_continue());
    fs::write(&path, "# slower\n\nlearning_rate *= 0.5\nsnapshot a\n").unwrap();
    assert!(panda.after_epoch(1, 1.0, &mut model).unwrap().is_continue());
    assert_eq!(panda.value("learning_rate").unwrap(), 0.05);
    assert!(!path.exists());
    model = 5.0;
    assert!(panda.after_epoch(2, 1.0, &mut model).unwrap().is_continue());
    assert_eq!(panda.value("learning_rate").unwrap(), 0.05);
    fs::write(&path, "roll back a\nstop").unwrap();
    assert!(panda.after_epoch(3, 1.0, &mut model).unwrap().is_break());
    assert_eq!(model, 0.0);
}

#[test]
fn lines_are_read_while_it_trains() {
    let mut panda = panda().lines("learning_rate = 2\nstop\n".as_bytes());
    let mut model = 0.0;
    let mut epoch = 0;
    while panda.after_epoch(epoch, 1.0, &mut model).unwrap().is_continue() {
        epoch += 1;
        assert!(epoch < 10_000);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(panda.value("learning_rate").unwrap(), 2.0);
    assert_eq!(panda.decisions()[0].by, "terminal");
}

#[test]
fn schedules_go_on_multiplied() {
    let path = file("schedule");
    let mut panda = panda().file(&path);
    let at = |panda: &mut Panda<f64>, epoch: u64, line: &str, scheduled: f64| {
        fs::write(&path, line).unwrap();
        let _ = panda.after_epoch(epoch, 1.0, &mut 0.0).unwrap();
        panda.scheduled("learning_rate", scheduled).unwrap()
    };
    assert_eq!(at(&mut panda, 0, "", 0.5), 0.5);
    assert_eq!(at(&mut panda, 1, "learning_rate *= 0.5", 0.4), 0.2);
    assert_eq!(at(&mut panda, 2, "learning_rate = 3", 0.2), 3.0);
    assert_eq!(at(&mut panda, 3, "learning_rate *= 2", 0.2), 6.0);
    assert_eq!(at(&mut panda, 4, "learning_rate = schedule", 0.2), 0.2);
    fs::remove_file(&path).unwrap_or(());
    let error = panda.scheduled("momentum", 0.5).unwrap_err().to_string();
    assert_eq!(error, "there is no hyperparameter `momentum`, expected one of [\"learning_rate\"]");
}

#[test]
fn decisions_and_effects_are_written_down() {
    let (inbox, journal) = (file("wrong"), file("journal"));
    let rule = Rule::rises(2).roll_back().multiply("learning_rate", 0.5);
    let mut panda = panda().rule(rule).file(&inbox).journal(&journal).unwrap().effect_after(2);
    for (epoch, objective) in (0..).zip([1.0, 0.8, 0.9, 1.1, 0.7, 0.6, 0.5]) {
        let mut model = objective;
        if epoch == 4 {
            fs::write(&inbox, "learning_rate = 100\nmomentum = 0.5\nfaster\nroll back b\n").unwrap();
        }
        assert!(panda.after_epoch(epoch, objective, &mut model).unwrap().is_continue());
        // After the second rise it is back at epoch 1.
        assert_eq!(model, if epoch == 3 { 0.8 } else { objective });
    }
    assert_eq!(panda.best(), Some((6, 0.5)));
    let decisions = panda.decisions();
    assert_eq!(decisions.len(), 2);
    assert_eq!((decisions[0].change, decisions[1].change), (Some((3.0, 1.0)), Some((0.1, 0.05))));
    assert_eq!((decisions[1].before, decisions[1].after), (1.1, Some((5, 0.6))));
    let lines: Vec<Value> = fs::read_to_string(&journal)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<String> = lines
        .iter()
        .map(|line| match line.get("effect_of") {
            Some(number) => format!("{number}: {} {}", line["before"], line["after"]),
            None => format!("{} {} {} {}", line["epoch"], line["by"], line["command"], line["refused"]),
        })
        .collect();
    let expected = [
        "3 \"rule 0\" \"roll back\" null",
        "3 \"rule 0\" \"learning_rate *= 0.5\" null",
        "4 \"file\" \"learning_rate = 100\" \"`learning_rate`: expected 0.001 to 10, got 100\"",
        "4 \"file\" \"momentum = 0.5\" \"there is no hyperparameter `momentum`, expected one of [\\\"learning_rate\\\"]\"",
        "4 \"file\" \"faster\" ",
        "4 \"file\" \"roll back b\" \"there is no such snapshot\"",
        "0: 1.1 0.6",
        "1: 1.1 0.6",
    ];
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.iter().zip(expected) {
        assert!(seen.starts_with(expected), "{seen}");
    }
    assert_eq!((&lines[0]["from"], &lines[1]["to"]), (&Value::from(3), &Value::from(0.05)));
    fs::remove_file(&journal).unwrap();
}

/// A model that is not to be cloned.
struct Model(RefCell<Vec<f32>>);

impl Snapshot for Model {
    type State = Vec<f32>;

    fn snapshot(&self) -> Vec<f32> {
        self.0.borrow().clone()
    }

    fn restore(&mut self, state: &Vec<f32>) {
        self.0.replace(state.clone());
    }
}

#[test]
fn a_model_that_diverges_is_brought_back() {
    let mut model = Model(RefCell::new(vec![1.0]));
    let mut panda = Panda::new(Direction::Maximize)
        .control("learning_rate", 2.2, (1e-3, 10.0))
        .unwrap()
        .rule(Rule::worse_by(0.1).roll_back().multiply("learning_rate", 0.5).at_most(3))
        .rule(Rule::after(30).stop());
    let mut epochs = 0;
    for epoch in 0.. {
        let rate = panda.value("learning_rate").unwrap() as f32;
        let weight = model.0.borrow()[0];
        // The objective is −w², infinitely bad beyond 4.
        let next = weight - 2.0 * rate * weight;
        model.0.replace(vec![next]);
        let objective = if next.abs() > 4.0 { f64::NAN } else { -f64::from(next).powi(2) };
        epochs += 1;
        if panda.after_epoch(epoch, objective, &mut model).unwrap().is_break() {
            break;
        }
    }
    assert_eq!(epochs, 30);
    assert_eq!(panda.value("learning_rate").unwrap(), 0.55);
    assert!(panda.restore_best(&mut model) && model.0.borrow()[0].abs() < 1e-3);
}
