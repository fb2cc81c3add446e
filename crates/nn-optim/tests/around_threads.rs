//! What stands around the rules, over inputs that several threads share: the same bits with 1, 2 and 3 of them, and the
//! values of plain loops.

use std::sync::Arc;

use nn_core::{Arena, ParamLayout, Role, Streams};
use nn_optim::{
    Accumulate, ClipGlobalNorm, ClipNorm, ClipValue, Ema, GradientNoise, Lookahead, Optimizer, Sam, Sgd, Swa,
    centralize,
};

/// Above the number of elements from which on threads share the work, and no multiple of a chunk.
const ROWS: usize = 301;
const COLUMNS: usize = 457;

fn layout() -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    layout.add("weight", &[ROWS, COLUMNS], Role::Weight).unwrap();
    layout.add("mean", &[ROWS * COLUMNS], Role::RunningStatistic).unwrap();
    layout.add("row", &[1, 300_001], Role::Weight).unwrap();
    layout.add("bias", &[ROWS], Role::Bias).unwrap();
    Arc::new(layout)
}

fn filled(seed: usize) -> Arena<f32> {
    let mut arena = Arena::zeros(layout());
    for position in 0..4 {
        for (i, x) in arena.view_mut(position).iter_mut().enumerate() {
            *x = ((i * (seed + 3) + position) as f32 * 0.37).sin();
        }
    }
    arena
}

fn accumulate() -> Arena<f32> {
    let mut accumulate = Accumulate::new(3).unwrap();
    (0..5).for_each(|seed| drop(accumulate.add(&filled(seed)).cloned()));
    accumulate.finish().unwrap().clone()
}

fn averages() -> Arena<f32> {
    let (mut ema, mut swa, mut w) = (Ema::new(0.9).unwrap(), Swa::new(1, 1).unwrap(), filled(9));
    for seed in 0..4 {
        ema.update(&filled(seed));
        swa.update(&filled(seed));
    }
    swa.swap(&mut w);
    ema.update(&w);
    ema.swap(&mut w);
    w
}

fn clipped() -> Arena<f32> {
    let mut g = filled(1);
    ClipValue::new(0.75).unwrap().apply(&mut g);
    ClipNorm::new(100.0).unwrap().apply(&mut g);
    ClipGlobalNorm::new(50.0).unwrap().apply(&mut g);
    g
}

fn centralized() -> Arena<f32> {
    let mut g = filled(2);
    centralize(&mut g);
    g
}

fn noisy() -> Arena<f32> {
    let mut g = filled(3);
    GradientNoise::new(0.3, Streams::new(1)).unwrap().apply(&mut g, 7);
    g
}

fn sharpness() -> Arena<f32> {
    let mut sam = Sam::new(Optimizer::new(Sgd::new(0.1).unwrap())).rho(2.0).unwrap();
    let mut w = filled(4);
    sam.perturb(&mut w, &filled(5));
    let perturbed = w.clone();
    sam.step(&mut w, &perturbed);
    w
}

fn looked_ahead() -> Arena<f32> {
    let mut lookahead = Lookahead::new(Optimizer::new(Sgd::new(0.1).unwrap())).every(2).unwrap();
    let mut w = filled(6);
    for seed in 0..3 {
        let mut g = filled(seed);
        g.get_mut("mean").unwrap().fill(0.0);
        lookahead.step(&mut w, &g);
    }
    w
}

/// A name, and what comes out.
type Case = (&'static str, fn() -> Arena<f32>);

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let all: [Case; 7] = [
        ("accumulation", accumulate),
        ("averages", averages),
        ("clipping", clipped),
        ("centralisation", centralized),
        ("noise", noisy),
        ("SAM", sharpness),
        ("Lookahead", looked_ahead),
    ];
    for (name, run) in all {
        let [one, two, three] =
            [1, 2, 3].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(run));
        let same = |a: &Arena<f32>, b: &Arena<f32>| {
            a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        assert!(same(&one, &two) && same(&one, &three), "{name}");
    }
}

/// Each element by plain arithmetic, so that none is left out, taken twice or taken from elsewhere.
#[test]
fn every_element_is_met_once() {
    let inputs: Vec<Arena<f32>> = (0..7).map(filled).collect();
    let at = |seed: usize, i: usize| inputs[seed].as_slice()[i];
    let (layout, sum, ahead) = (layout(), accumulate(), looked_ahead());
    let g = centralized();
    for spec in layout.params() {
        for i in spec.range() {
            assert_eq!(sum.as_slice()[i], (at(3, i) + at(4, i)) / 2.0, "{}", spec.name);
            let fast = at(6, i) - 0.1 * at(0, i) - 0.1 * at(1, i);
            let slow = at(6, i) + 0.5 * (fast - at(6, i)) - 0.1 * at(2, i);
            let expected = if spec.role.is_trained() { slow } else { at(6, i) };
            assert_eq!(ahead.as_slice()[i], expected, "{}", spec.name);
        }
    }
    let weight = layout.find("weight").unwrap().range();
    for row in weight.clone().step_by(COLUMNS) {
        let mean = (row..row + COLUMNS).map(|i| f64::from(at(2, i))).sum::<f64>() / COLUMNS as f64;
        for i in row..row + COLUMNS {
            assert!((f64::from(g.as_slice()[i]) - (f64::from(at(2, i)) - mean)).abs() < 1e-6);
        }
    }
    let clip = clipped();
    let factor = clip.as_slice()[weight.start + 1] / at(1, weight.start + 1).clamp(-0.75, 0.75);
    for i in weight {
        assert!((clip.as_slice()[i] - factor * at(1, i).clamp(-0.75, 0.75)).abs() < 1e-7);
    }
}
