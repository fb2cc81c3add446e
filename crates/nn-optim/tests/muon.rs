//! Muon against its formula with plain loops.
#![cfg(feature = "muon")]

use std::sync::Arc;

use ndarray::Array2;
use nn_core::{Arena, ParamLayout, Real, Role};
use nn_optim::{Adam, Group, Muon, MuonRate, Optimizer};

type Matrix = Vec<Vec<f64>>;

fn matmul(a: &Matrix, b: &Matrix) -> Matrix {
    let element = |row: &Vec<f64>, j: usize| row.iter().zip(b).map(|(x, b)| x * b[j]).sum();
    a.iter().map(|row| (0..b[0].len()).map(|j| element(row, j)).collect()).collect()
}

fn transposed(a: &Matrix) -> Matrix {
    (0..a[0].len()).map(|j| a.iter().map(|row| row[j]).collect()).collect()
}

fn combined(p: f64, a: &Matrix, q: f64, b: &Matrix) -> Matrix {
    let row = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| p * a + q * b).collect();
    a.iter().zip(b).map(row).collect()
}

/// The quintic iteration of Jordan et al. 2024, without regard to which side is longer.
fn newton_schulz(d: &Matrix, steps: usize) -> Matrix {
    let norm = d.iter().flatten().map(|x| x * x).sum::<f64>().sqrt().max(1e-7);
    let mut x = combined(1.0 / norm, d, 0.0, d);
    for _ in 0..steps {
        let a = matmul(&x, &transposed(&x));
        let inner = combined(-4.7750, &a, 2.0315, &matmul(&a, &a));
        x = combined(3.4445, &x, 1.0, &matmul(&inner, &x));
    }
    x
}

struct Case {
    rule: Muon,
    nesterov: bool,
    mu: f64,
    steps: usize,
    /// Of the rate, for 3 × 5 and for 5 × 3.
    factors: [f64; 2],
}

fn cases() -> [Case; 3] {
    let muon = || Muon::new(0.02).unwrap();
    let original = [1.0, (5.0f64 / 3.0).sqrt()];
    let rms = [0.2 * 5f64.sqrt(); 2];
    let set = muon().momentum(0.8).unwrap().steps(3).unwrap().rate(MuonRate::MatchRmsAdamW);
    [
        Case { rule: muon(), nesterov: true, mu: 0.95, steps: 5, factors: original },
        Case { rule: muon().nesterov(false), nesterov: false, mu: 0.95, steps: 5, factors: original },
        Case { rule: set, nesterov: true, mu: 0.8, steps: 3, factors: rms },
    ]
}

fn check<F: Real>(case: &Case, (rows, columns): (usize, usize), factor: f64, tolerance: f64) {
    let at = |t: usize| move |(i, j): (usize, usize)| (1.3 * t as f64 + (7 * i * i + 3 * j * j) as f64).sin();
    let nested = |f: &dyn Fn((usize, usize)) -> f64| -> Matrix {
        (0..rows).map(|i| (0..columns).map(|j| F::from_f64(f((i, j))).to_f64()).collect()).collect()
    };
    let array =
        |f: &dyn Fn((usize, usize)) -> f64| Array2::from_shape_fn((rows, columns), |at| F::from_f64(f(at)));
    let (mut w, mut expected) = (array(&at(0)), nested(&at(0)));
    let mut b = vec![vec![0.0; columns]; rows];
    let mut optimizer = Optimizer::new(case.rule);
    for t in 1..=30 {
        optimizer.step(&mut w, &array(&at(t)));
        let g = nested(&at(t));
        b = combined(case.mu, &b, 1.0 - case.mu, &g);
        let d = if case.nesterov { combined(1.0 - case.mu, &g, case.mu, &b) } else { b.clone() };
        expected = combined(1.0 - 0.02 * 0.1, &expected, -0.02 * factor, &newton_schulz(&d, case.steps));
        for ((i, j), w) in w.indexed_iter() {
            let error = (w.to_f64() - expected[i][j]).abs();
            assert!(error <= tolerance, "{:?}, step {t}: off by {error:e}", case.rule);
        }
    }
}

#[test]
fn follows_its_formula() {
    for case in cases() {
        for (shape, factor) in [(3, 5), (5, 3)].into_iter().zip(case.factors) {
            check::<f64>(&case, shape, factor, 1e-11);
            check::<f32>(&case, shape, factor, 1e-4);
        }
    }
}

/// On a diagonal matrix the steps act on each number alone, by a polynomial that ends near 1.
#[test]
fn makes_the_singular_values_nearly_one() {
    let diagonal = [5.0, 2.0, 1.0, 0.3];
    let g = Array2::from_shape_fn((4, 4), |(i, j)| if i == j { diagonal[i] } else { 0.0 });
    let mut w = Array2::<f64>::zeros((4, 4));
    Optimizer::new(Muon::new(1.0).unwrap()).step(&mut w, &g);
    let norm = diagonal.iter().map(|d| d * d).sum::<f64>().sqrt();
    for ((i, j), w) in w.indexed_iter() {
        let polynomial = |x: f64, _| 3.4445 * x - 4.7750 * x.powi(3) + 2.0315 * x.powi(5);
        let expected = if i == j { -(0..5).fold(diagonal[i] / norm, polynomial) } else { 0.0 };
        assert!((w - expected).abs() < 1e-12, "{i} {j}: {w} instead of {expected}");
        assert!(i != j || (0.6..1.3).contains(&-w), "{w}");
    }
}

#[test]
fn gives_the_same_bits_on_any_number_of_threads_and_after_loading_its_state() {
    let g = |t: usize| Array2::from_shape_fn((300, 260), |(i, j)| ((t + i * i + 3 * j) as f32).sin());
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut w = g(0);
            let mut optimizer = Optimizer::new(Muon::default());
            optimizer.step(&mut w, &g(1));
            let mut resumed = Optimizer::new(Muon::default());
            resumed.load_state(&optimizer.state()).unwrap();
            let mut w_resumed = w.clone();
            optimizer.step(&mut w, &g(2));
            resumed.step(&mut w_resumed, &g(2));
            assert_eq!(w, w_resumed);
            w
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}

#[test]
fn descends() {
    let mut w = Array2::from_shape_fn((3, 4), |(i, j)| (i as f64 - 1.0) * (j as f64 + 0.5));
    let mut optimizer = Optimizer::new(Muon::new(0.01).unwrap());
    for _ in 0..1000 {
        let g = w.clone();
        optimizer.step(&mut w, &g);
    }
    assert!(w.iter().all(|w| w.abs() < 0.05), "{w}");
}

#[test]
fn a_zero_gradient_moves_nothing_and_nothing_is_no_error() {
    let mut w = Array2::<f32>::from_elem((2, 3), 1.5);
    let muon = || Muon::default().weight_decay(0.0).unwrap();
    Optimizer::new(muon()).step(&mut w, &Array2::zeros((2, 3)));
    assert!(w.iter().all(|&w| w == 1.5));
    Optimizer::new(muon()).step(&mut Array2::<f32>::zeros((0, 3)), &Array2::zeros((0, 3)));
}

#[test]
fn shares_an_arena_with_another_optimizer() {
    let mut layout = ParamLayout::new();
    layout.add("0.weight", &[4, 3], Role::Weight).unwrap();
    layout.add("0.bias", &[4], Role::Bias).unwrap();
    let layout = Arc::new(layout);
    let mut matrices =
        Optimizer::for_layout(Muon::default(), &layout).group(Group::named("*.bias").excluded()).unwrap();
    let mut others =
        Optimizer::for_layout(Adam::default(), &layout).group(Group::named("*.weight").excluded()).unwrap();
    let (mut w, mut g) = (Arena::<f64>::zeros(layout.clone()), Arena::zeros(layout));
    g.get_mut("0.weight").unwrap().iter_mut().enumerate().for_each(|(i, g)| *g = (i as f64).cos());
    g.get_mut("0.bias").unwrap().fill(2.0);
    let mut alone = Array2::<f64>::zeros((4, 3));
    let gradient = Array2::from_shape_fn((4, 3), |(i, j)| ((3 * i + j) as f64).cos());
    Optimizer::new(Muon::default()).step(&mut alone, &gradient);
    matrices.step(&mut w, &g);
    assert_eq!(w.get("0.bias").unwrap().sum(), 0.0);
    assert_eq!(w.get("0.weight").unwrap(), alone.view().into_dyn());
    others.step(&mut w, &g);
    assert!(w.get("0.bias").unwrap().iter().all(|w| (w + 1e-3).abs() < 1e-9));
    assert_eq!(w.get("0.weight").unwrap(), alone.into_dyn());
}

/// [out, in, kh, kw] is stepped as [out, in·kh·kw], beside matrices of other sizes.
#[test]
fn steps_a_kernel_as_a_matrix() {
    let mut layout = ParamLayout::new();
    layout.add("small", &[2, 3], Role::Weight).unwrap();
    layout.add("kernel", &[5, 2, 3, 3], Role::Weight).unwrap();
    layout.add("line", &[4, 2, 1], Role::Weight).unwrap();
    let layout = Arc::new(layout);
    let mut optimizer = Optimizer::for_layout(Muon::default(), &layout);
    optimizer.fix_layout(&layout).unwrap();
    let (mut w, mut g) = (Arena::<f64>::zeros(layout.clone()), Arena::zeros(layout.clone()));
    let shapes = [(2, 3), (5, 18), (4, 2)];
    let mut alone = shapes.map(|shape| (Optimizer::new(Muon::default()), Array2::<f64>::zeros(shape)));
    for t in 0..3 {
        let value = |i: usize| ((i * i + 5 * t) as f64).sin();
        for (position, (optimizer, alone)) in alone.iter_mut().enumerate() {
            g.view_mut(position).iter_mut().enumerate().for_each(|(i, g)| *g = value(i));
            let g = Array2::from_shape_fn(shapes[position], |(i, j)| value(i * shapes[position].1 + j));
            optimizer.step(alone, &g);
        }
        optimizer.step(&mut w, &g);
        for (position, (_, alone)) in alone.iter().enumerate() {
            assert!(w.view(position).iter().eq(alone), "{position}, step {t}");
        }
    }
}

fn with_a_bias() -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    layout.add("0.weight", &[4, 4], Role::Weight).unwrap();
    layout.add("0.bias", &[4], Role::Bias).unwrap();
    Arc::new(layout)
}

#[test]
#[should_panic(expected = "Muon cannot step parameter `0.bias` of shape [4]; exclude it by a group")]
fn another_shape_is_refused_before_the_first_step() {
    let _ = Optimizer::<f32>::new(Muon::default()).fix_layout(&with_a_bias());
}

#[test]
fn a_shape_that_a_group_excludes_is_no_concern() {
    let muon = || Optimizer::<f32>::new(Muon::default());
    let mut early = muon().group(Group::named("*.bias").excluded()).unwrap();
    early.fix_layout(&with_a_bias()).unwrap();
    let mut late = Optimizer::<f32>::for_layout(Muon::default(), &with_a_bias())
        .group(Group::of_roles(&[Role::Bias]).excluded())
        .unwrap();
    late.fix_layout(&with_a_bias()).unwrap();
}

#[test]
#[should_panic(expected = "Muon steps matrices, but parameter `0.bias` has shape [4]")]
fn another_shape_is_refused_by_name() {
    let mut layout = ParamLayout::new();
    layout.add("0.bias", &[4], Role::Bias).unwrap();
    let layout = Arc::new(layout);
    let mut w = Arena::<f32>::zeros(layout.clone());
    Optimizer::for_layout(Muon::default(), &layout).step(&mut w, &Arena::zeros(layout));
}

#[test]
fn refuses_hyperparameters_out_of_range() {
    let muon = Muon::default;
    let refused = [
        (Muon::new(-1.0).err(), "Muon: learning_rate must lie in [0, ∞), got -1"),
        (muon().momentum(1.0).err(), "Muon: momentum must lie in [0, 1), got 1"),
        (muon().weight_decay(-1.0).err(), "Muon: weight_decay must lie in [0, ∞), got -1"),
        (muon().steps(0).err(), "Muon: steps must lie in [1, 99], got 0"),
        (muon().steps(100).err(), "Muon: steps must lie in [1, 99], got 100"),
        (muon().epsilon(0.0).err(), "Muon: epsilon must lie in (0, ∞), got 0"),
    ];
    for (error, message) in refused {
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
    }
}
