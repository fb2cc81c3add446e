//! What every initialiser must do. Each stands in `members`, and is named nowhere else in this file.

use crate::distributions;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use distributions::{BELL, CUT, FLAT};
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use nn_core::Streams;
use nn_init::{
    Constant, Dirac, EchoState, Eye, FanInUniform, FanMode, Gain, He, Initializer, InitializerExt, LeCun,
    Normal, Ones, Orthogonal, Sparse, TruncatedNormal, Uniform, VarianceScaling, Xavier, Zeros,
};

/// The distribution that an initialiser must draw from.
#[derive(Clone, Copy, Debug)]
enum Law {
    Value(f64),
    /// Of a given mean and standard deviation.
    Bell(f64, f64),
    /// Between two bounds.
    Flat(f64, f64),
    /// A bell of a given mean and standard deviation, cut off that many of them to the left and to the right.
    CutBell(f64, f64, f64, f64),
    /// A bell of any width.
    SomeBell,
    /// Ones and zeros in fixed places.
    Pattern,
}

/// φ and Φ of the standard normal distribution; the latter by the series of Marsaglia 2004, "Evaluating the normal
/// distribution".
fn bell(x: f64) -> (f64, f64) {
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let (mut sum, mut term, mut k) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    (density, 0.5 + sum * density)
}

impl Law {
    /// The probability of at most x.
    fn cdf(self, x: f64) -> f64 {
        match self {
            Law::Value(value) => f64::from(x >= value),
            Law::Bell(mean, std) => bell((x - mean) / std).1,
            Law::Flat(low, high) => (x - low) / (high - low),
            Law::CutBell(mean, std, left, right) => {
                let (low, high) = (bell(-left).1, bell(right).1);
                (bell((x - mean) / std).1 - low) / (high - low)
            }
            Law::SomeBell | Law::Pattern => f64::NAN,
        }
    }

    fn mean(self) -> f64 {
        match self {
            Law::Value(value) => value,
            Law::Bell(mean, _) => mean,
            Law::Flat(low, high) => (low + high) / 2.0,
            Law::CutBell(mean, std, left, right) => {
                let ((from, low), (to, high)) = (bell(-left), bell(right));
                mean + std * (from - to) / (high - low)
            }
            Law::SomeBell | Law::Pattern => 0.0,
        }
    }

    fn std(self) -> f64 {
        match self {
            Law::Value(_) => 0.0,
            Law::Bell(_, std) => std,
            Law::Flat(low, high) => (high - low) / 12f64.sqrt(),
            Law::CutBell(_, std, left, right) => {
                let ((from, low), (to, high)) = (bell(-left), bell(right));
                let (slope, shift) = (-left * from - right * to, (from - to) / (high - low));
                std * (1.0 + slope / (high - low) - shift * shift).sqrt()
            }
            Law::SomeBell | Law::Pattern => f64::NAN,
        }
    }

    /// The least and the largest value that are allowed.
    fn range(self) -> [f64; 2] {
        match self {
            Law::Value(value) => [value, value],
            Law::Flat(low, high) => [low, high],
            Law::CutBell(mean, std, left, right) => [mean - left * std, mean + right * std],
            Law::Bell(..) | Law::SomeBell => [f64::NEG_INFINITY, f64::INFINITY],
            Law::Pattern => [0.0, 1.0],
        }
    }
}

struct Member {
    name: &'static str,
    init: Box<dyn Initializer>,
    /// The distribution of the elements that are not left out.
    law: Law,
    /// The part of the elements that is not left out, that is, not 0.
    share: f64,
    shape: Vec<usize>,
}

impl Member {
    /// The same initialiser on fewer elements.
    fn small(&self) -> Vec<usize> {
        self.shape.iter().map(|n| n.div_ceil(8)).collect()
    }

    fn is_random(&self) -> bool {
        !matches!(self.law, Law::Value(_) | Law::Pattern)
    }

    /// All values, and of them those that are not left out.
    fn drawn(&self, seed: u64, name: &str) -> (Vec<f64>, Vec<f64>) {
        let array: ArrayD<f64> = self.init.array(IxDyn(&self.shape), &Streams::new(seed), name);
        let all: Vec<f64> = array.into_iter().collect();
        let kept = all.iter().copied().filter(|&x| self.share == 1.0 || x != 0.0).collect();
        (all, kept)
    }

    /// The law with the width of the values where it may have any.
    fn law_of(&self, values: &[f64]) -> Law {
        let square: f64 = values.iter().map(|x| x * x).sum();
        match self.law {
            Law::SomeBell => Law::Bell(0.0, (square / values.len() as f64).sqrt()),
            law => law,
        }
    }
}

const FAN_IN: f64 = 1050.0;
const FAN_OUT: f64 = 1400.0;

fn around_zero(bound: f64) -> Law {
    Law::Flat(-bound, bound)
}

/// What Keras draws for a standard deviation.
fn cut_at_two(std: f64) -> Law {
    Law::CutBell(0.0, std / 0.879_625_661_034_239_8, 2.0, 2.0)
}

/// On weights with the fans above, all elements of which are drawn.
fn full(name: &'static str, init: impl Initializer + 'static, law: Law) -> Member {
    Member { name, init: Box::new(init), law, share: 1.0, shape: vec![40, 30, 5, 7] }
}

fn of(share: f64, shape: &[usize], member: Member) -> Member {
    Member { share, shape: shape.to_vec(), ..member }
}

/// Every initialiser of the crate.
fn members() -> Vec<Member> {
    [plain(), scaled(), structured()].into_iter().flatten().collect()
}

fn plain() -> Vec<Member> {
    vec![
        full("Zeros", Zeros, Law::Value(0.0)),
        full("Ones", Ones, Law::Value(1.0)),
        full("Constant", Constant::new(-2.5).unwrap(), Law::Value(-2.5)),
        full("Normal", Normal::new(0.5, 0.02).unwrap(), Law::Bell(0.5, 0.02)),
        full("Normal, standard", Normal::default(), Law::Bell(0.0, 1.0)),
        full("Uniform", Uniform::new(-0.1, 0.3).unwrap(), Law::Flat(-0.1, 0.3)),
        full("Uniform, unit", Uniform::default(), Law::Flat(0.0, 1.0)),
        full("TruncatedNormal", TruncatedNormal::default(), Law::CutBell(0.0, 1.0, 2.0, 2.0)),
        full(
            "TruncatedNormal, skew",
            TruncatedNormal::new(1.0, 0.5, 0.5, 3.0).unwrap(),
            Law::CutBell(1.0, 0.5, 1.0, 4.0),
        ),
        full(
            "TruncatedNormal, two sigma",
            TruncatedNormal::two_sigma(0.1, 0.02).unwrap(),
            Law::CutBell(0.1, 0.02, 2.0, 2.0),
        ),
        full(
            "TruncatedNormal, corrected",
            TruncatedNormal::two_sigma_corrected(0.0, 0.02).unwrap(),
            cut_at_two(0.02),
        ),
    ]
}

fn scaled() -> Vec<Member> {
    let leaky = Gain::LeakyRelu { slope: 0.5 };
    let leaky_gain = 1.6f64.sqrt();
    let scaling = |mode, distribution| VarianceScaling::new(0.7, mode, distribution).unwrap();
    let average = (FAN_IN + FAN_OUT) / 2.0;
    vec![
        full(
            "VarianceScaling, fan_in, uniform",
            scaling(FanMode::FanIn, FLAT),
            around_zero((3.0 * 0.7 / FAN_IN).sqrt()),
        ),
        full(
            "VarianceScaling, fan_out, normal",
            scaling(FanMode::FanOut, BELL),
            Law::Bell(0.0, (0.7 / FAN_OUT).sqrt()),
        ),
        full(
            "VarianceScaling, fan_avg, truncated",
            scaling(FanMode::FanAvg, CUT),
            cut_at_two((0.7 / average).sqrt()),
        ),
        full(
            "VarianceScaling, fan_geo_avg, normal",
            scaling(FanMode::FanGeoAvg, BELL),
            Law::Bell(0.0, (0.7 / (FAN_IN * FAN_OUT).sqrt()).sqrt()),
        ),
        full("VarianceScaling, default", VarianceScaling::default(), cut_at_two((1.0 / FAN_IN).sqrt())),
        full("Xavier uniform", Xavier::uniform(), around_zero((3.0 / average).sqrt())),
        full(
            "Xavier normal, tanh",
            Xavier::normal().gain(Gain::Tanh).unwrap(),
            Law::Bell(0.0, 5.0 / 3.0 / average.sqrt()),
        ),
        full("Xavier truncated", Xavier::truncated_normal(), cut_at_two((1.0 / average).sqrt())),
        full("He uniform", He::uniform(), around_zero((6.0 / FAN_IN).sqrt())),
        full("He normal", He::normal(), Law::Bell(0.0, (2.0 / FAN_IN).sqrt())),
        full("He normal, fan_out", He::normal().fan_out(), Law::Bell(0.0, (2.0 / FAN_OUT).sqrt())),
        full(
            "He uniform, leaky",
            He::uniform().gain(leaky).unwrap(),
            around_zero(leaky_gain * (3.0 / FAN_IN).sqrt()),
        ),
        full("He truncated", He::truncated_normal(), cut_at_two((2.0 / FAN_IN).sqrt())),
        full("LeCun uniform", LeCun::uniform(), around_zero((3.0 / FAN_IN).sqrt())),
        full("LeCun normal", LeCun::normal(), Law::Bell(0.0, (1.0 / FAN_IN).sqrt())),
        full("LeCun truncated", LeCun::truncated_normal(), cut_at_two((1.0 / FAN_IN).sqrt())),
        full("FanInUniform", FanInUniform::new(), around_zero(1.0 / FAN_IN.sqrt())),
        full("FanInUniform of 9", FanInUniform::of(9).unwrap(), around_zero(1.0 / 3.0)),
    ]
}

fn structured() -> Vec<Member> {
    // An element of a random orthogonal matrix is nearly normal when the matrix is large.
    let orthogonal = |gain: f64| Law::Bell(0.0, gain / FAN_IN.sqrt());
    let tall = Orthogonal::default();
    let nine = Sparse::tanh().incoming(9).unwrap();
    let torch = Sparse::torch(0.3).unwrap();
    vec![
        of(1.0 / 30.0, &[20, 30], full("Eye", Eye::new(), Law::Pattern)),
        of(1.0 / 630.0, &[40, 30, 3, 7], full("Dirac", Dirac::new().groups(5).unwrap(), Law::Pattern)),
        full("Orthogonal", Orthogonal::new().gain(Gain::Relu).unwrap(), orthogonal(2f64.sqrt())),
        of(1.0, &[1050, 40], full("Orthogonal, tall", tall, orthogonal(1.0))),
        of(15.0 / 1050.0, &[1000, 30, 5, 7], full("Sparse", Sparse::new(), Law::Bell(0.0, 1.0))),
        of(9.0 / 200.0, &[500, 200], full("Sparse, 9", nine, Law::Bell(0.0, 0.25))),
        of(21.0 / 30.0, &[30, 900], full("Sparse, torch", torch, Law::Bell(0.0, 0.01))),
        of(15.0 / 200.0, &[200, 200], full("EchoState", EchoState::new(), Law::SomeBell)),
        of(1.0, &[120, 120], full("EchoState, dense", EchoState::new().dense(), Law::SomeBell)),
    ]
}

#[test]
fn the_part_that_is_not_zero() {
    for member in members() {
        let (all, kept) = member.drawn(5, "w");
        let expected = (member.share * all.len() as f64).round();
        assert_eq!(kept.len() as f64, expected, "{} of {}", member.name, all.len());
    }
}

#[test]
fn moments_and_ranges() {
    for member in members() {
        let name = member.name;
        let (_, values) = member.drawn(7, "w");
        let law = member.law_of(&values);
        let [low, high] = law.range();
        assert!(values.iter().all(|x| (low..=high).contains(x)), "{name}");
        if matches!(law, Law::Pattern) {
            continue;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let std = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
        let wanted = law.std();
        // Four standard errors of the mean; of the standard deviation, at most 1/√(2n) of it each.
        assert!((mean - law.mean()).abs() <= 4.0 * wanted / n.sqrt(), "{name}: mean {mean}");
        assert!((std - wanted).abs() <= 4.0 * wanted / (2.0 * n).sqrt(), "{name}: std {std}");
    }
}

#[test]
fn kolmogorov_smirnov() {
    for member in members().into_iter().filter(Member::is_random) {
        let (_, mut values) = member.drawn(11, "w");
        let law = member.law_of(&values);
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let gap = |(i, &x): (usize, &f64)| {
            let p = law.cdf(x);
            (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
        };
        let distance = values.iter().enumerate().map(gap).fold(0.0, f64::max);
        // 1.95/√n is exceeded by chance once in a thousand times.
        assert!(distance * n.sqrt() < 1.95, "{}: {}", member.name, distance * n.sqrt());
    }
}

#[test]
fn neighbours_do_not_correlate() {
    for member in members().into_iter().filter(Member::is_random) {
        let (_, values) = member.drawn(3, "w");
        let law = member.law_of(&values);
        let (mean, variance) = (law.mean(), law.std().powi(2));
        let product: f64 = values.windows(2).map(|x| (x[0] - mean) * (x[1] - mean)).sum();
        assert!(product.abs() <= 4.0 * variance * (values.len() as f64).sqrt(), "{}: {product}", member.name);
    }
}

#[test]
fn the_address_decides() {
    for member in members() {
        let (name, first) = (member.name, member.drawn(1, "0.weight").0);
        assert_eq!(first, member.drawn(1, "0.weight").0, "{name}");
        let random = member.is_random();
        assert_eq!(first != member.drawn(2, "0.weight").0, random, "{name}, other seed");
        assert_eq!(first != member.drawn(1, "1.weight").0, random, "{name}, other parameter");
    }
}

#[test]
fn any_number_of_threads_draws_the_same_bits() {
    let draw = |member: &Member| -> Vec<u64> {
        let array: ArrayD<f64> = member.init.array(IxDyn(&member.small()), &Streams::new(9), member.name);
        array.into_iter().map(f64::to_bits).collect()
    };
    let members = members();
    let alone: Vec<Vec<u64>> = members.iter().map(draw).collect();
    for threads in [2, 3, 7] {
        let each = members.len().div_ceil(threads);
        thread::scope(|scope| {
            for (members, alone) in members.chunks(each).zip(alone.chunks(each)) {
                scope.spawn(move || {
                    for (member, alone) in members.iter().zip(alone).rev() {
                        assert_eq!(&draw(member), alone, "{}", member.name);
                    }
                });
            }
        });
    }
}

#[test]
fn both_precisions_get_the_same_numbers_in_any_memory_layout() {
    let streams = Streams::new(5);
    for member in members() {
        let (name, shape) = (member.name, member.small());
        let double: ArrayD<f64> = member.init.array(IxDyn(&shape), &streams, "w");
        let single = double.mapv(|x| x as f32);
        let mut columns = ArrayD::<f32>::from_elem(IxDyn(&shape).f(), 7.0);
        member.init.fill(&mut columns, &streams, "w");
        assert_eq!(columns, single, "{name}, column-major");
        let mut reversed = ArrayD::<f32>::from_elem(IxDyn(&shape), 7.0);
        (0..shape.len()).for_each(|axis| reversed.invert_axis(ndarray::Axis(axis)));
        member.init.fill(&mut reversed, &streams, "w");
        assert_eq!(reversed, single, "{name}, reversed");
        let mut wide = ArrayD::<f32>::from_elem(IxDyn(&shape.iter().map(|n| 2 * n).collect::<Vec<_>>()), 7.0);
        let mut strided = wide.slice_each_axis_mut(|_| ndarray::Slice::new(0, None, 2));
        member.init.fill(&mut strided, &streams, "w");
        assert_eq!(strided, single, "{name}, strided");
        let untouched = wide.iter().filter(|&&x| x == 7.0).count();
        assert!(untouched >= wide.len() - single.len(), "{name} wrote beside the elements");
    }
}

#[test]
fn empty_arrays_are_filled_with_nothing() {
    for member in members() {
        let mut empty = vec![vec![0; member.shape.len()]];
        if member.shape[0] != member.shape[1] {
            for axis in 0..member.shape.len() {
                let mut shape = member.small();
                shape[axis] = 0;
                empty.push(shape);
            }
        }
        for shape in empty {
            let array: ArrayD<f32> = member.init.array(IxDyn(&shape), &Streams::new(1), "w");
            assert_eq!(array.len(), 0, "{}", member.name);
        }
    }
}

#[test]
fn a_slice_must_have_the_size_of_the_shape() {
    for member in members() {
        let call = AssertUnwindSafe(|| {
            let mut slice = vec![0.0; member.small().iter().product::<usize>() + 1];
            member.init.draw(&member.small(), &mut Streams::new(1).rng("w", 0), &mut slice);
        });
        let payload = catch_unwind(call).expect_err(member.name);
        let message = payload.downcast_ref::<String>().expect("a message");
        let expected = format!("an array of shape {:?} has not", member.small());
        assert!(message.contains(&expected), "{}: {message}", member.name);
    }
}
