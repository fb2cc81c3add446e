//! Functions whose lowest value is known.

use std::f64::consts::{E, PI};

/// Three minima of the same value.
pub(crate) fn branin(x: &[f64]) -> f64 {
    let bowl = x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0;
    bowl * bowl + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0
}

/// Six minima, of which one is the lowest.
pub(crate) fn hartmann(x: &[f64]) -> f64 {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const SLOPES: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const PLACES: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let pit = |i: usize| {
        let distance: f64 = (0..6).map(|j| SLOPES[i][j] * (x[j] - PLACES[i][j]).powi(2)).sum();
        HEIGHTS[i] * (-distance).exp()
    };
    -(0..4).map(pit).sum::<f64>()
}

/// A funnel with many small pits.
pub(crate) fn ackley(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let radius = (x.iter().map(|x| x * x).sum::<f64>() / n).sqrt();
    let waves = x.iter().map(|x| (2.0 * PI * x).cos()).sum::<f64>() / n;
    20.0 - 20.0 * (-0.2 * radius).exp() + E - waves.exp()
}

/// A curved valley.
pub(crate) fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2).map(|x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)).sum()
}
