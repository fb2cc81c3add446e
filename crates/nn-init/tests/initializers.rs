//! What every initialiser must do.

use ndarray::{Array1, Array2, ArrayD, IxDyn};
use nn_core::{Arena, ParamLayout, Role, Streams};
use nn_init::{
    Constant, FanInUniform, Fans, Gain, He, Initializer, InitializerExt, LeCun, Normal, Uniform, Xavier,
    Zeros,
};

/// The distribution that an initialiser must draw from.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Value(f64),
    Normal(f64, f64),
    Uniform(f64, f64),
}

impl Expected {
    /// The probability of at most x.
    fn cdf(self, x: f64) -> f64 {
        match self {
            Expected::Value(value) => f64::from(x >= value),
            Expected::Normal(mean, std) => normal_cdf((x - mean) / std),
            Expected::Uniform(low, high) => (x - low) / (high - low),
        }
    }

    fn mean(self) -> f64 {
        match self {
            Expected::Value(value) => value,
            Expected::Normal(mean, _) => mean,
            Expected::Uniform(low, high) => (low + high) / 2.0,
        }
    }

    fn std(self) -> f64 {
        match self {
            Expected::Value(_) => 0.0,
            Expected::Normal(_, std) => std,
            Expected::Uniform(low, high) => (high - low) / 12f64.sqrt(),
        }
    }
}

/// The series of Marsaglia 2004, "Evaluating the normal distribution".
fn normal_cdf(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

type Member = (&'static str, Box<dyn Initializer>, Expected);

const SHAPE: [usize; 4] = [40, 30, 5, 7];
const FAN_IN: f64 = 1050.0;
const FAN_OUT: f64 = 1400.0;

fn around_zero(bound: f64) -> Expected {
    Expected::Uniform(-bound, bound)
}

/// Every initialiser of the crate, with what it draws for `SHAPE`.
fn members() -> Vec<Member> {
    let leaky = Gain::LeakyRelu { slope: 0.5 };
    let leaky_gain = 1.6f64.sqrt();
    vec![
        ("Zeros", Box::new(Zeros), Expected::Value(0.0)),
        ("Constant", Box::new(Constant::new(-2.5).unwrap()), Expected::Value(-2.5)),
        ("Normal", Box::new(Normal::new(0.5, 0.02).unwrap()), Expected::Normal(0.5, 0.02)),
        ("Normal, standard", Box::new(Normal::default()), Expected::Normal(0.0, 1.0)),
        ("Uniform", Box::new(Uniform::new(-0.1, 0.3).unwrap()), Expected::Uniform(-0.1, 0.3)),
        ("Uniform, unit", Box::new(Uniform::default()), Expected::Uniform(0.0, 1.0)),
        ("Xavier uniform", Box::new(Xavier::uniform()), around_zero((6.0 / (FAN_IN + FAN_OUT)).sqrt())),
        (
            "Xavier normal, tanh",
            Box::new(Xavier::normal().gain(Gain::Tanh).unwrap()),
            Expected::Normal(0.0, 5.0 / 3.0 * (2.0 / (FAN_IN + FAN_OUT)).sqrt()),
        ),
        ("He uniform", Box::new(He::uniform()), around_zero((6.0 / FAN_IN).sqrt())),
        ("He normal", Box::new(He::normal()), Expected::Normal(0.0, (2.0 / FAN_IN).sqrt())),
        (
            "He normal, fan_out",
            Box::new(He::normal().fan_out()),
            Expected::Normal(0.0, (2.0 / FAN_OUT).sqrt()),
        ),
        (
            "He uniform, leaky",
            Box::new(He::uniform().gain(leaky).unwrap()),
            around_zero(leaky_gain * (3.0 / FAN_IN).sqrt()),
        ),
        ("LeCun uniform", Box::new(LeCun::uniform()), around_zero((3.0 / FAN_IN).sqrt())),
        ("LeCun normal", Box::new(LeCun::normal()), Expected::Normal(0.0, (1.0 / FAN_IN).sqrt())),
        ("FanInUniform", Box::new(FanInUniform::new()), around_zero(1.0 / FAN_IN.sqrt())),
        ("FanInUniform of 9", Box::new(FanInUniform::of(9).unwrap()), around_zero(1.0 / 3.0)),
    ]
}

fn drawn(init: &dyn Initializer, seed: u64, name: &str) -> Vec<f64> {
    let array: ArrayD<f64> = init.array(IxDyn(&SHAPE), &Streams::new(seed), name);
    array.into_iter().collect()
}

#[test]
fn moments_and_ranges() {
    for (name, init, expected) in members() {
        let values = drawn(&*init, 7, "w");
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let std = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
        let wanted = expected.std();
        // Four standard errors of the mean; of the standard deviation, at most 1/√(2n) of it each.
        assert!((mean - expected.mean()).abs() <= 4.0 * wanted / n.sqrt(), "{name}: mean {mean}");
        assert!((std - wanted).abs() <= 4.0 * wanted / (2.0 * n).sqrt(), "{name}: std {std}");
        if let Expected::Uniform(low, high) = expected {
            assert!(values.iter().all(|x| (low..=high).contains(x)), "{name}");
        }
    }
}

#[test]
fn kolmogorov_smirnov() {
    for (name, init, expected) in members() {
        let mut values = drawn(&*init, 11, "w");
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        if matches!(expected, Expected::Value(_)) {
            continue;
        }
        let gap = |(i, &x): (usize, &f64)| {
            let p = expected.cdf(x);
            (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
        };
        let distance = values.iter().enumerate().map(gap).fold(0.0, f64::max);
        // 1.95/√n is exceeded by chance once in a thousand times.
        assert!(distance * n.sqrt() < 1.95, "{name}: {}", distance * n.sqrt());
    }
}

#[test]
fn neighbours_do_not_correlate() {
    for (name, init, expected) in members() {
        let values = drawn(&*init, 3, "w");
        let (mean, variance) = (expected.mean(), expected.std().powi(2));
        let product: f64 = values.windows(2).map(|x| (x[0] - mean) * (x[1] - mean)).sum();
        assert!(product.abs() <= 4.0 * variance * (values.len() as f64).sqrt(), "{name}: {product}");
    }
}

#[test]
fn the_address_decides() {
    for (name, init, expected) in members() {
        let first = drawn(&*init, 1, "0.weight");
        assert_eq!(first, drawn(&*init, 1, "0.weight"), "{name}");
        let random = !matches!(expected, Expected::Value(_));
        assert_eq!(first != drawn(&*init, 2, "0.weight"), random, "{name}, other seed");
        assert_eq!(first != drawn(&*init, 1, "1.weight"), random, "{name}, other parameter");
    }
}

#[test]
fn both_precisions_get_the_same_numbers_in_any_memory_layout() {
    let streams = Streams::new(5);
    for (name, init, _) in members() {
        let double: Array2<f64> = init.array([6, 9], &streams, "w");
        let mut single = Array2::<f32>::zeros((9, 6)).reversed_axes();
        init.fill(&mut single, &streams, "w");
        assert_eq!(single, double.mapv(|x| x as f32), "{name}");
    }
}

#[test]
fn parameters_of_an_arena_are_filled_in_place() {
    let mut layout = ParamLayout::new();
    layout.add("0.weight", &[3, 5], Role::Weight).unwrap();
    layout.add("0.bias", &[3], Role::Bias).unwrap();
    let mut arena = Arena::<f32>::zeros(layout.into());
    let streams = Streams::new(1);
    He::normal().fill(&mut arena.view_mut(0), &streams, "0.weight");
    let alone: Array2<f32> = He::normal().array([3, 5], &streams, "0.weight");
    assert_eq!(arena.get("0.weight").unwrap(), alone.into_dyn());
    assert_eq!(arena.get("0.bias").unwrap().sum(), 0.0);
}

#[test]
fn empty_arrays_are_filled_with_nothing() {
    for (name, init, _) in members() {
        let array: Array2<f32> = init.array([5, 0], &Streams::new(1), "w");
        assert_eq!(array.len(), 0, "{name}");
    }
}

#[test]
fn fans() {
    let fans = |shape: &[usize]| Fans::of(shape).map(|fans| (fans.fan_in, fans.fan_out));
    assert_eq!(fans(&[3, 5]), Ok((5, 3)));
    assert_eq!(fans(&[3, 5, 2]), Ok((10, 6)));
    assert_eq!(fans(&[3, 5, 2, 4]), Ok((40, 24)));
    assert_eq!(fans(&[3, 0]), Ok((0, 3)));
    let message = "fans: input 0 must be a weight [out, in, …] of at least two axes, got shape [5]";
    assert_eq!(fans(&[5]).unwrap_err().to_string(), message);
    assert!(fans(&[]).is_err());
}

#[test]
#[should_panic(expected = "fans: input 0 must be a weight [out, in, …] of at least two axes, got shape [4]")]
fn a_bias_has_no_fans() {
    let _: Array1<f32> = He::normal().array(4, &Streams::new(1), "0.bias");
}

#[test]
#[should_panic(expected = "an array of shape [2, 3] has not 5 elements")]
fn a_slice_must_have_the_size_of_the_shape() {
    Zeros.draw(&[2, 3], &mut Streams::new(1).rng("w", 0), &mut [0.0; 5]);
}

#[test]
fn gains() {
    let table = [
        (Gain::Linear, 1.0),
        (Gain::Sigmoid, 1.0),
        (Gain::Tanh, 1.6666666666666667),
        (Gain::Relu, std::f64::consts::SQRT_2),
        (Gain::LeakyRelu { slope: 0.01 }, 1.4141428569978354),
        (Gain::LeakyRelu { slope: 5f64.sqrt() }, 0.5773502691896257),
        (Gain::Selu, 0.75),
        (Gain::Factor(3.0), 3.0),
    ];
    for (gain, value) in table {
        assert!((gain.value() - value).abs() < 1e-15, "{gain:?}: {}", gain.value());
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let leaky = Gain::LeakyRelu { slope: f64::NAN };
    let refused = [
        (Constant::new(f64::INFINITY).err(), "Constant: value must lie in (-∞, ∞), got inf"),
        (Normal::new(f64::NAN, 1.0).err(), "Normal: mean must lie in (-∞, ∞), got NaN"),
        (Normal::new(0.0, -1.0).err(), "Normal: std must lie in [0, ∞), got -1"),
        (Uniform::new(f64::NEG_INFINITY, 0.0).err(), "Uniform: low must lie in (-∞, ∞), got -inf"),
        (Uniform::new(1.0, 0.5).err(), "Uniform: high must lie in [low, ∞), got 0.5"),
        (Xavier::normal().gain(Gain::Factor(0.0)).err(), "Xavier: gain must lie in (0, ∞), got 0"),
        (He::normal().gain(leaky).err(), "He: slope must lie in (-∞, ∞), got NaN"),
        (FanInUniform::of(0).err(), "FanInUniform: fan_in must lie in [1, ∞), got 0"),
    ];
    for (error, message) in refused {
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
    }
}
