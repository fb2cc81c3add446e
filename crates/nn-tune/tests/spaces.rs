//! Spaces: draws are distributed as their scale says, places and values are each other's inverse, structs go in and out.

use nn_tune::sampler::QuasiRandom;
use nn_tune::{
    Direction, Domain, Parameter, Params, Preset, Random, Sampler, Scale, Space, SpaceError, Value,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

type Added = Result<Space, SpaceError>;

/// A space with one hyperparameter, `x`.
fn one(add: impl FnOnce(Space) -> Added) -> Space {
    add(Space::new()).unwrap()
}

fn draws(space: &Space, sampler: &dyn Sampler, count: u64) -> Vec<Value> {
    let draw = |number| {
        let params = sampler.sample(space, Direction::Minimize, &[], number);
        space.check(&params).unwrap();
        params.value("x").unwrap().clone()
    };
    (0..count).map(draw).collect()
}

/// The samplers that cover a space evenly.
fn samplers() -> [Box<dyn Sampler>; 2] {
    [Box::new(Random::new(11)), Box::new(QuasiRandom::new(12))]
}

/// How likely a value of at most this is.
type Cumulative = fn(f64) -> f64;

#[test]
fn draws_of_a_continuum_follow_its_scale() {
    let continua: [(Space, Cumulative); 7] = [
        (one(|space| space.uniform("x", -2.0, 6.0)), |x| (x + 2.0) / 8.0),
        (one(|space| space.log_uniform("x", 1e-4, 1.0)), |x| (x.log10() + 4.0) / 4.0),
        (one(|space| space.log_uniform("x", 20.0, 80.0)), |x| (x / 20.0).log2() / 2.0),
        (one(|space| space.one_minus_log_uniform("x", 0.9, 0.999)), |x| (-1.0 - (1.0 - x).log10()) / 2.0),
        (one(|space| space.one_minus_log_uniform("x", -9.0, 0.9)), |x| (1.0 - (1.0 - x).log10()) / 2.0),
        (one(|space| space.preset(Preset::LearningRate)).renamed(), |x| (x.log10() + 4.0) / 4.0),
        (one(|space| space.preset(Preset::Momentum)).renamed(), |x| (-1.0 - (1.0 - x).log10()) / 2.0),
    ];
    for (space, cumulative) in continua {
        for sampler in samplers() {
            let mut places: Vec<f64> = draws(&space, &*sampler, 4000)
                .iter()
                .map(|value| match value {
                    Value::Float(x) => cumulative(*x),
                    other => panic!("{other:?} is no float"),
                })
                .collect();
            places.sort_by(f64::total_cmp);
            let n = places.len() as f64;
            let distance = (0..).zip(&places).map(|(i, place)| {
                let i = f64::from(i);
                (place - i / n).abs().max((place - (i + 1.0) / n).abs())
            });
            // Kolmogorov and Smirnov: larger in 1 of 1000 samples of the distribution.
            let distance = distance.fold(0.0, f64::max) * n.sqrt();
            assert!(distance < 1.95, "{space:?}, {sampler:?}: {distance}");
        }
    }
}

/// A space whose only hyperparameter is called `x`.
trait Renamed {
    fn renamed(self) -> Space;
}

impl Renamed for Space {
    fn renamed(self) -> Space {
        match self.parameters()[0].domain {
            Domain::Float { low, high, scale: Scale::Log, step: None } => {
                one(|space| space.log_uniform("x", low, high))
            }
            Domain::Float { low, high, scale: Scale::OneMinusLog, step: None } => {
                one(|space| space.one_minus_log_uniform("x", low, high))
            }
            ref other => panic!("{other}"),
        }
    }
}

/// How likely a value is, but for a factor.
type Weight = fn(f64) -> f64;

#[test]
fn draws_of_several_values_follow_their_scale() {
    let even: Weight = |_| 1.0;
    let numbers: [(Space, Vec<Value>, Weight); 7] = [
        (one(|space| space.integer("x", -3, 4)), (-3..=4).map(Value::Int).collect(), even),
        (
            one(|space| space.integer_step("x", 10, 50, 10)),
            (1..=5).map(|i| Value::Int(10 * i)).collect(),
            even,
        ),
        (
            one(|space| space.log_integer("x", 1, 20)),
            (1..=20).map(Value::Int).collect(),
            // The part of the logarithmic scale that rounds to it.
            |x| ((x + 0.5) / (x - 0.5)).ln(),
        ),
        (
            one(|space| space.log_integer_step("x", 4, 40, 4)),
            (1..=10).map(|i| Value::Int(4 * i)).collect(),
            |x| ((x + 2.0) / (x - 2.0)).ln(),
        ),
        (
            one(|space| space.powers_of_two("x", 16, 256)),
            [16, 32, 64, 128, 256].map(Value::Int).to_vec(),
            even,
        ),
        (
            one(|space| space.uniform_step("x", 0.1, 0.5, 0.1)),
            [0.1, 0.2, 0.3, 0.4, 0.5].map(Value::Float).to_vec(),
            even,
        ),
        (one(|space| space.choice("x", [5, 1, 3])), [5, 1, 3].map(Value::Int).to_vec(), even),
    ];
    let truths = (one(|space| space.boolean("x")), vec![false.into(), true.into()], even);
    let names = (one(|space| space.choice("x", ["b", "a"])), vec!["b".into(), "a".into()], even);
    for (space, values, weight) in numbers.into_iter().chain([truths, names]) {
        let weights: Vec<f64> = values.iter().map(|value| weight(value.as_f64().unwrap_or(0.0))).collect();
        for sampler in samplers() {
            let n = 4000;
            let draws = draws(&space, &*sampler, n);
            assert!(draws.iter().all(|draw| values.contains(draw)), "{space:?}: {values:?}");
            let terms = values.iter().zip(&weights).map(|(value, weight)| {
                let expected = n as f64 * weight / weights.iter().sum::<f64>();
                let got = draws.iter().filter(|draw| *draw == value).count() as f64;
                (got - expected).powi(2) / expected
            });
            let (chi_square, limit) = (terms.sum::<f64>(), chi_square_limit(values.len() - 1));
            assert!(chi_square < limit, "{space:?}, {sampler:?}: {chi_square} of {limit}");
        }
    }
}

/// What chi-square exceeds in 1 of 1000 samples (Wilson and Hilferty 1931, "The distribution of chi-square").
fn chi_square_limit(degrees: usize) -> f64 {
    let k = 2.0 / (9.0 * degrees as f64);
    degrees as f64 * (1.0 - k + 3.09 * k.sqrt()).powi(3)
}

#[test]
fn a_quarter_of_the_learning_rates_is_in_each_decade() {
    let space = one(|space| space.log_uniform("x", 1e-4, 1.0));
    let n = 4000;
    for seed in 0..5 {
        let draws = draws(&space, &Random::new(seed), n);
        for decade in -4..0 {
            let bounds = 10.0_f64.powi(decade)..10.0_f64.powi(decade + 1);
            let count = draws.iter().filter(|x| bounds.contains(&x.as_f64().unwrap())).count() as f64;
            // Four standard deviations of a binomial count.
            let deviation = (n as f64 * 0.25 * 0.75).sqrt();
            assert!((count - 0.25 * n as f64).abs() < 4.0 * deviation, "seed {seed}, 1e{decade}: {count}");
        }
    }
}

#[test]
fn scales_keep_their_digits() {
    // 1 − 0.999…: what a difference of logarithms of rounded numbers would lose.
    for x in [1e-17, 1e-9, 0.5, 0.9, 0.999_999_999, -4.0] {
        let scale = Scale::OneMinusLog;
        let back = scale.backward(scale.forward(x));
        assert!((back - x).abs() <= 4.0 * f64::EPSILON * x.abs(), "{x}: {back}");
    }
    let tiny = one(|space| space.one_minus_log_uniform("x", 0.0, 1e-15));
    let middle = tiny.parameters()[0].domain.from_unit(0.5).as_f64().unwrap();
    assert!((middle / 0.5e-15 - 1.0).abs() < 1e-9, "{middle}");
}

#[test]
fn numbers_in_steps_are_written_short() {
    let written = |add: fn(Space) -> Added| {
        let space = one(add);
        let domain = &space.parameters()[0].domain;
        (0..domain.cardinality().unwrap()).map(|i| domain.nth(i).to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        written(|space| space.uniform_step("x", 0.1, 1.0, 0.1)),
        "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"
    );
    assert_eq!(written(|space| space.uniform_step("x", -0.3, 0.3, 0.15)), "-0.3 -0.15 0 0.15 0.3");
    assert_eq!(written(|space| space.uniform_step("x", 0.0, 1e-7, 5e-8)), "0 5e-8 1e-7");
    let thirds = written(|space| space.uniform_step("x", 0.0, 1.0, 1.0 / 3.0));
    assert_eq!(thirds, "0 0.3333333333333333 0.6666666666666666 1");
}

#[test]
fn the_widest_ranges_hold() {
    let (min, max) = (i64::MIN, i64::MAX);
    let spaces = [
        one(|space| space.integer("x", min + 1, max)),
        one(|space| space.integer("x", min, max - 1)),
        one(|space| space.integer_step("x", min, max, 3)),
        one(|space| space.log_integer("x", 1, max)),
        one(|space| space.powers_of_two("x", 1, 1 << 62)),
        one(|space| space.log_uniform("x", f64::MIN_POSITIVE, f64::MAX)),
        one(|space| space.log_uniform("x", f64::MAX / (1.0 + 1e-15), f64::MAX)),
        one(|space| space.uniform("x", 0.0, f64::MAX)),
        one(|space| space.uniform("x", 1.0, 1.0 + f64::EPSILON)),
        one(|space| space.one_minus_log_uniform("x", -1e300, 1.0 - f64::EPSILON)),
    ];
    for space in spaces {
        let domain = &space.parameters()[0].domain;
        for u in [0.0, 1e-300, 0.3, 0.5, 1.0 - f64::EPSILON, 1.0, -1.0, 2.0] {
            let value = domain.from_unit(u);
            assert!(domain.contains(&value), "{domain}: {u} → {value}");
            let place = domain.to_unit(&value).unwrap();
            assert!((0.0..=1.0).contains(&place), "{domain}: {value} → {place}");
        }
        if let Some(count) = domain.cardinality() {
            for i in [0, 1, count / 2, count - 1] {
                let value = domain.nth(i);
                assert_eq!(domain.position(&value), Some(i), "{domain}: {value}");
            }
            let ends = [domain.from_unit(0.0), domain.from_unit(1.0)];
            assert_eq!(ends, [domain.nth(0), domain.nth(count - 1)], "{domain}");
        }
    }
}

#[test]
fn values_outside_have_no_place() {
    let space = one(|space| space.uniform("x", 0.0, 1.0)).integer_step("n", 0, 10, 5).unwrap();
    let space = space.powers_of_two("p", 2, 8).unwrap().choice("c", ["a"]).unwrap();
    let cases = [
        ("x", Value::Float(f64::NAN), None),
        ("x", Value::Float(1.1), None),
        ("x", Value::Text("0.5".into()), None),
        ("x", Value::Int(1), Some(1.0)),
        ("n", Value::Int(5), Some(0.5)),
        ("n", Value::Float(5.0), Some(0.5)),
        ("n", Value::Int(11), None),
        ("n", Value::Int(-1), None),
        ("p", Value::Int(2), Some(1.0 / 6.0)),
        ("p", Value::Int(1), None),
        // Beside the steps, as another program's study may have it: between its neighbours.
        ("p", Value::Int(3), Some((3.0_f64.log2() - 0.5) / 3.0)),
        ("n", Value::Float(7.5), Some(2.0 / 3.0)),
        ("c", Value::Text("b".into()), None),
    ];
    for (name, value, place) in cases {
        let domain = &space.parameter(name).unwrap().domain;
        match (domain.to_unit(&value), place) {
            (Some(got), Some(place)) => assert!((got - place).abs() < 1e-12, "{name}, {value}: {got}"),
            (got, place) => assert_eq!(got, place, "{name}, {value}"),
        }
    }
    let whole = &space.parameter("n").unwrap().domain;
    assert!(whole.contains(&Value::Float(5.0)) && !whole.contains(&Value::Float(7.5)));
    assert_eq!(whole.fit(&Value::Float(5.0)), Some(Value::Int(5)));
}

#[test]
#[should_panic(expected = "a place between 0 and 1 of a number from 0 to 1, got NaN")]
fn no_place_is_nan() {
    one(|space| space.uniform("x", 0.0, 1.0)).parameters()[0].domain.from_unit(f64::NAN);
}

/// Any domain that a space makes.
fn domains() -> impl Strategy<Value = Domain> {
    let float =
        |add: fn(Space, f64, f64) -> Added, low: std::ops::Range<f64>, width: std::ops::Range<f64>| {
            (low, width).prop_map(move |(low, width)| one(|space| add(space, low, low + width)))
        };
    let int = |add: fn(Space, i64, i64, i64) -> Added| {
        (1..1000_i64, 0..1000_i64, 1..10_000_i64).prop_map(move |(step, more, count)| {
            one(|space| add(space, step + more, step + more + count * step, step))
        })
    };
    let spaces = prop_oneof![
        float(|space, low, high| space.uniform("x", low, high), -1e6..1e6, 1e-3..1e6),
        float(|space, low, high| space.log_uniform("x", low, high), 1e-12..1e3, 1e-3..1e6),
        float(|space, low, high| space.one_minus_log_uniform("x", low, high), -5.0..0.5, 1e-3..0.49),
        (-100_i32..100, 1..1000_i32, 1..500_i32).prop_map(|(low, count, unit)| {
            let [low, step] = [low, unit].map(|x| f64::from(x) * 0.01);
            one(|space| space.uniform_step("x", low, low + f64::from(count) * step, step))
        }),
        int(|space, low, high, step| space.integer_step("x", low - 1000, high - 1000, step)),
        int(|space, low, high, step| space.log_integer_step("x", low, high, step)),
        (0..30_u32, 1..30_u32).prop_map(|(low, more)| one(|space| space.powers_of_two(
            "x",
            1 << low,
            1 << (low + more)
        ))),
        (1..9_i64).prop_map(|count| one(|space| space.choice("x", 0..count))),
    ];
    spaces.prop_map(|space| space.parameters()[0].domain.clone())
}

proptest! {
    #[test]
    fn places_and_values_are_inverse(domain in domains(), u in 0.0..=1.0_f64, v in 0.0..=1.0_f64) {
        let value = domain.from_unit(u);
        prop_assert!(domain.contains(&value));
        prop_assert_eq!(domain.fit(&value), Some(value.clone()));
        let place = domain.to_unit(&value).unwrap();
        match domain.cardinality() {
            None => {
                // As exact as a number of the size of the bounds can be.
                let [low, high] = domain.bounds().unwrap();
                let size = low.abs().max(high.abs());
                let back = domain.from_unit(place).as_f64().unwrap();
                prop_assert!((back - value.as_f64().unwrap()).abs() <= 1e-14 * size.max(1.0));
            }
            Some(count) => {
                prop_assert_eq!(domain.from_unit(place), value.clone());
                let i = domain.position(&value).unwrap();
                prop_assert!(i < count);
                prop_assert_eq!(domain.nth(i), value.clone());
                let [from, to] = domain.part(&value).unwrap();
                prop_assert!(from <= u + 1e-12 && u <= to + 1e-12, "{} is not in {} to {}", u, from, to);
                prop_assert!(from < place && place < to);
            }
        }
        // A higher place is no lower value.
        if let (Some(x), Some(y)) = (value.as_f64(), domain.from_unit(v).as_f64()) {
            prop_assert!((u <= v && x <= y) || (u >= v && x >= y));
        }
    }

    #[test]
    fn values_survive_json(domain in domains(), u in 0.0..=1.0_f64) {
        let params = Params::new().with("x", domain.from_unit(u));
        let text = serde_json::to_string(&params).unwrap();
        prop_assert_eq!(serde_json::from_str::<Params>(&text).unwrap(), params);
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Hyperparameters {
    learning_rate: f64,
    momentum: f32,
    batch_size: usize,
    layers: u8,
    units_2: Option<u32>,
    activation: Activation,
    nesterov: bool,
    decay: Option<Decay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Activation {
    Relu,
    LeakyRelu,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Decay(f64);

fn network() -> Space {
    Space::new()
        .log_uniform("learning_rate", 1e-4, 1.0)
        .and_then(|space| space.one_minus_log_uniform("momentum", 0.9, 0.999))
        .and_then(|space| space.powers_of_two("batch_size", 16, 256))
        .and_then(|space| space.integer("layers", 1, 2))
        .and_then(|space| space.when("layers", 2.., |space| space.log_integer("units_2", 16, 64)))
        .and_then(|space| space.choice("activation", ["relu", "leaky_relu"]))
        .and_then(|space| space.boolean("nesterov"))
        .and_then(|space| space.when("nesterov", true, |space| space.log_uniform("decay", 1e-6, 1.0)))
        .unwrap()
}

#[test]
fn a_struct_goes_into_a_space_and_back() {
    let space = network();
    for number in 0..200 {
        let params = Random::new(3).sample(&space, Direction::Minimize, &[], number);
        let hyperparameters: Hyperparameters = params.to().unwrap();
        assert_eq!(hyperparameters.units_2.is_some(), hyperparameters.layers == 2);
        assert_eq!(hyperparameters.decay.is_some(), hyperparameters.nesterov);
        let back = Params::from(&hyperparameters).unwrap();
        space.check(&back).unwrap();
        assert_eq!(back.to::<Hyperparameters>().unwrap(), hyperparameters);
        // All but `momentum`, which the struct keeps with fewer digits.
        let momentum = params.value("momentum").unwrap().clone();
        assert_eq!(back.with("momentum", momentum), params);
    }
    // As numbers are written: 0.9 of 32 bits is in the range that begins at 0.9.
    let edge = Hyperparameters {
        learning_rate: 1.0,
        momentum: 0.9,
        batch_size: 64,
        layers: 1,
        units_2: None,
        activation: Activation::LeakyRelu,
        nesterov: false,
        decay: None,
    };
    let params = Params::from(&edge).unwrap();
    assert_eq!(params.value("momentum"), Some(&Value::Float(0.9)));
    assert_eq!(space.fit(&params), Ok(params));
    let error = space.check(&Params::from(&Hyperparameters { momentum: f32::NAN, ..edge }).unwrap());
    let message = "`momentum`: expected a number from 0.9 to 0.999 (log of 1 − x), got NaN";
    assert_eq!(error.unwrap_err().to_string(), message);
}

#[test]
fn numbers_are_what_they_are_however_they_are_written() {
    let text = r#"{"learning_rate": 1, "momentum": 0.99, "batch_size": 64.0, "layers": 1.0, "activation": "relu",
        "nesterov": false}"#;
    let params: Params = serde_json::from_str(text).unwrap();
    let fitted = network().fit(&params).unwrap();
    assert_eq!(fitted.value("learning_rate"), Some(&Value::Float(1.0)));
    assert_eq!(fitted.value("batch_size"), Some(&Value::Int(64)));
    assert_eq!(params.to::<Hyperparameters>().unwrap(), fitted.to().unwrap());
    assert_eq!(params.get::<usize>("batch_size").unwrap(), 64);
    assert_eq!(params.get::<f32>("learning_rate").unwrap(), 1.0);
}

#[test]
fn some_values_fit_without_the_others() {
    let space = network();
    let some = Params::new().with("units_2", 32.0).with("momentum", 0.95);
    let fitted = space.fit_some(&some).unwrap();
    assert_eq!(fitted, Params::new().with("units_2", 32).with("momentum", 0.95));
    let error = space.fit_some(&some.clone().with("layers", 1)).unwrap_err().to_string();
    assert_eq!(error, "`units_2` is there only when `layers` is at least 2");
    assert_eq!(space.fit(&some).unwrap_err().to_string(), "`learning_rate` is missing");
}

#[test]
fn conditions_within_conditions() {
    let space = Space::new()
        .choice("optimizer", ["sgd", "adam", "lion"])
        .and_then(|space| {
            space.when("optimizer", ["sgd", "lion"], |space| {
                space.boolean("nesterov")?.when("nesterov", true, |space| space.uniform("momentum", 0.0, 0.9))
            })
        })
        .and_then(|space| space.uniform("rate", 0.0, 1.0))
        .unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..200 {
        let params = Random::new(1).sample(&space, Direction::Minimize, &[], number);
        space.check(&params).unwrap();
        seen.insert(params.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(" "));
    }
    let expected =
        ["momentum nesterov optimizer rate", "nesterov optimizer rate", "optimizer rate"].map(str::to_owned);
    assert_eq!(seen, expected.into());
    let params = Params::new().with("optimizer", "adam").with("rate", 0.5).with("momentum", 0.5);
    let error = space.check(&params).unwrap_err().to_string();
    assert_eq!(error, "`momentum` is there only when `optimizer` is one of sgd, lion");
}

/// The table in the README, from the presets themselves.
#[test]
fn the_readme_lists_the_presets() {
    let readme = include_str!("../README.md");
    for preset in Preset::ALL {
        let (importance, name, domain) = (preset.importance(), preset.name(), preset.domain());
        let default = preset.default().map_or_else(|| "–".to_owned(), |value| value.to_string());
        let row = format!("| {importance} | `{name}` | {domain} | {default} |");
        assert!(readme.contains(&row), "README.md has no line {row}");
    }
    assert!(Preset::ALL.is_sorted_by_key(|preset| preset.importance()));
    let rows: Vec<&str> = readme.lines().filter(|line| line.contains("| `")).collect();
    let order =
        Preset::ALL.map(|preset| rows.iter().position(|row| row.contains(&format!("`{}`", preset.name()))));
    assert!(order.is_sorted());
    for preset in Preset::ALL {
        let domain = preset.domain();
        assert!(preset.default().is_none_or(|value| domain.contains(&value)));
        // What the methods of a space would have checked.
        assert!(domain.bounds().is_some_and(|[low, high]| low < high));
    }
}

#[test]
fn parts_are_what_from_unit_takes_to_a_value() -> Result<(), SpaceError> {
    let space = Space::new()
        .integer("linear", -3, 4)?
        .integer_step("even", 2, 20, 2)?
        .log_integer("log", 1, 40)?
        .powers_of_two("power", 4, 64)?
        .uniform_step("step", 0.0, 0.5, 0.1)?
        .choice("choice", ["a", "b", "c"])?;
    for Parameter { name, domain, .. } in space.parameters() {
        let values: Vec<Value> = (0..domain.cardinality().unwrap_or(0)).map(|i| domain.nth(i)).collect();
        let mut end = 0.0_f64;
        for value in values {
            let [low, high] = domain.part(&value).expect("a value of the domain");
            assert!(
                (low - end).abs() < 1e-12,
                "{name}: {value} begins at {low}, the one before ends at {end}"
            );
            for u in [low + 1e-9, 0.5 * (low + high), high - 1e-9] {
                assert_eq!(domain.from_unit(u), value, "{name} at {u}");
            }
            end = high;
        }
        assert!((end - 1.0).abs() < 1e-12, "{name} ends at {end}");
    }
    let continuum = Domain::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
    assert_eq!(continuum.part(&Value::Float(0.5)), None);
    Ok(())
}

#[test]
fn a_condition_on_a_very_large_range_holds_where_a_value_does() -> Result<(), SpaceError> {
    let (low, high) = (-(1_i64 << 61), 1 << 61);
    for from in [1, 1 << 60, high] {
        let space = Space::new().integer("x", low, high)?;
        space.when("x", from.., |space| space.boolean("y")).map(drop)?;
    }
    assert!(Space::new().integer("x", low, 5)?.when("x", 6.., |space| space.boolean("y")).is_err());
    let steps = || Space::new().integer_step("x", 0, 10, 5);
    assert!(steps()?.when("x", 6..=9, |space| space.boolean("y")).is_err());
    steps()?.when("x", 6..=10, |space| space.boolean("y")).map(drop)
}
