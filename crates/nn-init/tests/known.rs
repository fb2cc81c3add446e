//! What other packages compute where initialisers are not random: `fixtures/make_init.py` made the numbers.

use ndarray::{ArrayD, IxDyn};
use nn_core::Streams;
use nn_init::{
    Dirac, Distribution, Eye, FanInUniform, FanMode, Fans, Gain, He, Initializer, InitializerExt, LeCun,
    Normal, Sparse, TruncatedNormal, Uniform, VarianceScaling, Xavier,
};

const TORCH: &str = include_str!("fixtures/init_torch.csv");
const KERAS: &str = include_str!("fixtures/init_keras.csv");
const SCIPY: &str = include_str!("fixtures/init_scipy.csv");

/// The fields, after the first, of the lines that begin with this word.
fn lines<'a>(file: &'a str, word: &str) -> Vec<Vec<&'a str>> {
    let lines = file.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let found: Vec<_> = lines.filter(|fields| fields[0] == word).map(|fields| fields[1..].to_vec()).collect();
    assert!(!found.is_empty(), "{word}");
    found
}

fn number(field: &str) -> f64 {
    field.parse().unwrap()
}

fn list(field: &str) -> Vec<usize> {
    field.split_whitespace().map(|n| n.parse().unwrap()).collect()
}

fn drawn(init: &dyn Initializer, shape: &[usize]) -> Vec<f64> {
    let array: ArrayD<f64> = init.array(IxDyn(shape), &Streams::new(3), "w");
    array.into_iter().collect()
}

#[test]
fn gains() {
    for fields in lines(TORCH, "gain") {
        let gain = match fields[0] {
            "linear" => Gain::Linear,
            "sigmoid" => Gain::Sigmoid,
            "tanh" => Gain::Tanh,
            "relu" => Gain::Relu,
            "selu" => Gain::Selu,
            "leaky_relu" => Gain::LeakyRelu { slope: number(fields[1]) },
            other => panic!("{other}"),
        };
        assert_eq!(gain.value(), number(fields[2]), "{gain:?}");
    }
    assert_eq!(Gain::Factor(3.0).value(), 3.0);
}

#[test]
fn fans() {
    for fields in lines(TORCH, "fans") {
        let fans = Fans::of(&list(fields[0])).unwrap();
        assert_eq!(fans, Fans { fan_in: list(fields[1])[0], fan_out: list(fields[2])[0] }, "{fields:?}");
    }
    let message = "fans: input 0 must be a weight [out, in, …] of at least two axes, got shape [5]";
    assert_eq!(Fans::of(&[5]).unwrap_err().to_string(), message);
    assert!(Fans::of(&[]).is_err());
}

/// Checks that an initialiser puts `value` at these indices, and 0 elsewhere.
fn check_ones(init: &dyn Initializer, shape: &[usize], ones: &[usize], value: f64) {
    let values = drawn(init, shape);
    for (i, &x) in values.iter().enumerate() {
        assert_eq!(x, if ones.contains(&i) { value } else { 0.0 }, "{init:?} on {shape:?} at {i}");
    }
}

#[test]
fn identities() {
    for fields in lines(TORCH, "eye") {
        check_ones(&Eye::new(), &list(fields[0]), &list(fields[1]), 1.0);
        check_ones(&Eye::new().factor(-0.5).unwrap(), &list(fields[0]), &list(fields[1]), -0.5);
    }
    for fields in lines(TORCH, "dirac") {
        let dirac = Dirac::new().groups(list(fields[1])[0]).unwrap();
        check_ones(&dirac, &list(fields[0]), &list(fields[2]), 1.0);
    }
}

#[test]
fn sparse_columns() {
    for fields in lines(TORCH, "sparse") {
        let (rows, columns, zeros) = (list(fields[0])[0], list(fields[1])[0], list(fields[3])[0]);
        let values = drawn(&Sparse::torch(number(fields[2])).unwrap(), &[rows, columns]);
        for column in 0..columns {
            let found = (0..rows).filter(|row| values[row * columns + column] == 0.0).count();
            assert_eq!(found, zeros, "{fields:?}");
        }
    }
}

/// Checks that `init` draws what `unit` draws, times the width.
fn check_width(init: &dyn Initializer, unit: &dyn Initializer, shape: &[usize], width: f64) {
    for (x, unit) in drawn(init, shape).into_iter().zip(drawn(unit, shape)) {
        assert!((x - width * unit).abs() <= 1e-14 * width, "{init:?} on {shape:?}: {x} for {}", width * unit);
    }
}

fn flat() -> Uniform {
    Uniform::new(-1.0, 1.0).unwrap()
}

#[test]
fn widths_of_torch() {
    let leaky = |he: He, slope: f64| he.gain(Gain::LeakyRelu { slope }).unwrap();
    let bell = Normal::default();
    let words =
        ["xavier_uniform", "xavier_normal", "he_uniform", "he_normal", "he_normal_fan_out", "fan_in_uniform"];
    for word in words {
        for fields in lines(TORCH, word) {
            let (shape, argument, width) = (list(fields[0]), number(fields[1]), number(fields[2]));
            let gain = Gain::Factor(argument);
            match word {
                "xavier_uniform" => {
                    check_width(&Xavier::uniform().gain(gain).unwrap(), &flat(), &shape, width);
                }
                "xavier_normal" => check_width(&Xavier::normal().gain(gain).unwrap(), &bell, &shape, width),
                "he_uniform" => check_width(&leaky(He::uniform(), argument), &flat(), &shape, width),
                "he_normal" => check_width(&leaky(He::normal(), argument), &bell, &shape, width),
                "he_normal_fan_out" => {
                    check_width(&leaky(He::normal().fan_out(), argument), &bell, &shape, width);
                }
                _ => check_width(&FanInUniform::new(), &flat(), &shape, width),
            }
        }
    }
}

#[test]
fn widths_of_keras() {
    let (bell, cut) = (Normal::default(), TruncatedNormal::default());
    for fields in lines(KERAS, "scaling") {
        let mode = match fields[1] {
            "fan_in" => FanMode::FanIn,
            "fan_out" => FanMode::FanOut,
            "fan_avg" => FanMode::FanAvg,
            other => panic!("{other}"),
        };
        let (distribution, unit): (_, &dyn Initializer) = match fields[2] {
            "uniform" => (Distribution::Uniform, &flat()),
            "untruncated_normal" => (Distribution::Normal, &bell),
            "truncated_normal" => (Distribution::TruncatedNormal, &cut),
            other => panic!("{other}"),
        };
        let scaling = VarianceScaling::new(number(fields[3]), mode, distribution).unwrap();
        check_width(&scaling, unit, &list(fields[0]), number(fields[4]));
    }
    // Keras has no geometric mean of fans, which JAX has: √(3·48) = 12.
    let geometric = VarianceScaling::new(0.75, FanMode::FanGeoAvg, Distribution::Normal).unwrap();
    check_width(&geometric, &bell, &[3, 48], 0.25);
    let named: [(&str, &dyn Initializer, &dyn Initializer); 6] = [
        ("GlorotNormal", &Xavier::truncated_normal(), &cut),
        ("GlorotUniform", &Xavier::uniform(), &flat()),
        ("HeNormal", &He::truncated_normal(), &cut),
        ("HeUniform", &He::uniform(), &flat()),
        ("LecunNormal", &LeCun::truncated_normal(), &cut),
        ("LecunUniform", &LeCun::uniform(), &flat()),
    ];
    for (word, init, unit) in named {
        for fields in lines(KERAS, word) {
            check_width(init, unit, &list(fields[0]), number(fields[1]));
        }
    }
}

#[test]
fn truncated_normal_distributions() {
    const N: f64 = 40_000.0;
    for fields in lines(SCIPY, "truncated") {
        let [mean, std, low, high, expected_mean, expected_std] =
            [0, 1, 2, 3, 4, 5].map(|i| number(fields[i]));
        let init = TruncatedNormal::new(mean, std, low, high).unwrap();
        let values = drawn(&init, &[N as usize]);
        assert!(values.iter().all(|x| (low..=high).contains(x)), "{init:?}");
        let found_mean = values.iter().sum::<f64>() / N;
        let found_std = (values.iter().map(|x| (x - found_mean).powi(2)).sum::<f64>() / N).sqrt();
        assert!((found_mean - expected_mean).abs() < 4.0 * expected_std / N.sqrt(), "{init:?}: {found_mean}");
        // An exponential tail, the longest here, has kurtosis 9: the standard error is σ·√(8/(4·n)).
        assert!((found_std / expected_std - 1.0).abs() < 4.0 * (2.0 / N).sqrt(), "{init:?}: {found_std}");
        for (i, decile) in fields[6].split_whitespace().map(number).enumerate() {
            let part = (i + 1) as f64 / 10.0;
            let found = values.iter().filter(|&&x| x <= decile).count() as f64 / N;
            let error = (part * (1.0 - part) / N).sqrt();
            assert!((found - part).abs() < 4.0 * error, "{init:?}: {found} for {part}");
        }
    }
}
