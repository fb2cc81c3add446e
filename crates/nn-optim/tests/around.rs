//! What stands around the rules: clipping, accumulation, centralisation, noise, averages, Lookahead, SAM, the guard.

use std::sync::Arc;

use ndarray::{Array2, Array4, Axis, array};
use nn_core::{Arena, ParamLayout, RangeError, Real, Role, Streams};
use nn_optim::{
    Accumulate, Adam, BufferState, ClipGlobalNorm, ClipNorm, ClipValue, Ema, GradientNoise, Guard, Lookahead,
    Momentum, Optimizer, Sam, Sgd, Swa, centralize, global_norm,
};
use proptest::prelude::*;

const PARAMS: [(&str, &[usize], Role); 5] = [
    ("0.weight", &[2, 3], Role::Weight),
    ("0.bias", &[2], Role::Bias),
    ("1.running_mean", &[3], Role::RunningStatistic),
    ("empty", &[0, 4], Role::Weight),
    ("2.weight", &[4, 2], Role::Weight),
];

fn layout(params: &[(&str, &[usize], Role)]) -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    for (name, shape, role) in params {
        layout.add(name, shape, *role).unwrap();
    }
    Arc::new(layout)
}

/// Values that depend on the parameter's name, not on its place.
fn filled<F: Real>(layout: &Arc<ParamLayout>, seed: usize) -> Arena<F> {
    let mut arena = Arena::zeros(Arc::clone(layout));
    for (position, spec) in layout.params().iter().enumerate() {
        let phase = spec.name.bytes().map(usize::from).sum::<usize>() + 31 * seed;
        for (i, x) in arena.view_mut(position).iter_mut().enumerate() {
            *x = F::from_f64(((phase + 7 * i) as f64).sin());
        }
    }
    arena
}

fn fill<F: Real>(arena: &mut Arena<F>, name: &str, value: f64) {
    arena.get_mut(name).unwrap().fill(F::from_f64(value));
}

fn reversed() -> Arc<ParamLayout> {
    let mut params = PARAMS;
    params.reverse();
    layout(&params)
}

fn assert_same_by_name<F: Real>(a: &Arena<F>, b: &Arena<F>) {
    for (name, view) in a.iter() {
        assert!(view.iter().zip(b.get(name).unwrap()).all(|(a, b)| a.bits() == b.bits()), "{name}");
    }
}

fn assert_padding_is_zero<F: Real>(arena: &Arena<F>) {
    let mut padding = arena.clone();
    (0..PARAMS.len()).for_each(|position| padding.view_mut(position).fill(F::zero()));
    assert!(padding.as_slice().iter().all(|x| *x == F::zero()), "the padding must stay zero");
}

#[test]
fn settings_are_checked() {
    let range = |result: Result<(), RangeError>| result.unwrap_err().to_string();
    let optimizer = || Optimizer::<f32>::new(Sgd::default());
    let cases = [
        (range(ClipValue::new(0.0).map(drop)), "ClipValue: limit must lie in (0, ∞), got 0"),
        (range(ClipNorm::new(-1.0).map(drop)), "ClipNorm: limit must lie in (0, ∞), got -1"),
        (range(ClipGlobalNorm::new(f64::NAN).map(drop)), "ClipGlobalNorm: limit must lie in (0, ∞), got NaN"),
        (range(Accumulate::<f32>::new(0).map(drop)), "Accumulate: batches must lie in [1, ∞), got 0"),
        (
            range(GradientNoise::new(f64::INFINITY, Streams::new(0)).map(drop)),
            "GradientNoise: eta must lie in [0, ∞), got inf",
        ),
        (
            range(GradientNoise::new(1.0, Streams::new(0)).unwrap().gamma(-0.5).map(drop)),
            "GradientNoise: gamma must lie in [0, ∞), got -0.5",
        ),
        (range(Ema::<f32>::new(1.0).map(drop)), "Ema: beta must lie in [0, 1), got 1"),
        (range(Swa::<f32>::new(0, 1).map(drop)), "Swa: start must lie in [1, ∞), got 0"),
        (range(Swa::<f32>::new(1, 0).map(drop)), "Swa: every must lie in [1, ∞), got 0"),
        (range(Lookahead::new(optimizer()).every(0).map(drop)), "Lookahead: every must lie in [1, ∞), got 0"),
        (
            range(Lookahead::new(optimizer()).share(1.5).map(drop)),
            "Lookahead: share must lie in (0, 1], got 1.5",
        ),
        (range(Sam::new(optimizer()).rho(-0.1).map(drop)), "Sam: rho must lie in [0, ∞), got -0.1"),
        (range(Guard::skip_at_most(0).map(drop)), "Guard: steps must lie in [1, ∞), got 0"),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_clipped_gradient_is_within_the_limit_and_points_the_same_way(
        g in prop::collection::vec(-1e3f64..1e3, 0..80), limit in 1e-2..1e4
    ) {
        let norm = g.iter().map(|x| x * x).sum::<f64>().sqrt();
        for by_parameter in [false, true] {
            let mut clipped = g.clone();
            let before = if by_parameter {
                ClipNorm::new(limit).unwrap().apply(&mut clipped)
            } else {
                ClipGlobalNorm::new(limit).unwrap().apply(&mut clipped)
            };
            prop_assert!((before - norm).abs() <= 1e-12 * norm);
            let factor = (limit / (norm + 1e-6)).min(1.0);
            for (x, y) in g.iter().zip(&clipped) {
                prop_assert!((x * factor - y).abs() <= 1e-12 * x.abs());
            }
        }
        let mut clipped = g.clone();
        let before = ClipValue::new(limit).unwrap().apply(&mut clipped);
        prop_assert_eq!(before, g.iter().fold(0.0, |m: f64, x| m.max(x.abs())));
        prop_assert!(g.iter().zip(&clipped).all(|(x, y)| x.clamp(-limit, limit) == *y));
    }
}

/// torch.nn.utils.clip_grad_norm_(…, max_norm) on the gradients [3, 4] and [12], in f64: the norm is 13.
#[test]
fn the_global_norm_spans_trained_parameters_only() {
    let layout =
        layout(&[("a", &[2], Role::Weight), ("mean", &[1], Role::RunningStatistic), ("b", &[1], Role::Bias)]);
    let mut g = Arena::<f64>::zeros(layout);
    g.get_mut("a").unwrap().assign(&array![3.0, 4.0].into_dyn());
    fill(&mut g, "mean", 1e9);
    fill(&mut g, "b", 12.0);
    let start = g.clone();
    assert_eq!(global_norm(&g), 13.0);
    assert_eq!(ClipGlobalNorm::new(6.5).unwrap().apply(&mut g), 13.0);
    let factor = 6.5 / (13.0 + 1e-6);
    assert_eq!(g.get("a").unwrap(), array![3.0 * factor, 4.0 * factor].into_dyn());
    assert_eq!(g.get("b").unwrap(), array![12.0 * factor].into_dyn());
    assert_eq!(g.get("mean").unwrap(), array![1e9].into_dyn());

    let mut g = start.clone();
    assert_eq!(ClipNorm::new(6.0).unwrap().apply(&mut g), 12.0);
    assert_eq!(g.get("a").unwrap(), start.get("a").unwrap());
    assert_eq!(g.get("b").unwrap(), array![12.0 * (6.0 / (12.0 + 1e-6))].into_dyn());

    let mut g = start.clone();
    assert_eq!(ClipValue::new(3.5).unwrap().apply(&mut g), 12.0);
    assert_eq!(g.get("a").unwrap(), array![3.0, 3.5].into_dyn());
    assert_eq!(g.get("mean").unwrap(), array![1e9].into_dyn());
}

#[test]
fn a_norm_that_is_not_finite_leaves_the_gradient() {
    let all: [fn(&mut [f32]) -> f64; 3] = [
        |g| ClipValue::new(1.0).unwrap().apply(g),
        |g| ClipNorm::new(1.0).unwrap().apply(g),
        |g| ClipGlobalNorm::new(1.0).unwrap().apply(g),
    ];
    for clip in all {
        for (bad, expected) in [(f32::INFINITY, f64::INFINITY), (-f32::INFINITY, f64::INFINITY)] {
            let mut g = [5.0, bad, -7.0];
            assert_eq!(clip(&mut g), expected);
            assert_eq!(g, [5.0, bad, -7.0]);
        }
        let mut g = [5.0, f32::NAN, f32::INFINITY];
        assert!(clip(&mut g).is_nan());
        assert!(g[0] == 5.0 && g[1].is_nan() && g[2] == f32::INFINITY);

        let mut g = [0.0; 3];
        assert_eq!(clip(&mut g), 0.0);
        assert_eq!(g, [0.0; 3]);
        assert_eq!(clip(&mut []), 0.0);

        // Squares that overflow f32 are no reason not to clip.
        let mut g = [3e30, -4e30];
        let before = clip(&mut g);
        assert!((3e30..6e30).contains(&before), "{before}");
        assert!(g.iter().all(|x| (0.5..=1.0).contains(&x.abs())), "{g:?}");
    }
    let clip = ClipGlobalNorm::new(1.0).unwrap();
    assert_eq!([f64::INFINITY, f64::NAN].map(|norm| clip.coefficient(norm)), [1.0, 1.0]);
}

#[test]
fn accumulated_gradients_are_those_of_the_whole_batch() {
    let layout = layout(&PARAMS);
    let gradients: Vec<Arena<f64>> = (0..7).map(|seed| filled(&layout, seed)).collect();
    let mut accumulate = Accumulate::new(3).unwrap();
    let mut means = Vec::new();
    for g in &gradients {
        means.extend(accumulate.add(g).cloned());
    }
    assert_eq!((means.len(), accumulate.count()), (2, 1));
    for (mean, group) in means.iter().zip(gradients.chunks(3)) {
        for (i, x) in mean.as_slice().iter().enumerate() {
            let expected = group.iter().map(|g| g.as_slice()[i]).sum::<f64>() / 3.0;
            assert!((x - expected).abs() < 1e-15, "{x} for {expected}");
        }
    }
    assert_same_by_name(accumulate.finish().unwrap(), &gradients[6]);
    assert!(accumulate.finish().is_none());
}

#[test]
fn accumulation_resumes_within_a_group() {
    let (own, other) = (layout(&PARAMS), reversed());
    let mut accumulate = Accumulate::<f32>::new(3).unwrap();
    accumulate.add(&filled(&own, 1));
    accumulate.add(&filled(&own, 2));
    let saved = accumulate.state();
    let mean = accumulate.add(&filled(&own, 3)).unwrap().clone();

    let mut fresh = Accumulate::new(3).unwrap();
    fresh.load_state(&saved).unwrap();
    assert_eq!(fresh.state(), saved);
    assert_eq!(fresh.add(&filled(&own, 3)), Some(&mean));
    let mut elsewhere = Accumulate::new(3).unwrap();
    elsewhere.add(&filled(&other, 9));
    elsewhere.load_state(&saved).unwrap();
    assert_same_by_name(elsewhere.add(&filled(&other, 3)).unwrap(), &mean);
}

#[test]
fn centralized_rows_have_mean_zero() {
    let mut kernel =
        Array4::from_shape_fn((3, 2, 3, 3), |(o, i, y, x)| ((7 * o + 5 * i + 3 * y + x) as f64).cos());
    let before = kernel.clone();
    centralize(&mut kernel);
    for (row, old) in kernel.axis_iter(Axis(0)).zip(before.axis_iter(Axis(0))) {
        assert!(row.sum().abs() < 1e-13);
        let mean = old.mean().unwrap();
        assert!(row.iter().zip(&old).all(|(new, old)| (new - (old - mean)).abs() < 1e-15));
    }

    let layout = layout(&PARAMS);
    let (mut g, before) = (filled::<f64>(&layout, 1), filled::<f64>(&layout, 1));
    centralize(&mut g);
    for name in ["0.bias", "1.running_mean", "empty"] {
        assert_eq!(g.get(name), before.get(name), "{name}");
    }
    assert!(g.get("2.weight").unwrap().sum_axis(Axis(1)).iter().all(|sum| sum.abs() < 1e-15));
    assert_ne!(g.get("2.weight"), before.get("2.weight"));
    assert_padding_is_zero(&g);
}

#[test]
fn noise_is_normal_with_the_stated_variance() {
    let noise = GradientNoise::new(0.3, Streams::new(7)).unwrap();
    for step in [0, 1, 999] {
        let n = 100_001;
        let mut g = vec![0.0f64; n];
        noise.apply(&mut g, step);
        let deviation = (0.3 / (1.0 + step as f64).powf(0.55)).sqrt();
        assert_eq!(noise.deviation(step), deviation);
        let z: Vec<f64> = g.iter().map(|x| x / deviation).collect();
        let moment = |k: i32| z.iter().map(|z| z.powi(k)).sum::<f64>() / n as f64;
        // Five standard errors of each moment of a standard normal sample.
        for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error: f64 = moment(k) - expected;
            assert!(error.abs() < 5.0 * (variance / n as f64).sqrt(), "moment {k}: {}", moment(k));
        }
        let neighbours = z.windows(2).map(|z| z[0] * z[1]).sum::<f64>() / n as f64;
        assert!(neighbours.abs() < 5.0 / (n as f64).sqrt(), "{neighbours}");
    }
}

#[test]
fn noise_is_addressed() {
    let noise = GradientNoise::new(0.1, Streams::new(3)).unwrap();
    let (mut a, mut b) = (Arena::<f32>::zeros(layout(&PARAMS)), Arena::zeros(reversed()));
    noise.apply(&mut a, 5);
    noise.apply(&mut b, 5);
    assert_same_by_name(&a, &b);
    assert_padding_is_zero(&a);
    assert_eq!(a.get("1.running_mean").unwrap().sum(), 0.0);
    assert_ne!(a.get("0.bias").unwrap()[0], a.get("0.weight").unwrap()[[0, 0]]);
    let mut later = Arena::zeros(layout(&PARAMS));
    noise.apply(&mut later, 6);
    assert_ne!(a, later);
}

#[test]
fn ema_is_the_weighted_sum() {
    let layout = layout(&PARAMS);
    let beta = 0.9;
    let mut ema = Ema::<f64>::new(beta).unwrap();
    let series: Vec<Arena<f64>> = (0..40).map(|seed| filled(&layout, seed)).collect();
    series.iter().for_each(|w| ema.update(w));
    assert_eq!(ema.count(), 40);
    let average = ema.average().unwrap();
    let total = 1.0 - beta.powi(40);
    for i in layout.find("2.weight").unwrap().range() {
        let expected: f64 =
            (0..40).map(|t| (1.0 - beta) * beta.powi(39 - t as i32) * series[t].as_slice()[i] / total).sum();
        assert!((average.as_slice()[i] - expected).abs() < 1e-14);
    }
    assert_eq!(average.get("1.running_mean"), series[39].get("1.running_mean"));
    assert_padding_is_zero(average);
}

#[test]
fn swa_is_the_mean_of_the_weights_that_count() {
    let layout = layout(&PARAMS);
    for (start, every) in [(1, 1), (3, 2), (5, 4), (10, 1), (12, 3)] {
        let mut swa = Swa::<f64>::new(start, every).unwrap();
        let mut chosen = Vec::new();
        for step in 1..=11 {
            let w = filled(&layout, step as usize);
            swa.update(&w);
            if step >= start && (step - start) % every == 0 {
                chosen.push(w);
            }
            assert_eq!(swa.count(), chosen.len() as u64, "{start}, {every}, {step}");
        }
        let Some(average) = swa.average() else {
            assert!(chosen.is_empty());
            continue;
        };
        for i in layout.find("0.weight").unwrap().range() {
            let mean = chosen.iter().map(|w| w.as_slice()[i]).sum::<f64>() / chosen.len() as f64;
            assert!((average.as_slice()[i] - mean).abs() < 1e-14);
        }
        let last = chosen.last().unwrap().get("1.running_mean").unwrap();
        assert_eq!(average.get("1.running_mean").unwrap(), last);
    }
}

#[test]
fn averages_go_in_and_out_of_the_network() {
    let layout = layout(&PARAMS);
    let (mut ema, mut swa) = (Ema::<f32>::new(0.7).unwrap(), Swa::new(1, 2).unwrap());
    let mut w = filled(&layout, 0);
    ema.swap(&mut w);
    swa.apply(&mut w);
    assert_eq!(w, filled(&layout, 0), "nothing was averaged yet");
    for seed in 1..6 {
        w = filled(&layout, seed);
        ema.update(&w);
        swa.update(&w);
    }
    let (mean, averaged) = (swa.average().unwrap().clone(), ema.average().unwrap().clone());
    ema.swap(&mut w);
    assert_eq!((&w, ema.average()), (&averaged, Some(&filled(&layout, 5))));
    ema.swap(&mut w);
    assert_eq!((&w, ema.average()), (&filled(&layout, 5), Some(&averaged)));
    swa.swap(&mut w);
    assert_eq!(w, mean);
    ema.apply(&mut w);
    assert_eq!(w, averaged);

    let (mut table, mut ema) = (Array2::from_elem((2, 2), 1.0f64), Ema::new(0.5).unwrap());
    ema.update(&table);
    table.fill(4.0);
    ema.update(&table.t());
    ema.apply(&mut table);
    assert_eq!(table, Array2::from_elem((2, 2), 3.0));
}

#[test]
fn averages_resume_with_the_same_bits() {
    let (own, other) = (layout(&PARAMS), reversed());
    let (mut ema, mut swa) = (Ema::<f32>::new(0.95).unwrap(), Swa::<f32>::new(2, 2).unwrap());
    for seed in 0..5 {
        ema.update(&filled(&own, seed));
        swa.update(&filled(&own, seed));
    }
    let (mut ema2, mut swa2) = (Ema::new(0.95).unwrap(), Swa::new(2, 2).unwrap());
    ema2.update(&filled(&other, 8));
    (0..3).for_each(|_| swa2.update(&filled(&other, 8)));
    ema2.load_state(&ema.state()).unwrap();
    swa2.load_state(&swa.state()).unwrap();
    for seed in 5..9 {
        ema.update(&filled(&own, seed));
        swa.update(&filled(&own, seed));
        ema2.update(&filled(&other, seed));
        swa2.update(&filled(&other, seed));
    }
    assert_same_by_name(ema.average().unwrap(), ema2.average().unwrap());
    assert_same_by_name(swa.average().unwrap(), swa2.average().unwrap());
    assert_eq!((ema.count(), swa.count()), (ema2.count(), swa2.count()));

    let mut early = Swa::<f32>::new(2, 2).unwrap();
    early.update(&filled(&own, 0));
    swa2.load_state(&early.state()).unwrap();
    assert_eq!((swa2.count(), swa2.average()), (0, None));
    assert_eq!(swa2.state(), early.state());
}

#[test]
fn foreign_state_is_refused_by_name_and_nothing_is_loaded() {
    let mut misshapen = PARAMS;
    misshapen[0].1 = &[3, 2];
    let mut ema = Ema::<f32>::new(0.9).unwrap();
    ema.update(&filled(&layout(&PARAMS), 1));
    let before = ema.state();
    let state = |params: &[(&str, &[usize], Role)]| BufferState {
        owner: "Ema".into(),
        count: 4,
        buffer: Some(filled(&layout(params), 2)),
    };
    let cases = [
        (BufferState { owner: "Swa".into(), ..before.clone() }, "of rule `Swa`, expected `Ema`"),
        (BufferState { buffer: None, ..before.clone() }, "lacks slot `average`"),
        (state(&PARAMS[1..]), "lacks parameter `0.weight`"),
        (state(&misshapen), "has shape [3, 2] for parameter `0.weight`, expected [2, 3]"),
    ];
    for (foreign, message) in cases {
        let got = ema.load_state(&foreign).unwrap_err().to_string();
        assert!(got.contains(message), "{got}");
        assert_eq!(ema.state(), before);
    }
    let mut lookahead = Lookahead::new(Optimizer::<f32>::new(Adam::default()));
    lookahead.step(&mut filled(&layout(&PARAMS), 1), &filled(&layout(&PARAMS), 2));
    let before = lookahead.state();
    let mut foreign = before.clone();
    foreign.optimizer.rule = "Sgd".into();
    foreign.slow.count = 3;
    assert!(lookahead.load_state(&foreign).is_err());
    assert_eq!(lookahead.state(), before);
}

/// Algorithm 1 of the paper, written out with SGD inside.
#[test]
fn lookahead_follows_the_paper() {
    let (rate, alpha, k) = (0.1, 0.3, 4);
    let gradient = |w: [f64; 2]| [w[0], 10.0 * w[1]];
    let mut w = [1.0, -2.0];
    let inner = Optimizer::new(Sgd::new(rate).unwrap());
    let mut lookahead = Lookahead::new(inner).every(k).unwrap().share(alpha).unwrap();
    let mut slow = w;
    for _ in 0..6 {
        let mut fast = slow;
        for i in 1..=k {
            let g = gradient(fast);
            fast = [0, 1].map(|j| fast[j] - rate * g[j]);
            let g = gradient(w);
            lookahead.step(&mut w, &g);
            if i < k {
                assert!((0..2).all(|j| (w[j] - fast[j]).abs() < 1e-14), "{w:?} for {fast:?}");
            }
        }
        slow = [0, 1].map(|j| slow[j] + alpha * (fast[j] - slow[j]));
        assert!((0..2).all(|j| (w[j] - slow[j]).abs() < 1e-14), "{w:?} for {slow:?}");
    }
}

#[test]
fn lookahead_resumes_with_the_same_bits() {
    let layout = layout(&PARAMS);
    let make = || {
        let adam = Adam::new(0.1).unwrap();
        Lookahead::new(Optimizer::for_layout(adam, &layout)).every(3).unwrap()
    };
    let (mut first, mut w) = (make(), filled::<f32>(&layout, 0));
    (1..=4).for_each(|seed| first.step(&mut w, &filled(&layout, seed)));
    let (mut second, mut w2) = (make(), w.clone());
    second.load_state(&first.state()).unwrap();
    for seed in 5..12 {
        first.step(&mut w, &filled(&layout, seed));
        second.step(&mut w2, &filled(&layout, seed));
    }
    assert_eq!(w, w2);
    assert_eq!(first.state(), second.state());
}

#[test]
fn sam_steps_by_the_gradient_nearby() {
    // By hand: at (3, 4) the gradient is (3, 4) of norm 5, so that the second is taken at (3, 4)·(1 + ρ/5).
    let mut sam = Sam::new(Optimizer::new(Sgd::new(0.5).unwrap())).rho(0.5).unwrap();
    let mut w = [3.0f64, 4.0];
    assert_eq!(sam.perturb(&mut w, &[3.0, 4.0]), 5.0);
    assert!((w[0] - 3.3).abs() < 1e-12 && (w[1] - 4.4).abs() < 1e-12, "{w:?}");
    sam.step(&mut w, &[3.3, 4.4]);
    assert_eq!(w, [3.0 - 0.5 * 3.3, 4.0 - 0.5 * 4.4]);
}

#[test]
fn sam_restores_the_weights_to_the_bit() {
    let layout = layout(&PARAMS);
    let mut sam = Sam::new(Optimizer::for_layout(Sgd::new(0.0).unwrap(), &layout)).rho(0.3).unwrap();
    for seed in 0..5 {
        let (mut w, start) = (filled::<f32>(&layout, seed), filled::<f32>(&layout, seed));
        let mut g = filled(&layout, seed + 10);
        fill(&mut g, "1.running_mean", 0.0);
        sam.perturb(&mut w, &g);
        assert_ne!(w.get("0.weight"), start.get("0.weight"));
        assert_eq!(w.get("1.running_mean"), start.get("1.running_mean"));
        assert_padding_is_zero(&w);
        fill(&mut w, "1.running_mean", 2.0); // by the second forward pass
        if seed % 2 == 0 {
            sam.step(&mut w, &g);
        } else {
            sam.restore(&mut w);
        }
        assert_eq!(w.get("1.running_mean").unwrap().sum(), 6.0);
        w.get_mut("1.running_mean").unwrap().assign(&start.get("1.running_mean").unwrap());
        assert_eq!(w, start);
    }
    for bad in [0.0, f32::NAN, f32::INFINITY] {
        let mut w = filled::<f32>(&layout, 0);
        let mut g = Arena::zeros(Arc::clone(&layout));
        fill(&mut g, "0.bias", f64::from(bad));
        sam.perturb(&mut w, &g);
        assert_eq!(w, filled(&layout, 0), "{bad}");
        sam.restore(&mut w);
    }
    assert_eq!(sam.optimizer().steps(), 3);
}

#[test]
fn sam_resumes_with_the_same_bits() {
    let make = || Sam::new(Optimizer::<f64>::new(Momentum::new(0.01, 0.9).unwrap()));
    let gradient = |w: &[f64; 2]| [w[0].sin(), 30.0 * w[1]];
    let run = |sam: &mut Sam<f64>, w: &mut [f64; 2]| {
        for _ in 0..5 {
            let g = gradient(w);
            sam.perturb(w, &g);
            let g = gradient(w);
            sam.step(w, &g);
        }
    };
    let (mut first, mut second, mut w) = (make(), make(), [1.0, 0.3]);
    run(&mut first, &mut w);
    second.load_state(&first.state()).unwrap();
    let mut w2 = w;
    run(&mut first, &mut w);
    run(&mut second, &mut w2);
    assert_eq!(w.map(f64::to_bits), w2.map(f64::to_bits));
}

#[test]
#[should_panic(expected = "Sam: step was called without perturb before it")]
fn sam_needs_both_gradients() {
    Sam::new(Optimizer::new(Sgd::default())).step(&mut [1.0f32], &[1.0]);
}

#[test]
#[should_panic(expected = "Sam: perturb was called twice without a step between")]
fn sam_perturbs_once() {
    let mut sam = Sam::new(Optimizer::new(Sgd::default()));
    sam.perturb(&mut [1.0f32], &[1.0]);
    sam.perturb(&mut [1.0f32], &[1.0]);
}

#[test]
#[should_panic(expected = "Ema: expected w: [2], got w: [3]")]
fn an_average_keeps_its_shape() {
    let mut ema = Ema::new(0.5).unwrap();
    ema.update(&[1.0, 2.0]);
    ema.update(&[1.0, 2.0, 3.0]);
}

#[test]
fn the_guard_names_what_is_not_finite() {
    let layout = layout(&PARAMS);
    let mut g = Arena::<f32>::zeros(Arc::clone(&layout));
    fill(&mut g, "1.running_mean", f64::NAN); // not trained: of no concern
    fill(&mut g, "0.bias", 3e38); // whose square is infinite
    assert!(Guard::stop().check(&g).unwrap());
    g.get_mut("2.weight").unwrap()[[3, 1]] = -f32::INFINITY;
    let error = Guard::stop().check(&g).unwrap_err();
    assert_eq!(
        (error.parameter.as_str(), &error.index[..], error.value),
        ("2.weight", &[3, 1][..], f64::NEG_INFINITY)
    );
    g.get_mut("0.weight").unwrap()[[1, 0]] = f32::NAN;
    let message = Guard::stop().check(&g).unwrap_err().to_string();
    assert_eq!(message, "the gradient of `0.weight` holds NaN at [1, 0], after 0 skipped steps in a row");
}

#[test]
fn the_guard_skips_and_counts() {
    let (good, bad) = ([1.0f32], [f32::NAN]);
    let mut guard = Guard::skip_at_most(2).unwrap();
    let mut seen = Vec::new();
    for g in [bad, good, bad, bad, good, bad, bad, bad] {
        seen.push(guard.check(&g).ok());
        guard = Guard::skip_at_most(2).unwrap().resume(guard.skipped(), guard.in_a_row());
    }
    let (taken, skipped) = (Some(true), Some(false));
    assert_eq!(seen, [skipped, taken, skipped, skipped, taken, skipped, skipped, None]);
    assert_eq!((guard.skipped(), guard.in_a_row()), (5, 2));
}
