//! The distribution that CMA-ES adapts.

use rand::Rng;

use super::eigen::eigen;
use super::normal;

/// A normal distribution N(m, σ²·C) that moves to where better points are.
///
/// The equations are those of Hansen 2016, "The CMA evolution strategy: a tutorial" (arXiv:1604.00772, version 1; the
/// second adds ¼ in c_μ).
#[derive(Clone, Debug)]
pub(super) struct Cma {
    /// m.
    mean: Vec<f64>,
    /// σ.
    step: f64,
    /// C, by rows.
    covariance: Vec<f64>,
    /// The columns are the axes of the distribution, the eigenvectors of C.
    axes: Vec<f64>,
    /// The standard deviations along the axes, without σ.
    lengths: Vec<f64>,
    step_path: Vec<f64>,
    covariance_path: Vec<f64>,
    generations: i32,
    rates: Rates,
}

/// What does not change: table 1 of the tutorial.
#[derive(Clone, Debug)]
struct Rates {
    /// Of the points, best first; they sum to 1 over the better half, and are negative in the worse.
    weights: Vec<f64>,
    /// How many points the better half is worth, μ_eff.
    effective: f64,
    /// c_σ and d_σ.
    step_path: f64,
    damping: f64,
    /// c_c.
    covariance_path: f64,
    /// c_1 and c_μ.
    rank_one: f64,
    rank_mu: f64,
}

impl Rates {
    fn new(dimensions: usize, population: usize) -> Self {
        let (n, half) = (dimensions as f64, population / 2);
        let raw: Vec<f64> =
            (1..=population).map(|i| ((population as f64 + 1.0) / 2.0).ln() - (i as f64).ln()).collect();
        let effective = |weights: &[f64]| {
            weights.iter().sum::<f64>().powi(2) / weights.iter().map(|w| w * w).sum::<f64>()
        };
        let (better, worse) = (effective(&raw[..half]), effective(&raw[half..]));
        let rank_one = 2.0 / ((n + 1.3).powi(2) + better);
        let rank_mu =
            (2.0 * (better + 1.0 / better - 2.0) / ((n + 2.0).powi(2) + better)).min(1.0 - rank_one);
        let most_negative = (1.0 + rank_one / rank_mu)
            .min(1.0 + 2.0 * worse / (better + 2.0))
            .min((1.0 - rank_one - rank_mu) / (n * rank_mu));
        let sum = |sign: f64| raw.iter().map(|w| (sign * w).max(0.0)).sum::<f64>();
        let (positive, negative) = (sum(1.0), sum(-1.0));
        let weights =
            raw.iter().map(|w| if *w >= 0.0 { w / positive } else { most_negative * w / negative }).collect();
        let step_path = (better + 2.0) / (n + better + 5.0);
        Rates {
            weights,
            effective: better,
            step_path,
            damping: 1.0 + 2.0 * (((better - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + step_path,
            covariance_path: (4.0 + better / n) / (n + 4.0 + 2.0 * better / n),
            rank_one,
            rank_mu,
        }
    }
}

impl Cma {
    /// The population that the tutorial recommends, 4 + ⌊3·ln n⌋.
    pub(super) fn population(dimensions: usize) -> usize {
        4 + (3.0 * (dimensions as f64).ln()) as usize
    }

    /// A round distribution.
    pub(super) fn new(mean: Vec<f64>, step: f64, population: usize) -> Self {
        let n = mean.len();
        let identity: Vec<f64> = (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect();
        Cma {
            mean,
            step,
            axes: identity.clone(),
            covariance: identity,
            lengths: vec![1.0; n],
            step_path: vec![0.0; n],
            covariance_path: vec![0.0; n],
            generations: 0,
            rates: Rates::new(n, population),
        }
    }

    /// The standard deviation of a coordinate.
    pub(super) fn deviation(&self, i: usize) -> f64 {
        self.step * self.covariance[i * self.mean.len() + i].max(0.0).sqrt()
    }

    /// The mean.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation along the longest axis.
    pub(super) fn extent(&self) -> f64 {
        self.step * self.lengths.iter().copied().fold(0.0, f64::max)
    }

    /// A point at random: m + σ·B·D·z.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Vec<f64> {
        let scaled: Vec<f64> =
            self.lengths.iter().map(|length| self.step * length * normal::draw(rng)).collect();
        let rows = self.axes.chunks_exact(scaled.len());
        self.mean.iter().zip(rows).map(|(m, row)| m + dot(row, &scaled)).collect()
    }

    /// C^(−½)·y = B·D⁻¹·Bᵀ·y.
    fn whiten(&self, y: &[f64]) -> Vec<f64> {
        let n = y.len();
        let along = |k: usize| (0..n).map(|i| self.axes[i * n + k] * y[i]).sum::<f64>() / self.lengths[k];
        let scaled: Vec<f64> = (0..n).map(along).collect();
        self.axes.chunks_exact(n).map(|row| dot(row, &scaled)).collect()
    }

    /// Takes in a generation, best first, of as many points as the population.
    ///
    /// Points that it would hardly have drawn itself are taken in as nearer ones: Hansen 2011, "Injecting external
    /// solutions into CMA-ES" (arXiv:1110.4181).
    pub(super) fn update(&mut self, points: &[Vec<f64>]) {
        let n = self.mean.len() as f64;
        let limit = n.sqrt() + 2.0 * n / (n + 2.0);
        let steps: Vec<Vec<f64>> = points
            .iter()
            .map(|point| {
                let y: Vec<f64> = point.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.step).collect();
                let shrink = (limit / norm(&self.whiten(&y))).min(1.0);
                y.into_iter().map(|y| shrink * y).collect()
            })
            .collect();
        let better = self.rates.weights.len() / 2;
        let shift: Vec<f64> = (0..self.mean.len())
            .map(|i| steps[..better].iter().zip(&self.rates.weights).map(|(y, w)| w * y[i]).sum())
            .collect();
        self.mean.iter_mut().zip(&shift).for_each(|(m, shift)| *m += self.step * shift);
        let steady = self.follow(&shift);
        self.adapt(&steps, steady);
        self.decompose();
    }

    /// Widens it where the standard deviation of a coordinate is below the least that it may be.
    pub(super) fn widen(&mut self, least: &[f64]) {
        let n = self.mean.len();
        let mut is_wider = false;
        for (i, least) in least.iter().enumerate() {
            let factor = least / self.deviation(i);
            if factor > 1.0 && factor.is_finite() {
                (0..n).for_each(|j| self.covariance[i * n + j] *= factor);
                (0..n).for_each(|j| self.covariance[j * n + i] *= factor);
                is_wider = true;
            }
        }
        if is_wider {
            self.decompose();
        }
    }

    fn decompose(&mut self) {
        let (values, axes) = eigen(&self.covariance, self.mean.len());
        self.lengths = values.iter().map(|value| value.max(1e-30).sqrt()).collect();
        self.axes = axes;
    }

    /// Lengthens both paths and changes the step size; whether the path of steps is not too long, h_σ.
    fn follow(&mut self, shift: &[f64]) -> bool {
        let (n, c) = (shift.len() as f64, self.rates.step_path);
        let gain = (c * (2.0 - c) * self.rates.effective).sqrt();
        let white = self.whiten(shift);
        self.step_path.iter_mut().zip(white).for_each(|(p, y)| *p = (1.0 - c) * *p + gain * y);
        self.generations += 1;
        let expected = n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n));
        let length = norm(&self.step_path) / expected;
        self.step *= (c / self.rates.damping * (length - 1.0)).min(1.0).exp();
        let settled = (1.0 - (1.0 - c).powi(2 * self.generations)).sqrt();
        let steady = length / settled < 1.4 + 2.0 / (n + 1.0);

        let c = self.rates.covariance_path;
        let gain = if steady { (c * (2.0 - c) * self.rates.effective).sqrt() } else { 0.0 };
        self.covariance_path.iter_mut().zip(shift).for_each(|(p, y)| *p = (1.0 - c) * *p + gain * y);
        steady
    }

    /// Changes the covariance: equation 47.
    fn adapt(&mut self, steps: &[Vec<f64>], steady: bool) {
        let n = self.mean.len();
        let Rates { rank_one, rank_mu, covariance_path, ref weights, .. } = self.rates;
        let length = |y: &Vec<f64>| norm(&self.whiten(y)).powi(2).max(1e-12);
        let weighted: Vec<f64> = steps
            .iter()
            .zip(weights)
            .map(|(y, &w)| if w >= 0.0 { w } else { w * n as f64 / length(y) })
            .collect();
        let lost = if steady { 0.0 } else { covariance_path * (2.0 - covariance_path) };
        let keep = 1.0 + rank_one * lost - rank_one - rank_mu * weights.iter().sum::<f64>();
        for i in 0..n {
            for j in 0..n {
                let path = self.covariance_path[i] * self.covariance_path[j];
                let spread: f64 = steps.iter().zip(&weighted).map(|(y, w)| w * y[i] * y[j]).sum();
                let element = &mut self.covariance[i * n + j];
                *element = keep * *element + rank_one * path + rank_mu * spread;
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use nn_core::Streams;

    use super::{Cma, norm};

    #[test]
    fn generations_are_those_of_the_package_cmaes() {
        let mut cma = Cma::new(vec![0.5; 4], 1.0 / 6.0, Cma::population(4));
        let mut lines = 0;
        for line in include_str!("../../tests/fixtures/cma.csv").lines() {
            let (name, numbers) = line.split_once(',').expect("a name and numbers");
            let expected: Vec<f64> = numbers.split(',').map(|x| x.parse().expect("a number")).collect();
            let got = match name {
                "x" => {
                    cma.update(&expected.chunks_exact(4).map(<[f64]>::to_vec).collect::<Vec<_>>());
                    continue;
                }
                "m" => cma.mean.clone(),
                "s" => vec![cma.step],
                _ => cma.covariance.clone(),
            };
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-6, "{name}, line {lines}: {got}, expected {expected}");
            }
            lines += 1;
        }
        assert_eq!(lines, 36, "mean, step and covariance of 12 generations");
    }

    fn sphere(x: &[f64]) -> f64 {
        x.iter().map(|x| x * x).sum()
    }

    /// Axes of lengths 1 to 1,000.
    fn ellipsoid(x: &[f64]) -> f64 {
        let last = (x.len() - 1) as f64;
        // Turned, so that the axes are not those of the coordinates.
        let turned = x.iter().zip(x.iter().cycle().skip(1)).map(|(a, b)| 0.8 * a + 0.6 * b);
        turned.enumerate().map(|(i, x)| 1e6_f64.powf(i as f64 / last) * x * x).sum()
    }

    fn rosenbrock(x: &[f64]) -> f64 {
        x.windows(2).map(|x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)).sum()
    }

    /// A name, a function and the generations that it takes.
    type Problem = (&'static str, fn(&[f64]) -> f64, u64);

    #[test]
    fn converges_to_ten_digits() {
        let problems: [Problem; 3] =
            [("sphere", sphere, 150), ("ellipsoid", ellipsoid, 600), ("Rosenbrock", rosenbrock, 500)];
        for (name, value, generations) in problems {
            let mut bests: Vec<f64> = (0..5)
                .map(|seed| {
                    let population = Cma::population(5);
                    let mut cma = Cma::new(vec![0.5; 5], 0.3, population);
                    let mut best = f64::INFINITY;
                    for generation in 0..generations {
                        let mut rng = Streams::new(seed).rng("points", generation);
                        let mut points: Vec<Vec<f64>> = (0..population).map(|_| cma.draw(&mut rng)).collect();
                        points.sort_by(|a, b| value(a).total_cmp(&value(b)));
                        best = best.min(value(&points[0]));
                        cma.update(&points);
                    }
                    best
                })
                .collect();
            bests.sort_by(f64::total_cmp);
            // Rosenbrock's function has a second minimum, in which one in five searches may end.
            assert!(bests[3] < 1e-10, "{name}: {bests:?}");
        }
    }

    #[test]
    fn points_from_afar_do_not_throw_it_off() {
        let population = Cma::population(3);
        let mut cma = Cma::new(vec![0.5; 3], 1e-3, population);
        cma.update(&vec![vec![1e6, -1e6, 0.0]; population]);
        let moved: Vec<f64> = cma.mean.iter().map(|x| x - 0.5).collect();
        // √3 + 6/5 standard deviations.
        assert!(norm(&moved) < 1e-3 * 2.94, "{moved:?}");
        assert!(cma.step < 1e-2 && cma.extent() < 1e-2, "{cma:?}");
    }
}
