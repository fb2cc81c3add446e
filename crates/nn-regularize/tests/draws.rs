//! The random operations: moments, frequencies, independence, addresses, the ends of the range of their rates, and
//! what becomes of infinities and NaN. Bounds are five standard deviations unless said otherwise.

use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, IxDyn};
use nn_core::{Mode, Op, Step, Streams, evaluate};
use nn_ops::simd::{Isa, best, force};
use nn_regularize::*;
use rand::Rng;

fn step(index: u64) -> Step {
    Step { streams: Streams::new(42), index, ..Step::default() }
}

fn evaluation() -> Step {
    Step { mode: Mode::Eval, ..step(0) }
}

/// All operations of the dropout family with this rate, and noise.
fn family(rate: f64) -> Vec<Box<dyn Op<f64>>> {
    vec![
        Box::new(Dropout::new(rate).unwrap()),
        Box::new(DropConnect::new(rate).unwrap()),
        Box::new(SpatialDropout::new(rate).unwrap()),
        Box::new(StochasticDepth::new(rate).unwrap()),
        Box::new(AlphaDropout::new(rate).unwrap()),
        Box::new(FeatureAlphaDropout::new(rate).unwrap()),
        Box::new(GaussianDropout::new(rate.min(0.99)).unwrap()),
        Box::new(GaussianNoise::new(rate).unwrap()),
    ]
}

fn run(op: &dyn Op<f64>, step: &Step, x: &ArrayD<f64>) -> ArrayD<f64> {
    evaluate(op, step, &[x.view()]).unwrap().output
}

#[test]
fn evaluation_and_rate_zero_change_nothing() {
    let values = (0..600).map(|i| f64::from(i) - 7.5).chain([f64::INFINITY, f64::NEG_INFINITY]).collect();
    let x = ArrayD::from_shape_vec(IxDyn(&[7, 43, 2]), values).unwrap();
    for (none, some) in family(0.0).into_iter().zip(family(0.7)) {
        assert_eq!(run(&*some, &evaluation(), &x), x, "{} in evaluation", some.name());
        assert_ne!(run(&*some, &step(0), &x), x, "{} in training", some.name());
        assert_eq!(run(&*none, &step(0), &x), x, "{} with rate 0", none.name());
    }
}

#[test]
fn rate_one_gives_zeros() {
    let x = ArrayD::from_elem(IxDyn(&[9, 5, 30]), f64::NAN);
    for op in &family(1.0)[..6] {
        assert!(run(&**op, &step(3), &x).iter().all(|&y| y == 0.0), "{}", op.name());
    }
    let dy = Array1::<f32>::ones(700);
    assert!(Dropout::new(1.0).unwrap().gradient(&step(3), &dy).iter().all(|&d| d == 0.0));
    assert!(AlphaDropout::new(1.0).unwrap().gradient(&step(3), &dy).iter().all(|&d| d == 0.0));
}

/// The mean over 400 steps of 64 elements each lies within five standard errors; the factor is that of the rounded rate.
#[test]
fn dropout_keeps_the_expectation() {
    for rate in [0.1, 0.3, 0.5, 0.9, 1.0 / 3.0] {
        let dropout = Dropout::new(rate).unwrap();
        assert!((dropout.rate() - rate).abs() <= 0.5 / 65536.0);
        let x = Array1::from_elem(64, 1.0f64);
        let mut sums = Array1::<f64>::zeros(64);
        let steps = 400;
        for i in 0..steps {
            sums += &dropout.apply(&step(i), &x);
        }
        // The variance of one factor is r/(1 − r).
        let error = (dropout.rate() / (1.0 - dropout.rate()) / steps as f64).sqrt();
        let means = sums / steps as f64;
        assert!(means.iter().all(|mean| (mean - 1.0).abs() < 5.0 * error), "rate {rate}: {means}");
        assert!((means.mean().unwrap() - 1.0).abs() < 5.0 * error / 8.0, "rate {rate}: {means}");
    }
}

#[test]
fn masks_have_the_frequency_of_the_rate() {
    let count = 1 << 20;
    let x = Array1::<f32>::ones(count);
    for rate in [0.001, 0.1, 0.5, 0.8] {
        let dropped = Dropout::new(rate).unwrap().apply(&step(1), &x).iter().filter(|&&y| y == 0.0).count();
        let (expected, deviation) = (rate * count as f64, (rate * (1.0 - rate) * count as f64).sqrt());
        let slack = 5.0 * deviation + count as f64 / 131_072.0;
        assert!((dropped as f64 - expected).abs() < slack, "rate {rate}: {dropped} of {expected}");
    }
}

/// The kept elements of a mask as ±1, for a rate of one half.
fn signs(step: &Step, count: usize) -> Vec<f64> {
    let y = Dropout::new(0.5).unwrap().apply(step, &Array1::<f64>::ones(count));
    y.iter().map(|&y| y - 1.0).collect()
}

/// The correlation of two series of ±1 has the standard deviation 1/√n.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len().min(b.len()) as f64
}

#[test]
fn elements_steps_nodes_and_streams_are_independent() {
    let count = 1 << 18;
    let limit = 5.0 / (count as f64).sqrt();
    let here = signs(&step(0), count);
    // 256 and 512 are the distances of the halves of a word and of the groups that are drawn together.
    for distance in [1, 2, 15, 16, 17, 32, 240, 255, 256, 257, 511, 512, 513, 1024, 32768] {
        let c = correlation(&here[..count - distance], &here[distance..]);
        assert!(c.abs() < 1.1 * limit, "elements {distance} apart: {c}");
    }
    let others = [
        step(1),
        step(2),
        Step { node: 1, ..step(0) },
        Step { streams: Streams::new(43), ..step(0) },
        Step { index: 1 << 40, ..step(0) },
    ];
    for other in others {
        let c = correlation(&here, &signs(&other, count));
        assert!(c.abs() < limit, "{other:?}: {c}");
    }
    let connect = DropConnect::new(0.5).unwrap().apply(&step(0), &Array1::<f64>::ones(count));
    let connect: Vec<f64> = connect.iter().map(|&y| y - 1.0).collect();
    assert!(correlation(&here, &connect).abs() < limit, "two operations of one step");
}

#[test]
fn a_mask_is_a_function_of_its_address() {
    let (dropout, x) = (Dropout::new(0.3).unwrap(), Array1::<f32>::ones(5000));
    let whole = dropout.apply(&step(5), &x);
    assert_eq!(dropout.apply(&step(5), &x), whole);
    assert_eq!(dropout.gradient(&step(5), &x), whole);
    // Fewer elements get the same draws, and so do other shapes and precisions.
    for count in [1, 255, 256, 257, 511, 512, 513, 4999] {
        let part = dropout.apply(&step(5), &Array1::<f32>::ones(count));
        assert_eq!(part.as_slice().unwrap(), &whole.as_slice().unwrap()[..count]);
    }
    let wide = dropout.apply(&step(5), &Array2::<f64>::ones((50, 100)));
    assert!(wide.iter().zip(&whole).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
    let transposed = Array2::<f32>::ones((100, 50));
    let transposed = dropout.apply(&step(5), &transposed.t());
    assert!(transposed.iter().eq(whole.iter()));
}

/// Element i of stretch s takes 16 bits of word (i mod 256) of the 256 words from 256·s on, as a generator that is moved
/// there draws them: word w of block b stands at 16w + b.
#[test]
fn draws_are_those_of_the_stream_split_anywhere() {
    let x = Array1::<f64>::ones(3 * 512);
    let y = Dropout::new(0.25).unwrap().apply(&step(9), &x);
    for i in 0..x.len() {
        let (stretch, within) = (i / 512, i % 512);
        let (word, block) = (within % 256 / 16, within % 16);
        let mut rng = step(9).rng("dropout");
        rng.set_word_pos((stretch * 256 + block * 16 + word) as u128);
        let drawn = rng.next_u32() >> if within < 256 { 0 } else { 16 };
        assert_eq!(y[i] == 0.0, drawn & 0xffff < 16384, "element {i}");
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let x = ArrayD::from_shape_fn(IxDyn(&[5, 11, 50]), |i| (i[0] * 550 + i[1] * 50 + i[2]) as f64 - 1000.0);
    let all = |isa| {
        force(isa);
        family(0.4).iter().map(|op| run(&**op, &step(2), &x).mapv(f64::to_bits)).collect::<Vec<_>>()
    };
    let baseline = all(Isa::Baseline);
    assert!(all(Isa::Avx2) == baseline && all(Isa::Avx512) == baseline);
    force(best());
}

#[test]
fn alpha_dropout_keeps_mean_and_variance() {
    let mut x = Array2::<f64>::zeros((1000, 1000));
    GaussianNoise::new(1.0).unwrap().add(&Streams::new(1).rng("x", 0), &mut x);
    for rate in [0.05, 0.2, 0.5] {
        let y = AlphaDropout::new(rate).unwrap().apply(&step(0), &x);
        let mean = y.mean().unwrap();
        assert!(mean.abs() < 5e-3, "rate {rate}: mean {mean}");
        // Five standard errors: the fourth moment of y is below 10.
        assert!((y.var(0.0) - 1.0).abs() < 1.5e-2, "rate {rate}: variance {}", y.var(0.0));
    }
    let x = x.into_shape_with_order((500, 500, 4)).unwrap();
    let y = FeatureAlphaDropout::new(0.3).unwrap().apply(&step(0), &x);
    // 250,000 draws of the mask.
    assert!(y.mean().unwrap().abs() < 1e-2 && (y.var(0.0) - 1.0).abs() < 3e-2);
}

#[test]
fn gaussian_dropout_and_noise_have_their_moments() {
    let x = Array1::from_elem(1 << 20, 2.0f64);
    for (y, deviation) in [
        (GaussianDropout::new(0.2).unwrap().apply(&step(0), &x), 1.0),
        (GaussianNoise::new(0.25).unwrap().apply(&step(0), &x), 0.25),
    ] {
        // Relative standard errors: of the mean 2⁻¹⁰·σ, of the variance √2·2⁻¹⁰, of the fourth moment √96/3·2⁻¹⁰.
        let z = (y - 2.0) / deviation;
        let moment = |n: i32| z.iter().map(|z| z.powi(n)).sum::<f64>() / z.len() as f64;
        assert!(moment(1).abs() < 5e-3, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 7e-3, "{}", moment(2));
        assert!(moment(3).abs() < 2e-2, "{}", moment(3));
        assert!((moment(4) - 3.0).abs() < 5e-2, "{}", moment(4));
        let next: f64 = z.windows(2).into_iter().map(|w| w[0] * w[1]).sum::<f64>() / z.len() as f64;
        assert!(next.abs() < 5e-3, "neighbours: {next}");
    }
}

/// The largest distance of the distribution functions; times √n, 1.95 is exceeded by chance once in a thousand times.
#[test]
fn noise_is_normally_distributed() {
    let (mut single, mut double) = (Array1::<f32>::zeros(1 << 17), Array1::<f64>::zeros(1 << 17));
    let noise = GaussianNoise::new(1.0).unwrap();
    noise.add(&Streams::new(5).rng("z", 0), &mut single);
    noise.add(&Streams::new(6).rng("z", 0), &mut double);
    for mut z in [single.mapv(f64::from).to_vec(), double.to_vec()] {
        z.sort_by(f64::total_cmp);
        let n = z.len() as f64;
        let distance = z.iter().enumerate().fold(0.0, |far: f64, (i, &z)| {
            let below = 0.5 + 0.5 * nn_core::Real::erf(z / std::f64::consts::SQRT_2);
            far.max((below - i as f64 / n).abs()).max((below - (i + 1) as f64 / n).abs())
        });
        assert!(distance * n.sqrt() < 1.95, "{}", distance * n.sqrt());
    }
}

#[test]
fn spatial_dropout_drops_channels_and_stochastic_depth_samples() {
    let x = Array4::<f64>::ones((40, 30, 3, 5));
    let y = SpatialDropout::new(0.25).unwrap().apply(&step(0), &x);
    let channels: Vec<f64> = y.lanes(Axis(3)).into_iter().map(|l| l[0]).step_by(3).collect();
    for (channel, &first) in y.exact_chunks((1, 1, 3, 5)).into_iter().zip(&channels) {
        assert!(channel.iter().all(|&y| y == first) && (first == 0.0 || first == 4.0 / 3.0));
    }
    let dropped = channels.iter().filter(|&&y| y == 0.0).count() as f64;
    assert!((dropped - 300.0).abs() < 5.0 * (1200.0f64 * 0.25 * 0.75).sqrt(), "{dropped} of 1200");

    let y = StochasticDepth::new(0.25).unwrap().apply(&step(0), &Array3::<f64>::ones((1200, 3, 2)));
    assert!(y.outer_iter().all(|sample| sample.iter().all(|&y| y == sample[[0, 0]])));
    let dropped = y.outer_iter().filter(|sample| sample[[0, 0]] == 0.0).count() as f64;
    assert!((dropped - 300.0).abs() < 75.0, "{dropped} of 1200");
    let rates: Vec<f64> = (1..=4).map(|l| StochasticDepth::linear(0.5, l, 4).unwrap().rate()).collect();
    assert_eq!(rates, [0.125, 0.25, 0.375, 0.5]);
}

#[test]
fn what_is_kept_stays_infinite_or_nan_and_what_is_dropped_is_zero() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let x = ArrayD::from_elem(IxDyn(&[10, 20, 3]), value);
        let same = |y: f64| y == value || (y.is_nan() && value.is_nan());
        for op in &family(0.5)[..4] {
            let y = run(&**op, &step(1), &x);
            assert!(y.iter().all(|&y| y == 0.0 || same(y)), "{}", op.name());
            assert!(y.iter().any(|&y| y == 0.0) && y.iter().any(|&y| same(y)), "{}", op.name());
        }
        let y = AlphaDropout::new(0.5).unwrap().apply(&step(1), &x);
        assert!(y.iter().all(|&y| same(y) || y.is_finite()) && y.iter().any(|&y| y.is_finite()));
        let y = FeatureAlphaDropout::new(0.5).unwrap().apply(&step(1), &x);
        assert!(y.iter().all(|&y| same(y) || y.is_finite()) && y.iter().any(|&y| y.is_finite()));
        assert!(GaussianNoise::new(0.5).unwrap().apply(&step(1), &x).iter().all(|&y| same(y)));
        let y = GaussianDropout::new(0.5).unwrap().apply(&step(1), &x);
        assert!(y.iter().all(|&y| y.is_nan() == value.is_nan() && !y.is_finite()));
    }
}

#[test]
fn empty_arrays_stay_empty() {
    for shape in [[0, 3, 2], [4, 0, 2], [4, 3, 0]] {
        let x = ArrayD::zeros(IxDyn(&shape));
        for op in family(0.5) {
            assert_eq!(run(&*op, &step(0), &x), x, "{}", op.name());
        }
    }
}

#[test]
fn a_scheduled_operation_is_that_of_its_step() {
    let rate = |t: u64| (t as f64 / 10.0).min(0.8);
    let scheduled = Scheduled::new(move |t| Dropout::new(rate(t))).unwrap().valid_until(100).unwrap();
    let x = ArrayD::from_shape_fn(IxDyn(&[40, 50]), |i| 1.0 + (i[0] * 50 + i[1]) as f64);
    let dropped = |y: &ArrayD<f64>| y.iter().filter(|&&y| y == 0.0).count() as f64;
    for t in [0, 1, 3, 8, 99] {
        let expected = Dropout::new(rate(t)).unwrap();
        assert_eq!(scheduled.at(t), expected);
        let inputs = [x.view()];
        let mut found = evaluate(&scheduled, &step(t), &inputs).unwrap();
        assert_eq!(found.output, expected.apply(&step(t), &x), "step {t}");
        let deviation = (rate(t) * (1.0 - rate(t)) * 2000.0).sqrt();
        assert!((dropped(&found.output) - rate(t) * 2000.0).abs() <= 5.0 * deviation + 0.1, "step {t}");
        let gradient = found.backward(&scheduled, &step(t), &inputs, x.view()).remove(0);
        assert_eq!(gradient, expected.gradient(&step(t), &x), "step {t}");
        assert_eq!(run(&scheduled, &Step { mode: Mode::Eval, ..step(t) }, &x), x);
    }
    // What a smaller rate drops, a greater one drops at the same step too.
    let [few, many] = [0.2, 0.6].map(|rate| Dropout::new(rate).unwrap().apply(&step(7), &x));
    assert!(few.iter().zip(&many).all(|(few, many)| *few != 0.0 || *many == 0.0));
    let l2 = Scheduled::new(|t| L2::new(0.1 * t as f64)).unwrap();
    let penalties = [0, 1, 20].map(|t| run(&l2, &step(t), &ArrayD::from_elem(IxDyn(&[4]), 1.0))[[]]);
    assert_eq!(penalties, [0.0, 0.2, 4.0]);
}

#[test]
fn a_schedule_out_of_range_is_refused() {
    let falling = |from: f64| move |t: u64| GaussianDropout::new(from - 0.25 * t as f64);
    let message = |result: Result<Scheduled<GaussianDropout>, nn_core::RangeError>| {
        result.map(drop).unwrap_err().to_string()
    };
    assert_eq!(message(Scheduled::new(falling(1.0))), "GaussianDropout: rate must lie in [0, 1), got 1");
    let three = Scheduled::new(falling(0.5)).unwrap().valid_until(3).unwrap();
    assert_eq!(three.at(2).rate(), 0.0);
    assert_eq!(message(three.valid_until(4)), "GaussianDropout: rate must lie in [0, 1), got -0.25");
}

#[test]
#[should_panic(expected = "step 3: Dropout: rate must lie in [0, 1], got NaN")]
fn a_step_whose_rate_is_out_of_range_panics() {
    let dropout = Scheduled::new(|t| Dropout::new(if t < 3 { 0.5 } else { f64::NAN })).unwrap();
    let x = ArrayD::ones(IxDyn(&[4]));
    for t in 0..5 {
        assert!(t < 3 || run(&dropout, &step(t), &x).is_empty(), "step {t} should have panicked");
        run(&dropout, &step(t), &x);
    }
}

#[test]
fn rates_and_shapes_are_checked() {
    let message = |result: Result<Dropout, nn_core::RangeError>| result.unwrap_err().to_string();
    assert_eq!(message(Dropout::new(1.5)), "Dropout: rate must lie in [0, 1], got 1.5");
    assert_eq!(message(Dropout::new(f64::NAN)), "Dropout: rate must lie in [0, 1], got NaN");
    assert_eq!(message(Dropout::keep_prob(-0.5)), "Dropout: keep_prob must lie in [0, 1], got -0.5");
    assert!((Dropout::keep_prob(0.75).unwrap().rate() - 0.25).abs() < 1e-5);
    let wrong = [
        DropConnect::new(-0.1).unwrap_err(),
        SpatialDropout::new(1.1).unwrap_err(),
        StochasticDepth::new(f64::NAN).unwrap_err(),
        StochasticDepth::linear(2.0, 1, 2).unwrap_err(),
        StochasticDepth::linear(0.5, 3, 2).unwrap_err(),
        AlphaDropout::new(-1.0).unwrap_err(),
        FeatureAlphaDropout::new(2.0).unwrap_err(),
        GaussianDropout::new(1.0).unwrap_err(),
        GaussianNoise::new(f64::INFINITY).unwrap_err(),
    ];
    let fields: Vec<String> = wrong.iter().map(|e| format!("{}.{}", e.owner, e.field)).collect();
    let expected = "DropConnect.rate SpatialDropout.rate StochasticDepth.rate StochasticDepth.last_rate \
        StochasticDepth.block AlphaDropout.rate FeatureAlphaDropout.rate GaussianDropout.rate \
        GaussianNoise.deviation";
    assert_eq!(fields.join(" "), expected);
    let infer = |shape: &[usize]| Op::<f32>::infer(&SpatialDropout::new(0.5).unwrap(), &[shape]);
    assert_eq!(
        infer(&[3]).unwrap_err().to_string(),
        "spatial_dropout: input 0 must be [samples, channels, …], got shape [3]"
    );
    let two: Result<_, _> = Op::<f32>::infer(&Dropout::new(0.5).unwrap(), &[&[3], &[3]]);
    assert_eq!(two.unwrap_err().to_string(), "dropout: expected 1 inputs, got 2");
}
