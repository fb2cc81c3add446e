//! Pruners: by hand, and next to Optuna's on the same studies.

use nn_tune::pruner::{
    Hyperband, Median, NoPruner, Patient, Percentile, Pruner, Reported, SuccessiveHalving, Threshold,
};
use nn_tune::{Direction, Outcome, Random, Space, Study, Trial, TrialState, Verdict};
use serde::Deserialize;

/// A trial that has reported these from step 0 on.
fn trial(number: u64, state: TrialState, values: &[f64]) -> Trial {
    Trial { number, intermediate: (0..).zip(values.iter().copied()).collect(), ..Trial::new(state) }
}

/// What each of several trials has reported.
type Curves<'a> = &'a [&'a [f64]];

/// Whether each pruner stops the last trial, given complete ones with these reports.
fn verdicts(pruners: &[&dyn Pruner], direction: Direction, complete: Curves<'_>, last: &[f64]) -> Vec<bool> {
    let mut trials: Vec<Trial> =
        (0..).zip(complete).map(|(number, values)| trial(number, TrialState::Complete, values)).collect();
    trials.push(trial(trials.len() as u64, TrialState::Running, last));
    let reported = Reported { study: "s", direction, trials: &trials, trial: &trials[complete.len()] };
    pruners.iter().map(|pruner| pruner.verdict(&reported) == Verdict::Prune).collect()
}

const NAN: f64 = f64::NAN;

#[test]
fn percentiles_by_hand() {
    let median = Median::new();
    let quarter = Percentile::new(25.0).unwrap();
    let late = Median::new().warmup_steps(1).interval_steps(2).unwrap();
    let five = Median::new().min_trials(5).unwrap();
    let pruners: [&dyn Pruner; 4] = [&median, &quarter, &late, &five];
    let four: Curves<'_> = &[&[1.0, 1.0], &[2.0, 2.0], &[3.0, 3.0], &[4.0, 4.0]];
    let five: Curves<'_> = &[&[1.0, 1.0], &[2.0, 2.0], &[3.0, 3.0], &[4.0, 4.0], &[5.0]];
    let table: [(Curves<'_>, &[f64], [bool; 4]); 9] = [
        // Fewer than five complete trials.
        (four, &[9.0, 9.0], [false; 4]),
        // Median 3 and first quartile 2 at step 0, 2.5 and 1.75 at step 1.
        (five, &[2.0], [false, false, false, false]),
        (five, &[2.1], [false, true, false, false]),
        (five, &[3.1], [true, true, false, true]),
        (five, &[9.0, 2.6], [true, true, true, false]),
        // The best so far counts.
        (five, &[1.7, 9.0], [false; 4]),
        // Step 2 is in the interval of step 1, and no complete trial has come there.
        (five, &[9.0, 9.0, 9.0], [false; 4]),
        (five, &[NAN], [true, true, false, true]),
        (five, &[], [false; 4]),
    ];
    for (complete, last, expected) in table {
        assert_eq!(verdicts(&pruners, Direction::Minimize, complete, last), expected, "{last:?}");
        let turned: Vec<Vec<f64>> = complete.iter().map(|row| row.iter().map(|x| -x).collect()).collect();
        let turned: Vec<&[f64]> = turned.iter().map(Vec::as_slice).collect();
        let last: Vec<f64> = last.iter().map(|x| -x).collect();
        assert_eq!(verdicts(&pruners, Direction::Maximize, &turned, &last), expected, "{last:?} turned");
    }
}

#[test]
fn patience_and_thresholds_by_hand() {
    let (stop, tolerant) = (Patient::new(1), Patient::new(1).min_delta(0.5).unwrap());
    let (never, range) = (Patient::with(NoPruner, 1), Threshold::new(0.0, 4.0).unwrap());
    let late = Threshold::new(f64::NEG_INFINITY, 4.0).unwrap().warmup_steps(2).interval_steps(2).unwrap();
    let pruners: [&dyn Pruner; 5] = [&stop, &tolerant, &never, &range, &late];
    let table: [(&[f64], [bool; 5]); 8] = [
        (&[1.0, 2.0], [false, false, false, false, false]),
        (&[1.0, 2.0, 1.4], [true, false, false, false, false]),
        (&[1.0, 2.0, 1.6], [true, true, false, false, false]),
        (&[2.0, 3.0, 1.9], [false, false, false, false, false]),
        (&[2.0, 3.0, 2.0], [false, false, false, false, false]),
        (&[2.0, -1.0], [false, false, false, true, false]),
        (&[1.0, 1.0, 5.0], [false, false, false, true, true]),
        (&[1.0, 1.0, 1.0, NAN], [false, false, false, true, false]),
    ];
    for (last, expected) in table {
        assert_eq!(verdicts(&pruners, Direction::Minimize, &[], last), expected, "{last:?}");
    }
}

#[test]
fn halving_keeps_the_best_of_each_rung() {
    let space = || Space::new().uniform("x", 0.0, 1.0).unwrap();
    let pruner = SuccessiveHalving::new().min_resource(1).unwrap().reduction_factor(3).unwrap();
    let study = Study::new("s", Direction::Minimize, space(), Random::new(0)).unwrap().pruner(pruner);
    // At step 1 each of the first trials goes on when it is the best so far; of 6, the best two go on.
    let at_first_rung = [(5.0, true), (6.0, false), (4.0, true), (4.5, false), (9.0, false), (4.2, true)];
    for (value, goes_on) in at_first_rung {
        let number = study.ask().unwrap().number;
        assert_eq!(study.report(number, 0, 100.0).unwrap(), Verdict::Continue);
        let verdict = study.report(number, 1, value).unwrap();
        assert_eq!(verdict == Verdict::Continue, goes_on, "{value}");
        let mut rungs = study.trials().unwrap()[number as usize].system_attributes.clone();
        rungs.retain(|key, _| key.starts_with("completed_rung"));
        assert_eq!(rungs.into_iter().collect::<Vec<_>>(), [("completed_rung_0".to_owned(), value.into())]);
    }
    // The second rung is step 3.
    assert_eq!(study.report(0, 2, 100.0).unwrap(), Verdict::Continue);
    assert_eq!(study.report(0, 3, 2.0).unwrap(), Verdict::Continue);
    assert_eq!(study.report(2, 3, 2.1).unwrap(), Verdict::Prune);
    assert_eq!(study.report(5, 3, NAN).unwrap(), Verdict::Prune);
}

#[test]
fn ranges_are_checked() {
    let errors = [
        Percentile::new(101.0).unwrap_err(),
        Percentile::new(NAN).unwrap_err(),
        Median::new().interval_steps(0).unwrap_err(),
        Median::new().min_trials(0).unwrap_err(),
        SuccessiveHalving::new().min_resource(0).unwrap_err(),
        SuccessiveHalving::new().reduction_factor(1).unwrap_err(),
        Hyperband::new().min_resource(0).unwrap_err(),
        Hyperband::new().max_resource(0).unwrap_err(),
        Hyperband::new().reduction_factor(1).unwrap_err(),
        Patient::new(1).min_delta(-1.0).unwrap_err(),
        Threshold::new(1.0, 0.0).unwrap_err(),
        Threshold::new(NAN, 0.0).unwrap_err(),
        Threshold::new(0.0, 1.0).unwrap().interval_steps(0).unwrap_err(),
    ];
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(text[0], "Percentile: percentile must lie in [0, 100], got 101");
    assert!(text.iter().all(|text| text.contains(" must lie in ")), "{text:?}");
}

/// A study that Optuna's pruner of this name has judged.
#[derive(Deserialize)]
struct Judged {
    name: String,
    direction: String,
    events: Vec<Event>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Event {
    Report(u64, u64, Option<f64>, bool),
    End(u64, bool),
    Begin([u64; 1]),
}

fn pruner_of(name: &str) -> Box<dyn Pruner> {
    let halving = SuccessiveHalving::new();
    match name {
        "median" => Box::new(Median::new()),
        "median later" => Box::new(
            Median::new()
                .startup_trials(2)
                .warmup_steps(3)
                .interval_steps(4)
                .and_then(|median| median.min_trials(3))
                .unwrap(),
        ),
        "percentile" => Box::new(Percentile::new(30.0).unwrap().startup_trials(3)),
        "halving" => Box::new(halving),
        "halving of 2" => Box::new(halving.min_resource(2).unwrap().reduction_factor(2).unwrap()),
        "halving late" => Box::new(
            halving
                .min_resource(1)
                .and_then(|halving| halving.reduction_factor(3))
                .unwrap()
                .min_early_stopping_rate(1)
                .bootstrap_count(3),
        ),
        "hyperband" => Box::new(Hyperband::new()),
        "hyperband of 16" => Box::new(
            Hyperband::new()
                .min_resource(2)
                .and_then(|hyperband| hyperband.max_resource(16)?.reduction_factor(2))
                .unwrap(),
        ),
        "patient" => Box::new(Patient::new(2).min_delta(0.05).unwrap()),
        "patient median" => Box::new(Patient::with(Median::new().startup_trials(2), 1)),
        "threshold" => {
            let threshold = Threshold::new(0.1, 1.0).unwrap().warmup_steps(2);
            Box::new(threshold.interval_steps(2).unwrap())
        }
        _ => panic!("no pruner is called {name}"),
    }
}

#[test]
fn verdicts_are_those_of_optuna() {
    let studies: Vec<Judged> = serde_json::from_str(include_str!("fixtures/pruners.json")).unwrap();
    assert_eq!(studies.len(), 22);
    for Judged { name, direction, events } in studies {
        let direction = if direction == "minimize" { Direction::Minimize } else { Direction::Maximize };
        let space = Space::new().uniform("x", 0.0, 1.0).unwrap();
        let study = Study::new(&name, direction, space, Random::new(0)).unwrap().pruner(pruner_of(&name));
        let mut pruned = 0;
        for event in events {
            match event {
                Event::Begin([number]) => assert_eq!(study.ask().unwrap().number, number),
                Event::Report(number, step, value, expected) => {
                    let verdict = study.report(number, step, value.unwrap_or(NAN)).unwrap();
                    let place = format!("{name}, {direction:?}, trial {number}, step {step}");
                    assert_eq!(verdict == Verdict::Prune, expected, "{place}");
                    pruned += usize::from(expected);
                }
                Event::End(number, complete) => {
                    let outcome = if complete { Outcome::Complete(0.0) } else { Outcome::Pruned };
                    study.tell(number, outcome).unwrap();
                }
            }
        }
        assert!(pruned >= 4, "{name}: {pruned}");
    }
}
