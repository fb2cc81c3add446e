//! Grids, quasi-random points, and the search from coarse to fine.

use std::collections::BTreeSet;

use nn_tune::sampler::{CoarseToFine, Grid, QuasiRandom, Region, edge_warnings};
use nn_tune::{Direction, Domain, Params, Random, Sampler, Space, Trial, TrialState, Value};

use crate::functions::{ackley, branin, hartmann, rosenbrock};

fn x(params: &Params, name: &str) -> f64 {
    params.value(name).and_then(Value::as_f64).unwrap()
}

/// The numbers in the order of their names.
fn numbers(params: &Params) -> Vec<f64> {
    params.iter().map(|(_, value)| value.as_f64().unwrap()).collect()
}

fn complete(number: u64, params: Params, value: f64) -> Trial {
    Trial { number, params, values: Some(vec![value]), ..Trial::new(TrialState::Complete) }
}

/// The trials of a study with this objective.
fn run(space: &Space, sampler: &dyn Sampler, count: u64, objective: impl Fn(&Params) -> f64) -> Vec<Trial> {
    let mut trials = vec![];
    for number in 0..count {
        let params = sampler.sample(space, Direction::Minimize, &trials, number);
        space.check(&params).unwrap();
        let value = objective(&params);
        trials.push(complete(number, params, value));
    }
    trials
}

fn best(trials: &[Trial]) -> f64 {
    trials.iter().filter_map(Trial::value).fold(f64::INFINITY, f64::min)
}

/// Numbers `x0`, `x1`, … within the same bounds.
fn cube(dimensions: usize, low: f64, high: f64) -> Space {
    let add = |space: Space, i| space.uniform(&format!("x{i}"), low, high).unwrap();
    (0..dimensions).fold(Space::new(), add)
}

fn conditional() -> Space {
    Space::new()
        .integer("layers", 1, 3)
        .and_then(|space| space.when("layers", 2.., |space| space.choice("units_2", [16, 32])))
        .and_then(|space| space.when("layers", 3.., |space| space.choice("units_3", [16, 32, 64])))
        .and_then(|space| space.boolean("bias"))
        .unwrap()
}

#[test]
fn the_lesson_of_grid_and_random() {
    // 25 trials, of two hyperparameters only the first matters: the grid tries 5 values of it, random 25.
    let space = cube(2, 0.0, 1.0);
    let objective = |params: &Params| (x(params, "x0") - 0.4).powi(2);
    let grid = run(&space, &Grid::new(5).unwrap(), 25, objective);
    let random = run(&space, &Random::new(1), 25, objective);
    let tried = |trials: &[Trial]| {
        trials.iter().map(|trial| x(&trial.params, "x0").to_bits()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((tried(&grid), tried(&random)), (5, 25));
    let wins = (0..100).filter(|&seed| best(&run(&space, &Random::new(seed), 25, objective)) < best(&grid));
    // The nearest of 5 even values is 0.1 away; 25 random ones are all farther with probability 0.8^25 = 0.4 %.
    assert!(wins.count() >= 97);
}

#[test]
fn the_same_study_twice_gets_the_same_suggestions() {
    let space = conditional().log_uniform("rate", 1e-4, 1.0).unwrap();
    let objective = |params: &Params| x(params, "rate").ln().abs() + x(params, "layers");
    let samplers: [fn(u64) -> Box<dyn Sampler>; 4] = [
        |_| Box::new(Grid::new(4).unwrap()),
        |seed| Box::new(Random::new(seed)),
        |seed| Box::new(QuasiRandom::new(seed)),
        |seed| Box::new(CoarseToFine::new(seed)),
    ];
    for sampler in samplers {
        let first = run(&space, &*sampler(1), 60, objective);
        assert_eq!(run(&space, &*sampler(1), 60, objective), first);
        // Nothing is remembered: asked again, out of order, by another worker.
        let asked = sampler(1);
        for number in [59, 7, 30] {
            let params = asked.sample(&space, Direction::Minimize, &first[..number], number as u64);
            assert_eq!(params, first[number].params, "{asked:?}");
        }
    }
    for sampler in &samplers[1..] {
        let rate = |seed| sampler(seed).sample(&space, Direction::Minimize, &[], 0);
        assert_ne!(x(&rate(1), "rate"), x(&rate(2), "rate"));
    }
}

#[test]
fn a_grid_has_every_point_once() {
    let space = conditional();
    let grid = Grid::new(9).unwrap();
    // One layer; two, with one of 2; three, with one of 2 and one of 3; each with and without bias.
    assert_eq!(grid.len(&space), (1 + 2 + 6) * 2);
    let points: Vec<Params> = (0..18).map(|i| grid.point(&space, i)).collect();
    for (i, point) in points.iter().enumerate() {
        space.check(point).unwrap();
        assert!(!points[..i].contains(point), "{point:?} twice");
    }
    assert_eq!(points[0], Params::new().with("layers", 1).with("bias", false));
    assert_eq!(points[1], Params::new().with("layers", 1).with("bias", true));
    assert_eq!(points[2], Params::new().with("layers", 2).with("units_2", 16).with("bias", false));
    assert_eq!(grid.point(&space, 18), points[0]);
    assert_eq!(run(&space, &grid, 18, |_| 0.0).iter().map(|t| t.params.clone()).collect::<Vec<_>>(), points);
}

#[test]
fn a_grid_goes_on_where_others_have_been() {
    let space = conditional();
    let grid = Grid::new(9).unwrap();
    let elsewhere = |number| complete(number, Params::new().with("layers", 7), 0.0);
    // A point tried out of turn, one beside the grid, and the first.
    let mut trials =
        vec![complete(0, grid.point(&space, 1), 0.0), elsewhere(1), complete(2, grid.point(&space, 0), 0.0)];
    for (number, expected) in (3..19).zip(2..18) {
        let params = grid.sample(&space, Direction::Minimize, &trials, number);
        assert_eq!(params, grid.point(&space, expected));
        trials.push(complete(number, params, 0.0));
    }
    // All have been tried.
    assert_eq!(grid.sample(&space, Direction::Minimize, &trials, 19), grid.point(&space, 1));
}

#[test]
fn the_values_on_a_grid() {
    let values = |points: u64, add: fn(Space) -> Result<Space, nn_tune::SpaceError>| {
        let (space, grid) = (add(Space::new()).unwrap(), Grid::new(points).unwrap());
        let value = |i| grid.point(&space, i).value("x").unwrap().clone();
        (0..grid.len(&space)).map(value).collect::<Vec<Value>>()
    };
    let ints = |values: &[i64]| values.iter().copied().map(Value::Int).collect::<Vec<Value>>();
    let floats = |values: &[f64]| values.iter().copied().map(Value::Float).collect::<Vec<Value>>();
    assert_eq!(values(5, |space| space.uniform("x", 0.0, 2.0)), floats(&[0.0, 0.5, 1.0, 1.5, 2.0]));
    assert_eq!(values(1, |space| space.uniform("x", 0.0, 2.0)), floats(&[1.0]));
    assert_eq!(values(3, |space| space.uniform_step("x", 0.0, 0.4, 0.1)), floats(&[0.0, 0.2, 0.4]));
    assert_eq!(values(9, |space| space.integer("x", 1, 3)), ints(&[1, 2, 3]));
    assert_eq!(values(1, |space| space.integer("x", 1, 3)), ints(&[2]));
    assert_eq!(values(3, |space| space.integer("x", 0, 1000)), ints(&[0, 500, 1000]));
    assert_eq!(values(4, |space| space.log_integer("x", 1, 1000)), ints(&[1, 10, 100, 1000]));
    assert_eq!(values(9, |space| space.log_integer("x", 1, 10)), ints(&[1, 2, 3, 4, 6, 7, 10]));
    assert_eq!(values(2, |space| space.powers_of_two("x", 16, 128)), ints(&[16, 128]));
    assert_eq!(values(2, |space| space.choice("x", [3, 1, 2])), ints(&[3, 1, 2]));
    assert_eq!(values(3, |space| space.one_minus_log_uniform("x", 0.9, 0.999)), floats(&[0.9, 0.99, 0.999]));
    let large = (0..20).fold(Space::new(), |space, i| space.integer(&i.to_string(), 0, 999).unwrap());
    assert_eq!(Grid::new(1000).unwrap().len(&large), u64::MAX);
    let message = "Grid: points must lie in [1, ∞), got 0";
    assert_eq!(Grid::new(0).unwrap_err().to_string(), message);
}

#[test]
fn unscrambled_points_are_those_of_sobol() {
    let space = cube(3, 0.0, 1.0);
    let point = |number| {
        let params = QuasiRandom::unscrambled().sample(&space, Direction::Minimize, &[], number);
        ["x0", "x1", "x2"].map(|name| x(&params, name))
    };
    // SciPy 1.17: `qmc.Sobol(3, scramble=False).random(8)`.
    let expected = [
        [0.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [0.75, 0.25, 0.25],
        [0.25, 0.75, 0.75],
        [0.375, 0.375, 0.625],
        [0.875, 0.875, 0.125],
        [0.625, 0.125, 0.875],
        [0.125, 0.625, 0.375],
    ];
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(point), expected);
}

/// The square of the L2-star discrepancy of points in the unit cube (Warnock 1972).
fn discrepancy(points: &[Vec<f64>]) -> f64 {
    let (n, d) = (points.len() as f64, points[0].len() as i32);
    let product = |point: &Vec<f64>| point.iter().map(|x| 1.0 - x * x).product::<f64>();
    let pair = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(x, y)| 1.0 - x.max(*y)).product::<f64>();
    let pairs: f64 = points.iter().flat_map(|a| points.iter().map(move |b| pair(a, b))).sum();
    3.0_f64.powi(-d) - 2.0_f64.powi(1 - d) / n * points.iter().map(product).sum::<f64>() + pairs / (n * n)
}

#[test]
fn quasi_random_points_lie_more_evenly_than_random_ones() {
    for (dimensions, times) in [(2, 4.0), (5, 1.7), (12, 1.05)] {
        let space = cube(dimensions, 0.0, 1.0);
        let points = |sampler: &dyn Sampler| {
            let trials = run(&space, sampler, 128, |_| 0.0);
            let point = |trial: &Trial| trial.params.iter().map(|(_, x)| x.as_f64().unwrap()).collect();
            discrepancy(&trials.iter().map(point).collect::<Vec<Vec<f64>>>()).sqrt()
        };
        let mean = |sum: f64| sum / 8.0;
        let random = mean((0..8).map(|seed| points(&Random::new(seed))).sum());
        let quasi = mean((0..8).map(|seed| points(&QuasiRandom::new(seed))).sum());
        println!("{dimensions}: random {random:.5}, quasi-random {quasi:.5}");
        assert!(random > times * quasi, "{dimensions}: {random} and {quasi}");
    }
}

#[test]
fn more_hyperparameters_than_dimensions_are_drawn_at_random() {
    let space = cube(70, 0.0, 1.0);
    let trials = run(&space, &QuasiRandom::new(1), 64, |_| 0.0);
    for name in ["x0", "x63", "x64", "x69"] {
        let mean = trials.iter().map(|trial| x(&trial.params, name)).sum::<f64>() / 64.0;
        assert!((mean - 0.5).abs() < 0.15, "{name}: {mean}");
    }
    let different = |a: &str, b: &str| trials.iter().any(|t| x(&t.params, a) != x(&t.params, b));
    assert!(different("x64", "x65") && different("x0", "x64"));
}

fn network() -> Space {
    Space::new()
        .log_uniform("rate", 1e-4, 1.0)
        .and_then(|space| space.one_minus_log_uniform("momentum", 0.9, 0.999))
        .and_then(|space| space.log_integer("units", 8, 512))
        .and_then(|space| space.powers_of_two("batch", 16, 512))
        .and_then(|space| space.choice("activation", ["relu", "tanh", "sigmoid", "elu"]))
        .and_then(|space| space.integer("layers", 1, 4))
        .and_then(|space| space.when("layers", 2.., |space| space.log_integer("units_2", 8, 512)))
        .unwrap()
}

/// A made-up loss of a network: best at one value of each, on the scale of each.
fn mixed(params: &Params) -> f64 {
    let activation: String = params.get("activation").unwrap();
    let activation = ["relu", "tanh", "elu", "sigmoid"].iter().position(|&name| name == activation).unwrap();
    let units_2 =
        params.value("units_2").and_then(Value::as_f64).map_or(0.0, |x| 0.1 * (x / 60.0).ln().powi(2));
    0.5 * (x(params, "rate").log10() + 2.2).powi(2)
        + 0.3 * ((1.0 - x(params, "momentum")).log10() + 1.7).powi(2)
        + 0.2 * (x(params, "units") / 100.0).ln().powi(2)
        + 0.02 * (x(params, "batch") / 64.0).log2().powi(2)
        + 0.1 * activation as f64
        + 0.1 * (x(params, "layers") - 2.0).abs()
        + units_2
}

type Objective = fn(&Params) -> f64;

fn problems() -> [(&'static str, Space, Objective); 5] {
    let branin_space = Space::new().uniform("x0", -5.0, 10.0).unwrap().uniform("x1", 0.0, 15.0).unwrap();
    [
        ("Branin", branin_space, |params| branin(&numbers(params))),
        ("Hartmann-6", cube(6, 0.0, 1.0), |params| hartmann(&numbers(params))),
        ("Ackley-5", cube(5, -32.768, 32.768), |params| ackley(&numbers(params))),
        ("Rosenbrock-4", cube(4, -5.0, 10.0), |params| rosenbrock(&numbers(params))),
        ("mixed", network(), mixed),
    ]
}

#[test]
fn coarse_to_fine_is_better_than_random() {
    for (name, space, objective) in problems() {
        let median = |sampler: fn(u64) -> Box<dyn Sampler>| {
            let mut best: Vec<f64> =
                (0..30).map(|seed| best(&run(&space, &*sampler(seed), 100, objective))).collect();
            best.sort_by(f64::total_cmp);
            0.5 * (best[14] + best[15])
        };
        let random = median(|seed| Box::new(Random::new(seed)));
        let fine = median(|seed| Box::new(CoarseToFine::new(seed)));
        println!("{name}: random {random:.4}, from coarse to fine {fine:.4}");
        assert!(fine < random, "{name}: random {random}, from coarse to fine {fine}");
    }
}

#[test]
fn windows_close_in_on_the_best_within_the_range() {
    let space = network();
    let sampler = CoarseToFine::new(5);
    let trials = run(&space, &sampler, 100, mixed);
    let windows = sampler.windows(&space, Direction::Minimize, &trials);
    assert_eq!(
        windows.iter().map(|window| window.first).collect::<Vec<_>>(),
        [0, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96]
    );
    for (round, window) in windows.iter().enumerate() {
        assert_eq!(window.round, round as u64);
        assert_eq!(window.regions.len(), space.parameters().len());
        let end = windows.get(round + 1).map_or(100, |next| next.first);
        // Each trial of the round lies in its window.
        for trial in &trials[window.first as usize..end as usize] {
            for (name, value) in trial.params.iter() {
                let inside = match &window.regions[name] {
                    Region::Range { low, high, .. } => {
                        let [low, high, x] = [low, high, value].map(|x| x.as_f64().unwrap());
                        low <= x && x <= high
                    }
                    Region::Choices(choices) => choices.contains(value),
                    other => panic!("{other:?}"),
                };
                assert!(inside, "{name} = {value} in round {round}: {:?}", window.regions[name]);
            }
        }
    }
    let width = |round: usize, name: &str| match windows[round].regions[name] {
        Region::Range { from, to, .. } => to - from,
        _ => panic!("{name} is a number"),
    };
    assert_eq!((width(0, "rate"), width(0, "units"), width(0, "batch")), (1.0, 1.0, 1.0));
    assert!(width(11, "rate") < 0.1 && width(11, "momentum") < 0.1 && width(11, "units") < 0.1);
    let Region::Choices(choices) = &windows[11].regions["activation"] else { panic!() };
    assert_eq!(*choices, [Value::from("relu")]);
    let Region::Range { low, high, .. } = &windows[11].regions["rate"] else { panic!() };
    assert!(low.as_f64().unwrap() < 0.0063 && high.as_f64().unwrap() > 0.0063, "{low} to {high}");
}

#[test]
fn a_window_is_made_of_the_complete_trials_before_its_round() {
    let space = cube(1, 0.0, 100.0);
    let sampler = CoarseToFine::new(1).rounds(4, 2).unwrap().keep(2).unwrap().shrink(0.1).unwrap();
    let region = |direction, trials: &[Trial]| {
        let window = sampler.windows(&space, direction, trials).pop().unwrap();
        match window.regions["x0"] {
            Region::Range { from, to, .. } => [from, to].map(|x| (x * 1e6).round() / 1e6),
            _ => panic!("a number"),
        }
    };
    let trial = |number: u64, x: f64, value: f64| complete(number, Params::new().with("x0", x), value);
    let mut trials: Vec<Trial> =
        (0..).zip([10.0, 20.0, 40.0, 80.0]).map(|(number, x)| trial(number, x, x)).collect();
    assert_eq!(region(Direction::Minimize, &trials), [0.0, 1.0]);
    // Of the next round: the best is 10, and the two best 10 and 20.
    trials.push(Trial { number: 4, ..Trial::new(TrialState::Running) });
    assert_eq!(region(Direction::Minimize, &trials), [0.075, 0.175]);
    assert_eq!(region(Direction::Maximize, &trials), [0.5, 0.9]);
    // What this round has found does not move its window, nor do failed trials.
    trials.push(trial(5, 99.0, -1.0));
    assert_eq!(region(Direction::Minimize, &trials), [0.075, 0.175]);
    trials[0].state = TrialState::Failed;
    assert_eq!(region(Direction::Minimize, &trials), [0.15, 0.35]);
    // At an edge of the range, the window ends there.
    trials[3] = trial(3, 100.0, 100.0);
    assert_eq!(region(Direction::Maximize, &trials), [0.55, 1.0]);
    // After 16 rounds it looks everywhere again, and then around the best of those trials.
    trials.push(trial(34, 55.0, 3.0));
    assert_eq!(region(Direction::Minimize, &trials), [0.0, 1.0]);
    trials.push(trial(38, 0.0, 0.0));
    assert_eq!(region(Direction::Minimize, &trials), [0.5, 0.6]);
}

#[test]
fn settings_outside_their_range() {
    let new = || CoarseToFine::new(1);
    let cases = [
        (new().rounds(0, 1), "CoarseToFine: first must lie in [1, ∞), got 0"),
        (new().rounds(1, 0), "CoarseToFine: later must lie in [1, ∞), got 0"),
        (new().keep(0), "CoarseToFine: keep must lie in [1, ∞), got 0"),
        (new().shrink(0.0), "CoarseToFine: shrink must lie in (0, 1], got 0"),
        (new().shrink(1.5), "CoarseToFine: shrink must lie in (0, 1], got 1.5"),
        (new().shrink(f64::NAN), "CoarseToFine: shrink must lie in (0, 1], got NaN"),
    ];
    for (sampler, message) in cases {
        assert_eq!(sampler.unwrap_err().to_string(), message);
    }
}

#[test]
fn the_best_at_an_edge_suggests_another_range() {
    let space = Space::new()
        .log_uniform("rate", 1e-4, 1e-2)
        .and_then(|space| space.one_minus_log_uniform("momentum", 0.9, 0.999))
        .and_then(|space| space.uniform("dropout", 0.0, 0.5))
        .and_then(|space| space.uniform("offset", -1.0, 1.0))
        .and_then(|space| space.uniform_step("width", 0.5, 1.5, 0.25))
        .and_then(|space| space.uniform("temperature", 1000.0, 1010.0))
        .and_then(|space| space.powers_of_two("batch", 16, 256))
        .and_then(|space| space.integer("layers", 1, 4))
        .and_then(|space| space.integer_step("heads", 4, 16, 4))
        .and_then(|space| space.log_integer("units", 16, 256))
        .and_then(|space| space.boolean("bias"))
        .unwrap();
    let middle = Params::new()
        .with("rate", 1e-3)
        .with("momentum", 0.99)
        .with("dropout", 0.2)
        .with("offset", 0.0)
        .with("width", 1.0)
        .with("temperature", 1005.0)
        .with("batch", 64)
        .with("layers", 2)
        .with("heads", 8)
        .with("units", 64)
        .with("bias", false);
    let warnings = |direction, trials: &[Trial]| -> Vec<String> {
        edge_warnings(&space, direction, trials).iter().map(|warning| warning.suggested.to_string()).collect()
    };
    assert_eq!(warnings(Direction::Minimize, &[]), [""; 0]);
    assert_eq!(warnings(Direction::Minimize, &[complete(0, middle.clone(), 1.0)]), [""; 0]);
    let cases: [(&str, Value, Option<&str>); 21] = [
        ("rate", 1e-4.into(), Some("a number from 1e-5 to 0.001 (log)")),
        ("rate", 0.0099.into(), Some("a number from 0.00099 to 0.099 (log)")),
        ("momentum", 0.999.into(), Some("a number from 0.99 to 0.9999 (log of 1 − x)")),
        ("momentum", 0.9.into(), Some("a number from 0 to 0.99 (log of 1 − x)")),
        ("dropout", 0.0.into(), None),
        ("dropout", 0.5.into(), Some("a number from 0.25 to 0.75")),
        ("offset", 1.0.into(), Some("a number from 0 to 2")),
        ("offset", (-1.0).into(), Some("a number from -2 to 0")),
        ("width", 1.5.into(), Some("a number from 1 to 2 in steps of 0.25")),
        ("width", 0.5.into(), Some("a number from 0 to 1 in steps of 0.25")),
        ("temperature", 1010.0.into(), Some("a number from 1005 to 1015")),
        ("batch", 256.into(), Some("a power of two from 64 to 1024")),
        ("batch", 16.into(), Some("a power of two from 4 to 64")),
        ("layers", 1.into(), None),
        ("layers", 4.into(), Some("a whole number from 3 to 6")),
        ("heads", 16.into(), Some("a whole number from 12 to 24 in steps of 4")),
        ("heads", 4.into(), Some("a whole number from 4 to 12 in steps of 4")),
        ("units", 256.into(), Some("a whole number from 64 to 1020 (log)")),
        ("units", 16.into(), Some("a whole number from 4 to 64 (log)")),
        ("bias", true.into(), None),
        ("rate", 2e-4.into(), None),
    ];
    for (name, value, suggested) in cases {
        let at_edge = complete(1, middle.clone().with(name, value.clone()), 2.0);
        let trials = [complete(0, middle.clone(), 1.0), at_edge.clone()];
        // The best is in the middle, then at the edge.
        assert_eq!(warnings(Direction::Minimize, &trials), [""; 0]);
        let got = edge_warnings(&space, Direction::Maximize, &trials);
        assert_eq!(got.len(), usize::from(suggested.is_some()), "{name} = {value}: {got:?}");
        for warning in got {
            assert_eq!(Some(&*warning.suggested.to_string()), suggested, "{name} = {value}");
            assert_eq!((warning.name.as_str(), &warning.value), (name, &value));
            assert_eq!(Some(&warning.range), space.parameter(name).map(|parameter| &parameter.domain));
            assert!(matches!(warning.suggested, Domain::Choice { .. }) || warning.suggested.contains(&value));
        }
    }
}
