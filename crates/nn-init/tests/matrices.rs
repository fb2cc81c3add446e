//! Orthogonality, k-sparsity and spectral radii.

use ndarray::{Array2, Array4, Axis, array, concatenate};
use nn_core::Streams;
use nn_init::{EchoState, Gain, InitializerExt, Normal, Orthogonal, Sparse, spectral_radius};

fn drawn(init: &impl InitializerExt, rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    init.array([rows, columns], &Streams::new(seed), "w")
}

/// The spectral radius by Gelfand's formula, ρ = lim ‖Aᵐ‖^(1/m), with m = 2³⁶ by repeated squaring.
fn gelfand(matrix: &Array2<f64>) -> f64 {
    let (mut power, mut log, mut m) = (matrix.clone(), 0.0, 1.0);
    for _ in 0..36 {
        let norm = power.iter().map(|x| x * x).sum::<f64>().sqrt();
        if norm == 0.0 {
            return 0.0;
        }
        power /= norm;
        log += norm.ln() / m;
        power = power.dot(&power);
        m *= 2.0;
    }
    log.exp()
}

fn largest(matrix: &Array2<f64>) -> f64 {
    matrix.iter().fold(0.0, |m: f64, x| m.max(x.abs()))
}

#[test]
fn orthogonal_matrices_are() {
    let gain = 5.0 / 3.0;
    let init = Orthogonal::new().gain(Gain::Tanh).unwrap();
    for (rows, columns) in [(1, 1), (1, 9), (9, 1), (2, 2), (7, 30), (30, 7), (64, 64), (33, 200), (150, 149)]
    {
        let w = drawn(&init, rows, columns, 1) / gain;
        let product = if rows <= columns { w.dot(&w.t()) } else { w.t().dot(&w) };
        let error = largest(&(product - Array2::<f64>::eye(rows.min(columns))));
        assert!(error < 1e-14, "{rows}×{columns}: {error:e}");
    }
    let kernel: Array4<f64> = Orthogonal::new().array([6, 4, 3, 3], &Streams::new(1), "w");
    assert_eq!(kernel.into_shape_with_order((6, 36)).unwrap(), drawn(&Orthogonal::new(), 6, 36, 1));
}

#[test]
fn orthogonal_matrices_are_uniformly_distributed() {
    // Each element of a random orthogonal 3×3 matrix is uniform on [−1, 1] (Archimedes), and half of the matrices
    // turn space over. Without the signs of R neither holds.
    const N: usize = 4000;
    let matrices: Vec<Array2<f64>> = (0..N).map(|i| drawn(&Orthogonal::new(), 3, 3, i as u64)).collect();
    for i in 0..3 {
        for j in 0..3 {
            let mut values: Vec<f64> = matrices.iter().map(|w| w[[i, j]]).collect();
            values.sort_by(f64::total_cmp);
            let gap = |(k, x): (usize, &f64)| ((x + 1.0) / 2.0 - (k as f64 + 0.5) / N as f64).abs();
            let distance = values.iter().enumerate().map(gap).fold(0.0, f64::max);
            assert!(distance * (N as f64).sqrt() < 1.95, "{i} {j}: {}", distance * (N as f64).sqrt());
        }
    }
    let determinant = |w: &Array2<f64>| -> f64 {
        (0..3)
            .map(|i| {
                let [j, k] = [(i + 1) % 3, (i + 2) % 3];
                w[[0, i]] * (w[[1, j]] * w[[2, k]] - w[[1, k]] * w[[2, j]])
            })
            .sum()
    };
    let proper = matrices.iter().filter(|w| determinant(w) > 0.0).count();
    assert!(proper.abs_diff(N / 2) < 2 * (N as f64).sqrt() as usize, "{proper}");
}

#[test]
fn each_unit_has_k_incoming_connections() {
    for (k, fan_in) in [(15, 100), (15, 16), (15, 15), (15, 4), (1, 50), (49, 50)] {
        let w = drawn(&Sparse::new().incoming(k).unwrap(), 40, fan_in, 2);
        for unit in w.rows() {
            assert_eq!(unit.iter().filter(|&&x| x != 0.0).count(), k.min(fan_in), "{k} of {fan_in}");
        }
    }
    let kernel: Array4<f32> = Sparse::new().array([8, 3, 5, 5], &Streams::new(1), "w");
    for unit in kernel.axis_iter(Axis(0)) {
        assert_eq!(unit.iter().filter(|&&x| x != 0.0).count(), 15);
    }
}

#[test]
fn connections_fall_on_all_inputs_alike() {
    const UNITS: usize = 20_000;
    let w = drawn(&Sparse::new(), UNITS, 60, 3);
    let expected = UNITS as f64 * 15.0 / 60.0;
    let counts = w.columns().into_iter().map(|input| input.iter().filter(|&&x| x != 0.0).count() as f64);
    // Each count has variance n·p·(1 − p); the sum of 60 squares has 59 degrees of freedom, since rows are fixed.
    let chi_square: f64 = counts.map(|n| (n - expected).powi(2) / (expected * 0.75)).sum();
    assert!((22.0..=110.0).contains(&chi_square), "{chi_square}");
    // Two inputs are connected to the same unit as often as without preference: p = 15·14/(60·59).
    let both = w.rows().into_iter().filter(|unit| unit[0] != 0.0 && unit[1] != 0.0).count() as f64;
    let p = 15.0 * 14.0 / (60.0 * 59.0);
    assert!((both - UNITS as f64 * p).abs() < 4.0 * (UNITS as f64 * p).sqrt(), "{both}");
    // A unit shares 15²/60 inputs with the next, on average, with the variance 2.14 of a hypergeometric number.
    let shared =
        |i: usize| w.row(i).iter().zip(w.row(i + 1)).filter(|(a, b)| **a != 0.0 && **b != 0.0).count();
    let mean = (0..UNITS - 1).map(shared).sum::<usize>() as f64 / (UNITS - 1) as f64;
    assert!((mean - 3.75).abs() < 4.0 * (2.14 / UNITS as f64).sqrt(), "{mean}");
}

#[test]
fn sparse_for_tanh_units() {
    assert_eq!(drawn(&Sparse::tanh(), 30, 40, 1), drawn(&Sparse::new(), 30, 40, 1) * 0.25);
    assert_eq!(drawn(&Sparse::tanh_bias(), 1, 3, 1), array![[0.5, 0.5, 0.5]]);
    let wide = Sparse::new().std(4.0).unwrap();
    assert_eq!(drawn(&wide, 30, 40, 1), drawn(&Sparse::new(), 30, 40, 1) * 4.0);
}

#[test]
fn known_spectral_radii() {
    // A rotation times r, beside smaller real eigenvalues, seen through an orthogonal change of basis.
    for (seed, r, angle) in [(1, 2.0, 0.3), (2, 0.9, 1.5), (3, 1e-8, 3.1), (4, 1e9, 2.0)] {
        let mut a = Array2::<f64>::zeros((12, 12));
        let (sin, cos) = f64::sin_cos(angle);
        for (i, j, x) in [(0, 0, cos), (0, 1, -sin), (1, 0, sin), (1, 1, cos)] {
            a[[i, j]] = r * x;
        }
        (2..12).for_each(|i| a[[i, i]] = r * (0.9 - 0.1 * i as f64));
        let q = drawn(&Orthogonal::new(), 12, 12, seed);
        let found = spectral_radius(q.dot(&a).dot(&q.t()).view());
        assert!((found / r - 1.0).abs() < 1e-13, "{r} {angle}: {found}");
    }
    // x⁵ = 7·x + 3 has its largest root between 1 and 2; a companion matrix in single precision.
    let mut companion = Array2::<f32>::zeros((5, 5));
    (0..4).for_each(|i| companion[[i, i + 1]] = 1.0);
    (companion[[4, 0]], companion[[4, 1]]) = (3.0, 7.0);
    let root = spectral_radius(companion.view());
    assert!((root.powi(5) - 7.0 * root - 3.0).abs() < 1e-12, "{root}");
    let empty = Array2::<f64>::zeros((0, 0));
    assert_eq!(spectral_radius(empty.view()), 0.0);
    assert_eq!(spectral_radius(Array2::<f64>::zeros((4, 4)).view()), 0.0);
    let strictly_upper = array![[0.0, 1.0, 5.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0]];
    assert_eq!(spectral_radius(strictly_upper.view()), 0.0);
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(spectral_radius(array![[1.0, bad], [0.0, 1.0]].view()).is_nan());
    }
}

#[test]
fn spectral_radii_agree_with_gelfands_formula() {
    for n in [1, 2, 3, 4, 5, 8, 13, 30, 77] {
        for seed in 0..5 {
            let a = drawn(&Normal::default(), n, n, seed);
            // Beside a random matrix one with repeated eigenvalues, and one that is far from normal.
            let twice = concatenate![
                Axis(0),
                concatenate![Axis(1), a, a],
                concatenate![Axis(1), Array2::<f64>::zeros((n, n)), a]
            ];
            let skew = Array2::from_shape_fn((n, n), |(i, j)| a[[i, j]] * 3f64.powi(j as i32 - i as i32));
            for (name, matrix, tolerance) in
                [("random", &a, 1e-9), ("twice", &twice, 1e-6), ("skew", &skew, 1e-6)]
            {
                if name == "skew" && n > 13 {
                    continue;
                }
                let (found, expected) = (spectral_radius(matrix.view()), gelfand(matrix));
                assert!((found / expected - 1.0).abs() < tolerance, "{name} {n} {seed}: {found} {expected}");
            }
        }
    }
}

#[test]
fn echo_states_have_their_spectral_radius() {
    let wanted = EchoState::new().spectral_radius(0.8).unwrap().incoming(3).unwrap();
    for n in [1, 2, 3, 16, 100] {
        for seed in 0..6 {
            for (init, radius) in [(EchoState::new(), 1.1), (EchoState::new().dense(), 1.1), (wanted, 0.8)] {
                let w = drawn(&init, n, n, seed);
                assert!((gelfand(&w) / radius - 1.0).abs() < 1e-8, "{init:?} {n} {seed}: {}", gelfand(&w));
            }
        }
    }
}

#[test]
fn echo_states_are_sparse_matrices_to_scale() {
    for (echo, plain) in [
        (drawn(&EchoState::new(), 50, 50, 1), drawn(&Sparse::new(), 50, 50, 1)),
        (drawn(&EchoState::new().dense(), 50, 50, 1), drawn(&Normal::default(), 50, 50, 1)),
    ] {
        let factor = largest(&echo) / largest(&plain);
        assert!(largest(&(echo - plain * factor)) < 1e-15);
    }
    let inputs = drawn(&EchoState::input(), 100, 20, 1);
    assert_eq!(inputs, drawn(&Normal::new(0.0, 0.001).unwrap(), 100, 20, 1));
}
