//! The samplers that learn from trials: TPE and CMA-ES.

use std::collections::BTreeMap;

use nn_tune::sampler::{CmaEs, Random, Tpe};
use nn_tune::{Direction, Params, Sampler, Space, SpaceError, Trial, TrialState, Value};
use proptest::prelude::*;

type Objective = fn(&Params) -> f64;

fn samplers(seed: u64) -> [Box<dyn Sampler>; 2] {
    [Box::new(Tpe::new(seed)), Box::new(CmaEs::new(seed))]
}

fn x(params: &Params, name: &str) -> f64 {
    params.value(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The numbers in the order of their names.
fn xs(params: &Params) -> Vec<f64> {
    params.iter().filter_map(|(_, value)| value.as_f64()).collect()
}

fn trial(number: u64, params: Params, state: TrialState) -> Trial {
    Trial { number, params, ..Trial::new(state) }
}

fn complete(number: u64, params: Params, value: f64) -> Trial {
    Trial { values: Some(vec![value]), ..trial(number, params, TrialState::Complete) }
}

fn run(space: &Space, sampler: &dyn Sampler, count: u64, objective: impl Fn(&Params) -> f64) -> Vec<Trial> {
    let mut trials = vec![];
    for number in 0..count {
        let params = sampler.sample(space, Direction::Minimize, &trials, number);
        let value = objective(&params);
        trials.push(complete(number, params, value));
    }
    trials
}

fn best(trials: &[Trial]) -> f64 {
    trials.iter().filter_map(Trial::value).fold(f64::INFINITY, f64::min)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn cube(dimensions: usize, low: f64, high: f64) -> Result<Space, SpaceError> {
    (0..dimensions).try_fold(Space::new(), |space, i| space.uniform(&format!("x{i}"), low, high))
}

/// All kinds of hyperparameters, some under conditions.
fn mixed() -> Result<Space, SpaceError> {
    Space::new()
        .log_uniform("rate", 1e-5, 1.0)?
        .one_minus_log_uniform("momentum", 0.5, 0.999)?
        .powers_of_two("batch", 4, 256)?
        .uniform_step("dropout", 0.0, 0.8, 0.1)?
        .choice("activation", ["relu", "tanh", "gelu"])?
        .integer("layers", 1, 3)?
        .when("layers", 2.., |space| space.log_integer("units_2", 4, 500))?
        .when("layers", 3.., |space| {
            space.boolean("skip")?.when("skip", true, |space| space.uniform("scale", 0.0, 2.0))
        })
}

fn of_mixed(params: &Params) -> f64 {
    let activation = if params.value("activation") == Some(&"gelu".into()) { 0.0 } else { 0.5 };
    (x(params, "rate").log10() + 3.0).abs() + x(params, "dropout") + activation
        - 0.1 * x(params, "units_2").max(1.0).ln()
}

#[test]
fn the_same_study_twice_gets_the_same_suggestions() -> Result<(), SpaceError> {
    let space = mixed()?;
    for (sampler, other) in samplers(1).iter().zip(samplers(2)) {
        let first = run(&space, sampler, 60, of_mixed);
        assert_eq!(run(&space, sampler, 60, of_mixed), first);
        // Nothing is remembered: asked again, out of order, with the trials in another order.
        for number in [59, 7, 30] {
            let backwards: Vec<Trial> = first[..number].iter().rev().cloned().collect();
            let params = sampler.sample(&space, Direction::Minimize, &backwards, number as u64);
            assert_eq!(params, first[number].params, "{sampler:?}");
        }
        assert_ne!(
            other.sample(&space, Direction::Minimize, &first, 60),
            sampler.sample(&space, Direction::Minimize, &first, 60)
        );
    }
    Ok(())
}

#[test]
fn the_direction_turns_the_objective() -> Result<(), SpaceError> {
    let space = mixed()?;
    for sampler in samplers(1) {
        let trials = run(&space, &sampler, 40, of_mixed);
        let turned: Vec<Trial> = trials
            .iter()
            .map(|trial| complete(trial.number, trial.params.clone(), -trial.value().unwrap_or(0.0)))
            .collect();
        let [up, down] = [(Direction::Maximize, &turned), (Direction::Minimize, &trials)]
            .map(|(direction, trials)| sampler.sample(&space, direction, trials, 40));
        assert_eq!(up, down, "{sampler:?}");
        assert_ne!(sampler.sample(&space, Direction::Maximize, &trials, 40), down, "{sampler:?}");
    }
    Ok(())
}

/// Adds a hyperparameter of one of all kinds, with a range of one of several sizes.
fn add(space: Space, name: &str, kind: u8, size: u8) -> Result<Space, SpaceError> {
    let (int, float) = (i64::from(size) + 1, f64::from(size) + 1.0);
    match kind {
        0 => space.uniform(name, -float, 1e6 * float),
        1 => space.log_uniform(name, 1e-9 * float, 1e3),
        2 => space.one_minus_log_uniform(name, -float, 1.0 - 1e-6 / float),
        3 => space.uniform_step(name, 0.0, 0.1 * float, 0.1),
        4 => space.integer(name, -int, int),
        5 => space.integer(name, i64::MIN / 4, i64::MAX / 4),
        6 => space.log_integer(name, int, 1_i64 << 50),
        7 => space.powers_of_two(name, 2, 4 << size),
        8 => space.choice(name, (0..int).collect::<Vec<i64>>()),
        _ => space.boolean(name),
    }
}

/// A space of these hyperparameters, of which each other one is there only when the one before has its first value or,
/// if that is a number, one of at least 1.
fn space_of(parameters: &[(u8, u8, bool)]) -> Result<Space, SpaceError> {
    let mut space = Space::new();
    for (i, &(kind, size, conditional)) in parameters.iter().enumerate() {
        let name = format!("p{i}");
        let before = i.checked_sub(1).map(|i| (format!("p{i}"), parameters[i].0));
        space = match before {
            Some((before, 9)) if conditional => {
                space.when(&before, true, |space| add(space, &name, kind, size))?
            }
            Some((before, 0 | 1 | 4 | 6 | 7)) if conditional => {
                space.when(&before, 1.., |space| add(space, &name, kind, size))?
            }
            _ => add(space, &name, kind, size)?,
        };
    }
    Ok(space)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn suggestions_are_points_of_the_space(
        parameters in prop::collection::vec((0_u8..10, 0_u8..8, any::<bool>()), 1..7),
        trials in prop::collection::vec((0_u8..7, -1e3_f64..1e3), 0..50),
        seed in any::<u64>(),
    ) {
        let space = space_of(&parameters).expect("a space");
        let random = Random::new(seed);
        let other = space_of(&[(0, 7, false), (8, 7, true), (1, 0, false)]).expect("a space");
        let trials: Vec<Trial> = (0..).zip(trials).map(|(number, (state, value))| {
            let params = random.sample(&space, Direction::Minimize, &[], number);
            match state {
                0 => trial(number, params, TrialState::Running),
                1 => trial(number, params, TrialState::Waiting),
                2 => trial(number, params, TrialState::Failed),
                3 => Trial {
                    intermediate: BTreeMap::from([(number % 3, value), (0, f64::NAN)]),
                    ..trial(number, params, TrialState::Pruned)
                },
                // Of another space, and all the same.
                4 => complete(number, random.sample(&other, Direction::Minimize, &[], 0), value),
                _ => complete(number, params, (value / 100.0).round()),
            }
        }).collect();
        let number = trials.len() as u64;
        for sampler in samplers(seed).iter().chain([&(Box::new(Tpe::new(seed).startup(0)) as Box<dyn Sampler>)]) {
            for direction in [Direction::Minimize, Direction::Maximize] {
                let params = sampler.sample(&space, direction, &trials, number);
                prop_assert_eq!(space.check(&params), Ok(()), "{:?}", sampler);
            }
        }
    }
}

#[test]
fn learning_samplers_are_better_than_random() -> Result<(), SpaceError> {
    let bowl: Objective = |params| xs(params).iter().map(|x| (x - 0.7).powi(2)).sum();
    let valley: Objective = |params| {
        xs(params).windows(2).map(|x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)).sum()
    };
    let suite = [("bowl", cube(4, -2.0, 3.0)?, bowl), ("valley", cube(3, -2.0, 2.0)?, valley)];
    for (name, space, objective) in suite {
        let of = |sampler: &dyn Fn(u64) -> Box<dyn Sampler>| {
            median((0..5).map(|seed| best(&run(&space, &sampler(seed), 100, objective))))
        };
        let random = of(&|seed| Box::new(Random::new(seed)));
        let [tpe, cma_es] = [of(&|seed| Box::new(Tpe::new(seed))), of(&|seed| Box::new(CmaEs::new(seed)))];
        assert!(tpe < random / 3.0, "{name}: TPE {tpe}, random {random}");
        assert!(cma_es < random / 2.0, "{name}: CMA-ES {cma_es}, random {random}");
    }
    Ok(())
}

#[test]
fn tpe_begins_at_random() -> Result<(), SpaceError> {
    let space = mixed()?;
    let [tpe, random] = [&Tpe::new(5) as &dyn Sampler, &Random::new(5)];
    let trials = run(&space, tpe, 10, of_mixed);
    assert_eq!(trials, run(&space, random, 10, of_mixed));
    let at =
        |sampler: &dyn Sampler, trials: &[Trial]| sampler.sample(&space, Direction::Minimize, trials, 20);
    assert_ne!(at(tpe, &trials), at(random, &trials), "after 10 trials, it has begun");
    let failed: Vec<Trial> =
        trials.iter().map(|t| trial(t.number, t.params.clone(), TrialState::Failed)).collect();
    assert_eq!(at(tpe, &failed), at(random, &failed), "failed trials do not count");
    assert_ne!(at(&Tpe::new(5).startup(0), &[]), at(random, &[]));
    assert_eq!(
        Tpe::new(5).candidates(0).map_err(|error| error.to_string()),
        Err("Tpe: candidates must lie in [1, ∞), got 0".to_owned())
    );
    Ok(())
}

/// Points of a square that are good near (0.3, 0.3).
fn square() -> Result<(Space, Vec<Trial>), SpaceError> {
    let space = cube(2, 0.0, 1.0)?;
    let near = |params: &Params| xs(params).iter().map(|x| (x - 0.3).powi(2)).sum();
    let trials = run(&space, &Random::new(1), 40, near);
    Ok((space, trials))
}

fn distance(a: &Params, b: &Params) -> f64 {
    xs(a).iter().zip(xs(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn workers_are_sent_to_different_places() -> Result<(), SpaceError> {
    let (space, trials) = square()?;
    let (mut moved, mut apart) = (0, 0.0);
    for seed in 0..40 {
        let tpe = Tpe::new(seed);
        let alone = tpe.sample(&space, Direction::Minimize, &trials, 50);
        for state in [TrialState::Running, TrialState::Waiting, TrialState::Failed] {
            let at_work = (40..46).map(|number| trial(number, alone.clone(), state));
            let with: Vec<Trial> = trials.iter().cloned().chain(at_work).collect();
            let other = tpe.sample(&space, Direction::Minimize, &with, 50);
            moved += i32::from(other != alone);
            apart += distance(&other, &alone) / 120.0;
        }
        // A trial that is told of itself is not in its own way.
        let itself: Vec<Trial> =
            trials.iter().cloned().chain([trial(50, alone.clone(), TrialState::Running)]).collect();
        assert_eq!(tpe.sample(&space, Direction::Minimize, &itself, 50), alone);
    }
    assert!(moved > 90, "{moved} of 120 suggestions are other than without others at work there");
    assert!(apart > 0.05, "they are {apart} apart");
    Ok(())
}

#[test]
fn tpe_learns_conditions_and_choices() -> Result<(), SpaceError> {
    // Good only with three layers, a skip connection and a scale of 1.5: one in 25 random points.
    let space = mixed()?;
    let objective = |params: &Params| {
        let skip = params.value("skip") == Some(&true.into());
        let scale = if skip { (x(params, "scale") - 1.5).abs() } else { 2.0 };
        scale + 0.3 * (3.0 - x(params, "layers"))
    };
    let hits = |sampler: &dyn Sampler| {
        let trials = run(&space, sampler, 80, objective);
        trials[60..].iter().filter(|trial| trial.value().is_some_and(|value| value < 0.25)).count()
    };
    let counts: Vec<usize> = (0..5).map(|seed| hits(&Tpe::new(seed))).collect();
    assert!(counts.iter().sum::<usize>() >= 50, "of 20 suggestions each: {counts:?}");
    Ok(())
}

#[test]
fn what_goes_together_is_found_together() -> Result<(), SpaceError> {
    // The minimum lies along x0 = x1; a density for each of the two does not see it.
    let space = cube(2, 0.0, 1.0)?;
    let tpe = |seed| {
        let trials = run(&space, &Tpe::new(seed), 90, |params| (x(params, "x0") - x(params, "x1")).abs());
        trials[50..].iter().filter(|trial| trial.value().is_some_and(|value| value < 0.1)).count()
    };
    // One in five random points.
    let counts: Vec<usize> = (0..5).map(tpe).collect();
    assert!(counts.iter().all(|&count| count >= 20), "of 40 suggestions each: {counts:?}");
    Ok(())
}

#[test]
fn tpe_tries_no_point_twice_while_there_are_others() -> Result<(), SpaceError> {
    let space = Space::new().integer("a", 1, 6)?.choice("b", ["x", "y", "z"])?.boolean("c")?;
    let trials = run(&space, &Tpe::new(1), 36, |params| x(params, "a"));
    let is_new = |i: &usize| trials[..*i].iter().all(|trial| trial.params != trials[*i].params);
    let of_tpe = (10..36).filter(is_new).count();
    // At random, 12 of the 26 would be new on average.
    assert!(of_tpe >= 22, "{of_tpe} of 26 are new");
    Ok(())
}

#[test]
fn cma_es_converges() -> Result<(), SpaceError> {
    // On the scales of the hyperparameters a bowl that is a hundred times as steep in one direction.
    let space = Space::new()
        .log_uniform("rate", 1e-4, 1.0)?
        .one_minus_log_uniform("momentum", 0.5, 0.999)?
        .uniform("dropout", 0.0, 1.0)?;
    let objective = |params: &Params| {
        let [rate, rest] = [x(params, "rate").log10() + 2.5, (1.0 - x(params, "momentum")).log10() + 1.0];
        (rate + rest).powi(2) + 1e4 * (rate - rest).powi(2) + (x(params, "dropout") - 0.9).powi(2)
    };
    for seed in 0..3 {
        let reached = best(&run(&space, &CmaEs::new(seed), 800, objective));
        assert!(reached < 1e-8, "seed {seed}: {reached:e}");
    }
    Ok(())
}

#[test]
fn cma_es_finds_whole_numbers_and_does_not_stick() -> Result<(), SpaceError> {
    let space = Space::new().uniform("x", -1.0, 1.0)?.integer("n", 0, 100)?.integer("m", 0, 10)?;
    for seed in 0..3 {
        let objective = |params: &Params| {
            1e-2 * x(params, "x").powi(2) + (x(params, "n") - 83.0).powi(2) + (x(params, "m") - 2.0).abs()
        };
        let trials = run(&space, &CmaEs::new(seed), 300, objective);
        assert!(best(&trials) < 1e-3, "seed {seed}: {}", best(&trials));
        let last: Vec<f64> = trials[200..].iter().map(|trial| x(&trial.params, "n")).collect();
        assert!(last.iter().any(|&n| n != last[0]), "seed {seed}: only {} of all whole numbers", last[0]);
    }
    Ok(())
}

#[test]
fn cma_es_begins_anew_when_it_has_collapsed() -> Result<(), SpaceError> {
    let space = cube(2, 0.0, 1.0)?;
    let trials =
        run(&space, &CmaEs::new(1), 700, |params| xs(params).iter().map(|x| (x - 0.6).powi(2)).sum());
    let far = |trial: &&Trial| trial.value().is_some_and(|value| value > 1e-3);
    let found = trials.iter().position(|trial| trial.value().is_some_and(|value| value < 1e-18));
    let found = found.expect("converged to 1e-9 of the range");
    assert!(trials[found..].iter().filter(far).count() > 10, "it looks elsewhere after trial {found}");
    Ok(())
}

#[test]
fn cma_es_with_workers_and_failures() -> Result<(), SpaceError> {
    let space = cube(3, -1.0, 1.0)?;
    let objective = |params: &Params| xs(params).iter().map(|x| (x - 0.25).powi(2)).sum::<f64>();
    // Four at a time, of which the last of the batch before still runs; each seventh fails.
    let cma_es = CmaEs::new(3);
    let mut trials: Vec<Trial> = vec![];
    for batch in 0..60_u64 {
        let numbers = 4 * batch..4 * batch + 4;
        let asked: Vec<Trial> = numbers
            .map(|number| (number, cma_es.sample(&space, Direction::Minimize, &trials, number)))
            .map(|(number, params)| trial(number, params, TrialState::Running))
            .collect();
        trials.extend(asked);
        let last = trials.len() - 1;
        for trial in trials[..last].iter_mut().filter(|trial| trial.state == TrialState::Running) {
            *trial = match trial.number % 7 {
                6 => Trial { state: TrialState::Failed, ..trial.clone() },
                _ => complete(trial.number, trial.params.clone(), objective(&trial.params)),
            };
        }
    }
    assert!(best(&trials) < 1e-4, "{:e}", best(&trials));
    // Failed trials take no part.
    let without: Vec<Trial> =
        trials.iter().filter(|trial| trial.state != TrialState::Failed).cloned().collect();
    let at = |trials: &[Trial]| cma_es.sample(&space, Direction::Minimize, trials, 500);
    assert_eq!(at(&without), at(&trials));
    Ok(())
}
